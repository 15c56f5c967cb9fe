/* Lines of other programs' logs: any bytes are read without a step too far, and what is taken of
 * them is one printable line with a pid that a process can have. */
#include <stdlib.h>
#include <string.h>

#include "detect/evidence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int yes)
{
	if (!yes)
		abort();
}

static void sound(int r, const struct evidence *e)
{
	check(r == 0 || r == 1);
	if (!r)
		return;
	check(e->pid >= 0 && memchr(e->text, '\0', sizeof(e->text)) &&
		memchr(e->who, '\0', sizeof(e->who)));
	for (const char *p = e->text; *p; p++)
		check((unsigned char)*p >= ' ' && *p != 0x7f);
}

static void stamp(const char *line, const char *rest)
{
	check(!rest || (rest > line && rest <= line + strlen(line)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = malloc(size + 1);
	struct evidence e = { 0 };
	uint64_t ms;
	pid_t victim = size ? data[0] & 1 : 0;

	check(line != NULL);
	memcpy(line, data, size);
	line[size] = '\0';
	sound(evidence_kernel_line(line, &e), &e);
	sound(evidence_guard_line(line, &victim, &e), &e);
	check(victim >= 0);
	sound(evidence_editor_line(line, &e), &e);
	sound(evidence_core_line(line, &e), &e);
	sound(evidence_down_line(line, &e), &e);
	sound(evidence_ledger_line(line, &ms, &e), &e);
	stamp(line, stamp_unix(line, &ms));
	stamp(line, stamp_local(line, &ms));
	stamp(line, stamp_syslog(line, 1700000000000, &ms));
	free(line);
	return 0;
}
