/* detect/detect.c - what the user starts. Reports, answers as the gate, ends training, all
 * with the default settings or those that detect-core has kept, by itself; everything else is
 * detect-core's, which this becomes. It links only lib/ and its own room, statically where the
 * compiler can: nothing that takes time to load. What must load a library stands here instead
 * of in its own file (gpu.c, place-user.c), which the linker then leaves out. */
#include <string.h>
#include <unistd.h>

#include "detect/detect.h"
#include "detect/gate.h"
#include "detect/gpu.h"
#include "detect/report.h"
#include "detect/settings.h"
#include "detect/settings_kept.h"
#include "detect/stop.h"
#include "lib/become.h"
#include "lib/log.h"
#include "lib/names.h"
#include "lib/version.h"

static char **our_argv;

/* A driver is detect-core's to ask. Nothing has been printed or done when it is asked for. */
int gpu_read(struct gpu_list *ret)
{
	if (gpu_driver_is_there())
		_exit(become("detect-core", our_argv));
	ret->n = 0;
	ret->why = "no NVIDIA driver";
	return 0;
}

/* Without a HOME the settings are not the default ones, and we are not asked. */
const char *detect_user_home(void)
{
	return NULL;
}

static bool is_report(int argc, char **argv)
{
	return argc < 2 || strcmp(argv[1], "report") == 0 || strcmp(argv[1], "--json") == 0;
}

/* The default ones, or those that detect-core has left for us. */
static bool settings(struct detect_settings *set)
{
	detect_settings_defaults(set);
	return detect_settings_are_default() || settings_kept(version, version_commit, set);
}

static int done(int exit_code, struct detect_settings *set)
{
	if (set->kept)
		settings_kept_release(set);
	return exit_code;
}

/* In a process of its own, that detect-core may take over. */
static int check(int argc, char **argv)
{
	struct detect_settings set;

	if (!settings(&set))
		return become("detect-core", argv);
	return done(cmd_gate(argc - 2, argv + 2, &set), &set);
}

int main(int argc, char **argv)
{
	struct detect_settings set;
	bool stop;
	int skip;

	our_argv = argv;
	log_init(DETECT, LOG_WARN);
	if (argc > 1 && strcmp(argv[1], "gate") == 0)
		return gate_guarded(check, argc, argv);
	stop = argc > 1 && strcmp(argv[1], "stop") == 0;
	if (argc > 1 && strcmp(argv[1], "top") == 0)
		return become("detect-top", argv);
	if ((!stop && !is_report(argc, argv)) || !settings(&set))
		return become("detect-core", argv);
	if (stop)
		return done(cmd_stop(argc - 2, argv + 2, &set), &set);
	skip = argc > 1 && argv[1][0] != '-' ? 2 : 1;
	return done(
		cmd_report(argc > skip ? argc - skip : 0, argv + (argc < skip ? argc : skip), &set),
		&set);
}
