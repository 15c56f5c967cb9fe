/* detect/events.h - the journal, shown: `detect events`. */
#ifndef DETECT_EVENTS_H
#define DETECT_EVENTS_H

#include "detect/journal.h"
#include "detect/settings.h"
#include "lib/buf.h"

const char *event_kind_name(enum journal_kind k); /* "exit"; stands in JSON */
/* One object on one line, with its newline; the fields of DESIGN.md section 10. Appended. */
int event_json(const struct journal_event *ev, struct buf *b);
/* For people: a line of at most so many columns, from 24; what is cut off shows as ~. Appended. */
int event_row(const struct journal_event *ev, unsigned columns, struct buf *b);
/* As a row cuts what it says: s in at most so many characters. Appended. */
int event_add_cut(struct buf *b, const char *s, size_t columns);

int cmd_events(int argc, char **argv, const struct detect_settings *set);

#endif
