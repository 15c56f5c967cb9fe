/* hooks/added.c - the record of an installation: lines of escaped fields (lib/ctl.h) in the
 * state folder, 0600, for .env is among what it remembers.
 *
 * 	holdfast-hooks TAB 1
 * 	workspace TAB PATH
 * 	parts TAB N
 * 	KIND TAB FIELD...	hooks-internal.h */
#include "hooks-internal.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../detect/detect.h"
#include "../lib/auto.h"
#include "../lib/ctl.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/sha1.h"
#include "../lib/text.h"

#define FOLDER "installed"
#define SHARED "shared"

enum { RECORD_MAX = 64 << 20, RECORDS = 4096 };

static int open_folder(bool make)
{
	autoclose int state = make ? detect_state_dir() : detect_state_dir_if_any();
	int fd;

	if (state < 0)
		return state;
	if (make && mkdirat(state, FOLDER, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(state, FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

static struct row *new_row(struct record *r, const char *kind)
{
	struct row *row;

	if (r->n == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 32;
		r->row = realloc(r->row, r->cap * sizeof(*r->row));
		must(r->row ? 0 : -ENOMEM);
		assert(r->row);
	}
	row = &r->row[r->n++];
	row->kind = text_of("%s", kind);
	for (int i = 0; i < ROW_FIELDS; i++)
		row->f[i] = NULL;
	return row;
}

static int parse_line(struct record *r, char *line)
{
	const char *kind = ctl_next_field(&line);
	char *field;

	if (!kind)
		return 0;
	if (strcmp(kind, "holdfast-hooks") == 0) {
		field = ctl_next_field(&line);
		return field && strcmp(field, "1") == 0 ? 0 : -ENOTSUP;
	}
	if (strcmp(kind, "workspace") == 0) {
		field = ctl_next_field(&line);
		free(r->workspace);
		r->workspace = text_of("%s", field ? field : "");
	} else if (strcmp(kind, "parts") == 0) {
		field = ctl_next_field(&line);
		r->parts = (unsigned)strtoul(field ? field : "0", NULL, 10) & HOOK_ALL;
	} else {
		struct row *row = new_row(r, kind);

		for (int i = 0; i < ROW_FIELDS; i++) {
			field = ctl_next_field(&line);
			row->f[i] = text_of("%s", field ? field : "");
		}
	}
	return 0;
}

static int read_record(int dirfd, const char *name, struct record *r)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int e = io_read_file(dirfd, name, RECORD_MAX, &b);
	char *text = b.data, *line;

	while (e == 0 && text && (line = ctl_next_line(&text)))
		e = parse_line(r, line);
	return e;
}

static int load(const char *name, struct record *r)
{
	autoclose int fd = open_folder(false);
	int e;

	*r = (struct record){ .path = text_of("%s", name) };
	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	e = fd < 0 ? fd : read_record(fd, name, r);
	if (e == -ENOENT)
		e = 0;
	return e < 0 ? log_error_errno(e, "the record of what was installed") : 0;
}

int record_load(const char *workspace, struct record *ret)
{
	autofree char *name = workspace_name(workspace);
	int e = load(name, ret);

	if (!ret->workspace)
		ret->workspace = text_of("%s", workspace);
	return e;
}

int record_load_shared(struct record *ret)
{
	return load(SHARED, ret);
}

int record_save(const struct record *r)
{
	autoclose int fd = open_folder(true);
	autoput(buf_release) struct buf b = BUF_INIT;
	int e;

	if (fd < 0)
		return log_error_errno(fd, "the record of what was installed");
	if (!r->n && !r->parts) {
		e = unlinkat(fd, r->path, 0) < 0 && errno != ENOENT ? -errno : 0;
		return e < 0 ? log_error_errno(e, "the record of what was installed") : 0;
	}
	must(buf_addstr(&b, "holdfast-hooks\t1\n"));
	if (r->workspace) {
		must(ctl_add_field(&b, "workspace"));
		must(ctl_add_field(&b, r->workspace));
		must(buf_addch(&b, '\n'));
	}
	must(buf_printf(&b, "parts\t%u\n", r->parts));
	for (size_t i = 0; i < r->n; i++) {
		must(ctl_add_field(&b, r->row[i].kind));
		for (int f = 0; f < ROW_FIELDS; f++)
			must(ctl_add_field(&b, r->row[i].f[f]));
		must(buf_addch(&b, '\n'));
	}
	e = io_replace_file(fd, r->path, b.data, b.len, 0600);
	return e < 0 ? log_error_errno(e, "the record of what is to be installed") : 0;
}

static void row_release(struct row *row)
{
	free(row->kind);
	for (int i = 0; i < ROW_FIELDS; i++)
		free(row->f[i]);
}

void record_release(struct record *r)
{
	for (size_t i = 0; i < r->n; i++)
		row_release(&r->row[i]);
	free(r->row);
	free(r->path);
	free(r->workspace);
	*r = (struct record){ 0 };
}

struct row *record_find(const struct record *r, const char *kind, const char *path, const char *f1,
	const char *f2, const char *f3)
{
	const char *want[] = { path, f1, f2, f3 };

	for (size_t i = 0; i < r->n; i++) {
		struct row *row = &r->row[i];
		int f = 0;

		if (strcmp(row->kind, kind) != 0)
			continue;
		while (f < 4 && (!want[f] || strcmp(want[f], row->f[f]) == 0))
			f++;
		if (f == 4)
			return row;
	}
	return NULL;
}

void record_add(struct record *r, const char *kind, const char *const f[ROW_FIELDS])
{
	struct row *row = new_row(r, kind);

	for (int i = 0; i < ROW_FIELDS; i++)
		row->f[i] = text_of("%s", f[i] ? f[i] : "");
	r->changed = true;
}

void record_set(struct record *r, struct row *row, int field, const char *value)
{
	char *copy;

	if (strcmp(row->f[field], value) == 0)
		return;
	copy = text_of("%s", value);
	free(row->f[field]);
	row->f[field] = copy;
	r->changed = true;
}

void record_drop(struct record *r, size_t i)
{
	row_release(&r->row[i]);
	memmove(&r->row[i], &r->row[i + 1], (r->n - i - 1) * sizeof(*r->row));
	r->n--;
	r->changed = true;
}

bool record_others_have(const char *except_workspace, unsigned part)
{
	autofree char *own = workspace_name(except_workspace);
	int fd = open_folder(false), left = RECORDS;
	autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	bool found = false;

	if (!d && fd >= 0)
		(void)close(fd);
	while (d && !found && left-- > 0 && (de = readdir(d))) {
		struct record r = { 0 };

		if (de->d_name[0] == '.' || strcmp(de->d_name, own) == 0 ||
			strcmp(de->d_name, SHARED) == 0)
			continue;
		found = read_record(dirfd(d), de->d_name, &r) == 0 && (r.parts & part);
		record_release(&r);
	}
	return found;
}

/* The folders on the way that are not there yet, the topmost first. */
static void add_dirs(struct record *r, const char *path)
{
	autofree char *dir = text_of("%.*s", (int)(strrchr(path, '/') - path), path);

	if (!*dir || access(dir, F_OK) == 0 || errno != ENOENT)
		return;
	add_dirs(r, dir);
	if (!record_find(r, "dir", dir, NULL, NULL, NULL))
		record_add(r, "dir", (const char *const[ROW_FIELDS]){ dir });
}

void record_own(struct record *r, const char *path)
{
	if (record_find(r, "own", path, NULL, NULL, NULL))
		return;
	add_dirs(r, path);
	record_add(r, "own", (const char *const[ROW_FIELDS]){ path });
}

void record_remove_dirs(const struct record *r)
{
	for (size_t i = r->n; i-- > 0;)
		if (strcmp(r->row[i].kind, "dir") == 0)
			(void)rmdir(r->row[i].f[0]); /* if it is empty */
}

static void hash(const struct buf *b, char out[41])
{
	uint8_t sum[20];

	sha1_text(b->data, b->len, sum);
	text_hex(sum, sizeof(sum), out);
}

/* Content with a NUL in it does not go into a field; such a file is never changed in a way that
 * is undone by content. */
void record_file(struct record *r, const struct change *c)
{
	struct row *row = record_find(r, "file", c->path, NULL, NULL, NULL);
	char before[41], after[41];

	if (!change_differs(c))
		return;
	hash(&c->old, before);
	hash(&c->now, after);
	if (!row) {
		record_add(r, "file",
			(const char *const[ROW_FIELDS]){ c->path, c->had ? "1" : "0", after,
				memchr(c->old.data, 0, c->old.len) ? "" : c->old.data });
		return;
	}
	/* It was changed since by somebody else: what it was before us is not known byte by byte
	 * any more. */
	if (strcmp(row->f[2], before) == 0 && c->had)
		record_set(r, row, 2, after);
	else
		record_set(r, row, 2, "-");
}

int record_restore(const struct record *r, struct change *c)
{
	const struct row *row = record_find(r, "file", c->path, NULL, NULL, NULL);
	char now[41];

	if (!row)
		return 0;
	hash(&c->now, now);
	if (strcmp(row->f[2], now) != 0)
		return 0;
	change_set(c, row->f[3], strlen(row->f[3]));
	c->gone = strcmp(row->f[1], "0") == 0;
	return 1;
}
