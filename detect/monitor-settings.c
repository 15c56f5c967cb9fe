/* Lines name=value, as detect-core writes them (core_watch.c). */
#include "detect/monitor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"

enum { SETTINGS_MAX = 256 << 10 };

#define N(name, field)                                         \
	{                                                      \
		name, offsetof(struct monitor_settings, field) \
	}

static const struct {
	const char *name;
	size_t at;
} numbers[] = {
	N("mem_medium", limits.mem_medium),
	N("mem_critical", limits.mem_critical),
	N("swap", limits.swap),
	N("gpu", limits.gpu),
	N("shm", limits.shm),
	N("cpu", limits.cpu),
	N("psi_medium", limits.psi_medium),
	N("psi_critical", limits.psi_critical),
	N("family_bytes", limits.family_bytes),
	N("disk_free", limits.disk_free),
	N("warn_left_ms", limits.warn_left_ms),
	N("calm_points", limits.calm_points),
	N("calm_ms", limits.calm_ms),
	N("log_bytes", log_bytes),
	N("look_ms", look_ms),
	N("hang_ms", hang_ms),
	N("sample_ms", sample_ms),
	N("guard_ask", guard.ask),
	N("guard_freeze", guard.freeze),
	N("guard_most", guard.most_bytes),
	N("guard_min", guard.min_bytes),
	N("guard_hold", guard.hold_ms),
	N("guard_grace", guard.grace_ms),
};

static int add_pattern(const char **list, const char *value)
{
	unsigned n = 0;

	while (list[n])
		n++;
	if (n + 1 == PATTERNS)
		return -E2BIG;
	list[n] = value;
	return 0;
}

static int without(struct monitor_settings *s, const char *what)
{
	if (strcmp(what, "connector") == 0)
		s->no_connector = true;
	else if (strcmp(what, "exit-info") == 0)
		s->no_exit_info = true;
	else if (strcmp(what, "zombie") == 0)
		s->no_zombie = true;
	else
		return -EINVAL;
	return 0;
}

static int set_number(struct monitor_settings *s, size_t at, const char *value)
{
	char *end;

	errno = 0;
	*(uint64_t *)(void *)((char *)s + at) = strtoull(value, &end, 10);
	return errno || *end || *value < '0' || *value > '9' ? -EINVAL : 0;
}

static int set(struct monitor_settings *s, const char *name, const char *value)
{
	if (strcmp(name, "training") == 0)
		return add_pattern(s->training, value);
	if (strcmp(name, "not_training") == 0)
		return add_pattern(s->not_training, value);
	if (strcmp(name, "editor") == 0)
		return add_pattern(s->editors, value);
	if (strcmp(name, "guard_spare") == 0)
		return add_pattern(s->guard_spare, value);
	if (strcmp(name, "guard") == 0) {
		s->guard_on = strcmp(value, "off") != 0;
		s->guard_dry = strcmp(value, "dry-run") == 0;
		return 0;
	}
	if (strcmp(name, "without") == 0)
		return without(s, value);
	if (strcmp(name, "core") == 0)
		s->core = value;
	else if (strcmp(name, "log_dir") == 0)
		s->log_dir = value;
	else if (strcmp(name, "by_hand") == 0)
		s->by_snapd = strcmp(value, "no") == 0;
	else
		for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
			if (strcmp(name, numbers[i].name) == 0)
				return set_number(s, numbers[i].at, value);
	return 0; /* of a newer detect-core */
}

int monitor_settings_read(int fd, struct monitor_settings *ret)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	char *rest, *line;
	int r = io_read_rest(fd, SETTINGS_MAX, &b);

	*ret = (struct monitor_settings){ .limits = risk_defaults,
		.guard = guard_defaults,
		.log_bytes = 8 << 20,
		.look_ms = 10000,
		.hang_ms = 15000,
		.sample_ms = 1000 };
	if (r < 0)
		return log_error_errno(r, "settings");
	ret->below = getenv("HOLDFAST_WATCH_BELOW");
	/* For as long as the program runs. */
	rest = ret->text = buf_detach(&b, NULL);
	while (r == 0 && (line = ctl_next_line(&rest))) {
		char *value = strchr(line, '=');

		if (value)
			*value++ = '\0';
		r = value ? set(ret, line, value) : -EINVAL;
		if (r < 0)
			log_error("settings: %s: %s", line, err_str(r));
	}
	ret->patterns = (struct role_patterns){
		.training = ret->training[0] ? ret->training : role_defaults.training,
		.not_training =
			ret->not_training[0] ? ret->not_training : role_defaults.not_training,
		.editors = ret->editors,
	};
	return r;
}
