#include "install.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../hooks/hooks.h"
#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../store/store.h"
#include "client.h"
#include "permit.h"
#include "settings.h"

struct place {
	struct buf workspace, store;
	struct config cfg;
};

static void place_release(struct place *p)
{
	buf_release(&p->workspace);
	buf_release(&p->store);
	config_release(&p->cfg);
}

static int find_place(const struct options *opt, struct place *p)
{
	int r = store_canonical(opt->workspace[0], &p->workspace);

	if (r < 0) {
		(void)log_error_errno(r, "%s", opt->workspace[0]);
		return EXIT_ENV;
	}
	if (settings_load(&p->cfg, p->workspace.data) < 0)
		return EXIT_USAGE;
	r = store_place(p->workspace.data, opt->store, p->cfg.store_dir, &p->store);
	if (r < 0)
		(void)log_error_errno(r, "%s: no place for its store", p->workspace.data);
	return r < 0 ? EXIT_ENV : EXIT_DONE;
}

bool install_is(enum mode m)
{
	return m == MODE_INSTALL || m == MODE_UNINSTALL || m == MODE_START || m == MODE_COMPLETION;
}

static int completion(const char *shell)
{
	autoput(buf_release) struct buf b = BUF_INIT;

	if (hooks_completion(shell, &b) < 0) {
		log_error("%s: no such shell; bash, zsh, fish are", shell);
		return EXIT_USAGE;
	}
	return fputs(b.data, stdout) < 0 || fflush(stdout) < 0 ? EXIT_ENV : EXIT_DONE;
}

/* Whoever started it: what is not to be protected any more has no daemon. */
static void stop(const struct options *opt, const struct place *p)
{
	struct options ask = *opt;
	int exit_code;

	ask.mode = MODE_STOP;
	(void)client_run(p->store.data, p->workspace.data, &ask, &exit_code);
}

int install_run(const struct options *opt, const char *argv0)
{
	autoput(place_release) struct place p = { .workspace = BUF_INIT };
	struct hooks_options o = { .store = opt->store, .argv0 = argv0, .yes = opt->yes };
	struct stat st;
	int rc;

	if (opt->mode == MODE_COMPLETION)
		return completion(opt->parts);
	rc = find_place(opt, &p);
	if (rc)
		return rc;
	o.workspace = p.workspace.data;
	if (hooks_parse_parts(opt->parts, &o.parts) < 0) {
		log_error("%s: not a list of parts; of %s", opt->parts, hooks_part_names());
		return EXIT_USAGE;
	}
	if (opt->mode == MODE_UNINSTALL) {
		if (!opt->parts)
			o.parts = HOOK_ALL;
		rc = hooks_uninstall(&o);
		if ((rc == EXIT_DONE || rc == EXIT_PART) && (o.parts & HOOK_LOGIN))
			stop(opt, &p);
		return rc;
	}
	if (stat(o.workspace, &st) < 0 || !S_ISDIR(st.st_mode)) {
		log_error("%s: %s", o.workspace,
			errno && !S_ISDIR(st.st_mode) ? "not a folder" : "is not there");
		return EXIT_ENV;
	}
	if (permit_workspace(o.workspace, p.store.data, opt->force) < 0)
		return EXIT_ENV;
	if (opt->mode == MODE_START)
		return hooks_start(&o, p.store.data);
	rc = hooks_install(&o);
	if ((rc == EXIT_DONE || rc == EXIT_PART) && (o.parts & HOOK_LOGIN)) {
		int started = hooks_start(&o, p.store.data);

		rc = started ? EXIT_PART : rc;
	}
	return rc;
}
