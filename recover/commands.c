/* The table of commands: parsing, help and usage come from here, and the manual is
 * checked against it by a test. */
#include "recover.h"

#include <string.h>

#include "../lib/names.h"

const struct opt global_opts[] = {
	{ G_WORKSPACE, 'w', "workspace", OPT_VALUE, "DIR",
		"the protected folder; default: the nearest above" },
	{ G_STORE, 0, "store", OPT_VALUE, "DIR", "where its snapshots are; also HOLDFAST_STORE" },
	{ G_FROM, 0, "from", OPT_VALUE, "URL", "look into a mirror (mirror.url) instead" },
	{ G_QUIET, 'q', "quiet", OPT_FLAG, NULL, "no progress, no notes" },
	{ G_VERBOSE, 'v', "verbose", OPT_FLAG, NULL, "say more" },
	{ G_NO_PAGER, 0, "no-pager", OPT_FLAG, NULL, "write straight to the terminal" },
	{ G_HELP, 'h', "help", OPT_FLAG, NULL, "help, or a command's" },
	{ G_HELP_ALL, 0, "help-all", OPT_FLAG, NULL, "every command with its options" },
	{ G_VERSION, 'V', "version", OPT_FLAG, NULL, "the version, its commit and libraries" },
	{ 0 },
};

const struct command commands[] = {
	{ "list", "[--json] [-n N] [--reason R] [--events] [PATH...]",
		"the snapshots, newest first; with PATH those that changed it", list_opts, 0, -1,
		true, NEEDS_STORE | TAKES_FROM, cmd_list },
	{ "show", "[--json] [REV]", "one snapshot and what changed in it", show_opts, 0, 1, false,
		NEEDS_STORE | TAKES_FROM, cmd_show },
	{ "ls", "[-r] [--json] [REV [PATH]]", "what a folder held in a snapshot", ls_opts, 0, 2, true,
		NEEDS_STORE | TAKES_FROM, cmd_ls },
	{ "cat", "REV:PATH", "a file as it was, on stdout", NULL, 1, 1, false, NEEDS_STORE | TAKES_FROM,
		cmd_cat },
	{ "diff", "[REV [REV]] [OPTIONS] [[--] PATH...]",
		"what changed since the newest snapshot, since REV, or between two", diff_opts, 0,
		-1, true, NEEDS_STORE | TAKES_FROM, cmd_diff },
	{ "restore",
		"REV [--dry-run] [--delete] [--to DIR] [--hunk N,...] [--verify] [--yes] [[--] PATH...] | "
		"--continue",
		"bring back what a snapshot holds", restore_opts, 0, -1, true,
		NEEDS_STORE | ALONE_ON_JOURNAL | TAKES_FROM, cmd_restore },
	{ "undo", "[--dry-run] [--verify] [--yes]", "take the last restore (or undo) back",
		undo_opts, 0, 0, false, NEEDS_STORE | ALONE_ON_JOURNAL, cmd_undo },
	{ "history", "[--json] [-n N] PATH", "every version of one path", history_opts, 1, 1, false,
		NEEDS_STORE | TAKES_FROM, cmd_history },
	{ "find", "[--json] [-t TEXT] [PATTERN]",
		"paths over all time that match a pattern, or held a text", find_opts, 0, 1,
		false, NEEDS_STORE | TAKES_FROM, cmd_find },
	{ "deleted", "[--json] [-n N]",
		"files that are gone, and the snapshot that still holds them", deleted_opts, 0, 0,
		false, NEEDS_STORE | TAKES_FROM, cmd_deleted },
	{ "status", "[--json]", "how well this workspace is protected now", status_opts, 0, 0,
		false, NEEDS_STORE, cmd_status },
	{ "report", "[--json | --html FILE] [--event ID]", "what happened: the last crash, why, and what is safe",
		report_opts, 0, 0, false, 0, cmd_report },
	{ "unsaved", "[diff|cat|restore ID] [--to FILE|--over] [--yes] [-a] [--json]",
		"texts that were never saved: only an editor has them", unsaved_opts, 0, 2, false,
		NEEDS_STORE, cmd_unsaved },
	{ "news", "[--once]", "the last crash in one line; a shell that starts asks with --once",
		news_opts, 0, 0, false, ALONE_ON_JOURNAL, cmd_news },
	{ "mark", "REV NAME | --remove NAME", "name a snapshot; a named one is never thinned out",
		mark_opts, 1, 2, false, NEEDS_STORE, cmd_mark },
	{ "verify", "[--all] [--json]", "check the store; --all reads every byte", verify_opts, 0,
		0, false, NEEDS_STORE, cmd_verify },
	{ "repair", "[--switch [--yes]] [--json] [NEW]", "a new store of all that can be read of a damaged one", repair_opts, 0, 1,
		false, NEEDS_STORE, cmd_repair },
	{ "export", "DIR", "all snapshots as an ordinary bare git repository", NULL, 1, 1, false,
		NEEDS_STORE | TAKES_FROM, cmd_export },
	{ "import", "[--dry-run] [--json] DIR", "the copies in DIR, one a subfolder, as snapshots of their times",
		import_opts, 1, 1, false, NEEDS_STORE, cmd_import },
	{ "mirror", "[--status] [--json]", "push what is new to mirror.url now, or say how far it is", mirror_opts, 0, 0,
		false, NEEDS_STORE, cmd_mirror },
	{ "prune", "[--dry-run] [--json]", "thin the snapshots now, by age and by quota",
		prune_opts, 0, 0, false, NEEDS_STORE, cmd_prune },
	{ "tidy", "[--dry-run] [--json]", "write the store tighter now: less space, the same snapshots",
		tidy_opts, 0, 0, false, NEEDS_STORE, cmd_tidy },
	{ "stores", "[--json]", "every store there is, and whether its workspace still exists",
		stores_opts, 0, 0, false, 0, cmd_stores },
	{ "adopt", "[--force] OLD NEW", "the workspace OLD is NEW now: its snapshots follow",
		adopt_opts, 2, 2, false, 0, cmd_adopt },
	{ "drop", "[--yes] STORE", "a store goes with all its snapshots; STORE or its workspace",
		drop_opts, 1, 1, false, 0, cmd_drop },
	{ 0 },
};

const struct command *command_find(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}
