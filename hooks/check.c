/* hooks/check.c - do tasks.json and launch.json still fit together? VSCode says nothing of a
 * dependsOn that names no task, and runs what it belongs to; of a preLaunchTask that names none
 * it asks, with "Debug Anyway" for an answer. */
#include "hooks-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/io.h"
#include "../lib/names.h"

struct checking {
	struct jsonc tasks, launches;
	struct buf tasks_text, launches_text;
	int list; /* the tasks; -1 */
	int (*fn)(const char *line, void *arg);
	void *arg;
};

static void checking_release(struct checking *k)
{
	jsonc_release(&k->tasks);
	jsonc_release(&k->launches);
	buf_release(&k->tasks_text);
	buf_release(&k->launches_text);
}

/* 1: it is there and whole; 0: not there; negative: it was said to fn, or fn failed. */
static int load(const char *workspace, const char *name, struct buf *text, struct jsonc *j,
	const struct checking *k)
{
	autoput(buf_release) struct buf path = BUF_INIT, line = BUF_INIT;
	int r = buf_printf(&path, "%s/.vscode/%s", workspace, name);

	if (r == 0)
		r = io_read_file(AT_FDCWD, path.data, JSONC_MAX, text);
	if (r == -ENOENT || r == -ENOTDIR || (r == 0 && !text->len))
		return 0;
	if (r < 0)
		return r;
	r = jsonc_parse(text->data, text->len, j);
	if (r == 0)
		return 1;
	if (r == -EINVAL &&
		buf_printf(&line, ".vscode/%s: broken, %s: VSCode runs none of its tasks", name,
			j->error) == 0)
		r = k->fn(line.data, k->arg);
	return r < 0 ? r : 0;
}

static int count(const struct checking *k, const char *label)
{
	int n = 0;

	if (k->list < 0)
		return 0;
	for (int i = k->tasks.node[k->list].first; i >= 0; i = k->tasks.node[i].next)
		n += jsonc_is(&k->tasks, jsonc_member(&k->tasks, i, "label"), label);
	return n;
}

static int say(const struct checking *k, const char *fmt, const char *a, const char *b)
{
	autoput(buf_release) struct buf line = BUF_INIT;
	int r = buf_addstr(&line, "");

	for (const char *s = fmt; r == 0 && *s; s++) {
		if (*s != '%')
			r = buf_addch(&line, *s);
		else
			r = buf_addstr(&line, *++s == 'a' ? a : b);
	}
	return r < 0 ? r : k->fn(line.data, k->arg);
}

static bool is_ours(const struct jsonc *j, int node, struct buf *label)
{
	return jsonc_string(j, node, label) && strncmp(label->data, LABEL, strlen(LABEL)) == 0;
}

static int check_launches(const struct checking *k)
{
	autoput(buf_release) struct buf label = BUF_INIT, name = BUF_INIT;
	int list = merge_list(&k->launches, "configurations"), r = 0;

	if (list < 0 || k->launches.node[list].type != JSONC_ARRAY)
		return 0;
	for (int i = k->launches.node[list].first; i >= 0 && r == 0; i = k->launches.node[i].next) {
		if (!is_ours(
			    &k->launches, jsonc_member(&k->launches, i, "preLaunchTask"), &label) ||
			count(k, label.data))
			continue;
		if (!jsonc_string(&k->launches, jsonc_member(&k->launches, i, "name"), &name))
			continue;
		r = say(k,
			"launch \"%a\": its task \"%b\" is not in .vscode/tasks.json: it is not "
			"gated; " SNAPD " --install mends it",
			name.data, label.data);
	}
	return r;
}

static int check_depends(const struct checking *k, int task)
{
	autoput(buf_release) struct buf label = BUF_INIT, name = BUF_INIT;
	int on = jsonc_member(&k->tasks, task, "dependsOn"), one, r = 0;

	if (on < 0)
		return 0;
	one = k->tasks.node[on].type == JSONC_ARRAY ? k->tasks.node[on].first : on;
	for (; one >= 0 && r == 0; one = one == on ? -1 : k->tasks.node[one].next)
		if (is_ours(&k->tasks, one, &label) && !count(k, label.data)) {
			(void)jsonc_string(
				&k->tasks, jsonc_member(&k->tasks, task, "label"), &name);
			r = say(k,
				"task \"%a\": depends on \"%b\", which is not there: VSCode runs "
				"it without; " SNAPD " --install mends it",
				name.data ? name.data : "?", label.data);
		}
	return r;
}

static int check_tasks(const struct checking *k)
{
	autoput(buf_release) struct buf label = BUF_INIT;
	int r = 0;

	if (k->list < 0)
		return 0;
	for (int i = k->tasks.node[k->list].first; i >= 0 && r == 0; i = k->tasks.node[i].next) {
		r = check_depends(k, i);
		if (r == 0 && is_ours(&k->tasks, jsonc_member(&k->tasks, i, "label"), &label) &&
			count(k, label.data) > 1 &&
			merge_find(&k->tasks, k->list, "label", label.data) == i)
			r = say(k, "task \"%a\" is there more than once: VSCode takes the last%b",
				label.data, "");
	}
	return r;
}

/* What was installed and is no more. */
static int check_record(const struct checking *k, const char *workspace)
{
	struct record rec;
	int r = record_load(workspace, &rec);

	for (size_t i = 0; r == 0 && i < rec.n; i++)
		if (strcmp(rec.row[i].kind, "item") == 0 && strcmp(rec.row[i].f[1], "tasks") == 0 &&
			!count(k, rec.row[i].f[3]))
			r = say(k,
				"task \"%a\" is gone from .vscode/tasks.json, or has another "
				"name%b; " SNAPD " --install brings it back",
				rec.row[i].f[3], "");
	record_release(&rec);
	return r;
}

int hooks_check(const char *workspace, int (*fn)(const char *line, void *arg), void *arg)
{
	autoput(checking_release) struct checking k = { .list = -1, .fn = fn, .arg = arg };
	int t = load(workspace, "tasks.json", &k.tasks_text, &k.tasks, &k), l, r;

	if (t < 0)
		return t;
	if (t) {
		k.list = merge_list(&k.tasks, "tasks");
		if (k.list >= 0 && k.tasks.node[k.list].type != JSONC_ARRAY)
			k.list = -1;
	}
	l = load(workspace, "launch.json", &k.launches_text, &k.launches, &k);
	if (l < 0)
		return l;
	r = l ? check_launches(&k) : 0;
	if (r == 0)
		r = check_tasks(&k);
	return r < 0 ? r : check_record(&k, workspace);
}
