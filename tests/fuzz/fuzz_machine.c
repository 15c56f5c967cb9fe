/* Whatever the kernel's files hold (a container's imitation of them, another program's name):
 * nothing crashes, what is said stays in bounds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detect/cgroup.h"
#include "detect/fields.h"
#include "detect/json.h"
#include "detect/risk.h"
#include "lib/buf.h"
#include "lib/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int yes)
{
	if (!yes)
		abort();
}

static void any_text(const char *text, size_t n)
{
	struct { uint64_t a, b, guard; } v = { 1, 2, 3 };
	static const struct field table[] = { { "MemTotal", 0 }, { "size", sizeof(uint64_t) },
		{ NULL, 0 } };
	struct psi psi;
	uint64_t busy, all;

	fields_take(text, n, table, &v);
	check(v.guard == 3);
	machine_parse_psi(text, n, &psi);
	if (machine_parse_cpu(text, n, &busy, &all) == 0)
		check(busy <= all);
	(void)machine_parse_load(text, n);
	(void)fields_single(text, n);
	(void)cgroup_cpus(text, n);
}

static void groups(const char *text, size_t n)
{
	static const char *const controllers[] = { NULL, "memory", "cpu" };
	char path[64];

	for (size_t i = 0; i < 3; i++)
		if (cgroup_path(text, n, controllers[i], path, sizeof(path)) == 0)
			check(path[0] == '/' && strlen(path) < sizeof(path));
}

static void process(const char *text, size_t n)
{
	struct proc *p = calloc(1, sizeof(*p));

	check(p != NULL);
	if (proc_parse_stat(text, n, p) == 0)
		check(memchr(p->comm, '\0', sizeof(p->comm)) != NULL);
	memcpy(p->argv, text, n < sizeof(p->argv) - 1 ? n : sizeof(p->argv) - 1);
	p->argv_len = n < sizeof(p->argv) - 1 ? n : sizeof(p->argv) - 1;
	for (unsigned i = 0; i < 9; i++) {
		const char *a = proc_arg(p, i);

		check(!a || (a >= p->argv && a < p->argv + p->argv_len));
	}
	free(p);
}

static void names(const char *text, size_t n)
{
	char *s = malloc(n + 1);
	struct buf b = BUF_INIT;

	check(s != NULL);
	memcpy(s, text, n);
	s[n] = '\0';
	check(json_string(&b, s) == 0 && b.data[0] == '"' && b.data[b.len - 1] == '"' &&
		text_is_utf8(b.data, b.len));
	check(memchr(b.data, '\n', b.len) == NULL);
	buf_release(&b);
	free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size ? size : 1);	/* exact: a step too far is seen */

	check(text != NULL);
	memcpy(text, data, size);
	any_text(text, size);
	groups(text, size);
	process(text, size);
	names(text, size);
	free(text);
	return 0;
}
