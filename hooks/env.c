/* hooks/env.c - .env: variables for the allocators and the threads, each behind the reason for
 * it. What the file sets already stays as it is. */
#include "hooks-internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/log.h"

#define MARK "# holdfast: "

enum { THREADS_MAX = 8 };

static const struct {
	const char *name, *value; /* NULL: half of the processors */
	const char *why;
} vars[] = {
	{ "PYTORCH_CUDA_ALLOC_CONF", "max_split_size_mb:128",
		"the GPU's memory falls into fewer pieces" },
	{ "MALLOC_ARENA_MAX", "2", "each thread's own heap gives back little" },
	{ "OMP_NUM_THREADS", NULL, "half of the processors, so that the editor stays alive" },
	{ "MKL_NUM_THREADS", NULL, "likewise" },
	{ "OPENBLAS_NUM_THREADS", NULL, "likewise" },
	{ "TOKENIZERS_PARALLELISM", "false", "no threads in each data worker" },
};

/* NAME= at the begin of a line, perhaps behind blanks or `export`. */
static bool sets(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (const char *s = text; s; s = strchr(s, '\n'), s = s ? s + 1 : NULL) {
		s += strspn(s, " \t\r");
		if (strncmp(s, "export", 6) == 0 && (s[6] == ' ' || s[6] == '\t')) {
			s += 6;
			s += strspn(s, " \t");
		}
		if (strncmp(s, name, n) == 0 && s[n + strspn(s + n, " \t")] == '=')
			return true;
	}
	return false;
}

static char *value_of(size_t i)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN) / 2;

	if (vars[i].value)
		return text_of("%s", vars[i].value);
	return text_of("%ld", cpus < 1 ? 1 : cpus > THREADS_MAX ? THREADS_MAX : cpus);
}

static char *env_path(const struct hooks *h)
{
	return text_of("%s/.env", h->o->workspace);
}

/* Through a link out of the workspace we do not write: it may have come with a cloned
 * repository. */
static bool leads_out(const struct hooks *h, const struct change *c)
{
	size_t n = strlen(h->o->workspace);

	return strncmp(c->real, h->o->workspace, n) != 0 || c->real[n] != '/';
}

static struct change *env_file(struct hooks *h)
{
	autofree char *path = env_path(h);
	struct change *c = changes_file(&h->changes, path, 0600);
	const char *why = !c                ? NULL
			  : leads_out(h, c) ? "a link that leads out of the workspace"
			  : memchr(c->old.data, '\0', c->old.len) ? "it is no text"
								  : NULL;

	if (why)
		log_warn("%s: left alone: %s", path, why);
	h->skipped += !c || why;
	return why ? NULL : c;
}

void env_plan(struct hooks *h)
{
	autoput(buf_release) struct buf add = BUF_INIT;
	const char *eol;
	struct change *c;

	if (!(h->o->parts & HOOK_ENV))
		return;
	c = env_file(h);
	if (!c)
		return;
	eol = strstr(c->old.data, "\r\n") ? "\r\n" : "\n";
	for (size_t i = 0; i < sizeof(vars) / sizeof(*vars); i++) {
		autofree char *value = value_of(i);

		if (!sets(c->old.data, vars[i].name))
			must(buf_printf(&add, MARK "%s%s%s=%s%s", vars[i].why, eol, vars[i].name,
				value, eol));
	}
	if (!add.len)
		return;
	if (c->old.len && c->old.data[c->old.len - 1] != '\n')
		must(buf_addstr(&c->now, eol));
	must(buf_add(&c->now, add.data, add.len));
	record_add(&h->rec, "lines", (const char *const[ROW_FIELDS]){ c->path, add.data });
	record_file(&h->rec, c);
}

int env_unplan(struct hooks *h)
{
	autofree char *path = env_path(h);
	const struct row *file = record_find(&h->rec, "file", path, NULL, NULL, NULL);
	struct change *c;
	int left = 0;

	if (!file || !(c = env_file(h)) || !c->had || record_restore(&h->rec, c))
		return 0;
	for (size_t i = 0; i < h->rec.n; i++) {
		const struct row *row = &h->rec.row[i];
		char *at;

		if (strcmp(row->kind, "lines") != 0 || strcmp(row->f[0], path) != 0)
			continue;
		at = strstr(c->now.data, row->f[1]);
		if (at) {
			autofree char *rest = text_of("%.*s%s", (int)(at - c->now.data),
				c->now.data, at + strlen(row->f[1]));

			change_set(c, rest, strlen(rest));
		} else {
			log_warn("%s: the lines below \"" MARK
				 "...\" were changed by hand and stay",
				path);
			left++;
		}
	}
	if (strcmp(file->f[1], "0") == 0 && !c->now.len)
		c->gone = true;
	return left;
}
