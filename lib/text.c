#include "lib/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit durations[] = {
	{ "ms", 1 },
	{ "", 1000 }, { "s", 1000 }, { "sec", 1000 }, { "second", 1000 }, { "seconds", 1000 },
	{ "m", 60000 }, { "min", 60000 }, { "minute", 60000 }, { "minutes", 60000 },
	{ "h", 3600000 }, { "hour", 3600000 }, { "hours", 3600000 },
	{ "d", 86400000 }, { "day", 86400000 }, { "days", 86400000 },
	{ "w", 604800000 }, { "week", 604800000 }, { "weeks", 604800000 },
	{ NULL, 0 },
};

static const struct unit sizes[] = {
	{ "", 1 }, { "B", 1 },
	{ "K", 1 << 10 }, { "KB", 1 << 10 }, { "KiB", 1 << 10 },
	{ "M", 1 << 20 }, { "MB", 1 << 20 }, { "MiB", 1 << 20 },
	{ "G", 1 << 30 }, { "GB", 1 << 30 }, { "GiB", 1 << 30 },
	{ "T", 1ULL << 40 }, { "TB", 1ULL << 40 }, { "TiB", 1ULL << 40 },
	{ "P", 1ULL << 50 }, { "PB", 1ULL << 50 }, { "PiB", 1ULL << 50 },
	{ "E", 1ULL << 60 }, { "EB", 1ULL << 60 }, { "EiB", 1ULL << 60 },
	{ NULL, 0 },
};

/* Digits with an optional fraction of at most nine. */
static int parse_number(const char **s, uint64_t *ret_whole, double *ret_part)
{
	uint64_t whole = 0;
	double part = 0, scale = 1;
	const char *p = *s;
	int range = 0;

	if (!isdigit((unsigned char)*p))
		return -EINVAL;
	for (; isdigit((unsigned char)*p); p++)
		range |= __builtin_mul_overflow(whole, 10, &whole) ||
			__builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole);
	if (*p == '.') {
		if (!isdigit((unsigned char)*++p))
			return -EINVAL;
		for (int n = 0; isdigit((unsigned char)*p); p++, n++) {
			if (n == 9)
				return -EINVAL;
			scale /= 10;
			part += (*p - '0') * scale;
		}
	}
	*s = p;
	*ret_whole = whole;
	*ret_part = part;
	return range ? -ERANGE : 0;
}

static int parse_with_unit(const char *s, const struct unit *u, bool any_case, uint64_t *ret)
{
	uint64_t whole, v;
	double part;
	size_t n;
	int r;

	s += strspn(s, " \t");
	r = parse_number(&s, &whole, &part);
	if (r == -EINVAL)
		return r;
	s += strspn(s, " \t");
	n = strcspn(s, " \t");
	if (s[n + strspn(s + n, " \t")] != '\0')
		return -EINVAL;
	while (u->name && (strlen(u->name) != n ||
		(any_case ? strncasecmp(u->name, s, n) : strncmp(u->name, s, n)) != 0))
		u++;
	if (!u->name)
		return -EINVAL;
	if (r < 0 || __builtin_mul_overflow(whole, u->factor, &v) ||
		__builtin_add_overflow(v, (uint64_t)(part * (double)u->factor + 0.5), &v) ||
		v > INT64_MAX)
		return -ERANGE;
	*ret = v;
	return 0;
}

int text_parse_duration_ms(const char *s, uint64_t *ret_ms)
{
	return parse_with_unit(s, durations, false, ret_ms);
}

int text_parse_size(const char *s, uint64_t *ret)
{
	return parse_with_unit(s, sizes, true, ret);
}

const char *text_size(uint64_t n, char out[16])
{
	static const char unit[] = "KMGTPE";
	double v = (double)n;
	int i = -1;

	if (n < 1024) {
		(void)snprintf(out, 16, "%u B", (unsigned)n);
		return out;
	}
	/* 1023.5 would be printed as 1024: that is 1.0 of the next unit. */
	do {
		v /= 1024;
		i++;
	} while (v >= 1023.5 && i < 5);
	(void)snprintf(out, 16, v < 9.95 ? "%.1f %ciB" : "%.0f %ciB", v, unit[i]);
	return out;
}

const char *text_duration(uint64_t seconds, char out[24])
{
	uint64_t days = seconds / 86400;

	if (seconds < 60)
		(void)snprintf(out, 24, "%u s", (unsigned)seconds);
	else if (seconds < 3600)
		(void)snprintf(out, 24, "%u min", (unsigned)(seconds / 60));
	else if (days == 0)
		(void)snprintf(out, 24, "%u h", (unsigned)(seconds / 3600));
	else
		(void)snprintf(out, 24, "%.0f day%s", (double)days, days == 1 ? "" : "s");
	return out;
}

static void local(int64_t time_ns, struct tm *tm)
{
	/* Towards the past, also before 1970. */
	time_t t = (time_t)(time_ns / 1000000000 - (time_ns % 1000000000 < 0));

	if (!localtime_r(&t, tm))
		memset(tm, 0, sizeof(*tm));
}

const char *text_rfc3339(int64_t time_ns, char out[40])
{
	struct tm tm;
	size_t n;
	long min;

	local(time_ns, &tm);
	n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	min = labs(tm.tm_gmtoff) / 60;
	(void)snprintf(out + n, 40 - n, "%c%02d:%02d", tm.tm_gmtoff < 0 ? '-' : '+',
		(int)(min / 60 % 100), (int)(min % 60));
	return out;
}

const char *text_local_time(int64_t time_ns, char out[32])
{
	struct tm tm;

	local(time_ns, &tm);
	(void)strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm);
	return out;
}

int64_t text_ns(const struct timespec *ts)
{
	int64_t ns;

	if (__builtin_mul_overflow((int64_t)ts->tv_sec, 1000000000, &ns) ||
		__builtin_add_overflow(ns, ts->tv_nsec, &ns)) {
		/* The second that holds INT64_MIN begins before it. */
		if (ts->tv_sec == INT64_MIN / 1000000000 - 1 &&
			ts->tv_nsec >= 1000000000 + INT64_MIN % 1000000000)
			return (int64_t)(ts->tv_sec + 1) * 1000000000 - (1000000000 - ts->tv_nsec);
		return ts->tv_sec < 0 ? INT64_MIN : INT64_MAX;
	}
	return ns;
}

int64_t text_now_ns(void)
{
	const char *s = getenv("HOLDFAST_NOW");
	struct timespec ts;
	uint64_t whole;
	double part;

	if (s && parse_number(&s, &whole, &part) == 0 && !*s && whole < INT64_MAX / 1000000000)
		return (int64_t)whole * 1000000000 + (int64_t)(part * 1e9 + 0.5);
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return text_ns(&ts);
}

void text_hex(const uint8_t *p, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[p[i] >> 4];
		*out++ = digits[p[i] & 15];
	}
	*out = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int text_unhex(const char *s, size_t n_bytes, uint8_t *out)
{
	for (size_t i = 0; i < n_bytes; i++) {
		int hi = hex_digit(s[2 * i]);
		int lo = hi < 0 ? -1 : hex_digit(s[2 * i + 1]);	/* not past a NUL */

		if (lo < 0)
			return -EINVAL;
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return 0;
}
