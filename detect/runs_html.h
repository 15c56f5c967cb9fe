/* detect/runs_html.h - past runs as one page: what each took beside what the tiers need, by run, by
 * tier, by command.
 *
 * runs_html_add keeps a run (what it points to is taken over: *r is empty then); the newest first,
 * as run_each gives them. runs_html_write makes the page of those, whole, for its owner only ("-":
 * standard output), and releases all; an exit code, failures have been said. */
#ifndef DETECT_RUNS_HTML_H
#define DETECT_RUNS_HTML_H

#include "detect/run.h"
#include "detect/settings.h"

struct runs_html {
	struct run *run;
	size_t n, cap;
};

int runs_html_add(struct runs_html *h, struct run *r); /* 0 or -ENOMEM */
int runs_html_write(struct runs_html *h, const struct detect_settings *set, const char *file);

#endif
