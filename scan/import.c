#include "import.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../store/hash.h"

#define LIST_MAX (16u << 20)
#define LINE 41			/* 40 digits and a newline */

/* ---- what was brought in: a line for each, the SHA-1 of "TIME PATH" ---- */

struct imported {
	char (*line)[LINE];	/* sorted */
	size_t n;
};

static int make_line(const char *path, int64_t time_ns, char out[LINE])
{
	autoput(buf_release) struct buf b = BUF_INIT;
	struct oid id;

	if (buf_printf(&b, "%" PRId64 " ", time_ns) < 0 || buf_addstr(&b, path) < 0)
		return -ENOMEM;
	store_hash("blob", b.data, b.len, &id);
	for (int i = 0; i < 20; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", id.b[i]);
	out[LINE - 1] = '\n';
	return 0;
}

static int by_line(const void *a, const void *b)
{
	return memcmp(a, b, LINE);
}

int imported_load(const struct store *s, struct imported **ret)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	struct imported *x;
	int r = io_read_file(store_dirfd(s), IMPORTED_LIST, LIST_MAX, &b);

	if (r < 0 && r != -ENOENT)
		return r;
	if (!(x = calloc(1, sizeof(*x))))
		return -ENOMEM;
	if (!(x->line = malloc(b.len + LINE))) {
		free(x);
		return -ENOMEM;
	}
	for (size_t at = 0; at + LINE <= b.len;) {
		const char *p = b.data + at, *nl = memchr(p, '\n', b.len - at);

		if (!nl)
			break;
		if (nl - p == LINE - 1)
			memcpy(x->line[x->n++], p, LINE);
		at += (size_t)(nl - p) + 1;
	}
	if (x->n)
		qsort(x->line, x->n, LINE, by_line);
	*ret = x;
	return 0;
}

bool imported_has(const struct imported *x, const char *path, int64_t time_ns)
{
	char line[LINE];

	return x->n && make_line(path, time_ns, line) == 0 && bsearch(line, x->line, x->n, LINE, by_line);
}

void imported_free(struct imported *x)
{
	if (!x)
		return;
	free(x->line);
	free(x);
}

/* Not synced: what a power cut takes of it is brought in once more at worst. */
static int remember(struct store *s, const char *path, int64_t time_ns)
{
	autoclose int fd = openat(store_dirfd(s), IMPORTED_LIST, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	char line[LINE];
	int r = fd < 0 ? -errno : make_line(path, time_ns, line);

	return r < 0 ? r : io_write_all(fd, line, LINE);
}

/* ---- bringing in ---- */

static int room_for(struct store *s, const struct config *cfg, uint64_t *ret, int *ret_err)
{
	struct store_room m;
	int r = store_room(s, cfg, &m);

	if (r < 0)
		return r;
	*ret = store_room_left(&m, ret_err);
	if (*ret && m.size + *ret > m.quota - m.quota / 4) {
		*ret_err = -EDQUOT;
		*ret = m.size < m.quota - m.quota / 4 ? m.quota - m.quota / 4 - m.size : 0;
	}
	return *ret ? 0 : *ret_err;
}

int import_folder(struct store *s, const struct config *cfg, const struct import *what, uint64_t *ret_unreadable)
{
	autoscan struct scan *sc = NULL;
	struct scan_options so = {
		.cfg = cfg,
		.replaced_ok = true,	/* an empty copy is one of an empty folder */
		.stop = what->stop,
		.progress = what->progress,
		.arg = what->arg,
	};
	struct store_commit how = {
		.time_ns = what->time_ns, .reason = REASON_IMPORT, .message = what->message, .force = true,
	};
	struct scan_counts counts;
	uint64_t left;
	int err, r = room_for(s, cfg, &left, &err);

	if (r < 0 || (r = scan_open(what->path, &so, &sc)) < 0)
		return r;
	store_limit(s, left, err);
	r = scan_snapshot(sc, s, &how, NULL);
	store_limit(s, UINT64_MAX, 0);
	if (r < 0)
		return r;
	scan_counts(sc, &counts);
	*ret_unreadable = counts.unreadable;
	if ((r = remember(s, what->path, what->time_ns)) < 0)
		(void)log_warn_errno(r, "%s/" IMPORTED_LIST ": not written; what is imported may be imported again", store_dir(s));
	return 0;
}
