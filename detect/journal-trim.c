/* How the journal stays small, and what becomes of one that is damaged. */
#include <errno.h>
#include <string.h>

#include "detect/detect.h"
#include "detect/journal-internal.h"
#include "lib/log.h"

static int salvage(const struct journal_event *ev, void *arg)
{
	struct journal_event copy = *ev;
	int r;

	copy.row = 0;
	r = journal_add(arg, &copy);
	for (unsigned i = 0; i < ev->n_link && r == 0; i++)
		r = journal_add_link(arg, ev->id, &ev->link[i]);
	return r;
}

int journal_renew(int dirfd)
{
	struct journal_filter all = { .samples = true };
	struct journal old = { 0 }, *j = NULL;
	char name[64];
	int r = journal_set_aside(dirfd, name), damage;

	if (r == 0)
		r = journal_open(dirfd, true, &j);
	if (r < 0)
		return r;
	r = journal_batch_begin(j);
	damage = journal_try(dirfd, name, false, &old);
	/* Newest first, up to where the damage is. */
	if (r == 0 && damage == 0)
		damage = journal_each(&old, &all, salvage, j);
	if (r == 0)
		r = journal_batch_commit(j);
	if (damage < 0)
		log_warn(DETECT_JOURNAL ": not all of the old one could be read");
	journal_close_db(&old);
	journal_close(j);
	return r;
}

static int pragma_u64(struct journal *j, const char *sql, uint64_t *ret)
{
	autostmt st = NULL;
	int r = journal_prepare(j, sql, &st);

	if (r == 0 && sqlite3_step(st) != SQLITE_ROW)
		r = journal_check(j, sqlite3_errcode(j->db));
	if (r == 0)
		*ret = (uint64_t)sqlite3_column_int64(st, 0);
	return r;
}

static int used(struct journal *j, uint64_t *ret)
{
	uint64_t pages = 0, empty = 0, size = 0;
	int r = pragma_u64(j, "PRAGMA page_count", &pages);

	if (r == 0)
		r = pragma_u64(j, "PRAGMA freelist_count", &empty);
	if (r == 0)
		r = pragma_u64(j, "PRAGMA page_size", &size);
	if (r == 0)
		*ret = (pages - empty) * size;
	return r;
}

int journal_trim(struct journal *j, uint64_t quota_bytes)
{
	uint64_t now = 0;
	int r = used(j, &now);
	bool any = false;

	while (r == 0 && now > quota_bytes) {
		int gone;

		/* A sixteenth at a time, the oldest; never the latest crash. */
		r = journal_exec(j, "BEGIN IMMEDIATE;"
			    "DELETE FROM event WHERE row IN (SELECT row FROM event WHERE row IS NOT"
			    " (SELECT row FROM event WHERE unwanted ORDER BY time DESC, row DESC "
			    "LIMIT 1)"
			    " ORDER BY time, row LIMIT (SELECT count(*)/16+1 FROM event))");
		gone = sqlite3_changes(j->db);
		if (r == 0)
			r = journal_exec(j, "DELETE FROM link WHERE event NOT IN (SELECT id FROM event); "
				    "COMMIT");
		if (r < 0) {
			(void)journal_exec(j, "ROLLBACK");
			break;
		}
		if (gone == 0)
			break; /* only the latest crash is left */
		any = true;
		r = used(j, &now);
	}
	if (r == 0 && any)
		r = journal_exec(j, "VACUUM");
	return r;
}
