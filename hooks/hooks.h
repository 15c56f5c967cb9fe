/* hooks/hooks.h - what plugs Holdfast into others: the login, VSCode's files, .env, the shells.
 *
 * `snapd --workspace DIR --install` makes a plan of file changes, shows it as a diff, asks,
 * writes a record of what it is about to add and then does it; --uninstall takes away what the
 * record says, and that alone. A second install finds nothing to do. The record (added.c) lies
 * in the state folder, one file a workspace.
 *
 * Everything is the user's own file: each is written beside and renamed, with its mode, through
 * a symbolic link to where that leads. A file that cannot be read as what it should be is left
 * alone and named. An installer that runs out of memory says so and stops, with code 4, before
 * it writes. */
#ifndef HOOKS_HOOKS_H
#define HOOKS_HOOKS_H

#include <stdbool.h>

#include "../lib/buf.h"

enum {                      /* parts; what is not in HOOK_USUAL is asked for by name */
	HOOK_LOGIN = 1,     /* snapd starts at login */
	HOOK_VSCODE = 2,    /* .vscode/tasks.json, launch.json, settings.json */
	HOOK_ENV = 4,       /* .env */
	HOOK_SHELL = 8,     /* completion, and one line after a crash */
	HOOK_AUTOSAVE = 16, /* files.autoSave: changes habits */
	HOOK_LAUNCHES = 32, /* the launches that were there get the gate */
	HOOK_USUAL = HOOK_LOGIN | HOOK_VSCODE | HOOK_ENV | HOOK_SHELL,
	HOOK_ALL = 63,
};

/* "login,env"; NULL: the usual ones. -EINVAL */
int hooks_parse_parts(const char *s, unsigned *ret);
/* "login,vscode,env,shell" */
const char *hooks_part_names(void);

struct hooks_options {
	const char *workspace; /* canonical */
	const char *store;     /* as given, or NULL */
	const char *argv0;     /* how we were called: the tasks call us so */
	unsigned parts;
	bool yes; /* do not ask */
};

/* Exit codes of lib/err.h. */
int hooks_install(const struct hooks_options *o);
int hooks_uninstall(const struct hooks_options *o);

/* A snapd for this workspace, in the background, whatever starts it: nothing to do when one
 * runs; through systemd where its unit is installed, else in a session of its own, so that it
 * survives the window or terminal that asked. Returns when it answers. An exit code; failures
 * are said. dir: the store's folder. */
int hooks_start(const struct hooks_options *o, const char *dir);

/* What does not fit together in .vscode any more (a label that launch.json names and tasks.json
 * lacks, ...): each as one line to fn. 0, or negative: it could not be looked at. Reads three
 * small files. */
int hooks_check(const char *workspace, int (*fn)(const char *line, void *arg), void *arg);

/* The completion script for "bash", "zsh", "fish". -EINVAL */
int hooks_completion(const char *shell, struct buf *ret);

#endif
