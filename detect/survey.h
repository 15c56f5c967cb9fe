/* detect/survey.h - one walk over all processes: which are an editor's or a training's, and what
 * they hold.
 *
 * exe is read of every process, the rest only of those whose exe may be an interpreter's or an
 * editor's: of 300 processes some ten. For the report, the gate and the like; the monitor keeps
 * its own list (watch.h). It allocates. */
#ifndef DETECT_SURVEY_H
#define DETECT_SURVEY_H

#include <stdbool.h>

#include "detect/gpu.h"
#include "detect/machine.h"
#include "detect/procs.h"
#include "detect/roles.h"

enum { SURVEY_NAME = 64 };

struct survey_proc {
	struct proc_id id;
	pid_t ppid;
	uid_t uid;
	struct role_of role;
	char name[SURVEY_NAME];		/* script, module or program: any bytes */
	char state;
	uint64_t rss;
	uint64_t pss;			/* MACHINE_NONE: not read */
	uint64_t own;			/* without file pages, where pss was not read; MACHINE_NONE */
	uint64_t gpu;			/* bytes on all GPUs; MACHINE_NONE: none, or not told */
	bool orphan;			/* its parent is neither editor nor training */
	unsigned head;			/* index of the first of its editor or run; itself when it is that */
};

struct survey {
	struct survey_proc *proc;	/* by pid */
	unsigned n;
	unsigned seen;			/* processes looked at */
	bool exact;			/* pss is known of all: sums count no shared page twice */
	struct survey_proc overlooked;	/* the largest Python of ours that is none of them, from 1 GiB; rss 0: none */
};

/* pss_us: how long reading Pss may take (the kernel walks every page, 5 ms a GiB); 0: not at
 * all. What there is no time for counts with its anonymous and shared memory, which is what cannot
 * be dropped: libraries are mapped by each of an editor's twenty processes, and are there once. */
int survey_take(const struct roots *roots, const struct role_patterns *pat, unsigned pss_us,
	struct survey *ret);
void survey_release(struct survey *s);
/* What the GPUs say of these processes. */
void survey_gpus(struct survey *s, const struct gpu_list *gpus);
/* What one of them counts with, and all of a kind. */
uint64_t survey_bytes(const struct survey_proc *p);
uint64_t survey_sum(const struct survey *s, enum kind kind);

/* May a process of this exe be of any kind? True for all that role_find knows, false for nearly
 * all else. */
bool survey_may_be(const char *exe, const struct role_patterns *pat);

#endif
