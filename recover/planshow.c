/* A plan in words. */
#include "plan.h"

#include <inttypes.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/text.h"

#include <string.h>

static void show_name(const struct plan_item *it, FILE *to)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	bool folder = it->want.kind == KIND_DIR ||
		      (it->want.kind == KIND_GONE && it->had.kind == KIND_DIR);

	if (text_quote_name(&b, *it->path ? it->path : ".", *it->path ? strlen(it->path) : 1) < 0)
		return;
	fprintf(to, "    %s%s", b.data, folder ? "/" : "");
	if (it->action == PLAN_REPLACE && it->had.kind != it->want.kind)
		fprintf(to, "  (a %s now)",
			it->had.kind == KIND_DIR    ? "folder"
			: it->had.kind == KIND_LINK ? "link"
						    : "file");
	if (it->action == PLAN_META && (it->want.mode & 07777) != (it->had.mode & 07777) &&
		it->want.kind != KIND_LINK)
		fprintf(to, "  mode %04o -> %04o", it->had.mode & 07777, it->want.mode & 07777);
	fputc('\n', to);
}

static void show_group(const struct plan *p, FILE *to, enum plan_action action, const char *verb,
	bool with_folders, size_t lines)
{
	uint64_t files = p->files[action], folders = with_folders ? p->folders[action] : 0;
	size_t shown = 0;

	if (!files && !folders)
		return;
	fprintf(to, "%s", verb);
	if (files)
		fprintf(to, " %" PRIu64 " file%s", files, files == 1 ? "" : "s");
	if (folders)
		fprintf(to, "%s %" PRIu64 " folder%s", files ? "," : "", folders,
			folders == 1 ? "" : "s");
	fprintf(to, lines ? ":\n" : " (named below)\n");
	if (!lines)
		return;
	for (size_t i = 0; i < p->n; i++) {
		const struct plan_item *it = &p->item[i];
		bool folder = it->want.kind == KIND_DIR ||
			      (it->want.kind == KIND_GONE && it->had.kind == KIND_DIR);

		if (it->action != action || (folder && !with_folders))
			continue;
		if (shown++ == lines) {
			fprintf(to, "    ... and %" PRIu64 " more (-v names all)\n",
				files + folders - lines);
			break;
		}
		show_name(it, to);
	}
}

static bool only_meta(const struct plan *p)
{
	for (int a = PLAN_CREATE; a <= PLAN_DELETE; a++)
		if (p->files[a] || p->folders[a])
			return false;
	return true;
}

void plan_show(const struct plan *p, FILE *to, size_t lines)
{
	char size[16];

	show_group(p, to, PLAN_CREATE, "create", true, lines);
	show_group(p, to, PLAN_REPLACE, "replace", true, lines);
	show_group(p, to, PLAN_DELETE, "delete", true, lines);
	/* the times of folders follow from the rest: worth a word only alone */
	show_group(p, to, PLAN_META, "set mode or time of", only_meta(p), lines);
	show_group(p, to, PLAN_BLOCKED, "NOT possible for", true, 0);
	fprintf(to, "%s to write", text_size(p->bytes, size));
	if (p->same)
		fprintf(to, "; %" PRIu64 " path%s already as wanted", p->same,
			p->same == 1 ? " is" : "s are");
	fputc('\n', to);
}

size_t plan_complain(const struct plan *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct plan_item *it = &p->item[i];

		if (it->action == PLAN_BLOCKED)
			log_error("%s: %s%s%s", *it->path ? it->path : ".", it->why,
				it->error ? ": " : "", it->error ? err_str(it->error) : "");
		else if (it->error)
			log_error("%s: %s", *it->path ? it->path : ".",
				it->error == -ESTALE   ? "changed just now; left alone"
				: it->error == -EEXIST ? "appeared just now; left alone"
						       : err_str(it->error));
		else
			continue;
		n++;
	}
	return n;
}
