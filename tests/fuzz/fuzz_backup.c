/* Any bytes as an editor's backup file: what is taken has a resource and a body inside the file. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "editors/editors.h"
#include "lib/auto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int yes)
{
	if (!yes)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct place p = { .path = (char *)"/p", .name = "x", .server = true };
	struct backup b;
	const char *name;
	bool untitled;
	int r = backup_parse((const char *)data, size, &b);

	check(r == 0 || r == -22);
	if (r < 0)
		return 0;
	check(b.body > 0 && b.body <= size && data[b.body - 1] == '\n');
	check(b.uri.scheme.len > 0 && b.uri.path.len > 0);
	check(strlen(b.uri.path.data) == b.uri.path.len);
	name = backup_name(&b, &p, "/w", &untitled);
	check(!name || untitled || strncmp(b.uri.path.data, "/w/", 3) == 0);
	(void)backup_is_text(&b);
	(void)editor_is_remote_of(name ? name : "", "/w");
	backup_release(&b);
	return 0;
}
