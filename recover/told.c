#include "told.h"

#include <stdio.h>
#include <string.h>

#include "../detect/detect.h"
#include "../detect/journal.h"
#include "../lib/auto.h"
#include "../lib/fsuser.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/text.h"
#include "out.h"

static int add_restore(const char *workspace, const char *store, const char *title,
	const struct oid *rev, const struct oid *safety, bool whole)
{
	struct journal_link l = { .workspace = (char *)(uintptr_t)workspace,
		.store = (char *)(uintptr_t)store };
	struct journal_event ev = { .kind = J_RESTORE,
		.real_ms = (uint64_t)text_now_ns() / 1000000,
		.pid = -1,
		.ppid = -1,
		.code = -1,
		.signal = -1,
		.text = title,
		.note = whole ? NULL : "not all of it could be restored",
		.link = &l,
		.n_link = 1 };
	autoclose int dirfd = detect_state_dir();
	struct journal *j = NULL;
	char random[17];
	int r;

	io_random_hex(random);
	(void)snprintf(ev.id, sizeof(ev.id), "restore-%s", random);
	id_hex(safety, l.before);
	id_hex(rev, l.after);
	if (strspn(l.before, "0") == 40)
		l.before[0] = '\0';
	r = dirfd < 0 ? dirfd : journal_open(dirfd, true, &j);
	if (r == 0)
		r = journal_add(j, &ev);
	journal_close(j);
	return r;
}

void tell_restore(const char *workspace, const char *store, const char *title,
	const struct oid *rev, const struct oid *safety, bool whole)
{
	int r;

	fsuser_act_as_self();	/* that journal is ours */
	r = add_restore(workspace, store, title, rev, safety, whole);
	if (r < 0)
		(void)log_debug_errno(r, "the restore is not in the journal of events");
}
