/* detect/judge.h - from the spool to the journal: `detect-core judge`, started by the monitor.
 *
 * An end is written down at once with what its fact alone tells, so that nothing is lost to a
 * second crash. 0.4 s later (its parent's and children's ends have come in) the traces are looked
 * for and the verdict is completed and told; an editor's abnormal or unknown end once more after 10
 * s, when the editor's own traces are there. A row carries its fact until then: who finds it
 * unfinished finishes it. A fact leaves the spool when its row is on disk. */
#ifndef DETECT_JUDGE_H
#define DETECT_JUDGE_H

#include "detect/evidence.h"
#include "detect/journal.h"
#include "detect/settings.h"

/* The command, for the monitor: returns when nothing is left to do and nothing has come for a while
 * (the monitor starts one a second at most, so an end that follows another would wait); --once: at
 * once. */
int cmd_judge(int argc, char **argv, const struct detect_settings *set);

struct judge {
	int dirfd; /* the state folder */
	struct journal *j;
	const struct config *cfg;
	struct evidence_places at;
	uint64_t (*now)(void); /* CLOCK_REALTIME, ms */
	bool once;	       /* do not stay a while for more */
	struct telling *telling; /* notify.c */
	unsigned n_telling, n_tellers;
};

/* The parts, for tests. judge_take: what the spool holds now goes to the journal. judge_finish:
 * completes the rows that are due; ms until the next one is, or -1: none is left. */
int judge_take(struct judge *g);
int judge_finish(struct judge *g, int64_t *ret_next_ms);

/* judge-event.c: the words of a row. Strings point into ev_text or are literals. */
struct event_text {
	char evidence[4096], note[1024], text[512];
};
void judge_event(const struct fact *f, const struct evidence_list *ev, const struct verdict *v,
	struct event_text *t, struct journal_event *ret);
/* Ends near in time that have to do with this one: EV_CHILD, EV_PARENT. */
int judge_relations(struct journal *j, const struct fact *f, struct evidence_list *ev);

/* notify.c. The desktop, or without one the user's terminals, and the hook; once an event, the
 * desktop at most every 10 s but for an editor itself. judge_tell decides and notes it in the journal
 * (in the transaction of the verdict); judge_tell_all has a process of its own do it, so that a slow
 * hook holds no verdict up; judge_forget does not (the transaction failed); judge_told waits for
 * those processes (--once; else they outlive the judge). f: the event's fact. */
void judge_tell(struct judge *g, const struct fact *f, const struct journal_event *ev);
void judge_tell_all(struct judge *g);
void judge_forget(struct judge *g);
void judge_told(struct judge *g);
bool judge_is_news(const struct journal_event *ev);

#endif
