#include "check_main.h"

#include <errno.h>
#include <string.h>

#include "jsonc_gen.h"
#include "lib/auto.h"
#include "lib/jsonc.h"

static int parse(const char *s)
{
	autoput(jsonc_release) struct jsonc j;

	return jsonc_parse(s, strlen(s), &j);
}

START_TEST(parse__takes_what_vscode_takes)
{
	static const char *const good[] = { "", " \n", "// only\n", "/* a */", "{}", "[]", "1",
		"\xef\xbb\xbf{}", "{\"a\":1,}", "[1,2,]",
		"{ // c\n \"a\" /* k */ : /* v */ 1 /* e */ , // d\n }", "[[],{},\"\"]",
		"{\"a\":1,\"a\":2}", "[-0, 1e5, 0.5, true, false, null]", "[1 /* , */ , // ]\n]",
		"\"\\u00e9\\n\"", "{\"//\":\"/*\"}", "\r\n{\r\n}\r\n" };

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		ck_assert_msg(parse(good[i]) == 0, "%s", good[i]);
}
END_TEST

START_TEST(parse__refuses_what_vscode_refuses)
{
	static const char *const bad[] = { "{", "}", "[1", "[1}", "{\"a\"}", "{\"a\":}", "{a:1}",
		"{1:2}", "[1 2]", "{\"a\":1 \"b\":2}", "[,]", "{,}", "[1,,2]", "[1,,]", "{\"a\",1}",
		"[1]]", "{} {}", "1 2", "[01]", "[1.]", "[.5]", "[+1]", "[tru]", "[\"a]",
		"[\"a\nb\"]", "[\"\\x\"]", "[\"\\u12\"]", "/* open", "[/ 1]", "{\"a\":1:2}",
		"[1:2]", "'a'", "{\"a\" 1}", "[1]//\n,", "[\"\\\"]", "{\"a\":[1,{\"b\":2]}",
		"\xc2\xa0{}", ",", "[1e]", "[\"\t\"]", "nul", "{\"a\":1,\"b\"}" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(parse(bad[i]) == -EINVAL, "%s", bad[i]);
}
END_TEST

START_TEST(parse__says_where)
{
	autoput(jsonc_release) struct jsonc j;
	const char *s = "{\n  \"a\": 1\n  \"b\": 2\n}";

	ck_assert_int_eq(jsonc_parse(s, strlen(s), &j), -EINVAL);
	ck_assert_str_eq(j.error, "line 3, column 3: a comma is missing");
	jsonc_release(&j);
	ck_assert_int_eq(jsonc_parse("[\0]", 3, &j), -EINVAL);
	ck_assert(strstr(j.error, "NUL") != NULL);
}
END_TEST

START_TEST(parse__is_bounded_in_depth)
{
	char s[4 * JSONC_DEPTH];

	memset(s, '[', sizeof(s));
	s[sizeof(s) - 1] = '\0';
	ck_assert_int_eq(parse(s), -EINVAL);
	memset(s, '[', JSONC_DEPTH);
	memset(s + JSONC_DEPTH, ']', JSONC_DEPTH);
	s[2 * JSONC_DEPTH] = '\0';
	ck_assert_int_eq(parse(s), 0);
}
END_TEST

START_TEST(strings__lose_their_escapes)
{
	autoput(jsonc_release) struct jsonc j;
	autoput(buf_release) struct buf b = BUF_INIT;
	const char *s = "{\"a\\/\\u00e9\": \"\\ud83d\\ude00\\n\\\\\", \"b\": \"\\u0000\", \"c\": "
			"\"\\ud800x\", \"d\": \"\", \"d\": 7}";
	double n;

	ck_assert_int_eq(jsonc_parse(s, strlen(s), &j), 0);
	ck_assert(jsonc_string(&j, jsonc_member(&j, 0, "a/\xc3\xa9"), &b));
	ck_assert_str_eq(b.data, "\xf0\x9f\x98\x80\n\\");
	ck_assert(!jsonc_string(&j, jsonc_member(&j, 0, "b"), &b));
	ck_assert(jsonc_is(&j, jsonc_member(&j, 0, "c"), "\xef\xbf\xbdx"));
	ck_assert(
		jsonc_number(&j, jsonc_member(&j, 0, "d"), &n) && n == 7); /* the last one counts */
	ck_assert_int_eq(jsonc_member(&j, 0, "e"), -1);
}
END_TEST

/* path: keys, numbers of an array's elements. */
static int at(const struct jsonc *j, const char *key)
{
	return *key ? jsonc_member(j, 0, key) : 0;
}

static void add(struct buf *b, const char *in, const char *key, const char *value)
{
	autoput(jsonc_release) struct jsonc j;

	ck_assert_int_eq(jsonc_parse(b->data, b->len, &j), 0);
	ck_assert_int_eq(jsonc_add(b, &j, j.n ? at(&j, in) : -1, key, value), 0);
}

START_TEST(add__touches_no_other_byte)
{
	static const struct {
		const char *before, *in, *key, *value, *after;
	} t[] = {
		{ "{}", "", "z", "1", "{\n    \"z\": 1\n}" },
		{ "", "", "z", "1", "{\n    \"z\": 1\n}\n" },
		{ "// hi\n", "", "z", "1", "// hi\n{\n    \"z\": 1\n}\n" },
		{ "{\n  \"a\": 1, // keep\n}\n", "", "z", "2",
			"{\n  \"a\": 1, // keep\n  \"z\": 2,\n}\n" },
		{ "{\n  \"a\": 1 // keep\n}\n", "", "z", "2",
			"{\n  \"a\": 1, // keep\n  \"z\": 2\n}\n" },
		{ "{\r\n\t\"a\": [1, 2,]\r\n}", "", "z", "[\n\t3\n]",
			"{\r\n\t\"a\": [1, 2,],\r\n\t\"z\": [\r\n\t\t3\r\n\t]\r\n}" },
		{ "{\"tasks\": []}", "tasks", NULL, "{\n\t\"label\": \"x\"\n}",
			"{\"tasks\": [\n    {\n        \"label\": \"x\"\n    }\n]}" },
		{ "{\n  \"tasks\": [\n    {}\n    /* end */\n  ]\n}", "tasks", NULL, "1",
			"{\n  \"tasks\": [\n    {},\n    /* end */\n    1\n  ]\n}" },
		{ "{\n \"a\": 1, \"a\": [0]\n}", "a", NULL, "1",
			"{\n \"a\": 1, \"a\": [0,\n  1\n ]\n}" },
		{ "\xef\xbb\xbf{}", "", "z", "1", "\xef\xbb\xbf{\n    \"z\": 1\n}" },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		autoput(buf_release) struct buf b = BUF_INIT;

		ck_assert_int_eq(buf_addstr(&b, t[i].before), 0);
		ck_assert_int_eq(buf_reserve(&b, 1), 0);
		add(&b, t[i].in, t[i].key, t[i].value);
		ck_assert_str_eq(b.data, t[i].after);
	}
}
END_TEST

/* ---- laws over generated files ---- */

static bool is_within(const struct buf *small, const struct buf *large)
{
	size_t n = 0;

	for (size_t i = 0; i < large->len && n < small->len; i++)
		n += large->data[i] == small->data[n];
	return n == small->len;
}

/* Was it on one line, or empty? Then the line end that an addition gave it stays. */
static bool keeps_its_bytes(const struct jsonc *j, int c)
{
	const struct jsonc_node *n = &j->node[c];

	for (size_t i = n->last_end; i < n->end - 1; i++)
		if (j->text[i] == '\n' || j->text[i] == '\r')
			return true;
	return false;
}

static int some_container(const struct jsonc *j)
{
	for (int tries = 0; j->n && tries < 100; tries++) {
		int i = (int)check_below((uint64_t)j->n);

		if (j->node[i].type == JSONC_OBJECT || j->node[i].type == JSONC_ARRAY)
			return i;
	}
	return -1;
}

/* The node that was added last to the i-th container. */
static int added(const struct jsonc *j, int container)
{
	return j->node[container].last;
}

START_TEST(add_and_remove__give_back_what_was)
{
	const struct jsonc_gen g = { .below = check_below };
	unsigned exact = 0;

	for (int i = 0; i < 500; i++) {
		autoput(buf_release) struct buf before = BUF_INIT, b = BUF_INIT, mid = BUF_INIT;
		autoput(jsonc_release) struct jsonc j = { 0 }, k = { 0 };
		bool same, object;
		int c;

		jsonc_generate(&g, &before);
		ck_assert_int_eq(buf_reserve(&b, before.len + 1), 0);
		ck_assert_int_eq(before.len ? buf_add(&b, before.data, before.len) : 0, 0);
		ck_assert_msg(jsonc_parse(before.data, before.len, &j) == 0, "%s in:\n%s", j.error,
			before.data);
		c = some_container(&j);
		object = c < 0 || j.node[c].type == JSONC_OBJECT;
		same = c >= 0 && keeps_its_bytes(&j, c);
		ck_assert_int_eq(jsonc_add(&b, &j, c, object ? "holdfast" : NULL,
					 "{\n\t\"a\": [\n\t\t1\n\t]\n}"),
			0);
		ck_assert_msg(is_within(&before, &b), "bytes were lost:\n%s\n->\n%s", before.data,
			b.data);
		ck_assert_msg(jsonc_parse(b.data, b.len, &k) == 0, "%s:\n%s\n->\n%s", k.error,
			before.data, b.data);
		ck_assert_int_eq(k.n, (j.n ? j.n : 1) + 3);
		if (c < 0)
			continue;
		ck_assert_int_eq(buf_add(&mid, b.data, b.len), 0);
		ck_assert_int_eq(jsonc_remove(&b, &k, added(&k, c)), 0);
		jsonc_release(&k);
		ck_assert_msg(jsonc_parse(b.data, b.len, &k) == 0, "%s:\n%s\n->\n%s\n->\n%s",
			k.error, before.data, mid.data, b.data);
		ck_assert_msg(jsonc_same(&j, 0, &k, 0), "%s\n->\n%s\n->\n%s", before.data, mid.data,
			b.data);
		ck_assert_msg(
			!same || (b.len == before.len && memcmp(b.data, before.data, b.len) == 0),
			"%s\n->\n%s\n->\n%s", before.data, mid.data, b.data);
		exact += same;
	}
	ck_assert_uint_gt(exact, 20);
}
END_TEST

START_TEST(remove__of_any_node_leaves_the_others)
{
	const struct jsonc_gen g = { .below = check_below };

	for (int i = 0; i < 500; i++) {
		autoput(buf_release) struct buf before = BUF_INIT, b = BUF_INIT;
		autoput(jsonc_release) struct jsonc j = { 0 }, k = { 0 };
		int x, gone = 0;

		jsonc_generate(&g, &before);
		ck_assert_int_eq(jsonc_parse(before.data, before.len, &j), 0);
		if (j.n < 2)
			continue;
		x = 1 + (int)check_below((uint64_t)j.n - 1);
		for (int y = x; y < j.n && j.node[y].start < j.node[x].end; y++)
			gone++;
		ck_assert_int_eq(buf_add(&b, before.data, before.len), 0);
		ck_assert_int_eq(jsonc_remove(&b, &j, x), 0);
		ck_assert_msg(jsonc_parse(b.data, b.len, &k) == 0, "%s:\n%s\n->\n%s", k.error,
			before.data, b.data);
		ck_assert_msg(k.n == j.n - gone, "%d %d %d:\n%s\n->\n%s", k.n, j.n, gone,
			before.data, b.data);
		ck_assert(is_within(&b, &before));
	}
}
END_TEST

START_TEST(same__is_about_tokens)
{
	static const struct {
		const char *a, *b;
		bool same;
	} t[] = {
		{ "{\"a\":[1,2]}", "{ \"a\" : [ 1, /* x */ 2, ] }", true },
		{ "[[],1]", "[[1]]", false },
		{ "[]", "{}", false },
		{ "{\"a\":1}", "{\"b\":1}", false },
		{ "[1]", "[1,1]", false },
		{ "[[1],2]", "[[1,2]]", false },
		{ "[\"1\"]", "[1]", false },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		autoput(jsonc_release) struct jsonc a, b;

		ck_assert_int_eq(jsonc_parse(t[i].a, strlen(t[i].a), &a), 0);
		ck_assert_int_eq(jsonc_parse(t[i].b, strlen(t[i].b), &b), 0);
		ck_assert_msg(jsonc_same(&a, 0, &b, 0) == t[i].same, "%s %s", t[i].a, t[i].b);
		ck_assert_int_eq(jsonc_same(&b, 0, &a, 0), t[i].same);
	}
}
END_TEST

CHECK_MAIN("jsonc", parse__takes_what_vscode_takes, parse__refuses_what_vscode_refuses,
	parse__says_where, parse__is_bounded_in_depth, strings__lose_their_escapes,
	add__touches_no_other_byte, add_and_remove__give_back_what_was,
	remove__of_any_node_leaves_the_others, same__is_about_tokens)
