/* recover unsaved: what only an editor holds; shown, compared, and written beside the file or
 * over it. */
#include "recover.h"

#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/gitlib.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/question.h"
#include "../lib/text.h"
#include "out.h"
#include "over.h"
#include "pager.h"
#include "paths.h"
#include "rev.h"
#include "rows.h"
#include "unsaved.h"
#include "xalloc.h"

enum { U_JSON = 1, U_ALL, U_TO, U_OVER, U_YES };

const struct opt unsaved_opts[] = {
	OPT_JSON(U_JSON),
	{ U_ALL, 'a', "all", OPT_FLAG, NULL,
		"also what is on the disk as it is, or was closed long ago" },
	{ U_TO, 0, "to", OPT_VALUE, "FILE", "with restore: write this file, which must not exist" },
	{ U_OVER, 0, "over", OPT_FLAG, NULL,
		"with restore: over the file itself, after a snapshot" },
	OPT_YES(U_YES),
	{ 0 },
};

static const char *const held_names[] = { "live", "torn", "gone" };
static const char *const disk_names[] = { "none", "same", "older", "newer" };

static uint64_t age_of(const struct recover *r, const struct unsaved_item *it)
{
	int64_t age = (r->now_ns - it->v[it->best].time_ns) / 1000000000;

	return age > 0 ? (uint64_t)age : 0;
}

/* ---- the list ---------------------------------------------------------------------- */

static void print_one_json(const struct recover *r, const struct unsaved_item *it)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "id", it->id);
	if (it->untitled)
		cJSON_AddNullToObject(o, "path");
	else
		json_name(o, "path", it->name);
	json_name(o, "name", it->name);
	cJSON_AddBoolToObject(o, "untitled", it->untitled);
	json_name(o, "editor", it->editor);
	json_name(o, "place", it->place);
	json_name(o, "type", it->type);
	json_time(o, "time", it->v[it->best].time_ns);
	cJSON_AddNumberToObject(o, "age_s", (double)age_of(r, it));
	cJSON_AddNumberToObject(o, "size", (double)it->size);
	cJSON_AddStringToObject(o, "held", held_names[it->held]);
	cJSON_AddStringToObject(o, "disk", disk_names[it->disk]);
	cJSON_AddBoolToObject(o, "disk_changed_since", it->disk_moved);
	cJSON_AddBoolToObject(o, "disk_utf8", it->disk_utf8);
	cJSON_AddNumberToObject(o, "versions", (double)it->n_v);
	json_line(o);
}

static const char *disk_words(const struct unsaved_item *it)
{
	if (it->untitled)
		return "has no file";
	if (it->disk == DISK_NONE)
		return "its file is gone";
	if (it->disk == DISK_SAME)
		return "the file is the same";
	if (it->disk == DISK_NEWER)
		return "the file is newer, and different";
	return it->disk_moved ? "the file is older, but was changed since the edit began"
			      : "the file is older";
}

static void print_one(const struct recover *r, const struct unsaved_item *it)
{
	char age[24], size[16];

	printf("%s  %-9s %10s  ", it->id, text_duration(age_of(r, it), age),
		text_size(it->size, size));
	out_name(it->name);
	printf("\n          %s; %s", it->editor, disk_words(it));
	if (it->held == HELD_TORN)
		printf("; the editor's own copy is cut off, this is the version before");
	if (it->held == HELD_GONE)
		printf("; the editor has it no more");
	if (!it->disk_utf8)
		printf("; the file is not UTF-8, the buffer is");
	fputc('\n', stdout);
}

static int list(const struct recover *r, const struct args *a, const struct unsaved_list *l)
{
	if (!l->n) {
		if (!a->on[U_JSON])
			log_info("nothing: no editor holds a text of this workspace that is not "
				 "saved");
		return a->on[U_JSON] ? EXIT_DONE : EXIT_NO;
	}
	if (!a->on[U_JSON])
		pager_start(r);
	for (size_t i = 0; i < l->n; i++)
		a->on[U_JSON] ? print_one_json(r, &l->it[i]) : print_one(r, &l->it[i]);
	if (!a->on[U_JSON] && isatty(STDOUT_FILENO))
		printf("\n" RECOVER " unsaved diff ID, " RECOVER " unsaved restore ID\n");
	return EXIT_DONE;
}

/* ---- diff, cat ------------------------------------------------------------------------ */

static int print_line(
	const git_diff_delta *d, const git_diff_hunk *h, const git_diff_line *line, void *arg)
{
	(void)d, (void)h, (void)arg;
	if (line->origin == ' ' || line->origin == '+' || line->origin == '-')
		fputc(line->origin, stdout);
	else if (line->origin == GIT_DIFF_LINE_FILE_HDR)
		return 0;
	return fwrite(line->content, 1, line->content_len, stdout) == line->content_len ? 0 : -1;
}

static int diff(const struct recover *r, const struct unsaved_item *it, const struct buf *text)
{
	autoput(buf_release) struct buf disk = BUF_INIT;
	git_diff_options opt;
	git_patch *p = NULL;
	struct stat st;
	bool bom;
	int e = it->untitled ? -ENOENT : unsaved_disk(r, it->name, &disk, &bom, &st);

	if (e < 0 && e != -ENOENT && e != -ENOTDIR) {
		log_error_errno(e, "%s", it->name);
		return EXIT_ENV;
	}
	pager_start(r);
	(void)gitlib_init();
	(void)git_diff_options_init(&opt, GIT_DIFF_OPTIONS_VERSION);
	opt.context_lines = (uint32_t)r->cfg.context;
	printf("--- ");
	out_name(e < 0 ? "/dev/null" : it->name);
	printf("\n+++ ");
	out_name(it->name);
	printf("  (unsaved, %s)\n", it->id);
	e = git_patch_from_buffers(
		&p, disk.data, disk.len, NULL, text->data, text->len, NULL, &opt);
	if (e == 0)
		e = git_patch_print(p, print_line, NULL);
	git_patch_free(p);
	git_libgit2_shutdown();
	return e < 0 ? EXIT_ENV : EXIT_DONE;
}

static int print_text(const struct buf *text)
{
	return fwrite(text->data, 1, text->len, stdout) == text->len ? EXIT_DONE : EXIT_ENV;
}

/* ---- restore ------------------------------------------------------------------------------ */

/* train.py: train.unsaved-1a2b3c4d.py */
static char *side_name(const struct unsaved_item *it)
{
	const char *base = strrchr(it->name, '/'), *dot;
	size_t dir;

	base = base ? base + 1 : it->name;
	dir = (size_t)(base - it->name);
	dot = strrchr(base, '.');
	if (!dot || dot == base)
		dot = base + strlen(base);
	return xasprintf("%.*s%.*s.unsaved-%s%s", (int)dir, it->name, (int)(dot - base), base,
		it->id,
		*dot           ? dot
		: it->untitled ? ".txt"
			       : "");
}

static int write_new(const char *path, const struct buf *text)
{
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int e = fd < 0 ? -errno : io_write_all(fd, text->data, text->len);

	if (e == 0)
		e = io_sync(fd);
	if (e < 0 && fd >= 0)
		(void)unlink(path);
	if (e < 0)
		log_error_errno(e, "%s", path);
	return e == 0 ? EXIT_DONE : EXIT_ENV;
}

static int restore_to(const struct recover *r, const struct args *a, const struct unsaved_item *it,
	const struct buf *text)
{
	autofree char *side = side_name(it), *path = NULL;
	autoput(buf_release) struct buf had = BUF_INIT;
	int rc;

	if (a->on[U_TO]) {
		path = xstrdup(a->value[U_TO]);
	} else {
		char *slash;

		path = xasprintf("%s/%s", r->workspace, side);
		slash = strrchr(path, '/');
		*slash = 0;
		if (access(path, F_OK) < 0) {
			free(path);
			path = xasprintf("%s/%s", r->workspace,
				strrchr(side, '/') ? strrchr(side, '/') + 1 : side);
		} else {
			*slash = '/';
		}
		if (io_read_file(AT_FDCWD, path, EDITOR_FILE_MAX, &had) == 0 &&
			had.len == text->len &&
			(!had.len || !memcmp(had.data, text->data, had.len))) {
			log_info("%s holds it already", path);
			return EXIT_DONE;
		}
	}
	rc = write_new(path, text);
	if (rc == EXIT_DONE && !r->quiet)
		log_info("written to %s", path);
	return rc;
}

static int confirm(const struct args *a, const char *name)
{
	autoput(buf_release) struct buf what = BUF_INIT;

	if (a->on[U_YES])
		return EXIT_DONE;
	if (!isatty(STDIN_FILENO)) {
		log_error("nobody is there to ask: --yes goes ahead, without --over it goes beside "
			  "the file");
		return EXIT_USAGE;
	}
	if (buf_addstr(&what, "write over ") < 0 || text_quote_name(&what, name, strlen(name)) < 0)
		xalloc_failed();
	if (question_yes(what.data, &interrupted))
		return EXIT_DONE;
	log_error("nothing was changed");
	return EXIT_NO;
}

static int restore_over(struct recover *r, const struct args *a, const struct unsaved_item *it,
	const struct buf *text)
{
	autoput(buf_release) struct buf disk = BUF_INIT, out = BUF_INIT;
	struct stat st = { .st_mode = 0644 };
	bool bom = false;
	int rc, e;

	if (it->untitled) {
		log_error("%s: has no file; without --over it is written to one of its own",
			it->name);
		return EXIT_USAGE;
	}
	if (!it->disk_utf8) {
		log_error("%s: is not UTF-8, and the buffer is: refused; without --over it goes "
			  "beside it",
			it->name);
		return EXIT_NO;
	}
	if ((rc = context_may_write(r)) || (rc = confirm(a, it->name)))
		return rc;
	if (unsaved_editor_runs(r, it->place))
		log_warn("%s runs and has this buffer: it will say that the file on the disk is "
			 "newer; "
			 "\"Revert File\" there takes the restored text",
			it->editor);
	e = unsaved_disk(r, it->name, &disk, &bom, &st);
	if (e < 0 && e != -ENOENT) {
		log_error_errno(e, "%s", it->name);
		return EXIT_ENV;
	}
	if ((bom && buf_addstr(&out, "\xef\xbb\xbf") < 0) || buf_reserve(&out, text->len + 1) < 0 ||
		(text->len && buf_add(&out, text->data, text->len) < 0))
		return context_failed(r, -ENOMEM, "restore");
	return over_write(
		r, it->name, &out, st.st_mode & 07777, "restore of an unsaved buffer");
}

static int restore(struct recover *r, const struct args *a, const struct unsaved_item *it,
	const struct buf *text)
{
	if (a->on[U_TO] && a->on[U_OVER]) {
		log_error("--to and --over: one of them");
		return EXIT_USAGE;
	}
	return a->on[U_OVER] ? restore_over(r, a, it, text) : restore_to(r, a, it, text);
}

/* ---- the command ------------------------------------------------------------------------ */

/* A version of Local History has an id too: `history` names it. */
static const struct other_version *find_other(const struct other_versions *l, const char *id)
{
	const struct other_version *found = NULL;

	for (size_t i = 0; strlen(id) >= 4 && i < l->n; i++)
		if (!l->v[i].unsaved && !strncmp(l->v[i].id, id, strlen(id))) {
			if (found)
				return NULL;
			found = &l->v[i];
		}
	return found;
}

static int act(struct recover *r, const struct args *a, const char *verb,
	const struct unsaved_item *it, const struct buf *text)
{
	if (!strcmp(verb, "diff"))
		return diff(r, it, text);
	return !strcmp(verb, "cat") ? print_text(text) : restore(r, a, it, text);
}

/* EXIT_DONE and what act says, or -1: no version of that id. */
static int act_on_other(struct recover *r, const struct args *a, const char *verb, int *ret)
{
	autoput(other_release) struct other_versions l = { 0 };
	autoput(buf_release) struct buf text = BUF_INIT;
	const struct other_version *v;
	struct unsaved_item it = { .disk_utf8 = true, .type = (char *)"" };
	int e;

	other_find(r, NULL, &l);
	v = find_other(&l, a->arg[1]);
	if (!v)
		return -1;
	e = buf_reserve(&text, 1);
	if (e == 0)
		e = other_text(&l, v, &text);
	if (e < 0) {
		log_error_errno(e, "%s", v->path);
		*ret = EXIT_ENV;
		return 0;
	}
	it.name = v->path;
	it.editor = v->editor;
	it.place = (char *)"";
	memcpy(it.id, v->id, sizeof(it.id));
	*ret = act(r, a, verb, &it, &text);
	return 0;
}

int cmd_unsaved(struct recover *r, const struct args *a)
{
	autoput(unsaved_release) struct unsaved_list l = { 0 };
	autoput(buf_release) struct buf text = BUF_INIT;
	const char *verb = a->n ? a->arg[0] : "list";
	struct unsaved_item *it;
	size_t version = 0;
	int e, rc;

	if ((a->on[U_TO] || a->on[U_OVER]) && strcmp(verb, "restore")) {
		log_error("--to and --over go with restore");
		return EXIT_USAGE;
	}
	if (strcmp(verb, "list") && strcmp(verb, "diff") && strcmp(verb, "cat") &&
		strcmp(verb, "restore")) {
		log_error("%s: what to do with it? diff, cat or restore", verb);
		return EXIT_USAGE;
	}
	if ((strcmp(verb, "list") && a->n < 2) || (!strcmp(verb, "list") && a->n > 1)) {
		log_error("%s: %s", verb,
			a->n < 2 ? "of which? " RECOVER " unsaved lists them" : "takes no id");
		return EXIT_USAGE;
	}
	e = unsaved_find(r, a->on[U_ALL] || a->n > 1, &l);
	if (e < 0)
		log_warn("some of the editors' folders could not be read: %s", err_str(e));
	if (!strcmp(verb, "list"))
		return list(r, a, &l);
	if (unsaved_has(&l, a->arg[1]) || act_on_other(r, a, verb, &rc) < 0) {
		it = unsaved_by_id(&l, a->arg[1], &version);
		if (!it)
			return EXIT_NO;
		e = unsaved_text(&l, it, version, &text);
		if (e < 0)
			log_error_errno(e, "%s", it->name);
		rc = e < 0 ? EXIT_ENV : act(r, a, verb, it, &text);
	}
	return rc;
}
