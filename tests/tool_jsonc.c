/* tool_jsonc SEED tasks|launch|settings: one generated file (jsonc_gen.h) on stdout, the same
 * for the same seed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jsonc_gen.h"
#include "lib/auto.h"

static uint64_t state;

static uint64_t below(uint64_t n)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (state >> 33) % n;
}

int main(int argc, char **argv)
{
	static const char *const keys[] = { "files.watcherExclude", "search.exclude",
		"debug.onTaskErrors", "search.followSymlinks", NULL };
	autoput(buf_release) struct buf b = BUF_INIT;
	struct jsonc_gen g = { .below = below };

	if (argc != 3)
		return 2;
	state = strtoull(argv[1], NULL, 10) * 2654435761u + 12345;
	if (strcmp(argv[2], "tasks") == 0) {
		g.list = "tasks";
		g.id_key = "label";
	} else if (strcmp(argv[2], "launch") == 0) {
		g.list = "configurations";
		g.id_key = "name";
	} else {
		g.keys = keys;
	}
	jsonc_generate(&g, &b);
	return fwrite(b.data, 1, b.len, stdout) == b.len && fflush(stdout) == 0 ? 0 : 1;
}
