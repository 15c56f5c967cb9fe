#include "temporary.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "../lib/auto.h"
#include "../lib/buf.h"
#include "../lib/io.h"
#include "at.h"

enum { TAIL = 12, NAME_LEN_MAX = NAME_MAX - 13 };	/* ".hf-XXXXXXXX" */

void temporary_name(uint64_t op, const char *path, const char *name, char out[256])
{
	uint32_t sum = (uint32_t)crc32(
		crc32(0, (const void *)&op, sizeof(op)), (const void *)path, (uInt)strlen(path));

	/* a name may already be as long as names can be */
	(void)snprintf(out, 256, ".%.*s.hf-%08x", NAME_LEN_MAX, name, sum);
}

static bool looks_like_one(const char *name, size_t n)
{
	return n > TAIL + 1 && name[0] == '.' && memcmp(name + n - TAIL, ".hf-", 4) == 0 &&
	       strspn(name + n - 8, "0123456789abcdef") == 8;
}

static bool pending(struct store *st, uint64_t *ret_op)
{
	autoclose int fd = openat(
		store_dirfd(st), TEMPORARY_JOURNAL, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint8_t head[16 + 1 + 8];
	struct cursor c = { head, head + sizeof(head), 0 };

	if (fd < 0 || io_pread_full(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head))
		return false;
	(void)cur_bytes(&c, 16);
	if (cur_u8(&c) != 'H')
		return false;
	*ret_op = cur_u64(&c);
	return true;
}

bool temporary_is_ours(struct store *st, const char *path)
{
	autoput(buf_release) struct buf of = BUF_INIT;
	char ours[256];
	size_t dir;
	const char *name = at_base(path, &dir);
	size_t n = strlen(name);
	uint64_t op;

	if (!looks_like_one(name, n) || !pending(st, &op))
		return false;
	/* of a name that was cut nobody can say whose it is */
	if (n - TAIL - 1 == NAME_LEN_MAX)
		return true;
	if (buf_add(&of, path, (size_t)(name - path)) < 0 ||
		buf_add(&of, name + 1, n - TAIL - 1) < 0)
		return true;
	temporary_name(op, of.data, of.data + (name - path), ours);
	return strcmp(ours, name) == 0;
}
