/* detect/gate-cmd.c - `detect gate`; see gate.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detect/detect.h"
#include "detect/gate.h"
#include "detect/protect.h"
#include "detect/samples.h"
#include "detect/survey.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/names.h"
#include "lib/text.h"

enum { CPU_FRESH_MS = 15000 };

/* One look says nothing about the CPU: the monitor's newest reading, where one runs. */
static uint64_t cpu_busy(int state, const struct room *room)
{
	uint64_t now = room->m.real_ms, busy = MACHINE_NONE;
	struct sample *s;
	unsigned n;

	if (state < 0 || now < CPU_FRESH_MS ||
		samples_between(state, now - CPU_FRESH_MS, now, &s, &n) < 0)
		return MACHINE_NONE;
	if (n && s[n - 1].cpu_busy <= 10000)
		busy = s[n - 1].cpu_busy;
	free(s);
	return busy;
}

static bool refuses(const struct gate_verdict *v, enum gate_reason_what what)
{
	for (unsigned i = 0; i < v->n; i++)
		if (v->reason[i].what == what && v->reason[i].refuses)
			return true;
	return false;
}

static void snapshot(const struct gate_limits *lim, struct gate_answer *a)
{
	autoput(buf_release) struct buf workspace = BUF_INIT, store = BUF_INIT, message = BUF_INIT;
	int r = protect_find(lim->store_dir, &workspace, &store);

	if (r <= 0) {
		(void)snprintf(
			a->snapshot_why, sizeof(a->snapshot_why), "no " SNAPD " keeps this folder");
		return;
	}
	(void)snprintf(a->workspace, sizeof(a->workspace), "%s", workspace.data);
	(void)snprintf(a->store, sizeof(a->store), "%s", store.data);
	r = buf_addstr(&message, "before ");
	if (r == 0)
		r = a->argv && a->argv[0] ? gate_words(a->argv, &message)
					  : buf_addstr(&message, "a launch");
	if (r == 0 && message.len > 200)
		message.data[message.len = 200] = '\0';
	if (r == 0)
		r = protect_snapshot(a->store, message.data, (int)lim->wait_ms, a->snapshot,
			a->snapshot_why, sizeof(a->snapshot_why));
	if (r == -ENOENT || r == -ECONNREFUSED)
		(void)snprintf(a->snapshot_why, sizeof(a->snapshot_why),
			"the " SNAPD " of this folder does not run");
	else if (r == -ETIMEDOUT)
		(void)snprintf(a->snapshot_why, sizeof(a->snapshot_why), SNAPD " is still at it");
	else if (r < 0 && !a->snapshot_why[0])
		(void)snprintf(a->snapshot_why, sizeof(a->snapshot_why), "%s", err_str(r));
	else if (r == 0 && !a->snapshot[0])
		(void)snprintf(a->snapshot_why, sizeof(a->snapshot_why), "the folder is empty");
}

int gate_take(const struct roots *roots, const struct detect_settings *set,
	const struct gate_ask *ask, struct gate_answer *ret)
{
	autoclose int state = detect_state_dir_if_any();
	struct need_ask need = ask->need;
	struct gate_limits lim;
	uint64_t cpu;
	int r;

	gate_limits(&set->cfg, &lim);
	memset(ret, 0, sizeof(*ret));
	ret->argv = need.argv;
	need.state_dirfd = state;
	need.configs = lim.configs;
	r = need_find(&need, &ret->need);
	if (r < 0)
		return r;
	r = room_read(roots, &lim, ret->need.gpu > 0, &ret->room);
	if (r < 0)
		return r == -EINVAL ? -EIO : r;
	cpu = cpu_busy(state, &ret->room);
	gate_judge(&lim, &ret->need, &ret->room, cpu, &ret->verdict);
	/* As if all that is used were an editor's: a yes stands. A no is looked at closely. */
	if (!ret->verdict.allowed && 
		holders_take(roots, &set->patterns, &ret->room.m, &ret->holders) == 0) {
		room_reserve(&ret->room, &lim, ret->holders.editor);
		if (ret->need.gpu == 0 && !refuses(&ret->verdict, GATE_NO_GPU)) {
			/* for the tiers with a GPU that may be proposed */
			struct room again;

			if (room_read(roots, &lim, true, &again) == 0) {
				ret->room.gpu = again.gpu;
				ret->room.gpu_why = again.gpu_why;
			}
		}
		gate_judge(&lim, &ret->need, &ret->room, cpu, &ret->verdict);
	}
	if (ret->verdict.allowed)
		ret->holders = (struct holders){ 0 };
	else if (ask->force || lim.force) {
		ret->forced = true;
		(void)snprintf(ret->forced_by, sizeof(ret->forced_by),
			ask->force ? "--force" : "gate.force");
	}
	if ((ret->verdict.allowed || ret->forced) && ask->snapshot && lim.snapshot)
		snapshot(&lim, ret);
	return 0;
}

static int help(void)
{
	(void)puts(
		"usage: " DETECT
		" gate [--need SIZE] [--gpu-need SIZE] [--shm-need SIZE] [--tier T]\n"
		"                   [--config FILE] [--force] [--json] [[--] COMMAND...]\n\n"
		"Is there room for this launch? Takes a snapshot and says yes (0), or says what\n"
		"is missing and what would go (1). Starts nothing: `" DETECT
		" run` asks and starts.\n\n"
		"  --need, --gpu-need, --shm-need SIZE   what it takes; 6G, 500M\n"
		"  --tier T         ultra-light, low, standard, high or cpu: `" DETECT " tiers`\n"
		"  --config FILE    its \"requirements\", or its tier, or its model's size\n"
		"  COMMAND          what its earlier runs under `" DETECT " run` took\n"
		"  --force          say yes all the same; the journal keeps it\n"
		"  --no-snapshot    take none\n"
		"  --json           the answer as one JSON object\n\n"
		"Exit codes: 0 allowed, 1 refused, 2 usage, 4 not even /proc/meminfo can be read.");
	return fflush(stdout) ? EXIT_ENV : EXIT_DONE;
}

static int size_option(const char *name, const char *value, uint64_t *ret)
{
	if (need_size(value, ret) == 0)
		return 0;
	log_error("gate: %s %s: not a size such as 500M, 6G", name, value);
	return -EINVAL;
}

/* 1: an option with its value, 0: not one of these. */
static int valued(const char *name, const char *value, struct gate_ask *ask)
{
	struct {
		const char *name;
		uint64_t *size;
		const char **text;
	} known[] = {
		{ "--need", &ask->need.ram, NULL },
		{ "--gpu-need", &ask->need.gpu, NULL },
		{ "--shm-need", &ask->need.shm, NULL },
		{ "--tier", NULL, &ask->need.tier },
		{ "--config", NULL, &ask->need.config },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		size_t n = strlen(known[i].name);
		bool joined = strncmp(name, known[i].name, n) == 0 && name[n] == '=';

		if (!joined && strcmp(name, known[i].name) != 0)
			continue;
		if (joined)
			value = name + n + 1;
		if (!value) {
			log_error("gate: %s: a value is missing", name);
			return -EINVAL;
		}
		if (known[i].text)
			*known[i].text = value;
		else if (size_option(known[i].name, value, known[i].size) < 0)
			return -EINVAL;
		return joined ? 1 : 2;
	}
	return 0;
}

/* 1: help was asked for. */
static int parse(int argc, char **argv, struct gate_ask *ask)
{
	uint64_t size;

	ask->need.ram = ask->need.gpu = ask->need.shm = MACHINE_NONE;
	ask->snapshot = true;
	for (int i = 0; i < argc; i++) {
		int r = valued(argv[i], i + 1 < argc ? argv[i + 1] : NULL, ask);

		if (r < 0)
			return r;
		if (r) {
			i += r - 1;
		} else if (strcmp(argv[i], "--") == 0) {
			ask->need.argv = (const char *const *)(argv + i + 1);
			return 0;
		} else if (strcmp(argv[i], "--force") == 0) {
			ask->force = true;
		} else if (strcmp(argv[i], "--json") == 0) {
			ask->json = true;
		} else if (strcmp(argv[i], "--no-snapshot") == 0) {
			ask->snapshot = false;
		} else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			return 1;
		} else if (argv[i][0] != '-' && need_size(argv[i], &size) == 0) {
			log_error("gate: %s: a size of what? --need %s of memory, --gpu-need, "
				  "--shm-need",
				argv[i], argv[i]);
			return -EINVAL;
		} else if (argv[i][0] != '-') {
			ask->need.argv = (const char *const *)(argv + i);
			return 0;
		} else {
			log_error("gate: %s: no such option; " DETECT " gate --help lists them",
				argv[i]);
			return -EINVAL;
		}
	}
	return 0;
}

static int print(const struct gate_answer *a, bool json)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int r = json ? gate_json(a, &b) : gate_text(a, &b);

	if (r < 0) {
		(void)log_error_errno(r, "gate");
		return EXIT_ENV;
	}
	if (fwrite(b.data, 1, b.len, stdout) != b.len || fflush(stdout)) {
		(void)log_error_errno(-errno, "standard output");
		return EXIT_ENV;
	}
	return EXIT_DONE;
}

int cmd_gate(int argc, char **argv, const struct detect_settings *set)
{
	static struct gate_answer a;
	struct gate_ask ask = { 0 };
	int r = parse(argc, argv, &ask);

	if (r == 1) {
		gate_says_yes();
		return help();
	}
	if (r < 0)
		return EXIT_USAGE;
	r = gate_take(&roots_real, set, &ask, &a);
	if (r == -EINVAL)
		return EXIT_USAGE;
	if (r < 0) {
		(void)log_error_errno(
			r, "%s/meminfo: cannot be read, is /proc mounted?", roots_real.proc);
		return EXIT_ENV;
	}
	r = print(&a, ask.json);
	if (a.forced || !a.verdict.allowed)
		launch_note(&a, a.forced ? "forced" : "refused", NULL, NULL);
	if (r != EXIT_DONE)
		return r;
	if (!a.verdict.allowed && !a.forced)
		return EXIT_NO;
	gate_says_yes();
	return EXIT_DONE;
}
