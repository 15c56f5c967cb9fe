/* recover/entries.h - how one path of a snapshot is printed. */
#ifndef RECOVER_ENTRIES_H
#define RECOVER_ENTRIES_H

#include <cjson/cJSON.h>

#include "../store/store.h"

/* "file", "link", "folder", "skipped", "gone" */
const char *entry_kind_name(enum store_kind k);
/* A file or link of which nobody knows any more what it held. */
bool entry_is_lost(const struct store_entry *e);
/* Files or links: is it known that both held the same? */
bool entry_same(const struct store_entry *a, const struct store_entry *b);
cJSON *entry_json(const char *path, const struct store_entry *e);	/* yours */
/* "NAME  1.2 KiB  emptied" and a newline */
void entry_print_short(const char *path, const struct store_entry *e);
/* as ls -l */
void entry_print_long(const char *path, const struct store_entry *e);

#endif
