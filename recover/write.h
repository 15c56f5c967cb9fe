/* recover/write.h - one path written, from its bytes in memory or from the store's stream. */
#ifndef RECOVER_WRITE_H
#define RECOVER_WRITE_H

#include "plan.h"

/* A file or link of the plan (CREATE, REPLACE) with this content, or META. Sets it->temp when a
 * rename must follow, and it->error. */
void write_item(struct folder *f, struct plan_item *it, const void *p, size_t n, uint64_t op);
/* A large file, straight from the store. */
void write_stream(struct store *s, struct folder *f, struct plan_item *it, uint64_t op);
/* it->temp: over the old one, if that is still as the plan saw it. */
void write_rename(struct folder *f, struct plan_item *it, uint64_t op);
/* A temporary that write_rename could not reach. false: it still cannot be. */
bool write_drop(struct folder *f, struct plan_item *it, uint64_t op);
/* Mode and mtime of a name, never through a link. */
int write_meta(int dirfd, const char *name, const struct store_entry *want);

#endif
