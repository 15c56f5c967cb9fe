/* The diffstat, scaled and cut as git does it. */
#include "patch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "xalloc.h"

struct line {
	char *name;
	size_t added, deleted;	/* lines, or bytes of a binary file */
	bool binary;
	const struct pair *pair;
};

/* dir/{old => new}/name */
static char *rename_name(const char *a, const char *b)
{
	autoput(buf_release) struct buf x = BUF_INIT, y = BUF_INIT;
	size_t na = strlen(a), nb = strlen(b), pre = 0, post = 0, i;
	size_t adjust;

	patch_quote(a, "", &x);
	patch_quote(b, "", &y);
	if (*x.data == '"' || *y.data == '"')
		return xasprintf("%s => %s", x.data, y.data);
	for (i = 0; a[i] && a[i] == b[i]; i++)
		if (a[i] == '/')
			pre = i + 1;
	adjust = pre ? 1 : 0;	/* the two parts may share one slash: "a/{ => b}/c" */
	for (i = 0; i <= na && i <= nb; i++) {
		const char *p = a + na - i, *q = b + nb - i;

		if (p + adjust < a + pre || q + adjust < b + pre || *p != *q)
			break;
		if (*p == '/')
			post = i;
	}
	{
		size_t ma = na > pre + post ? na - pre - post : 0;
		size_t mb = nb > pre + post ? nb - pre - post : 0;

		if (pre + post == 0)
			return xasprintf("%s => %s", a, b);
		return xasprintf("%.*s{%.*s => %.*s}%s", (int)pre, a, (int)ma, a + pre, (int)mb,
			b + pre, a + na - post);
	}
}

static int digits(uint64_t v)
{
	int n = 1;

	while (v >= 10)
		v /= 10, n++;
	return n;
}

static int look_at_side(git_repository *repo, const struct side *s, uint64_t *ret_bytes, bool *binary)
{
	git_blob *blob = NULL;
	int r;

	*ret_bytes = 0;
	if (!s->mode)
		return 0;
	if (patch_is_large(repo, s, ret_bytes)) {
		*binary = true;
		return 0;
	}
	if ((r = git_blob_lookup(&blob, repo, &s->id)) < 0)
		return r;
	*ret_bytes = (uint64_t)git_blob_rawsize(blob);
	*binary |= *ret_bytes &&
		   memchr(git_blob_rawcontent(blob), 0, *ret_bytes < 8000 ? *ret_bytes : 8000);
	git_blob_free(blob);
	return 0;
}

static int count(git_repository *repo, const struct patch_options *opt, struct line *l)
{
	const struct pair *p = l->pair;
	uint64_t old_bytes, new_bytes;
	git_patch *patch = NULL;
	int r;

	if ((r = look_at_side(repo, &p->a, &old_bytes, &l->binary)) < 0 ||
	    (r = look_at_side(repo, &p->b, &new_bytes, &l->binary)) < 0)
		return r;
	if (git_oid_equal(&p->a.id, &p->b.id))
		return 0;
	if (l->binary) {
		l->added = new_bytes;
		l->deleted = old_bytes;
		return 0;
	}
	if ((r = patch_of(repo, p, 0, opt, &patch)) < 0)
		return r;
	r = git_patch_line_stats(NULL, &l->added, &l->deleted, patch);
	git_patch_free(patch);
	return r;
}

static int load(git_repository *repo, const struct patch_options *opt, struct line *l)
{
	autoput(buf_release) struct buf b = BUF_INIT;

	if (l->pair->status == 'R') {
		l->name = rename_name(l->pair->a.path, l->pair->b.path);
	} else {
		patch_quote(l->pair->b.path, "", &b);
		l->name = buf_detach(&b, NULL);
	}
	return count(repo, opt, l);
}

/* What was only modified, and only in what is ignored, is not counted. */
static bool nothing_left(const struct line *l)
{
	return l->pair->status == 'M' && !l->binary && !l->added && !l->deleted &&
		l->pair->a.mode == l->pair->b.mode;
}

struct widths {
	int name, number, graph;
	size_t max_change;
};

static struct widths measure(const struct line *l, size_t n, int width)
{
	struct widths w = { 0 };
	int bin = 0, max_name = 0;

	for (size_t i = 0; i < n; i++) {
		int len = (int)strlen(l[i].name);

		if (len > max_name)
			max_name = len;
		if (l[i].binary) {
			int b = 14 + digits(l[i].added) + digits(l[i].deleted);

			bin = b > bin ? b : bin;
			w.number = 3;
		} else if (l[i].added + l[i].deleted > w.max_change) {
			w.max_change = l[i].added + l[i].deleted;
		}
	}
	if (digits(w.max_change) > w.number)
		w.number = digits(w.max_change);
	if (width < 16 + 6 + w.number)
		width = 16 + 6 + w.number;
	w.graph = (int)w.max_change + 4 > bin ? (int)w.max_change : bin - 4;
	w.name = max_name;
	if (w.name + w.number + 6 + w.graph > width) {
		if (w.graph > width * 3 / 8 - w.number - 6) {
			w.graph = width * 3 / 8 - w.number - 6;
			if (w.graph < 6)
				w.graph = 6;
		}
		if (w.name > width - w.number - 6 - w.graph)
			w.name = width - w.number - 6 - w.graph;
		else
			w.graph = width - w.number - 6 - w.name;
	}
	return w;
}

static int scaled(size_t v, int width, size_t max)
{
	return v && max ? 1 + (int)(v * (size_t)(width - 1) / max) : 0;
}

static void print_graph(const struct line *l, const struct widths *w, bool color)
{
	int add = (int)l->added, del = (int)l->deleted;

	if ((size_t)w->graph <= w->max_change) {
		int total = scaled(l->added + l->deleted, w->graph, w->max_change);

		if (total < 2 && add && del)
			total = 2;
		if (add < del) {
			add = scaled(l->added, w->graph, w->max_change);
			del = total - add;
		} else {
			del = scaled(l->deleted, w->graph, w->max_change);
			add = total - del;
		}
	}
	if (add && color)
		fputs("\033[32m", stdout);
	for (int i = 0; i < add; i++)
		fputc('+', stdout);
	if (add && color)
		fputs("\033[m", stdout);
	if (del && color)
		fputs("\033[31m", stdout);
	for (int i = 0; i < del; i++)
		fputc('-', stdout);
	if (del && color)
		fputs("\033[m", stdout);
}

static void print_stat_line(const struct line *l, const struct widths *w, bool color)
{
	const char *name = l->name, *cut = "";
	int len = (int)strlen(name), width = w->name;
	const char *g = color ? "\033[32m" : "", *d = color ? "\033[31m" : "",
		   *z = color ? "\033[m" : "";

	if (len > width) {
		const char *slash;

		cut = "...";
		width -= 3;
		name += len - width;
		if ((slash = strchr(name, '/')))
			name = slash;
	}
	printf(" %s%-*s |", cut, width, name);
	if (l->binary) {
		printf(" %*s", w->number, "Bin");
		if (l->added || l->deleted)
			printf(" %s%zu%s -> %s%zu%s bytes", d, l->deleted, z, g, l->added, z);
	} else {
		printf(" %*zu%s", w->number, l->added + l->deleted,
			l->added + l->deleted ? " " : "");
		print_graph(l, w, color);
	}
	fputc('\n', stdout);
}

static void print_totals(const struct line *l, size_t n)
{
	size_t add = 0, del = 0;

	for (size_t i = 0; i < n; i++) {
		if (l[i].binary)
			continue;
		add += l[i].added;
		del += l[i].deleted;
	}
	if (!n)
		return;
	printf(" %zu file%s changed", n, n == 1 ? "" : "s");
	if (add || !del)
		printf(", %zu insertion%s(+)", add, add == 1 ? "" : "s");
	if (del || !add)
		printf(", %zu deletion%s(-)", del, del == 1 ? "" : "s");
	fputc('\n', stdout);
}

static void print_numstat(const struct line *l, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (l[i].binary)
			printf("-\t-\t%s\n", l[i].name);
		else
			printf("%zu\t%zu\t%s\n", l[i].added, l[i].deleted, l[i].name);
	}
}

static void print_summary(const struct pairs *all)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct pair *p = &all->p[i];
		unsigned a = p->a.mode, b = p->b.mode;
		autoput(buf_release) struct buf name = BUF_INIT;
		autofree char *both = p->status == 'R' ? rename_name(p->a.path, p->b.path) : NULL;

		patch_quote(p->b.path, "", &name);
		if (p->status == 'A')
			printf(" create mode %06o %s\n", b, name.data);
		else if (p->status == 'D')
			printf(" delete mode %06o %s\n", a, name.data);
		else if (both)
			printf(" rename %s (%d%%)\n", both, p->score * 100 / SCORE_MAX);
		if (a == b || !a || !b)
			continue;
		if (both)
			printf(" mode change %06o => %06o\n", a, b);
		else
			printf(" mode change %06o => %06o %s\n", a, b, name.data);
	}
}

int patch_stat(git_repository *repo, const struct pairs *all, const struct patch_options *opt)
{
	struct line *l = xcalloc(all->n, sizeof(*l));
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < all->n && r >= 0 && (opt->format & ~(unsigned)PATCH_SUMMARY); i++) {
		l[n] = (struct line){ .pair = &all->p[i] };
		if ((r = load(repo, opt, &l[n])) < 0 && opt->unread) {
			opt->unread(&all->p[i], opt->arg);
			free(l[n].name);
			r = 0;
		} else if (r >= 0 && nothing_left(&l[n])) {
			free(l[n].name);
		} else {
			n++;
		}
	}
	if (r >= 0) {
		struct widths w = measure(l, n, opt->width ? opt->width : 80);

		if (opt->format & PATCH_NUMSTAT)
			print_numstat(l, n);
		for (size_t i = 0; i < n && (opt->format & PATCH_STAT); i++)
			print_stat_line(&l[i], &w, opt->color);
		if (opt->format & (PATCH_STAT | PATCH_SHORTSTAT))
			print_totals(l, n);
		if (opt->format & PATCH_SUMMARY)
			print_summary(all);
	}
	for (size_t i = 0; i < n; i++)
		free(l[i].name);
	free(l);
	return r;
}
