/* hooks/shell.c - completion, and the line a first shell prints after a crash. Both are the
 * user's, not a workspace's: the last workspace that goes takes them away. */
#include "hooks-internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/log.h"
#include "../lib/names.h"

static void own_file(struct hooks *h, const char *path, const char *text, size_t n)
{
	struct change *c = changes_file(&h->changes, path, 0644);

	if (!c) {
		h->skipped++;
		return;
	}
	change_set(c, text, n);
	record_own(&h->shared, path);
}

static void completion(struct hooks *h, const char *shell, const char *path)
{
	autoput(buf_release) struct buf b = BUF_INIT;

	must(hooks_completion(shell, &b));
	own_file(h, path, b.data, b.len);
}

/* bash and fish look for a file of the program's name: the first has it all. */
static void completions(
	struct hooks *h, const char *shell, const char *dir, const char *end, const char *see)
{
	static const char *const names[] = { SNAPD, RECOVER, DETECT };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		autofree char *path = text_of("%s/%s%s", dir, names[i], end);
		autofree char *text = text_of("%s/" SNAPD "%s\n", see, end);

		if (i == 0)
			completion(h, shell, path);
		else
			own_file(h, path, text, strlen(text));
	}
}

/* Only where that shell is used: its file is there, or it is the login shell. */
static void rc_block(struct hooks *h, const char *path, const char *shell, const char *text)
{
	const char *login = getenv("SHELL"), *base = login ? strrchr(login, '/') : NULL;
	struct change *c;
	bool had;

	if (access(path, F_OK) < 0 && (!base || strcmp(base + 1, shell) != 0))
		return;
	c = changes_file(&h->changes, path, 0644);
	if (!c || memchr(c->old.data, '\0', c->old.len)) {
		h->skipped++;
		return;
	}
	had = c->had;
	block_put(c, text);
	if (!record_find(&h->shared, "block", path, NULL, NULL, NULL))
		record_add(&h->shared, "block",
			(const char *const[ROW_FIELDS]){ path, had ? "1" : "0" });
}

/* For sh: between single quotes. */
static char *sh_quoted(const char *s)
{
	struct buf b = BUF_INIT;

	must(buf_addch(&b, '\''));
	for (; *s; s++)
		must(*s == '\'' ? buf_addstr(&b, "'\\''") : buf_addch(&b, *s));
	must(buf_addch(&b, '\''));
	return buf_detach(&b, NULL);
}

/* The journal is newer than what was told last: only then is a program started. */
#define NEWS_SH                                                                                   \
	"case $- in\n*i*)\n\tif [ -e %s/journal.db ] && [ ! %s/told -nt %s/journal.db ] && [ -x " \
	"%s ]; then\n\t\t%s news --once\n\tfi;;\nesac\n"
#define NEWS_FISH                                                                        \
	"if status is-interactive; and test -e %s/journal.db; and not test %s/told -nt " \
	"%s/journal.db; and test -x %s\n\t%s news --once\nend\n"

static char *state_dir(void)
{
	const char *all = getenv("HOLDFAST_STATE"), *xdg = getenv("XDG_STATE_HOME"),
		   *home = home_dir();

	if (all && *all)
		return text_of("%s", all);
	if (xdg && *xdg == '/')
		return text_of("%s/holdfast", xdg);
	return text_of("%s/.local/state/holdfast", home);
}

static void blocks(struct hooks *h, const char *home, const char *zsh_completion)
{
	autofree char *dir = state_dir();
	autofree char *state = sh_quoted(dir), *recover = sh_quoted(h->prog.recover),
		      *comp = sh_quoted(zsh_completion);
	const char *zdot = getenv("ZDOTDIR");
	autofree char *bashrc = text_of("%s/.bashrc", home),
		      *zshrc = text_of("%s/.zshrc", zdot && *zdot == '/' ? zdot : home),
		      *fish = config_path("fish/conf.d/holdfast.fish"),
		      *fish_dir = config_path("fish");
	autofree char *sh = text_of(NEWS_SH, state, state, state, recover, recover);
	autofree char *zsh =
		text_of("%sif [ -r %s ] && whence compdef >/dev/null; then\n\tsource %s\nfi\n", sh,
			comp, comp);
	autofree char *fi = text_of(NEWS_FISH, state, state, state, recover, recover);

	rc_block(h, bashrc, "bash", sh);
	rc_block(h, zshrc, "zsh", zsh);
	/* A file of its own is fish's way. */
	if (access(fish_dir, F_OK) == 0)
		own_file(h, fish, fi, strlen(fi));
}

void shell_plan(struct hooks *h)
{
	const char *home = home_dir();

	if (!(h->o->parts & HOOK_SHELL))
		return;
	if (!home) {
		log_warn("HOME is not set: the shells are left alone");
		h->skipped++;
		return;
	}
	{
		autofree char *zsh = data_path("holdfast/completion.zsh"),
			      *fish_dir = config_path("fish");
		autofree char *bash = data_path("bash-completion/completions"),
			      *fish = config_path("fish/completions");

		completions(h, "bash", bash, "", ". \"${BASH_SOURCE%/*}\"");
		if (access(fish_dir, F_OK) == 0)
			completions(h, "fish", fish, ".fish", "source (status dirname)");
		completion(h, "zsh", zsh);
		blocks(h, home, zsh);
	}
	h->shared.parts |= HOOK_SHELL;
}

int shell_unplan(struct hooks *h)
{
	if (record_others_have(h->o->workspace, HOOK_SHELL))
		return 0;
	for (size_t i = 0; i < h->shared.n; i++) {
		const struct row *row = &h->shared.row[i];
		struct change *c;

		if (strcmp(row->kind, "dir") == 0 ||
			!(c = changes_file(&h->changes, row->f[0], 0644)) || !c->had)
			continue;
		if (strcmp(row->kind, "own") == 0)
			c->gone = true;
		else if (block_take(c) && !c->now.len && strcmp(row->f[1], "0") == 0)
			c->gone = true;
	}
	h->shared.parts = 0; /* and its rows, once that is done */
	return 0;
}
