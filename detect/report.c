/* detect/report.c - gathering; see the header. */
#include "detect/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/habits.h"
#include "detect/detect.h"
#include "detect/samples.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/names.h"

enum { PSS_US = 500, GROWTH_MS = 60000 };

/* Where stores usually are; a folder above it will do, it is for the disk. */
static void read_disks(struct report *r)
{
	const char *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	const char *data = xdg && *xdg == '/' ? xdg : home;
	struct stat here, there;

	if (machine_disk(".", &r->disk[0]) < 0 || r->disk[0].total == 0 || stat(".", &here) < 0)
		return;
	r->n_disk = 1;
	if (data && stat(data, &there) == 0 && there.st_dev != here.st_dev &&
		machine_disk(data, &r->disk[1]) == 0 && r->disk[1].total)
		r->n_disk = 2;
}

static void note_past(struct report *r, struct risk_state *st, const struct sample *s, unsigned n)
{
	uint64_t now = r->m.real_ms;

	for (unsigned i = 0; i < n; i++) {
		uint64_t age = now - s[i].real_ms;

		/* Of another machine or container than ours, or from before the boot. */
		if (!sample_is_of(&s[i], r->m.total) || age >= r->m.mono_ms ||
			(i && s[i].real_ms <= s[i - 1].real_ms))
			continue;
		risk_note(st, r->m.mono_ms - age, s[i].available);
		r->samples++;
		if (age <= 15000 && s[i].cpu_busy <= 10000)
			r->cpu_busy = s[i].cpu_busy;
	}
}

/* The monitor's readings of the last minute, as the past of this one. */
static void read_past(struct report *r, struct risk_state *st)
{
	autoclose int dir = detect_state_dir_if_any();
	uint64_t now = r->m.real_ms;
	struct sample *s;
	unsigned n;

	r->cpu_busy = MACHINE_NONE;
	if (dir < 0 || now < GROWTH_MS || samples_between(dir, now - GROWTH_MS, now, &s, &n) < 0)
		return;
	note_past(r, st, s, n);
	free(s);
}

static int read_machine(const struct roots *roots, struct machine *m)
{
	struct machine_reader *reader;
	int r = machine_open(roots, &reader);

	if (r < 0)
		return r;
	r = machine_read(reader, m);
	machine_close(reader);
	return r;
}

/* Of each editor and run the first process: the others are mostly in its group. */
static void read_groups(const struct roots *roots, struct report *r)
{
	autoclose int procfd = open(roots->proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct survey *s = &r->survey;

	r->groups.n = 0;
	if (procfd < 0)
		return;
	groups_begin(&r->groups, procfd);
	for (unsigned i = 0; i < s->n; i++)
		if (s->proc[i].head == i)
			groups_add(&r->groups, roots, procfd, NULL, s->proc[i].id.pid,
				s->proc[i].name, r->m.mem_total);
}

int report_take(const struct roots *roots, const struct detect_settings *set, struct report *ret)
{
	struct risk_state st = { 0 };
	int r;

	memset(&ret->survey, 0, sizeof(ret->survey));
	ret->n_disk = ret->samples = 0;
	ret->surveyed = false;
	r = read_machine(roots, &ret->m);
	if (r < 0)
		return r;
	(void)gpu_read(&ret->gpus);
	read_past(ret, &st);
	if (ret->m.cpu_busy == MACHINE_NONE)
		ret->m.cpu_busy = ret->cpu_busy;
	read_disks(ret);
	ret->in = (struct risk_input){ .m = &ret->m,
		.gpus = &ret->gpus,
		.editor_bytes = MACHINE_NONE,
		.training_bytes = MACHINE_NONE,
		.disk = ret->disk,
		.n_disk = ret->n_disk };
	/* Walking page tables holds locks that whoever is short of memory waits for. */
	risk_judge(&set->limits, &ret->in, &(struct risk_state){ 0 }, &ret->verdict);
	if (survey_take(roots, &set->patterns, ret->verdict.risk == RISK_CRITICAL ? 0 : PSS_US,
		    &ret->survey) == 0) {
		ret->surveyed = true;
		survey_gpus(&ret->survey, &ret->gpus);
		ret->in.editor_bytes = survey_sum(&ret->survey, KIND_EDITOR);
		ret->in.training_bytes = survey_sum(&ret->survey, KIND_TRAINING);
		read_groups(roots, ret);
		ret->in.groups = &ret->groups;
	}
	risk_judge(&set->limits, &ret->in, &st, &ret->verdict);
	return 0;
}

void report_release(struct report *r)
{
	survey_release(&r->survey);
}

static int usage(void)
{
	(void)puts("usage: " DETECT " [report] [--json]\n\n"
		   "How the machine is: risk and why, what to do about it, memory, pressure,\n"
		   "GPUs, and what editors and training hold. Changes nothing.\n\n"
		   "  --json   the same as one JSON object; sizes in bytes, null is not known\n\n"
		   "Exit codes: 0 reported, whatever the risk; 2 usage; 4 no /proc/meminfo.");
	return fflush(stdout) ? EXIT_ENV : EXIT_DONE;
}

static int show(const struct report *r, bool json)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
	bool colour =
		isatty(STDOUT_FILENO) && !(none && *none) && term && strcmp(term, "dumb") != 0;
	autoput(buf_release) struct buf b = BUF_INIT;
	int e = json ? report_json(r, &b) : report_text(r, colour, &b);

	if (e < 0) {
		(void)log_error_errno(e, "report");
		return EXIT_ENV;
	}
	if (fwrite(b.data, 1, b.len, stdout) != b.len || fflush(stdout)) {
		(void)log_error_errno(-errno, "standard output");
		return EXIT_ENV;
	}
	return EXIT_DONE;
}

static int no_such_option(const char *typed)
{
	const char *meant =
		strcmp(typed, "--") == 0 ? DETECT " run -- COMMAND" : habit(HABIT_DETECT, typed);

	if (meant)
		log_error("report: %s: no such option; did you mean %s? " DETECT " help names all",
			typed, meant);
	else
		log_error("report: %s: no such option; " DETECT " report --help lists them", typed);
	return EXIT_USAGE;
}

int cmd_report(int argc, char **argv, const struct detect_settings *set)
{
	static struct report r;
	bool json = false;
	int e;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			json = true;
		} else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			return usage();
		} else {
			return no_such_option(argv[i]);
		}
	}
	e = report_take(machine_roots(), set, &r);
	if (e < 0) {
		(void)log_error_errno(
			e, "%s/meminfo: cannot be read, is /proc mounted?", machine_roots()->proc);
		return EXIT_ENV;
	}
	e = show(&r, json);
	report_release(&r);
	return e;
}
