#include "rev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/hint.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/text.h"
#include "crash.h"
#include "out.h"
#include "recover.h"
#include "when.h"
#include "xalloc.h"

/* Cuts "~", "~N", "~~" off the end of base. A '~' inside braces is none of them. */
static int cut_tildes(char *base, uint64_t *ret_back)
{
	uint64_t back = 0;

	for (;;) {
		char *t = strrchr(base, '~'), *end;
		unsigned long long n = 1;

		if (!t || strchr(t, '}'))
			break;
		if (t[1]) {
			errno = 0;
			n = strtoull(t + 1, &end, 10);
			if (t[1] < '0' || t[1] > '9' || *end || errno)
				return -EINVAL;
		}
		if (n > UINT32_MAX)
			return -EINVAL;
		back += n;
		*t = 0;
	}
	*ret_back = back;
	return 0;
}

static int parse_at(const char *base, int64_t now_ns, struct rev *v, const char **why)
{
	autofree char *inside = NULL;
	size_t n = strlen(base);

	if (!strcmp(base, "@") || !strcmp(base, "@{0}")) {
		v->kind = REV_NEWEST;
		return 0;
	}
	if (!strcmp(base, "@crash") || !strcmp(base, "@{crash}")) {
		v->kind = REV_CRASH;
		return 0;
	}
	if (base[1] != '{' || base[n - 1] != '}') {
		*why = "after @ comes nothing, ~N, {TIME} or crash";
		return -EINVAL;
	}
	inside = xstrndup(base + 2, n - 3);
	v->kind = REV_TIME;
	*why = "no time like 10 minutes ago, yesterday, 14:30, 2026-11-23 14:30";
	return when_parse(inside, now_ns, &v->time_ns);
}

int rev_parse(const char *spec, int64_t now_ns, struct rev *ret, const char **why)
{
	struct rev v = { .base = xstrdup(spec), .kind = REV_NAME };
	int r = cut_tildes(v.base, &v.back);

	*why = "after ~ comes a number";
	if (r == 0 && !*v.base) {
		*why = "is empty";
		r = -EINVAL;
	}
	if (r == 0 && *v.base == '@')
		r = parse_at(v.base, now_ns, &v, why);
	if (r < 0) {
		free(v.base);
		return r;
	}
	*ret = v;
	return 0;
}

void rev_release(struct rev *v)
{
	free(v->base);
	v->base = NULL;
}

struct candidates {
	const char *hex;
	size_t len;
	int n;
};

static int show_candidate(const struct store_snapshot *sn, void *arg)
{
	struct candidates *c = arg;
	char hex[41], when[32];

	id_hex(&sn->id, hex);
	if (strncasecmp(hex, c->hex, c->len))
		return 0;
	log_error("    %.16s  %s  %s %s", hex, text_local_time(sn->time_ns, when),
		store_reason_name(sn->reason), sn->message);
	return ++c->n >= 20;
}

/* What is typed where a revision is due, out of habit: git's and restic's names of the newest, a time
 * without its braces, a path. */
static void no_such_name(const char *name, int64_t now_ns)
{
	static const char *const newest[] = { "HEAD", "latest", "newest", "last", "now", NULL };
	autoput(buf_release) struct buf word = BUF_INIT, again = BUF_INIT;
	size_t len = strlen(name), i = 0;
	int64_t t;

	while (newest[i] && strcasecmp(newest[i], name))
		i++;
	if (newest[i])
		log_error("%s: no such snapshot or mark; the newest is @", name);
	else if (strcasecmp(name, "crash") == 0)
		log_error(
			"%s: no such snapshot or mark; the last before the crash is @crash", name);
	else if (when_parse(name, now_ns, &t) == 0)
		log_error("%s: no such snapshot or mark; did you mean '@{%s}'?", name, name);
	else if (strpbrk(name, "./") || access(name, F_OK) == 0)
		log_error(
			"%s: no such snapshot or mark; a path comes after one, as in @ %s; " RECOVER
			" history %s lists its versions",
			name, hint_word(name, &word), hint_word(name, &again));
	else
		log_error("%s: no such snapshot or mark; " RECOVER " list shows them%s", name,
			len && len < 4 ? " (an id needs at least 4 digits)" : "");
}

static bool is_id(const char *name)
{
	size_t len = strlen(name);

	return len >= 4 && len <= 40 && strspn(name, "0123456789abcdefABCDEF") == len;
}

static int by_name(struct store *s, const char *name, int64_t now_ns, struct store_snapshot *ret)
{
	size_t len = strlen(name);
	uint64_t seq;
	int r = store_mark_get(s, name, &seq);

	if (r == 0)
		return store_by_seq(s, seq, ret);
	if (r != -ENOENT && r != -EINVAL)
		return r;
	if (!is_id(name)) {
		no_such_name(name, now_ns);
		return -ENOENT;
	}
	r = store_by_prefix(s, name, ret);
	if (r == -ENOTUNIQ) {
		struct candidates c = { name, len, 0 };

		log_error("%s: several snapshots begin with it:", name);
		(void)store_list(s, 0, show_candidate, &c);
	} else if (r == -ENOENT) {
		log_error("%s: no such snapshot or mark; " RECOVER " list shows them", name);
	}
	return r;
}

static int first_seen(const struct store_snapshot *sn, void *arg)
{
	*(int64_t *)arg = sn->time_ns;
	return 0;
}

static int by_time(struct store *s, const char *spec, int64_t time_ns, struct store_snapshot *ret)
{
	int64_t oldest = 0;
	char a[32], b[32];
	int r = store_at_time(s, time_ns, ret);

	if (r != -ENOENT)
		return r;
	(void)store_list(s, 0, first_seen, &oldest);
	log_error("%s: no snapshot at or before %s; the oldest is of %s", spec,
		text_local_time(time_ns, a), text_local_time(oldest, b));
	return r;
}

static int by_crash(struct store *s, const char *spec, struct store_snapshot *ret)
{
	autoput(journal_event_release) struct journal_event ev = { 0 };
	char when[32];
	int r = crash_of(store_workspace(s), &ev);

	if (r == -ENOENT) {
		log_error("%s: no crash is recorded", spec);
		return r;
	}
	if (r < 0)
		return log_error_errno(r, "%s: the journal of events", spec);
	r = crash_snapshot(s, &ev, ret);
	if (r == -ENOENT)
		log_error("%s: no snapshot is older than the crash of %s", spec,
			text_local_time(crash_time_ns(&ev), when));
	return r;
}

static int count_one(const struct store_snapshot *sn, void *arg)
{
	(void)sn;
	++*(uint64_t *)arg;
	return 0;
}

static int go_back(struct store *s, const char *spec, uint64_t back, struct store_snapshot *sn)
{
	uint64_t seq = sn->seq, n = 0;
	int r;

	if (!back)
		return 0;
	store_snapshot_release(sn);
	r = store_back(s, seq, back, sn);
	if (r == -ENOENT) {
		(void)store_list(s, seq, count_one, &n);
		log_error("%s: there %s only %llu snapshot%s before it", spec,
			n == 1 ? "is" : "are", (unsigned long long)n, n == 1 ? "" : "s");
	}
	return r;
}

int rev_resolve(struct store *s, const char *spec, int64_t now_ns, struct store_snapshot *ret)
{
	autoput(rev_release) struct rev v = { 0 };
	const char *why;
	uint64_t seq;
	int r;

	/* a mark may hold any character, '~' too */
	if (*spec != '@' && store_mark_get(s, spec, &seq) == 0)
		return store_by_seq(s, seq, ret);
	if ((r = rev_parse(spec, now_ns, &v, &why)) < 0) {
		log_error("%s: %s", spec, why);
		return r;
	}
	switch (v.kind) {
	case REV_NEWEST:
		if ((r = store_newest(s, ret)) == -ENOENT)
			log_error("%s: there is no snapshot yet", store_dir(s));
		break;
	case REV_TIME:
		r = by_time(s, spec, v.time_ns, ret);
		break;
	case REV_CRASH:
		r = by_crash(s, spec, ret);
		break;
	case REV_NAME:
		r = by_name(s, v.base, now_ns, ret);
		break;
	}
	return r < 0 ? r : go_back(s, spec, v.back, ret);
}

bool rev_is(struct store *s, const char *word)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	autofree char *base = xstrdup(word);
	uint64_t back, seq;

	if (*word == '@' || store_mark_get(s, word, &seq) == 0)
		return true;
	if (strstr(word, "..") && access(word, F_OK) < 0)
		return true;
	if (cut_tildes(base, &back) < 0)
		return false;
	return store_mark_get(s, base, &seq) == 0 ||
	       (is_id(base) && store_by_prefix(s, base, &sn) != -ENOENT);
}

const char *rev_short(const struct store_snapshot *sn, char out[41])
{
	id_hex(&sn->id, out);
	out[SHORT_ID] = 0;
	return out;
}

int rev_arg(const struct recover *r, const char *spec, struct store_snapshot *ret)
{
	int e = rev_resolve(r->store, spec, r->now_ns, ret);

	if (e >= 0)
		return EXIT_DONE;
	if (e == -EINVAL)
		return EXIT_USAGE;
	if (e != -ENOENT && e != -ENOTUNIQ)
		return context_failed(r, e, spec);
	return EXIT_NO;
}
