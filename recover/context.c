/* Which workspace, which store. The folder we stand in may be deleted, and the workspace with
 * it: then PWD still says where we were. */
#include "recover.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/hint.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/text.h"
#include "../store/around.h"
#include "../store/portion.h"
#include "from.h"
#include "paths.h"
#include "rows.h"
#include "strays.h"
#include "xalloc.h"

volatile sig_atomic_t interrupted;

static void on_signal(int signo)
{
	interrupted = signo;
}

void interrupt_catch(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	(void)sigaction(SIGINT, &sa, NULL);
	(void)sigaction(SIGTERM, &sa, NULL);
	(void)sigaction(SIGHUP, &sa, NULL);
}

static char *current_folder(void)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	autofree char *cwd = getcwd(NULL, 0);
	const char *pwd = getenv("PWD");

	/* Linux says "(unreachable)/..." for a folder outside of our root */
	if (cwd && *cwd == '/')
		return take_ptr(cwd);
	if (pwd && *pwd == '/' && store_canonical(pwd, &b) == 0)
		return buf_detach(&b, NULL);
	return NULL;
}

/* The store of a workspace as the settings place it. NULL: none there. */
static char *store_of(const char *workspace, const struct config *cfg)
{
	autoput(buf_release) struct buf b = BUF_INIT;

	/* one that may not be looked at is there all the same: opening it says why not */
	if (store_place(workspace, NULL, cfg->store_dir, &b) < 0 || !around_is_store(b.data))
		return NULL;
	return buf_detach(&b, NULL);
}

/* "": no workspace is gone, so this one was not moved. Else "moved? recover adopt OLD NEW; ". */
static void if_moved(const struct recover *r, const char *new, struct buf *ret)
{
	autoput(buf_release) struct buf old = BUF_INIT, a = BUF_INIT, b = BUF_INIT;

	if (around_moved(new, r->cfg.store_dir, &old) <= 0)
		(void)buf_addstr(ret, "");
	else if (buf_printf(ret, "moved? " RECOVER " adopt %s %s; ", hint_word(old.data, &a), hint_word(new, &b)) < 0)
		xalloc_failed();
}

bool context_above(const struct recover *r, struct buf *ret_dir, struct buf *ret_command)
{
	autoput(buf_release) struct buf usual = BUF_INIT, a = BUF_INIT, b = BUF_INIT;
	const char *below = r->workspace;

	if (r->store_path && (config_store_place(r->workspace, r->cfg.store_dir, &usual) < 0 ||
				     strcmp(usual.data, r->store_path) != 0))
		return false;
	if (around_above(r->workspace, r->cfg.store_dir, ret_dir) < 0)
		return false;
	below += ret_dir->data[1] ? strlen(ret_dir->data) + 1 : 1;
	if (buf_printf(ret_command, RECOVER " --workspace %s list %s", hint_word(ret_dir->data, &a),
		    hint_word(below, &b)) < 0)
		xalloc_failed();
	return true;
}

static int no_store(struct recover *r)
{
	autoput(buf_release) struct buf word = BUF_INIT, above = BUF_INIT, moved = BUF_INIT, command = BUF_INIT;

	if (context_above(r, &above, &command)) {
		log_error("%s: has no store of its own, %s above it has one: %s", r->workspace, above.data,
			command.data);
		return EXIT_ENV;
	}
	if_moved(r, r->workspace, &moved);
	log_error("%s: has no store yet: %s" SNAPD " --workspace %s makes one; "
		  "--store DIR names one that is elsewhere",
		r->workspace, moved.data, hint_word(r->workspace, &word));
	strays_name(&r->cfg);
	return EXIT_ENV;
}

/* The nearest folder at or above `from` that has a store. */
static int find_above(struct recover *r, const char *from)
{
	autoput(buf_release) struct buf word = BUF_INIT, moved = BUF_INIT;
	autofree char *dir = xstrdup(from);
	const char *home = getenv("HOME");

	for (;;) {
		char *slash, *store = store_of(dir, &r->cfg);

		if (store) {
			r->store_path = store;
			r->workspace = take_ptr(dir);
			return EXIT_DONE;
		}
		slash = strrchr(dir, '/');
		if (!slash || !dir[1])
			break;
		slash[slash == dir] = 0;
	}
	if (!strcmp(from, "/") || (home && !strcmp(from, home))) {
		log_error("%s: no workspace here or above: " RECOVER
			  " --workspace DIR names one; " SNAPD
			  " --workspace ~/project keeps that folder from now on",
			from);
	} else {
		if_moved(r, from, &moved);
		log_error("%s: no workspace here or above: %s" RECOVER
			  " --workspace DIR names one; " SNAPD
			  " --workspace %s keeps this one from now on",
			from, moved.data, hint_word(from, &word));
	}
	strays_name(&r->cfg);
	return EXIT_ENV;
}

/* The store is a copy of a mirror; the workspace is where we stand, if none is named. */
static int place_from(struct recover *r, const char *cwd)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int e = store_canonical(r->workspace_arg ? r->workspace_arg : cwd ? cwd : "/", &b);

	if (e < 0) {
		log_error_errno(e, "%s", r->workspace_arg ? r->workspace_arg : "the current folder");
		return EXIT_ENV;
	}
	r->workspace = buf_detach(&b, NULL);
	return from_fetch(r, r->from_arg, &r->store_path);
}

static int place(struct recover *r, const char *cwd)
{
	const char *env = getenv("HOLDFAST_STORE");
	const char *override = r->store_arg ? r->store_arg : env && *env ? env : NULL;
	autoput(buf_release) struct buf b = BUF_INIT;
	char whose[256];
	int e;

	for (int i = 0; i < 2; i++) {
		const char *given = i ? r->store_arg : r->workspace_arg;

		if (given && hint_tilde(given)) {
			log_error("%s: " HINT_TILDE, given);
			return EXIT_USAGE;
		}
	}
	if (r->workspace_arg) {
		if ((e = store_canonical(r->workspace_arg, &b)) < 0) {
			log_error("%s: %s%s", r->workspace_arg, err_str(e),
				e == -EACCES ? hint_denied(r->workspace_arg, whose, sizeof(whose)) : "");
			return EXIT_ENV;
		}
		r->workspace = buf_detach(&b, NULL);
	}
	if (override) {
		r->store_path = xstrdup(override);
	} else if (r->workspace) {
		if (!(r->store_path = store_of(r->workspace, &r->cfg)))
			return no_store(r);
	} else if (cwd) {
		return find_above(r, cwd);
	} else {
		log_error("the current folder is gone: name the workspace with --workspace DIR");
		return EXIT_ENV;
	}
	return EXIT_DONE;
}

/* The settings are read twice, before and after the workspace is known: what was said once is
 * not said again. */
static void say_once(const char *line, void *arg)
{
	struct strs *said = arg;

	for (size_t i = 0; i < said->n; i++)
		if (!strcmp(said->s[i], line))
			return;
	log_warn("%s", line);
	strs_add(said, xstrdup(line));
}

/* Settings that are torn or came broken with a clone are no reason not to give work back: they
 * are named, and the others and the defaults hold. */
static int load_config(struct recover *r, const char *workspace, struct strs *said)
{
	int e;

	config_release(&r->cfg);
	e = config_load(&r->cfg, workspace, say_once, said);
	if (e < 0 && e != -EINVAL && e != -EIO) {
		log_error_errno(e, "cannot read the settings");
		return EXIT_ENV;
	}
	return EXIT_DONE;
}

static void set_prefix(struct recover *r, const char *cwd)
{
	size_t n = strlen(r->workspace);

	if (n == 1)
		n = 0;
	if (cwd && !strncmp(cwd, r->workspace, n) && (cwd[n] == '/' || !cwd[n]))
		r->prefix = xstrdup(cwd[n] ? cwd + n + 1 : "");
	else
		r->prefix = xstrdup("");
}

/* Whatever is asked: that it is no longer up to date is to be known first. */
/* How it is now with the room that was missing: "; 3.0 MiB is free, store.freeFloor keeps 256 MiB". */
static int room_now(const struct recover *r, const char *why, struct buf *ret)
{
	struct store_room m;
	char is[16], most[16];

	if (store_room(r->store, &r->cfg, &m) < 0)
		return 0;
	if (strstr(why, err_str(-EDQUOT)))
		return buf_printf(ret, "; now it takes %s of %s%s", text_size(m.size, is), text_size(m.quota, most),
			r->cfg.quota ? "" : ", the smaller of 5 GiB and a tenth of the file system");
	if (strstr(why, err_str(-ENOSPC)))
		return buf_printf(ret, "; now %s is free there, %s is to stay so (store.freeFloor)", text_size(m.avail, is),
			text_size(m.floor, most));
	return 0;
}

static void say_stopped(const struct recover *r)
{
	autoput(buf_release) struct buf why = BUF_INIT, now = BUF_INIT;
	char when[32];
	int64_t since;

	if (store_stopped(r->store, &since, &why) == 1 && room_now(r, why.data, &now) == 0)
		log_warn("%s: since %s: %s%s%s", r->workspace, row_time(since, when),
			strncmp(why.data, "no snapshot", 11) ? "no snapshot: " : "", why.data, now.len ? now.data : "");
}

/* Found in the background, and still so when last looked at. */
static void say_damage(const struct recover *r)
{
	struct checked c = { 0 };
	char when[32];

	if (checked_read(r->store, &c) == 0 && c.bad_seg)
		log_warn("%s: damage was found on %s: " RECOVER " verify --all says what it hits, " RECOVER " repair makes a new store"
			" of the rest", r->store_path, row_time(c.bad_ns, when));
	if (store_is_lossy(r->store))
		log_warn("%s: parts of its log are gone, and snapshots with them: " RECOVER " verify says more", r->store_path);
}

static void say_nothing(const char *line, void *arg)
{
	(void)line, (void)arg;
}

bool context_is_given(struct recover *r)
{
	autofree char *dir = current_folder();
	const char *env = getenv("HOLDFAST_STORE");

	if (r->workspace_arg || r->store_arg || r->from_arg || (env && *env))
		return true;
	config_release(&r->cfg);
	(void)config_load(&r->cfg, NULL, say_nothing, NULL);
	while (dir) {
		autofree char *store = store_of(dir, &r->cfg);
		char *slash = strrchr(dir, '/');

		if (store)
			return true;
		if (!slash || !dir[1])
			break;
		slash[slash == dir] = 0;
	}
	return false;
}

int context_open(struct recover *r)
{
	autoput(strs_release) struct strs said = { 0 };
	autofree char *cwd = current_folder();
	int rc, e;

	/* where stores live is the user's setting; only then is the workspace known */
	if ((rc = load_config(r, NULL, &said)) || (rc = r->from_arg ? place_from(r, cwd) : place(r, cwd)))
		return rc;
	e = store_open(r->store_path, STORE_READ, NULL, &r->store);
	if (e == -ENOENT || e == -ENOTDIR) {
		log_error("%s: is no store; " RECOVER " stores lists them", r->store_path);
		return EXIT_ENV;
	}
	if (e < 0)
		return context_failed(r, e, "open");
	if (!r->workspace)
		r->workspace = xstrdup(store_workspace(r->store));
	if (!*r->workspace) {
		log_error("%s: does not say which workspace it keeps: name it with --workspace DIR",
			r->store_path);
		return EXIT_ENV;
	}
	if (!r->from_arg && *store_workspace(r->store) && strcmp(store_workspace(r->store), r->workspace))
		log_warn("%s: was made for %s", r->store_path, store_workspace(r->store));
	set_prefix(r, cwd);
	rc = load_config(r, r->workspace, &said);
	say_stopped(r);
	say_damage(r);
	return rc;
}

/* Named by its store alone, the workspace may be far from where the user stands. */
static bool stands_elsewhere(const struct recover *r)
{
	autofree char *cwd = current_folder();
	size_t n = strlen(r->workspace);

	return !r->workspace_arg &&
	       (!cwd || strncmp(cwd, r->workspace, n) || (cwd[n] && cwd[n] != '/' && n > 1));
}

int context_may_write(const struct recover *r)
{
	autoput(buf_release) struct buf other = BUF_INIT;
	int e = store_keeps(r->store_path, r->workspace, &other);

	if (e < 0)
		return context_failed(r, e, "workspace");
	if (e == 0) {
		log_error("%s: refused, the store %s keeps %s; --to DIR restores elsewhere; if "
			  "that was moved here, " SNAPD
			  " --workspace %s --store %s --once --force says so",
			r->workspace, r->store_path, other.data, r->workspace, r->store_path);
		return EXIT_ENV;
	}
	if (stands_elsewhere(r)) {
		log_error("refused: the store %s keeps %s, and you are not in it; if you mean it, "
			  "--workspace %s",
			r->store_path, r->workspace, r->workspace);
		return EXIT_ENV;
	}
	return EXIT_DONE;
}

void context_close(struct recover *r)
{
	store_close(r->store);
	r->store = NULL;
	config_release(&r->cfg);
	free(r->workspace);
	free(r->store_path);
	free(r->prefix);
}

int context_failed(const struct recover *r, int err, const char *what)
{
	const char *where = r->store_path ? r->store_path : "store";
	char whose[256] = "";

	if (err == -EACCES || err == -EPERM)
		(void)hint_denied(where, whose, sizeof(whose));
	log_error("%s: %s: %s%s%s", where, what, err_str(err), whose,
		r->store && err == -EBADMSG && store_index_damaged(r->store) ? "; give the command again" : context_way_out(err));
	return EXIT_ENV;
}

const char *context_way_out(int err)
{
	return err == -EBADMSG ? "; " RECOVER " verify says what is hit, " RECOVER " repair makes a new store of the rest" : "";
}
