/* Thinning a store: which snapshots go (retain.c), which objects only they want (live.c), which
 * segments are worth writing anew without them, and doing it (rewrite.c). docs/format.md says
 * what a reader makes of each state on the way. */
#include <string.h>
#include <time.h>

#include "../lib/names.h"
#include "../lib/text.h"
#include "rewrite.h"

#define MIN_DEAD 20		/* percent */
#define MIN_GAIN (64u << 10)	/* bytes: less is not worth a segment's work */
#define TIGHTER_MAX 40
#define DROP_AT_ONCE 64		/* snapshots, about: what the catalogue learns in one transaction */

/* What a plan tries out. */
enum { TRY_MS = 1000, TRY_STEP_MS = 20, TRY_MEMORY = 16 << 20 };

struct part {			/* a segment */
	uint32_t no;
	uint64_t size, live;
	uint64_t about;		/* it will have; what is planned hopes for the best: more can go the next time */
};

struct dead {			/* an object of the segment that is weighed */
	uint64_t at;		/* offset << 16 | index; 0 = free */
	uint64_t base;		/* likewise */
	uint64_t stored;
};

struct store_prune {
	struct store *s;
	struct store_prune_options o;
	struct store_pruned done;
	struct store_kept *x;	/* by seq */
	size_t n;
	struct live live;
	struct dropped dropped;
	struct part *part;	/* those to be written anew */
	size_t n_part, at;
	uint64_t planned;	/* bytes of the log after it */
	uint64_t marked;	/* snapshots up to this one are in live */
	uint64_t lost;		/* so much of it is in the spared ones */
	size_t gone;		/* of x, those before it that are to go are dropped */
	struct dropped known;	/* log/dropped before it */
	bool blind;		/* that cannot be read */
	/* How far the plan is: next is a snapshot in x, or a segment up to last. */
	enum { PLAN_MARK, PLAN_CHUNKS, PLAN_WEIGH, PLAN_DONE } phase;
	bool sliced;		/* it is made by the steps; nothing was dropped yet */
	size_t next;
	uint64_t off;		/* in that segment; 0 = its beginning */
	uint64_t weighed;	/* bytes up to there that stay */
	uint64_t between;	/* of what is dead, but what stays was made against it */
	struct dead *dead;	/* open addressing */
	size_t n_dead, cap_dead;
	uint32_t last;
	unsigned min;		/* percent */
	struct rewrite *rw;
	bool revived;		/* something that rw has left behind is wanted again */
};

/* ---- which snapshots ---- */

struct collect {
	struct store_kept *x;
	size_t n, cap;
};

static int add_kept(const struct store_snapshot *sn, void *arg)
{
	struct collect *c = arg;

	if (c->n == c->cap) {
		size_t cap = c->cap * 2 + 256;
		void *p = realloc(c->x, cap * sizeof(*c->x));

		if (!p)
			return -ENOMEM;
		c->x = p;
		c->cap = cap;
	}
	c->x[c->n++] = (struct store_kept){ .seq = sn->seq, .time_ns = sn->time_ns,
		.imported = sn->reason == REASON_IMPORT };
	return 0;
}

static struct store_kept *find_kept(struct store_prune *p, uint64_t seq)
{
	size_t lo = 0, hi = p->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->x[mid].seq < seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < p->n && p->x[lo].seq == seq ? &p->x[lo] : NULL;
}

static int pin_mark(const char *name, uint64_t seq, void *arg)
{
	struct store_kept *x = find_kept(arg, seq);

	(void)name;
	if (x)
		x->pinned = true;
	return 0;
}

static void pin_crash(struct store_prune *p, int64_t at_ns)
{
	struct store_kept *last = NULL, *copy = NULL;

	/* As store_at_time finds it. */
	for (size_t i = p->n; i-- > 0;) {
		struct store_kept *x = &p->x[i];

		if (x->time_ns > at_ns)
			continue;
		if (!x->imported && !last)
			last = x;
		if (x->imported && (!copy || x->time_ns > copy->time_ns))
			copy = x;
	}
	if (copy && (!last || copy->time_ns > last->time_ns))
		last = copy;
	if (last)
		last->pinned = true;
}

static int load_snapshots(struct store_prune *p)
{
	struct collect c = { NULL, 0, 0 };
	int r = store_list(p->s, 0, add_kept, &c);

	for (size_t i = 0; i < c.n / 2; i++) {
		struct store_kept t = c.x[i];

		c.x[i] = c.x[c.n - 1 - i];
		c.x[c.n - 1 - i] = t;
	}
	p->x = c.x;
	p->n = c.n;
	if (r == 0)
		r = store_marks(p->s, pin_mark, p);
	for (size_t i = 0; i < p->o.n_crash; i++)
		pin_crash(p, p->o.crash_ns[i]);
	return r;
}

static int nothing(const char *path, const struct store_entry *e, void *arg)
{
	(void)path, (void)e, (void)arg;
	return 0;
}

/* Its changes must be told by the one that follows: of one whose list cannot be read nothing can be
 * told. Such snapshots stay, and verify names them. */
static int is_readable(struct store_prune *p, uint64_t seq)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	loc_t loc;
	int r = query_snapshot(p->s, "seq=?", (int64_t)seq, &sn, &loc);

	if (r == 0)
		r = snap_each(p->s, loc, nothing, NULL);
	return r == -EBADMSG || r == -ENOENT || r == -ENOTSUP ? 0 : r < 0 ? r : 1;
}

static int spare_damaged(struct store_prune *p)
{
	for (size_t i = p->n; i-- > 0;) {
		int r;

		/* And the one that is to tell of those before it. */
		if (p->x[i].keep && (!i || p->x[i - 1].keep))
			continue;
		if ((r = is_readable(p, p->x[i].seq)) < 0)
			return r;
		if (r)
			continue;
		p->x[i].keep = true;
		for (size_t k = i; k > 0 && !p->x[k - 1].keep; k--)
			p->x[k - 1].keep = true;
	}
	return 0;
}

/* ---- what that makes of the log ---- */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool is_late(uint64_t deadline)
{
	return deadline && now_ms() >= deadline;
}

static int begin_tree(struct store_prune *p, uint64_t seq)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	int r = store_by_seq(p->s, seq, &sn);

	if (r == 0)
		r = live_mark_begin(&p->live, &sn.tree);
	return r == -ENOENT ? -EBADMSG : r;
}

/* Of x, which stays, something cannot be read: what it wanted is not known, but that was written before x, and
 * stays. Nothing else waits for somebody who repairs it. Those that follow share what is lost; it is met once. */
static int spare(struct store_prune *p, const struct store_kept *x)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	uint64_t n = p->live.lost;
	loc_t loc;
	int r;

	if (n == p->lost)
		return 0;
	p->lost = n;
	if ((r = query_snapshot(p->s, "seq=?", (int64_t)x->seq, &sn, &loc)) < 0)
		return r;
	live_spare(&p->live, loc);
	if (!p->done.hurt)
		log_warn("%s: snapshot %llu cannot be read whole; what was written before it stays (" RECOVER
			 " verify, " RECOVER " repair)", p->s->dir, (unsigned long long)x->seq);
	p->done.hurt++;
	return 0;
}

/* The trees of those that stay. 1: the deadline came first. */
static int mark_some(struct store_prune *p, uint64_t deadline)
{
	int r;

	while (p->next < p->n) {
		const struct store_kept *x = &p->x[p->next];

		/* What is begun is in live, and is not begun again. */
		if (x->keep && !p->live.todo.n && (r = begin_tree(p, x->seq)) < 0)
			return r;
		if ((r = live_mark_run(&p->live, p->s, deadline)) != 0 || (r = spare(p, x)) < 0)
			return r == -ENOENT ? -EBADMSG : r;
		p->marked = x->seq;
		p->next++;
		if (is_late(deadline))
			return 1;
	}
	return 0;
}

/* What stands in the log is in the catalogue, and the same: what is wanted was found by its word. */
static bool is_known(struct store_prune *p, const struct snap *sn)
{
	autoput(store_snapshot_release) struct store_snapshot row = { 0 };

	return store_by_seq(p->s, sn->info.seq, &row) == 0 && oid_eq(&row.id, &sn->info.id) && oid_eq(&row.tree, &sn->info.tree);
}

static bool goes(struct store_prune *p, loc_t loc)
{
	autoput(snap_release) struct snap sn = { .info = { 0 } };
	const struct store_kept *x;

	if (snap_read(p->s, loc, &sn, NULL) < 0)
		return false;
	x = find_kept(p, sn.info.seq);
	if (x ? !x->keep : p->blind || dropped_has(&p->known, sn.info.seq))
		return true;
	if (x ? is_known(p, &sn) : !p->n || sn.info.seq > p->x[p->n - 1].seq)
		return false;
	/* A catalogue that somebody wrote in: nothing is taken away on its word. */
	if (loc > p->live.spared)
		log_warn("%s: snapshot %llu is not in the catalogue as it is in the log; what was written before it stays"
			 " (remove catalogue.db: the log makes it again)", p->s->dir, (unsigned long long)sn.info.seq);
	live_spare(&p->live, loc);
	return false;
}

static struct dead *dead_slot(struct dead *t, size_t cap, uint64_t at)
{
	size_t i = (size_t)(at * 0x9e3779b97f4a7c15 >> 20) & (cap - 1);

	while (t[i].at && t[i].at != at)
		i = (i + 1) & (cap - 1);
	return &t[i];
}

static int dead_put(struct store_prune *p, uint64_t at, uint64_t base, uint64_t stored)
{
	if (p->n_dead * 3 >= p->cap_dead * 2) {
		size_t cap = p->cap_dead ? p->cap_dead * 2 : 1024;
		struct dead *t = calloc(cap, sizeof(*t));

		if (!t)
			return -ENOMEM;
		for (size_t i = 0; i < p->cap_dead; i++)
			if (p->dead[i].at)
				*dead_slot(t, cap, p->dead[i].at) = p->dead[i];
		free(p->dead);
		p->dead = t;
		p->cap_dead = cap;
	}
	*dead_slot(p->dead, p->cap_dead, at) = (struct dead){ at, base, stored };
	p->n_dead++;
	return 0;
}

/* What stays is encoded against the next below it that stays, and takes the place of those between: what they
 * say it has to say itself, at most; what else was made against those is made against it. */
static uint64_t take_place(struct store_prune *p, uint64_t base)
{
	uint64_t sum = 0;

	while (base && p->cap_dead) {
		struct dead *d = dead_slot(p->dead, p->cap_dead, base);

		sum += d->stored;
		base = d->base;
		d->stored = d->base = 0;
	}
	return sum;
}

static uint64_t base_of(const struct head *h, const struct frame *f)
{
	return f->dist ? (h->off - f->dist) << 16 | f->bidx : 0;
}

/* Bytes of a record that stay, about: of a solid frame its share. */
static int live_of(struct store_prune *p, const struct head *h, uint64_t *ret)
{
	uint64_t stay = 0;
	uint32_t n = 0;
	int r = 0;

	for (uint32_t i = 0; i < h->n_frames; i++) {
		const struct frame *f = &h->frames[i];
		uint64_t raw = 0, want = 0;
		uint32_t n_before = n;

		for (uint32_t k = f->first; k < f->first + f->n; k++) {
			bool keep = f->type > OBJ_LARGE;
			struct oid id;

			memcpy(id.b, head_id(h, k), 20);
			if (!keep)
				keep = live_has(&p->live, &id, f->type, loc_make(h->seg, h->off, k));
			else if (f->type == OBJ_SNAPSHOT)
				keep = !goes(p, loc_make(h->seg, h->off, k));
			raw += h->raw[k] + 1;
			want += keep ? h->raw[k] + 1 : 0;
			n += keep;
			if (!keep && (r = dead_put(p, h->off << 16 | k, base_of(h, f), f->stored / f->n)) < 0)
				return r;
		}
		stay += raw ? f->stored * want / raw : f->stored;
		if (n > n_before)
			p->between += take_place(p, base_of(h, f));
	}
	/* What is left of a dropped snapshot is a list of its changes. */
	*ret += n ? stay + (h->end - h->off - (h->n_frames ? h->end - h->frames[0].off : 0)) * n / h->n_objs : 0;
	return 0;
}

/* 1: the deadline came first. */
static int weigh(struct store_prune *p, uint32_t no, uint64_t size, uint64_t deadline, struct part *ret)
{
	uint64_t live, about;
	int r = 0;

	if (!p->off) {
		p->off = p->weighed = SEG_HEADER;
		free(take_ptr(p->dead));
		p->n_dead = p->cap_dead = p->between = 0;
	}
	while (r == 0 && p->off < size) {
		autohead struct head *h = NULL;

		if (is_late(deadline))
			return 1;
		if ((r = head_get(p->s, no, p->off, &h)) < 0)
			break;
		if ((r = live_of(p, h, &p->weighed)) < 0)
			return r;
		p->off = h->end;
	}
	live = p->weighed < size ? p->weighed : size;
	if (r == -EBADMSG) {	/* damaged: it stays as it is */
		live = size;
		r = 0;
	}
	/* Three quarters of it: of lines that were edited again and again less is to be said, of lines that
	 * were added all. Measured on texts: 0.5 to 1.0. */
	about = live + p->between / 4 * 3;
	*ret = (struct part){ no, size, live, about < size ? about : size };
	return r;
}

static bool is_worth(const struct store_prune *p, const struct part *x, unsigned min)
{
	uint64_t dead = x->size - x->live;

	return dead * 100 >= x->size * min && (dead >= MIN_GAIN || p->o.min_dead == 1);
}

static int part_cmp(const void *pa, const void *pb)
{
	const struct part *a = pa, *b = pb;

	return a->live < b->live ? -1 : a->live > b->live;
}

static int weigh_one(struct store_prune *p, uint32_t no, uint64_t deadline)
{
	struct part *x = &p->part[p->n_part];
	uint64_t size;
	int r = seg_size(p->s, no, &size);

	if (r == 0 && p->s->write && no == p->s->end.seg)
		size = p->s->end.off;
	if (r == 0)
		r = weigh(p, no, size, deadline, x);
	if (r == 0 && is_worth(p, x, p->min)) {
		p->planned += x->live;
		p->n_part++;
	} else if (r == 0) {
		p->planned += size;
	}
	return r == -ENOENT ? 0 : r;
}

/* To a phase that goes over the segments. */
static int enter(struct store_prune *p, int phase)
{
	uint32_t first;
	int r = seg_list(p->s, &first, &p->last);

	p->phase = phase;
	p->next = first;
	p->off = 0;
	if (r < 0 || phase != PLAN_WEIGH)
		return r;
	free(take_ptr(p->part));
	p->n_part = 0;
	p->planned = 0;
	p->part = calloc(p->last - first + 1, sizeof(*p->part));
	return p->part ? 0 : -ENOMEM;
}

/* What is wanted, then the segments that are to be written anew, those that need the least room first. 1: the deadline came
 * first. */
static int plan_on(struct store_prune *p, uint64_t deadline)
{
	int r = 0;

	if (p->phase == PLAN_MARK && (r = mark_some(p, deadline)) == 0)
		r = enter(p, PLAN_CHUNKS);
	while (r == 0 && p->phase < PLAN_DONE) {
		uint32_t no = (uint32_t)p->next;

		if (!no || no > p->last) {
			if (p->phase == PLAN_CHUNKS)
				r = enter(p, PLAN_WEIGH);
			else
				p->phase = PLAN_DONE;
			continue;
		}
		r = p->phase == PLAN_CHUNKS ? live_mark_chunks(&p->live, p->s, no, &p->off, deadline) :
					      weigh_one(p, no, deadline);
		if (r == 0) {
			p->next = seg_next(p->s, no, p->last);
			p->off = 0;
		}
	}
	if (r == 0 && p->n_part)
		qsort(p->part, p->n_part, sizeof(*p->part), part_cmp);
	return r;
}

static int weigh_all(struct store_prune *p, unsigned min)
{
	int r = enter(p, PLAN_WEIGH);

	p->min = min;
	return r < 0 ? r : plan_on(p, 0);
}

/* From the beginning. */
static void plan_anew(struct store_prune *p, unsigned min)
{
	live_release(&p->live);
	p->live.go_on = true;
	p->done.hurt = 0;
	p->lost = p->marked = p->next = 0;
	p->phase = PLAN_MARK;
	p->min = min;
}

static void count(struct store_prune *p)
{
	p->done.kept = p->done.dropped = 0;
	for (size_t i = 0; i < p->n; i++)
		*(p->x[i].keep ? &p->done.kept : &p->done.dropped) += 1;
}

static int plan_once(struct store_prune *p, unsigned min)
{
	int r;

	store_retain(&p->o.keep, p->x, p->n, p->o.now_ns);
	if ((r = spare_damaged(p)) < 0)
		return r;
	count(p);
	plan_anew(p, min);
	return plan_on(p, 0);
}

/* Halve the ages until it fits, or until nothing more may go. */
static int plan(struct store_prune *p, bool sliced)
{
	unsigned min = p->o.min_dead ? p->o.min_dead : MIN_DEAD;
	uint64_t before;
	int r = load_snapshots(p);

	p->phase = PLAN_DONE;

	if (r == 0 && p->o.lazy && !p->o.target) {
		store_retain(&p->o.keep, p->x, p->n, p->o.now_ns);
		count(p);
		if (!p->done.dropped)
			return 0;
	}
	if (r == 0 && sliced && !p->o.target) {
		store_retain(&p->o.keep, p->x, p->n, p->o.now_ns);
		r = spare_damaged(p);
		count(p);
		plan_anew(p, min);
		p->sliced = true;
		return r;
	}
	if (r == 0)
		r = plan_once(p, min);
	if (r == 0 && p->o.target && p->planned > p->o.target && min > 5)
		r = weigh_all(p, 5);
	for (before = p->done.kept + 1; r == 0 && p->o.target && p->planned > p->o.target;) {
		if (p->o.keep.tighter >= TIGHTER_MAX) {
			p->done.short_of = true;
			break;
		}
		p->o.keep.tighter++;
		store_retain(&p->o.keep, p->x, p->n, p->o.now_ns);
		count(p);
		if (p->done.kept == before && p->o.keep.tighter < TIGHTER_MAX)
			continue;	/* no snapshot less: no need to look again */
		before = p->done.kept;
		r = plan_once(p, 5);
	}
	p->done.tighter = p->o.keep.tighter;
	return r;
}

static int start(struct store *s, const struct store_prune_options *o, bool sliced, struct store_prune **ret)
{
	struct store_prune *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->s = s;
	p->o = *o;
	if (!p->o.now_ns)
		p->o.now_ns = text_now_ns();
	r = dropped_read(s, &p->known);
	p->blind = r == -EBADMSG;
	if (r == 0 || p->blind)
		r = plan(p, sliced);
	if (r < 0) {
		store_prune_end(p, NULL);
		return r;
	}
	*ret = p;
	return 0;
}

/* ---- doing it ---- */

/* What the file says now is still to be said as long as records of theirs stand in the log, which the catalogue knows. Of
 * ours those before upto. */
static int merge_dropped(struct store_prune *p, size_t upto, struct dropped *ret)
{
	autoput(dropped_release) struct dropped old = { 0 };
	autofree struct dropped_at *at = NULL;
	size_t n_at = 0, i = 0, k = 0;
	bool sure;
	int r = dropped_read(p->s, &old);

	if (r == -EBADMSG)	/* the catalogue knows them too */
		r = 0;
	if (r == 0)
		r = cat_gen(p->s->cat, &ret->gen);
	if (r == 0)
		r = cat_dropped_between(p->s->cat, 0, ~0ull, &at, &n_at);
	if (r < 0)
		return r;
	sure = old.gen && old.gen == ret->gen;
	ret->gen = (old.gen > ret->gen ? old.gen : ret->gen) + 1;
	if (!(ret->seq = calloc(n_at + upto + 1, sizeof(*ret->seq))))
		return -ENOMEM;
	while (i < n_at || k < upto) {
		uint64_t mine = k < upto ? p->x[k].seq : UINT64_MAX, theirs = i < n_at ? at[i].seq : UINT64_MAX;

		if (k < upto && p->x[k].keep) {
			k++;
			continue;
		}
		if (theirs < mine && sure && !dropped_has(&old, theirs)) {	/* it never went */
			i++;
			continue;
		}
		ret->seq[ret->n++] = mine < theirs ? mine : theirs;
		i += theirs <= mine;
		k += mine <= theirs;
	}
	return 0;
}

/* How large one part will be, by doing it, as far as the time goes; what it was thought to be adds to *was, what it came to, to
 * *is. 0: all of it, x->about says so. */
static int try_one(struct store_prune *p, struct part *x, uint64_t until, uint64_t *was, uint64_t *is)
{
	struct rewrite *w;
	struct part thought = { 0 };
	uint64_t at, size;
	int r = rewrite_try(p->s, x->no, &p->live, &p->dropped, &w);

	if (r < 0)
		return r;
	do
		r = rewrite_step(w, now_ms() + TRY_STEP_MS);
	while (r == 1 && now_ms() < until && rewrite_size(w) < TRY_MEMORY);
	at = rewrite_at(w);
	size = rewrite_size(w);
	rewrite_drop(w);
	if (r == -EBADMSG || r == -ENOTSUP) {	/* it will stay as it is */
		x->about = x->size;
		return 0;
	}
	p->off = 0;
	if (r >= 0 && weigh(p, x->no, r ? at : x->size, 0, &thought) == 0) {
		*was += thought.about;
		*is += size;
	}
	p->off = 0;
	if (r == 0)
		x->about = size < x->size ? size : x->size;
	return r;
}

/* Shares of frames and deltas say little of what is encoded anew, least of all where tidy had made it tight: what can be tried
 * in a second is, and the rest is taken to be alike. A guess stays one where it cannot be tried. */
static void try_parts(struct store_prune *p)
{
	uint64_t until = now_ms() + TRY_MS, was = 0, is = 0;
	size_t i = 0;

	if (merge_dropped(p, p->n, &p->dropped) < 0)
		return;
	while (i < p->n_part && now_ms() < until && try_one(p, &p->part[i], until, &was, &is) == 0)
		i++;
	for (; was && i < p->n_part; i++) {
		uint64_t about = (uint64_t)((double)p->part[i].about * (double)is / (double)was);

		p->part[i].about = about < p->part[i].size ? about : p->part[i].size;
	}
}

int store_prune_plan(struct store *s, const struct store_prune_options *o, struct store_pruned *ret)
{
	struct store_prune *p;
	int r = start(s, o, false, &p);

	if (r < 0)
		return r;
	try_parts(p);
	for (size_t i = 0; i < p->n_part; i++) {
		p->done.freed += p->part[i].size - p->part[i].about;
		p->done.moved += p->part[i].about;
	}
	p->done.segments = (uint32_t)p->n_part;
	store_prune_end(p, ret);
	return 0;
}

/* Where the next portion ends: behind a snapshot that stays, which tells of those before it. */
static size_t next_portion(const struct store_prune *p)
{
	size_t k = p->gone, n = 0;

	while (k < p->n && (n < DROP_AT_ONCE || !p->x[k - 1].keep))
		n += !p->x[k++].keep;
	return k;
}

/* The step at which they go, those of x from p->gone up to there. */
static int drop_portion(struct store_prune *p, size_t upto)
{
	autofree uint64_t *seq = calloc(upto - p->gone + 1, sizeof(*seq));
	struct store *s = p->s;
	int r = seq ? 0 : -ENOMEM;

	for (size_t i = p->gone; seq && i < upto; i++)
		seq[i - p->gone] = p->x[i].seq;
	dropped_release(&p->dropped);
	if (r == 0)
		r = merge_dropped(p, upto, &p->dropped);
	if (r < 0)
		return r;
	if ((r = dropped_write(s, &p->dropped)) < 0) {
		s->broken = 1;	/* it may be there all the same: look before going on */
		return r;
	}
	if ((r = cat_begin(s->cat)) == 0 &&
	    (r = fold_these(s, s->cat, &p->dropped, seq, upto - p->gone, p->gone ? p->x[p->gone - 1].seq : 0)) == 0)
		r = cat_commit(s->cat, cat_pos(s->cat));
	if (r < 0) {
		cat_rollback(s->cat);
		s->broken = 1;
		return r;
	}
	p->gone = upto;
	return 0;
}

/* All of them, portion by portion, each of which is durable. 1: the deadline came first. */
static int drop_snapshots(struct store_prune *p, uint64_t deadline)
{
	int r = 0;

	if (!p->done.dropped)	/* of those that went before we must know all the same */
		return p->dropped.seq ? 0 : merge_dropped(p, 0, &p->dropped);
	while (r == 0 && p->gone < p->n) {
		if ((r = drop_portion(p, next_portion(p))) == 0)
			r = store_shed_readers(p->s);
		if (r == 0 && p->gone < p->n && is_late(deadline))
			return 1;
	}
	/* Places in segments that are about to go must not come back with a power cut. */
	if (r == 0)
		(void)sqlite3_wal_checkpoint_v2(
			cat_db(p->s->cat), NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	return r;
}

static int fresh_object(const struct oid *id, void *arg)
{
	struct store_prune *p = arg;
	autohead struct head *h = NULL;
	loc_t loc;
	int r = cat_find(p->s, p->s->cat, id, &loc);

	if (r == 0)
		r = head_get(p->s, loc_seg(loc), loc_off(loc), &h);
	if (r < 0)
		return r == -ENOENT || r == -ESTALE ? -EBADMSG : r;
	if (!h || loc_idx(loc) >= h->n_objs)
		return -EBADMSG;
	/* Between two steps a snapshot has taken up what nobody wanted: begin again with it. */
	if (p->rw && loc_seg(loc) == p->part[p->at].no && loc_off(loc) < rewrite_at(p->rw))
		p->revived = true;
	return head_frame(h, loc_idx(loc))->type == OBJ_LARGE ? live_mark_list(&p->live, p->s, loc)
							      : 0;
}

/* Snapshots that came since the last step. */
static int mark_new(struct store_prune *p)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	int r = store_newest(p->s, &sn);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	/* In what has just been written nothing is spared. */
	p->live.go_on = false;
	p->live.fresh = fresh_object;
	p->live.arg = p;
	while (r == 0 && sn.seq > p->marked) {
		struct store_snapshot before = { 0 };

		r = live_mark_tree(&p->live, p->s, &sn.tree);
		if (r == 0)
			r = store_before(p->s, sn.seq, &before);
		store_snapshot_release(&sn);
		sn = before;
	}
	if (r == 0 || r == -ENOENT) {
		store_snapshot_release(&sn);
		sn = (struct store_snapshot){ 0 };
		r = store_newest(p->s, &sn);
		p->marked = sn.seq;
	}
	return r;
}

static void give_up(struct store_prune *p, int r)
{
	log_warn("%s: segment %u stays as it is: %s%s", p->s->dir, p->part[p->at].no, err_str(r),
		r == -EBADMSG ? " (" RECOVER " verify)" : "");
}

static int finish_segment(struct store_prune *p)
{
	const struct part *x = &p->part[p->at];
	uint64_t size, old = x->size;
	int r;

	(void)seg_size(p->s, x->no, &old);
	r = rewrite_finish(take_ptr(p->rw), &size);
	if (r < 0)
		return r;
	p->done.segments++;
	p->done.freed += old > size ? old - size : 0;
	p->done.moved += size;
	return store_shed_readers(p->s);
}

/* One segment, or what of it the deadline allows. 1: not at its end yet. */
static int step_segment(struct store_prune *p, uint64_t deadline)
{
	int r;

	if (p->rw && p->revived)
		rewrite_drop(take_ptr(p->rw));
	p->revived = false;
	r = p->rw ? 0 : rewrite_begin(p->s, p->part[p->at].no, &p->live, &p->dropped, &p->rw);
	if (r == 0)
		r = rewrite_step(p->rw, deadline);
	if (r == 0)
		r = finish_segment(p);
	if (r < 0)
		rewrite_drop(take_ptr(p->rw));
	return r;
}

static int begin(struct store *s, const struct store_prune_options *o, bool sliced, struct store_prune **ret)
{
	struct store_prune *p;
	int r;

	if ((r = store_can_write(s)) < 0)
		return r;
	if ((r = start(s, o, sliced, &p)) < 0)
		return r;
	p->live.fresh = NULL;
	if (!p->sliced && (r = drop_snapshots(p, 0)) < 0) {
		store_prune_end(p, NULL);
		return r;
	}
	*ret = p;
	return 0;
}

int store_prune_begin(struct store *s, const struct store_prune_options *o, struct store_prune **ret)
{
	return begin(s, o, false, ret);
}

int store_prune_open(struct store *s, const struct store_prune_options *o, struct store_prune **ret)
{
	return begin(s, o, true, ret);
}

/* Somebody has marked one that was to go: then no more goes this time. */
static int look_at_marks(struct store_prune *p)
{
	int r = store_marks(p->s, pin_mark, p);
	bool other = false;

	for (size_t i = p->gone; i < p->n; i++)
		other |= p->x[i].pinned && !p->x[i].keep;
	if (r < 0 || !other)
		return r;
	for (size_t i = p->gone; i < p->n; i++)
		p->x[i].keep = true;
	p->n_part = 0;
	count(p);
	return 0;
}

/* 1: the plan is not made yet. */
static int step_plan(struct store_prune *p, uint64_t deadline)
{
	int r = plan_on(p, deadline);

	if (r != 0 || (r = look_at_marks(p)) < 0 || (r = drop_snapshots(p, deadline)) != 0)
		return r;
	p->sliced = false;
	return is_late(deadline);
}

int store_prune_step(struct store_prune *p, uint64_t budget_ms)
{
	struct store *s = p->s;
	uint64_t deadline = budget_ms ? now_ms() + budget_ms : 0;
	int r = 0;

	if (s->txn)
		return -EBUSY;
	if (p->at == p->n_part && !p->sliced)
		return 0;
	if (s->broken && (r = store_writer_ready(s)) < 0)
		return r;
	if (p->sliced && (r = step_plan(p, deadline)) != 0)
		return r;
	if ((r = mark_new(p)) < 0)
		return r;
	while (p->at < p->n_part) {
		r = step_segment(p, deadline);
		if (r == 1)
			return 1;
		if (r < 0 && s->broken) {
			int e = store_writer_ready(s);

			return e < 0 ? e : r;
		}
		if (r == -EBADMSG || r == -ENOTSUP)
			give_up(p, r);
		else if (r < 0)
			return r;
		p->at++;
		if (deadline && p->at < p->n_part && now_ms() >= deadline)
			return 1;
	}
	return 0;
}

void store_prune_end(struct store_prune *p, struct store_pruned *ret)
{
	if (!p)
		return;
	rewrite_drop(p->rw);
	if (ret)
		*ret = p->done;
	live_release(&p->live);
	dropped_release(&p->dropped);
	dropped_release(&p->known);
	free(p->x);
	free(p->part);
	free(p->dead);
	free(p);
}
