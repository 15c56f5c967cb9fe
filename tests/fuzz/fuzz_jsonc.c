/* Any bytes as a JSON file with comments: what is read can be edited, stays readable, and an
 * addition is taken out again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/auto.h"
#include "lib/jsonc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int yes)
{
	if (!yes)
		abort();
}

static void edit(const struct jsonc *j, int c)
{
	autoput(buf_release) struct buf b = BUF_INIT, word = BUF_INIT;
	autoput(jsonc_release) struct jsonc k = { 0 }, l = { 0 };

	(void)jsonc_string(j, c, &word);
	(void)jsonc_key(j, c, &word);
	if (j->node[c].type != JSONC_OBJECT && j->node[c].type != JSONC_ARRAY)
		return;
	check(buf_add(&b, j->text, j->len) == 0);
	check(jsonc_add(&b, j, c, j->node[c].type == JSONC_OBJECT ? "k" : NULL, "[\n\t1\n]") == 0);
	check(jsonc_parse(b.data, b.len, &k) == 0 && k.n == j->n + 2);
	check(jsonc_remove(&b, &k, k.node[c].last) == 0);
	check(jsonc_parse(b.data, b.len, &l) == 0 && jsonc_same(j, 0, &l, 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoput(jsonc_release) struct jsonc j = { 0 };

	if (size > 1024)
		return 0;
	if (jsonc_parse((const char *)data, size, &j) == 0)
		for (int i = 0; i < j.n && i < 16; i++)
			edit(&j, i);
	else
		check(*j.error);
	return 0;
}
