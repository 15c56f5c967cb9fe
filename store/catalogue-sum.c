/* The catalogue's own checksums: over what people are told or restored from. */
#include <string.h>
#include <zlib.h>

#include "catalogue.h"

static uint32_t sum_u64(uint32_t crc, uint64_t v)
{
	uint8_t b[8];

	for (int i = 0; i < 8; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	return (uint32_t)crc32(crc, b, 8);
}

/* owner: the folder's id for the current entry (with the name), the path's id for a version (no
 * name). */
int64_t cat_sum_entry(int64_t owner, const char *name, size_t len, const struct store_entry *e)
{
	static const struct oid none;
	const struct oid *oid = e->kind == KIND_FILE || e->kind == KIND_LINK ? &e->oid : &none;
	uint32_t crc = sum_u64(0, (uint64_t)owner);

	crc = sum_u64(crc, e->seq);
	crc = sum_u64(crc, (uint64_t)e->kind << 40 | (uint64_t)e->why << 32 | e->mode);
	crc = sum_u64(crc, e->size);
	crc = sum_u64(crc, (uint64_t)e->mtime_ns);
	crc = sum_u64(crc, e->flags);
	if (name)
		crc = (uint32_t)crc32(crc32(crc, oid->b, 20), (const uint8_t *)name, (unsigned)len);
	return crc;
}

int64_t cat_sum_snapshot(const struct store_snapshot *sn, loc_t loc)
{
	uint32_t crc = sum_u64(0, sn->seq);

	crc = (uint32_t)crc32(crc32(crc, sn->id.b, 20), sn->tree.b, 20);
	crc = sum_u64(sum_u64(crc, (uint64_t)sn->time_ns), (uint64_t)sn->reason << 32 | sn->flags);
	crc = sum_u64(sum_u64(crc, sn->changed), sn->added_bytes);
	return (uint32_t)crc32(
		sum_u64(crc, loc), (const uint8_t *)sn->message, (unsigned)strlen(sn->message));
}

int64_t cat_sum_state(struct log_pos pos, int64_t next, uint64_t seq, int lossy)
{
	uint32_t crc = sum_u64(sum_u64(1, (uint64_t)pos.seg << 32 | (uint32_t)lossy), pos.off);

	return sum_u64(sum_u64(crc, (uint64_t)next), seq);
}

int64_t cat_sum_mark(const char *name, uint64_t seq)
{
	return (uint32_t)crc32(sum_u64(0, seq), (const uint8_t *)name, (unsigned)strlen(name));
}
