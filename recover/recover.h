/* recover/recover.h - the command line over a store: what every command shares.
 *
 * commands[] (commands.c) is the one table: it gives the parsing of options, the
 * help and the usage lines, and says what a command needs before it runs. A command
 * is one file, cmd_NAME.c, with one function; it returns an exit code of
 * lib/err.h and has said why on stderr when that is not EXIT_DONE. */
#ifndef RECOVER_RECOVER_H
#define RECOVER_RECOVER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "../config/config.h"
#include "../store/store.h"

struct recover {
	/* from the command line */
	const char *workspace_arg;
	const char *store_arg;
	const char *from_arg;
	bool quiet, verbose, no_pager;

	/* found by context_open */
	char *workspace;	/* canonical; need not exist */
	char *store_path;
	char *prefix;		/* where we stand below the workspace: "" or "src/lib/" */
	struct config cfg;
	struct store *store;	/* open for reading */
	int64_t now_ns;
};

/* ---- options --------------------------------------------------------- */

enum opt_kind { OPT_FLAG, OPT_VALUE, OPT_MAYBE /* --x or --x=VALUE */ };

struct opt {
	int id;			/* index into struct args, < OPTS_MAX; 0 ends a table */
	char letter;		/* 0: none */
	const char *name;	/* without dashes; NULL: none */
	enum opt_kind kind;
	const char *arg;	/* what the value is called in the help */
	const char *help;
};

/* Rows that mean the same wherever they stand. */
#define OPT_JSON(id)	{ (id), 0, "json", OPT_FLAG, NULL, "one object a line" }
#define OPT_NUMBER(id)	{ (id), 'n', "number", OPT_VALUE, "N", "at most so many" }
#define OPT_DRY_RUN(id)	{ (id), 'n', "dry-run", OPT_FLAG, NULL, "only show what would be done" }
#define OPT_YES(id)	{ (id), 'y', "yes", OPT_FLAG, NULL, "do not ask" }
#define OPT_VERIFY(id)	{ (id), 0, "verify", OPT_FLAG, NULL, "read every written file back" }

#define OPTS_MAX 40

struct args {
	bool on[OPTS_MAX];
	const char *value[OPTS_MAX];	/* NULL: not given, or without a value */
	char **arg;			/* what is not an option, before "--" */
	int n;
	char **path;			/* after "--" */
	int n_paths;
	bool dashes;			/* "--" was there */
};

/* Options and the rest of argv[0..argc), in any order up to "--". Says what is wrong
 * and returns -EINVAL. stop_at_arg: the first word that is no option ends it (a->arg is the
 * rest). */
int args_parse(const struct opt *opts, char **argv, int argc, bool stop_at_arg, struct args *ret);
void args_release(struct args *a);
/* A whole number 0..max; says what is wrong. -EINVAL. */
int args_number(const char *what, const char *s, uint64_t max, uint64_t *ret);

/* ---- commands -------------------------------------------------------- */

enum {
	NEEDS_STORE = 1,
	ALONE_ON_JOURNAL = 2,	/* handles an interrupted restore itself, or has no store */
	TAKES_FROM = 4,		/* works with --from: it only looks, or writes elsewhere */
};

struct command {
	const char *name;
	const char *usage;	/* what follows the name */
	const char *summary;
	const struct opt *opts;	/* NULL: none */
	int min, max;		/* words that are no options; max -1: any number */
	bool paths;		/* takes "-- PATH..." */
	unsigned needs;
	int (*run)(struct recover *r, const struct args *a);
};

extern const struct command commands[];		/* ends with a NULL name */
extern const struct opt global_opts[];
enum {
	G_WORKSPACE = 1, G_STORE, G_QUIET, G_VERBOSE, G_HELP, G_VERSION, G_NO_PAGER, G_FROM, G_HELP_ALL
};

const struct command *command_find(const char *name);
void command_help(const struct command *c);	/* on stdout */
void command_usage(FILE *to, const struct command *c);
void recover_help(void);                        /* a screen of it */
void recover_help_all(void);

#define COMMAND(name) int cmd_##name(struct recover *r, const struct args *a)
COMMAND(list);
COMMAND(show);
COMMAND(ls);
COMMAND(cat);
COMMAND(diff);
COMMAND(restore);
COMMAND(undo);
COMMAND(history);
COMMAND(find);
COMMAND(deleted);
COMMAND(status);
COMMAND(report);
COMMAND(verify);
COMMAND(export);
COMMAND(import);
COMMAND(mark);
COMMAND(repair);
COMMAND(mirror);
COMMAND(news);
COMMAND(prune);
COMMAND(tidy);
COMMAND(stores);
COMMAND(adopt);
COMMAND(drop);
COMMAND(unsaved);
COMMAND(summary);

extern const struct opt list_opts[], show_opts[], ls_opts[], diff_opts[], restore_opts[],
	undo_opts[], history_opts[], find_opts[], deleted_opts[], status_opts[], report_opts[],
	verify_opts[], mark_opts[], prune_opts[], tidy_opts[], stores_opts[], adopt_opts[], drop_opts[],
	news_opts[], unsaved_opts[], import_opts[], mirror_opts[], repair_opts[];

/* ---- context ----------------------------------------------------------- */

/* Finds the workspace and its store and opens it. Says what is missing; EXIT_DONE or EXIT_ENV. */
int context_open(struct recover *r);
/* Is a workspace or store named, or one here or above? Says nothing. */
bool context_is_given(struct recover *r);
void context_close(struct recover *r);
/* Before the workspace is written to: is the store its own, and the workspace the one that is
 * meant? Else said; EXIT_ENV. */
int context_may_write(const struct recover *r);
/* Has a folder above the workspace a store as well, where it may have older snapshots? The command lists them. */
bool context_above(const struct recover *r, struct buf *ret_dir, struct buf *ret_command);
/* A failure of the store, said once: "STORE: what: why". Returns EXIT_ENV. */
int context_failed(const struct recover *r, int err, const char *what);
/* What is to be done about it, to stand behind what was said; "" where nobody knows. */
const char *context_way_out(int err);

/* Set by SIGINT, SIGTERM, SIGHUP after interrupt_catch(): long work looks at it between two
 * steps. */
extern volatile sig_atomic_t interrupted;
void interrupt_catch(void);

#endif
