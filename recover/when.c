#include "when.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define SECOND INT64_C(1000000000)
#define DAY_S 86400

static const char *skip_space(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

/* Takes word off the start of *s, case ignored. */
static int take_word(const char **s, const char *word)
{
	size_t n = strlen(word);

	if (strncasecmp(*s, word, n))
		return 0;
	if (((*s)[n] >= 'a' && (*s)[n] <= 'z') || ((*s)[n] >= 'A' && (*s)[n] <= 'Z'))
		return 0;
	*s = skip_space(*s + n);
	return 1;
}

/* Exactly n digits. */
static int take_digits(const char **s, int n, int *ret)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		if ((*s)[i] < '0' || (*s)[i] > '9')
			return -EINVAL;
		v = v * 10 + (*s)[i] - '0';
	}
	*s += n;
	*ret = v;
	return 0;
}

static const struct {
	const char *name;
	int64_t seconds;
} units[] = {
	{ "seconds", 1 }, { "second", 1 }, { "secs", 1 }, { "sec", 1 }, { "s", 1 },
	{ "minutes", 60 }, { "minute", 60 }, { "mins", 60 }, { "min", 60 }, { "m", 60 },
	{ "hours", 3600 }, { "hour", 3600 }, { "hrs", 3600 }, { "hr", 3600 }, { "h", 3600 },
	{ "days", DAY_S }, { "day", DAY_S }, { "d", DAY_S },
	{ "weeks", 7 * DAY_S }, { "week", 7 * DAY_S }, { "w", 7 * DAY_S },
	{ "months", 30 * DAY_S }, { "month", 30 * DAY_S },
	{ "years", 365 * DAY_S }, { "year", 365 * DAY_S },
};

/* "10 minutes ago", "1 hour 30 minutes ago", "2h30m", "an hour ago" */
static int parse_ago(const char *s, int64_t now_ns, int64_t *ret)
{
	int64_t total = 0;
	int parts = 0;

	while (*s && !take_word(&s, "ago")) {
		int64_t n = 0;
		size_t i, digits = 0;

		if (take_word(&s, "an") || take_word(&s, "a") || take_word(&s, "one")) {
			n = 1;
		} else {
			for (; *s >= '0' && *s <= '9' && digits < 9; digits++)
				n = n * 10 + *s++ - '0';
			if (!digits)
				return -EINVAL;
			s = skip_space(s);
		}
		for (i = 0; i < sizeof(units) / sizeof(*units); i++)
			if (take_word(&s, units[i].name))
				break;
		if (i == sizeof(units) / sizeof(*units))
			return -EINVAL;
		total += n * units[i].seconds;
		if (total > now_ns / SECOND)
			return -EINVAL;
		parts++;
	}
	if (*s || !parts)
		return -EINVAL;
	*ret = now_ns - total * SECOND;
	return 0;
}

struct clock_time {
	int h, m, s;
	int64_t ns;
	int to_second;		/* it was given to the second */
};

/* HH:MM[:SS[.fraction]] */
static int take_clock(const char **s, struct clock_time *t)
{
	*t = (struct clock_time){ 0 };
	if (take_digits(s, 2, &t->h) < 0 || *(*s)++ != ':' || take_digits(s, 2, &t->m) < 0)
		return -EINVAL;
	if (**s == ':') {
		++*s;
		if (take_digits(s, 2, &t->s) < 0)
			return -EINVAL;
		t->to_second = 1;
		if (**s == '.') {
			int64_t unit = SECOND / 10;

			for (++*s; **s >= '0' && **s <= '9'; ++*s, unit /= 10)
				t->ns += (**s - '0') * unit;
			t->to_second = 0;
		}
	}
	return t->h > 23 || t->m > 59 || t->s > 60 ? -EINVAL : 0;
}

/* Z, +01:00, +0100; *ret_local: there is none. */
static int take_zone(const char **s, int *ret_local, int *ret_seconds)
{
	int h, m, sign = **s == '-' ? -1 : 1;

	*ret_local = 0;
	*ret_seconds = 0;
	if (**s == 'Z' || **s == 'z') {
		++*s;
		return 0;
	}
	if (**s != '+' && **s != '-') {
		*ret_local = 1;
		return 0;
	}
	++*s;
	if (take_digits(s, 2, &h) < 0)
		return -EINVAL;
	if (**s == ':')
		++*s;
	if (take_digits(s, 2, &m) < 0)
		return -EINVAL;
	*ret_seconds = sign * (h * 3600 + m * 60);
	return 0;
}

/* Nanoseconds reach from 1677 to 2262; what is beyond is the end of it. */
static int64_t finish(time_t t, const struct clock_time *c)
{
	if (t >= INT64_MAX / SECOND)
		return INT64_MAX;
	if (t <= INT64_MIN / SECOND)
		return INT64_MIN;
	return (int64_t)t * SECOND + (c->to_second ? SECOND - 1 : c->ns);
}

/* 2026-11-23[(T| )HH:MM[:SS[.f]][zone]] */
static int parse_date(const char *s, int64_t *ret)
{
	struct clock_time c = { 23, 59, 59, 0, 1 };
	struct tm tm = { .tm_isdst = -1 };
	int year, mon, day, local = 1, offset = 0;
	time_t t;

	if (take_digits(&s, 4, &year) < 0 || *s++ != '-' || take_digits(&s, 2, &mon) < 0 ||
		*s++ != '-' || take_digits(&s, 2, &day) < 0 || mon < 1 || mon > 12 || day < 1 ||
		day > 31)
		return -EINVAL;
	if (*s == 'T' || *s == 't')
		s++;
	else
		s = skip_space(s);
	if (*s && (take_clock(&s, &c) < 0 ||
			  (s = skip_space(s), take_zone(&s, &local, &offset)) < 0 || *s))
		return -EINVAL;
	tm.tm_year = year - 1900;
	tm.tm_mon = mon - 1;
	tm.tm_mday = day;
	tm.tm_hour = c.h;
	tm.tm_min = c.m;
	tm.tm_sec = c.s;
	t = local ? mktime(&tm) : timegm(&tm) - offset;
	if (tm.tm_mday != day && tm.tm_mon != mon - 1)
		return -EINVAL;	/* February 30 */
	*ret = finish(t, &c);
	return 0;
}

/* The clock time on the day that is `days_back` before now's. */
static int64_t on_day(int64_t now_ns, int days_back, const struct clock_time *c)
{
	time_t now = (time_t)(now_ns / SECOND);
	struct tm tm;

	localtime_r(&now, &tm);
	tm.tm_mday -= days_back;
	tm.tm_hour = c->h;
	tm.tm_min = c->m;
	tm.tm_sec = c->s;
	tm.tm_isdst = -1;
	return finish(mktime(&tm), c);
}

int when_parse(const char *s, int64_t now_ns, int64_t *ret_ns)
{
	struct clock_time c;
	const char *p = s = skip_space(s);

	if (take_word(&p, "now") && !*p)
		return *ret_ns = now_ns, 0;
	if (take_word(&p, "yesterday") || take_word(&p, "today")) {
		int back = (*s | 32) == 'y';

		if (!*p) {	/* as git: the same time of the day */
			*ret_ns = now_ns - back * DAY_S * SECOND;
			return 0;
		}
		if (take_clock(&p, &c) < 0 || *skip_space(p))
			return -EINVAL;
		*ret_ns = on_day(now_ns, back, &c);
		return 0;
	}
	if (*p == '@') {
		char *end;
		long long v = strtoll(p + 1, &end, 10);

		if (end == p + 1 || *end || v < 0 || v > INT64_MAX / SECOND - 1)
			return -EINVAL;
		*ret_ns = v * SECOND + SECOND - 1;
		return 0;
	}
	if (take_clock(&p, &c) == 0 && !*skip_space(p)) {
		*ret_ns = on_day(now_ns, 0, &c);
		if (*ret_ns > now_ns && !(c.to_second && *ret_ns - now_ns < SECOND))
			*ret_ns = on_day(now_ns, 1, &c);
		return 0;
	}
	if (parse_date(s, ret_ns) == 0)
		return 0;
	return parse_ago(s, now_ns, ret_ns);
}
