/* config/tiers.c - see the header. */
#include "config/tiers.h"

#include <inttypes.h>
#include <string.h>

#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

const struct tier tiers[TIERS] = {
	{ .name = "ultra-light",
		.file = "ultra_light.json",
		.title = "Ultra Light",
		.use = "Trying that it runs at all",
		.ram_min = GIB(2),
		.ram = GIB(4),
		.gpu_min = GIB(2),
		.gpu = GIB(4),
		.shm = 0,
		.img = 32,
		.feature = 8,
		.hidden = 256,
		.heads = 4,
		.mlp = 1024,
		.batch = 1,
		.workers = 0,
		.cache = "none",
		.checkpointing = true,
		.amp = true,
		.epochs = 1,
		.val_batches = 1 },
	{ .name = "low",
		.file = "low_memory_unetr.json",
		.title = "Low Memory",
		.use = "Development, testing",
		.ram_min = GIB(4),
		.ram = GIB(6),
		.gpu_min = GIB(4),
		.gpu = GIB(6),
		.shm = MIB(64),
		.img = 64,
		.feature = 16,
		.hidden = 512,
		.heads = 8,
		.mlp = 2048,
		.batch = 1,
		.workers = 1,
		.cache = "none",
		.checkpointing = true,
		.amp = true,
		.epochs = 2,
		.val_batches = 1 },
	{ .name = "standard",
		.file = "standard.json",
		.title = "Standard",
		.use = "Normal training",
		.ram_min = GIB(8),
		.ram = GIB(12),
		.gpu_min = GIB(8),
		.gpu = GIB(12),
		.shm = MIB(256),
		.img = 96,
		.feature = 32,
		.hidden = 768,
		.heads = 12,
		.mlp = 3072,
		.batch = 2,
		.workers = 2,
		.cache = "smart",
		.checkpointing = false,
		.amp = true,
		.epochs = 5,
		.val_batches = 2 },
	{ .name = "high",
		.file = "high_quality.json",
		.title = "High Quality",
		.use = "Production training",
		.ram_min = GIB(16),
		.ram = GIB(24),
		.gpu_min = GIB(16),
		.gpu = GIB(24),
		.shm = GIB(1),
		.img = 128,
		.feature = 48,
		.hidden = 1024,
		.heads = 16,
		.mlp = 4096,
		.batch = 2,
		.workers = 4,
		.cache = "memory",
		.checkpointing = false,
		.amp = true,
		.epochs = 20,
		.val_batches = 10 },
	{ .name = "cpu",
		.file = "cpu_fallback.json",
		.title = "CPU Only",
		.use = "No GPU at hand",
		.ram_min = GIB(4),
		.ram = GIB(8),
		.gpu_min = 0,
		.gpu = 0,
		.shm = 0,
		.img = 32,
		.feature = 16,
		.hidden = 256,
		.heads = 4,
		.mlp = 1024,
		.batch = 1,
		.workers = 0,
		.cache = "none",
		.checkpointing = true,
		.amp = false,
		.epochs = 1,
		.val_batches = 1 },
};

const struct tier *tier_find(const char *name)
{
	const char *base = strrchr(name, '/');
	size_t n;

	base = base ? base + 1 : name;
	n = strlen(base);
	if (n > 5 && strcmp(base + n - 5, ".json") == 0)
		n -= 5;
	for (unsigned i = 0; i < TIERS; i++) {
		const struct tier *t = &tiers[i];

		if ((strlen(t->name) == n && strncmp(t->name, base, n) == 0) ||
			(strlen(t->file) == n + 5 && strncmp(t->file, base, n) == 0))
			return t;
	}
	return NULL;
}

const struct tier *tier_below(const struct tier *t)
{
	return t == tiers || t == &tiers[TIERS - 1] ? NULL : t - 1;
}

static const char *yes(bool b)
{
	return b ? "true" : "false";
}

/* "6 GiB": read back by text_parse_size. */
static int size_field(struct buf *b, const char *key, uint64_t v, const char *end)
{
	if (v && v % GIB(1) == 0)
		return buf_printf(b, "\t\t\"%s\": \"%" PRIu64 " GiB\"%s\n", key, v >> 30, end);
	return buf_printf(b, "\t\t\"%s\": \"%" PRIu64 " MiB\"%s\n", key, v >> 20, end);
}

int tier_json(const struct tier *t, struct buf *b)
{
	int r = buf_printf(b,
		"{\n\t\"tier\": \"%s\",\n\t\"description\": \"%s: %s\",\n\t\"requirements\": {\n",
		t->name, t->title, t->use);

	if (r == 0)
		r = size_field(b, "ram_min", t->ram_min, ",");
	if (r == 0)
		r = size_field(b, "ram", t->ram, ",");
	if (r == 0)
		r = size_field(b, "gpu_min", t->gpu_min, ",");
	if (r == 0)
		r = size_field(b, "gpu", t->gpu, ",");
	if (r == 0)
		r = size_field(b, "shm", t->shm, "");
	if (r < 0)
		return r;
	return buf_printf(b,
		"\t},\n\t\"model\": {\n\t\t\"img_size\": [%d, %d, %d],\n\t\t\"feature_size\": %d,\n"
		"\t\t\"hidden_size\": %d,\n\t\t\"mlp_dim\": %d,\n\t\t\"num_heads\": %d\n\t},\n"
		"\t\"training\": {\n\t\t\"device\": \"%s\",\n\t\t\"batch_size\": %d,\n"
		"\t\t\"cache_mode\": \"%s\",\n\t\t\"num_workers\": %d,\n"
		"\t\t\"gradient_checkpointing\": %s,\n\t\t\"amp\": %s,\n\t\t\"epochs\": %d,\n"
		"\t\t\"val_batches\": %d\n\t}\n}\n",
		t->img, t->img, t->img, t->feature, t->hidden, t->mlp, t->heads,
		t->gpu ? "cuda" : "cpu", t->batch, t->cache, t->workers, yes(t->checkpointing),
		yes(t->amp), t->epochs, t->val_batches);
}
