/* scan/scan-internal.h - shared by the files of this room. */
#ifndef SCAN_INTERNAL_H
#define SCAN_INTERNAL_H

#include "at.h"
#include "scan.h"

/* File times have the grain of a clock tick, on some file systems of two seconds. */
#define SCAN_GRAIN_NS INT64_C(2000000000)

enum { TIMES = 64 };

struct scan {
	char *workspace;
	int rootfd;
	dev_t dev;
	ino_t ino;
	bool resting;			/* rootfd leads nowhere for now */
	struct at_near near;
	struct rules *rules;
	struct scan_options opt;
	struct scan_counts counts;
	struct {			/* when snapshots were taken; by seq % TIMES */
		uint64_t seq;
		int64_t time_ns;
	} time[TIMES];
};

/* A folder's names, in byte order. */
struct listing {
	struct buf text;
	struct listed {
		uint32_t name;		/* offset in text */
		unsigned char type;	/* DT_* */
	} *at;
	size_t n, cap;
};
/* -errno if the folder could not be read to its end: then nothing may be concluded from it. */
int listing_read(struct listing *l, int dirfd);
void listing_release(struct listing *l);
static inline const char *listing_name(const struct listing *l, size_t i)
{
	return l->text.data + l->at[i].name;
}

/* What the store knows of a folder, likewise in byte order. */
struct known {
	struct buf text;
	struct known_entry {
		uint32_t name;
		struct store_entry e;
	} *at;
	size_t n, cap;
};
/* the current state */
int known_read(struct known *k, struct store *st, const char *dir);
int known_read_at(struct known *k, struct store *st, uint64_t seq, const char *dir);
void known_release(struct known *k);
static inline const char *known_name(const struct known *k, size_t i)
{
	return k->text.data + k->at[i].name;
}

/* Does what lstat says now mean that the file is as it was stored? */
bool scan_unchanged(
	struct scan *s, struct store *st, const struct store_entry *e, const struct stat *now);

int64_t scan_ns(const struct timespec *ts);
int scan_tick(struct scan *s);		/* progress; -EINTR when told to stop */
/* Is this failure of one file or folder, or of us (no descriptors, no memory)? */
bool scan_is_ours(int r);

#endif
