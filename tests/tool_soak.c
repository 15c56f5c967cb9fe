/* tests/tool_soak.c - weeks of work in a minute: a snapshot every 30 s of a clock of its own, pruned every hour.
 *
 *	tool_soak STORE SNAPSHOTS [SEED]
 *
 * Sixty files, of which one to three change each time as source text does: some lines. A line a day to stdout: snapshots
 * that are there, bytes of the log and the catalogue, memory, CPU for a snapshot and for a prune. Then all that is kept is
 * verified, byte by byte; exit 1 if something is wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "lib/err.h"
#include "lib/log.h"
#include "store/store.h"

#define S INT64_C(1000000000)
#define FILES 60
#define LINES 400

static uint64_t rng;
static double longest;		/* step of a prune, today */
static uint32_t word[FILES][LINES];

static uint32_t next(uint32_t n)
{
	rng = rng * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rng >> 33) % n;
}

static double cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int put(struct store_txn *t, uint32_t f, int64_t now)
{
	static char text[LINES * 40];
	struct stat st = { .st_mode = S_IFREG | 0644, .st_mtim = { now / S, 0 } };
	char path[40];
	size_t n = 0;

	for (uint32_t i = 0; i < LINES; i++)
		n += (size_t)sprintf(text + n, "x%u = f(%u, %u)\n", word[f][i] % 97, word[f][i], i);
	st.st_size = (off_t)n;
	(void)snprintf(path, sizeof(path), "src/m%u/file%u.py", f % 7, f);
	return store_txn_bytes(t, path, &st, text, n);
}

static int take(struct store *s, uint32_t i, int64_t now)
{
	struct store_commit how = { .reason = REASON_INTERVAL, .time_ns = now };
	struct store_txn *t;
	int r = store_txn_begin(s, &t);

	if (r < 0)
		return r;
	for (uint32_t k = i ? 1 + next(3) : FILES; r == 0 && k > 0; k--) {
		/* Four files are worked on in each hour, and seldom another. */
		uint32_t hour = i / 120, f = !i ? k - 1 : next(20) ? (hour * 7 + next(4)) % FILES : next(FILES);

		for (uint32_t line = next(LINES), n = 1 + next(4); n > 0; n--)
			word[f][(line + n) % LINES] = next(1u << 30);
		r = put(t, f, now);
	}
	if (r < 0) {
		store_txn_abort(t);
		return r;
	}
	return store_txn_commit(t, &how, NULL);
}

static int prune(struct store *s, int64_t now)
{
	struct store_prune_options o = { .now_ns = now, .lazy = true,
		.keep = { .all_s = 86400, .ten_minutes_s = 7 * 86400, .hourly_s = 30 * 86400, .daily_s = 365 * 86400, .grace_s = 7200 } };
	struct store_prune *p;
	int r = store_prune_open(s, &o, &p);

	if (r < 0)
		return r;
	for (double at = cpu();; at = cpu()) {
		r = store_prune_step(p, 20);
		longest = cpu() - at > longest ? cpu() - at : longest;
		if (r != 1)
			break;
	}
	store_prune_end(p, NULL);
	return r;
}

static void damage(const struct store_damage *d, void *arg)
{
	(void)arg;
	printf("damage: %s %s\n", d->what, d->path ? d->path : "");
}

static int run(struct store *s, uint32_t n)
{
	int64_t now = 1700000000 * S;
	double day = 0, pruning = 0;
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < n; i++, now += 30 * S) {
		double start = cpu(), end;

		r = take(s, i, now);
		end = cpu();
		day += end - start;
		if (r >= 0 && i % 120 == 119)
			r = prune(s, now);
		pruning += cpu() - end;
		if (r >= 0 && i % 2880 == 2879) {
			struct store_totals t;
			struct rusage u;

			if ((r = store_totals(s, &t)) < 0)
				break;
			getrusage(RUSAGE_SELF, &u);
			printf("day %2u: %5llu snapshots, log %8llu, catalogue %8llu, peak %6ld KiB, %.0f us a snapshot, %.1f ms a prune, %.0f its longest step\n",
				i / 2880 + 1, (unsigned long long)t.snapshots, (unsigned long long)t.log_bytes,
				(unsigned long long)t.catalogue_bytes, u.ru_maxrss, day / 2880 * 1e6, pruning / 24 * 1e3, longest * 1e3);
			(void)fflush(stdout);
			day = pruning = longest = 0;
		}
	}
	return r;
}

int main(int argc, char **argv)
{
	struct store_options so = { .no_sync = true };
	struct store_verify v = { .all = true, .damage = damage };
	struct store *s;
	int r;

	log_init("tool_soak", LOG_INFO);
	if (argc < 3)
		return EXIT_USAGE;
	rng = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
	r = store_open(argv[1], STORE_WRITE, &so, &s);
	if (r == 0) {
		r = run(s, (uint32_t)atoi(argv[2]));
		if (r >= 0)
			r = store_verify(s, &v);
		store_close(s);
	}
	if (r < 0)
		log_error_errno(r, "%s", argv[1]);
	return r < 0 ? EXIT_ENV : r ? EXIT_NO : EXIT_DONE;
}
