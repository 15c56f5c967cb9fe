/* recover/rev.h - which snapshot a word means.
 *
 *	NAME		a mark, if there is one of that name
 *	3f2a91c		the start (at least 4 digits) of an id
 *	@ or @{0}	the newest
 *	@{TIME}		the newest not after TIME (when.h)
 *	@crash		the last before the latest crash that concerns the workspace
 *	REV~, REV~N	N snapshots before it */
#ifndef RECOVER_REV_H
#define RECOVER_REV_H

#include <stdbool.h>

#include "../store/store.h"

struct rev {
	char *base;		/* without ~N */
	uint64_t back;
	enum rev_kind { REV_NEWEST, REV_TIME, REV_CRASH, REV_NAME } kind;
	int64_t time_ns;	/* REV_TIME */
};

/* Only the spelling. why (static text) on -EINVAL. */
int rev_parse(const char *spec, int64_t now_ns, struct rev *ret, const char **why);
void rev_release(struct rev *v);

/* Release *ret with store_snapshot_release. 0, or -ENOENT / -EINVAL / -ENOTUNIQ, having said why
 * on stderr (an ambiguous prefix: with its candidates). */
int rev_resolve(struct store *s, const char *spec, int64_t now_ns, struct store_snapshot *ret);

/* "3f2a91c4": enough of the id. */
const char *rev_short(const struct store_snapshot *sn, char out[41]);

/* Is the word one (A..B too), or begins it with @? Quiet. What is none may be a path. */
bool rev_is(struct store *s, const char *word);

struct recover;
/* rev_resolve for a command: EXIT_DONE, EXIT_NO or EXIT_USAGE. */
int rev_arg(const struct recover *r, const char *spec, struct store_snapshot *ret);

#endif
