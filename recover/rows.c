#include "rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../lib/text.h"
#include "out.h"
#include "xalloc.h"

static int add_mark(const char *name, uint64_t seq, void *arg)
{
	struct marks *m = arg;

	m->m = xgrow(m->m, m->n, &m->cap, sizeof(*m->m));
	m->m[m->n++] = (struct mark){ seq, xstrdup(name) };
	return 0;
}

int marks_load(struct store *s, struct marks *ret)
{
	*ret = (struct marks){ 0 };
	return store_marks(s, add_mark, ret);
}

void marks_release(struct marks *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->m[i].name);
	free(m->m);
}

const char *marks_of(const struct marks *m, uint64_t seq, size_t i)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (m->m[mid].seq < seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	lo += i;
	return lo < m->n && m->m[lo].seq == seq ? m->m[lo].name : NULL;
}

static char *two(char *p, int v)
{
	*p++ = (char)('0' + v / 10);
	*p++ = (char)('0' + v % 10);
	return p;
}

/* Offsets from UTC change on the quarter of an hour: localtime_r once for each is enough. */
const char *row_time(int64_t time_ns, char out[32])
{
	static int64_t quarter = INT64_MIN;
	static struct tm tm;
	int64_t s = time_ns / 1000000000 - (time_ns % 1000000000 < 0);
	int64_t q = s / 900 - (s % 900 < 0), into;
	char *p = out;

	if (q != quarter) {
		time_t t = (time_t)(q * 900);

		localtime_r(&t, &tm);
		quarter = q;
	}
	/* an odd zone of old, or no year */
	if (tm.tm_sec || tm.tm_year < -900 || tm.tm_year > 8099)
		return text_local_time(time_ns, out);
	into = s - q * 900;
	p = two(p, (tm.tm_year + 1900) / 100);
	p = two(p, (tm.tm_year + 1900) % 100);
	*p++ = '-';
	p = two(p, tm.tm_mon + 1);
	*p++ = '-';
	p = two(p, tm.tm_mday);
	*p++ = ' ';
	p = two(p, tm.tm_hour);
	*p++ = ':';
	p = two(p, tm.tm_min + (int)(into / 60));
	*p++ = ':';
	p = two(p, (int)(into % 60));
	*p = 0;
	return out;
}

static void put_right(const char *s, size_t n, size_t width)
{
	static const char spaces[] = "                ";

	if (n < width)
		fwrite_unlocked(spaces, 1, width - n, stdout);
	fwrite_unlocked(s, 1, n, stdout);
}

/* "3f2a91c4  2026-11-23 14:31:07  interval    12 changed   1.4 KiB  [mark] message (flags)" */
void row_print(const struct store_snapshot *sn, const struct marks *m)
{
	static const char hex[] = "0123456789abcdef";
	char line[96], size[16], num[24], *p = line, words[64];
	const char *reason = store_reason_name(sn->reason), *name;
	int n = 0;

	for (int i = 0; i < SHORT_ID / 2; i++) {
		*p++ = hex[sn->id.b[i] >> 4];
		*p++ = hex[sn->id.b[i] & 15];
	}
	*p++ = ' ', *p++ = ' ';
	p += strlen(row_time(sn->time_ns, p));
	*p++ = ' ', *p++ = ' ';
	p = stpcpy(p, reason);
	for (size_t len = strlen(reason); len < 9; len++)
		*p++ = ' ';
	fwrite_unlocked(line, 1, (size_t)(p - line), stdout);
	for (uint64_t v = sn->changed; n == 0 || v; v /= 10)
		num[23 - n++] = (char)('0' + v % 10);
	put_right(num + 24 - n, (size_t)n, 7);
	fputs_unlocked(" changed", stdout);
	text_size(sn->added_bytes, size);
	put_right(size, strlen(size), 11);
	for (size_t i = 0; (name = marks_of(m, sn->seq, i)); i++) {
		fputs_unlocked(i ? ", " : "  [", stdout);
		out_name(name);
		if (!marks_of(m, sn->seq, i + 1))
			fputc_unlocked(']', stdout);
	}
	if (*sn->message) {
		fputs_unlocked("  ", stdout);
		out_name(sn->message);
	}
	if (*flag_words(sn->flags, words))
		printf("  (%s)", words);
	fputc_unlocked('\n', stdout);
}

cJSON *row_json(const struct store_snapshot *sn, const struct marks *m)
{
	cJSON *o = cJSON_CreateObject(), *a;
	const char *name;
	char hex[41];

	id_hex(&sn->id, hex);
	cJSON_AddStringToObject(o, "id", hex);
	json_time(o, "time", sn->time_ns);
	cJSON_AddStringToObject(o, "reason", store_reason_name(sn->reason));
	json_name(o, "message", sn->message);
	cJSON_AddNumberToObject(o, "changed", (double)sn->changed);
	cJSON_AddNumberToObject(o, "added_bytes", (double)sn->added_bytes);
	a = cJSON_AddArrayToObject(o, "marks");
	for (size_t i = 0; (name = marks_of(m, sn->seq, i)); i++)
		cJSON_AddItemToArray(a, cJSON_CreateString(name));
	json_flags(o, "flags", sn->flags);
	return o;
}
