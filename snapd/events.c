/* snapd/events.c - what inotify says, as dirty paths. */
#include "parts.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "../lib/auto.h"
#include "../lib/log.h"
#include "tidy.h"

static void mark(struct workspace *w, const char *path, enum scan_depth depth, bool read)
{
	uint64_t now = loop_now_ms(w->loop);

	if (dirty_is_empty(&w->dirty))
		w->first_event_ms = now;
	w->last_event_ms = now;
	tidy_yield(w);
	dirty_add(&w->dirty, path, depth, read);
}

bool workspace_keeps(struct workspace *w, const char *path, bool is_dir)
{
	enum store_why why;
	bool any_size;

	return rules_check(scan_rules(w->scan), path, is_dir, &why, &any_size) != RULES_SKIP;
}

/* A new name may be a second one, and gone again before the next snapshot, when
 * something was written through it. Whether or not it is kept itself. */
static bool remember_link(struct workspace *w, const char *path)
{
	struct stat st;

	if (fstatat(scan_rootfd(w->scan), path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		!S_ISREG(st.st_mode) || st.st_nlink < 2)
		return false;
	links_add(w->links, path, &st);
	return true;
}

/* A folder that is skipped from now on has no events that matter: it is looked at for itself.
 * Its watch stays, to see it come back. */
static void take_news(struct workspace *w, const char *dir, enum rules_news news)
{
	const char *slash = strrchr(dir, '/');
	autofree char *above = NULL;

	w->rules_changed |= news == RULES_NEWS_BELOW;
	if (news == RULES_NEWS_BELOW)
		mark(w, dir, SCAN_TREE, false);
	if (news != RULES_NEWS_ITSELF)
		return;
	mark(w, dir, SCAN_SELF, false);
	above = slash ? strndup(dir, (size_t)(slash - dir)) : NULL;
	if (above)
		mark(w, above, SCAN_SELF, false);
	else if (slash)
		dirty_add_all(&w->dirty);
}

static void on_event(const char *dir, const char *name, uint32_t mask, uint32_t cookie, void *arg)
{
	struct workspace *w = arg;
	bool is_dir = mask & IN_ISDIR;
	bool entry = mask & (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO);
	autoput(buf_release) struct buf path = BUF_INIT;

	if (!name) {
		/* Where the watch forgot a tree, nobody else looks at what is below. */
		mark(w, dir, mask & (IN_MOVE_SELF | IN_IGNORED) ? SCAN_TREE : SCAN_SELF, false);
		return;
	}
	if (buf_printf(&path, "%s%s%s", dir, *dir ? "/" : "", name) < 0) {
		dirty_add_all(&w->dirty);
		return;
	}
	take_news(w, dir, rules_told(scan_rules(w->scan), dir, name));
	if (!workspace_keeps(w, path.data, is_dir) && (is_dir || !remember_link(w, path.data)))
		return;
	if (is_dir && mask & (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM)) {
		rules_forget(scan_rules(w->scan), path.data);
		mark(w, path.data, SCAN_TREE, false);
		/* What comes and goes in it is not told until the next snapshot watches it. */
		w->dirty.unseen |= !w->dirty.all;
	} else {
		mark(w, path.data, SCAN_SELF, !is_dir);
	}
	if (!is_dir) {
		if (mask & (IN_CREATE | IN_MOVED_TO))
			(void)remember_link(w, path.data);
		dirty_follow(&w->dirty, path.data, mask, cookie);
	}
	/* The folder's own mtime. */
	if (entry)
		mark(w, dir, SCAN_SELF, false);
}

void workspace_mark_all(struct workspace *w)
{
	uint64_t now = loop_now_ms(w->loop);

	if (dirty_is_empty(&w->dirty))
		w->first_event_ms = now;
	w->last_event_ms = now;
	dirty_add_all(&w->dirty);
}

static void on_lost(void *arg)
{
	struct workspace *w = arg;

	w->overflows++;
	log_info("%s: too many changes at once (fs.inotify.max_queued_events): looking at "
		 "everything",
		w->path);
	rules_forget(scan_rules(w->scan), "");
	w->rules_changed = true;
	workspace_mark_all(w);
}

static void on_root(bool lost, void *arg)
{
	struct workspace *w = arg;

	w->root_moved = true;
	w->root_lost |= lost;
	mark(w, "", SCAN_SELF, false);
}

const struct watch_ops workspace_watch_ops = { on_event, on_lost, on_root };
