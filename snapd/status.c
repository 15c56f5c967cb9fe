/* snapd/status.c - what a workspace's daemon says of itself. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../hooks/hooks.h"
#include "../lib/auto.h"
#include "../lib/names.h"
#include "../lib/text.h"
#include "../store/mirrored.h"
#include "../store/portion.h"
#include "parts.h"

#define QUOTA_MAX (UINT64_C(5) << 30)

enum { UNWATCHED_SHOWN = 20 };

struct facts {
	struct store_snapshot last;
	struct store_totals totals;
	uint64_t quota, age_s;
	char id[41], time[40];
};

static uint64_t quota(const struct workspace *w)
{
	struct statvfs v;
	uint64_t tenth;

	if (w->cfg.quota)
		return w->cfg.quota;
	if (fstatvfs(store_dirfd(w->store), &v) < 0)
		return QUOTA_MAX;
	tenth = (uint64_t)v.f_blocks * v.f_frsize / 10;
	return tenth < QUOTA_MAX ? tenth : QUOTA_MAX;
}

static int gather(struct workspace *w, struct facts *f)
{
	int r = store_newest(w->store, &f->last);

	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0) {
		int64_t now = text_now_ns();

		text_hex(f->last.id.b, sizeof(f->last.id.b), f->id);
		(void)text_rfc3339(f->last.time_ns, f->time);
		f->age_s =
			now > f->last.time_ns ? (uint64_t)(now - f->last.time_ns) / 1000000000 : 0;
		store_snapshot_release(&f->last);
	}
	f->quota = quota(w);
	return store_totals(w->store, &f->totals);
}

/* Without a daemon the store alone speaks. */
static bool is_running(const struct workspace *w)
{
	return w->daemon != NULL;
}

static size_t dirty_count(const struct workspace *w)
{
	return w->dirty.all ? 1 : w->dirty.n;
}

/* JSON takes no bytes that are not UTF-8: those become U+FFFD, one each. */
static int json_string(struct buf *b, const char *s)
{
	int r = buf_addch(b, '"');

	for (; r == 0 && *s; s++) {
		unsigned char c = (unsigned char)*s;
		size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

		if (c == '"' || c == '\\')
			r = buf_printf(b, "\\%c", c);
		else if (c < 32 || c == 127)
			r = buf_printf(b, "\\u%04x", c);
		else if (n == 1)
			r = buf_addch(b, c);
		else if (strnlen(s, n) == n && text_is_utf8(s, n)) {
			r = buf_add(b, s, n);
			s += n - 1;
		} else {
			r = buf_addstr(b, "\xef\xbf\xbd");
		}
	}
	return r < 0 ? r : buf_addch(b, '"');
}

struct named {
	struct buf *b;
	size_t n;
	bool json;
};

static int name_one(const char *dir, void *arg)
{
	struct named *x = arg;
	int r;

	if (x->n == UNWATCHED_SHOWN)
		return 1;
	if (x->json) {
		r = x->n ? buf_addch(x->b, ',') : 0;
		r = r < 0 ? r : json_string(x->b, *dir ? dir : ".");
	} else {
		r = buf_addstr(x->b, "    ");
		r = r < 0 ? r : text_quote_name(x->b, *dir ? dir : ".", *dir ? strlen(dir) : 1);
		r = r < 0 ? r : buf_addch(x->b, '\n');
	}
	x->n++;
	return r;
}

static int hook_one(const char *line, void *arg)
{
	struct named *x = arg;
	int r;

	if (x->json) {
		r = x->n ? buf_addch(x->b, ',') : 0;
		r = r < 0 ? r : json_string(x->b, line);
	} else {
		r = buf_addstr(x->b, x->n ? "            " : "hooks       ");
		r = r < 0 ? r : buf_addstr(x->b, line);
		r = r < 0 ? r : buf_addch(x->b, '\n');
	}
	x->n++;
	return r;
}

#define OR_FAIL(call) do { int r_ = (call); if (r_ < 0) return r_; } while (0)

/* How far the mirror is, as whoever pushes left it; of another URL nothing is known. */
static bool read_mirror(const struct workspace *w, struct mirrored *m)
{
	if (!w->cfg.mirror_url || !*w->cfg.mirror_url)
		return false;
	if (mirrored_read(w->store, m) < 0 || strcmp(m->url, w->cfg.mirror_url) != 0)
		mirrored_release(m);
	return true;
}

static int mirror_json(struct workspace *w, struct buf *b)
{
	autoput(mirrored_release) struct mirrored m = { 0 };
	autoput(buf_release) struct buf url = BUF_INIT;
	char time[40];

	if (!read_mirror(w, &m))
		return buf_addstr(b, ",\"mirror\":null");
	OR_FAIL(mirrored_url_text(w->cfg.mirror_url, &url));
	OR_FAIL(buf_addstr(b, ",\"mirror\":{\"url\":"));
	OR_FAIL(json_string(b, url.data));
	OR_FAIL(buf_printf(b, ",\"behind\":%llu,\"left_out\":%llu,\"pushed\":",
		(unsigned long long)mirrored_behind(w->store, &m), (unsigned long long)m.left_out));
	if (m.pushed_ns)
		OR_FAIL(buf_printf(b, "\"%s\"", text_rfc3339(m.pushed_ns, time)));
	else
		OR_FAIL(buf_addstr(b, "null"));
	OR_FAIL(buf_addstr(b, ",\"error\":"));
	OR_FAIL(m.error && *m.error ? json_string(b, m.error) : buf_addstr(b, "null"));
	return buf_addch(b, '}');
}

static int mirror_text(struct workspace *w, struct buf *b)
{
	autoput(mirrored_release) struct mirrored m = { 0 };
	autoput(buf_release) struct buf url = BUF_INIT;
	int64_t ago;
	uint64_t behind;
	char age[24];

	if (!read_mirror(w, &m))
		return 0;
	behind = mirrored_behind(w->store, &m);
	ago = m.pushed_ns ? (text_now_ns() - m.pushed_ns) / 1000000000 : 0;
	OR_FAIL(mirrored_url_text(w->cfg.mirror_url, &url));
	OR_FAIL(buf_addstr(b, "mirror      "));
	OR_FAIL(text_quote_name(b, url.data, url.len));
	OR_FAIL(m.pushed_ns ? buf_printf(b, ", %s ago, %llu behind\n", text_duration(ago > 0 ? (uint64_t)ago : 0, age),
		(unsigned long long)behind) : buf_addstr(b, ", nothing pushed yet\n"));
	if (m.left_out)
		OR_FAIL(buf_printf(b, "            %llu left out, like secrets (mirror.allow)\n", (unsigned long long)m.left_out));
	if (m.error && *m.error) {
		OR_FAIL(buf_addstr(b, "            failed: "));
		OR_FAIL(text_quote_name(b, m.error, strlen(m.error)));
		OR_FAIL(buf_addch(b, '\n'));
	}
	return 0;
}

/* What the looks for rot have found so far. */
static int checked_json(struct workspace *w, struct buf *b)
{
	struct checked c = { 0 };
	char time[40];

	(void)checked_read(w->store, &c);
	OR_FAIL(buf_addstr(b, ",\"verify\":{\"last\":"));
	OR_FAIL(c.time_ns ? buf_printf(b, "\"%s\"", text_rfc3339(c.time_ns, time)) : buf_addstr(b, "null"));
	OR_FAIL(buf_addstr(b, ",\"round\":"));
	OR_FAIL(c.round_ns ? buf_printf(b, "\"%s\"", text_rfc3339(c.round_ns, time)) : buf_addstr(b, "null"));
	return buf_printf(b, ",\"damaged\":%llu}", (unsigned long long)c.n_bad);
}

static int checked_text(struct workspace *w, struct buf *b)
{
	struct checked c = { 0 };
	char age[24];
	int64_t ago;

	if (checked_read(w->store, &c) < 0 || !c.time_ns)
		return 0;
	ago = (text_now_ns() - c.time_ns) / 1000000000;
	OR_FAIL(buf_printf(b, "verified    a part, %s ago\n", text_duration(ago > 0 ? (uint64_t)ago : 0, age)));
	if (c.n_bad)
		OR_FAIL(buf_printf(b, "DAMAGE      %llu record%s (" RECOVER " verify --all, " RECOVER " repair)\n",
			(unsigned long long)c.n_bad, c.n_bad == 1 ? "" : "s"));
	return 0;
}

static int as_json(struct workspace *w, const struct facts *f, struct buf *b)
{
	struct named names = { .b = b, .json = true };

	OR_FAIL(buf_addstr(b, "{\"workspace\":"));
	OR_FAIL(json_string(b, w->path));
	OR_FAIL(buf_addstr(b, ",\"store\":"));
	OR_FAIL(json_string(b, store_dir(w->store)));
	OR_FAIL(buf_printf(
		b, ",\"snapshots\":%llu,\"last\":", (unsigned long long)f->totals.snapshots));
	if (f->id[0])
		OR_FAIL(buf_printf(b, "{\"id\":\"%s\",\"time\":\"%s\",\"age_s\":%llu}", f->id,
			f->time, (unsigned long long)f->age_s));
	else
		OR_FAIL(buf_addstr(b, "null"));
	if (is_running(w))
		OR_FAIL(buf_printf(b, ",\"dirty\":%zu", dirty_count(w)));
	else
		OR_FAIL(buf_addstr(b, ",\"dirty\":null"));
	OR_FAIL(buf_printf(b, ",\"skipped\":{\"count\":%llu,\"bytes\":%llu},\"unwatched\":[",
		(unsigned long long)f->totals.skipped,
		(unsigned long long)f->totals.skipped_bytes));
	if (w->watch)
		OR_FAIL(watch_each(w->watch, false, name_one, &names));
	OR_FAIL(buf_printf(b, "],\"unwatched_count\":%zu,\"watched_count\":%zu,\"unreadable\":%llu,"
		"\"size_bytes\":%llu,\"quota_bytes\":%llu,\"daemon\":{\"running\":%s,\"pid\":",
		w->watch ? watch_unwatched(w->watch) : 0, w->watch ? watch_count(w->watch) : 0,
		(unsigned long long)f->totals.kept,
		(unsigned long long)(f->totals.log_bytes + f->totals.catalogue_bytes),
		(unsigned long long)f->quota, is_running(w) ? "true" : "false"));
	if (is_running(w))
		OR_FAIL(buf_printf(b,
			"%ld},\"present\":%s,\"wakeups\":%llu,\"overflows\":%llu,\"last_error\":",
			(long)getpid(), w->scan ? "true" : "false",
			(unsigned long long)daemon_wakeups(w->daemon),
			(unsigned long long)w->overflows));
	else
		OR_FAIL(buf_printf(b,
			"null},\"present\":%s,\"wakeups\":null,\"overflows\":null,\"last_error\":",
			access(w->path, F_OK) == 0 ? "true" : "false"));
	if (w->last_error.len)
		OR_FAIL(json_string(b, w->last_error.data));
	else
		OR_FAIL(buf_addstr(b, "null"));
	names = (struct named){ .b = b, .json = true };
	OR_FAIL(buf_addstr(b, ",\"hooks\":["));
	(void)hooks_check(w->path, hook_one, &names);
	OR_FAIL(buf_addch(b, ']'));
	OR_FAIL(checked_json(w, b));
	OR_FAIL(mirror_json(w, b));
	if (w->looking)
		OR_FAIL(buf_printf(b, ",\"scanning\":{\"files\":%llu,\"bytes\":%llu}",
			(unsigned long long)(w->progress_files - w->look_files),
			(unsigned long long)(w->progress_bytes - w->look_bytes)));
	else
		OR_FAIL(buf_addstr(b, ",\"scanning\":null"));
	return buf_addstr(b, "}\n");
}

static int as_text(struct workspace *w, const struct facts *f, struct buf *b)
{
	char age[24], size[16], most[16], skipped[16];
	struct named names = { .b = b };

	OR_FAIL(buf_addstr(b, "workspace   "));
	OR_FAIL(text_quote_name(b, w->path, strlen(w->path)));
	OR_FAIL(buf_addstr(b, w->scan || !is_running(w) ? "\nstore       " :
		"  (gone; waiting for it)\nstore       "));
	OR_FAIL(text_quote_name(b, store_dir(w->store), strlen(store_dir(w->store))));
	OR_FAIL(buf_printf(b, "\nsnapshots   %llu, %s of at most %s\n",
		(unsigned long long)f->totals.snapshots,
		text_size(f->totals.log_bytes + f->totals.catalogue_bytes, size),
		text_size(f->quota, most)));
	if (f->id[0])
		OR_FAIL(buf_printf(
			b, "last        %.12s, %s ago\n", f->id, text_duration(f->age_s, age)));
	if (w->looking)
		OR_FAIL(buf_printf(b, "scanning    %llu files, %s so far\n",
			(unsigned long long)(w->progress_files - w->look_files),
			text_size(w->progress_bytes - w->look_bytes, size)));
	if (is_running(w))
		OR_FAIL(buf_printf(b, "dirty       %zu%s\n", dirty_count(w),
			w->dirty.all ? " (everything)" : ""));
	OR_FAIL(buf_printf(b, "skipped     %llu, %s\n", (unsigned long long)f->totals.skipped,
		text_size(f->totals.skipped_bytes, skipped)));
	if (f->totals.kept)
		OR_FAIL(buf_printf(b, "unreadable  %llu\n", (unsigned long long)f->totals.kept));
	if (w->watch)
		OR_FAIL(buf_printf(b, "watched     %zu folder%s, %zu not\n", watch_count(w->watch),
			watch_count(w->watch) == 1 ? "" : "s", watch_unwatched(w->watch)));
	if (w->watch)
		OR_FAIL(watch_each(w->watch, false, name_one, &names));
	OR_FAIL(checked_text(w, b));
	OR_FAIL(mirror_text(w, b));
	names = (struct named){ .b = b };
	(void)hooks_check(w->path, hook_one, &names);
	if (!is_running(w))
		return buf_addstr(b, "daemon      not running\n");
	OR_FAIL(buf_printf(b, "daemon      process %ld, %llu wake-ups, %llu overflows\n",
		(long)getpid(), (unsigned long long)daemon_wakeups(w->daemon),
		(unsigned long long)w->overflows));
	if (w->last_error.len)
		OR_FAIL(buf_printf(b, "error       %s\n", w->last_error.data));
	return 0;
}

int workspace_status(struct workspace *w, bool json, struct buf *ret)
{
	struct facts f = { 0 };
	int r;

	if (w->watch && !w->looking)
		(void)workspace_read(w);
	r = gather(w, &f);
	if (r < 0)
		return r;
	return json ? as_json(w, &f, ret) : as_text(w, &f, ret);
}
