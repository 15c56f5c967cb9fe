/* detect/guard.h - what to do to which training before the editor dies. Pure: readings in, one action out.
 *
 * The ladder (DESIGN.md section 8), by the memory left of what counts here (machine.h: total, available):
 *
 *	below ask		ask, once in an episode: who handles SIGUSR2 releases caches, saves a checkpoint
 *	below freeze		freeze the one that grows, and look again: is the memory coming back?
 *	after hold		thaw it with a lower threshold: 0.7, then 0.5 of `freeze`. What fits after all
 *				comes to its end this way; nothing is ended for passing a line once
 *	below 0.25 of freeze	end it: SIGTERM, after `grace` or when it gets worse SIGKILL. Up to 0.5 for who grows fast: what
 *				it takes in 40 ms
 *
 * The editor being paged out (its major faults) while less than half more than `freeze` is left freezes too, and ends the
 * training when it comes back after being thawed: a percentage alone sees such a crawl too late (MEASURED.md
 * part 3, section 8). With swap to spare only that counts.
 *
 * One action at a time. Then its effect is waited for: the next freeze needs the memory to have gone down further. A
 * training is known by `key` and never by its name; those below min_bytes are left alone. Notebook
 * kernels hold work that no checkpoint has: they come last.
 *
 * Each turn: guard_begin, guard_add for every training that lives, guard_next until it says GUARD_NONE, each
 * answer carried out and told with guard_did. Then not before guard_period_ms. Nothing is allocated. Times are CLOCK_BOOTTIME ms. */
#ifndef DETECT_GUARD_H
#define DETECT_GUARD_H

#include <stdbool.h>
#include <stdint.h>

enum guard_action { GUARD_NONE, GUARD_ASK, GUARD_FREEZE, GUARD_THAW, GUARD_TERM, GUARD_KILL };

enum { GUARD_RUNS = 64, GUARD_KEY = 33, GUARD_WHY = 160 };

struct guard_limits {
	uint64_t ask, freeze;	/* percent times 100 of the memory that is left: 1500, 1000 */
	uint64_t most_bytes;	/* freeze not before this little is left: 2 GiB. 10 % of a large machine is a lot */
	uint64_t min_bytes;	/* smaller trainings are left alone: 2 GiB, at most an eighth of the memory */
	uint64_t hold_ms;	/* frozen for so long before it may go on: 1000; twice, three times that later */
	uint64_t grace_ms;	/* from SIGTERM to SIGKILL: 150. Workers whose head has gone are not waited for */
};
extern const struct guard_limits guard_defaults;

struct guard_reading {
	uint64_t now_ms, total, available;
	uint64_t swap_free;		/* MACHINE_NONE or 0: none */
	uint64_t editor_faults;		/* major faults of editor processes, only growing; MACHINE_NONE: not read */
};

struct guard_run {
	char key[GUARD_KEY];
	bool kernel;			/* a notebook's */
	bool can_ask;			/* it handles SIGUSR2 */
	bool has_head;			/* not only the workers of one that is gone */
	uint64_t bytes;			/* what it holds; shared pages may count twice */
	uint64_t sure_bytes;		/* what it holds at least */
	/* guard's own */
	bool here;
	uint64_t was_bytes, was_ms, growth;	/* bytes a second */
	uint64_t frozen_ms, asked_ms, ending_ms, killed_ms;	/* 0: not */
};

struct guard {				/* zeroed before the first turn */
	struct guard_run run[GUARD_RUNS];
	unsigned n;
	struct guard_limits lim;
	struct guard_reading r;
	unsigned level;			/* how often it was frozen in this episode: 0..3 */
	uint64_t last_ms, last_available;	/* of the last freeze; 0 none */
	uint64_t faults, faults_ms;	/* the window of the editor's faults */
	uint64_t paged_ms;		/* when the editor was last seen being paged out; 0 not */
	unsigned paged;			/* how often that froze a training in this episode */
	bool paged_now;
};

void guard_begin(struct guard *g, const struct guard_limits *lim, const struct guard_reading *r);
/* false: too many. Fields of the caller's are taken, the guard's own kept from the turn before. */
bool guard_add(struct guard *g, const struct guard_run *run);
/* After the last guard_add. *ret_why: one line for people. */
enum guard_action guard_next(struct guard *g, struct guard_run **ret, char why[static GUARD_WHY]);
void guard_did(struct guard *g, struct guard_run *run, enum guard_action a);
/* How soon to look again; UINT64_MAX while there is nothing to act on. */
uint64_t guard_period_ms(const struct guard *g);
/* Does the guard hold this one still? */
bool guard_holds(const struct guard *g, const char *key);
const char *guard_action_name(enum guard_action a);	/* as in the ledger (evidence.h) */

#endif
