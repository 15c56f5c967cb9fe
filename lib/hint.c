/* lib/hint.c - see the header. */
#include "lib/hint.h"

#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORD = 32 };

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Damerau and Levenshtein's: letters to insert, delete, change, or swap with their neighbour. */
static size_t distance(const char *a, const char *b)
{
	size_t d[WORD + 1][WORD + 1], n = strlen(a), m = strlen(b);

	if (n > WORD || m > WORD)
		return WORD;
	for (size_t i = 0; i <= n; i++)
		for (size_t k = 0; k <= m; k++) {
			if (!i || !k) {
				d[i][k] = i + k;
				continue;
			}
			d[i][k] = least(least(d[i - 1][k], d[i][k - 1]) + 1,
				d[i - 1][k - 1] + (a[i - 1] != b[k - 1]));
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
				d[i][k] = least(d[i][k], d[i - 2][k - 2] + 1);
		}
	return d[n][m];
}

static void lower(const char *s, char ret[static WORD + 1])
{
	size_t n = 0;

	for (; *s && n < WORD; s++)
		ret[n++] = (char)(*s >= 'A' && *s <= 'Z' ? *s + 32 : *s);
	ret[n] = '\0';
}

/* All of a's letters are in b, in their order. */
static bool is_part(const char *a, const char *b)
{
	for (; *a && *b; b++)
		a += *a == *b;
	return !*a;
}

const char *hint_near(const char *typed, const char *const *words)
{
	char low[WORD + 1];
	size_t n = strlen(typed), best = n >= 6 ? 3 : n >= 3 ? 2 : 1;
	const char *found = NULL;
	bool twice = false;

	if (!n || n > WORD)
		return NULL;
	lower(typed, low);
	for (; *words; words++) {
		size_t k = n >= 2 && strncmp(low, *words, n) == 0 ? 0 : distance(low, *words);

		if (k > best || (k == best && !found))
			continue;
		if (found && k == best && is_part(low, found) != is_part(low, *words)) {
			if (is_part(low, found))
				continue;
			twice = false;
		} else {
			twice = found && k == best;
		}
		best = k;
		found = *words;
	}
	return twice ? NULL : found;
}

const char *hint_word(const char *s, struct buf *b)
{
	int r;

	if (*s && *s != '~' && s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/+,=@%~-")] == '\0')
		return s;
	r = buf_addch(b, '\'');
	for (const char *p = s; *p && r == 0; p++)
		r = *p == '\'' ? buf_addstr(b, "'\\''") : buf_addch(b, *p);
	if (r == 0)
		r = buf_addch(b, '\'');
	return r < 0 ? s : b->data;
}

bool hint_tilde(const char *path)
{
	return *path == '~' && access(path, F_OK) < 0;
}

static const char *name_of(uid_t uid, char ret[static 48])
{
	const struct passwd *pw = getpwuid(uid);

	(void)(pw ? snprintf(ret, 48, "%.40s", pw->pw_name) : snprintf(ret, 48, "user %u", (unsigned)uid));
	return ret;
}

const char *hint_denied(const char *path, char *ret, size_t size)
{
	char up[4096], theirs[48], ours[48], *slash;
	struct stat st;

	*ret = '\0';
	if (snprintf(up, sizeof(up), "%s", path) >= (int)sizeof(up))
		return ret;
	/* What cannot even be looked at lies below what lets nobody through. */
	while (lstat(up, &st) < 0) {
		slash = strrchr(up, '/');
		if (!slash || slash == up)
			return ret;
		*slash = '\0';
	}
	if (st.st_uid == geteuid() || geteuid() == 0)
		return ret;
	(void)snprintf(ret, size, "; %s belongs to %s (you are %s): act as %s, or name another", up,
		name_of(st.st_uid, theirs), name_of(geteuid(), ours), theirs);
	return ret;
}
