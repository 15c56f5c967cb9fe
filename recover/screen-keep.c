/* The place in a view whose rows come anew: after a restore, a mark, another width. The cursor goes
 * back to the row it stood on when that comes; a key before that says the user has gone elsewhere.
 */
#include <stdlib.h>
#include <string.h>

#include "screen.h"
#include "xalloc.h"

static bool is_text(const struct view *v)
{
	return v->kind == VIEW_TEXT || v->kind == VIEW_DIFF || v->kind == VIEW_HELP;
}

static const char *or_none(const char *s)
{
	return s ? s : "";
}

/* What makes a row the same one: not how it looks, for flags, ages and names change. Yours; NULL:
 * it cannot be told. */
static char *key_of(const struct view *v, const struct row *row)
{
	if (is_text(v))
		return row->hunk ? xstrdup(row->text) : NULL;
	return xasprintf("%s\n%s\n%s\n%s", or_none(row->id), or_none(row->event),
		or_none(row->buffer), or_none(row->path));
}

/* A line of a change as it is after it: in halves what went stands beside those. */
static bool stays(const struct row *row)
{
	return row->style != STYLE_REMOVED || row->right_style == STYLE_ADDED;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_noted(const struct keep *k, size_t n, const char *key)
{
	return n && bsearch(&key, k->chosen, n, sizeof(*k->chosen), by_text);
}

/* Besides those that are still to come from the time before. */
static void note_chosen(struct view *v)
{
	struct keep *k = &v->keep;
	size_t sorted = k->n_chosen;

	for (size_t i = 0; i < v->n; i++) {
		char *key = v->row[i].chosen ? key_of(v, &v->row[i]) : NULL;

		if (!key || is_noted(k, sorted, key)) {
			free(key);
			continue;
		}
		k->chosen = xgrow(k->chosen, k->n_chosen, &k->cap, sizeof(*k->chosen));
		k->chosen[k->n_chosen++] = key;
	}
	if (k->n_chosen > sorted)
		qsort(k->chosen, k->n_chosen, sizeof(*k->chosen), by_text);
}

static void note_place(struct view *v)
{
	struct keep *k = &v->keep;

	free(k->key);
	k->on = true;
	k->at = v->at;
	k->offset = v->at - v->top;
	k->key = is_text(v) ? NULL : key_of(v, &v->row[v->at]);
	k->hunk = k->after = 0;
	/* Of a text the lines have no names; its changes can be counted, and lines in them. */
	for (size_t i = 0; is_text(v) && i <= v->at; i++) {
		if (v->row[i].hunk)
			k->hunk++;
		k->after = v->row[i].hunk ? 0 : k->after + stays(&v->row[i]);
	}
}

void keep_note(struct view *v)
{
	struct keep *k = &v->keep;

	/* What has not come yet is still where the user wants to be. */
	if (!k->on && v->at < v->n)
		note_place(v);
	note_chosen(v);
	k->looked = k->seen = 0;
	k->left = k->after;
}

void keep_drop(struct view *v)
{
	struct keep *k = &v->keep;

	free(k->key);
	for (size_t i = 0; i < k->n_chosen; i++)
		free(k->chosen[i]);
	free(k->chosen);
	*k = (struct keep){ 0 };
}

static void settle(struct screen *s, struct view *v, size_t at)
{
	size_t offset = v->keep.offset, h = view_height(s);

	v->at = at;
	/* Who stood on the first page sees what came above. */
	v->top = v->keep.at == offset && at < h ? 0 : at > offset ? at - offset : 0;
	v->keep.on = false;
}

/* true: it is the row. */
static bool is_it(struct view *v, size_t i)
{
	struct keep *k = &v->keep;
	char *key;
	bool same;

	if (!is_text(v)) {
		key = k->key ? key_of(v, &v->row[i]) : NULL;
		same = key && strcmp(key, k->key) == 0;
		free(key);
		return same;
	}
	if (!k->hunk)
		return i == k->at;
	if (v->row[i].hunk)
		k->seen++;
	else if (k->seen == k->hunk && k->left && stays(&v->row[i]))
		k->left--;
	/* Or the change has become shorter. */
	return k->seen > k->hunk || (k->seen == k->hunk && !k->left);
}

void keep_seek(struct screen *s, struct view *v)
{
	struct keep *k = &v->keep;
	/* In halves the last rows may lack their right one. */
	size_t whole = v->halves && v->exit_code == -1 && v->pair < v->n ? v->pair : v->n;

	for (; k->looked < whole && (k->on || k->n_chosen); k->looked++) {
		struct row *row = &v->row[k->looked];
		char *key = k->n_chosen ? key_of(v, row) : NULL;

		if (key && is_noted(k, k->n_chosen, key))
			row->chosen = true;
		free(key);
		if (k->on && is_it(v, k->looked))
			settle(s, v, k->looked);
	}
	if (v->exit_code == -1)
		return;
	/* It is gone: what stands there now. */
	if (k->on && v->n)
		settle(s, v, k->at < v->n ? k->at : v->n - 1);
	keep_drop(v);
}
