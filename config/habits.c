/* config/habits.c - see the header. */
#include "config/habits.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "lib/hint.h"
#include "lib/names.h"

#define HERE	 SNAPD " --workspace ."
#define SNAPSHOT HERE " --once"
#define BACK	 RECOVER " restore REV -- PATH"

/* Where a program has a word of its own for it, that stands in the second or third place. */
static const struct row {
	const char *word, *means, *to_snapd, *to_detect;
} rows[] = {
	/* ours, said to another of us */
	{ "list", RECOVER " list", NULL, DETECT " runs" },
	{ "show", RECOVER " show", NULL, NULL },
	{ "ls", RECOVER " ls", NULL, NULL },
	{ "cat", RECOVER " cat REV:PATH", NULL, NULL },
	{ "diff", RECOVER " diff", NULL, NULL },
	{ "restore", RECOVER " restore REV", NULL, NULL },
	{ RECOVER, RECOVER, NULL, NULL },
	{ "undo", RECOVER " undo", NULL, NULL },
	{ "history", RECOVER " history PATH", NULL, DETECT " events" },
	{ "find", RECOVER " find PATTERN", NULL, NULL },
	{ "deleted", RECOVER " deleted", NULL, NULL },
	{ "status", RECOVER " status", HERE " --status", DETECT },
	{ "report", RECOVER " report", NULL, NULL },
	{ "unsaved", RECOVER " unsaved", NULL, NULL },
	{ "news", RECOVER " news", NULL, NULL },
	{ "mark", RECOVER " mark REV NAME", NULL, NULL },
	{ "verify", RECOVER " verify", NULL, NULL },
	{ "repair", RECOVER " repair", NULL, NULL },
	{ "export", RECOVER " export DIR", NULL, NULL },
	{ "import", RECOVER " import DIR", NULL, NULL },
	{ "mirror", RECOVER " mirror", NULL, NULL },
	{ "prune", RECOVER " prune", NULL, DETECT " clean" },
	{ "tidy", RECOVER " tidy", NULL, DETECT " clean" },
	{ "stores", RECOVER " stores", NULL, NULL },
	{ "adopt", RECOVER " adopt OLD NEW", NULL, NULL },
	{ "drop", RECOVER " drop STORE", NULL, NULL },
	{ "events", DETECT " events", NULL, NULL },
	{ "top", DETECT " top", NULL, NULL },
	{ "watch", DETECT " watch", HERE, NULL },
	{ "gate", DETECT " gate", NULL, NULL },
	{ "run", DETECT " run -- COMMAND", HERE, NULL },
	{ "runs", DETECT " runs", NULL, NULL },
	{ "attach", DETECT " attach", NULL, NULL },
	{ "clean", DETECT " clean", NULL, NULL },
	{ "tiers", DETECT " tiers", NULL, NULL },
	{ "menu", DETECT " menu", NULL, NULL },
	{ "judge", DETECT " judge", NULL, NULL },
	{ DETECT, DETECT, NULL, NULL },
	{ "once", SNAPSHOT, NULL, NULL },
	{ "start", HERE " --start", NULL, NULL },
	{ "stop", HERE " --stop", NULL, DETECT " stop" },
	{ "install", HERE " --install", NULL, NULL },
	{ "uninstall", HERE " --uninstall", NULL, NULL },
	{ "version", RECOVER " --version", SNAPD " --version", DETECT " --version" },
	/* git's */
	{ "log", RECOVER " list", NULL, DETECT " events" },
	{ "reflog", RECOVER " list --events", NULL, NULL },
	{ "checkout", BACK, NULL, NULL },
	{ "switch", RECOVER " restore REV", NULL, NULL },
	{ "reset", RECOVER " restore REV", NULL, NULL },
	{ "revert", RECOVER " restore REV", NULL, NULL },
	{ "blame", RECOVER " history PATH", NULL, NULL },
	{ "grep", RECOVER " find --text TEXT", NULL, NULL },
	{ "tag", RECOVER " mark REV NAME", NULL, NULL },
	{ "branch", RECOVER " mark REV NAME", NULL, NULL },
	{ "add", SNAPSHOT, NULL, NULL },
	{ "commit", SNAPSHOT, NULL, NULL },
	{ "stash", SNAPSHOT, NULL, NULL },
	{ "init", HERE, NULL, NULL },
	{ "clone", RECOVER " export DIR", NULL, NULL },
	{ "push", RECOVER " mirror", NULL, NULL },
	{ "fsck", RECOVER " verify", NULL, NULL },
	{ "gc", RECOVER " tidy", NULL, NULL },
	{ "rm", RECOVER " drop STORE", NULL, NULL },
	/* restic's and borg's */
	{ "snapshots", RECOVER " list", NULL, NULL },
	{ "snapshot", SNAPSHOT, NULL, NULL },
	{ "backup", SNAPSHOT, NULL, NULL },
	{ "create", SNAPSHOT, NULL, NULL },
	{ "save", SNAPSHOT, NULL, NULL },
	{ "forget", RECOVER " prune", NULL, NULL },
	{ "dump", RECOVER " cat REV:PATH", NULL, NULL },
	{ "extract", BACK, NULL, NULL },
	{ "mount", RECOVER " export DIR", NULL, NULL },
	{ "check", RECOVER " verify", NULL, DETECT " gate" },
	{ "compact", RECOVER " tidy", NULL, NULL },
	{ "stats", RECOVER " status", NULL, DETECT },
	{ "info", RECOVER " status", NULL, DETECT },
	{ "delete", RECOVER " drop STORE", NULL, NULL },
	{ "copy", RECOVER " mirror", NULL, NULL },
	/* of services, processes, and of who is in a hurry */
	{ "daemon", HERE " --start", NULL, DETECT " watch" },
	{ "background", HERE " --start", NULL, DETECT " watch" },
	{ "restart", HERE " --start", NULL, DETECT " watch" },
	{ "enable", HERE " --install", NULL, NULL },
	{ "disable", HERE " --uninstall", NULL, NULL },
	{ "monitor", DETECT " watch", HERE, NULL },
	{ "logs", DETECT " events", NULL, NULL },
	{ "oom", DETECT " events", NULL, NULL },
	{ "crash", RECOVER " report", NULL, NULL },
	{ "crashes", DETECT " events --crashes", NULL, NULL },
	{ "what", RECOVER " report", NULL, NULL },
	{ "why", RECOVER " report", NULL, NULL },
	{ "rollback", RECOVER " restore REV", NULL, NULL },
	{ "redo", RECOVER " undo", NULL, NULL },
	{ "undelete", RECOVER " deleted", NULL, NULL },
	{ "trash", RECOVER " deleted", NULL, NULL },
	{ "search", RECOVER " find PATTERN", NULL, NULL },
	{ "gui", RECOVER, NULL, DETECT " top" },
	{ "tui", RECOVER, NULL, DETECT " top" },
	{ "ps", DETECT, NULL, NULL },
	{ "mem", DETECT, NULL, NULL },
	{ "memory", DETECT, NULL, NULL },
	{ "ram", DETECT, NULL, NULL },
	{ "gpu", DETECT, NULL, NULL },
	{ "usage", DETECT, NULL, NULL },
	{ "doctor", RECOVER " status", HERE " --status", DETECT },
	{ "free", DETECT " clean", NULL, NULL },
	{ "kill", DETECT " stop", HERE " --stop", NULL },
	{ "freeze", DETECT " top", NULL, NULL },
	{ "pause", DETECT " top", NULL, NULL },
	{ "resume", DETECT " top", NULL, NULL },
	{ "train", DETECT " run -- COMMAND", NULL, NULL },
	{ "launch", DETECT " run -- COMMAND", NULL, NULL },
};

const char *habit(enum habit_of program, const char *word)
{
	word += strspn(word, "-");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *own = program == HABIT_SNAPD ? rows[i].to_snapd
			: program == HABIT_DETECT	 ? rows[i].to_detect
							 : NULL;

		if (strcasecmp(word, rows[i].word) == 0)
			return own ? own : rows[i].means;
	}
	return NULL;
}

const char *habit_near(enum habit_of program, const char *word)
{
	const char *words[sizeof(rows) / sizeof(*rows) + 1] = { NULL };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		words[i] = rows[i].word;
	word = hint_near(word + strspn(word, "-"), words);
	return word ? habit(program, word) : NULL;
}
