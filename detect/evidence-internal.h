/* detect/evidence-internal.h - what the readers of traces share. Not for outside the room. */
#ifndef DETECT_EVIDENCE_INTERNAL_H
#define DETECT_EVIDENCE_INTERNAL_H

#include "detect/evidence.h"
#include "lib/buf.h"

struct gathering {
	struct evidence_places at; /* no NULL left, but guard_logs */
	const struct fact *f;
	uint64_t from_ms, to_ms; /* the time of the end */
	struct evidence_list *ret;
};

bool gathering_in_time(const struct gathering *g, uint64_t real_ms);
void gathering_closed(struct gathering *g, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The end of a file, at most max bytes; a line that was cut is left out. mtime may be NULL. -errno
 */
int gathering_tail(int dirfd, const char *path, size_t max, struct buf *b, uint64_t *ret_mtime_ms);
/* One line of a system log, its stamp and tag taken off: whoever wrote it. tag "" when it is not
 * known. */
void gathering_line(
	struct gathering *g, const char *tag, const char *text, uint64_t real_ms, pid_t *victim);

void evidence_kernel(struct gathering *g); /* evidence-system.c */
void evidence_logs(struct gathering *g);
void evidence_files(struct gathering *g); /* evidence-files.c */
void evidence_ledger(struct gathering *g);
void evidence_editor(struct gathering *g); /* evidence-editor.c */

#endif
