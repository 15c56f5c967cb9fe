/* store/mirrored.h - how far the mirror of a store is: STORE/mirror/state, written by whoever pushes
 * (recover/mirror.h), read by whoever tells (snapd --status, recover mirror --status). */
#ifndef STORE_MIRRORED_H
#define STORE_MIRRORED_H

#include <stdint.h>

#include "store.h"

#define MIRROR_DIR "mirror"	/* in the store */

struct mirrored {
	char *url, *ref;		/* never NULL */
	char *error;			/* of the last try; "": it went well */
	uint64_t seq;			/* the last snapshot that the staging repository has */
	char commit[41];		/* and its commit there; "": none */
	uint64_t pushed;		/* the last one that is at url */
	char at[41];			/* and its commit */
	int64_t pushed_ns;		/* when that was pushed; 0 = never */
	int64_t tried_ns;
	uint64_t left_out;		/* paths in the newest that look like secrets */
};

/* -ENOENT: there is none (yet). *ret is released by the caller in any case. */
int mirrored_read(const struct store *s, struct mirrored *ret);
int mirrored_write(const struct store *s, const struct mirrored *m);
void mirrored_release(struct mirrored *m);
/* Snapshots that are not at url. */
uint64_t mirrored_behind(struct store *s, const struct mirrored *m);
/* A URL as it may be shown: without the password that may stand in it. */
int mirrored_url_text(const char *url, struct buf *ret);

#endif
