/* editors/backup.c - one backup file: a line with the resource and what was known of it, then
 * the text to the end.
 *
 * 	vscode-remote://127.0.0.1:8431/home/u/ws/train.py {"mtime":1795458784370,"size":28,...,"orphaned":false,"typeId":""}
 * 	untitled:Untitled-2 {"typeId":""}
 *
 * Text is UTF-8 without a byte order mark, whatever the file's encoding. It is written by
 * truncating and writing, not by a rename: empty files and torn ones are seen. */
#include "editors-internal.h"

#include <errno.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/jsonc.h"

enum { HEAD_MAX = 65536 }; /* VSCode's own bound is 10000 characters */

static int read_meta(const char *s, size_t n, struct backup *b)
{
	autoput(jsonc_release) struct jsonc j;
	double num;
	int r = jsonc_parse(s, n, &j);

	if (r < 0)
		return r == -ENOMEM
			       ? r
			       : 0; /* dropped when it was long: the text is there all the same */
	if (jsonc_number(&j, jsonc_member(&j, 0, "mtime"), &num) && num < 9e15)
		b->mtime_ms = (int64_t)num;
	r = jsonc_member(&j, 0, "orphaned");
	b->orphaned = r >= 0 && j.node[r].end - j.node[r].start == 4;
	if (!jsonc_string(&j, jsonc_member(&j, 0, "typeId"), &b->type))
		buf_reset(&b->type);
	return 0;
}

int backup_parse(const char *p, size_t n, struct backup *ret)
{
	const char *nl = memchr(p, '\n', n < HEAD_MAX ? n : HEAD_MAX), *space;
	size_t head;
	int r;

	*ret = (struct backup){ .mtime_ms = -1 };
	if (!nl || memchr(p, '\0', (size_t)(nl - p)))
		return -EINVAL;
	head = (size_t)(nl - p);
	space = memchr(p, ' ', head);
	r = uri_parse(p, space ? (size_t)(space - p) : head, &ret->uri);
	if (r == 0 && !ret->uri.path.len)
		r = -EINVAL;
	if (r == 0 && space)
		r = read_meta(space + 1, head - (size_t)(space + 1 - p), ret);
	if (r == 0)
		r = buf_reserve(&ret->type, 1);
	if (r < 0) {
		backup_release(ret);
		return r;
	}
	if (!ret->type.len)
		ret->type.data[0] = '\0';
	ret->body = head + 1;
	return 0;
}

void backup_release(struct backup *b)
{
	uri_release(&b->uri);
	buf_release(&b->type);
}

bool backup_is_text(const struct backup *b)
{
	return !*b->type.data || strncmp(b->type.data, "notebook/", 9) == 0;
}

bool backup_is_cut(size_t n, size_t before)
{
	return n < before && n % BACKUP_CHUNK == 0;
}

const char *backup_name(
	const struct backup *b, const struct place *p, const char *workspace, bool *ret_untitled)
{
	const char *scheme = b->uri.scheme.data, *path = b->uri.path.data, *below;

	*ret_untitled = false;
	if (strcmp(scheme, "untitled") == 0) {
		*ret_untitled = *path != '/';
		below = *path == '/' ? editor_below(path, workspace) : path;
		return below;
	}
	/* On a desktop vscode-remote is a file of another machine. */
	if (strcmp(scheme, "file") != 0 && !(p->server && strcmp(scheme, "vscode-remote") == 0))
		return NULL;
	return editor_below(path, workspace);
}
