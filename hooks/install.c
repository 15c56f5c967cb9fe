/* hooks/install.c - the plan of all parts, shown, asked for, recorded, done. */
#include "hooks-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../detect/detect.h"
#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/question.h"
#include "../lib/text.h"

static const struct {
	const char *name;
	unsigned part;
} parts[] = {
	{ "login", HOOK_LOGIN },
	{ "vscode", HOOK_VSCODE },
	{ "env", HOOK_ENV },
	{ "shell", HOOK_SHELL },
	{ "autosave", HOOK_AUTOSAVE },
	{ "launches", HOOK_LAUNCHES },
};

int hooks_parse_parts(const char *s, unsigned *ret)
{
	unsigned found = 0;

	if (!s) {
		*ret = HOOK_USUAL;
		return 0;
	}
	while (*s) {
		size_t n = strcspn(s, ","), i = 0;

		while (i < sizeof(parts) / sizeof(*parts) &&
			!(strlen(parts[i].name) == n && strncmp(parts[i].name, s, n) == 0))
			i++;
		if (i == sizeof(parts) / sizeof(*parts))
			return -EINVAL;
		found |= parts[i].part;
		s += n + (s[n] == ',');
	}
	if (!found)
		return -EINVAL;
	/* Launches name tasks. */
	*ret = found & HOOK_LAUNCHES ? found | HOOK_VSCODE : found;
	return 0;
}

const char *hooks_part_names(void)
{
	return "login,vscode,env,shell,autosave,launches";
}

static void hooks_release(struct hooks *h)
{
	changes_release(&h->changes);
	record_release(&h->rec);
	record_release(&h->shared);
	programs_release(&h->prog);
}

static int load(struct hooks *h)
{
	if (programs_find(h->o->argv0, &h->prog) < 0 || record_load(h->o->workspace, &h->rec) < 0 ||
		record_load_shared(&h->shared) < 0)
		return EXIT_ENV;
	return EXIT_DONE;
}

/* EXIT_DONE: go on. */
static int ask(const struct hooks *h, const char *what)
{
	if (h->o->yes)
		return EXIT_DONE;
	if (!isatty(STDIN_FILENO)) {
		log_error("nobody is there to ask: --yes goes ahead; nothing was changed");
		return EXIT_USAGE;
	}
	if (question_yes(what, NULL))
		return EXIT_DONE;
	log_error("nothing was changed");
	return EXIT_NO;
}

/* Before the files: what was begun is known then. */
static int save_records(const struct hooks *h)
{
	return record_save(&h->rec) < 0 || record_save(&h->shared) < 0 ? EXIT_ENV : EXIT_DONE;
}

/* What was there when the hook came is old news. */
static void mark_told(void)
{
	autoclose int state = detect_state_dir();
	autoclose int fd = state < 0 ? -1
				     : openat(state, "told",
					       O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd >= 0)
		(void)futimens(fd, NULL);
}

static void tell_done(const struct hooks *h)
{
	autoput(buf_release) struct buf name = BUF_INIT;

	must(text_quote_name(&name, h->o->workspace, strlen(h->o->workspace)));
	printf("%s is set up%s\n", name.data,
		h->o->parts & HOOK_LOGIN ? ": snapshots are on, and from each login on" : "");
	if (h->o->parts & HOOK_VSCODE)
		(void)puts("in VSCode: F5, or Tasks: Run Task, and what begins with " LABEL);
	(void)puts(SNAPD " --workspace DIR --uninstall takes it away");
}

int hooks_install(const struct hooks_options *o)
{
	autoput(hooks_release) struct hooks h = { .o = o };
	unsigned had;
	int rc = load(&h), failed;

	if (rc)
		return rc;
	had = h.rec.parts;
	vscode_plan(&h);
	env_plan(&h);
	shell_plan(&h);
	login_plan(&h);
	h.rec.parts |= o->parts;
	if (!changes_any(&h.changes)) {
		if (h.rec.changed || had != h.rec.parts)
			rc = save_records(&h);
		printf("%s: set up already, nothing to change\n", o->workspace);
		rc = rc ? rc : login_start(&h);
		return rc ? rc : h.skipped ? EXIT_PART : EXIT_DONE;
	}
	changes_show(&h.changes);
	if ((rc = ask(&h, "set this up")) || (rc = save_records(&h)))
		return rc;
	failed = changes_apply(&h.changes);
	if (o->parts & HOOK_SHELL)
		mark_told();
	rc = login_start(&h);
	if (!rc && !failed && !h.skipped)
		tell_done(&h);
	return failed || h.skipped ? EXIT_PART : rc;
}

/* ---- and back -------------------------------------------------------------------------- */

static bool is_part_of(const struct row *row, unsigned part, const struct hooks *h)
{
	size_t n = strlen(h->o->workspace);
	const char *below = strncmp(row->f[0], h->o->workspace, n) == 0 && row->f[0][n] == '/'
				    ? row->f[0] + n + 1
				    : NULL;

	if (strcmp(row->kind, "dir") == 0)
		return !(h->rec.parts & ~part);
	if (strcmp(row->kind, "own") == 0)
		return part & HOOK_LOGIN;
	if (below && strcmp(below, ".env") == 0)
		return part & HOOK_ENV;
	return part & HOOK_VSCODE;
}

static void drop_rows(struct hooks *h, unsigned gone)
{
	for (size_t i = h->rec.n; i-- > 0;)
		if (is_part_of(&h->rec.row[i], gone, h))
			record_drop(&h->rec, i);
	h->rec.parts &= ~gone;
}

static void clean_up(struct hooks *h, unsigned gone)
{
	record_remove_dirs(&h->rec);
	if (!h->shared.parts) {
		record_remove_dirs(&h->shared);
		while (h->shared.n)
			record_drop(&h->shared, h->shared.n - 1);
	}
	drop_rows(h, gone);
}

int hooks_uninstall(const struct hooks_options *o)
{
	autoput(hooks_release) struct hooks h = { .o = o };
	unsigned gone = o->parts;
	int rc = load(&h), left = 0, failed;

	if (rc)
		return rc;
	if (gone & (HOOK_VSCODE | HOOK_LAUNCHES | HOOK_AUTOSAVE)) {
		gone |= HOOK_VSCODE | HOOK_LAUNCHES | HOOK_AUTOSAVE; /* they share files */
		left += vscode_unplan(&h);
	}
	if (gone & HOOK_ENV)
		left += env_unplan(&h);
	if (gone & HOOK_SHELL && h.rec.parts & HOOK_SHELL)
		left += shell_unplan(&h);
	if (gone & HOOK_LOGIN)
		left += login_unplan(&h);
	if (!h.rec.parts && !changes_any(&h.changes)) {
		printf("%s: nothing of ours is there\n", o->workspace);
		return left || h.skipped ? EXIT_PART : EXIT_DONE;
	}
	changes_show(&h.changes);
	if ((rc = ask(&h, "take this away")))
		return rc;
	if (gone & HOOK_LOGIN)
		login_stop(&h);
	failed = changes_apply(&h.changes);
	if (gone & HOOK_LOGIN)
		login_forget(&h);
	if (!failed)
		clean_up(&h, gone);
	rc = save_records(&h);
	return rc ? rc : failed || left || h.skipped ? EXIT_PART : EXIT_DONE;
}
