/* snapd/parts.h - what the files of a workspace's daemon offer each other. */
#ifndef SNAPD_PARTS_H
#define SNAPD_PARTS_H

#include "workspace.h"

/* events.c */
extern const struct watch_ops workspace_watch_ops;
void workspace_mark_all(struct workspace *w);
bool workspace_keeps(struct workspace *w, const char *path, bool is_dir);	/* by the rules */

/* watching.c */
/* open the scan and the watches; everything is dirty then */
int workspace_watch(struct workspace *w);
void workspace_unwatch(struct workspace *w);
/* unwatch, and say so; why: scan_present's */
void workspace_gone(struct workspace *w, int why);
/* What is in the queue becomes dirty paths; before everything else that looks at the folder, for
 * it may be resting. The number of events, or negative: it is gone (no scan then), or could not
 * be looked at now. */
int workspace_read(struct workspace *w);
/* is it still there? Else gone, and back if something is in its place */
void workspace_check_root(struct workspace *w);
int workspace_come_back(struct workspace *w);		/* -ENOENT: not yet */
void workspace_mark_unwatched(struct workspace *w);	/* dirty: the folders nobody watches */
/* watches of folders that the rules skip now */
void workspace_forget_skipped(struct workspace *w);
void workspace_say_limit(struct workspace *w);

/* workspace.c */
bool workspace_lost_store(const struct workspace *w);	/* deleted or moved under us */
int workspace_new_store(struct workspace *w);		/* in its place; everything is dirty then */

/* take.c */
/* from when on a look at everything may cost what it costs */
uint64_t workspace_look_ms(const struct workspace *w);
/* what could not be read becomes dirty, too */
void workspace_look_again(struct workspace *w, struct dirty *busy);

/* when.c */
void workspace_arm(struct workspace *w);		/* the timers for the state we are in */
void workspace_readable(struct loop *l, int fd, uint32_t events, void *arg);

#endif
