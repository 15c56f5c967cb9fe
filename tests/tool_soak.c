/* tests/tool_soak.c - weeks of work in minutes: a snapshot every 30 s of a clock of its own, with a quota that bites, prune and
 * tidy at work, and a writer that is killed at random moments of the first half.
 *
 *	tool_soak STORE SNAPSHOTS [SEED [QUOTA]]	QUOTA in KiB (64 MiB); SNAPSHOTS: at least two days of 2,880
 *
 * Sixty files, of which one to three change each time as source text does: some lines; and one of numbers. The writer is a process of its own and
 * does what snapd does, with its code: makes room before a snapshot, thins each hour in steps between snapshots, and has
 * recover-tidy write segments tighter. Who watches kills it, starts it again, looks at the size of the store all the time and
 * has all of it verified each day, beside the writer. A line a day to stdout. In the second half nobody is killed: there memory
 * and CPU must not grow. Exit 1 if anything was lost, damaged, larger than the quota, or grew. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "config/config.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"
#include "snapd/prune.h"
#include "store/store.h"
#include "store/tidy.h"

#define S INT64_C(1000000000)
#define START 1700000000
#define FILES 60
#define LINES 400
#define NUMBERS_MAX (256 << 10)
#define DAY 2880
#define DAYS_MAX 400
#define HOUR 120
#define LEAST (256 << 10)	/* as snapd's */

enum doing { OPENING, TAKING, PRUNING, TIDYING, MOVING, COMPACTING, DOING_MAX };
static const char *const doing_name[] = { "opening", "a snapshot", "prune", "tidy", "taking what was tidied", "compacting" };

struct day {
	double take_s, prune_s, step_s;	/* CPU of snapshots and of prunes, the longest step of one */
	uint64_t rss, most;		/* bytes of memory at its end; of the store, at any moment */
	unsigned steps, made_room, tidied, tidy_killed, killed;
};

static struct shared {
	volatile uint64_t acked;	/* snapshots that were acknowledged */
	volatile int doing;
	volatile int broken;		/* the writer found something */
	volatile pid_t helper;
	uint64_t quota, most;		/* most: bytes of the store, at the worst moment, which was: */
	char most_text[400];
	unsigned killed[DOING_MAX];
	struct day day[DAYS_MAX];
	uint32_t word[2][FILES][LINES];	/* the texts after an even number of snapshots, and after an odd one */
	struct oid tree[];		/* of each snapshot, as it was acknowledged */
} *sh;

static const char *dir;
static uint64_t seed, total, rng;
static size_t numbers;		/* bytes of them: a day and a half of snapshots would be more than the quota */
static char tidy_program[PATH_MAX];

static uint32_t next(uint32_t n)
{
	rng = rng * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rng >> 33) % n;
}

static struct day *today(void)
{
	return &sh->day[sh->acked / DAY];
}

static double cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int wrong(const char *what, uint64_t n)
{
	printf("WRONG: %s (snapshot %llu, while %s)\n", what, (unsigned long long)n, doing_name[sh->doing]);
	(void)fflush(stdout);
	sh->broken = 1;
	return -EBADMSG;
}

/* ---- the texts ---- */

static int put(struct store_txn *t, uint32_t f, const uint32_t word[LINES], int64_t now)
{
	static char text[LINES * 40];
	struct stat st = { .st_mode = S_IFREG | 0644, .st_mtim = { now / S, 0 } };
	char path[40];
	size_t n = 0;

	for (uint32_t i = 0; i < LINES; i++)
		n += (size_t)sprintf(text + n, "x%u = f(%u, %u)\n", word[i] % 97, word[i], i);
	st.st_size = (off_t)n;
	(void)snprintf(path, sizeof(path), "src/m%u/file%u.py", f % 7, f);
	return store_txn_bytes(t, path, &st, text, n);
}

/* What a training writes, and nothing makes smaller. */
static int put_numbers(struct store_txn *t, int64_t now)
{
	static uint32_t p[NUMBERS_MAX / 4];
	struct stat st = { .st_mode = S_IFREG | 0644, .st_mtim = { now / S, 0 }, .st_size = (off_t)numbers };

	for (size_t i = 0; i < numbers / 4; i++)
		p[i] = next(UINT32_MAX);
	return store_txn_bytes(t, "metrics", &st, p, numbers);
}

/* The state after i snapshots becomes the next; the same whoever does it, and how often. */
static int edit(struct store_txn *t, uint64_t i, int64_t now)
{
	const uint32_t (*from)[LINES] = sh->word[i & 1];
	uint32_t (*to)[LINES] = sh->word[(i + 1) & 1];
	int r = 0;

	memcpy(to, from, sizeof(sh->word[0]));
	rng = (seed + i) * 0x9e3779b97f4a7c15;
	(void)next(1);
	for (uint32_t k = i ? 1 + next(3) : FILES; r == 0 && k > 0; k--) {
		/* Four files are worked on in each hour, and seldom another. */
		uint32_t hour = (uint32_t)(i / HOUR), f = !i ? k - 1 : next(20) ? (hour * 7 + next(4)) % FILES : next(FILES);

		for (uint32_t line = next(LINES), n = 1 + next(4); n > 0; n--)
			to[f][(line + n) % LINES] = next(1u << 30);
		r = put(t, f, to[f], now);
	}
	return r < 0 ? r : put_numbers(t, now);
}

/* ---- the writer ---- */

struct writer {
	struct store *s;
	struct config cfg;
	struct store_prune *prune;
};

static int commit(struct writer *w, uint64_t i, const struct room *room)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	struct store_commit how = { .reason = REASON_INTERVAL, .time_ns = (START + (int64_t)i * 30) * S, .force = true };
	struct store_txn *t;
	int r = store_txn_begin(w->s, &t);

	if (r < 0)
		return r;
	store_limit(w->s, room->left, room->err);
	if ((r = edit(t, i, how.time_ns)) < 0)
		store_txn_abort(t);
	else
		r = store_txn_commit(t, &how, &sn);
	store_limit(w->s, UINT64_MAX, 0);
	if (r == 1)
		sh->tree[i] = sn.tree;
	return r;
}

static void end_prune(struct writer *w)
{
	store_prune_end(w->prune, NULL);
	w->prune = NULL;
}

static int make_room(struct writer *w, bool more, struct room *room)
{
	double at = cpu();
	int r;

	sh->doing = PRUNING;
	end_prune(w);
	today()->made_room++;
	r = room_make(&w->cfg, w->s, more, 0, room);
	today()->prune_s += cpu() - at;
	sh->doing = TAKING;
	return r;
}

/* As snapd/take.c. */
static int take(struct writer *w, uint64_t i)
{
	struct room room;
	double at = cpu();
	int r = room_look(&w->cfg, w->s, &room);

	today()->take_s += cpu() - at;
	if (r == -EDQUOT || r == -ENOSPC)
		r = make_room(w, false, &room);
	at = cpu();
	if (r >= 0)
		r = commit(w, i, &room);
	today()->take_s += cpu() - at;
	for (int more = 1; more == 1 && (r == -EDQUOT || r == -ENOSPC);) {
		more = make_room(w, true, &room);
		r = more < 0 ? more : commit(w, i, &room);
	}
	if (r != 1)
		return wrong(r < 0 ? err_str(r) : "not written", i);
	sh->acked = i + 1;
	return 0;
}

static int check_size(struct writer *w)
{
	struct store_room m;
	int r = store_room(w->s, &w->cfg, &m);

	return r < 0 ? r : m.size > m.quota ? wrong("larger than its quota", sh->acked) : 0;
}

static int thin(struct writer *w)
{
	struct store_prune_options o = { .lazy = true };
	int r = 0;

	sh->doing = PRUNING;
	if (!w->prune) {
		store_keep_from(&w->cfg, &o.keep);
		r = store_prune_open(w->s, &o, &w->prune);
	}
	/* Between two snapshots there is time for many; sometimes for few. */
	for (uint32_t n = next(4) ? 200 : next(5); r >= 0 && w->prune && n > 0; n--) {
		double at = cpu(), took;

		r = store_prune_step(w->prune, 20);
		took = cpu() - at;
		today()->prune_s += took;
		today()->steps++;
		if (took > today()->step_s)
			today()->step_s = took;
		if (r == 0)
			end_prune(w);
	}
	if (r < 0)
		end_prune(w);
	return r < 0 ? wrong(err_str(r), sh->acked) : 0;
}

/* 1: one was made. */
static int run_helper(bool kill_it)
{
	char least[24], all[] = "100";
	pid_t pid;
	int status;

	(void)snprintf(least, sizeof(least), "%d", LEAST);
	if ((pid = fork()) < 0)
		return -errno;
	if (pid == 0) {
		execl(tidy_program, tidy_program, dir, least, all, (char *)NULL);
		_exit(127);
	}
	sh->helper = pid;
	if (kill_it) {
		uint32_t us = next(3) ? next(300000) : next(5000);

		(void)usleep(us);
		(void)kill(pid, SIGKILL);
	}
	(void)waitpid(pid, &status, 0);
	sh->helper = 0;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		return wrong("recover-tidy failed", sh->acked);
	return WEXITSTATUS(status) == EXIT_DONE;
}

static int tidy(struct writer *w)
{
	struct store_room m;
	struct tidied d;
	uint64_t bytes;
	uint32_t no;
	int r = store_room(w->s, &w->cfg, &m), err;

	sh->doing = TIDYING;
	if (r == 0)
		r = store_tidy_due(w->s, LEAST, 0, &no, &bytes);
	if (r <= 0 || store_room_left(&m, &err) < bytes) {
		sh->doing = COMPACTING;
		if (r >= 0)
			r = store_compact(w->s);
		return r < 0 ? wrong(err_str(r), sh->acked) : 0;
	}
	r = run_helper(sh->acked < total / 2 && next(3) == 0);
	if (r == 0) {
		today()->tidy_killed++;
		store_tidy_clean(w->s);
	}
	if (r <= 0)
		return r;
	sh->doing = MOVING;
	if ((r = store_tidy_take(w->s, &d)) < 0)
		return wrong(err_str(r), sh->acked);
	today()->tidied += d.segments;
	return 0;
}

static uint64_t resident(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long long n = 0;

	if (f && fscanf(f, "%*u %llu", &n) != 1)
		n = 0;
	if (f)
		(void)fclose(f);
	return n * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int end_of_day(struct writer *w)
{
	struct day *d = &sh->day[sh->acked / DAY - 1];
	struct store_totals t;
	int r = store_totals(w->s, &t);

	if (r < 0)
		return wrong(err_str(r), sh->acked);
	d->rss = resident();
	printf("day %2llu: %5llu snapshots, log %8llu, catalogue %8llu, at most %3.0f%% of the quota, memory %6llu KiB, %.0f us a snapshot,"
	       " %.2f s of prunes (%u steps, %.0f ms the longest, %u to make room), %u tidied, killed %u and %u\n",
		(unsigned long long)sh->acked / DAY, (unsigned long long)t.snapshots, (unsigned long long)t.log_bytes,
		(unsigned long long)t.catalogue_bytes, 100.0 * (double)d->most / (double)sh->quota, (unsigned long long)d->rss >> 10,
		d->take_s / DAY * 1e6, d->prune_s, d->steps, d->step_s * 1e3, d->made_room, d->tidied, d->killed, d->tidy_killed);
	(void)fflush(stdout);
	return 0;
}

static void set_clock(uint64_t i)
{
	char now[24];

	(void)snprintf(now, sizeof(now), "%llu", (unsigned long long)START + i * 30);
	(void)setenv("HOLDFAST_NOW", now, 1);
}

/* Where to go on: nothing that was acknowledged may be missing. */
static int find_place(struct writer *w, uint64_t *ret)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	int r = store_newest(w->s, &sn);

	if (r < 0 && r != -ENOENT)
		return wrong(err_str(r), sh->acked);
	*ret = r == 0 ? (uint64_t)(sn.time_ns / S - START) / 30 + 1 : 0;
	if (*ret < sh->acked || *ret > sh->acked + 1)
		return wrong("an acknowledged snapshot is gone", sh->acked);
	if (*ret)
		sh->tree[*ret - 1] = sn.tree;
	sh->acked = *ret;
	return 0;
}

static int go_on(struct writer *w)
{
	uint64_t i;
	int r = find_place(w, &i);

	for (; r == 0 && i < total; i++) {
		set_clock(i);
		sh->doing = TAKING;
		r = take(w, i);
		if (r == 0)
			r = check_size(w);
		if (r == 0 && (w->prune || i % HOUR == HOUR - 1))
			r = thin(w);
		else if (r == 0 && i % (2 * HOUR) == HOUR / 2)
			r = tidy(w);
		if (r >= 0)
			r = check_size(w);
		if (r == 0 && i % DAY == DAY - 1)
			r = end_of_day(w);
	}
	return r;
}

static int writer(void)
{
	struct store_options so = { .no_sync = true };
	struct writer w = { .prune = NULL };
	int r;

	sh->doing = OPENING;
	set_clock(sh->acked);
	if ((r = config_load(&w.cfg, NULL, NULL, NULL)) < 0 || (r = store_open(dir, STORE_WRITE, &so, &w.s)) < 0)
		return wrong(err_str(r), sh->acked);
	sh->quota = w.cfg.quota;
	r = go_on(&w);
	end_prune(&w);
	store_close(w.s);
	config_release(&w.cfg);
	return r;
}

/* ---- a reader beside it ---- */

static void damage(const struct store_damage *d, void *arg)
{
	(void)arg;
	printf("damage: %s %s\n", d->what, d->path ? d->path : "");
}

static int same_tree(const struct store_snapshot *sn, void *arg)
{
	uint64_t i = (uint64_t)(sn->time_ns / S - START) / 30;

	(void)arg;
	/* The newest may not have been noted yet. */
	if (i < sh->acked && memcmp(&sh->tree[i], &sn->tree, sizeof(sn->tree)) != 0)
		return wrong("its tree is another", i);
	return 0;
}

static int check_all(void)
{
	struct store_verify v = { .all = true, .damage = damage };
	struct store *s;
	int r = store_open(dir, STORE_READ, NULL, &s);

	if (r < 0)
		return r;
	r = store_verify(s, &v);
	if (r == 0)
		r = store_list(s, 0, same_tree, NULL);
	store_close(s);
	return r;
}

static pid_t reader(void)
{
	pid_t pid = fork();
	int r;

	if (pid)
		return pid;
	r = check_all();
	if (r)
		(void)wrong(r < 0 ? err_str(r) : "damage", sh->acked);
	_exit(r ? EXIT_NO : EXIT_DONE);
}

/* ---- who watches ---- */

static void add_files(const char *path, uint64_t *sum, char *text, size_t n)
{
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		size_t len = strlen(text);
		struct stat st;

		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		*sum += (uint64_t)st.st_blocks * 512;
		(void)snprintf(text + len, n - len, " %.20s %lldk", e->d_name, (long long)st.st_blocks / 2);
	}
	if (d)
		(void)closedir(d);
}

static void note_size(void)
{
	char log[PATH_MAX], text[400] = "";
	uint64_t n = 0;

	(void)snprintf(log, sizeof(log), "%s/log", dir);
	add_files(dir, &n, text, sizeof(text));
	add_files(log, &n, text, sizeof(text));
	if (n > today()->most)
		today()->most = n;
	if (n <= sh->most)
		return;
	sh->most = n;
	(void)snprintf(sh->most_text, sizeof(sh->most_text), "snapshot %llu, while %s:%.350s", (unsigned long long)sh->acked,
		doing_name[sh->doing], text);
}

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static uint64_t chance = 1;

static int64_t some_time(void)
{
	rng = chance;
	(void)next(1);
	chance = rng;
	/* At its start too, where it makes good what was left. */
	return next(4) ? 20000 + next(1500000) : next(20000);
}

static pid_t start_writer(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	_exit(writer() < 0 ? EXIT_NO : EXIT_DONE);
}

/* Until the writer has done all of it. 0, or something is wrong. */
static int watch(void)
{
	uint64_t days = 0;
	pid_t w = start_writer(), check = 0;
	int64_t at = now_us() + some_time();

	for (;;) {
		int status;
		pid_t p = waitpid(-1, &status, WNOHANG);

		if (p > 0 && p != w && WIFEXITED(status) && WEXITSTATUS(status) && p == check)
			return -1;
		if (p > 0 && p == check)
			check = 0;
		if (p > 0 && p == w && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
			w = start_writer();
			at = now_us() + some_time();
		} else if (p > 0 && p == w) {
			if (!WIFEXITED(status) || WEXITSTATUS(status))
				printf("WRONG: the writer ended with %x while %s\n", (unsigned)status, doing_name[sh->doing]);
			return !WIFEXITED(status) || WEXITSTATUS(status) || sh->broken;
		}
		note_size();
		if (!check && sh->acked / DAY > days) {
			days = sh->acked / DAY;
			check = reader();
		}
		if (sh->acked < total / 2 && now_us() >= at) {
			sh->killed[sh->doing]++;
			today()->killed++;
			(void)kill(w, SIGKILL);
			at = INT64_MAX;
		}
		(void)usleep(3000);
	}
}

/* What had no reason to grow. The first day of the half without kills is the measure. */
static int grown(void)
{
	const struct day *a = &sh->day[total / 2 / DAY + 1], *b = &sh->day[total / DAY - 1];

	printf("memory %llu KiB, then %llu KiB; %.0f us a snapshot, then %.0f; the store at most %.1f %% of its quota (%s)\n",
		(unsigned long long)a->rss >> 10, (unsigned long long)b->rss >> 10, a->take_s / DAY * 1e6, b->take_s / DAY * 1e6,
		100.0 * (double)sh->most / (double)sh->quota, sh->most_text);
	printf("killed while");
	for (int i = 0; i < DOING_MAX; i++)
		printf("%s %s: %u", i ? "," : "", doing_name[i], sh->killed[i]);
	printf("\n");
	return b->rss > a->rss + a->rss / 5 + (1 << 20) || b->take_s > a->take_s * 1.5 || sh->most > sh->quota;
}

static int setup(const char *quota)
{
	static char config[PATH_MAX], state[PATH_MAX];
	ssize_t k = readlink("/proc/self/exe", tidy_program, sizeof(tidy_program) - 40);
	size_t n = sizeof(*sh) + (total + 1) * sizeof(sh->tree[0]);
	char *slash;
	FILE *f;

	numbers = strtoull(quota, NULL, 10) * 1024 / DAY;
	if (numbers > NUMBERS_MAX)
		numbers = NUMBERS_MAX;
	tidy_program[k > 0 ? k : 0] = 0;
	for (int i = 0; i < 2 && (slash = strrchr(tidy_program, '/')); i++)
		*slash = 0;
	(void)strcat(tidy_program, "/recover-tidy");
	(void)snprintf(config, sizeof(config), "%s.config", dir);
	(void)snprintf(state, sizeof(state), "%s.state", dir);
	if (!(f = fopen(config, "we")) || fprintf(f, "[store]\n\tquota = %sk\n\tfreeFloor = 0\n", quota) < 0 || fclose(f))
		return -errno;
	(void)setenv("HOLDFAST_CONFIG", config, 1);
	(void)setenv("HOLDFAST_STATE", state, 1);
	sh = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	/* Whom a killed writer leaves behind is ours. */
	return sh == MAP_FAILED || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ? -errno : 0;
}

int main(int argc, char **argv)
{
	int r;

	log_init("tool_soak", LOG_ERROR);
	dir = argc > 1 ? argv[1] : "";
	total = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
	if (total < 4 * DAY || total / DAY >= DAYS_MAX - 1) {
		log_error("usage: tool_soak STORE SNAPSHOTS [SEED [QUOTA_KIB]]; at least %d SNAPSHOTS", 4 * DAY);
		return EXIT_USAGE;
	}
	printf("seed %llu\n", (unsigned long long)seed);
	(void)fflush(stdout);
	chance = seed;
	if ((r = setup(argc > 4 ? argv[4] : "65536")) < 0) {
		log_error_errno(r, "%s", dir);
		return EXIT_ENV;
	}
	r = watch();
	while (waitpid(-1, NULL, 0) > 0)
		;
	if (r == 0 && (r = check_all()) != 0)
		printf("WRONG: at the end: %s\n", r < 0 ? err_str(r) : "damage");
	return grown() || r || sh->broken ? EXIT_NO : EXIT_DONE;
}
