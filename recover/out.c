#include "out.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/log.h"
#include "../lib/text.h"
#include "xalloc.h"

static char stdout_buffer[1 << 16];

void out_init(void)
{
	(void)setvbuf(stdout, stdout_buffer, _IOFBF, sizeof(stdout_buffer));
}

int out_finish(void)
{
	if (ferror(stdout) | fflush(stdout))
		return log_error_errno(errno ? -errno : -EIO, "standard output");
	return 0;
}

void out_name(const char *name)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	const unsigned char *p = (const unsigned char *)name;

	while (*p >= ' ' && *p < 0x7f && *p != '"' && *p != '\\')
		p++;
	if (!*p || text_quote_name(&b, name, strlen(name)) < 0)
		fputs(name, stdout);
	else
		fputs(b.data, stdout);
}

/* Valid UTF-8 is copied; every byte that is in no valid sequence becomes U+FFFD. */
static char *lossy_utf8(const char *s)
{
	autoput(buf_release) struct buf b = BUF_INIT;

	while (*s) {
		size_t n = 1, left = strnlen(s, 4);

		while (n < left && !text_is_utf8(s, n))
			n++;
		if (text_is_utf8(s, n)) {
			(void)buf_add(&b, s, n);
			s += n;
		} else {
			(void)buf_addstr(&b, "\xef\xbf\xbd");
			s++;
		}
	}
	return b.data ? buf_detach(&b, NULL) : xstrdup("");
}

void json_name(cJSON *o, const char *key, const char *name)
{
	autofree char *lossy = NULL, *hex = NULL, *hex_key = NULL;
	size_t len = strlen(name);

	if (text_is_utf8(name, len)) {
		cJSON_AddStringToObject(o, key, name);
		return;
	}
	lossy = lossy_utf8(name);
	cJSON_AddStringToObject(o, key, lossy);
	hex = xmalloc(2 * len + 1);
	text_hex((const uint8_t *)name, len, hex);
	hex_key = xasprintf("%s_hex", key);
	cJSON_AddStringToObject(o, hex_key, hex);
}

void json_time(cJSON *o, const char *key, int64_t time_ns)
{
	char t[40];

	cJSON_AddStringToObject(o, key, text_rfc3339(time_ns, t));
}

static const struct {
	uint32_t bit;
	const char *word;
} words[] = {
	{ ENTRY_UNSTABLE, "unstable" }, { ENTRY_EMPTIED, "emptied" }, { ENTRY_NULLED, "nulled" },
	{ ENTRY_SPARSE, "sparse" }, { ENTRY_KEPT, "kept" },
	{ ENTRY_ACL, "acl" },
};

void json_flags(cJSON *o, const char *key, uint32_t flags)
{
	cJSON *a = cJSON_AddArrayToObject(o, key);

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (flags & words[i].bit)
			cJSON_AddItemToArray(a, cJSON_CreateString(words[i].word));
}

const char *flag_words(uint32_t flags, char out[64])
{
	char *p = out;

	*p = 0;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (!(flags & words[i].bit) || words[i].bit == ENTRY_SPARSE ||
			words[i].bit == ENTRY_ACL)
			continue;
		if (p != out)
			*p++ = ' ';
		p = stpcpy(p, words[i].word);
	}
	return out;
}

void json_line(cJSON *o)
{
	char *s = cJSON_PrintUnformatted(o);

	if (s) {
		fputs(s, stdout);
		fputc('\n', stdout);
	}
	cJSON_free(s);
	cJSON_Delete(o);
}

void id_hex(const struct oid *id, char out[41])
{
	text_hex(id->b, sizeof(id->b), out);
}
