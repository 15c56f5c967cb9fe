/* store/portion.h - looking for rot a little at a time, round and round the log; and what was found, for whoever tells
 * (STORE/checked).
 *
 * The stored bytes of every record are compared with their checksums, read from the disk and not from what the
 * system remembers of it. That is what a disk does to a file; `recover verify --all` also decodes and hashes. */
#ifndef STORE_PORTION_H
#define STORE_PORTION_H

#include "store.h"

struct checked {
	uint32_t seg;			/* where the next portion begins; 0 = from the start */
	uint64_t off;
	int64_t time_ns;		/* when the last portion was done; 0 = never */
	int64_t round_ns;		/* when the last whole round ended; 0 = none yet */
	uint32_t bad_seg;		/* the first record that was found damaged; 0 = none */
	uint64_t bad_off;
	int64_t bad_ns;			/* when */
	uint64_t n_bad;			/* records, since then */
	uint64_t part;			/* bytes of a portion that was cut short: the next one is what is left of it */
};

/* All zero where there is no such file, or nothing in it that can be understood. */
int checked_read(const struct store *s, struct checked *ret);
int checked_write(const struct store *s, const struct checked *c);

/* Goes on from c for about so many bytes, at most once round; a reader. What was found before is looked at again first,
 * and forgotten if it is good now: made good by a snapshot, or written anew. An object of which a sound copy stands elsewhere
 * is no damage. 0, 1: there is damage (c says where), negative. pause, after each 256 KiB, may rest; negative stops with
 * that. After -EINTR c says where, and how much of the portion was done: it goes on there the next time. */
int store_check_portion(struct store *s, struct checked *c, uint64_t bytes, int64_t now_ns, int (*pause)(void *arg), void *arg);

/* The log's bytes. */
uint64_t store_check_size(struct store *s);

#endif
