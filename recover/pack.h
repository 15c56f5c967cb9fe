/* recover/pack.h - a git pack and its index, written in one pass.
 *
 * pack_begin, for each object: pack_object, pack_data any number of times, pack_object_end; then
 * pack_finish or pack_drop.
 *
 * libgit2's builder reads each object several times in search of deltas, cannot be stopped
 * meanwhile and takes many times as long as `git add`; here every object is read once and
 * deflated fast, as git does with new objects, and `git gc --aggressive` packs it tighter at leisure (without that it believes
 * that whoever made the pack has tried). Memory:
 * 64 bytes for an object. The bytes are not hashed here: who gives them has seen that they are
 * what the id says. Format: gitformat-pack(5), pack version 2, index version 2. */
#ifndef RECOVER_PACK_H
#define RECOVER_PACK_H

#include <stdint.h>
#include <git2.h>

struct pack;

/* Removes what such packs left in dirfd whose writer was killed. Only for who knows that no other one is at work there. */
void pack_sweep(int dirfd);
/* A temporary in dirfd, DIR/objects/pack; dirfd stays the caller's. */
int pack_begin(int dirfd, uint32_t objects, struct pack **ret);
/* No more bytes than that, and the index: what would be the first beyond them gives err. 0: as many as there are. */
void pack_limit(struct pack *p, uint64_t bytes, int err);
/* An id may come once only. */
int pack_object(struct pack *p, const git_oid *id, git_object_t type, uint64_t size);
int pack_data(struct pack *p, const void *data, size_t n);
/* -EBADMSG: another number of bytes came than was said. */
int pack_object_end(struct pack *p);
/* Synced and under its name, the index last: git sees a pack by its index. Frees p whatever it
 * returns. -EPROTO: not as many objects as were said. */
int pack_finish(struct pack *p);
/* Removes the temporary. NULL is fine. */
void pack_drop(struct pack *p);

#endif
