#include "unsaved.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../editors/copies.h"
#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/sha1.h"
#include "../lib/text.h"
#include "xalloc.h"

enum { RECENT_S = 7 * 24 * 60 * 60, PAGE = 4096 };

static int64_t ns_of(const struct timespec *t)
{
	return text_ns(t);
}

static void short_id(const char *key, char out[9])
{
	uint8_t sum[20];

	sha1_text(key, strlen(key), sum);
	text_hex(sum, 4, out);
}

static struct unsaved_item *item_of(struct unsaved_list *l, const char *key)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->it[i].key, key))
			return &l->it[i];
	l->it = xgrow(l->it, l->n, &l->cap, sizeof(*l->it));
	l->it[l->n] = (struct unsaved_item){ .key = xstrdup(key), .held = HELD_GONE };
	short_id(key, l->it[l->n].id);
	return &l->it[l->n++];
}

static void item_release(struct unsaved_item *it)
{
	free(it->key);
	free(it->name);
	free(it->editor);
	free(it->place);
	free(it->type);
	for (size_t i = 0; i < it->n_v; i++)
		free(it->v[i].file);
	free(it->v);
}

void unsaved_release(struct unsaved_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		item_release(&l->it[i]);
	free(l->it);
	store_close(l->copies[0]);
	store_close(l->copies[1]);
	*l = (struct unsaved_list){ 0 };
}

static void add_version(struct unsaved_item *it, const struct text_version *v)
{
	it->v = xgrow(it->v, it->n_v, &it->cap_v, sizeof(*it->v));
	it->v[it->n_v++] = *v;
}

/* ---- reading ---------------------------------------------------------------------- */

static int read_version(const struct unsaved_list *l, const struct text_version *v, struct buf *b)
{
	buf_reset(b);
	if (v->file)
		return io_read_file(AT_FDCWD, v->file, EDITOR_FILE_MAX, b);
	return store_read_blob(l->copies[v->old], &v->oid, EDITOR_FILE_MAX, b);
}

int unsaved_text(const struct unsaved_list *l, const struct unsaved_item *it, size_t version,
	struct buf *ret)
{
	autoput(buf_release) struct buf whole = BUF_INIT;
	struct backup b = { 0 };
	int r = read_version(l, &it->v[version], &whole);

	if (r == 0)
		r = backup_parse(whole.data ? whole.data : "", whole.len, &b);
	if (r < 0)
		return r;
	r = buf_reserve(ret, 1);
	if (r == 0)
		r = buf_add(ret, whole.data + b.body, whole.len - b.body);
	backup_release(&b);
	return r;
}

int unsaved_disk(const struct recover *r, const char *name, struct buf *ret, bool *ret_bom,
	struct stat *ret_st)
{
	autoclose int root = open(r->workspace, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int fd = root < 0 ? -1 : io_open_beneath(root, name, O_RDONLY | O_NONBLOCK, 0, 0);
	int e;

	*ret_bom = false;
	if (root < 0)
		return -errno;
	if (fd < 0)
		return fd;
	if (fstat(fd, ret_st) < 0)
		return -errno;
	if (!S_ISREG(ret_st->st_mode))
		return -EINVAL;
	e = io_read_rest(fd, EDITOR_FILE_MAX, ret);
	if (e < 0)
		return e;
	if (ret->len >= 3 && !memcmp(ret->data, "\xef\xbb\xbf", 3)) {
		*ret_bom = true;
		memmove(ret->data, ret->data + 3, ret->len - 3);
		ret->len -= 3;
		ret->data[ret->len] = '\0';
	}
	return 0;
}

/* ---- what the editors hold ---------------------------------------------------------- */

struct finding {
	const struct recover *r;
	struct unsaved_list *l;
	size_t which; /* of the copies */
};

static void describe(struct unsaved_item *it, const char *name, bool untitled, const char *editor,
	const char *place, const struct backup *b)
{
	if (it->name)
		return;
	it->name = xstrdup(name);
	it->untitled = untitled;
	it->editor = xstrdup(editor);
	it->place = xstrdup(place);
	it->type = xstrdup(b->type.data);
}

static int live(const struct buffer_file *f, void *arg)
{
	autoput(buf_release) struct buf text = BUF_INIT;
	autofree char *path = xasprintf("/proc/self/fd/%d/%s", f->dirfd, f->name), *real = NULL;
	struct finding *x = arg;
	struct text_version v = { .time_ns = ns_of(&f->st.st_mtim),
		.size = (uint64_t)f->st.st_size };
	struct unsaved_item *it;
	const char *name;
	struct backup b;
	bool untitled;

	/* Broken: its copy, if there is one, says what it was. */
	if (io_read_file(f->dirfd, f->name, EDITOR_FILE_MAX, &text) < 0 ||
		backup_parse(text.data ? text.data : "", text.len, &b) < 0) {
		item_of(x->l, f->key)->held = HELD_TORN;
		return 0;
	}
	name = backup_name(&b, f->place, x->r->workspace, &untitled);
	if (name) {
		it = item_of(x->l, f->key);
		it->held = HELD_LIVE;
		describe(it, name, untitled, f->place->name, f->place->path, &b);
		real = realpath(path, NULL);
		v.file = real ? take_ptr(real) : take_ptr(path);
		add_version(it, &v);
	}
	backup_release(&b);
	return 0;
}

/* ---- the copies ------------------------------------------------------------------------ */

static int copy_version(const char *path, const struct store_entry *e, void *arg)
{
	struct finding *x = arg;
	struct unsaved_item *it = item_of(x->l, path + strlen(COPIES_BUFFER));
	struct text_version v = {
		.time_ns = e->mtime_ns, .size = e->size, .old = x->which, .oid = e->oid
	};

	if (e->kind == KIND_FILE && e->size)
		add_version(it, &v);
	return 0;
}

static int copy_path(const char *path, const struct store_entry *e, void *arg)
{
	struct finding *x = arg;

	(void)e;
	if (strncmp(path, COPIES_BUFFER, strlen(COPIES_BUFFER)) || strchr(path, '/') == NULL ||
		strlen(path) < 12)
		return 0;
	if (e->kind == KIND_DIR)
		return 0;
	return store_history(x->l->copies[x->which], path, copy_version, x);
}

static void open_copies(const struct recover *r, struct unsaved_list *l)
{
	static const char *const names[] = { COPIES_NOW, COPIES_OLD };

	for (size_t i = 0; i < 2; i++) {
		autofree char *dir = xasprintf("%s/%s", r->store_path, names[i]);

		if (store_open(dir, STORE_READ, NULL, &l->copies[i]) < 0)
			l->copies[i] = NULL;
	}
}

/* The place of a copy, by its id. */
static void place_of(const struct unsaved_list *l, const char *id, char **editor, char **place)
{
	autofree char *path = xasprintf(COPIES_PLACE "%.8s", id);

	for (size_t i = 0; i < 2; i++) {
		autoput(buf_release) struct buf b = BUF_INIT;
		struct store_entry e;
		char *nl;

		if (!l->copies[i] || store_cur_get(l->copies[i], path, &e) < 0 ||
			e.kind != KIND_FILE ||
			store_read_blob(l->copies[i], &e.oid, 65536, &b) < 0 || !b.data)
			continue;
		nl = strchr(b.data, '\n');
		*editor = xstrndup(b.data, nl ? (size_t)(nl - b.data) : b.len);
		*place = xstrdup(nl ? nl + 1 : "");
		return;
	}
	*editor = xstrdup("editor");
	*place = xstrdup("");
}

/* ---- judging ----------------------------------------------------------------------------- */

static size_t body_at(const struct buf *b)
{
	const char *nl = b->data ? memchr(b->data, '\n', b->len) : NULL;

	return nl ? (size_t)(nl - b->data) + 1 : b->len;
}

/* Killed while it wrote: a front of the text, ended where a chunk or a page of the file ends. */
static bool is_cut(const struct unsaved_list *l, const struct unsaved_item *it, size_t i)
{
	autoput(buf_release) struct buf now = BUF_INIT, was = BUF_INIT;
	size_t n, m;

	if (i + 1 >= it->n_v || it->v[i].size >= it->v[i + 1].size)
		return false;
	if (read_version(l, &it->v[i], &now) < 0 || read_version(l, &it->v[i + 1], &was) < 0)
		return false;
	n = now.len - body_at(&now);
	m = was.len - body_at(&was);
	return backup_is_cut(n, m) || (n < m && now.len % PAGE == 0);
}

static int newest_first(const void *a, const void *b)
{
	const struct text_version *x = a, *y = b;

	return x->time_ns < y->time_ns ? 1 : x->time_ns > y->time_ns ? -1 : !x->file - !y->file;
}

/* The copy of what the editor holds is the same version. */
static void drop_doubles(struct unsaved_item *it)
{
	size_t n = 0;

	for (size_t i = 0; i < it->n_v; i++) {
		if (n && it->v[n - 1].time_ns == it->v[i].time_ns &&
			it->v[n - 1].size == it->v[i].size)
			free(it->v[i].file);
		else
			it->v[n++] = it->v[i];
	}
	it->n_v = n;
}

/* Name and kind, from the newest version that is whole. false: nothing of it can be read. */
static bool learn(const struct finding *x, struct unsaved_item *it)
{
	for (size_t i = 0; !it->name && i < it->n_v; i++) {
		autoput(buf_release) struct buf text = BUF_INIT;
		autofree char *editor = NULL, *dir = NULL;
		struct place p = { .server = true };
		struct backup b;
		const char *name;
		bool untitled;

		if (read_version(x->l, &it->v[i], &text) < 0 ||
			backup_parse(text.data ? text.data : "", text.len, &b) < 0)
			continue;
		name = backup_name(&b, &p, x->r->workspace, &untitled);
		place_of(x->l, it->key, &editor, &dir);
		if (name)
			describe(it, name, untitled, editor, dir, &b);
		backup_release(&b);
	}
	return it->name != NULL;
}

static void compare(const struct finding *x, struct unsaved_item *it)
{
	autoput(buf_release) struct buf text = BUF_INIT, disk = BUF_INIT, whole = BUF_INIT;
	const char *here;
	struct backup b;
	struct stat st;
	bool bom;

	it->disk_utf8 = true;
	if (unsaved_text(x->l, it, it->best, &text) < 0)
		return;
	it->size = text.len;
	if (it->untitled || unsaved_disk(x->r, it->name, &disk, &bom, &st) < 0) {
		it->disk = DISK_NONE;
		return;
	}
	here = disk.data ? disk.data : "";
	it->disk_utf8 = text_is_utf8(here, disk.len) && !memchr(here, '\0', disk.len);
	if (disk.len == text.len && !memcmp(here, text.data ? text.data : "", text.len))
		it->disk = DISK_SAME;
	else
		it->disk = ns_of(&st.st_mtim) > it->v[it->best].time_ns ? DISK_NEWER : DISK_OLDER;
	if (read_version(x->l, &it->v[it->best], &whole) == 0 &&
		backup_parse(whole.data ? whole.data : "", whole.len, &b) == 0) {
		it->disk_moved = b.mtime_ms >= 0 && ns_of(&st.st_mtim) / 1000000 != b.mtime_ms;
		backup_release(&b);
	}
}

/* Does it exist only there? */
static bool is_at_stake(const struct finding *x, const struct unsaved_item *it, bool all)
{
	int64_t age_s = (x->r->now_ns - it->v[it->best].time_ns) / 1000000000;

	if (all)
		return true;
	if (it->disk == DISK_SAME)
		return false;
	/* What was saved is in a file that is newer than the buffer. */
	return it->held != HELD_GONE || (it->disk != DISK_NEWER && age_s < RECENT_S);
}

static bool judge(const struct finding *x, struct unsaved_item *it, bool all)
{
	qsort(it->v, it->n_v, sizeof(*it->v), newest_first);
	drop_doubles(it);
	if (!it->n_v || !learn(x, it))
		return false;
	if (strcmp(it->type, "") && strncmp(it->type, "notebook/", 9))
		return false; /* an extension's own, not a text */
	it->best = 0;
	while (it->best + 1 < it->n_v && is_cut(x->l, it, it->best))
		it->best++;
	if (it->best && it->held == HELD_LIVE)
		it->held = HELD_TORN;
	compare(x, it);
	return is_at_stake(x, it, all);
}

static int by_time(const void *a, const void *b)
{
	const struct unsaved_item *x = a, *y = b;
	int64_t s = x->v[x->best].time_ns, t = y->v[y->best].time_ns;

	return s < t ? 1 : s > t ? -1 : strcmp(x->key, y->key);
}

int unsaved_find(const struct recover *r, bool all, struct unsaved_list *ret)
{
	autoput(places_release) struct places places = { 0 };
	struct finding x = { .r = r, .l = ret };
	size_t n = 0;
	int e;

	*ret = (struct unsaved_list){ 0 };
	e = places_find(r->cfg.unsaved_places.item, r->cfg.unsaved_places.n, &places);
	if (e == 0)
		e = buffers_each(&places, r->workspace, live, &x);
	open_copies(r, ret);
	for (size_t i = 0; i < 2; i++) {
		x.which = i;
		if (ret->copies[i])
			(void)store_paths(ret->copies[i], copy_path, &x);
	}
	for (size_t i = 0; i < ret->n; i++) {
		if (judge(&x, &ret->it[i], all))
			ret->it[n++] = ret->it[i];
		else
			item_release(&ret->it[i]);
	}
	ret->n = n;
	if (n)
		qsort(ret->it, n, sizeof(*ret->it), by_time);
	return e;
}

struct unsaved_item *unsaved_by_id(
	const struct unsaved_list *l, const char *id, size_t *ret_version)
{
	size_t n = strcspn(id, "~");
	struct unsaved_item *found = NULL;
	uint64_t back = 0;

	if (id[n] && args_number(id, id + n + 1, 1000000, &back) < 0)
		return NULL;
	for (size_t i = 0; n && i < l->n; i++) {
		if (strncmp(l->it[i].id, id, n))
			continue;
		if (found) {
			log_error("%s: several buffers begin with it", id);
			return NULL;
		}
		found = &l->it[i];
	}
	if (!found) {
		log_error("%s: no such buffer; " RECOVER " unsaved lists them", id);
		return NULL;
	}
	if (found->best + back >= found->n_v) {
		log_error("%s: has only %zu version%s before", id, found->n_v - found->best - 1,
			found->n_v - found->best == 2 ? "" : "s");
		return NULL;
	}
	*ret_version = found->best + back;
	return found;
}

bool unsaved_has(const struct unsaved_list *l, const char *id)
{
	size_t n = strcspn(id, "~");

	for (size_t i = 0; n && i < l->n; i++)
		if (!strncmp(l->it[i].id, id, n))
			return true;
	return false;
}

struct running {
	const char *place;
	bool found;
};

static int is_running(const struct editor_open *e, void *arg)
{
	struct running *x = arg;

	x->found |= e->running && !strcmp(e->place->path, x->place);
	return 0;
}

bool unsaved_editor_runs(const struct recover *r, const char *place)
{
	autoput(places_release) struct places places = { 0 };
	struct running x = { place, false };

	if (places_find(r->cfg.unsaved_places.item, r->cfg.unsaved_places.n, &places) == 0)
		(void)editors_open_each(&places, r->workspace, is_running, &x);
	return x.found;
}

static int print_open(const struct editor_open *e, void *arg)
{
	(void)arg;
	if (e->running)
		printf("editor     %s has it open (process %d)\n", e->place->name, (int)e->pid);
	return 0;
}

void unsaved_print_summary(const struct recover *r)
{
	autoput(places_release) struct places places = { 0 };
	autoput(unsaved_release) struct unsaved_list l = { 0 };

	if (unsaved_find(r, false, &l) == 0 && l.n)
		printf("unsaved    %zu buffer%s that only the editor has: " RECOVER
		       " unsaved names %s\n",
			l.n, l.n == 1 ? "" : "s", l.n == 1 ? "it" : "them");
	if (places_find(r->cfg.unsaved_places.item, r->cfg.unsaved_places.n, &places) == 0)
		(void)editors_open_each(&places, r->workspace, print_open, NULL);
}
