/* detect/settings_kept.c - see the header. The file:
 *
 *	holdfast settings VERSION COMMIT HOME		all tab-separated
 *	file PATH absent | file PATH DEV INO SIZE MTIME_NS CTIME_NS
 *	NAME VALUE
 *	sum SHA1 of what stands before this line */
#include "detect/settings_kept.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "detect/detect.h"
#include "lib/auto.h"
#include "lib/ctl.h"
#include "lib/io.h"
#include "lib/sha1.h"
#include "lib/text.h"

#define FILE_NAME "settings"
#define MAGIC "holdfast settings\t"

enum { FILE_MAX = 64 << 10, SUM = 40, SETTLED_S = 2 };
enum type { U64, INT, BOOL, TEXT };

#define F(name, type, field)                                        \
	{                                                           \
		name, type, offsetof(struct detect_settings, field) \
	}

static const struct field_at {
	const char *name;
	enum type type;
	size_t at;
} fields[] = {
	F("mem_medium", U64, limits.mem_medium),
	F("mem_critical", U64, limits.mem_critical),
	F("swap", U64, limits.swap),
	F("gpu", U64, limits.gpu),
	F("shm", U64, limits.shm),
	F("cpu", U64, limits.cpu),
	F("psi_medium", U64, limits.psi_medium),
	F("psi_critical", U64, limits.psi_critical),
	F("family_bytes", U64, limits.family_bytes),
	F("disk_free", U64, limits.disk_free),
	F("warn_left_ms", U64, limits.warn_left_ms),
	F("calm_points", U64, limits.calm_points),
	F("calm_ms", U64, limits.calm_ms),
	F("gate_reserve", INT, cfg.gate_reserve),
	F("gate_swap", INT, cfg.gate_swap),
	F("gate_memory", INT, cfg.gate_memory),
	F("gate_free", U64, cfg.gate_free),
	F("gate_cpu", INT, cfg.gate_cpu),
	F("gate_force", BOOL, cfg.gate_force),
	F("gate_snapshot", BOOL, cfg.gate_snapshot),
	F("gate_wait_ms", U64, cfg.gate_wait_ms),
	F("training_configs", TEXT, cfg.training_configs),
	F("store_dir", TEXT, cfg.store_dir),
};
enum { FIELDS = sizeof(fields) / sizeof(*fields) };

static const char *const lists[] = { "training", "not_training", "editors" };
enum { LISTS = sizeof(lists) / sizeof(*lists) };

/* ---- which files, and what they are ---- */

static uint64_t ns(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * 1000000000 + (uint64_t)t->tv_nsec;
}

/* A line for one of them. *fit becomes false of one whose next writing might not show. */
static int add_origin(struct buf *b, const char *path, bool *fit)
{
	struct stat st;

	if (strpbrk(path, "\t\n"))
		return -EINVAL;
	if (stat(path, &st) < 0) {
		*fit = *fit && (errno == ENOENT || errno == ENOTDIR);
		return buf_printf(b, "file\t%s\tabsent\n", path);
	}
	*fit = *fit && S_ISREG(st.st_mode) && st.st_ctim.tv_sec + SETTLED_S < time(NULL) &&
	       st.st_mtim.tv_sec + SETTLED_S < time(NULL);
	return buf_printf(b,
		"file\t%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n", path,
		(uint64_t)st.st_dev, (uint64_t)st.st_ino, (uint64_t)st.st_size, ns(&st.st_mtim),
		ns(&st.st_ctim));
}

int settings_origin(struct settings_origin *ret)
{
	autoput(buf_release) struct buf path = BUF_INIT;
	const char *only = getenv("HOLDFAST_CONFIG");
	int r;

	*ret = (struct settings_origin){ BUF_INIT, true };
	if (only && *only) {
		/* A relative one is another file elsewhere. */
		r = *only == '/' ? add_origin(&ret->text, only, &ret->fit) : -ENOENT;
	} else {
		r = detect_settings_user_file(&path);
		if (r == 0)
			r = add_origin(&ret->text, SETTINGS_SYSTEM_FILE, &ret->fit);
		if (r == 0)
			r = add_origin(&ret->text, path.data, &ret->fit);
	}
	if (r < 0)
		settings_origin_release(ret);
	return r;
}

void settings_origin_release(struct settings_origin *o)
{
	buf_release(&o->text);
}

/* "file\tPATH\t..." of each: does it take in another? */
static bool any_includes(const struct settings_origin *o)
{
	autofree char *copy = strdup(o->text.data ? o->text.data : "");
	char *rest = copy, *line;

	while (rest && (line = ctl_next_line(&rest))) {
		char *path = line + strlen("file\t");

		path[strcspn(path, "\t")] = '\0';
		if (detect_settings_includes(path))
			return true;
	}
	return !copy;
}

/* ---- writing ---- */

static int head(struct buf *b, const char *version, const char *commit)
{
	const char *home = getenv("HOME");

	return buf_printf(b, MAGIC "%s\t%s\t%s\n", version, commit, home ? home : "");
}

static int add_field(struct buf *b, const struct field_at *f, const struct detect_settings *s)
{
	const void *at = (const char *)s + f->at;
	const char *text;

	switch (f->type) {
	case U64:
		return buf_printf(b, "%s\t%" PRIu64 "\n", f->name, *(const uint64_t *)at);
	case INT:
		return buf_printf(b, "%s\t%d\n", f->name, *(const int *)at);
	case BOOL:
		return buf_printf(b, "%s\t%d\n", f->name, *(const bool *)at);
	default:
		text = *(const char *const *)at;
		return !text                   ? 0
		       : strpbrk(text, "\t\n") ? -EINVAL
					       : buf_printf(b, "%s\t%s\n", f->name, text);
	}
}

static int add_list(struct buf *b, const char *name, const char *const *list)
{
	int r = 0;

	for (; r == 0 && list && *list; list++)
		r = strpbrk(*list, "\t\n") ? -EINVAL : buf_printf(b, "%s\t%s\n", name, *list);
	return r;
}

static int add_sum(struct buf *b)
{
	uint8_t id[20];
	char hex[SUM + 1];

	sha1_text(b->data, b->len, id);
	text_hex(id, sizeof(id), hex);
	return buf_printf(b, "sum\t%s\n", hex);
}

int settings_keep(const struct settings_origin *o, const char *version, const char *commit,
	const struct detect_settings *s)
{
	autoput(buf_release) struct buf b = BUF_INIT, was = BUF_INIT;
	autoclose int dir = -1;
	int r = 0;

	if (!o->fit || s->cfg.n_problems || any_includes(o))
		return 0;
	dir = detect_state_dir_if_any();
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	r = head(&b, version, commit);
	if (r == 0)
		r = buf_add(&b, o->text.data, o->text.len);
	for (unsigned i = 0; r == 0 && i < FIELDS; i++)
		r = add_field(&b, &fields[i], s);
	if (r == 0)
		r = add_list(&b, lists[0], s->patterns.training);
	if (r == 0)
		r = add_list(&b, lists[1], s->patterns.not_training);
	if (r == 0)
		r = add_list(&b, lists[2], s->patterns.editors);
	if (r == 0)
		r = add_sum(&b);
	if (r < 0 || b.len > FILE_MAX)
		return r == -EINVAL ? 0 : r;
	if (io_read_file(dir, FILE_NAME, FILE_MAX, &was) == 0 && was.len == b.len &&
		memcmp(was.data, b.data, b.len) == 0)
		return 0;
	r = io_replace_file(dir, FILE_NAME, b.data, b.len, 0600);
	return r < 0 ? r : 1;
}

/* ---- reading ---- */

/* The text before its sum; false: it is torn, or none of ours. */
static bool is_whole(struct buf *b)
{
	const size_t tail = strlen("sum\t") + SUM + 1;
	uint8_t id[20];
	char hex[SUM + 1];

	if (b->len < tail || memcmp(b->data + b->len - tail, "sum\t", 4) != 0 ||
		b->data[b->len - 1] != '\n')
		return false;
	sha1_text(b->data, b->len - tail, id);
	text_hex(id, sizeof(id), hex);
	if (memcmp(b->data + b->len - SUM - 1, hex, SUM) != 0)
		return false;
	b->data[b->len - tail] = '\0';
	return true;
}

/* Both begin with what must be as it is now: what comes behind that. */
static char *behind(char *text, const char *version, const char *commit)
{
	autoput(buf_release) struct buf now = BUF_INIT;
	struct settings_origin o;
	bool same = settings_origin(&o) == 0;

	if (!same)
		return NULL;
	same = head(&now, version, commit) == 0 && buf_add(&now, o.text.data, o.text.len) == 0 &&
	       strncmp(text, now.data, now.len) == 0;
	settings_origin_release(&o);
	return same ? text + now.len : NULL;
}

static bool set_field(const struct field_at *f, char *value, struct detect_settings *s)
{
	void *at = (char *)s + f->at;
	char *end;
	uint64_t v;

	if (f->type == TEXT) {
		*(char **)at = value;
		return true;
	}
	errno = 0;
	v = strtoull(value, &end, 10);
	if (errno || *value < '0' || *value > '9' || *end || (f->type != U64 && v > INT32_MAX))
		return false;
	if (f->type == U64)
		*(uint64_t *)at = v;
	else if (f->type == INT)
		*(int *)at = (int)v;
	else
		*(bool *)at = v;
	return true;
}

struct listed {
	const char **list[LISTS];
	unsigned n[LISTS], room; /* room for every line there is */
};

static bool take_line(char *line, struct listed *l, struct detect_settings *s)
{
	char *value = strchr(line, '\t');

	if (!value)
		return false;
	*value++ = '\0';
	for (unsigned i = 0; i < LISTS; i++)
		if (strcmp(line, lists[i]) == 0) {
			l->list[i][l->n[i]++] = value;
			return l->n[i] < l->room;
		}
	for (unsigned i = 0; i < FIELDS; i++)
		if (strcmp(line, fields[i].name) == 0)
			return set_field(&fields[i], value, s);
	return false;
}

static bool take(char *text, struct detect_settings *s)
{
	struct listed l = { .room = 2 };
	bool good = true;
	char *line;

	for (const char *p = text; (p = strchr(p, '\n')); p++)
		l.room++;
	for (unsigned i = 0; i < LISTS; i++) {
		l.list[i] = s->lists[i] = calloc(l.room, sizeof(*l.list[i]));
		good = good && l.list[i];
	}
	while (good && (line = ctl_next_line(&text)))
		good = take_line(line, &l, s);
	s->patterns = (struct role_patterns){ l.list[0], l.list[1], l.list[2] };
	return good && s->cfg.gate_memory;
}

bool settings_kept(const char *version, const char *commit, struct detect_settings *ret)
{
	autoclose int dir = detect_state_dir_if_any();
	struct buf b = BUF_INIT;
	char *values;

	if (dir < 0 || io_read_file(dir, FILE_NAME, FILE_MAX, &b) < 0)
		return false;
	values = is_whole(&b) ? behind(b.data, version, commit) : NULL;
	if (!values) {
		buf_release(&b);
		return false;
	}
	detect_settings_defaults(ret);
	ret->kept = buf_detach(&b, NULL);
	if (take(values, ret))
		return true;
	settings_kept_release(ret);
	return false;
}

void settings_kept_release(struct detect_settings *s)
{
	for (unsigned i = 0; i < LISTS; i++)
		free(s->lists[i]);
	free(s->kept);
	memset(s, 0, sizeof(*s));
}
