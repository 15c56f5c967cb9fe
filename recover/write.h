/* recover/write.h - one path written, from its bytes in memory or from the store's stream. */
#ifndef RECOVER_WRITE_H
#define RECOVER_WRITE_H

#include "plan.h"

/* A file or link of the plan (CREATE, REPLACE) with this content, beside its own name: it->temp
 * says that a rename must follow. Or META. Sets it->error. */
void write_item(struct folder *f, struct plan_item *it, const void *p, size_t n, uint64_t op);
/* A large file, straight from the store. */
void write_stream(struct store *s, struct folder *f, struct plan_item *it, uint64_t op);
/* it->temp: to its name, if nothing or what the plan saw is there. Whoever saves a file at that
 * very moment is not overwritten: the two are exchanged, and exchanged back if it was another. */
void write_rename(struct folder *f, struct plan_item *it, uint64_t op);
/* A file or link goes, if it is what the plan saw; as careful. 0, -ESTALE, ... */
int write_delete(int dirfd, const char *name, const struct plan_item *it, uint64_t op);
/* A temporary that write_rename could not reach. false: it still cannot be. */
bool write_drop(struct folder *f, struct plan_item *it, uint64_t op);
/* Mode and mtime of a name, never through a link. */
int write_meta(int dirfd, const char *name, const struct store_entry *want);

#endif
