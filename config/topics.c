/* config/topics.c - see the header. */
#include "config/topics.h"

#include <stddef.h>
#include <string.h>

#include "lib/names.h"

const char topic_names[] = "crash, exit, files, revisions, settings, stored, start";

static const struct topic {
	const char *name, *text;
} topics[] = {
	{ "crash",
		"The editor is gone, or files are. In the folder of the project:\n\n"
		"    " RECOVER "                         the screen; ? shows its keys\n"
		"    " RECOVER
		" report                  what died, when and why, and what is safe\n"
		"    " RECOVER " unsaved                 what was typed and never saved\n"
		"    " RECOVER " diff @crash             what differs from the snapshot before it\n"
		"    " RECOVER " restore @crash -- PATH  one path back; without PATH everything\n"
		"    " RECOVER " undo                    takes that restore back\n"
		"    " RECOVER " deleted                 files that are gone, and what has them\n\n"
		"A restore shows what it would do and asks; what is there gets a snapshot first.\n"
		"The folder itself is gone: " RECOVER " --workspace DIR restore @\n"
		"The screen hangs: on a text console (Ctrl-Alt-F3) " DETECT
		" stop ends training.\n" },
	{ "revisions", "Where a command takes REV:\n\n"
		       "    3f2a91c            the id of a snapshot, or the start of it\n"
		       "    NAME               a mark (" RECOVER " mark REV NAME)\n"
		       "    @  @~N             the newest, N before it; REV~N works after any\n"
		       "    @{10 minutes ago}  @{yesterday}  @{14:30}  @{2026-11-23 14:30}\n"
		       "                       the last one not after that time\n"
		       "    @crash             the last before the latest crash\n\n"
		       "Braces and blanks need quotes in a shell: '@{10 minutes ago}'.\n" },
	{ "stored",
		"Everything in the workspace is stored, unless one of these says otherwise, the\n"
		"first that does:\n\n"
		"    .git                                    never looked at\n"
		"    snapshot.include, .vscode, .env*, *.ipynb\n"
		"                                            always stored\n"
		"    .snapignore files, snapshot.exclude     left out\n"
		"    .venv, node_modules, __pycache__ ...    left out: tools make them again\n"
		"    .gitignore and git's other ignore files left out\n"
		"    files over snapshot.maxFileSize (16M), other file systems, devices\n"
		"                                            left out\n\n"
		"`" RECOVER " status` says how much is left out, `" RECOVER
		" ls -r @` what and why.\n" },
	{ "settings",
		"In git-config's syntax, the later wins:\n\n"
		"    /etc/holdfast/config\n"
		"    ~/.config/holdfast/config     also where XDG_CONFIG_HOME says\n"
		"    WORKSPACE/.holdfast           may come with a clone: cannot set all\n\n"
		"    [snapshot]\n"
		"        interval = 10s\n"
		"        include = results/*.json\n\n"
		"All keys: man holdfast.conf. A running " SNAPD " reads them again on SIGHUP.\n" },
	{ "files",
		"    ~/.local/share/holdfast/NAME-ID/  the store of a workspace: its snapshots,\n"
		"                                      and copies of what editors hold unsaved\n"
		"    ~/.local/state/holdfast/          what was recorded on this machine, what\n"
		"                                      runs printed, what --install added\n"
		"    ~/.config/holdfast/config         settings\n\n"
		"Moved by XDG_DATA_HOME, XDG_STATE_HOME, XDG_CONFIG_HOME, and the stores by\n"
		"store.dir, --store and HOLDFAST_STORE.\n"
		"`" RECOVER " stores` lists the stores, `" RECOVER " drop` deletes one.\n" },
	{ "exit", "    0  done\n"
		  "    1  no: nothing found, nothing to restore, refused, damage, differences\n"
		  "    2  wrong arguments, or settings that are broken\n"
		  "    3  done in part; each failure was named\n"
		  "    4  the environment forbids it (no store, locked, no space); nothing "
		  "changed\n\n"
		  "`" DETECT " run` ends as its command does, 128 + N for signal N.\n" },
	{ "start", "    " SNAPD " -w ~/project --install     at login and in VSCode; shown first\n"
		   "    " SNAPD " --uninstall                takes that away, typed in the folder\n"
		   "    " SNAPD " -w ~/project               by hand, until Ctrl-C\n"
		   "    " RECOVER " status                   is this folder protected, how well?\n"
		   "    " DETECT "                           how near the edge the machine is\n"
		   "    " DETECT " run -- python train.py    training that spares the editor\n" },
};

const char *topic_text(const char *name)
{
	for (size_t i = 0; i < sizeof(topics) / sizeof(*topics); i++)
		if (strcmp(topics[i].name, name) == 0)
			return topics[i].text;
	return NULL;
}
