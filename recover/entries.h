/* recover/entries.h - how one path of a snapshot is printed. */
#ifndef RECOVER_ENTRIES_H
#define RECOVER_ENTRIES_H

#include <cjson/cJSON.h>

#include "../store/store.h"

/* "file", "link", "folder", "skipped", "gone" */
const char *entry_kind_name(enum store_kind k);
cJSON *entry_json(const char *path, const struct store_entry *e);	/* yours */
/* "NAME  1.2 KiB  emptied" and a newline */
void entry_print_short(const char *path, const struct store_entry *e);
/* as ls -l */
void entry_print_long(const char *path, const struct store_entry *e);

#endif
