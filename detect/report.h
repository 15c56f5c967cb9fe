/* detect/report.h - how the machine is, in one shot: readings, verdict, who holds what.
 *
 * report_take, then one of the two writers, then report_release. Nothing is written anywhere;
 * where a monitor has left samples (samples.h), growth and time left come from the last minute
 * of them. */
#ifndef DETECT_REPORT_H
#define DETECT_REPORT_H

#include <stdbool.h>

#include "detect/gpu.h"
#include "detect/machine.h"
#include "detect/risk.h"
#include "detect/settings.h"
#include "detect/survey.h"
#include "lib/buf.h"

enum { REPORT_LINES = 24, REPORT_COLUMNS = 80 };

struct report {
	struct machine m;
	struct gpu_list gpus;
	struct survey survey;
	bool surveyed;			/* false: /proc could not be walked */
	struct groups groups;		/* limits of editors and trainings, other than our own */
	struct disk_reading disk[2];	/* of the current folder; of the stores, where it is another */
	unsigned n_disk;
	unsigned samples;		/* readings of the monitor that went into the growth */
	uint64_t cpu_busy;		/* of its newest; MACHINE_NONE */
	struct risk_input in;		/* points into the above: a report is not copied */
	struct risk_verdict verdict;
};

/* -errno when not even meminfo can be read. */
int report_take(const struct roots *roots, const struct detect_settings *set, struct report *ret);
void report_release(struct report *r);
int report_text(const struct report *r, bool colour, struct buf *b);	/* at most REPORT_LINES lines */
int report_json(const struct report *r, struct buf *b);			/* one object and a newline */

/* The command: `detect [report] [--json]`, argv from the word after the program. Returns the
 * exit code. */
int cmd_report(int argc, char **argv, const struct detect_settings *set);

#endif
