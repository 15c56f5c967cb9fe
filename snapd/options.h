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
};

/* 0, or EXIT_USAGE: it has been said on stderr. */
int options_parse(int argc, char **argv, struct options *ret);
void options_release(struct options *o);
/* What was asked for with --help, --help-all or `help TOPIC`. An exit code. */
int options_help(const struct options *o);

#endif
