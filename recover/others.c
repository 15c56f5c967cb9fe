/* recover/others.c - versions of one path that are in no snapshot: buffers, and Local History
 * with snapd's copies of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../editors/copies.h"
#include "../lib/auto.h"
#include "../lib/io.h"
#include "../lib/sha1.h"
#include "../lib/text.h"
#include "unsaved.h"
#include "xalloc.h"

struct looking {
	struct other_versions *l;
	const char *path;
	size_t which;
};

static struct other_version *add(struct other_versions *l, const char *id)
{
	l->v = xgrow(l->v, l->n, &l->cap, sizeof(*l->v));
	l->v[l->n] = (struct other_version){ .time_ns = 0 };
	memcpy(l->v[l->n].id, id, sizeof(l->v[l->n].id));
	return &l->v[l->n++];
}

static void history_id(const char *key, char out[9])
{
	autofree char *whole = xasprintf(COPIES_VERSION "%s", key);
	uint8_t sum[20];

	sha1_text(whole, strlen(whole), sum);
	text_hex(sum, 4, out);
}

static bool has(const struct other_versions *l, const char *id)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->v[i].id, id))
			return true;
	return false;
}

static int live(const struct version_file *f, void *arg)
{
	struct looking *x = arg;
	autofree char *path = xasprintf("/proc/self/fd/%d/%s", f->dirfd, f->name);
	struct other_version *v;
	char id[9];

	history_id(f->key, id);
	v = add(x->l, id);
	v->time_ns = f->time_ms * 1000000;
	v->size = f->size;
	v->path = xstrdup(f->path);
	v->editor = xstrdup(f->place->name);
	v->source = xstrdup(f->source);
	v->file = realpath(path, NULL);
	if (!v->file) {
		free(v->path);
		free(v->editor);
		free(v->source);
		x->l->n--;
	}
	return 0;
}

/* hp/PLACE/FOLDER holds the path; h/PLACE/FOLDER/NAME the versions. */
static int copied(const char *path, const struct store_entry *e, void *arg)
{
	struct looking *x = arg;
	struct store *s = x->l->buffers.copies[x->which];
	autoput(buf_release) struct buf about = BUF_INIT;
	struct other_version *v;
	struct store_entry at;
	const char *end = strrchr(path, '/');
	autofree char *key = NULL;
	char id[9];

	if (e->kind != KIND_FILE || strncmp(path, COPIES_VERSION, strlen(COPIES_VERSION)))
		return 0;
	key = xasprintf(COPIES_VERSION_PATH "%.*s", (int)(end - path - 2), path + 2);
	if (store_cur_get(s, key, &at) < 0 || at.kind != KIND_FILE ||
		store_read_blob(s, &at.oid, 65536, &about) < 0 || !about.data ||
		(x->path && strcmp(about.data, x->path)))
		return 0;
	history_id(path + strlen(COPIES_VERSION), id);
	if (has(x->l, id))
		return 0;
	v = add(x->l, id);
	v->time_ns = e->mtime_ns;
	v->size = e->size;
	v->path = xstrdup(about.data);
	v->editor = xstrdup("editor");
	v->source = xstrdup("File Saved");
	v->oid = e->oid;
	v->old = x->which;
	return 0;
}

static int newest_first(const void *a, const void *b)
{
	const struct other_version *x = a, *y = b;

	return x->time_ns < y->time_ns ? 1 : x->time_ns > y->time_ns ? -1 : strcmp(x->id, y->id);
}

static void add_buffers(struct other_versions *l, const char *path)
{
	for (size_t i = 0; i < l->buffers.n; i++) {
		const struct unsaved_item *it = &l->buffers.it[i];
		struct other_version *v;

		if (it->untitled || (path && strcmp(it->name, path)))
			continue;
		v = add(l, it->id);
		v->unsaved = true;
		v->time_ns = it->v[it->best].time_ns;
		v->size = it->size;
		v->path = xstrdup(it->name);
		v->editor = xstrdup(it->editor);
		v->source = xstrdup("never saved");
	}
}

void other_find(const struct recover *r, const char *path, struct other_versions *ret)
{
	autoput(places_release) struct places places = { 0 };
	struct looking x = { .l = ret, .path = path };

	*ret = (struct other_versions){ 0 };
	(void)unsaved_find(r, false, &ret->buffers);
	add_buffers(ret, path);
	if (places_find(r->cfg.unsaved_places.item, r->cfg.unsaved_places.n, &places) == 0)
		(void)versions_each(&places, r->workspace, path, 0, live, &x);
	for (size_t i = 0; i < 2; i++) {
		x.which = i;
		if (ret->buffers.copies[i])
			(void)store_paths(ret->buffers.copies[i], copied, &x);
	}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), newest_first);
}

void other_release(struct other_versions *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].path);
		free(l->v[i].editor);
		free(l->v[i].source);
		free(l->v[i].file);
	}
	free(l->v);
	unsaved_release(&l->buffers);
	*l = (struct other_versions){ 0 };
}

int other_text(const struct other_versions *l, const struct other_version *v, struct buf *ret)
{
	if (v->unsaved)
		return -EINVAL;
	if (v->file)
		return io_read_file(AT_FDCWD, v->file, EDITOR_FILE_MAX, ret);
	return store_read_blob(l->buffers.copies[v->old], &v->oid, EDITOR_FILE_MAX, ret);
}
