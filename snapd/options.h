/* snapd/options.h - the command line: one table gives parsing and --help. */
#ifndef SNAPD_OPTIONS_H
#define SNAPD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mode {
	MODE_RUN, MODE_ONCE, MODE_STATUS, MODE_STOP, MODE_START, MODE_INSTALL, MODE_UNINSTALL,
	MODE_COMPLETION
};

struct options {
	enum mode mode;
	const char **workspace;		/* as given, at least one */
	size_t n_workspaces;
	uint64_t interval_ms;		/* 0 = the configuration's */
	const char *store;
	const char *message;
	const char *reason;		/* a name; NULL = not given */
	const char *parts;		/* of --install, --uninstall; the shell of --completion */
	bool yes, json, force, quiet, version;
	bool help, help_all;
	const char *topic; /* of `help TOPIC`; NULL: none */
	int verbose;
	char *found;			/* the workspace of options_find */
};

/* 0, or EXIT_USAGE: it has been said on stderr. Without --workspace, n_workspaces is 0 after --once,
 * --status, --stop, --start and --uninstall: options_find is next. */
int options_parse(int argc, char **argv, struct options *ret);
/* As recover: the nearest folder at or above the current one that has a store below `parent` (NULL:
 * the usual place) is the workspace. 0, also where none was asked for; -ENOENT: there is none, and
 * nothing has been said. */
int options_find(struct options *o, const char *parent);
/* Says that a folder must be named. EXIT_USAGE. */
int options_which(const struct options *o);
void options_release(struct options *o);
/* What was asked for with --help, --help-all or `help TOPIC`. An exit code. */
int options_help(const struct options *o);

#endif
