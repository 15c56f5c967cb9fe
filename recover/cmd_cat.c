#include "recover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/hint.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "paths.h"
#include "rev.h"
#include "xalloc.h"

static int put(const void *p, size_t n, void *arg)
{
	(void)arg;
	return fwrite(p, 1, n, stdout) == n ? 0 : -EIO;
}

/* The colon that ends REV: the first one outside of braces (@{14:30}:file). */
static const char *split_at(const char *s)
{
	int depth = 0;

	for (; *s; s++) {
		if (*s == '{')
			depth++;
		else if (*s == '}' && depth)
			depth--;
		else if (*s == ':' && !depth)
			return s;
	}
	return NULL;
}

/* As git: below the top of the workspace, unless it begins with ./ or ../ */
static int named_path(const struct recover *r, const char *arg, char **ret)
{
	if (*arg == '/' || !strncmp(arg, "./", 2) || !strncmp(arg, "../", 3))
		return path_from_arg(r, arg, ret);
	if (path_clean("", arg, ret) < 0) {
		log_error("%s: is outside of the workspace", arg);
		return -EINVAL;
	}
	return 0;
}

int cmd_cat(struct recover *r, const struct args *a)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	autofree char *path = NULL, *rev = NULL;
	autoput(buf_release) struct buf word = BUF_INIT;
	const char *colon = split_at(a->arg[0]);
	struct store_entry e;
	int rc, err;

	if (!colon) {
		log_error("%s: is not REV:PATH; of the newest snapshot: " RECOVER " cat @:%s",
			a->arg[0], hint_word(a->arg[0], &word));
		return EXIT_USAGE;
	}
	rev = colon == a->arg[0] ? xstrdup("@") : xstrndup(a->arg[0], (size_t)(colon - a->arg[0]));
	if (named_path(r, colon + 1, &path) < 0)
		return EXIT_USAGE;
	if ((rc = rev_arg(r, rev, &sn)))
		return rc;
	err = store_entry_at(r->store, sn.seq, path, &e);
	if (err == -ENOENT || (err == 0 && e.kind == KIND_GONE)) {
		log_error("%s: is not in snapshot %s", path, rev);
		return EXIT_NO;
	}
	if (err < 0)
		return context_failed(r, err, path);
	if (e.kind != KIND_FILE && e.kind != KIND_LINK) {
		log_error("%s: %s%s", *path ? path : "the workspace itself", e.kind == KIND_DIR ? "is a folder" : "was not stored: ",
			e.kind == KIND_DIR ? "" : store_why_text(e.why));
		return EXIT_NO;
	}
	err = store_stream_blob(r->store, &e.oid, put, NULL);
	return err < 0 ? context_failed(r, err, path) : EXIT_DONE;
}
