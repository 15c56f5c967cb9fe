/* A catalogue and a log that was pruned. The log changes first: log/dropped is replaced, a segment
 * is renamed into the place of an older one, and then the catalogue follows. Who died in between,
 * or lost the catalogue's last steps to a power cut, leaves one that speaks of files that are no
 * more; it shows by the generation and by the salts of segments, and is put right here. */
#include <fcntl.h>
#include <stdio.h>

#include "internal.h"

struct moved {
	struct catalogue *c;	/* NULL: only look */
	uint32_t first;		/* segment that is another; 0 = none */
};

static int look(uint32_t no, bool same, void *arg)
{
	struct moved *m = arg;

	if (same)
		return 0;
	if (!m->first)
		m->first = no;
	return m->c ? cat_forget_segment(m->c, no) : 1;
}

/* The generation in log/dropped; of a damaged one, that which is known. */
static int gen_now(struct store *s, struct catalogue *c, struct dropped *ret, uint64_t *ret_known)
{
	int r = cat_gen(c, ret_known);

	if (r < 0)
		return r;
	r = dropped_read(s, ret);
	if (r == -EBADMSG) {
		*ret = (struct dropped){ .gen = *ret_known };
		r = 0;
	}
	return r;
}

int log_was_pruned(struct store *s, struct catalogue *c)
{
	autoput(dropped_release) struct dropped d = { 0 };
	struct moved m = { 0 };
	uint64_t known;
	int r = gen_now(s, c, &d, &known);

	if (r < 0 || d.gen != known)
		return r < 0 ? r : 1;
	r = cat_each_segment(c, look, &m);
	return r < 0 ? r : m.first != 0;
}

static bool is_damage(int r)
{
	return r == -ENOENT || r == -ENOTSUP || r == -EEXIST;
}

int log_follow_prune(struct store *s, struct catalogue *c)
{
	autoput(dropped_release) struct dropped d = { 0 };
	struct moved m = { .c = c };
	uint64_t known;
	int r;

	if (!cat_pos(c).seg)
		return 0;
	if ((r = gen_now(s, c, &d, &known)) < 0)
		return r;
	if (d.gen != known && (r = fold_into_rows(s, c, &d)) < 0)
		return is_damage(r) ? -EBADMSG : r;
	if ((r = cat_each_segment(c, look, &m)) < 0 || !m.first)
		return r;
	log_debug("%s: segment %u was written anew; its objects are looked up again", s->dir,
		m.first);
	for (uint32_t no = m.first; r == 0 && no <= cat_pos(c).seg; no = seg_next(s, no, cat_pos(c).seg))
		r = cat_set_segment(c, no);
	if (r == 0)
		cat_rewind(c, (struct log_pos){ m.first, SEG_HEADER });
	return r;
}

static bool same_inode(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Has any segment that is open been replaced, or log/dropped? gen: what it was. */
int log_changed_since(struct store *s, uint64_t gen)
{
	autoput(dropped_release) struct dropped d = { 0 };
	int r = dropped_read(s, &d);

	if (r == 0 && d.gen != gen)
		return 1;
	for (uint32_t i = 0; i < s->n_segs; i++) {
		struct stat now, open;
		char name[16];

		if (s->segs[i].fd < 0)
			continue;
		(void)snprintf(name, sizeof(name), "%08u.seg", i);
		if (fstatat(s->logfd, name, &now, AT_SYMLINK_NOFOLLOW) < 0 ||
		    fstat(s->segs[i].fd, &open) < 0 || !same_inode(&now, &open))
			return 1;
	}
	return 0;
}
