/* detect/top-tree.c - editors and trainings as trees, the largest whole first; what each grows by.
 * See top.h. */
#include <stdlib.h>
#include <string.h>

#include "detect/top.h"

enum { DEEPEST = 32 };

static bool same(const struct proc_id *a, const struct proc_id *b)
{
	return a->pid == b->pid && a->start == b->start;
}

static struct top_past *past_of(const struct top *t, const struct proc_id *id)
{
	for (unsigned i = 0; i < t->n_of; i++)
		if (same(&t->of[i].id, id))
			return &t->of[i];
	return NULL;
}

static struct top_past *past_new(struct top *t, const struct proc_id *id)
{
	if (t->n_of == t->room_of) {
		unsigned room = t->room_of ? t->room_of * 2 : 64;
		struct top_past *more = calloc(room, sizeof(*more)), *old = t->of;

		if (!more)
			return NULL;
		if (old)
			memcpy(more, old, t->n_of * sizeof(*more));
		t->of = more;
		free(old);
		t->room_of = room;
	}
	t->of[t->n_of] = (struct top_past){ .id = *id };
	return &t->of[t->n_of++];
}

static void forget_unseen(struct top *t)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < t->n_of; i++)
		if (t->of[i].seen) {
			t->of[i].seen = false;
			t->of[kept++] = t->of[i];
		}
	t->n_of = kept;
}

/* The sizes of now; who is gone is forgotten. */
static void note_sizes(struct top *t)
{
	for (unsigned i = 0; i < t->survey.n; i++) {
		const struct survey_proc *p = &t->survey.proc[i];
		struct top_past *x = past_of(t, &p->id);

		if (!x && !(x = past_new(t, &p->id)))
			continue;
		x->seen = true;
		/* After a fold the same reading comes again. */
		if (x->n && x->at[(x->next + TOP_GROWTH - 1) % TOP_GROWTH].ms == t->m.mono_ms)
			continue;
		x->at[x->next].ms = t->m.mono_ms;
		x->at[x->next].bytes = survey_bytes(p);
		x->next = (x->next + 1) % TOP_GROWTH;
		x->n += x->n < TOP_GROWTH;
	}
	forget_unseen(t);
}

int64_t top_growth(const struct top *t, const struct proc_id *id)
{
	const struct top_past *x = past_of(t, id);
	unsigned first, last;
	uint64_t ms;

	if (!x || x->n < 2)
		return INT64_MIN;
	last = (x->next + TOP_GROWTH - 1) % TOP_GROWTH;
	first = (x->next + TOP_GROWTH - x->n) % TOP_GROWTH;
	ms = x->at[last].ms - x->at[first].ms;
	return ms ? ((int64_t)x->at[last].bytes - (int64_t)x->at[first].bytes) * 1000 / (int64_t)ms
		  : INT64_MIN;
}

static bool is_folded(const struct top *t, const struct proc_id *id)
{
	for (unsigned i = 0; i < t->n_folded; i++)
		if (same(&t->folded[i], id))
			return true;
	return false;
}

static void sum(const struct top *t, unsigned head, struct top_item *x)
{
	const struct survey *s = &t->survey;

	*x = (struct top_item){
		.index = head, .gpu = MACHINE_NONE, .growth = INT64_MIN, .frozen = true
	};
	x->folded = is_folded(t, &s->proc[head].id);
	for (unsigned i = 0; i < s->n; i++) {
		const struct survey_proc *p = &s->proc[i];
		int64_t growth;

		if (p->head != head)
			continue;
		x->n++;
		x->bytes += survey_bytes(p);
		x->frozen = x->frozen && p->state == 'T';
		if (p->gpu != MACHINE_NONE)
			x->gpu = (x->gpu == MACHINE_NONE ? 0 : x->gpu) + p->gpu;
		growth = top_growth(t, &p->id);
		if (growth != INT64_MIN)
			x->growth = (x->growth == INT64_MIN ? 0 : x->growth) + growth;
	}
}

static int by_size(const void *a, const void *b)
{
	const struct top_item *x = a, *y = b;

	return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : x->index < y->index ? -1 : 1;
}

static void add_item(struct top *t, unsigned index, unsigned depth)
{
	const struct survey_proc *p = &t->survey.proc[index];

	t->item[t->n_item++] = (struct top_item){ .index = index,
		.depth = depth,
		.n = 1,
		.bytes = survey_bytes(p),
		.gpu = p->gpu,
		.growth = top_growth(t, &p->id),
		.frozen = p->state == 'T' };
}

static bool is_listed(const struct top *t, unsigned from, unsigned index)
{
	for (unsigned i = from; i < t->n_item; i++)
		if (t->item[i].index == index)
			return true;
	return false;
}

/* What process `parent` of this whole has started, each with its own below it. */
static void add_children(
	struct top *t, unsigned from, unsigned head, unsigned parent, unsigned depth)
{
	const struct survey *s = &t->survey;

	for (unsigned i = 0; i < s->n && depth < DEEPEST; i++)
		if (i != head && s->proc[i].head == head &&
			s->proc[i].ppid == s->proc[parent].id.pid && !is_listed(t, from, i)) {
			add_item(t, i, depth);
			add_children(t, from, head, i, depth + 1);
		}
}

static void add_whole(struct top *t, const struct top_item *head)
{
	unsigned from = t->n_item;

	t->item[t->n_item++] = *head;
	if (head->folded)
		return;
	add_children(t, from, head->index, head->index, 1);
	/* Those whose parent is none of them: between them stands a shell. */
	for (unsigned i = 0; i < t->survey.n; i++)
		if (t->survey.proc[i].head == head->index && !is_listed(t, from, i)) {
			add_item(t, i, 1);
			add_children(t, from, head->index, i, 2);
		}
}

void top_tree(struct top *t)
{
	struct top_item *heads;
	unsigned n = 0;

	note_sizes(t);
	t->n_item = 0;
	if (t->survey.n > t->room_item || !t->item) {
		struct top_item *more = reallocarray(t->item, t->survey.n + 16, sizeof(*more));

		if (!more)
			return;
		t->item = more;
		t->room_item = t->survey.n + 16;
	}
	heads = calloc(t->survey.n + 1, sizeof(*heads));
	if (!heads)
		return;
	for (unsigned i = 0; i < t->survey.n; i++)
		if (t->survey.proc[i].head == i)
			sum(t, i, &heads[n++]);
	qsort(heads, n, sizeof(*heads), by_size);
	for (unsigned i = 0; i < n; i++)
		add_whole(t, &heads[i]);
	free(heads);
	if (!top_here(t) && t->n_item)
		t->at = t->survey.proc[t->item[0].index].id;
}

static unsigned place(const struct top *t)
{
	for (unsigned i = 0; i < t->n_item; i++)
		if (same(&t->survey.proc[t->item[i].index].id, &t->at))
			return i;
	return t->n_item;
}

struct top_item *top_here(struct top *t)
{
	unsigned i = place(t);

	return i < t->n_item ? &t->item[i] : NULL;
}

void top_move(struct top *t, long by)
{
	unsigned n = t->events ? t->n_event : t->n_item, from = t->events ? t->event_at : place(t);
	long to = (long)(from < n ? from : 0) + by;

	if (!n)
		return;
	to = to < 0 ? 0 : to >= (long)n ? (long)n - 1 : to;
	if (t->events)
		t->event_at = (unsigned)to;
	else
		t->at = t->survey.proc[t->item[to].index].id;
}

void top_fold(struct top *t)
{
	const struct top_item *x = top_here(t);
	struct proc_id id;

	if (!x)
		return;
	id = t->survey.proc[t->survey.proc[x->index].head].id;
	t->at = id;
	for (unsigned i = 0; i < t->n_folded; i++)
		if (same(&t->folded[i], &id)) {
			t->folded[i] = t->folded[--t->n_folded];
			top_tree(t);
			return;
		}
	if (t->n_folded == TOP_FOLDS) /* the oldest opens again */
		memmove(t->folded, t->folded + 1, --t->n_folded * sizeof(*t->folded));
	t->folded[t->n_folded++] = id;
	top_tree(t);
}
