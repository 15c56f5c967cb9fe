/* editors/uri.c - addresses as VSCode writes them, and the names it makes of them by hashing.
 *
 * hash(s): h = 149417, then h = h * 31 + c for each UTF-16 unit, in 32 bits
 * (vs/base/common/hash.ts); a file is named by the hex of that, as a signed number. So the hash
 * of HOST:PORT/PATH is that of HOST: carried through the digits of the port and the letters of
 * the path, and all ports are tried with one multiplication each. */
#include "editors-internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/auto.h"

enum { SEED = 149417, PORTS = 65536, HOST_MAX_ = 256 };

void uri_release(struct uri *u)
{
	buf_release(&u->scheme);
	buf_release(&u->authority);
	buf_release(&u->path);
}

static int hex(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int decode(const char *s, size_t n, struct buf *ret)
{
	int r = buf_reserve(ret, n + 1);

	for (size_t i = 0; r == 0 && i < n; i++) {
		int c = (unsigned char)s[i];

		if (c == '%') {
			if (i + 2 >= n || hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0)
				return -EINVAL;
			c = hex(s[i + 1]) << 4 | hex(s[i + 2]);
			i += 2;
		}
		if (!c)
			return -EINVAL;
		r = buf_addch(ret, c);
	}
	if (r == 0 && !ret->len)
		ret->data[0] = '\0';
	return r;
}

int uri_parse(const char *s, size_t n, struct uri *ret)
{
	const char *colon = memchr(s, ':', n), *end = s + n, *p, *slash;
	int r;

	*ret = (struct uri){ .scheme = BUF_INIT };
	if (!colon || colon == s)
		return -EINVAL;
	for (const char *q = s; q < colon; q++)
		if (!((*q >= 'a' && *q <= 'z') || (*q >= 'A' && *q <= 'Z') ||
			    (*q >= '0' && *q <= '9') || strchr("+-.", *q)))
			return -EINVAL;
	p = colon + 1;
	r = decode(s, (size_t)(colon - s), &ret->scheme);
	if (r == 0 && end - p >= 2 && p[0] == '/' && p[1] == '/') {
		p += 2;
		slash = memchr(p, '/', (size_t)(end - p));
		slash = slash ? slash : end;
		r = decode(p, (size_t)(slash - p), &ret->authority);
		p = slash;
	} else if (r == 0) {
		r = decode(p, 0, &ret->authority);
	}
	if (r == 0)
		r = decode(p, (size_t)(end - p), &ret->path);
	if (r < 0)
		uri_release(ret);
	return r;
}

int uri_encode_path(const char *path, struct buf *ret)
{
	int r = buf_reserve(ret, strlen(path) + 1);

	for (; r == 0 && *path; path++) {
		unsigned char c = (unsigned char)*path;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			strchr("-._~/", c))
			r = buf_addch(ret, c);
		else
			r = buf_printf(ret, "%%%02X", c);
	}
	return r;
}

static uint32_t hash_on(uint32_t h, const char *s)
{
	for (; *s; s++)
		h = h * 31 + (unsigned char)*s;
	return h;
}

int32_t editor_hash(const char *s)
{
	return (int32_t)hash_on(SEED, s);
}

int editor_hash_name(int32_t h, char out[10])
{
	return snprintf(
		out, 10, "%s%x", h < 0 ? "-" : "", h < 0 ? (unsigned)-(int64_t)h : (unsigned)h);
}

/* What a port of one host would hash to. */
static bool try_host(const char *host, const char *path, uint32_t want)
{
	uint32_t base = hash_on(hash_on(SEED, "vscode-remote://"), host), power = 1, tail = 0;

	if (hash_on(base, path) == want)
		return true; /* no port: behind a proxy */
	base = hash_on(base, ":");
	for (const char *s = path; *s; s++) {
		power *= 31;
		tail = tail * 31 + (unsigned char)*s;
	}
	for (unsigned port = 1; port < PORTS; port++) {
		char digits[6];

		(void)snprintf(digits, sizeof(digits), "%u", port);
		if (hash_on(base, digits) * power + tail == want)
			return true;
	}
	return false;
}

bool editor_is_remote_of(const char *name, const char *path)
{
	autoput(buf_release) struct buf enc = BUF_INIT;
	char host[HOST_MAX_] = "", *end;
	long long n = strtoll(name, &end, 16);
	const char *const hosts[] = { "127.0.0.1", "localhost", host, "0.0.0.0", "%5B::1%5D",
		"[::1]" };

	if (*end || end == name || n < INT32_MIN || n > INT32_MAX ||
		uri_encode_path(path, &enc) < 0)
		return false;
	(void)gethostname(host, sizeof(host) - 1);
	for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++)
		if (*hosts[i] && try_host(hosts[i], enc.data, (uint32_t)(int32_t)n))
			return true;
	return false;
}
