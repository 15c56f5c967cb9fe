/* The table of keys, and how the text of a value becomes a field. */
#include "config/config-internal.h"

#include <errno.h>
#include <git2.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/auto.h"
#include "lib/names.h"
#include "lib/text.h"

#define AT(field) offsetof(struct config, field)
#define MIB ((uint64_t)1 << 20)
#define ANY INT64_MAX

const struct config_key config_keys[] = {
	{ "snapshot.interval", KEY_TIME, AT(interval_ms), "30s", 100, ANY,
		.help = "While files change, a snapshot is taken this often: what is at risk at\n"
			"most. At least 100ms." },
	{ "snapshot.settle", KEY_TIME, AT(settle_ms), "200ms", 0, ANY,
		.help = "A scheduled snapshot waits until nothing has been written for this long,\n"
			"but never longer than one interval. 0 does not wait." },
	{ "snapshot.maxFileSize", KEY_SIZE, AT(max_file_size), "16M", 0, ANY,
		.help = "Larger files are not stored; they are named as skipped." },
	{ "snapshot.include", KEY_LIST, AT(include), .example = "results/*.json",
		.help = "Patterns as in .gitignore: always stored, whatever ignores them. May be\n"
			"repeated; an empty value forgets those before it." },
	{ "snapshot.exclude", KEY_LIST, AT(exclude), .example = "*.ckpt",
		.help = "Patterns as in .gitignore: never stored. May be repeated." },
	{ "snapshot.defaultExcludes", KEY_BOOL, AT(default_excludes), "true",
		.help = "Leave out what tools can make again: .venv, node_modules, __pycache__\n"
			"and their like." },
	{ "snapshot.gitignore", KEY_BOOL, AT(gitignore), "true",
		.help = "Leave out what .gitignore files, .git/info/exclude and\n"
			"core.excludesFile name." },
	{ "snapshot.pollInterval", KEY_TIME, AT(poll_ms), "10s", 100, ANY,
		.help = "How often folders are looked at that the kernel gives no watch for. At\n"
			"least 100ms." },

	{ "store.dir", KEY_PATH, AT(store_dir), .example = "~/snapshots", .user_only = true,
		.help = "The folder the stores are made in; must not lie in a workspace. Without\n"
			"it $XDG_DATA_HOME/holdfast, which is ~/.local/share/holdfast." },
	/* The next two decide what is pruned and what the disk keeps: a cloned
	 * repository must not make us forget its history, nor fill the disk. */
	{ "store.quota", KEY_SIZE, AT(quota), "0", 0, ANY, .user_only = true,
		.zero = "the smaller of 5 GiB and 10 % of the file system",
		.help = "The most room one store may take. 0 is the smaller of 5 GiB and 10 % of\n"
			"the file system. Less than 16M may be passed for moments: the index\n"
			"alone, while it is written anew, takes much of it." },
	{ "store.freeFloor", KEY_SIZE, AT(free_floor), "256M", 0, ANY, .user_only = true,
		.help = "With less than this free on the file system no snapshot is written." },
	{ "store.compressionLevel", KEY_INT, AT(level), "3", 1, 19,
		.help = "That of zstd, 1 (fast) to 19 (small)." },

	{ "prune.all", KEY_TIME, AT(keep_all_ms), "1d", 0, ANY, .user_only = true,
		.help = "All snapshots stay for this long. Older ones are thinned, by their age." },
	{ "prune.tenMinutes", KEY_TIME, AT(keep_ten_ms), "1w", 0, ANY, .user_only = true,
		.help = "Up to this age one of each 10 minutes stays." },
	{ "prune.hourly", KEY_TIME, AT(keep_hourly_ms), "30d", 0, ANY, .user_only = true,
		.help = "Up to this age one of each hour stays." },
	{ "prune.daily", KEY_TIME, AT(keep_daily_ms), "365d", 0, ANY, .user_only = true,
		.help = "Up to this age one of each day stays." },
	{ "prune.weekly", KEY_TIME, AT(keep_weekly_ms), "0", 0, ANY, .user_only = true,
		.zero = "for ever",
		.help = "Up to this age one of each week stays; 0 is for ever. The newest, a "
			"marked one\n"
			"and the last before a crash always stay." },
	{ "prune.grace", KEY_TIME, AT(grace_ms), "2h", 0, ANY, .user_only = true,
		.help = "What is younger than this stays, also where there is no room." },
	{ "prune.every", KEY_TIME, AT(prune_every_ms), "1h", 0, ANY, .user_only = true,
		.help = "How often " SNAPD
			" prunes by itself, after a snapshot and in small steps. 0 is\n"
			"never; where there is no room it is done all the same." },

	{ "tidy.after", KEY_TIME, AT(tidy_after_ms), "10m", 0, ANY, .user_only = true,
		.help = "When nothing has changed for so long the store is written tighter, with the\n"
			"lowest priority; what happens meanwhile ends it. 0 is never." },
	{ "tidy.share", KEY_INT, AT(tidy_share), "50", 1, 100, .user_only = true,
		.help = "So many percent of one CPU at most." },

	{ "verify.every", KEY_TIME, AT(verify_every_ms), "1d", 1000, ANY, .user_only = true,
		.help = "How often " SNAPD " reads a part of the store to see whether the disk still gives\n"
			"back what was written, with the lowest priority. At least 1s." },
	{ "verify.share", KEY_INT, AT(verify_share), "1", 0, 100, .user_only = true,
		.help = "So many percent of it each time, at least 1 MiB; 0 is never." },

	{ "mirror.url", KEY_STRING, AT(mirror_url), .example = "me@host:backup.git", .user_only = true,
		.help = "A git remote (a path, ssh or https) that the snapshots are pushed to, as\n"
			"refs/holdfast/HOST/WORKSPACE/main. Needs git; credentials are those it finds\n"
			"in your terminal: ssh-agent, ~/.ssh/config, a credential helper." },
	{ "mirror.every", KEY_TIME, AT(mirror_every_ms), "10m", 1000, ANY, .user_only = true,
		.help = "At most so often, after a snapshot. At least 1s." },
	{ "mirror.branch", KEY_BOOL, AT(mirror_branch), "true", .user_only = true,
		.help = "Also as the branch holdfast/HOST/WORKSPACE, for git clone -b." },
	{ "mirror.secret", KEY_LIST, AT(mirror_secret), .example = "*.sqlite", .user_only = true,
		.help = "Names of files that are not pushed, beside those that look like secrets (.env,\n"
			"id_rsa, *.pem, credentials.json, ...). May be repeated." },
	{ "mirror.allow", KEY_LIST, AT(mirror_allow), .example = "*.pem", .user_only = true,
		.help = "Names that are pushed all the same; * is all of them. May be repeated." },

	{ "unsaved.copies", KEY_BOOL, AT(unsaved_copies), "true",
		.help = "Keep copies of the buffers that VSCode and its like hold unsaved, and of "
			"their\n"
			"Local History, for this workspace's files." },
	{ "unsaved.quota", KEY_SIZE, AT(unsaved_quota), "64M", 1 << 20, ANY, .user_only = true,
		.help = "From this size on the copies are begun anew; the ones before stay until "
			"then\n"
			"again." },
	{ "unsaved.place", KEY_LIST, AT(unsaved_places), .example = "/data/code-user",
		.user_only = true,
		.help = "A further user data folder of an editor (--user-data-dir). May be "
			"repeated." },

	{ "recover.pager", KEY_STRING, AT(pager), .example = "less -R", .user_only = true,
		.help = "The program long output goes through on a terminal. $GIT_PAGER\n"
			"goes before it; without both $PAGER, then less." },
	{ "recover.color", KEY_CHOICE, AT(color), "auto", .choices = "auto, always, never",
		.help = "auto (on a terminal), always or never. NO_COLOR turns auto off." },
	{ "recover.context", KEY_INT, AT(context), "3", 0, 10000,
		.help = "Lines shown around a change." },

	/* Who comes with a cloned repository must not blind the watch: all user only. */
	{ "detect.memoryMedium", KEY_INT, AT(memory_medium), "75", 1, 100, .user_only = true,
		.help = "Percent of memory in use from where the risk is MEDIUM. The limit of a\n"
			"cgroup counts as memory where it leaves less." },
	{ "detect.memoryCritical", KEY_INT, AT(memory_critical), "85", 1, 100, .user_only = true,
		.help = "The same for CRITICAL." },
	{ "detect.swap", KEY_INT, AT(swap_medium), "50", 1, 100, .user_only = true,
		.help = "Percent of swap in use: MEDIUM; with memory at memoryMedium, CRITICAL." },
	{ "detect.gpu", KEY_INT, AT(gpu_medium), "90", 1, 100, .user_only = true,
		.help = "Percent of a GPU's memory in use: MEDIUM." },
	{ "detect.shm", KEY_INT, AT(shm_medium), "90", 1, 100, .user_only = true,
		.help = "Percent of /dev/shm in use: MEDIUM. Data workers die of a bus error\n"
			"there." },
	{ "detect.pressureMedium", KEY_INT, AT(pressure_medium), "10", 1, 100, .user_only = true,
		.help = "Percent of the last 10 s in which everything waited for memory (PSI,\n"
			"full)." },
	{ "detect.pressureCritical", KEY_INT, AT(pressure_critical), "40", 1, 100,
		.user_only = true, .help = "The same for CRITICAL." },
	{ "detect.cpu", KEY_INT, AT(cpu_warn), "95", 1, 100, .user_only = true,
		.help = "Percent of the CPUs in use: a warning." },
	{ "detect.together", KEY_SIZE, AT(family_warn), "8G", 0, ANY, .user_only = true,
		.help = "What editor and training may hold together without a warning." },
	{ "detect.diskFree", KEY_SIZE, AT(disk_free), "256M", 0, ANY, .user_only = true,
		.help = "Less left on the disk of the current folder or of the stores: MEDIUM." },
	{ "detect.timeLeft", KEY_TIME, AT(time_left), "1m", 0, ANY, .user_only = true,
		.help = "Memory that grows and will be critical in less than this: MEDIUM\n"
			"already now." },
	{ "detect.calm", KEY_TIME, AT(calm_ms), "10s", 0, ANY, .user_only = true,
		.help = "A level is left when the readings have been lower for this long." },
	{ "detect.sample", KEY_TIME, AT(sample_ms), "1s", 1000, ANY, .user_only = true,
		.help = "How often the monitor reads while the risk is LOW; more often above. At\n"
			"least 1s." },
	{ "detect.autostart", KEY_BOOL, AT(autostart), "true", .user_only = true,
		.help = SNAPD " starts the monitor, `" DETECT " watch`, when none runs." },
	{ "detect.notify", KEY_BOOL, AT(notify), "true", .user_only = true,
		.help = "A desktop notification (notify-send) when work may have been lost." },
	{ "detect.terminal", KEY_BOOL, AT(terminal), "true", .user_only = true,
		.help = "Without a desktop: a line on your own terminals (mesg n keeps one "
			"clear)." },
	{ "detect.hook", KEY_STRING, AT(hook), .example = "/home/me/bin/on-crash",
		.user_only = true,
		.help = "A program that gets every such event as JSON on its stdin. No arguments,\n"
			"no shell; ended after 10s." },
	{ "detect.guardLog", KEY_LIST, AT(guard_logs), .example = "/var/log/earlyoom.log",
		.user_only = true,
		.help = "A file that holds what earlyoom (or nohang) writes, where neither the\n"
			"journal nor syslog has it. May be repeated." },
	{ "detect.training", KEY_LIST, AT(training), .example = "fit_*.py", .user_only = true,
		.help = "Patterns of scripts and modules that are training when Python runs them,\n"
			"beside the built-in ones (train*.py and their like). May be repeated." },
	{ "detect.notTraining", KEY_LIST, AT(not_training), .example = "train_timetable.py",
		.user_only = true, .help = "Patterns of those that are not." },
	{ "detect.editor", KEY_LIST, AT(editors), .example = "my-editor", .user_only = true,
		.help = "Further editors: the name of the program, without its folder." },
	{ "guard.enabled", KEY_BOOL, AT(guard), "true", .user_only = true,
		.help = "The monitor acts on training before the editor dies: asks it (SIGUSR2) "
			"at\n"
			"memoryCritical, freezes it, lets it go on when there is room, ends it "
			"last." },
	{ "guard.freeze", KEY_INT, AT(guard_freeze), "10", 1, 50, .user_only = true,
		.help = "Percent of the memory left (at most 2 GiB) at which training is frozen." },
	{ "guard.minSize", KEY_SIZE, AT(guard_min), "2G", 0, ANY, .user_only = true,
		.help = "Trainings that hold less are left alone; an eighth of the memory where "
			"that\n"
			"is less." },
	{ "guard.hold", KEY_TIME, AT(guard_hold), "1s", 100, 3600000, .user_only = true,
		.help = "How long a training stays frozen before it may try whether it fits." },
	{ "guard.grace", KEY_TIME, AT(guard_grace), "150ms", 0, 60000, .user_only = true,
		.help = "From SIGTERM to SIGKILL, while there is still room." },
	{ "guard.spare", KEY_LIST, AT(guard_spare), .example = "/home/me/precious",
		.user_only = true,
		.help = "A folder whose trainings the guard never touches. May be repeated." },
	/* What a launch may do to the machine is not for a cloned repository to say. */
	{ "gate.reserve", KEY_INT, AT(gate_reserve), "10", 0, 50, .user_only = true,
		.help = "Percent of memory (at most 2 GiB) that a launch must leave, so that the "
			"guard\n"
			"need not act; a tenth of what editors hold where that is more." },
	{ "gate.swap", KEY_INT, AT(gate_swap), "50", 0, 100, .user_only = true,
		.help = "Percent of the free swap that counts as room." },
	{ "gate.memory", KEY_INT, AT(gate_memory), "65", 1, 100, .user_only = true,
		.help = "A launch of which nobody knows the need is refused from this percentage "
			"of\n"
			"memory in use on." },
	{ "gate.free", KEY_SIZE, AT(gate_free), "4G", 0, ANY, .user_only = true,
		.help = "It is refused, too, where less than this is left." },
	{ "gate.cpu", KEY_INT, AT(gate_cpu), "70", 1, 100, .user_only = true,
		.help = "Percent of the CPUs in use from where the gate warns." },
	{ "gate.force", KEY_BOOL, AT(gate_force), "false", .user_only = true,
		.help = "The gate says yes to everything, as with --force; what it would have\n"
			"refused stands in the journal." },
	{ "gate.snapshot", KEY_BOOL, AT(gate_snapshot), "true", .user_only = true,
		.help = "Ask the " SNAPD " of this folder for a snapshot before saying yes." },
	{ "gate.snapshotWait", KEY_TIME, AT(gate_wait_ms), "30s", 0, 600000, .user_only = true,
		.help = "How long that may take; then the launch goes on, with a warning. At most "
			"10m." },

	{ "run.nice", KEY_INT, AT(run_nice), "10", 0, 19, .user_only = true,
		.help = "The niceness of what `" DETECT " run` starts." },
	{ "run.oomScoreAdj", KEY_INT, AT(run_oom_score_adj), "1000", 0, 1000, .user_only = true,
		.help = "Its oom_score_adj: the kernel takes it before an editor's helpers "
			"(300)." },
	{ "run.threads", KEY_INT, AT(run_threads), "0", 0, 4096, .user_only = true,
		.zero = "half of the CPUs",
		.help = "Threads a training may use (OMP_NUM_THREADS and its like). 0 is half of "
			"the\n"
			"CPUs. What the environment already says stays." },
	{ "run.limit", KEY_SIZE, AT(run_limit), "0", 0, ANY, .user_only = true,
		.zero = "no limit, but that of the mode",
		.help = "The most memory a run may take. 0 is no limit, but that of the mode." },
	{ "run.retry", KEY_INT, AT(run_retry), "0", 0, 4, .user_only = true,
		.help = "How often a run that ended for want of memory is started again, each time "
			"a\n"
			"tier smaller." },
	{ "run.log", KEY_SIZE, AT(run_log), "64M", 65536, ANY, .user_only = true,
		.help = "How much of a run's output is kept, the newest of it." },
	{ "run.keep", KEY_INT, AT(run_keep), "20", 1, 10000, .user_only = true,
		.help = "How many runs are kept with their output." },
	{ "run.scope", KEY_CHOICE, AT(run_scope), "auto", .choices = "auto, systemd, cgroup, none",
		.user_only = true,
		.help = "What a run is kept in: a scope of the user's systemd, a cgroup of our "
			"own,\n"
			"or neither. auto takes the first that can be had." },
	{ "run.allocConf", KEY_STRING, AT(run_alloc), "max_split_size_mb:256", .user_only = true,
		.help = "PYTORCH_ALLOC_CONF and PYTORCH_CUDA_ALLOC_CONF of a run, unless they are "
			"set." },

	{ "training.command", KEY_STRING, AT(training_command),
		.example = "python train.py --config {config} --epochs {epochs}", .user_only = true,
		.help = "What `" DETECT
			" run` starts when it is given no command. Words as in a shell,\n"
			"but there is none; {config}, {epochs}, {val_batches}, {tier} are filled "
			"in." },
	{ "training.configs", KEY_STRING, AT(training_configs), "config/memory_optimized",
		.user_only = true,
		.help = "The folder below the current one with the tiers' files; where it has none "
			"the\n"
			"built-in ones are used." },

	{ "journal.quota", KEY_SIZE, AT(journal_quota), "16M", 65536, ANY, .user_only = true,
		.help = "How large the journal of events may grow; the oldest go first, the\n"
			"latest crash stays." },
	{ .name = NULL },
};

const struct config_key *config_key_find(const char *name)
{
	for (const struct config_key *k = config_keys; k->name; k++)
		if (strcasecmp(k->name, name) == 0)
			return k;
	return NULL;
}

/* Letters to change, add or leave out to make b of a; both shorter than 64. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[64], n = (unsigned)strlen(b);

	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 1; *a; i++, a++) {
		unsigned diag = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= n; j++) {
			unsigned best = diag + (strncasecmp(a, &b[j - 1], 1) != 0);

			diag = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[n];
}

const char *config_key_guess(const char *name)
{
	const char *dot = strchr(name, '.'), *best = NULL;
	unsigned least = 3;	/* two slips of the finger */

	if (strlen(name) >= 64)
		return NULL;
	for (const struct config_key *k = config_keys; k->name; k++) {
		unsigned d = distance(name, k->name);

		/* the right key in the wrong section, or in none */
		if (strcasecmp(strchr(k->name, '.') + 1, dot ? dot + 1 : name) == 0)
			d = 1;
		if (d < least) {
			least = d;
			best = k->name;
		}
	}
	return best;
}

void config_list_clear(struct config_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->item[i]);
	free(l->item);
	*l = (struct config_list){ 0 };
}

static int list_add(struct config_list *l, const char *value)
{
	char **item = realloc(l->item, (l->n + 1) * sizeof(*item));
	char *copy;

	if (!item)
		return -ENOMEM;
	l->item = item;
	copy = strdup(value);
	if (!copy)
		return -ENOMEM;
	l->item[l->n++] = copy;
	return 0;
}

static int set_string(char **at, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*at);
	*at = copy;
	return 0;
}

static int bad(struct buf *why, const char *text)
{
	int r = buf_addstr(why, text);

	return r < 0 ? r : -EINVAL;
}

/* "600000 ms" is 10m: the largest unit that loses nothing. */
static int add_time(struct buf *b, uint64_t ms)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} u[] = { { "w", 604800000 }, { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 },
		{ "s", 1000 } };

	for (size_t i = 0; i < sizeof(u) / sizeof(u[0]); i++)
		if (ms && ms % u[i].ms == 0)
			return buf_printf(b, "%ju%s", (uintmax_t)(ms / u[i].ms), u[i].unit);
	return ms ? buf_printf(b, "%jums", (uintmax_t)ms) : buf_addstr(b, "0");
}

static int add_size(struct buf *b, uint64_t n)
{
	static const char unit[] = "kMGTP";
	int i = 0;

	while (n && n % 1024 == 0 && i < 5) {
		n /= 1024;
		i++;
	}
	return buf_printf(b, i ? "%ju%c" : "%ju", (uintmax_t)n, unit[i ? i - 1 : 0]);
}

static int add_number(struct buf *b, enum config_type type, uint64_t v)
{
	if (type == KEY_TIME)
		return add_time(b, v);
	if (type == KEY_SIZE)
		return add_size(b, v);
	return buf_printf(b, "%ju", (uintmax_t)v);
}

static int out_of_range(const struct config_key *k, struct buf *why)
{
	int r;

	if (k->max == ANY) {
		r = buf_addstr(why, "must be at least ");
		if (r == 0)
			r = add_number(why, k->type, k->min);
	} else {
		r = buf_printf(
			why, "must be from %ju to %ju", (uintmax_t)k->min, (uintmax_t)k->max);
	}
	return r < 0 ? r : -EINVAL;
}

static int parse_int(const char *s, uint64_t *ret)
{
	size_t n = strlen(s);

	if (n == 0 || s[strspn(s, "0123456789")] != '\0')
		return -EINVAL;
	if (n > 18)
		return -ERANGE;
	*ret = strtoull(s, NULL, 10);
	return 0;
}

static int set_number(
	struct config *c, const struct config_key *k, const char *value, struct buf *why)
{
	char *at = (char *)c + k->at;
	uint64_t v = 0;
	int r;

	if (k->type == KEY_TIME)
		r = text_parse_duration_ms(value, &v);
	else if (k->type == KEY_SIZE)
		r = text_parse_size(value, &v);
	else
		r = parse_int(value, &v);
	if (r == -ERANGE)
		return bad(why, "too large");
	if (r < 0)
		return bad(why, k->type == KEY_TIME ? "not a time such as 500ms, 30s, 10m, 2h" :
				k->type == KEY_SIZE ? "not a size such as 512k, 16M, 5G" :
						      "not a whole number");
	if (v < k->min || v > k->max)
		return out_of_range(k, why);
	if (k->type == KEY_INT)
		*(int *)(void *)at = (int)v;
	else
		*(uint64_t *)(void *)at = v;
	return 0;
}

static const char *home(void)
{
	const char *h = getenv("HOME");
	const struct passwd *pw;

	if (h && h[0] == '/')
		return h;
	pw = getpwuid(geteuid());
	return pw && pw->pw_dir ? pw->pw_dir : "/";
}

static int set_path(char **at, const char *value, struct buf *why)
{
	autoput(buf_release) struct buf path = BUF_INIT;
	int r;

	if (strncmp(value, "~/", 2) == 0)
		r = buf_printf(&path, "%s/%s", home(), value + 2);
	else if (value[0] == '/')
		r = buf_addstr(&path, value);
	else
		return bad(why, "must be an absolute path, or begin with ~/");
	return r < 0 ? r : set_string(at, path.data);
}

static int set_choice(char **at, const struct config_key *k, const char *value, struct buf *why)
{
	size_t n = strlen(value);

	for (const char *p = k->choices; n && (p = strstr(p, value)); p += n)
		if ((p == k->choices || p[-1] == ' ') && (p[n] == ',' || p[n] == '\0'))
			return set_string(at, value);
	n = (size_t)buf_printf(why, "must be one of %s", k->choices);
	return n ? -ENOMEM : -EINVAL;
}

int config_key_set(struct config *c, const struct config_key *k, const char *value, struct buf *why)
{
	void *at = (char *)c + k->at;
	int yes;

	if (k->type == KEY_BOOL) {
		if (git_config_parse_bool(&yes, value) < 0)
			return bad(why, "not true or false");
		*(bool *)at = yes;
		return 0;
	}
	if (!value)
		return bad(why, "needs a value");
	switch (k->type) {
	case KEY_STRING:
		return set_string(at, value);
	case KEY_PATH:
		return set_path(at, value, why);
	case KEY_CHOICE:
		return set_choice(at, k, value, why);
	case KEY_LIST:
		if (*value)
			return list_add(at, value);
		config_list_clear(at);
		return 0;
	default:
		return set_number(c, k, value, why);
	}
}

int config_key_show(const struct config *c, const struct config_key *k, struct buf *b)
{
	const void *at = (const char *)c + k->at;
	const char *s;
	bool zero = k->zero && (k->type == KEY_INT ? !*(const int *)at : !*(const uint64_t *)at);

	if (zero)
		return buf_printf(b, "0 (%s)", k->zero);
	switch (k->type) {
	case KEY_BOOL:
		return buf_addstr(b, *(const bool *)at ? "true" : "false");
	case KEY_INT:
		return buf_printf(b, "%d", *(const int *)at);
	case KEY_SIZE:
	case KEY_TIME:
		return add_number(b, k->type, *(const uint64_t *)at);
	case KEY_LIST:
		return buf_addstr(b, "the rest of the list");
	default:
		s = *(char *const *)at;
		return s ? text_quote_name(b, s, strlen(s)) : buf_addstr(b, "none");
	}
}
