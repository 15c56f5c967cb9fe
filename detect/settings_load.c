/* detect/settings_load.c - the part of settings that reads the files; see the header. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "detect/settings.h"
#include "lib/log.h"

static size_t length(const char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

/* The built-in list, then what the files add. */
static int joined(const char *const *builtin, const struct config_list *more, const char ***keep,
	const char *const **ret)
{
	size_t n = length(builtin);
	const char **list;

	if (!more->n)
		return 0;
	list = calloc(n + more->n + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	if (n)
		memcpy(list, builtin, n * sizeof(*list));
	for (size_t i = 0; i < more->n; i++)
		list[n + i] = more->item[i];
	*keep = list;
	*ret = list;
	return 0;
}

static uint64_t percent(int v)
{
	return (uint64_t)v * 100;
}

int detect_settings_load(struct detect_settings *s)
{
	struct risk_limits *l = &s->limits;
	const struct config *c = &s->cfg;
	int r, e;

	detect_settings_defaults(s);
	r = config_load(&s->cfg, NULL, NULL, NULL);
	if (r == -ENOMEM)
		return r;
	l->mem_medium = percent(c->memory_medium);
	l->mem_critical = percent(c->memory_critical);
	if (l->mem_critical < l->mem_medium) {
		log_warn("detect.memoryCritical: below detect.memoryMedium, which counts for both");
		s->cfg.n_problems++;
		l->mem_critical = l->mem_medium;
	}
	l->swap = percent(c->swap_medium);
	l->gpu = percent(c->gpu_medium);
	l->shm = percent(c->shm_medium);
	l->cpu = percent(c->cpu_warn);
	l->psi_medium = percent(c->pressure_medium);
	l->psi_critical = percent(c->pressure_critical);
	l->family_bytes = c->family_warn;
	l->disk_free = c->disk_free;
	l->warn_left_ms = c->time_left;
	l->calm_ms = c->calm_ms;
	e = joined(role_defaults.training, &c->training, &s->lists[0], &s->patterns.training);
	if (e == 0)
		e = joined(role_defaults.not_training, &c->not_training, &s->lists[1],
			&s->patterns.not_training);
	if (e == 0)
		e = joined(role_defaults.editors, &c->editors, &s->lists[2], &s->patterns.editors);
	return e < 0 ? e : r;
}

void detect_settings_release(struct detect_settings *s)
{
	for (size_t i = 0; i < sizeof(s->lists) / sizeof(s->lists[0]); i++)
		free(s->lists[i]);
	config_release(&s->cfg);
	memset(s, 0, sizeof(*s));
}
