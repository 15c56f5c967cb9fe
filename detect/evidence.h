/* detect/evidence.h - where traces of an end are looked for.
 *
 * evidence_gather reads, with a time limit each: /dev/kmsg or the journal's kernel part, /var/log of earlyoom, nohang and systemd-oomd by
 * the journal, coredump records, the editor's logs and locks below its user data folder, our ledger. It looks at
 * from_ms..to_ms only. A source that is closed to us becomes an EV_CLOSED line, never silence. May take seconds
 * (editors write their traces up to 10 s after an end): the judge calls it, never the monitor. */
#ifndef DETECT_EVIDENCE_H
#define DETECT_EVIDENCE_H

#include "detect/cause.h"

struct evidence_places {		/* NULL: the real ones; tests feed recorded machines */
	const char *kmsg, *journalctl, *log_dir;
};
int evidence_gather(const struct evidence_places *at, const struct fact *f, struct evidence_list *ret);

/* Parsers, each for one line, fuzzed. 1: it is one, *ret filled; 0 not. */
int evidence_kernel_line(const char *line, struct evidence *ret);
int evidence_guard_line(const char *line, struct evidence *ret);
int evidence_editor_line(const char *line, struct evidence *ret);

#endif
