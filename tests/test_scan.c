/* The workspace as snapshots see it, against an independent walk of it. */
#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/auto.h"
#include "lib/buf.h"
#include "lib/io.h"
#include "scan/scan.h"
#include "scan/temporary.h"

struct world {
	char top[200], work[220], store_path[220];
	struct config cfg;
	struct scan *s;
	struct store *st;
};

static void world_close(struct world *w)
{
	scan_close(w->s);
	store_close(w->st);
	w->s = NULL;
	w->st = NULL;
}

static void world_open(struct world *w)
{
	const struct store_options so = { .workspace = w->work, .no_sync = true };
	const struct scan_options opt = { .cfg = &w->cfg };

	ck_assert_int_eq(store_open(w->store_path, STORE_WRITE, &so, &w->st), 0);
	ck_assert_int_eq(scan_open(w->work, &opt, &w->s), 0);
}

static struct world *world_new(void)
{
	static struct world w;

	(void)snprintf(w.top, sizeof(w.top), "%s", check_dir(NULL));
	(void)snprintf(w.work, sizeof(w.work), "%s/w", w.top);
	(void)snprintf(w.store_path, sizeof(w.store_path), "%s/s", w.top);
	ck_assert_int_eq(mkdir(w.work, 0755), 0);
	ck_assert_int_eq(chdir(w.work), 0);
	w.cfg = (struct config){ .gitignore = true, .default_excludes = true, .max_file_size = 1 << 20 };
	world_open(&w);
	return &w;
}

static int take(struct world *w, struct store_snapshot *ret)
{
	const struct store_commit how = { .reason = REASON_MANUAL };

	return scan_snapshot(w->s, w->st, &how, ret);
}

/* How many entries the snapshot has; 0 if there was nothing new. */
static uint64_t taken(struct world *w)
{
	struct store_snapshot sn;
	uint64_t n;
	int r = take(w, &sn);

	ck_assert_msg(r >= 0, "snapshot: %s", strerror(-r));
	n = r ? sn.changed : 0;
	store_snapshot_release(&sn);
	return n;
}

static void put(const char *path, const char *text)
{
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(io_write_all(fd, text, strlen(text)), 0);
}

static struct store_entry now(struct world *w, const char *path)
{
	struct store_entry e;
	int r = store_cur_get(w->st, path, &e);

	if (r == -ENOENT)
		e = (struct store_entry){ .kind = KIND_GONE };
	else
		ck_assert_int_eq(r, 0);
	return e;
}

/* ---- the independent walk ------------------------------------------------------ */

static struct world *walked;
static uint64_t n_walked;

static int check_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	struct store_entry e;

	(void)type, (void)at;
	path += strlen(walked->work);
	path += *path == '/';
	n_walked++;
	ck_assert_msg(store_cur_get(walked->st, path, &e) == 0, "%s is not in the store", path);
	ck_assert_msg(e.mode == st->st_mode, "%s: mode %o, not %o", path, e.mode, st->st_mode);
	ck_assert_msg(e.mtime_ns == (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
		"%s: mtime", path);
	if (S_ISREG(st->st_mode)) {
		autoput(buf_release) struct buf a = BUF_INIT, b = BUF_INIT;

		ck_assert_int_eq(e.kind, KIND_FILE);
		ck_assert_int_ge(io_read_file(AT_FDCWD, *path ? path : ".", 1 << 24, &a), 0);
		ck_assert_int_eq(store_read_blob(walked->st, &e.oid, 1 << 24, &b), 0);
		ck_assert_msg(a.len == b.len && (!a.len || !memcmp(a.data, b.data, a.len)), "%s: content", path);
	} else if (S_ISLNK(st->st_mode)) {
		autoput(buf_release) struct buf b = BUF_INIT;
		char target[PATH_MAX];
		ssize_t n = readlink(path, target, sizeof(target));

		ck_assert_int_eq(e.kind, KIND_LINK);
		ck_assert_int_eq(store_read_blob(walked->st, &e.oid, PATH_MAX, &b), 0);
		ck_assert(n == (ssize_t)b.len && !memcmp(target, b.data, b.len));
	} else {
		ck_assert_int_eq(e.kind, KIND_DIR);
	}
	return 0;
}

static int count_one(const char *path, const struct store_entry *e, void *arg)
{
	(void)path;
	*(uint64_t *)arg += e->kind != KIND_GONE && e->kind != KIND_SKIPPED && *path;
	return 0;
}

static void same_as_workspace(struct world *w)
{
	struct store_snapshot sn;
	uint64_t n = 0;

	walked = w;
	n_walked = 0;
	ck_assert_int_eq(nftw(w->work, check_one, 16, FTW_PHYS), 0);
	ck_assert_int_eq(store_newest(w->st, &sn), 0);
	ck_assert_int_ge(store_walk_at(w->st, sn.seq, "", count_one, &n), 0);
	store_snapshot_release(&sn);
	ck_assert_uint_eq(n + 1, n_walked);
}

static int no_difference(const char *path, const struct store_entry *was, const struct store_entry *is, void *arg)
{
	(void)arg;
	ck_abort_msg("%s differs: kind %d/%d mode %o/%o", path, was->kind, is->kind, was->mode, is->mode);
	return 0;
}

static void no_diff(struct world *w)
{
	struct store_snapshot sn;

	ck_assert_int_eq(store_newest(w->st, &sn), 0);
	ck_assert_int_eq(scan_diff(w->s, w->st, sn.seq, NULL, no_difference, NULL), 0);
	store_snapshot_release(&sn);
}

/* ---- tests ----------------------------------------------------------------------- */

static void random_name(char *out)
{
	static const char *const parts[] = { "a", "b", "c", "d d", "\xff", "e.txt", "-f", "g\n", "h" };
	size_t n = 0;

	for (uint64_t k = 1 + check_below(3); k--;)
		n += (size_t)sprintf(out + n, "%s%s", parts[check_below(9)], k ? "/" : "");
}

static void random_step(void)
{
	char a[64], b[64], text[64];

	random_name(a);
	random_name(b);
	switch (check_below(9)) {
	case 0:
	case 1:
		(void)mkdir(a, check_below(2) ? 0755 : 0700);
		break;
	case 2:
		(void)rename(a, b);
		break;
	case 3:
		(void)unlink(a);
		break;
	case 4:
		(void)rmdir(a);
		break;
	case 5:
		if (symlink(b, a) < 0)
			return;
		break;
	case 6:
		(void)chmod(a, check_below(2) ? 0700 : 0755);	/* a folder must stay readable */
		break;
	default: {
		int fd = open(a, O_WRONLY | O_CREAT | (check_below(2) ? O_TRUNC : O_APPEND) | O_NOFOLLOW | O_CLOEXEC, 0644);

		if (fd >= 0) {
			(void)sprintf(text, "%llx", (unsigned long long)check_rand());
			(void)io_write_all(fd, text, check_below(16));
			(void)close(fd);
		}
	}
	}
}

START_TEST(scan__equals_an_independent_walk_after_random_steps)
{
	struct world *w = world_new();
	struct store_snapshot sn;

	for (int round = 0; round < 150; round++) {
		for (uint64_t k = 1 + check_below(30); k--;)
			random_step();
		ck_assert_int_ge(take(w, &sn), 0);
		store_snapshot_release(&sn);
		same_as_workspace(w);
		no_diff(w);
		if (check_below(10) == 0) {
			world_close(w);
			world_open(w);
		}
		ck_assert_uint_eq(taken(w), 0);
	}
	world_close(w);
}
END_TEST

START_TEST(scan_path__takes_one_path_and_what_it_implies)
{
	struct world *w = world_new();
	struct store_txn *t;
	const struct store_commit how = { .reason = REASON_INTERVAL };

	ck_assert_int_eq(mkdir("d", 0755), 0);
	ck_assert_int_eq(mkdir("d/e", 0755), 0);
	put("d/e/f", "one");
	put("d/g", "two");
	ck_assert_uint_eq(taken(w), 5);

	put("d/e/f", "three");
	put("d/g", "not looked at");
	ck_assert_int_eq(store_txn_begin(w->st, &t), 0);
	ck_assert_int_eq(scan_path(w->s, w->st, t, "d/e/f", SCAN_SELF, true), 0);
	ck_assert_int_eq(store_txn_commit(t, &how, NULL), 1);
	ck_assert_uint_eq(now(w, "d/e/f").size, 5);
	ck_assert_uint_eq(now(w, "d/g").size, 3);

	ck_assert_int_eq(store_txn_begin(w->st, &t), 0);
	ck_assert_int_eq(scan_path(w->s, w->st, t, "d", SCAN_LIST, false), 0);
	ck_assert_int_eq(store_txn_commit(t, &how, NULL), 1);
	ck_assert_uint_eq(now(w, "d/g").size, 13);

	/* The parent became a link: what is asked about below it is gone. */
	ck_assert_int_eq(rename("d", "moved"), 0);
	ck_assert_int_eq(symlink("moved", "d"), 0);
	ck_assert_int_eq(store_txn_begin(w->st, &t), 0);
	ck_assert_int_eq(scan_path(w->s, w->st, t, "d/e/f", SCAN_SELF, true), 0);
	ck_assert_int_eq(store_txn_commit(t, &how, NULL), 1);
	ck_assert_int_eq(now(w, "d").kind, KIND_LINK);
	ck_assert_int_eq(now(w, "d/e/f").kind, KIND_GONE);
	ck_assert_int_eq(now(w, "moved").kind, KIND_GONE);
	ck_assert_uint_gt(taken(w), 0);
	same_as_workspace(w);
	world_close(w);
}
END_TEST

START_TEST(scan__names_what_it_skips)
{
	struct world *w = world_new();
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "socket" };
	autoclose int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	put(".gitignore", "*.log\n");
	put("x.log", "ignored");
	put("big", "");
	ck_assert_int_eq(truncate("big", (1 << 20) + 1), 0);
	put(".env.big", "");
	ck_assert_int_eq(truncate(".env.big", (1 << 20) + 1), 0);
	ck_assert_int_eq(mkfifo("pipe", 0600), 0);
	ck_assert_int_eq(bind(sock, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(mkdir("node_modules", 0755), 0);
	put("node_modules/x", "x");
	ck_assert_int_eq(mkdir(".git", 0755), 0);
	ck_assert_uint_gt(taken(w), 0);
	ck_assert_int_eq(now(w, "x.log").why, WHY_IGNORED);
	ck_assert_int_eq(now(w, "big").why, WHY_TOO_LARGE);
	ck_assert_int_eq(now(w, ".env.big").kind, KIND_FILE);
	ck_assert_int_eq(now(w, "pipe").why, WHY_SPECIAL);
	ck_assert_int_eq(now(w, "socket").why, WHY_SPECIAL);
	ck_assert_int_eq(now(w, "node_modules").why, WHY_EXCLUDED);
	ck_assert_int_eq(now(w, "node_modules/x").kind, KIND_GONE);
	ck_assert_int_eq(now(w, ".git").kind, KIND_GONE);

	/* A log that is ignored and grows is no reason for a snapshot. */
	put("x.log", "ignored, and longer");
	ck_assert_uint_eq(taken(w), 0);
	/* What comes under a rule leaves; what leaves a rule comes. */
	put(".gitignore", "*.txt\n");
	put("a.txt", "");
	(void)taken(w);
	ck_assert_int_eq(now(w, "x.log").kind, KIND_FILE);
	ck_assert_int_eq(now(w, "a.txt").why, WHY_IGNORED);
	no_diff(w);
	world_close(w);
}
END_TEST

START_TEST(scan__goes_deeper_than_a_path_may_be_long)
{
	struct world *w = world_new();
	char name[201];
	int r, depth = 60;

	memset(name, 'n', 200);
	name[200] = '\0';
	for (int i = 0; i < depth; i++) {
		ck_assert_int_eq(mkdir(name, 0755), 0);
		ck_assert_int_eq(chdir(name), 0);
	}
	put("bottom", "here");
	ck_assert_int_eq(chdir(w->work), 0);
	ck_assert_uint_eq(taken(w), (uint64_t)depth + 2);
	ck_assert_uint_eq(taken(w), 0);
	no_diff(w);
	/* Take it down again: the tools at the end may not manage. */
	for (int i = 0; i < depth; i++)
		ck_assert_int_eq(chdir(name), 0);
	ck_assert_int_eq(unlink("bottom"), 0);
	for (int i = 0; i < depth; i++) {
		ck_assert_int_eq(chdir(".."), 0);
		r = rmdir(name);
		ck_assert_int_eq(r, 0);
	}
	ck_assert_uint_gt(taken(w), 0);
	same_as_workspace(w);
	world_close(w);
}
END_TEST

START_TEST(scan__takes_no_lack_of_descriptors_for_a_deletion)
{
	struct world *w = world_new();
	struct rlimit limit, small;
	struct store_snapshot sn;

	ck_assert_int_eq(mkdir("d", 0755), 0);
	put("d/x", "one");
	put("d/y", "two");
	ck_assert_uint_eq(taken(w), 4);
	put("d/x", "changed");
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	for (rlim_t n = 3; n < 40; n++) {
		small = (struct rlimit){ n, limit.rlim_max };
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &small), 0);
		if (take(w, &sn) >= 0)
			store_snapshot_release(&sn);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		ck_assert_int_eq(now(w, "d/x").kind, KIND_FILE);
		ck_assert_int_eq(now(w, "d/y").kind, KIND_FILE);
		ck_assert_int_eq(now(w, "d/y").flags & ENTRY_KEPT, 0);
	}
	(void)taken(w);
	same_as_workspace(w);
	world_close(w);
}
END_TEST

START_TEST(scan__reports_no_deletion_of_a_workspace_that_is_gone)
{
	struct world *w = world_new();
	char away[240];
	struct store_snapshot sn;

	put("x", "one");
	ck_assert_uint_eq(taken(w), 2);
	(void)snprintf(away, sizeof(away), "%s-away", w->work);
	ck_assert_int_eq(rename(w->work, away), 0);
	ck_assert_int_eq(take(w, &sn), -ENOENT);
	ck_assert_int_eq(mkdir(w->work, 0755), 0);
	ck_assert_int_eq(take(w, &sn), -ENOENT);
	ck_assert_int_eq(now(w, "x").kind, KIND_FILE);
	world_close(w);
}
END_TEST

/* Same size, and the times put back: only ctime tells. */
START_TEST(scan__sees_a_change_that_hides_its_time)
{
	struct world *w = world_new();
	struct timespec t[2];
	struct stat st;

	put("x", "one");
	ck_assert_uint_eq(taken(w), 2);
	ck_assert_int_eq(stat("x", &st), 0);
	t[0] = st.st_atim;
	t[1] = st.st_mtim;
	put("x", "two");
	ck_assert_int_eq(utimensat(AT_FDCWD, "x", t, 0), 0);
	ck_assert_uint_ge(taken(w), 1);
	same_as_workspace(w);
	world_close(w);
}
END_TEST

/* Just before the watch stands: no event will tell of it. */
static int come_and_go(const char *dir, int dirfd, void *arg)
{
	int *left = arg;

	if (strcmp(dir, "d") == 0 && (*left)-- > 0) {
		ck_assert_int_eq(mkdirat(dirfd, "x", 0755), 0);
		ck_assert_int_eq(unlinkat(dirfd, "x", AT_REMOVEDIR), 0);
		ck_assert_int_eq(futimens(dirfd, (struct timespec[]){ { 0, UTIME_NOW }, { 12345, 678 } }), 0);
	}
	return 0;
}

START_TEST(scan__has_the_time_a_folder_has_once_it_is_watched)
{
	struct world *w = world_new();
	int left = 1;
	const struct scan_options opt = { .cfg = &w->cfg, .before_list = come_and_go, .arg = &left };

	ck_assert_int_eq(mkdir("d", 0755), 0);
	put("d/f", "one");
	scan_close(w->s);
	ck_assert_int_eq(scan_open(w->work, &opt, &w->s), 0);
	ck_assert_uint_ge(taken(w), 2);
	ck_assert_int_eq(now(w, "d").mtime_ns, INT64_C(12345000000678));
	same_as_workspace(w);
	ck_assert_uint_eq(taken(w), 0);
	world_close(w);
}
END_TEST

/* A restore's temporaries are its own by their number; a user's file may be called alike. */
START_TEST(scan__leaves_out_a_restores_temporaries_and_no_others)
{
	static const uint8_t head[] = "HFRJ\r\n1\n" "\x40\0\0\0" "\1\2\3\4" "H" "\7\0\0\0\0\0\0\0";
	struct world *w = world_new();
	char ours[256], path[300];

	temporary_name(7, "d/f", "f", ours);
	(void)snprintf(path, sizeof(path), "d/%s", ours);
	ck_assert_int_eq(mkdir("d", 0755), 0);
	put("d/f", "one");
	put(".notes.hf-20261128", "mine");
	put(path, "half");
	ck_assert_int_eq(io_replace_file(store_dirfd(w->st), TEMPORARY_JOURNAL, head, sizeof(head) - 1, 0600), 0);
	ck_assert_uint_ge(taken(w), 3);
	ck_assert_int_eq(now(w, ".notes.hf-20261128").kind, KIND_FILE);
	ck_assert_int_eq(now(w, path).kind, KIND_GONE);
	/* the same name in another folder is nothing of it */
	ck_assert_int_eq(rename(path, ours), 0);
	ck_assert_uint_ge(taken(w), 1);
	ck_assert_int_eq(now(w, ours).kind, KIND_FILE);
	ck_assert_int_eq(rename(ours, path), 0);
	ck_assert_uint_ge(taken(w), 1);
	ck_assert_int_eq(now(w, path).kind, KIND_GONE);
	/* once nothing is under way, what is there is the user's */
	ck_assert_int_eq(unlinkat(store_dirfd(w->st), TEMPORARY_JOURNAL, 0), 0);
	ck_assert_uint_ge(taken(w), 1);
	ck_assert_int_eq(now(w, path).kind, KIND_FILE);
	same_as_workspace(w);
	world_close(w);
}
END_TEST

CHECK_MAIN("scan", scan__equals_an_independent_walk_after_random_steps,
	scan_path__takes_one_path_and_what_it_implies, scan__names_what_it_skips,
	scan__goes_deeper_than_a_path_may_be_long, scan__takes_no_lack_of_descriptors_for_a_deletion,
	scan__reports_no_deletion_of_a_workspace_that_is_gone, scan__sees_a_change_that_hides_its_time,
	scan__has_the_time_a_folder_has_once_it_is_watched,
	scan__leaves_out_a_restores_temporaries_and_no_others)
