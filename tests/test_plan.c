#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recover/journal.h"
#include "recover/plan.h"

static const struct plan_options elsewhere = { .no_known = true };
static const struct plan_options deleting = { .no_known = true, .delete_ok = true };

static struct store_entry want(enum store_kind kind, const char *content)
{
	struct store_entry e = { .kind = kind, .mode = kind == KIND_DIR ? 040755 : kind == KIND_LINK ? 0120777 : 0100644,
		.mtime_ns = INT64_C(1700000000123456789) };

	if (content) {
		e.size = strlen(content);
		store_hash("blob", content, e.size, &e.oid);
	}
	return e;
}

static void target(struct targets *t, const char *path, enum store_kind kind, const char *content)
{
	struct store_entry e = want(kind, content);

	targets_add(t, path, &e, false);
}

static void put(int root, const char *path, const char *content)
{
	int fd = openat(root, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	struct timespec when[2] = { { .tv_nsec = UTIME_OMIT }, { 1700000000, 123456789 } };

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, content, strlen(content)), (int)strlen(content));
	ck_assert_int_eq(fchmod(fd, 0644), 0);
	ck_assert_int_eq(futimens(fd, when), 0);
	close(fd);
}

static enum plan_action action(const struct plan *p, const char *path)
{
	for (size_t i = 0; i < p->n; i++)
		if (!strcmp(p->item[i].path, path))
			return p->item[i].action;
	ck_abort_msg("%s is not in the plan", path);
	return PLAN_NOTHING;
}

START_TEST(plan__says_what_each_path_takes)
{
	struct targets t = { 0 };
	struct plan p;
	int root;

	check_dir(&root);
	ck_assert_int_eq(mkdirat(root, "d", 0755), 0);
	put(root, "same", "abc");
	put(root, "other", "abd");
	put(root, "mode", "abc");
	ck_assert_int_eq(fchmodat(root, "mode", 0600, 0), 0);
	put(root, "extra", "x");
	ck_assert_int_eq(symlinkat("t", root, "link"), 0);
	ck_assert_int_eq(mkfifoat(root, "fifo", 0600), 0);
	target(&t, "same", KIND_FILE, "abc");
	target(&t, "other", KIND_FILE, "abc");
	target(&t, "mode", KIND_FILE, "abc");
	target(&t, "new", KIND_FILE, "abc");
	target(&t, "extra", KIND_GONE, NULL);
	target(&t, "extra", KIND_GONE, NULL);
	target(&t, "notthere", KIND_GONE, NULL);
	target(&t, "link", KIND_FILE, "t");
	target(&t, "fifo", KIND_FILE, "t");
	target(&t, "d", KIND_FILE, "abc");
	target(&t, "newdir", KIND_DIR, NULL);
	target(&t, "newdir/f", KIND_FILE, "abc");
	target(&t, "a/../b", KIND_FILE, "abc");
	target(&t, "x/.GIT/config", KIND_FILE, "abc");
	targets_sort(&t);
	ck_assert_int_eq(plan_build(NULL, root, &t, &elsewhere, &p), 0);
	ck_assert_int_eq(action(&p, "same"), PLAN_NOTHING);
	ck_assert_int_eq(action(&p, "other"), PLAN_REPLACE);
	ck_assert_int_eq(action(&p, "mode"), PLAN_META);
	ck_assert_int_eq(action(&p, "new"), PLAN_CREATE);
	ck_assert_int_eq(action(&p, "extra"), PLAN_DELETE);
	ck_assert_int_eq(action(&p, "notthere"), PLAN_NOTHING);
	ck_assert_int_eq(action(&p, "link"), PLAN_REPLACE);
	ck_assert_int_eq(action(&p, "fifo"), PLAN_BLOCKED);
	ck_assert_int_eq(action(&p, "d"), PLAN_BLOCKED);
	ck_assert_int_eq(action(&p, "newdir"), PLAN_CREATE);
	ck_assert_int_eq(action(&p, "newdir/f"), PLAN_CREATE);
	ck_assert_int_eq(action(&p, "a/../b"), PLAN_BLOCKED);
	ck_assert_int_eq(action(&p, "x/.GIT/config"), PLAN_BLOCKED);
	ck_assert_uint_eq(p.files[PLAN_DELETE], 1);
	plan_release(&p);
	ck_assert_int_eq(plan_build(NULL, root, &t, &deleting, &p), 0);
	ck_assert_int_eq(action(&p, "d"), PLAN_REPLACE);
	plan_release(&p);
	targets_release(&t);
}
END_TEST

START_TEST(plan__looks_through_no_link)
{
	struct targets t = { 0 };
	struct plan p;
	int root, outside;

	check_dir(&root);
	check_dir(&outside);
	put(outside, "f", "abc");
	ck_assert_int_eq(symlinkat("..", root, "up"), 0);
	target(&t, "up", KIND_DIR, NULL);
	target(&t, "up/f", KIND_FILE, "abc");
	targets_sort(&t);
	ck_assert_int_eq(plan_build(NULL, root, &t, &elsewhere, &p), 0);
	ck_assert_int_eq(action(&p, "up"), PLAN_REPLACE);
	ck_assert_int_eq(action(&p, "up/f"), PLAN_CREATE);
	plan_release(&p);
	t.t[0].parent = true;
	ck_assert_int_eq(plan_build(NULL, root, &t, &elsewhere, &p), 0);
	ck_assert_int_eq(action(&p, "up"), PLAN_BLOCKED);
	ck_assert_int_eq(action(&p, "up/f"), PLAN_BLOCKED);
	plan_release(&p);
	targets_release(&t);
}
END_TEST

START_TEST(targets__what_is_wanted_wins)
{
	struct targets t = { 0 };
	struct store_entry dir = want(KIND_DIR, NULL);

	target(&t, "a", KIND_GONE, NULL);
	targets_add(&t, "a", &dir, true);
	target(&t, "a", KIND_FILE, "x");
	targets_add(&t, "b", &dir, true);
	target(&t, "b", KIND_DIR, NULL);
	targets_sort(&t);
	ck_assert_uint_eq(t.n, 2);
	ck_assert_int_eq(t.t[0].want.kind, KIND_FILE);
	ck_assert(!t.t[1].parent);
	targets_release(&t);
}
END_TEST

static void fill(struct plan *p, struct targets *t, int root)
{
	target(t, "", KIND_DIR, NULL);
	target(t, "dir", KIND_DIR, NULL);
	target(t, "dir/\n\xff", KIND_FILE, "abc");
	target(t, "link", KIND_LINK, "to");
	targets_sort(t);
	ck_assert_int_eq(plan_build(NULL, root, t, &elsewhere, p), 0);
}

START_TEST(journal__comes_back_whole_or_not_at_all)
{
	struct journal j = { .fd = -1, .op = 0x1234567890abcdef, .delete_ok = true, .time_ns = 77, .safety_seq = 9,
		.workspace = (char *)(uintptr_t)"/w" }, k;
	struct targets t = { 0 };
	struct buf b = BUF_INIT;
	struct plan p;
	int root;

	check_dir(&root);
	fill(&p, &t, root);
	ck_assert_int_eq(journal_format(&j, &p, &b), 0);
	ck_assert_int_eq(journal_parse(b.data, b.len, &k), 0);
	ck_assert(k.op == j.op && k.delete_ok && !k.undo && k.time_ns == 77 && k.safety_seq == 9);
	ck_assert_str_eq(k.workspace, "/w");
	ck_assert_uint_eq(k.targets.n, 4);
	ck_assert_str_eq(k.targets.t[2].path, "dir/\n\xff");
	ck_assert_mem_eq(&k.targets.t[2].want.oid, &t.t[2].want.oid, 20);
	ck_assert_int_eq(k.targets.t[2].want.mtime_ns, t.t[2].want.mtime_ns);
	journal_release(&k);
	for (size_t n = 0; n < b.len; n++)
		ck_assert_msg(journal_parse(b.data, n, &k) == -ENODATA, "cut at %zu", n);
	for (size_t n = 0; n < b.len; n++) {
		char was = b.data[n];

		b.data[n] = (char)(was ^ (1 << check_below(8)));
		ck_assert_msg(journal_parse(b.data, b.len, &k) == -EBADMSG, "a flipped bit at %zu", n);
		b.data[n] = was;
	}
	plan_release(&p);
	targets_release(&t);
	buf_release(&b);
}
END_TEST

START_TEST(journal__one_at_a_time)
{
	struct journal j = { .fd = -1, .workspace = (char *)(uintptr_t)"/w" }, second = j, k;
	struct targets t = { 0 };
	struct plan p;
	int root, store;

	check_dir(&root);
	check_dir(&store);
	fill(&p, &t, root);
	ck_assert_int_eq(journal_resume(store, &k), -ENOENT);
	ck_assert_int_eq(journal_last(store, &k), -ENOENT);
	ck_assert_int_eq(journal_begin(store, &j, &p), 0);
	ck_assert_int_eq(journal_begin(store, &second, &p), -EBUSY);
	ck_assert_int_eq(journal_resume(store, &k), -EBUSY);
	close(j.fd);	/* as when it is killed */
	ck_assert_int_eq(journal_begin(store, &second, &p), -EBUSY);
	ck_assert_int_eq(journal_resume(store, &k), 0);
	ck_assert_int_eq(journal_end(store, &k), 0);
	journal_release(&k);
	ck_assert_int_eq(journal_last(store, &k), 0);
	journal_release(&k);
	ck_assert_int_eq(journal_begin(store, &second, &p), 0);
	journal_drop(store, &second);
	ck_assert_int_eq(journal_resume(store, &k), -ENOENT);
	plan_release(&p);
	targets_release(&t);
}
END_TEST

START_TEST(journal__temporaries_fit_any_name)
{
	char name[256], out[256];

	memset(name, 'n', 255);
	name[255] = 0;
	temporary_name(7, name, name, out);
	ck_assert_uint_eq(strlen(out), 255);
	temporary_name(7, "d/f", "f", out);
	ck_assert_uint_eq(strlen(out), strlen(".f.hf-12345678"));
	ck_assert_int_eq(strncmp(out, ".f.hf-", 6), 0);
}
END_TEST

CHECK_MAIN("plan", plan__says_what_each_path_takes, plan__looks_through_no_link, targets__what_is_wanted_wins,
	journal__comes_back_whole_or_not_at_all, journal__one_at_a_time, journal__temporaries_fit_any_name)
