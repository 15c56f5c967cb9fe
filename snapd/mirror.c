#include "mirror.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "helper.h"
#include "workspace.h"

enum {
	SOON_MS = 1000,			/* after a snapshot: it may not be the only one */
	BACKOFF_MS = 60000,		/* after a failure; doubles */
	BACKOFF_MAX_MS = 3600000,
};

struct mirroring {
	struct loop_timer *timer;
	uint64_t next_ms;		/* not before */
	uint64_t backoff_ms;
	struct helper helper;
	bool more;			/* a snapshot came meanwhile */
	bool said;			/* that it fails */
};

static void arm(struct workspace *w);

static void ended(struct workspace *w, bool well)
{
	struct mirroring *m = w->mirroring;
	uint64_t now = loop_now_ms(w->loop);

	if (well) {
		if (m->said)
			log_info("%s: the mirror is up to date again", w->path);
		m->said = false;
		m->backoff_ms = 0;
		m->next_ms = now + w->cfg.mirror_every_ms;
	} else {
		m->backoff_ms = m->backoff_ms ? m->backoff_ms * 2 : BACKOFF_MS;
		if (m->backoff_ms > BACKOFF_MAX_MS)
			m->backoff_ms = BACKOFF_MAX_MS;
		if (m->backoff_ms < w->cfg.mirror_every_ms)
			m->backoff_ms = w->cfg.mirror_every_ms;
		m->next_ms = now + m->backoff_ms;
		if (!m->said)
			log_warn("%s: the mirror cannot be brought up to date (--status says why); it is tried again", w->path);
		m->said = true;
	}
	if (m->more || !well)
		arm(w);
}

static void on_end(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct workspace *w = arg;
	int status = 0;

	(void)fd, (void)events;
	if (helper_ended(l, &w->mirroring->helper, &status) < 0)
		return;
	ended(w, WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DONE);
}

static void start(struct workspace *w)
{
	char name[] = "recover-mirror", ws[] = "--workspace", st[] = "--store";
	autofree char *dir = strdup(store_dir(w->store));
	char *argv[] = { name, ws, w->path, st, dir, NULL };

	w->mirroring->more = false;
	if (!dir || helper_start(w->loop, &w->mirroring->helper, argv, on_end, w) < 0)
		ended(w, false);
}

static void on_timer(struct loop *l, void *arg)
{
	struct workspace *w = arg;

	(void)l;
	w->mirroring->timer = NULL;
	if (!w->stopping && !w->mirroring->helper.pid && w->cfg.mirror_url && *w->cfg.mirror_url)
		start(w);
}

static void arm(struct workspace *w)
{
	struct mirroring *m = w->mirroring;
	uint64_t now = loop_now_ms(w->loop), wait = m->next_ms > now + SOON_MS ? m->next_ms - now : SOON_MS;

	if (!m->timer && !w->stopping && loop_add_timer(w->loop, wait, on_timer, w, &m->timer) < 0)
		(void)log_oom();
}

void mirror_soon(struct workspace *w)
{
	if (!w->cfg.mirror_url || !*w->cfg.mirror_url || w->stopping)
		return;
	if (!w->mirroring && !(w->mirroring = calloc(1, sizeof(*w->mirroring)))) {
		(void)log_oom();
		return;
	}
	w->mirroring->more = true;
	if (!w->mirroring->helper.pid)
		arm(w);
}

void mirror_stop(struct workspace *w)
{
	struct mirroring *m = take_ptr(w->mirroring);

	if (!m)
		return;
	loop_del_timer(w->loop, m->timer);
	helper_leave(w->loop, &m->helper);
	free(m);
}
