#include "mirrored.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/ctl.h"
#include "../lib/io.h"

#define NAME MIRROR_DIR "/state"
#define STATE_MAX 65536

static int set_text(char **at, const char *s)
{
	free(*at);
	*at = strdup(s ? s : "");
	return *at ? 0 : -ENOMEM;
}

static int take_line(struct mirrored *m, char *line)
{
	const char *key = ctl_next_field(&line), *v = key ? ctl_next_field(&line) : NULL;

	if (!v)
		return 0;
	if (!strcmp(key, "url"))
		return set_text(&m->url, v);
	if (!strcmp(key, "ref"))
		return set_text(&m->ref, v);
	if (!strcmp(key, "error"))
		return set_text(&m->error, v);
	if (!strcmp(key, "commit") || !strcmp(key, "at")) {
		if (strspn(v, "0123456789abcdef") == 40 && !v[40])
			(void)strcpy(*key == 'c' ? m->commit : m->at, v);
		return 0;
	}
	if (!strcmp(key, "seq"))
		m->seq = strtoull(v, NULL, 10);
	else if (!strcmp(key, "pushed"))
		m->pushed = strtoull(v, NULL, 10);
	else if (!strcmp(key, "pushed_ns"))
		m->pushed_ns = strtoll(v, NULL, 10);
	else if (!strcmp(key, "tried_ns"))
		m->tried_ns = strtoll(v, NULL, 10);
	else if (!strcmp(key, "left_out"))
		m->left_out = strtoull(v, NULL, 10);
	return 0;
}

int mirrored_read(const struct store *s, struct mirrored *ret)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	char *text, *line;
	int r;

	*ret = (struct mirrored){ 0 };
	if ((r = set_text(&ret->url, "")) < 0 || (r = set_text(&ret->ref, "")) < 0 ||
		(r = set_text(&ret->error, "")) < 0)
		return r;
	if ((r = io_read_file(store_dirfd(s), NAME, STATE_MAX, &b)) < 0)
		return r == -ENOTDIR ? -ENOENT : r;
	text = b.data;
	while (r >= 0 && text && (line = ctl_next_line(&text)))
		r = take_line(ret, line);
	return r < 0 ? r : 0;
}

static int add_text(struct buf *b, const char *key, const char *v)
{
	int r = ctl_add_field(b, key);

	r = r < 0 ? r : ctl_add_field(b, v);
	return r < 0 ? r : buf_addch(b, '\n');
}

static int add_number(struct buf *b, const char *key, int64_t v)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRId64, v);
	return add_text(b, key, text);
}

int mirrored_write(const struct store *s, const struct mirrored *m)
{
	autoclose int dir = openat(store_dirfd(s), MIRROR_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	autoput(buf_release) struct buf b = BUF_INIT;

	if (dir < 0)
		return -errno;
	if (add_text(&b, "url", m->url) < 0 || add_text(&b, "ref", m->ref) < 0 || add_text(&b, "error", m->error) < 0 ||
		add_text(&b, "commit", m->commit) < 0 || add_text(&b, "at", m->at) < 0 || add_number(&b, "seq", (int64_t)m->seq) < 0 ||
		add_number(&b, "pushed", (int64_t)m->pushed) < 0 || add_number(&b, "pushed_ns", m->pushed_ns) < 0 ||
		add_number(&b, "tried_ns", m->tried_ns) < 0 || add_number(&b, "left_out", (int64_t)m->left_out) < 0)
		return -ENOMEM;
	return io_replace_file(dir, "state", b.data, b.len, 0600);
}

void mirrored_release(struct mirrored *m)
{
	free(m->url);
	free(m->ref);
	free(m->error);
	*m = (struct mirrored){ 0 };
}

struct count {
	uint64_t above, n;
};

static int count_one(const struct store_snapshot *sn, void *arg)
{
	struct count *c = arg;

	if (sn->seq <= c->above)
		return 1;
	c->n++;
	return 0;
}

uint64_t mirrored_behind(struct store *s, const struct mirrored *m)
{
	struct count c = { m->pushed, 0 };

	return store_list(s, 0, count_one, &c) < 0 ? 0 : c.n;
}

int mirrored_url_text(const char *url, struct buf *ret)
{
	const char *host = strstr(url, "://"), *end, *at = NULL, *colon;

	if (!host)
		return buf_addstr(ret, url);
	host += 3;
	end = host + strcspn(host, "/?#");
	for (const char *p = host; p < end; p++)
		if (*p == '@')
			at = p;
	colon = at ? memchr(host, ':', (size_t)(at - host)) : NULL;
	if (!colon)
		return buf_addstr(ret, url);
	if (buf_add(ret, url, (size_t)(colon + 1 - url)) < 0 || buf_addstr(ret, "***") < 0)
		return -ENOMEM;
	return buf_addstr(ret, at);
}
