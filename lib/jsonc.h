/* lib/jsonc.h - JSON with comments, read for its positions and edited byte by byte.
 *
 * For files that people keep by hand: comments, trailing commas, order, indentation, line ends,
 * a byte order mark and doubled keys are theirs. So nothing is ever written out anew: an edit
 * inserts or removes the bytes it is about and no others. Comments and trailing commas are
 * blanked in a copy of the same length, which libjsmn then cuts into tokens; positions in the
 * copy are positions in the file. libjsmn is lenient, so what stands between the tokens is
 * checked here: what VSCode's own parser (jsonc-parser) calls an error is an error.
 *
 * Order: jsonc_parse, look, edit (which changes the text: the nodes are stale then),
 * jsonc_release. Nodes are indices, 0 is the root; a file of blanks and comments alone has none
 * (n == 0) and is edited as if it held an empty object. Texts are at most JSONC_MAX bytes and
 * hold no NUL; nesting at most JSONC_DEPTH. */
#ifndef LIB_JSONC_H
#define LIB_JSONC_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

enum { JSONC_MAX = 4 << 20, JSONC_DEPTH = 512 };

enum jsonc_type {
	JSONC_OBJECT,
	JSONC_ARRAY,
	JSONC_STRING,
	JSONC_OTHER /* number, true, false, null */
};

struct jsonc_node {
	enum jsonc_type type;
	size_t start, end;   /* with quotes or brackets */
	size_t key, key_end; /* of a member, with quotes; key_end 0: none */
	int parent, next;    /* -1: none */
	int first, last;     /* of a container: its children; -1: none */
	size_t comma;        /* of a container: its trailing comma; 0: none */
	size_t last_end;     /* of a container: behind the last token or comment in it */
};

struct jsonc {
	const char *text; /* borrowed */
	size_t len;
	struct jsonc_node *node;
	int n;
	size_t end;     /* behind the last token or comment */
	char error[96]; /* after -EINVAL: "line 3, column 7: a comma is missing" */
};

/* -EINVAL: broken, see error; -EFBIG. Release it whatever comes back. */
int jsonc_parse(const char *text, size_t len, struct jsonc *ret);
void jsonc_release(struct jsonc *j);

/* The child of an object by its key; of several the last, as readers take it. -1: none, or no
 * object. */
int jsonc_member(const struct jsonc *j, int object, const char *key);
/* The text of a string without its escapes, UTF-8. false: it is no string, or holds \u0000. */
bool jsonc_string(const struct jsonc *j, int node, struct buf *ret);
bool jsonc_key(const struct jsonc *j, int node, struct buf *ret);
bool jsonc_is(const struct jsonc *j, int node, const char *string);
/* A whole number 0 or more. */
bool jsonc_number(const struct jsonc *j, int node, double *ret);
/* The same tokens in the same order, however they are laid out? */
bool jsonc_same(const struct jsonc *a, int a_node, const struct jsonc *b, int b_node);

/* ---- edits: text changes, the parse is stale after it --------------------------- */

/* A new last child of a container, or, with container -1, of the root that is not there. key:
 * NULL in an array. value: JSON with \n and one tab a level, which take on the file's line ends
 * and indentation. */
int jsonc_add(
	struct buf *text, const struct jsonc *j, int container, const char *key, const char *value);
/* The node, its key, one comma and the blanks before it; comments stay. What jsonc_add put in,
 * it takes out. */
int jsonc_remove(struct buf *text, const struct jsonc *j, int node);
/* Other bytes in its place, laid out as in jsonc_add. */
int jsonc_set(struct buf *text, const struct jsonc *j, int node, const char *value);
/* s as a JSON string, quotes included. */
int jsonc_quote(struct buf *b, const char *s);

#endif
