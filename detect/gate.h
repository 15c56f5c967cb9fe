/* detect/gate.h - may this launch go ahead?
 *
 * gate_judge is pure: need against room. The rest of gate*.c is the command.
 *
 * gate_guarded (gate-guard.c) forks the checker, waits, and maps. VSCode takes a preLaunchTask that
 * died of a signal for one that succeeded: whatever becomes of the checker, "yes" is only what it
 * has said in so many words, and then ended with 0. The checker is cmd_gate: it reads, judges, finds
 * who holds what, takes the snapshot (protect.h), prints, and has it noted (launch_note: a row in the
 * journal, by detect-core, behind our back).
 *
 * Exit codes: 0 allowed, 1 refused, 2 usage, 4 nothing can be read. */
#ifndef DETECT_GATE_H
#define DETECT_GATE_H

#include <stdbool.h>

#include "detect/holders.h"
#include "detect/need.h"
#include "detect/room.h"
#include "detect/settings.h"

enum gate_reason_what { GATE_RAM, GATE_SHM, GATE_GPU, GATE_NO_GPU, GATE_USED, GATE_FREE, GATE_CPU };

struct gate_reason {
	enum gate_reason_what what;
	bool refuses;        /* else a warning */
	uint64_t need, room; /* bytes; of USED and CPU percent times 100: in use, from where */
};

enum { GATE_REASONS = 8 };

struct gate_verdict {
	bool allowed;
	unsigned n;
	struct gate_reason reason[GATE_REASONS]; /* those that refuse first */
	const struct tier *fits; /* refused: the largest smaller tier that would go; NULL none */
};

/* cpu_busy: percent times 100, MACHINE_NONE not known. */
void gate_judge(const struct gate_limits *lim, const struct need *need, const struct room *room,
	uint64_t cpu_busy, struct gate_verdict *ret);
/* Does need fit into room? */
bool gate_fits(const struct need *need, const struct room *room);
/* The largest tier that fits; below: only smaller ones than that; NULL: any. */
const struct tier *gate_tier(
	const struct room *room, const char *configs, const struct tier *below);
int gate_reason_text(const struct gate_reason *r, const struct room *room, char *p, size_t n);

struct gate_ask {
	struct need_ask need;
	bool force, json, quiet; /* quiet: nothing is printed when it is allowed */
	bool snapshot;
};

struct gate_answer { /* 25 KiB */
	struct need need;
	struct room room;
	struct gate_verdict verdict;
	struct holders holders;            /* only where it is refused */
	bool forced;                       /* refused, and allowed all the same */
	char forced_by[24];                /* "--force", "gate.force" */
	char workspace[1024], store[1024]; /* "": not protected */
	char snapshot[41];                 /* "": none */
	char snapshot_why[160];            /* why none */
	const char *const *argv;
};

/* Reads, judges, asks for the snapshot. -errno: nothing could be read; -EINVAL: said. */
int gate_take(const struct roots *roots, const struct detect_settings *set,
	const struct gate_ask *ask, struct gate_answer *ret);
int gate_text(const struct gate_answer *a, struct buf *b);
int gate_json(const struct gate_answer *a, struct buf *b);
/* A row of the journal: kind launch. what: "refused", "forced", "started". Returns at once. */
void launch_note(const struct gate_answer *a, const char *what, const char *id, const char *more);
/* The words of a command as one may paste them. */
int gate_words(const char *const *argv, struct buf *b);

/* The command in the small program and in detect-core; argv: what follows the name. */
int cmd_gate(int argc, char **argv, const struct detect_settings *set);
/* check's answer is the exit code; it calls gate_says_yes before it ends with 0. Returns in the
 * first process, with what to exit with. */
int gate_guarded(int (*check)(int argc, char **argv), int argc, char **argv);
void gate_says_yes(void);

#endif
