/* tests/fuzz/fuzz_rev.c - words from a command line: revisions, times, paths. */
#include <stdlib.h>
#include <string.h>

#include "lib/auto.h"
#include "recover/paths.h"
#include "recover/rev.h"
#include "recover/when.h"

#define NOW (INT64_C(1795446000) * 1000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int yes)
{
	if (!yes)
		abort();
}

static void a_revision(const char *s)
{
	const char *why = NULL;
	struct rev v;

	if (rev_parse(s, NOW, &v, &why) < 0) {
		check(why != NULL);
		return;
	}
	check(v.base && strlen(v.base) <= strlen(s) && *v.base);
	rev_release(&v);
}

static void a_path(const char *s)
{
	autofree char *p = NULL, *again = NULL;

	if (path_clean("a/b/", s, &p) < 0)
		return;
	check(*p != '/' && strstr(p, "//") == NULL);
	check(!*p || path_safe(p) || strcasestr(p, ".git") || strlen(p) > 255);
	check(path_clean("", p, &again) == 0 && !strcmp(p, again));
	check(path_compare(p, again) == 0 && path_below(p, ""));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofree char *s = malloc(size + 1);
	int64_t ns;

	check(s != NULL);
	memcpy(s, data, size);
	s[size] = 0;
	a_revision(s);
	(void)when_parse(s, NOW, &ns);
	a_path(s);
	return 0;
}
