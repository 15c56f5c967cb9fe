/* One flipped bit, found by its checksum.
 *
 * A crc32 is linear: the checksum of what was read and the one that was written differ by what the flipped
 * bits alone make of it, and for one bit that is another number at every place (in less than 2^32 bits). So the
 * place is found by going through them from the end on, without the bytes. */
#include <string.h>
#include <zlib.h>

#include "internal.h"

int mend_bit(uint8_t *p, size_t n, uint32_t diff)
{
	const z_crc_t *table = get_crc_table();
	uint32_t at[8];

	for (int b = 0; b < 8; b++)
		at[b] = (uint32_t)table[1u << b];
	while (n-- > 0) {
		for (int b = 0; b < 8; b++) {
			if (at[b] == diff) {
				p[n] ^= (uint8_t)(1u << b);
				return 0;
			}
			at[b] = at[b] >> 8 ^ (uint32_t)table[at[b] & 0xff];
		}
	}
	return -EBADMSG;
}

bool mend_is_beyond(const struct store *s, uint32_t seg, uint64_t off)
{
	for (int i = 0; i < BEYOND_CACHE; i++)
		if (s->beyond[i] == loc_make(seg, off, 0))
			return true;
	return false;
}

void mend_beyond(struct store *s, uint32_t seg, uint64_t off)
{
	s->beyond[s->next_beyond++ % BEYOND_CACHE] = loc_make(seg, off, 0);
}
