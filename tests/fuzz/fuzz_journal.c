/* tests/fuzz/fuzz_journal.c - hostile bytes for the journal of a restore. The first byte chooses: the file as it is, or its
 * records (a length byte before each) with right checksums, so that what lies behind them is reached. What
 * is accepted names only paths that may be written, and comes back as it was when it is written again. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "lib/auto.h"
#include "recover/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int yes)
{
	if (!yes)
		abort();
}

static void frame(const uint8_t *p, size_t n, struct buf *out)
{
	check(buf_add(out, "HFRJ\r\n1\n", 8) == 0);
	while (n) {
		size_t len = *p < n - 1 ? *p : n - 1;

		p++, n--;
		check(buf_add_u32(out, (uint32_t)len) == 0);
		check(buf_add_u32(out, (uint32_t)crc32(0, p, (uInt)len)) == 0);
		check(buf_add(out, p, len) == 0);
		p += len, n -= len;
	}
}

static void plan_of(const struct journal *j, struct plan *p)
{
	p->item = calloc(j->targets.n + 1, sizeof(*p->item));
	check(p->item != NULL);
	for (size_t i = 0; i < j->targets.n; i++) {
		const struct target *t = &j->targets.t[i];

		check(!*t->path || path_safe(t->path));
		check(t->want.kind <= KIND_DIR);
		p->item[p->n++] = (struct plan_item){
			.path = strdup(t->path), .action = t->parent ? PLAN_PARENT : PLAN_CREATE, .want = t->want,
		};
	}
}

static void try(const void *data, size_t n)
{
	autoput(journal_release) struct journal j = { .fd = -1 }, again = { .fd = -1 };
	autoput(buf_release) struct buf b = BUF_INIT;
	autoput(plan_release) struct plan p = { 0 };

	if (journal_parse(data, n, &j) < 0)
		return;
	check(j.workspace && *j.workspace == '/');
	plan_of(&j, &p);
	check(journal_format(&j, &p, &b) == 0);
	check(journal_parse(b.data, b.len, &again) == 0);
	check(again.op == j.op && again.undo == j.undo && again.safety_seq == j.safety_seq && again.time_ns == j.time_ns);
	check(!strcmp(again.workspace, j.workspace) && again.targets.n == j.targets.n);
	for (size_t i = 0; i < j.targets.n; i++) {
		const struct target *x = &j.targets.t[i], *y = &again.targets.t[i];

		check(!strcmp(x->path, y->path) && x->parent == y->parent && x->want.kind == y->want.kind);
		check(x->want.mode == y->want.mode && x->want.size == y->want.size && x->want.mtime_ns == y->want.mtime_ns);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoput(buf_release) struct buf b = BUF_INIT;

	if (!size)
		return 0;
	if (data[0] & 1) {
		frame(data + 1, size - 1, &b);
		try(b.data, b.len);
	} else {
		try(data + 1, size - 1);
	}
	return 0;
}
