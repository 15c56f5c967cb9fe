/* recover/report_html.h - the report of a crash as one page: curves, a time axis, evidence.
 *
 * what is the report as --json prints it (borrowed), ev the event it is about. The page is
 * written whole to file ("-": standard output), for its owner only. An exit code; failures have
 * been said. */
#ifndef RECOVER_REPORT_HTML_H
#define RECOVER_REPORT_HTML_H

#include <cjson/cJSON.h>

#include "../detect/journal.h"
#include "recover.h"

int report_html(
	struct recover *r, const struct journal_event *ev, const cJSON *what, const char *file);

#endif
