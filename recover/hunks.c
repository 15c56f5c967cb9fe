/* recover/hunks.c - see the header. The hunks are libgit2's, of the same two contents and with the
 * same options as `diff` shows them, so their numbers are the same. */
#include "hunks.h"

#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/gitlib.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/question.h"
#include "out.h"
#include "over.h"
#include "rev.h"
#include "xalloc.h"

enum { LARGEST = 64 << 20 }; /* a file; libgit2 holds both sides and every line */

static void free_patch(git_patch **p)
{
	git_patch_free(*p);
}

static int patch_of_texts(
	const struct buf *was, const struct buf *now, int context, git_patch **ret)
{
	git_diff_options o;

	(void)git_diff_options_init(&o, GIT_DIFF_OPTIONS_VERSION);
	o.flags = GIT_DIFF_INDENT_HEURISTIC;
	o.context_lines = (uint32_t)context;
	return err_from_git(git_patch_from_buffers(
		ret, was->data, was->len, NULL, now->data, now->len, NULL, &o));
}

/* The end of the line that begins at p. */
static const char *after_line(const char *p, const char *end)
{
	const char *nl = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;

	return nl ? nl + 1 : end;
}

/* The old side of a hunk: what stands around the change, and what was there. */
static int add_old(git_patch *p, size_t hunk, struct buf *ret)
{
	int n = git_patch_num_lines_in_hunk(p, hunk), r = n < 0 ? err_from_git(n) : 0;

	for (int i = 0; i < n && r == 0; i++) {
		const git_diff_line *line;

		r = err_from_git(git_patch_get_line_in_hunk(&line, p, hunk, (size_t)i));
		if (r == 0 && (line->origin == ' ' || line->origin == '-'))
			r = buf_add(ret, line->content, line->content_len);
	}
	return r;
}

int hunks_apply(const struct buf *was, const struct buf *now, int context, const bool *chosen,
	size_t n, struct buf *ret, size_t *ret_n)
{
	const char *at = now->data, *end = at + now->len;
	autoput(free_patch) git_patch *p = NULL;
	int line = 1, r = patch_of_texts(was, now, context, &p);
	size_t all = r < 0 ? 0 : git_patch_num_hunks(p);

	if (r < 0)
		return r;
	*ret_n = all;
	for (size_t i = 0; chosen && i < all && i < n && r == 0; i++) {
		const git_diff_hunk *h;
		const char *from = at;

		if (!chosen[i])
			continue;
		if ((r = err_from_git(git_patch_get_hunk(&h, NULL, p, i))) < 0)
			break;
		/* Of a hunk without new lines the start is the line before it. */
		for (; line < h->new_start + (h->new_lines == 0); line++)
			at = after_line(at, end);
		r = buf_add(ret, from, (size_t)(at - from));
		for (int k = 0; k < h->new_lines; k++, line++)
			at = after_line(at, end);
		r = r < 0 ? r : add_old(p, i, ret);
	}
	return r < 0 || !chosen ? r : buf_add(ret, at, (size_t)(end - at));
}

int hunks_parse(const char *numbers, bool *chosen, size_t n)
{
	const char *p = numbers;

	do {
		unsigned long from, to;
		char *end;

		if (*p < '0' || *p > '9')
			return -EINVAL;
		from = to = strtoul(p, &end, 10);
		if (*end == '-') {
			if (end[1] < '0' || end[1] > '9')
				return -EINVAL;
			to = strtoul(end + 1, &end, 10);
		}
		if (!from || to < from || (*end && *end != ','))
			return -EINVAL;
		if (to > n)
			return -ERANGE;
		for (; from <= to; from++)
			chosen[from - 1] = true;
		p = end + (*end == ',');
		if (*end == ',' && !*p)
			return -EINVAL;
	} while (*p);
	return 0;
}

static int add_piece(const void *p, size_t n, void *arg)
{
	struct buf *b = arg;

	return b->len + n > LARGEST ? -EFBIG : buf_add(b, p, n);
}

static int read_was(const struct hunks *h, struct buf *ret)
{
	struct store_entry e;
	int r = store_entry_at(h->r->store, h->from->seq, h->path, &e);

	if (r == -ENOENT || (r == 0 && e.kind != KIND_FILE)) {
		log_error("%s: is no file in that snapshot", h->path);
		return EXIT_NO;
	}
	if (r == 0)
		r = e.size > LARGEST ? -EFBIG
				     : store_stream_blob(h->r->store, &e.oid, add_piece, ret);
	if (r == 0)
		r = buf_reserve(ret, 1);
	return r < 0 ? context_failed(h->r, r, h->path) : EXIT_DONE;
}

static int read_now(const struct hunks *h, struct buf *ret, mode_t *ret_mode)
{
	autoclose int root = open(h->r->workspace, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
	struct stat st;
	int r;

	fd = root < 0 ? -errno
		      : io_open_beneath(root, h->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, 0);
	r = fd < 0 ? fd : fstat(fd, &st) < 0 ? -errno : !S_ISREG(st.st_mode) ? -EINVAL : 0;
	if (r == 0)
		r = io_read_rest(fd, LARGEST, ret);
	if (r == 0)
		r = buf_reserve(ret, 1);
	if (r < 0) {
		log_error_errno(r, "%s", h->path);
		return EXIT_ENV;
	}
	*ret_mode = st.st_mode & 07777;
	return EXIT_DONE;
}

static int confirm(const struct hunks *h, size_t n, size_t all)
{
	char hex[41];

	if (!h->r->quiet || !h->yes) {
		printf("restore %zu of %zu changes of ", n, all);
		out_name(h->path);
		printf(" from %s\n", rev_short(h->from, hex));
		(void)fflush(stdout);
	}
	if (h->dry_run || h->yes)
		return EXIT_DONE;
	if (!isatty(STDIN_FILENO)) {
		log_error("nobody is there to ask: --yes goes ahead, --dry-run changes nothing");
		return EXIT_USAGE;
	}
	if (question_yes("restore them", &interrupted))
		return EXIT_DONE;
	log_error("nothing was changed");
	return EXIT_NO;
}

static int choose(const struct hunks *h, bool *chosen, size_t all, size_t *ret_n)
{
	int r = hunks_parse(h->numbers, chosen, all);

	if (r < 0) {
		log_error(r == -ERANGE ? "--hunk %s: there are %zu; " RECOVER
					 " diff REV -- PATH shows them"
				       : "--hunk %s: not numbers, from 1, as 2 or 1,3-5",
			h->numbers, all);
		return EXIT_USAGE;
	}
	*ret_n = 0;
	for (size_t i = 0; i < all; i++)
		*ret_n += chosen[i];
	return EXIT_DONE;
}

int hunks_restore(const struct hunks *h)
{
	autoput(buf_release) struct buf was = BUF_INIT, now = BUF_INIT, out = BUF_INIT;
	autofree bool *chosen = NULL;
	size_t all = 0, n = 0;
	mode_t mode = 0;
	int rc, e;

	if ((rc = read_was(h, &was)) || (rc = read_now(h, &now, &mode)))
		return rc;
	if ((e = gitlib_init()) < 0)
		return context_failed(h->r, e, "libgit2");
	e = hunks_apply(&was, &now, h->r->cfg.context, NULL, 0, &out, &all);
	if (e == 0 && !all && hunks_parse(h->numbers, NULL, 0) != -EINVAL) {
		log_error("%s: nothing to restore: it is as it was, or no text", h->path);
		return EXIT_NO;
	}
	chosen = xcalloc(all + 1, sizeof(*chosen));
	if (e == 0 && (rc = choose(h, chosen, all, &n)))
		return rc;
	if (e == 0)
		e = hunks_apply(&was, &now, h->r->cfg.context, chosen, all, &out, &all);
	if (e == 0)
		e = buf_reserve(&out, 1);
	if (e < 0)
		return context_failed(h->r, e, h->path);
	if ((rc = confirm(h, n, all)) || h->dry_run)
		return rc;
	return over_write(h->r, h->path, &out, mode, "restore of single changes");
}
