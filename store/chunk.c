/* Content-defined chunks: a boundary is where a rolling hash of the last bytes has enough
 * zero bits, so that an insertion moves only the boundaries beside it (gear hash; two masks around
 * the average keep the sizes together: Xia et al., FastCDC, USENIX ATC 2016). */
#include "internal.h"

static uint64_t gear[256];

/* The table is fixed for ever: it decides which old chunks are found again. splitmix64 from a
 * constant. */
static void gear_init(void)
{
	uint64_t x = 0x686f6c6466617374;	/* "holdfast" */

	for (int i = 0; i < 256; i++) {
		uint64_t z = x += 0x9e3779b97f4a7c15;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
		z = (z ^ z >> 27) * 0x94d049bb133111eb;
		gear[i] = z ^ z >> 31;
	}
}

#define MASK_SMALL (~0ull << (64 - 18))	/* before the average: harder */
#define MASK_LARGE (~0ull << (64 - 14))	/* after it: easier */

size_t chunk_next(const uint8_t *p, size_t n, bool last)
{
	uint64_t h = 0;
	size_t i = CHUNK_MIN, stop;

	if (!gear[0])
		gear_init();
	if (n <= CHUNK_MIN)
		return last ? n : 0;
	stop = n < CHUNK_AVG ? n : CHUNK_AVG;
	for (; i < stop; i++) {
		h = (h << 1) + gear[p[i]];
		if (!(h & MASK_SMALL))
			return i + 1;
	}
	stop = n < CHUNK_MAX ? n : CHUNK_MAX;
	for (; i < stop; i++) {
		h = (h << 1) + gear[p[i]];
		if (!(h & MASK_LARGE))
			return i + 1;
	}
	if (n >= CHUNK_MAX)
		return CHUNK_MAX;
	return last ? n : 0;
}
