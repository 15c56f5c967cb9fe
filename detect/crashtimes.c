/* When crashes were, for who must not lose the last snapshot before one. */
#include <errno.h>
#include <stdlib.h>

#include "detect/crashtimes.h"
#include "detect/detect.h"
#include "detect/journal.h"
#include "lib/auto.h"

struct times {
	int64_t *ns;
	size_t n, cap;
};

static int add(const struct journal_event *ev, void *arg)
{
	struct times *t = arg;
	uint64_t ms = ev->until_ms > ev->real_ms ? ev->until_ms : ev->real_ms;

	if (t->n == t->cap) {
		size_t cap = t->cap * 2 + 16;
		void *p = realloc(t->ns, cap * sizeof(*t->ns));

		if (!p)
			return -ENOMEM;
		t->ns = p;
		t->cap = cap;
	}
	t->ns[t->n++] = (int64_t)ms * 1000000;
	return 0;
}

int crash_times(int64_t **ret, size_t *ret_n)
{
	autoclose int dirfd = detect_state_dir_if_any();
	struct journal_filter f = { .crashes_only = true };
	struct times t = { NULL, 0, 0 };
	struct journal *j = NULL;
	int r = dirfd < 0 ? dirfd : journal_open(dirfd, false, &j);

	if (r == 0)
		r = journal_each(j, &f, add, &t);
	journal_close(j);
	if (r == -ENOENT)
		r = 0;
	if (r < 0) {
		free(t.ns);
		return r;
	}
	*ret = t.ns;
	*ret_n = t.n;
	return 0;
}
