/* The ignore rules, against git itself and against what scan.h says. */
#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/auto.h"
#include "lib/buf.h"
#include "lib/io.h"
#include "scan/scan.h"
#include "scan/wildmatch.h"

static const struct config plain = { .gitignore = true };
static const struct config usual = { .gitignore = true, .default_excludes = true };

static void put_bytes(int dir, const char *path, const char *p, size_t n)
{
	autofree char *parent = strdup(path);
	autoclose int fd = -1;
	char *slash = strrchr(parent, '/');

	if (slash) {
		*slash = '\0';
		ck_assert_int_eq(io_mkdir_p(dir, parent, 0755), 0);
	}
	fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write_all(fd, p ? p : "", n), 0);
}

static void put(int dir, const char *path, const char *text)
{
	put_bytes(dir, path, text, strlen(text));
}

/* 'k' kept, 'l' kept at any size, 'e' entered, '?' not known, else the first letter of why: ignored, excluded, none. */
static char ask(struct rules *r, const char *path, bool is_dir)
{
	enum store_why why;
	bool over;
	int v = rules_check(r, path, is_dir, &why, &over);

	if (v == RULES_KEEP)
		return over ? 'l' : 'k';
	if (v == RULES_ENTER)
		return 'e';
	if (v == RULES_UNSURE)
		return '?';
	return why == WHY_IGNORED ? 'i' : why == WHY_EXCLUDED ? 'x' : why == WHY_NAME ? 'N' : 'n';
}

static struct rules *rules_of(int dir, const struct config *cfg)
{
	struct rules *r;

	ck_assert_int_eq(rules_new(dir, cfg, &r), 0);
	return r;
}

static void rules_putp(struct rules **r)
{
	rules_free(*r);
}

/* ---- against git ---------------------------------------------------------- */

static const char *const names[] = {
	"a", "b", "ab", "abc", "foo", "foo.c", "bar.txt", "A", "a b", "x ", "#c", "!d", "a*b", "[a]",
	"a\\b", "z-z", "\xc3\xa9", "\xff\xfe", "a]", ".h", "b.o", "\t", "~",
};
enum { N_NAMES = sizeof(names) / sizeof(*names) };

static const char *const atoms[] = {
	"*", "*", "*", "?", "**", "[ab]", "[!a]", "[^b]", "[a-c]", "[[:alpha:]]", "[[:punct:]]", "[]a]",
	"[a-]", "[\\]]", "[[:nope:]]", "[a", "\\*", "\\a", "\\", "\\#", "\\!", " ", "\\ ", ".", "-", "***",
	"[[:", "[a-\\c]", "[!-b]", "\xc3", "[\xc0-\xff]", "***/", "[[:digit:][:upper:]]", "[z-a]", "!", "#",
};
enum { N_ATOMS = sizeof(atoms) / sizeof(*atoms) };

static void random_component(struct buf *b)
{
	switch (check_below(5)) {
	case 0:
	case 1:
		(void)buf_addstr(b, names[check_below(N_NAMES)]);
		break;
	case 2:
		(void)buf_addstr(b, "**");
		break;
	default:
		for (uint64_t n = 1 + check_below(3); n--;)
			(void)buf_addstr(b, check_below(3) ? atoms[check_below(N_ATOMS)] :
				names[check_below(N_NAMES)]);
	}
}

static void random_patterns(struct buf *b, uint64_t lines)
{
	if (check_below(8) == 0)
		(void)buf_addstr(b, "\xef\xbb\xbf");
	while (lines--) {
		uint64_t n = 1 + check_below(3);

		if (check_below(4) == 0)
			(void)buf_addch(b, '!');
		if (check_below(4) == 0)
			(void)buf_addch(b, '/');
		while (n--) {
			random_component(b);
			if (n)
				(void)buf_addch(b, '/');
		}
		if (check_below(4) == 0)
			(void)buf_addch(b, '/');
		if (check_below(8) == 0)
			(void)buf_addstr(b, "  ");
		if (check_below(8) == 0)
			(void)buf_addch(b, '\r');
		if (lines || check_below(2))
			(void)buf_addch(b, '\n');
		if (check_below(16) == 0)
			(void)buf_addstr(b, "\n# a comment\n\r\n");
	}
}

struct tree {
	char *path[4000];
	bool is_dir[4000];
	size_t n;
};

static void random_tree(int root, const char *at, int depth, struct tree *t)
{
	for (uint64_t n = 6 + check_below(5); n--;) {
		char path[512];
		bool is_dir = depth < 3 && check_below(3) == 0;
		int fd;

		(void)snprintf(path, sizeof(path), "%s%s%s", at, *at ? "/" : "", names[check_below(N_NAMES)]);
		if (faccessat(root, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		ck_assert_uint_lt(t->n, 4000);
		if (is_dir) {
			ck_assert_int_eq(mkdirat(root, path, 0755), 0);
		} else {
			fd = openat(root, path, O_CREAT | O_WRONLY, 0644);
			ck_assert_int_ge(fd, 0);
			(void)close(fd);
		}
		t->path[t->n] = strdup(path);
		t->is_dir[t->n++] = is_dir;
		if (is_dir)
			random_tree(root, path, depth + 1, t);
	}
}

static void random_ignore_files(int root, const struct tree *t)
{
	autoput(buf_release) struct buf b = BUF_INIT;

	random_patterns(&b, 1 + check_below(6));
	put_bytes(root, ".gitignore", b.data, b.len);
	buf_reset(&b);
	random_patterns(&b, check_below(3));
	put_bytes(root, ".git/info/exclude", b.data, b.len);
	for (size_t i = 0; i < t->n; i++) {
		char path[600];

		if (!t->is_dir[i])
			continue;
		(void)snprintf(path, sizeof(path), "%s/.gitignore", t->path[i]);
		(void)unlinkat(root, path, 0);
		if (check_below(8))
			continue;
		buf_reset(&b);
		random_patterns(&b, 1 + check_below(3));
		put_bytes(root, path, b.data, b.len);
	}
}

/* Every path git calls ignored, each behind a NUL, in the order asked. */
static void ask_git(int root, const struct tree *t, struct buf *ret)
{
	FILE *f = fopen("../question", "w");

	ck_assert_ptr_nonnull(f);
	for (size_t i = 0; i < t->n; i++)
		ck_assert_int_ge(fwrite(t->path[i], strlen(t->path[i]) + 1, 1, f), 1);
	ck_assert_int_eq(fclose(f), 0);
	f = popen("git -c core.excludesFile=/dev/null check-ignore --no-index --stdin -z "
		"<../question >../answer 2>/dev/null", "r");
	ck_assert_ptr_nonnull(f);
	(void)pclose(f);
	ck_assert_int_ge(io_read_file(root, "../answer", 1 << 24, ret), 0);
}

static void show(int root, const char *name)
{
	autoput(buf_release) struct buf b = BUF_INIT;

	if (io_read_file(root, name, 1 << 20, &b) >= 0)
		printf("--- %s\n%s\n", name, b.data ? b.data : "");
}

START_TEST(rules__say_what_git_says)
{
	const char *top = check_dir(NULL);
	char path[200];
	int root;
	size_t asked = 0, ignored = 0;

	(void)snprintf(path, sizeof(path), "%s/w", top);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	ck_assert_int_eq(chdir(path), 0);
	ck_assert_int_eq(pclose(popen("git init -q", "r")), 0);
	root = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	static struct tree t;

	random_tree(root, "", 0, &t);
	for (int round = 0; round < 200; round++) {
		autoput(buf_release) struct buf answer = BUF_INIT;
		autoput(rules_putp) struct rules *r = NULL;
		const char *p, *end;

		random_ignore_files(root, &t);
		ask_git(root, &t, &answer);
		p = answer.data ? answer.data : "";
		end = p + answer.len;
		r = rules_of(root, &plain);
		for (size_t i = 0; i < t.n; i++) {
			bool git = p < end && strcmp(p, t.path[i]) == 0;
			bool we = ask(r, t.path[i], t.is_dir[i]) == 'i';

			if (git)
				p += strlen(p) + 1;
			if (git != we) {
				char nested[600];

				show(root, ".gitignore");
				show(root, ".git/info/exclude");
				(void)snprintf(nested, sizeof(nested), "%s", t.path[i]);
				for (char *s; (s = strrchr(nested, '/')) != NULL;) {
					(void)strcpy(s, "/.gitignore");
					show(root, nested);
					*s = '\0';
				}
			}
			ck_assert_msg(git == we, "round %d: %s%s: git says %s", round, t.path[i],
				t.is_dir[i] ? "/" : "", git ? "ignored" : "kept");
			asked++;
			ignored += git;
		}
		ck_assert_ptr_eq(p, end);
	}
	printf("rules: %zu questions, %zu ignored\n", asked, ignored);
}
END_TEST

/* ---- Holdfast's own ------------------------------------------------------- */

START_TEST(rules__keep_what_is_always_kept)
{
	int dir;
	autoput(rules_putp) struct rules *r = NULL;

	(void)check_dir(&dir);
	put(dir, ".gitignore", ".env\n*.ipynb\n.vscode/\n*.log\nbuild/\n");
	put(dir, ".snapignore", "*.ipynb\nscratch/\n!keep.log\n");
	r = rules_of(dir, &usual);
	ck_assert_int_eq(ask(r, ".env", false), 'l');
	ck_assert_int_eq(ask(r, ".env.local", false), 'l');
	ck_assert_int_eq(ask(r, "a/b/x.ipynb", false), 'l');
	ck_assert_int_eq(ask(r, ".vscode", true), 'l');
	ck_assert_int_eq(ask(r, ".vscode/deep/x.log", false), 'l');
	ck_assert_int_eq(ask(r, "x.log", false), 'i');
	ck_assert_int_eq(ask(r, "keep.log", false), 'k');
	ck_assert_int_eq(ask(r, "scratch", true), 'x');
	ck_assert_int_eq(ask(r, "scratch/.env", false), 'x');
	ck_assert_int_eq(ask(r, "build", true), 'i');
	ck_assert_int_eq(ask(r, "build/deep/x.c", false), 'i');
	ck_assert_int_eq(ask(r, "src/main.c", false), 'k');
}
END_TEST

START_TEST(rules__leave_out_what_tools_make_again)
{
	int dir;
	autoput(rules_putp) struct rules *r = NULL;

	(void)check_dir(&dir);
	put(dir, "my env/pyvenv.cfg", "home = /usr/bin\n");
	put(dir, "target/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n# made by cargo\n");
	put(dir, "lies/CACHEDIR.TAG", "Signature: something else, and long enough to be read\n");
	put(dir, ".env/bin/python", "");
	put(dir, ".env/pyvenv.cfg", "");
	r = rules_of(dir, &usual);
	ck_assert_int_eq(ask(r, "node_modules", true), 'x');
	ck_assert_int_eq(ask(r, "node_modules", false), 'k');
	ck_assert_int_eq(ask(r, "a/__pycache__", true), 'x');
	ck_assert_int_eq(ask(r, "a/m.pyc", false), 'x');
	ck_assert_int_eq(ask(r, "my env", true), 'x');
	ck_assert_int_eq(ask(r, ".env", true), 'x');
	ck_assert_int_eq(ask(r, "target", true), 'x');
	ck_assert_int_eq(ask(r, "lies", true), 'k');
	ck_assert_int_eq(ask(r, "a/.b.c.swp", false), 'n');
	ck_assert_int_eq(ask(r, ".GiT", true), 'N');
	ck_assert_int_eq(ask(r, "sub/.git", false), 'n');
	ck_assert_int_eq(ask(r, "sub/.git/config", false), 'n');
	/* a user's own: whose it is the store of a restore tells (scan/temporary.h) */
	ck_assert_int_eq(ask(r, ".a.c.hf-0123abcd", false), 'k');
	ck_assert_int_eq(ask(r, "venv", true), 'k');
}
END_TEST

START_TEST(rules__include_reaches_into_ignored_folders)
{
	char *include[] = { (char *)(uintptr_t)"/out/runs/*/metrics.csv", (char *)(uintptr_t)"/node_modules/mine/",
		(char *)(uintptr_t)"*.best" };
	struct config cfg = usual;
	autoput(rules_putp) struct rules *r = NULL;
	int dir;

	cfg.include = (struct config_list){ include, 3 };
	(void)check_dir(&dir);
	put(dir, ".gitignore", "out\nother\n");
	r = rules_of(dir, &cfg);
	ck_assert_int_eq(ask(r, "out", true), 'e');
	ck_assert_int_eq(ask(r, "out/runs", true), 'e');
	ck_assert_int_eq(ask(r, "out/runs/7/metrics.csv", false), 'k');
	ck_assert_int_eq(ask(r, "out/runs/7/model.pt", false), 'n');
	ck_assert_int_eq(ask(r, "other", true), 'e');
	ck_assert_int_eq(ask(r, "other/x.best", false), 'k');
	ck_assert_int_eq(ask(r, "node_modules", true), 'e');
	ck_assert_int_eq(ask(r, "node_modules/mine", true), 'k');
	ck_assert_int_eq(ask(r, "node_modules/mine/a/b.pyc", false), 'k');
	ck_assert_int_eq(ask(r, "node_modules/theirs", true), 'n');
	ck_assert_int_eq(ask(r, ".venv", true), 'x');
}
END_TEST

START_TEST(rules__are_read_again_when_told)
{
	autoput(rules_putp) struct rules *r = NULL;
	int dir;

	(void)check_dir(&dir);
	put(dir, "a/b/x", "");
	r = rules_of(dir, &usual);
	ck_assert_int_eq(ask(r, "a/b/x", false), 'k');
	put(dir, "a/.gitignore", "x\n");
	ck_assert_int_eq(ask(r, "a/b/x", false), 'k');
	rules_forget(r, "a");
	ck_assert_int_eq(ask(r, "a/b/x", false), 'i');
	put(dir, "a/.gitignore", "");
	rules_forget(r, "");
	ck_assert_int_eq(ask(r, "a/b/x", false), 'k');
}
END_TEST

/* Work goes on in a few folders: what was found in them is not looked for each time. */
START_TEST(rules__look_into_a_folder_once)
{
	static const struct { const char *dir, *name; } tell[] = {
		{ "a/b", "pyvenv.cfg" }, { "a/b", "conda-meta" }, { "a/b/conda-meta", "history" },
		{ "a/b", "CACHEDIR.TAG" }, { "a", ".gitignore" }, { "a/b", "lock" }, { "", ".snapignore" },
	};
	autoput(rules_putp) struct rules *r = NULL;
	int dir;

	(void)check_dir(&dir);
	put(dir, "a/b/x", "");
	put(dir, "c/x", "");
	r = rules_of(dir, &usual);
	ck_assert_int_eq(ask(r, "a/b/x", false), 'k');
	ck_assert_int_eq(ask(r, "c/x", false), 'k');
	put(dir, "a/b/pyvenv.cfg", "");
	ck_assert_int_eq(ask(r, "a/b/x", false), 'k');
	ck_assert_int_eq(ask(r, "a/b", true), 'k');
	ck_assert_int_eq(rules_told(r, "a/b", "main.py"), RULES_NO_NEWS);
	ck_assert_int_eq(ask(r, "a/b/x", false), 'k');
	for (size_t i = 0; i < sizeof(tell) / sizeof(*tell); i++) {
		ck_assert_int_eq(rules_told(r, tell[i].dir, tell[i].name),
			tell[i].name[0] == '.' ? RULES_NEWS_BELOW : RULES_NEWS_ITSELF);
		ck_assert_int_eq(ask(r, "a/b", true), 'x');
		ck_assert_int_eq(ask(r, "a/b/x", false), 'x');
		ck_assert_int_eq(unlinkat(dir, "a/b/pyvenv.cfg", 0), 0);
		rules_forget(r, "a/b");
		ck_assert_int_eq(ask(r, "a/b/x", false), 'k');
		ck_assert_int_eq(ask(r, "c/x", false), 'k');	/* out of the chain */
		put(dir, "a/b/pyvenv.cfg", "");
		ck_assert_int_eq(ask(r, "a/b/x", false), 'k');
	}
}
END_TEST

/* Too large is one way not to be readable. */
START_TEST(rules__are_unsure_without_the_patterns)
{
	autoput(rules_putp) struct rules *r = NULL;
	autofree char *much = malloc((4 << 20) + 2);
	int dir;

	(void)check_dir(&dir);
	memset(much, '#', (4 << 20) + 1);
	much[(4 << 20) + 1] = '\0';
	put(dir, "a/b/x", "");
	put(dir, "a/.gitignore", much);
	put(dir, "a/.snapignore", "known\n");
	r = rules_of(dir, &usual);
	ck_assert_int_eq(ask(r, "a/b/x", false), '?');
	ck_assert_int_eq(ask(r, "a/b", true), '?');
	ck_assert_int_eq(ask(r, "a/known", false), 'x');
	ck_assert_int_eq(ask(r, "a/.env", false), 'l');
	ck_assert_int_eq(ask(r, "c", false), 'k');
	ck_assert_int_eq(rules_refresh(r), 1);
	put(dir, "a/.gitignore", "x\n");
	ck_assert_int_eq(ask(r, "a/b/x", false), 'i');
	ck_assert_int_eq(rules_refresh(r), 0);
}
END_TEST

START_TEST(rules__see_a_new_info_exclude)
{
	autoput(rules_putp) struct rules *r = NULL;
	int dir;

	(void)check_dir(&dir);
	put(dir, "x", "");
	r = rules_of(dir, &usual);
	ck_assert_int_eq(ask(r, "x", false), 'k');
	ck_assert_int_eq(rules_refresh(r), 0);
	put(dir, ".git/info/exclude", "x\n");
	ck_assert_int_eq(rules_refresh(r), 1);
	ck_assert_int_eq(ask(r, "x", false), 'i');
	ck_assert_int_eq(rules_refresh(r), 0);
}
END_TEST

/* A link in the place of an ignore file is not followed out of the workspace. */
START_TEST(rules__follow_no_link)
{
	autoput(rules_putp) struct rules *r = NULL;
	int dir;

	(void)check_dir(&dir);
	put(dir, "elsewhere", "x\n");
	put(dir, "a/x", "");
	ck_assert_int_eq(symlinkat("../elsewhere", dir, "a/.gitignore"), 0);
	r = rules_of(dir, &usual);
	ck_assert_int_eq(ask(r, "a/x", false), 'k');
}
END_TEST

START_TEST(wild__takes_no_exponential_time)
{
	char pat[200], text[4000];
	size_t n = 0;

	for (int i = 0; i < 40; i++)
		n += (size_t)sprintf(pat + n, "%s", i % 2 ? "**/a*" : "*a/");
	pat[n++] = 'b';		/* which the text has not */
	memset(text, 'a', sizeof(text));
	for (size_t i = 7; i < sizeof(text); i += 8)
		text[i] = '/';
	ck_assert(!wild_match(pat, n, text, sizeof(text) - 1, true));
}
END_TEST

START_TEST(rules__are_fast)
{
	autoput(rules_putp) struct rules *r = NULL;
	autoput(buf_release) struct buf b = BUF_INIT;
	struct timespec t0, t1;
	int dir;
	double s;

	(void)check_dir(&dir);
	for (int i = 0; i < 40; i++)
		(void)buf_printf(&b, "*.ext%d\n/folder%d/\nname%d\n", i, i, i);
	(void)buf_addstr(&b, "doc/**/*.tmp\n[Bb]in/\n*.py[cod]\n!important.log\n");
	put_bytes(dir, ".gitignore", b.data, b.len);
	r = rules_of(dir, &usual);
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
	for (int d = 0; d < 1000; d++)
		for (int f = 0; f < 100; f++) {
			char path[80];

			(void)sprintf(path, "src/module%d/part/file%d.py", d, f);
			ck_assert_int_eq(ask(r, path, false), 'k');
		}
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
	s = (double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;
	printf("rules: 100,000 paths, 124 patterns: %.3f s CPU\n", s);
	ck_assert_double_lt(s, 2.0);
}
END_TEST

CHECK_MAIN("rules", rules__say_what_git_says, rules__keep_what_is_always_kept,
	rules__leave_out_what_tools_make_again, rules__include_reaches_into_ignored_folders,
	rules__are_read_again_when_told, rules__look_into_a_folder_once,
	rules__are_unsure_without_the_patterns, rules__see_a_new_info_exclude,
	rules__follow_no_link, wild__takes_no_exponential_time,
	rules__are_fast)
