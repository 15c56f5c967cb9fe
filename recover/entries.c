#include "entries.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../lib/text.h"
#include "out.h"
#include "rows.h"

const char *entry_kind_name(enum store_kind k)
{
	static const char *const names[] = { "gone", "file", "link", "folder", "skipped" };

	return (unsigned)k < sizeof(names) / sizeof(*names) ? names[k] : "?";
}

bool entry_is_lost(const struct store_entry *e)
{
	static const struct oid none;

	return (e->kind == KIND_FILE || e->kind == KIND_LINK) && !memcmp(&e->oid, &none, sizeof(none));
}

bool entry_same(const struct store_entry *a, const struct store_entry *b)
{
	return !entry_is_lost(a) && !memcmp(&a->oid, &b->oid, sizeof(a->oid));
}

cJSON *entry_json(const char *path, const struct store_entry *e)
{
	cJSON *o = cJSON_CreateObject();
	char hex[41], mode[8];

	json_name(o, "path", path);
	cJSON_AddStringToObject(o, "kind", entry_kind_name(e->kind));
	if (e->kind == KIND_GONE)
		return o;
	/* a link has no mode of its own: as git writes it */
	snprintf(mode, sizeof(mode), "%06o", e->kind == KIND_LINK ? 0120000 : e->mode & 0177777);
	cJSON_AddStringToObject(o, "mode", mode);
	json_time(o, "mtime", e->mtime_ns);
	if (e->kind != KIND_DIR)
		cJSON_AddNumberToObject(o, "size", (double)e->size);
	if (e->kind == KIND_FILE || e->kind == KIND_LINK) {
		id_hex(&e->oid, hex);
		if (entry_is_lost(e))
			cJSON_AddNullToObject(o, "blob");
		else
			cJSON_AddStringToObject(o, "blob", hex);
	}
	json_flags(o, "flags", e->flags);
	if (e->why)
		cJSON_AddStringToObject(o, "why", store_why_text(e->why));
	return o;
}

static void print_notes(const struct store_entry *e)
{
	char words[64];

	if (e->kind == KIND_SKIPPED)
		printf("  not stored: %s", store_why_text(e->why));
	else if (*flag_words(e->flags, words))
		printf("  (%s%s%s)", words, e->why ? ": " : "",
			e->why ? store_why_text(e->why) : "");
}

void entry_print_short(const char *path, const struct store_entry *e)
{
	char size[16];

	out_name(*path ? path : ".");
	if (e->kind == KIND_DIR && *path)
		fputc('/', stdout);
	if (e->kind == KIND_FILE || e->kind == KIND_SKIPPED)
		printf("  %s", text_size(e->size, size));
	if (e->kind == KIND_LINK)
		fputs("  link", stdout);
	print_notes(e);
	fputc('\n', stdout);
}

static void mode_text(const struct store_entry *e, char out[11])
{
	static const char rwx[] = "rwxrwxrwx";

	out[0] = e->kind == KIND_DIR    ? 'd'
		 : e->kind == KIND_LINK ? 'l'
		 : e->kind == KIND_FILE ? '-'
		 : S_ISDIR(e->mode)     ? 'd'
		 : S_ISREG(e->mode)     ? '-'
					: '?';
	for (int i = 0; i < 9; i++)
		out[i + 1] = (char)(e->mode & (0400u >> i) ? rwx[i] : '-');
	if (e->mode & 04000)
		out[3] = out[3] == 'x' ? 's' : 'S';
	if (e->mode & 02000)
		out[6] = out[6] == 'x' ? 's' : 'S';
	if (e->mode & 01000)
		out[9] = out[9] == 'x' ? 't' : 'T';
	out[10] = 0;
}

void entry_print_long(const char *path, const struct store_entry *e)
{
	char mode[11], size[16], when[32];

	mode_text(e, mode);
	printf("%s %10s  %s  ", mode, e->kind == KIND_DIR ? "-" : text_size(e->size, size),
		row_time(e->mtime_ns, when));
	out_name(path);
	if (e->kind == KIND_DIR)
		fputc('/', stdout);
	print_notes(e);
	fputc('\n', stdout);
}
