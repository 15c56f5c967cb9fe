/* detect/need.c - see the header. */
#include "detect/need.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "detect/learned.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/jsonc.h"
#include "lib/log.h"
#include "lib/names.h"
#include "lib/text.h"

#define MARGIN (UINT64_C(16) << 20)

enum { CONFIG_MAX = 1 << 20, MARGIN_PERCENT = 3 };

/* "requirements.ram": a member of a member; -1: it has none. */
static int at_path(const struct jsonc *j, const char *path)
{
	char key[32];
	int node = 0;

	while (*path && node >= 0) {
		size_t n = strcspn(path, ".");

		(void)snprintf(key, sizeof(key), "%.*s", (int)n, path);
		node = jsonc_member(j, node, key);
		path += n + (path[n] == '.');
	}
	return node;
}

/* A number of bytes, or a string such as "6 GiB". */
static bool size_at(const struct jsonc *j, const char *path, uint64_t *ret)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int node = at_path(j, path);
	double d;

	if (node < 0)
		return false;
	if (jsonc_string(j, node, &b))
		return b.data && text_parse_size(b.data, ret) == 0;
	if (!jsonc_number(j, node, &d) || d >= 9e18)
		return false;
	*ret = (uint64_t)d;
	return true;
}

static double number_at(const struct jsonc *j, const char *path)
{
	int node = at_path(j, path);
	double d;

	return node >= 0 && jsonc_number(j, node, &d) ? d : 0;
}

/* What a step holds grows with the volume, the width and the batch. */
static double model_size(double volume, double feature, double batch)
{
	return volume * feature * (batch > 0 ? batch : 1);
}

static double volume_of(const struct jsonc *j)
{
	int list = at_path(j, "model.img_size");
	double volume = 1, d;

	if (list < 0 || j->node[list].type != JSONC_ARRAY)
		return 0;
	for (int i = j->node[list].first; i >= 0; i = j->node[i].next) {
		if (!jsonc_number(j, i, &d) || d > 1e6)
			return 0;
		volume *= d;
	}
	return volume;
}

static int like_tier(const struct jsonc *j, struct need *ret)
{
	double volume = volume_of(j), feature = number_at(j, "model.feature_size"), size;
	int device = at_path(j, "training.device");

	if (!(volume > 1) || !(feature > 0))
		return -ENOENT;
	size = model_size(volume, feature, number_at(j, "training.batch_size"));
	for (unsigned i = 0; i < TIERS - 1; i++) {
		const struct tier *t = &tiers[i];
		double whole = (double)t->img * t->img * t->img;

		if (size > model_size(whole, t->feature, t->batch))
			continue;
		*ret = (struct need){ .ram = t->ram,
			.shm = t->shm,
			.gpu = device >= 0 && jsonc_is(j, device, "cpu") ? 0 : t->gpu,
			.from = NEED_LIKE,
			.tier = t };
		return 0;
	}
	return -ENOENT; /* larger than any: nobody knows */
}

static int of_parsed(const struct jsonc *j, struct need *ret)
{
	autoput(buf_release) struct buf name = BUF_INIT;
	struct need x = { .from = NEED_CONFIG };
	int node = at_path(j, "tier");

	if (node >= 0 && jsonc_string(j, node, &name) && name.data)
		x.tier = tier_find(name.data);
	if (size_at(j, "requirements.ram", &x.ram)) {
		(void)size_at(j, "requirements.gpu", &x.gpu);
		(void)size_at(j, "requirements.shm", &x.shm);
		*ret = x;
		return 0;
	}
	if (!x.tier)
		return like_tier(j, ret);
	*ret = (struct need){ .ram = x.tier->ram,
		.shm = x.tier->shm,
		.gpu = x.tier->gpu,
		.from = NEED_TIER,
		.tier = x.tier };
	return 0;
}

int need_of_text(const char *text, size_t n, struct need *ret)
{
	struct jsonc j;
	int r = jsonc_parse(text, n, &j);

	if (r == 0)
		r = j.n ? of_parsed(&j, ret) : -ENOENT;
	else if (r == -EINVAL)
		r = -EBADMSG;
	jsonc_release(&j);
	return r;
}

static int of_file(const char *path, struct need *ret)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int r = io_read_file(AT_FDCWD, path, CONFIG_MAX, &b);

	if (r == 0)
		r = need_of_text(b.data ? b.data : "", b.len, ret);
	if (r == 0)
		(void)snprintf(ret->config, sizeof(ret->config), "%s", path);
	return r;
}

void need_of_tier(const struct tier *t, const char *configs, struct need *ret)
{
	char path[512];

	*ret = (struct need){ .ram = t->ram, .shm = t->shm, .gpu = t->gpu, .from = NEED_TIER };
	if (configs && snprintf(path, sizeof(path), "%s/%s", configs, t->file) < (int)sizeof(path))
		(void)of_file(path, ret);
	ret->tier = t;
}

/* The file that the command itself is given. */
static const char *config_of(const char *const *argv)
{
	for (unsigned i = 0; argv && argv[i]; i++) {
		const char *value = NULL;
		size_t n;

		if (strcmp(argv[i], "--config") == 0)
			value = argv[i + 1];
		else if (strncmp(argv[i], "--config=", 9) == 0)
			value = argv[i] + 9;
		n = value ? strlen(value) : 0;
		if (n > 5 && strcmp(value + n - 5, ".json") == 0)
			return value;
	}
	return NULL;
}

static int from_tier_or_config(const struct need_ask *ask, struct need *ret)
{
	const struct tier *t = ask->tier ? tier_find(ask->tier) : NULL;
	const char *own = ask->config ? NULL : config_of(ask->argv);
	int r;

	if (ask->tier && !t) {
		log_error("%s: no such tier; ultra-light, low, standard, high and cpu are",
			ask->tier);
		return -EINVAL;
	}
	if (t)
		need_of_tier(t, ask->configs, ret);
	if (!ask->config)
		return t || !own || of_file(own, ret) < 0 ? 0 : 1;
	r = of_file(ask->config, ret);
	if (r == -EBADMSG)
		log_error("%s: not JSON", ask->config);
	else if (r < 0 && r != -ENOENT)
		log_error("%s: cannot be read: %s", ask->config, err_str(r));
	else if (r == -ENOENT && access(ask->config, F_OK) < 0)
		log_error("%s: no such file", ask->config);
	else if (r == -ENOENT)
		log_warn("%s: says neither requirements nor tier nor a model's size", ask->config);
	return r < 0 && !(r == -ENOENT && access(ask->config, F_OK) == 0) ? -EINVAL : 0;
}

static uint64_t with_margin(uint64_t v, bool at_least)
{
	if (!v)
		return 0;
	return at_least ? v / 4 * 5 + MARGIN : v / 100 * (100 + MARGIN_PERCENT) + MARGIN;
}

static void from_learned(const struct need_ask *ask, struct need *ret)
{
	char folder[4096], key[17];
	struct learned l;

	if (!ask->argv || !ask->argv[0] || ask->state_dirfd < 0 || !getcwd(folder, sizeof(folder)))
		return;
	learned_key(folder, ask->argv, key);
	if (learned_find(ask->state_dirfd, key, &l) < 0)
		return;
	ret->from = NEED_LEARNED;
	ret->runs = l.runs;
	ret->at_least = l.at_least;
	ret->ram = with_margin(l.ram, l.at_least);
	ret->shm = l.shm ? with_margin(l.shm, false) : 0;
	ret->gpu = l.gpu ? with_margin(l.gpu, false) : 0;
}

int need_size(const char *text, uint64_t *ret)
{
	uint64_t n;
	int r = text_parse_size(text, &n);

	if (r < 0 || (n && n < 1 << 20 && text[strspn(text, "0123456789")] == '\0'))
		return -EINVAL;
	*ret = n;
	return 0;
}

int need_find(const struct need_ask *ask, struct need *ret)
{
	struct need n = { .ram = MACHINE_NONE };
	int r = from_tier_or_config(ask, &n);

	if (r < 0)
		return r;
	from_learned(ask, &n);
	if (ask->ram != MACHINE_NONE) {
		n.ram = ask->ram;
		n.from = NEED_TOLD;
	}
	if (ask->gpu != MACHINE_NONE)
		n.gpu = ask->gpu;
	if (ask->shm != MACHINE_NONE)
		n.shm = ask->shm;
	*ret = n;
	return 0;
}

const char *need_why(const struct need *n, char *p, size_t size)
{
	switch (n->from) {
	case NEED_TOLD:
		(void)snprintf(p, size, "as told");
		break;
	case NEED_LEARNED:
		if (n->at_least)
			(void)snprintf(p, size, "its last run wanted more than it got");
		else if (n->runs == 1)
			(void)snprintf(
				p, size, "what its last run took, and %d %%", MARGIN_PERCENT);
		else
			(void)snprintf(p, size, "the most of its last %u runs, and %d %%", n->runs,
				MARGIN_PERCENT);
		break;
	case NEED_TIER:
		(void)snprintf(p, size, "tier %s", n->tier->name);
		break;
	case NEED_CONFIG:
		(void)snprintf(p, size, "requirements in %s", n->config);
		break;
	case NEED_LIKE:
		(void)snprintf(
			p, size, "%s: a model of the size of tier %s", n->config, n->tier->name);
		break;
	default:
		(void)snprintf(
			p, size, "not known: --need SIZE tells, and " DETECT " run learns it");
	}
	return p;
}
