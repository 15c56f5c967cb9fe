#include "backups.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "../lib/auto.h"
#include "../lib/text.h"
#include "xalloc.h"

#define SECOND INT64_C(1000000000)
#define FIRST_YEAR 1980			/* nobody has older ones, and much else has numbers */

/* ---- times in names ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* n digits, their number between lo and hi; moves on. */
static bool number(const char **p, int n, int lo, int hi, int *ret)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		if (!is_digit((*p)[i]))
			return false;
		v = v * 10 + ((*p)[i] - '0');
	}
	if (v < lo || v > hi)
		return false;
	*ret = v;
	*p += n;
	return true;
}

/* One of these, or nothing; moves on. */
static char separator(const char **p, const char *of)
{
	return **p && strchr(of, **p) ? *(*p)++ : 0;
}

/* HH MM [SS]; at most a minute is lost where they are not all there. */
static bool clock_time(const char **at, struct tm *t)
{
	const char *p = *at;
	char sep;

	while (*p == '_' || *p == ' ' || *p == '-' || *p == '.' || *p == 'T' || *p == 't' || *p == '@')
		p++;
	if (p - *at > 3 || !number(&p, 2, 0, 23, &t->tm_hour))
		return false;
	sep = separator(&p, ":-._h");
	if (!number(&p, 2, 0, 59, &t->tm_min))
		return false;
	*at = p;
	if (sep ? separator(&p, sep == 'h' ? "m" : ":-._") != 0 : is_digit(*p)) {
		if (!number(&p, 2, 0, 60, &t->tm_sec))
			t->tm_sec = 0;
		else
			*at = p;
	}
	return !is_digit(**at);
}

/* Z, +HH:MM, +HHMM: seconds east of Greenwich. */
static bool zone(const char *p, long *ret)
{
	int h, m, sign = *p == '+' ? 1 : -1;

	if (*p == '.' && is_digit(p[1]))		/* a fraction */
		for (p++; is_digit(*p); p++)
			;
	*ret = 0;
	if (*p == 'Z' || *p == 'z')
		return !isalnum((unsigned char)p[1]);
	if (*p != '+')		/* "-" is more likely what joins the next part */
		return false;
	p++;
	if (!number(&p, 2, 0, 14, &h))
		return false;
	(void)separator(&p, ":");
	if (!number(&p, 2, 0, 59, &m) || is_digit(*p))
		return false;
	*ret = sign * (h * 3600L + m * 60L);
	return true;
}

static bool date_at(const char *p, int64_t *ret)
{
	struct tm t = { .tm_isdst = -1 }, was;
	long east = 0;
	int year, month;
	time_t s;
	char sep;
	bool utc = false;

	if (!number(&p, 4, FIRST_YEAR, 2200, &year))
		return false;
	sep = separator(&p, "-_.");
	if (!number(&p, 2, 1, 12, &month) || (sep && separator(&p, (char[]){ sep, 0 }) != sep) ||
		!number(&p, 2, 1, 31, &t.tm_mday))
		return false;
	t.tm_year = year - 1900;
	t.tm_mon = month - 1;
	if (clock_time(&p, &t))
		utc = zone(p, &east);
	else if (is_digit(*p))
		return false;
	else
		t.tm_hour = t.tm_min = t.tm_sec = 0;
	was = t;
	s = utc ? timegm(&t) - east : mktime(&t);
	if (s < 0 || t.tm_mday != was.tm_mday)		/* the 31st of February */
		return false;
	*ret = (int64_t)s * SECOND;
	return true;
}

static bool epoch_at(const char *p, int64_t *ret)
{
	size_t n = strspn(p, "0123456789");
	long long v = n == 10 || n == 13 ? strtoll(p, NULL, 10) : 0;

	return v > 0 && !__builtin_mul_overflow(v, n == 10 ? SECOND : SECOND / 1000, ret) &&
	       *ret >= 315532800 * SECOND;
}

int backup_name_time(const char *name, int64_t now_ns, int64_t *ret)
{
	for (const char *p = name; *p; p++) {
		int64_t t;

		if (!is_digit(*p) || (p > name && is_digit(p[-1])))
			continue;
		if ((date_at(p, &t) || epoch_at(p, &t)) && t <= now_ns + 86400 * SECOND) {
			*ret = t;
			return 1;
		}
	}
	return 0;
}

/* ---- the folder ---- */

static int by_time(const void *pa, const void *pb)
{
	const struct backup *a = pa, *b = pb;

	return a->time_ns != b->time_ns ? (a->time_ns < b->time_ns ? -1 : 1) : strcmp(a->name, b->name);
}

static void add(struct backups *b, int dirfd, const char *name, int64_t now_ns)
{
	struct backup x = { 0 };
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		x.error = -errno;
	else if (!S_ISDIR(st.st_mode)) {
		b->others++;
		return;
	}
	x.by_name = backup_name_time(name, now_ns, &x.time_ns) == 1;
	if (!x.by_name && !x.error)
		x.time_ns = text_ns(&st.st_mtim);
	if (x.time_ns < 0 || x.time_ns > now_ns)
		x.time_ns = x.time_ns < 0 ? 0 : now_ns;
	x.name = xstrdup(name);
	b->x = xgrow(b->x, b->n, &b->cap, sizeof(*b->x));
	b->x[b->n++] = x;
}

int backups_load(const char *dir, int64_t now_ns, struct backups *ret)
{
	autoclosedir DIR *d = opendir(dir);
	struct backups b = { 0 };
	struct dirent *e;

	if (!d)
		return -errno;
	while ((errno = 0, e = readdir(d)))
		if (*e->d_name != '.')
			add(&b, dirfd(d), e->d_name, now_ns);
	if (errno) {
		int r = -errno;

		backups_release(&b);
		return r;
	}
	if (b.n)
		qsort(b.x, b.n, sizeof(*b.x), by_time);
	*ret = b;
	return 0;
}

void backups_release(struct backups *b)
{
	for (size_t i = 0; i < b->n; i++)
		free(b->x[i].name);
	free(b->x);
	*b = (struct backups){ 0 };
}
