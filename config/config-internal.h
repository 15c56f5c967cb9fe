/* config/config-internal.h - the table of keys, and where a key stands in a file. */
#ifndef CONFIG_CONFIG_INTERNAL_H
#define CONFIG_CONFIG_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "lib/buf.h"

enum config_type {
	KEY_BOOL,	/* bool */
	KEY_INT,	/* int, min..max */
	KEY_SIZE,	/* uint64_t bytes, min..max */
	KEY_TIME,	/* uint64_t ms, min..max */
	KEY_STRING,	/* char *, any */
	KEY_PATH,	/* char *, absolute; "~/" is the home folder */
	KEY_CHOICE,	/* char *, one of choices */
	KEY_LIST,	/* struct config_list, each line adds one */
};

struct config_key {
	const char *name;	/* "section.key" as people write it; found in any case */
	enum config_type type;
	size_t at;		/* offset in struct config */
	const char *def;	/* NULL: none */
	uint64_t min, max;
	const char *choices;	/* separated by ", " */
	const char *example;	/* shown in holdfast.conf where there is no default */
	const char *zero;	/* of a number: what 0 means, where it is not none */
	bool user_only;		/* refused in a .holdfast */
	const char *help;	/* lines for holdfast.conf */
};

extern const struct config_key config_keys[];	/* ends with a NULL name; by section */

const struct config_key *config_key_find(const char *name);
/* The known name that this one may have meant; NULL. */
const char *config_key_guess(const char *name);

/* value NULL: the key stood alone. -EINVAL: why is filled, c is as before. -ENOMEM. */
int config_key_set(
	struct config *c, const struct config_key *k, const char *value, struct buf *why);
/* Appends the value in effect, "none" for nothing. */
int config_key_show(const struct config *c, const struct config_key *k, struct buf *b);
void config_list_clear(struct config_list *l);

/* Walks the keys of a file in order, for the number of their line only: libgit2
 * reads the values, and says what is an error. */
struct config_scan {
	const char *p, *end;
	unsigned line;
	struct buf section;	/* "section.sub." as libgit2 spells it */
	struct buf name;	/* of the key found */
	unsigned name_line;
};

void config_scan_init(struct config_scan *s, const char *text, size_t len);
int config_scan_next(struct config_scan *s);	/* 1: a key; 0: the end; -ENOMEM */
void config_scan_release(struct config_scan *s);

/* Overwrites each section that libgit2 might take for an include. Returns how
 * many; the line of the first in *ret_line. */
unsigned config_hide_includes(char *text, size_t len, unsigned *ret_line);

#endif
