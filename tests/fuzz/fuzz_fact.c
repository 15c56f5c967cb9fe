/* A line of the spool or the socket: any bytes are read without a step too far, as they are and
 * with the sum made right; what is a fact comes back as it was. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detect/spool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int yes)
{
	if (!yes)
		abort();
}

static void round_trip(const struct fact *f)
{
	char line[16384];
	struct fact again;
	int n = fact_line(f, line, sizeof(line));

	check(n > 0 && strlen(line) == (size_t)n && !strchr(line, '\n'));
	check(fact_parse(line, &again) == 0);
	check(strcmp(again.id, f->id) == 0 && again.kind == f->kind &&
		strcmp(again.argv, f->argv) == 0 && memcmp(&again.m, &f->m, sizeof(f->m)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t h = 14695981039346656037u;
	char *line = malloc(size + 32);
	struct fact f;

	check(line != NULL);
	memcpy(line, data, size);
	line[size] = '\0';
	check(fact_parse(line, &f) <= 0);
	memcpy(line, data, size);
	line[size] = '\0';
	for (char *p = line; *p; p++)
		h = (h ^ (uint8_t)*p) * 1099511628211u;
	(void)sprintf(line + strlen(line), "\tsum=%016" PRIx64, h);
	if (fact_parse(line, &f) == 0)
		round_trip(&f);
	free(line);
	return 0;
}
