/* hooks/vscode.c - what goes into .vscode/tasks.json, launch.json and settings.json.
 *
 * Tasks are of type "process": VSCode then builds no shell line, and a program that is missing
 * starts nothing. VSCode takes a task that a signal killed for one that succeeded; so the gate
 * is a shell that waits and turns whatever is not 0 into a number. It is no background task and
 * asks for no input: both would let a launch pass. */
#include "hooks-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/log.h"
#include "../lib/names.h"

#define GATE LABEL "gate"
#define QUIET                                                                                     \
	"\"presentation\": {\n\t\t\"echo\": false,\n\t\t\"reveal\": \"silent\",\n\t\t\"panel\": " \
	"\"dedicated\",\n"                                                                        \
	"\t\t\"showReuseMessage\": false,\n\t\t\"close\": true\n\t}"
#define SHOWN                                                                                     \
	"\"presentation\": {\n\t\t\"echo\": false,\n\t\t\"reveal\": \"always\",\n\t\t\"panel\": " \
	"\"dedicated\",\n"                                                                        \
	"\t\t\"showReuseMessage\": false\n\t}"
#define CLEAR                                                                                     \
	"\"presentation\": {\n\t\t\"echo\": false,\n\t\t\"reveal\": \"always\",\n\t\t\"panel\": " \
	"\"dedicated\",\n"                                                                        \
	"\t\t\"showReuseMessage\": false,\n\t\t\"clear\": true\n\t}"

struct items {
	struct item it[32];
	size_t n;
	char *mine[64];
	size_t n_mine;
};

static char *keep(struct items *l, char *s)
{
	must(l->n_mine < sizeof(l->mine) / sizeof(*l->mine) ? 0 : -ENOMEM);
	return l->mine[l->n_mine++] = s;
}

static void add(
	struct items *l, const char *list, const char *id_key, const char *id, const char *value)
{
	must(l->n < sizeof(l->it) / sizeof(*l->it) ? 0 : -ENOMEM);
	l->it[l->n++] = (struct item){ list, id_key, id, value };
}

static void items_release(struct items *l)
{
	for (size_t i = 0; i < l->n_mine; i++)
		free(l->mine[i]);
}

static char *quoted(const char *s)
{
	struct buf b = BUF_INIT;

	must(jsonc_quote(&b, s));
	return buf_detach(&b, NULL);
}

/* args: a NULL-terminated list. */
static void add_task(struct items *l, const char *label, const char *detail, const char *command,
	const char *const *args, const char *rest)
{
	autoput(buf_release) struct buf b = BUF_INIT;

	must(buf_addstr(&b, "{\n\t\"label\": "));
	must(jsonc_quote(&b, label));
	must(buf_addstr(&b, ",\n\t\"detail\": "));
	must(jsonc_quote(&b, detail));
	must(buf_addstr(&b, ",\n\t\"type\": \"process\",\n\t\"command\": "));
	must(jsonc_quote(&b, command));
	must(buf_addstr(&b, ",\n\t\"args\": ["));
	for (size_t i = 0; args[i]; i++) {
		must(buf_addstr(&b, i ? ", " : ""));
		must(jsonc_quote(&b, args[i]));
	}
	must(buf_printf(&b, "],\n\t%s,\n\t\"problemMatcher\": []\n}", rest));
	add(l, "tasks", "label", label, keep(l, buf_detach(&b, NULL)));
}

static void add_training(struct items *l, const struct programs *p, const char *label,
	const char *detail, const char *mode, const char *python)
{
	add_task(l, label, detail, p->detect_word,
		(const char *const[]){ "run", "--mode", mode, "--", python, "${file}", NULL },
		SHOWN);
}

static const char *python_of(const struct hooks *h)
{
	autofree char *venv = text_of("%s/.venv/bin/python", h->o->workspace);

	return access(venv, X_OK) == 0 ? "${workspaceFolder}/.venv/bin/python" : "python3";
}

static void tasks(struct hooks *h, struct items *l)
{
	const struct programs *p = &h->prog;
	const char *python = python_of(h), *ws = "${workspaceFolder}";

	add(l, "", "", "version", "\"2.0.0\"");
	/* 0 snapd, 1 the folder, 2 detect. The gate speaks of what it refuses before it ends. */
	add_task(l, GATE,
		"Refuses a launch that the memory has no room for; snapshots are on before it.",
		"/bin/sh",
		(const char *const[]){ "-c",
			"\"$0\" --workspace \"$1\" --start --quiet; \"$2\" gate; exit $?",
			p->snapd_word, ws, p->detect_word, NULL },
		SHOWN);
	add_task(l, LABEL "start protection",
		"Snapshots of this folder, from now on; does nothing when they are on.",
		p->snapd_word, (const char *const[]){ "--workspace", ws, "--start", NULL },
		QUIET ",\n\t\"runOptions\": {\n\t\t\"runOn\": \"folderOpen\"\n\t}");
	add_task(l, LABEL "memory monitor",
		"Who holds how much memory, live, and what can be done about it; q leaves.",
		p->detect_word, (const char *const[]){ "top", NULL }, SHOWN);
	add_task(l, LABEL "memory report",
		"Who holds how much memory, and how near the edge that is.", p->detect_word,
		(const char *const[]){ "report", NULL }, CLEAR);
	add_training(l, p, LABEL "safe training (low memory)",
		"The open file, with limits and lower priority.", "safe", python);
	add_training(l, p, LABEL "safe training (monitored)",
		"The open file, watched, without limits of its own.", "normal", python);
	add_training(l, p, LABEL "safe training (ultra-light)",
		"The open file, with the least memory and priority.", "light", python);
	add_task(l, LABEL "emergency clean",
		"Gives back what can be given back: caches, leftovers of dead trainings.",
		p->detect_word, (const char *const[]){ "clean", NULL }, CLEAR);
	add_task(l, LABEL RECOVER, "What was lost and how it comes back.", p->recover_word,
		(const char *const[]){ NULL }, CLEAR);
}

static void launches(struct hooks *h, struct items *l)
{
	autofree char *top = text_of("%s top", h->prog.detect_word);
	autofree char *detect = quoted(top);

	add(l, "", "", "version", "\"0.2.0\"");
	add(l, "configurations", "name", LABEL "Safe Training (Low Memory)",
		"{\n\t\"name\": \"" LABEL "Safe Training (Low Memory)\",\n\t\"type\": "
					  "\"debugpy\",\n\t\"request\": \"launch\",\n"
		"\t\"program\": \"${file}\",\n\t\"console\": "
		"\"integratedTerminal\",\n\t\"envFile\": \"${workspaceFolder}/.env\",\n"
		"\t\"env\": {\n\t\t\"OMP_NUM_THREADS\": \"2\",\n\t\t\"MALLOC_ARENA_MAX\": \"2\",\n"
		"\t\t\"PYTORCH_CUDA_ALLOC_CONF\": "
		"\"max_split_size_mb:128\"\n\t},\n\t\"preLaunchTask\": \"" GATE "\"\n}");
	add(l, "configurations", "name", LABEL "CPU-Only Training",
		"{\n\t\"name\": \"" LABEL
		"CPU-Only Training\",\n\t\"type\": \"debugpy\",\n\t\"request\": \"launch\",\n"
		"\t\"program\": \"${file}\",\n\t\"console\": "
		"\"integratedTerminal\",\n\t\"envFile\": \"${workspaceFolder}/.env\",\n"
		"\t\"env\": {\n\t\t\"CUDA_VISIBLE_DEVICES\": \"\",\n\t\t\"OMP_NUM_THREADS\": "
		"\"2\"\n\t},\n\t\"preLaunchTask\": \"" GATE "\"\n}");
	/* node-terminal is built into VSCode: a command in the debug terminal. Its word is for
	 * the user's shell. */
	if (!strpbrk(h->prog.detect_word, " \t\n'\"\\$`&|;<>()*?[#~!{}"))
		add(l, "configurations", "name", LABEL "Memory Monitor",
			keep(l, text_of("{\n\t\"name\": \"" LABEL
					"Memory Monitor\",\n\t\"type\": "
					"\"node-terminal\",\n\t\"request\": \"launch\",\n"
					"\t\"command\": %s,\n\t\"preLaunchTask\": \"" GATE "\"\n}",
					detect)));
}

/* What can be made again, or is large and not edited: one watch a folder. */
static const char *const unwatched[] = { "**/.venv/**", "**/__pycache__/**", "**/data/**",
	"**/datasets/**", "**/checkpoints/**", "**/wandb/**", "**/runs/**", "**/mlruns/**",
	"**/lightning_logs/**", "**/outputs/**" };

static void settings(struct items *l)
{
	for (size_t i = 0; i < sizeof(unwatched) / sizeof(*unwatched); i++)
		add(l, "files.watcherExclude", "", unwatched[i], "true");
	for (size_t i = 0; i < sizeof(unwatched) / sizeof(*unwatched); i++)
		add(l, "search.exclude", "", unwatched[i], "true");
	add(l, "", "", "search.followSymlinks", "false");
	add(l, "", "", "debug.onTaskErrors",
		"\"abort\""); /* else Enter in the dialog starts it all the same */
	add(l, "", "", "python.analysis.indexing", "false");
	add(l, "", "", "typescript.disableAutomaticTypeAcquisition", "true");
}

/* Set in a workspace file they do nothing, or nothing any more. */
static const struct {
	const char *key, *why;
} idle[] = {
	{ "files.maxMemoryForLargeFilesMB", "VSCode has it no more" },
	{ "python.analysis.memory.keepLibraryAst", "of a language server that is no more" },
	{ "files.useExperimentalFileWatcher", "VSCode has it no more" },
	{ "files.legacyWatcher", "VSCode has it no more" },
	{ "files.usePollingWatcher", "VSCode has it no more" },
	{ "search.runInExtensionHost", "VSCode has it no more" },
	{ "typescript.tsserver.useSeparateSyntaxServer",
		"superseded by typescript.tsserver.useSyntaxServer" },
	{ "telemetry.enableTelemetry", "superseded by telemetry.telemetryLevel, a user setting" },
	{ "telemetry.enableCrashReporter",
		"superseded by telemetry.telemetryLevel, a user setting" },
	{ "telemetry.telemetryLevel", "counts only in the user settings" },
	{ "extensions.autoUpdate", "counts only in the user settings" },
	{ "extensions.autoCheckUpdates", "counts only in the user settings" },
	{ "update.mode", "counts only in the user settings" },
	{ "update.showReleaseNotes", "counts only in the user settings" },
	{ "workbench.enableExperiments", "counts only in the user settings" },
	{ "files.hotExit", "counts only in the user settings" },
	{ "window.restoreWindows", "counts only in the user settings" },
	{ "security.workspace.trust.enabled", "counts only in the user settings" },
	{ "task.allowAutomaticTasks", "counts only in the user settings since 2026" },
};

static void tell_idle(const struct change *c)
{
	autoput(jsonc_release) struct jsonc j = { 0 };

	if (jsonc_parse(c->old.data, c->old.len, &j) < 0)
		return;
	for (size_t i = 0; i < sizeof(idle) / sizeof(*idle); i++)
		if (jsonc_member(&j, 0, idle[i].key) >= 0)
			log_warn("%s: \"%s\" has no effect there: %s", c->path, idle[i].key,
				idle[i].why);
}

/* ---- the launches that were there ------------------------------------------------- */

static bool raw_is(const struct jsonc *j, int node, const char *json)
{
	size_t n = j->node[node].end - j->node[node].start;

	return strlen(json) == n && memcmp(j->text + j->node[node].start, json, n) == 0;
}

/* One launch without the gate: 1: it has it now, 0: there is none left; *index goes on behind
 * it. */
static int gate_next(struct change *c, struct record *r, struct items *l, int *index)
{
	autoput(jsonc_release) struct jsonc j = { 0 };
	autoput(buf_release) struct buf name = BUF_INIT, had = BUF_INIT;
	int list, at = 0, conf, task;

	if (jsonc_parse(c->now.data, c->now.len, &j) < 0)
		return 0;
	list = merge_list(&j, "configurations");
	if (list < 0 || j.node[list].type != JSONC_ARRAY)
		return 0;
	for (conf = j.node[list].first; conf >= 0 && at < *index; conf = j.node[conf].next)
		at++;
	if (conf < 0)
		return 0;
	++*index;
	if (!jsonc_string(&j, jsonc_member(&j, conf, "name"), &name) ||
		strncmp(name.data, LABEL, strlen(LABEL)) == 0 ||
		!jsonc_is(&j, jsonc_member(&j, conf, "request"), "launch"))
		return 1;
	/* By its name it is found again; the last of two is the one that is. */
	if (merge_find(&j, list, "name", name.data) != conf)
		return 1;
	task = jsonc_member(&j, conf, "preLaunchTask");
	if (task < 0) {
		must(jsonc_add(&c->now, &j, conf, "preLaunchTask", "\"" GATE "\""));
		record_add(r, "gate",
			(const char *const[ROW_FIELDS]){ c->path, name.data, "", "\"" GATE "\"" });
		return 1;
	}
	if (!jsonc_string(&j, task, &had)) {
		log_warn("%s: \"%s\": its preLaunchTask is not a name; the gate is not added",
			c->path, name.data);
		return 1;
	}
	if (strncmp(had.data, LABEL, strlen(LABEL)) == 0)
		return 1;
	if (strchr(had.data, '$')) {
		log_warn("%s: \"%s\": its preLaunchTask %s is a variable; the gate is not added",
			c->path, name.data, had.data);
		return 1;
	}
	{
		autofree char *old = text_of("%.*s", (int)(j.node[task].end - j.node[task].start),
			j.text + j.node[task].start);
		char *label = keep(l, text_of(GATE " + %s", had.data));
		autofree char *json = quoted(label);

		add(l, "tasks", "label", label,
			keep(l, text_of("{\n\t\"label\": %s,\n\t\"dependsOn\": [\"" GATE
					"\", %s],\n"
					"\t\"dependsOrder\": \"sequence\",\n\t\"problemMatcher\": "
					"[]\n}",
					json, old)));
		if (!raw_is(&j, task, json))
			must(jsonc_set(&c->now, &j, task, json));
		record_add(r, "gate",
			(const char *const[ROW_FIELDS]){ c->path, name.data, old, json });
	}
	return 1;
}

/* ---- the three files ---------------------------------------------------------------- */

static struct change *file_of(struct hooks *h, const char *name)
{
	autofree char *path = text_of("%s/.vscode/%s", h->o->workspace, name);
	mode_t mask = umask(022);
	struct change *c;

	(void)umask(mask);
	c = changes_file(&h->changes, path, 0666 & ~mask);
	if (!c)
		h->skipped++;
	return c;
}

static void merge(struct hooks *h, struct change *c, const struct items *l)
{
	autoput(jsonc_release) struct jsonc j = { 0 };

	if (!c)
		return;
	merge_items(c, &h->rec, l->it, l->n);
	if (jsonc_parse(c->now.data, c->now.len, &j) < 0) {
		h->skipped++;
		change_set(c, c->old.data, c->old.len);
	}
	record_file(&h->rec, c);
}

static void dir_plan(struct hooks *h)
{
	autofree char *dir = text_of("%s/.vscode", h->o->workspace);

	if (access(dir, F_OK) < 0 && errno == ENOENT &&
		!record_find(&h->rec, "dir", dir, NULL, NULL, NULL))
		record_add(&h->rec, "dir", (const char *const[ROW_FIELDS]){ dir });
}

/* Launches name tasks: where these cannot go, those do not. */
static bool takes_tasks(struct hooks *h)
{
	autoput(jsonc_release) struct jsonc j = { 0 };
	const struct change *c = file_of(h, "tasks.json");
	int list;

	if (!c || jsonc_parse(c->now.data, c->now.len, &j) < 0)
		return false;
	list = merge_list(&j, "tasks");
	return list < 0 ? !j.n || j.node[0].type == JSONC_OBJECT : j.node[list].type == JSONC_ARRAY;
}

static void plan_launches(struct hooks *h, struct items *l, struct items *t)
{
	struct change *c = file_of(h, "launch.json");
	int index = 0;

	if (!c)
		return;
	merge_items(c, &h->rec, l->it, l->n);
	while ((h->o->parts & HOOK_LAUNCHES) && gate_next(c, &h->rec, t, &index))
		;
	merge(h, c, &(struct items){ .n = 0 });
}

void vscode_plan(struct hooks *h)
{
	autoput(items_release) struct items t = { .n = 0 }, l = { .n = 0 }, s = { .n = 0 };
	struct change *c;

	if (!(h->o->parts & (HOOK_VSCODE | HOOK_AUTOSAVE)))
		return;
	dir_plan(h);
	if (h->o->parts & HOOK_VSCODE) {
		tasks(h, &t);
		launches(h, &l);
		if (takes_tasks(h))
			plan_launches(h, &l, &t);
		merge(h, file_of(h, "tasks.json"), &t);
		settings(&s);
	}
	if (h->o->parts & HOOK_AUTOSAVE) {
		add(&s, "", "", "files.autoSave", "\"afterDelay\"");
		add(&s, "", "", "files.autoSaveDelay", "1000");
	}
	c = file_of(h, "settings.json");
	if (c)
		tell_idle(c);
	merge(h, c, &s);
}

int vscode_unplan(struct hooks *h)
{
	static const char *const names[] = { "launch.json", "tasks.json", "settings.json" };
	int left = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		autofree char *path = text_of("%s/.vscode/%s", h->o->workspace, names[i]);
		struct change *c;

		if (!record_find(&h->rec, "file", path, NULL, NULL, NULL) &&
			!record_find(&h->rec, "item", path, NULL, NULL, NULL))
			continue;
		c = file_of(h, names[i]);
		if (c)
			left += merge_out(c, &h->rec);
	}
	return left;
}
