/* detect/risk.h - from readings to LOW, MEDIUM or CRITICAL, with reasons and what to do.
 *
 * Pure: feed readings in order of time, get a verdict each. The state holds a short history (growth, time left) and
 * the hysteresis: a level is taken at once when it rises and left when the reading has been `calm_points` below its
 * threshold for `calm_ms`. Early warning: at the measured growth the CRITICAL threshold is nearer than
 * `warn_left_ms`: MEDIUM, even while the level itself is low. Thresholds are percent times 100. Defaults: DESIGN.md
 * section 8. A cgroup's limit counts like the machine's memory where it is tighter; that of a
 * training's or editor's own group by the same thresholds. */
#ifndef DETECT_RISK_H
#define DETECT_RISK_H

#include <stdbool.h>
#include <stddef.h>

#include "detect/gpu.h"
#include "detect/groups.h"
#include "detect/machine.h"

enum risk { RISK_LOW, RISK_MEDIUM, RISK_CRITICAL };
enum status { STATUS_EXCELLENT, STATUS_GOOD, STATUS_CAUTION, STATUS_CRITICAL };

struct risk_limits {
	uint64_t mem_medium, mem_critical;	/* 7500, 8500 */
	uint64_t swap;				/* 5000: MEDIUM; CRITICAL with memory at mem_medium too */
	uint64_t gpu;				/* 9000: MEDIUM */
	uint64_t shm;				/* 9000: MEDIUM */
	uint64_t cpu;				/* 9500: a warning, LOW stays */
	uint64_t psi_medium, psi_critical;	/* full10 of memory: 1000, 4000 */
	uint64_t family_bytes;			/* 8 GiB of editor and training together: a warning */
	uint64_t disk_free;			/* 256 MiB of workspace or store: MEDIUM */
	uint64_t warn_left_ms;			/* 60 s */
	uint64_t calm_points, calm_ms;		/* 300, 10 s */
};
extern const struct risk_limits risk_defaults;

enum reason {
	REASON_MEM, REASON_CGROUP, REASON_GROUP, REASON_SWAP, REASON_PSI, REASON_GPU, REASON_SHM, REASON_CPU, REASON_FAMILY,
	REASON_DISK, REASON_TREND, REASON_MAX
};

struct risk_reason {
	enum reason what;
	enum risk level;		/* what this reason alone asks for */
	uint64_t value, threshold;	/* percent times 100, bytes, or ms for REASON_TREND */
	unsigned index;			/* which GPU, disk or group */
};

struct risk_input {
	const struct machine *m;
	const struct gpu_list *gpus;		/* NULL: not read */
	uint64_t editor_bytes, training_bytes;	/* MACHINE_NONE: not read */
	const struct disk_reading *disk;	/* n_disk of them */
	unsigned n_disk;
	const struct groups *groups;		/* of editors and trainings; NULL: not read */
};

enum { RISK_HISTORY = 64 };

struct risk_state {			/* zeroed before the first reading */
	enum risk level;
	enum risk below_level;		/* the highest since then */
	uint64_t below_since_ms;	/* mono; 0: not below */
	unsigned n, next;
	struct { uint64_t mono_ms, available; } past[RISK_HISTORY];
};

struct risk_verdict {
	enum risk risk;
	enum status status;		/* by the use of memory, but no better than the risk allows */
	bool held;			/* only hysteresis keeps the level: no reason asks for it now */
	unsigned n;				/* of reasons, one a kind; those of level LOW are warnings */
	struct risk_reason reason[REASON_MAX];	/* the gravest first */
	int64_t growth;				/* bytes a second taken from `available`, over seconds; below 0: given back */
	uint64_t left_ms;			/* to mem_critical at that rate; MACHINE_NONE: not growing */
};

/* A reading from the past, for growth and time left only: risk_judge notes its own. */
void risk_note(struct risk_state *st, uint64_t mono_ms, uint64_t available);
void risk_judge(const struct risk_limits *lim, const struct risk_input *in, struct risk_state *st,
	struct risk_verdict *ret);
const char *risk_name(enum risk r);		/* "LOW" */
const char *status_name(enum status s);		/* "Excellent" */
/* "memory 87 % used, 3.1 GiB left (critical from 85 %)". Returns the length as snprintf does. */
int risk_reason_text(const struct risk_reason *r, const struct risk_input *in, char *p, size_t n);
/* One line of what to do about it, without a full stop. */
const char *risk_advice(const struct risk_reason *r);

#endif
