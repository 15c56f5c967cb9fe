/* tests/fuzz/fuzz_segment.c - a store made of hostile records whose head checks are
 * right, opened, walked and verified. A record of the input is
 *
 *	u8	0 = a body as it is, else the number of frames (1..4) to be built
 *	body	u16 length, bytes
 *	frames	each: u8 type << 4 | encoding, u8 distance (how many records back), u8 depth,
 *		u16 raw length, u16 stored length, bytes (the crc32 is made)
 *	u16 length and the stored bytes after a body
 *
 * so that the mutations reach what lies behind the checksums. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "store/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/holdfast-fuzz-XXXXXX";
static char seg_path[64];
static const uint8_t salt[16] = "salt of the fuzz";

static void remove_dir(void)
{
	char path[80];
	static const char *const names[] = { "log/00000001.seg", "catalogue.db", "catalogue.db-wal",
		"catalogue.db-shm", "catalogue.db-journal", "lock", "workspace", "log" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)remove(path);
	}
	(void)remove(dir);
}

static void set_up(void)
{
	static bool done;
	char log[64];

	if (done)
		return;
	done = true;
	log_init("fuzz", LOG_ERROR);
	if (!mkdtemp(dir))
		abort();
	(void)snprintf(log, sizeof(log), "%s/log", dir);
	(void)snprintf(seg_path, sizeof(seg_path), "%s/log/00000001.seg", dir);
	if (mkdir(log, 0700) < 0)
		abort();
	(void)atexit(remove_dir);
}

static void add_header(struct buf *b)
{
	static const uint8_t magic[8] = { 0x89, 'H', 'F', 'S', 'E', 'G', '\r', '\n' };

	(void)buf_add(b, magic, 8);
	(void)buf_add_u32(b, 1);		/* version 1, flags 0 */
	(void)buf_add_u32(b, 1);
	(void)buf_add(b, "store of fuzzing", 16);
	(void)buf_add(b, salt, 16);
	(void)buf_add_u64(b, 1);
	(void)buf_add_u32(b, 0);
	(void)buf_add_u32(b, (uint32_t)crc32(0, (const Bytef *)b->data, 60));
}

static unsigned u16(struct cursor *c)
{
	unsigned lo = cur_u8(c);

	return lo | (unsigned)cur_u8(c) << 8;
}

static const uint8_t *take(struct cursor *c, size_t *n)
{
	*n = u16(c);
	if (*n > (size_t)(c->end - c->p))
		*n = (size_t)(c->end - c->p);
	return cur_bytes(c, *n);
}

static void add_frames(struct cursor *c, unsigned n, const uint64_t *at, unsigned n_at, uint64_t here,
	struct buf *body, struct buf *stored)
{
	uint8_t ids[4][20];

	(void)buf_add_varint(body, n);
	for (unsigned i = 0; i < n; i++) {
		uint8_t kind = cur_u8(c) & 0xf7;
		unsigned back = cur_u8(c), depth = cur_u8(c), raw = u16(c);
		size_t len;
		const uint8_t *p = take(c, &len);

		(void)buf_addch(body, kind);
		(void)buf_add_varint(body, len);
		(void)buf_add_u32(body, (uint32_t)crc32(0, p, (uInt)len));
		if ((kind & 7) == ENC_ZDELTA || (kind & 7) == ENC_SPLICE) {
			(void)buf_add_varint(body, n_at ? here - at[n_at - 1 - back % n_at] : back);
			(void)buf_add_varint(body, depth >> 4);
			(void)buf_add_varint(body, depth & 15);
		}
		(void)buf_add_varint(body, (kind & 7) == ENC_RAW ? len : raw);
		if (len)
			(void)buf_add(stored, p, len);
		memset(ids[i], (int)(raw & 0xff), 20);
		if ((kind & 7) == ENC_RAW) {
			struct oid id;

			store_hash(kind >> 4 == OBJ_TREE ? "tree" : "blob", p, len, &id);
			memcpy(ids[i], id.b, 20);
		}
	}
	(void)buf_add(body, ids, 20 * (size_t)n);
}

static void add_record(struct cursor *c, struct buf *out, uint64_t *at, unsigned *n_at)
{
	autoput(buf_release) struct buf head = BUF_INIT, body = BUF_INIT, stored = BUF_INIT, seed = BUF_INIT;
	uint64_t here = out->len;
	unsigned kind = cur_u8(c) % 5;
	size_t len;
	const uint8_t *p;

	if (kind) {
		add_frames(c, kind, at, *n_at, here, &body, &stored);
	} else {
		p = take(c, &len);
		if (len)
			(void)buf_add(&body, p, len);
		p = take(c, &len);
		if (len)
			(void)buf_add(&stored, p, len);
	}
	(void)buf_addch(&head, RECORD_MARK);
	(void)buf_add_varint(&head, body.len);
	if (body.len)
		(void)buf_add(&head, body.data, body.len);
	(void)buf_add(&seed, salt, 16);
	(void)buf_add_u64(&seed, here);
	(void)buf_add_u32(&head, (uint32_t)crc32(crc32(0, (const Bytef *)seed.data, (uInt)seed.len),
		(const Bytef *)head.data, (uInt)head.len));
	(void)buf_add(out, head.data, head.len);
	if (stored.len)
		(void)buf_add(out, stored.data, stored.len);
	at[(*n_at)++] = here;
}

static int an_entry(const char *path, const struct store_entry *e, void *arg)
{
	autoput(buf_release) struct buf b = BUF_INIT;

	(void)path;
	if (e->kind == KIND_FILE)
		(void)store_read_blob(arg, &e->oid, 1 << 20, &b);
	return 0;
}

static int a_snapshot(const struct store_snapshot *sn, void *arg)
{
	(void)store_changes(arg, sn->seq, an_entry, arg);
	(void)store_walk_at(arg, sn->seq, "", an_entry, arg);
	return 0;
}

static void nothing(const struct store_damage *d, void *arg)
{
	(void)d;
	(void)arg;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoput(buf_release) struct buf out = BUF_INIT;
	struct cursor c = { data, data + size, 0 };
	struct store_verify v = { .all = true, .damage = nothing };
	struct store *s = NULL;
	uint64_t at[32];
	unsigned n_at = 0;
	int fd;

	set_up();
	add_header(&out);
	while (c.p < c.end && !c.bad && n_at < 32)
		add_record(&c, &out, at, &n_at);
	fd = open(seg_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || io_write_all(fd, out.data, out.len) < 0)
		abort();
	(void)close(fd);
	if (store_open(dir, STORE_READ, NULL, &s) < 0)
		return 0;
	(void)store_list(s, 0, a_snapshot, s);
	(void)store_verify(s, &v);
	store_close(s);
	return 0;
}
