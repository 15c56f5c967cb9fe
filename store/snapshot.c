/* The snapshot record: who, when, why, and the manifest of what changed. docs/format.md. */
#include <string.h>
#include <stdio.h>

#include "../lib/text.h"
#include "internal.h"

static const char *const reasons[REASON_MAX_] = {
	[REASON_INTERVAL] = "interval", [REASON_LAUNCH] = "launch", [REASON_RISK] = "risk",
	[REASON_EXIT] = "exit", [REASON_MANUAL] = "manual", [REASON_RESTORE] = "restore",
	[REASON_START] = "start", [REASON_STOP] = "stop", [REASON_IMPORT] = "import",
};

static const char *const whys[WHY_MAX_] = {
	[WHY_NONE] = "",
	[WHY_TOO_LARGE] = "too large",
	[WHY_SPECIAL] = "special file",
	[WHY_IGNORED] = "ignored by .gitignore",
	[WHY_OTHER_FS] = "other file system",
	[WHY_UNREADABLE] = "unreadable",
	[WHY_NAME] = "name git cannot hold",
	[WHY_EXCLUDED] = "excluded",
};

const char *store_reason_name(enum store_reason r)
{
	return r > 0 && r < REASON_MAX_ ? reasons[r] : "unknown";
}

int store_reason_parse(const char *name)
{
	for (int i = 1; i < REASON_MAX_; i++)
		if (strcmp(reasons[i], name) == 0)
			return i;
	return -EINVAL;
}

const char *store_why_text(enum store_why w)
{
	return w < WHY_MAX_ ? whys[w] : "unknown";
}

void store_snapshot_release(struct store_snapshot *sn)
{
	free(sn->message);
	sn->message = NULL;
}

void snap_release(struct snap *sn)
{
	store_snapshot_release(&sn->info);
	free(sn->manifest);
	sn->manifest = NULL;
}

int snap_commit_text(const struct store_snapshot *info, const struct oid *parent, struct buf *out)
{
	char hex[41];
	int64_t sec = info->time_ns / 1000000000;
	int r;

	if (info->time_ns < 0 && info->time_ns % 1000000000)
		sec--;
	text_hex(info->tree.b, 20, hex);
	r = buf_printf(out, "tree %s\n", hex);
	if (parent) {
		text_hex(parent->b, 20, hex);
		r |= buf_printf(out, "parent %s\n", hex);
	}
	r |= buf_printf(out, "author Holdfast <holdfast@localhost> %lld +0000\n", (long long)sec);
	r |= buf_printf(
		out, "committer Holdfast <holdfast@localhost> %lld +0000\n\n", (long long)sec);
	r |= buf_printf(out, "%s%s%s\n", store_reason_name(info->reason),
		*info->message ? ": " : "", info->message);
	return r ? -ENOMEM : 0;
}

/* ---- entries ---- */

static uint64_t zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

static int64_t unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static bool has_size(uint8_t kind)
{
	return kind == KIND_FILE || kind == KIND_LINK || kind == KIND_SKIPPED;
}

int snap_add_entry(struct buf *b, const char *path, const char *prev, const struct store_entry *e,
	int64_t time_ns)
{
	size_t shared = 0, len = strlen(path);
	int r;

	while (prev && path[shared] && path[shared] == prev[shared])
		shared++;
	r = buf_addch(b, (int)e->kind);
	r |= buf_add_varint(b, shared);
	r |= buf_add_varint(b, len - shared);
	r |= buf_add(b, path + shared, len - shared);
	if (e->kind != KIND_GONE) {
		r |= buf_add_varint(b, e->mode);
		r |= buf_add_varint(
			b, zigzag((int64_t)((uint64_t)e->mtime_ns - (uint64_t)time_ns)));
		r |= buf_add_varint(b, e->flags);
		if (has_size(e->kind))
			r |= buf_add_varint(b, e->size);
		if (e->kind == KIND_SKIPPED || (e->flags & ENTRY_KEPT))
			r |= buf_addch(b, (int)e->why);
	}
	return r ? -ENOMEM : 0;
}

/* The path of this entry over that of the last: in path, NUL-terminated. */
static int entry_path(struct cursor *c, struct buf *path)
{
	uint64_t shared = cur_varint(c), rest = cur_varint(c);
	const uint8_t *p;

	if (c->bad || shared > path->len || rest > (uint64_t)(c->end - c->p) ||
		shared + rest > PATH_BYTES_MAX)
		return -EBADMSG;
	p = cur_bytes(c, (size_t)rest);
	if (rest && memchr(p, 0, (size_t)rest))
		return -EBADMSG;
	path->len = (size_t)shared;
	return buf_add(path, rest ? p : (const uint8_t *)"", (size_t)rest);
}

bool snap_path_ok(const char *p, bool in_tree)
{
	if (!*p)
		return true;
	for (;;) {
		size_t n = strcspn(p, "/");

		if (!n || (n <= 2 && strncmp(p, "..", n) == 0) ||
		    (n == 4 && strncasecmp(p, ".git", 4) == 0 && (in_tree || p[n])))
			return false;
		if (!p[n])
			return true;
		p += n + 1;
	}
}

int snap_entries(
	const uint8_t *p, size_t n, uint64_t count, int64_t time_ns, snap_entry_fn fn, void *arg)
{
	struct cursor c = { p, p + n, 0 };
	autoput(buf_release) struct buf path = BUF_INIT;
	int r;

	if (buf_addstr(&path, "") < 0)
		return -ENOMEM;
	while (count == ~0ull ? c.p < c.end : count > 0) {
		struct store_entry e = { .kind = cur_u8(&c) };

		if (count != ~0ull)
			count--;
		if ((r = entry_path(&c, &path)) < 0)
			return r;
		if (e.kind != KIND_GONE) {
			e.mode = (uint32_t)cur_varint(&c);
			e.mtime_ns =
				(int64_t)((uint64_t)unzigzag(cur_varint(&c)) + (uint64_t)time_ns);
			e.flags = (uint32_t)cur_varint(&c);
			if (has_size((uint8_t)e.kind))
				e.size = cur_varint(&c);
			if (e.kind == KIND_SKIPPED || (e.flags & ENTRY_KEPT))
				e.why = cur_u8(&c);
		}
		if (c.bad || e.kind > KIND_SKIPPED || e.why >= WHY_MAX_ || 
		    !snap_path_ok(path.data, e.kind != KIND_GONE && e.kind != KIND_SKIPPED))
			return -EBADMSG;
		if ((r = fn(path.data, &e, arg)) != 0)
			return r;
	}
	return 0;
}

/* ---- the record ---- */

int snap_build(const struct store_snapshot *info, const struct oid *parent,
	const struct snap_manifest *m, uint32_t n_m, uint32_t rec_seg, uint64_t rec_off,
	const struct change *c, size_t n, struct buf *out)
{
	size_t len = strlen(info->message);
	int r = buf_addch(out, 1);

	r |= buf_add_varint(out, info->seq);
	r |= buf_add(out, info->tree.b, 20);
	r |= buf_addch(out, parent != NULL);
	if (parent)
		r |= buf_add(out, parent->b, 20);
	r |= buf_add_u64(out, (uint64_t)info->time_ns);
	r |= buf_addch(out, (int)info->reason);
	r |= buf_add_varint(out, info->flags);
	r |= buf_add_varint(out, len);
	r |= buf_add(out, info->message, len);
	r |= buf_add_varint(out, n_m);
	for (uint32_t i = 0; i < n_m; i++) {
		if (m[i].seg == rec_seg) {
			r |= buf_add_varint(out, rec_off - m[i].off);
		} else {
			r |= buf_add_varint(out, 0);
			r |= buf_add_varint(out, m[i].seg);
			r |= buf_add_varint(out, m[i].off);
		}
		r |= buf_add_varint(out, m[i].idx);
	}
	r |= buf_add_varint(out, n);
	for (size_t i = 0; i < n && !r; i++)
		r |= snap_add_entry(
			out, c[i].path, i ? c[i - 1].path : NULL, &c[i].e, info->time_ns);
	return r ? -ENOMEM : 0;
}

static int parse_manifest_refs(
	struct cursor *c, uint32_t rec_seg, uint64_t rec_off, struct snap *sn)
{
	uint64_t n = cur_varint(c);

	if (c->bad || n > (uint64_t)(c->end - c->p) / 2)
		return -EBADMSG;
	sn->manifest = calloc((size_t)n + 1, sizeof(*sn->manifest));
	if (!sn->manifest)
		return -ENOMEM;
	for (uint64_t i = 0; i < n; i++) {
		struct snap_manifest *m = &sn->manifest[i];
		uint64_t dist = cur_varint(c), seg = rec_seg, idx;

		if (dist == 0) {
			seg = cur_varint(c);
			m->off = cur_varint(c);
		} else {
			m->off = dist < rec_off ? rec_off - dist : 0;
		}
		idx = cur_varint(c);
		if (c->bad || !m->off || m->off >= 1u << 28 || seg > rec_seg || idx > 0xffff)
			return -EBADMSG;
		m->seg = (uint32_t)seg;
		m->idx = (uint32_t)idx;
	}
	sn->n_manifest = (uint32_t)n;
	return 0;
}

int snap_parse(const uint8_t *p, size_t n, uint32_t rec_seg, uint64_t rec_off, struct snap *ret)
{
	struct cursor c = { p, p + n, 0 };
	autoput(snap_release) struct snap sn = { .info = { 0 } };
	uint8_t version = cur_u8(&c);
	const uint8_t *id;
	uint64_t len;
	int r;

	if (version != 1)
		return c.bad ? -EBADMSG : -ENOTSUP;
	sn.info.seq = cur_varint(&c);
	if ((id = cur_bytes(&c, 20)))
		memcpy(sn.info.tree.b, id, 20);
	sn.has_parent = cur_u8(&c) != 0;
	if (sn.has_parent && (id = cur_bytes(&c, 20)))
		memcpy(sn.parent.b, id, 20);
	sn.info.time_ns = (int64_t)cur_u64(&c);
	sn.info.reason = cur_u8(&c);
	sn.info.flags = (uint32_t)cur_varint(&c);
	len = cur_varint(&c);
	if (c.bad || len > (uint64_t)(c.end - c.p) || sn.info.reason < 1 ||
		sn.info.reason >= REASON_MAX_ || !sn.info.seq || sn.info.seq >> 62)
		return -EBADMSG;
	sn.info.message = strndup(len ? (const char *)cur_bytes(&c, (size_t)len) : "", (size_t)len);
	if (!sn.info.message)
		return -ENOMEM;
	if (strlen(sn.info.message) != len)
		return -EBADMSG;
	if ((r = parse_manifest_refs(&c, rec_seg, rec_off, &sn)) < 0)
		return r;
	sn.n_entries = cur_varint(&c);
	if (c.bad || sn.n_entries > n)
		return -EBADMSG;
	sn.entries_at = (size_t)(c.p - p);
	*ret = sn;
	sn.info.message = NULL;
	sn.manifest = NULL;
	return 0;
}

int snap_read(struct store *s, loc_t loc, struct snap *ret, struct rbuf **ret_raw)
{
	autorbuf struct rbuf *raw = NULL;
	uint8_t type;
	struct oid id;
	int r = obj_read(s, loc, &type, &id, &raw);

	if (r < 0)
		return r;
	if (type != OBJ_SNAPSHOT && type != OBJ_DROPPED)
		return -EBADMSG;
	if ((r = snap_parse(raw->data, raw->len, loc_seg(loc), loc_off(loc), ret)) < 0)
		return r;
	ret->info.id = id;
	if (ret_raw)
		*ret_raw = take_ptr(raw);
	return 0;
}

int snap_each(struct store *s, loc_t loc, snap_entry_fn fn, void *arg)
{
	autoput(snap_release) struct snap sn = { .info = { 0 } };
	autorbuf struct rbuf *raw = NULL;
	int r = snap_read(s, loc, &sn, &raw);

	for (uint32_t i = 0; r == 0 && i < sn.n_manifest; i++) {
		autorbuf struct rbuf *part = NULL;
		uint8_t type;

		r = obj_read(s,
			loc_make(sn.manifest[i].seg, sn.manifest[i].off, sn.manifest[i].idx), &type,
			NULL, &part);
		if (r == 0)
			r = type == OBJ_MANIFEST
				    ? snap_entries(part->data, part->len, ~0ull, 0, fn, arg)
				    : -EBADMSG;
	}
	if (r == 0)
		r = snap_entries(raw->data + sn.entries_at, raw->len - sn.entries_at, sn.n_entries,
			sn.info.time_ns, fn, arg);
	return r;
}
