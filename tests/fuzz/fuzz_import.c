/* tests/fuzz/fuzz_import.c - names of folders that a backup script may have made, and ages of snapshots. The first byte
 * chooses. A time taken from a name is none of tomorrow; whatever the ages, the newest stays, and so does what is pinned. */
#include <stdlib.h>
#include <string.h>

#include "lib/auto.h"
#include "recover/backups.h"
#include "store/store.h"

#define NOW (INT64_C(1795446000) * 1000000000)
#define DAY (INT64_C(86400) * 1000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int yes)
{
	if (!yes)
		abort();
}

static void name(const uint8_t *p, size_t n)
{
	autofree char *s = strndup((const char *)p, n);
	int64_t t = 0;

	check(s != NULL);
	if (backup_name_time(s, NOW, &t) == 1)
		check(t <= NOW + DAY);
}

/* Eleven bytes of options, then nine for each snapshot. */
static void ages(const uint8_t *p, size_t n)
{
	struct store_retention k = { 0 };
	struct store_kept x[64];
	uint64_t *steps[] = { &k.all_s, &k.ten_minutes_s, &k.hourly_s, &k.daily_s, &k.weekly_s };
	size_t many = 0;

	if (n < 11)
		return;
	for (unsigned i = 0; i < 5; i++)
		*steps[i] = (uint64_t)p[2 * i] << (p[2 * i + 1] % 64);
	k.grace_s = p[10];
	k.tighter = p[10] % 8;
	for (p += 11, n -= 11; n >= 9 && many < 64; p += 9, n -= 9, many++) {
		int64_t back;

		memcpy(&back, p, 8);
		x[many] = (struct store_kept){ .seq = many + 1, .time_ns = back, .pinned = p[8] & 1, .imported = p[8] & 2 };
	}
	store_retain(&k, x, many, NOW);
	for (size_t i = 0; i < many; i++)
		check(x[i].keep || !x[i].pinned);
	check(!many || x[many - 1].keep);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size || size > 4096)
		return 0;
	if (data[0] % 2)
		ages(data + 1, size - 1);
	else
		name(data + 1, size - 1);
	return 0;
}
