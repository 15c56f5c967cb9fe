/* detect/tiers_cmd.c - see the header. */
#include "detect/tiers_cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "detect/gate.h"
#include "detect/holders.h"
#include "detect/json.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/names.h"
#include "lib/text.h"

#define OR_FAIL(call)              \
	do {                       \
		int r_ = (call);   \
		if (r_ < 0)        \
			return r_; \
	} while (0)

static bool is_tight(const struct tier *t, const struct room *room)
{
	struct need n = { .ram = t->ram_min, .gpu = t->gpu_min };

	return gate_fits(&n, room);
}

static const char *now_word(const struct tier *t, const struct need *n, const struct room *room)
{
	if (gate_fits(n, room))
		return "fits";
	if (n->gpu && room->gpu == MACHINE_NONE)
		return "no GPU";
	return is_tight(t, room) ? "tight" : "too large";
}

static const char *range(uint64_t low, uint64_t high, char p[24])
{
	if (!high)
		return "none";
	(void)snprintf(p, 24, "%u-%u GiB", (unsigned)(low >> 30),
		(unsigned)((high + (1 << 30) - 1) >> 30));
	return p;
}

static int text(const struct room *room, const char *configs, struct buf *b)
{
	char ram[24], gpu[24], size[16];
	struct need n;

	OR_FAIL(buf_addstr(b, "tier         memory     GPU        now        for\n"));
	for (unsigned i = 0; i < TIERS; i++) {
		const struct tier *t = &tiers[i];

		need_of_tier(t, configs, &n);
		OR_FAIL(buf_printf(b, "%-12s %-10s %-10s %-10s %s\n", t->name,
			range(t->ram_min, n.ram, ram), range(t->gpu_min, n.gpu, gpu),
			now_word(t, &n, room), t->use));
	}
	OR_FAIL(buf_printf(b, "\nroom for %s of memory", text_size(room->ram, size)));
	if (room->gpu != MACHINE_NONE)
		return buf_printf(b, " and %s on a GPU\n", text_size(room->gpu, size));
	return buf_printf(b, "; no GPU: %s\n", room->gpu_why);
}

static int json(const struct room *room, const char *configs, struct buf *b)
{
	struct need n;

	for (unsigned i = 0; i < TIERS; i++) {
		const struct tier *t = &tiers[i];

		need_of_tier(t, configs, &n);
		OR_FAIL(buf_addch(b, '{'));
		OR_FAIL(json_field_string(b, "tier", t->name));
		OR_FAIL(json_field_string(b, "file", n.config[0] ? n.config : t->file));
		OR_FAIL(json_field_string(b, "title", t->title));
		OR_FAIL(json_field_string(b, "use", t->use));
		OR_FAIL(json_field(b, "ram_min", t->ram_min));
		OR_FAIL(json_field(b, "ram", n.ram));
		OR_FAIL(json_field(b, "gpu_min", t->gpu_min));
		OR_FAIL(json_field(b, "gpu", n.gpu));
		OR_FAIL(json_field(b, "shm", n.shm));
		OR_FAIL(json_field_string(b, "now", now_word(t, &n, room)));
		OR_FAIL(buf_addstr(b, "}\n"));
	}
	return 0;
}

static int look(struct room *room, const struct gate_limits *lim, const struct detect_settings *set)
{
	struct holders h;
	int r = room_read(&roots_real, lim, true, room);

	if (r == 0 && holders_take(&roots_real, &set->patterns, &room->m, &h) == 0)
		room_reserve(room, lim, h.editor);
	return r;
}

static int show(bool as_json, const struct detect_settings *set)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	struct gate_limits lim;
	struct room room;
	int r;

	gate_limits(&set->cfg, &lim);
	r = look(&room, &lim, set);
	if (r == 0)
		r = as_json ? json(&room, lim.configs, &b) : text(&room, lim.configs, &b);
	if (r < 0) {
		(void)log_error_errno(r, "tiers");
		return EXIT_ENV;
	}
	return (b.len && fwrite(b.data, 1, b.len, stdout) != b.len) || fflush(stdout) ? EXIT_ENV : EXIT_DONE;
}

/* Somebody's own figures are not written over. */
static int write_one(int dir, const char *folder, const struct tier *t)
{
	autoput(buf_release) struct buf b = BUF_INIT, old = BUF_INIT;
	int r = tier_json(t, &b);

	if (r < 0)
		return r;
	r = io_read_file(dir, t->file, 1 << 20, &old);
	if (r == 0 && old.len == b.len && memcmp(old.data, b.data, b.len) == 0)
		return 0;
	if (r != -ENOENT) {
		log_warn("%s/%s: is there already and differs, left as it is", folder, t->file);
		return 1;
	}
	r = io_replace_file(dir, t->file, b.data, b.len, 0644);
	return r < 0 ? log_error_errno(r, "%s/%s", folder, t->file) : 0;
}

static int write_files(const char *folder)
{
	autoclose int dir = -1;
	int exit_code = EXIT_DONE, r = io_mkdir_p(AT_FDCWD, folder, 0755);

	if (r == 0) {
		dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = dir < 0 ? -errno : 0;
	}
	if (r < 0) {
		(void)log_error_errno(r, "%s", folder);
		return EXIT_ENV;
	}
	for (unsigned i = 0; i < TIERS; i++) {
		r = write_one(dir, folder, &tiers[i]);
		if (r < 0)
			return EXIT_ENV;
		if (r > 0)
			exit_code = EXIT_PART;
	}
	return exit_code;
}

static int help(void)
{
	(void)puts(
		"usage: " DETECT " tiers [--json | --write DIR]\n\n"
		"The sizes a training can be run in, what each needs, and which fit now. Files\n"
		"of the same names in training.configs (config/memory_optimized) bring figures\n"
		"of their own.\n\n"
		"  --write DIR   write the tiers' configurations there; what is there stays (3)\n"
		"  --json        one object a line");
	return fflush(stdout) ? EXIT_ENV : EXIT_DONE;
}

int cmd_tiers(int argc, char **argv, const struct detect_settings *set)
{
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return help();
	/* A folder of such a name is meant by ./--name. */
	if (argc == 2 && strcmp(argv[0], "--write") == 0 && *argv[1] && *argv[1] != '-')
		return write_files(argv[1]);
	if (argc == 0 || (argc == 1 && strcmp(argv[0], "--json") == 0))
		return show(argc == 1, set);
	log_error("usage: " DETECT " tiers [--json | --write DIR]");
	return EXIT_USAGE;
}
