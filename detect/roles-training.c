/* Training: what a Python interpreter was told to run. Only the interpreter's own script or module
 * counts, found as python(1) finds it; what stands behind it are arguments of the script. */
#include "detect/roles-internal.h"

#include <stdio.h>
#include <string.h>

struct target {
	const char *name; /* script or module; NULL: -c, stdin, interactive */
	bool module;
	unsigned rest; /* the word behind it */
};

/* python, python3, python3.11, python3.13t, pypy3.10, python3-dbg */
static bool is_python(const char *base)
{
	if (strncmp(base, "python", 6) == 0)
		base += 6;
	else if (strncmp(base, "pypy", 4) == 0)
		base += 4;
	else
		return false;
	base += strspn(base, "0123456789.");
	return !*base || strcmp(base, "t") == 0 || strcmp(base, "-dbg") == 0 ||
	       strcmp(base, "d") == 0 || strcmp(base, "-intel64") == 0;
}

/* One word of short options. true: *t is decided. */
static bool short_options(const struct words *w, unsigned *i, struct target *t)
{
	for (const char *o = w->w[*i] + 1; *o; o++) {
		if (*o == 'c')
			return true;
		if (*o == 'm') {
			if (!o[1])
				++*i;
			t->name = o[1] ? o + 1 : *i < w->n ? w->w[*i] : NULL;
			t->module = true;
			t->rest = *i + 1;
			return true;
		}
		if (*o == 'W' || *o == 'X' ||
			*o == 'Q') { /* the rest, or the next word, is its value */
			if (!o[1])
				++*i;
			return false;
		}
	}
	return false;
}

static struct target python_target(const struct words *w, unsigned i)
{
	struct target t = { 0 };

	for (; i < w->n; i++) {
		const char *s = w->w[i];

		if (strcmp(s, "--check-hash-based-pycs") == 0) {
			i++;
		} else if (strncmp(s, "--", 2) == 0 && s[2]) {
			continue;
		} else if (s[0] == '-' && s[1] && s[1] != '-') {
			if (short_options(w, &i, &t))
				return t;
		} else if (strcmp(s, "-") == 0) {
			return t;
		} else if (strcmp(s, "--") != 0) {
			t.name = s;
			t.rest = i + 1;
			return t;
		}
	}
	return t;
}

static const char *target_base(const struct target *t)
{
	const char *dot;

	if (!t->module)
		return role_base(t->name);
	dot = strrchr(t->name, '.');
	return dot ? dot + 1 : t->name;
}

static bool one_of(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(s, *list) == 0)
			return true;
	return false;
}

/* Those that start the training as children of theirs, or run it in themselves. */
static bool is_launcher(const struct words *w, const struct target *t, const char *base)
{
	static const char *const modules[] = { "torch.distributed.run", "torch.distributed.launch",
		"torch.distributed.elastic.launch", "accelerate.commands.launch",
		"deepspeed.launcher.launch", "deepspeed.launcher.runner", "lightning.fabric.cli",
		"colossalai.cli", "bagua.distributed.run", "horovod.runner.launch", NULL };
	static const char *const scripts[] = { "torchrun", "torchrun_xpu", "deepspeed",
		"deepspeed.py", "horovodrun", "colossalai", NULL };
	const char *next = t->rest < w->n ? w->w[t->rest] : "";

	if (t->module && one_of(t->name, modules))
		return true;
	if (!t->module && one_of(base, scripts))
		return true;
	if (strcmp(base, "accelerate") == 0)
		return strcmp(next, "launch") == 0;
	if (strcmp(base, "lightning") == 0 || strcmp(base, "fabric") == 0)
		return strcmp(next, "run") == 0;
	return strcmp(base, "ray") == 0 && strcmp(next, "job") == 0;
}

static bool is_kernel(const struct target *t, const char *base)
{
	return (t->module && (strcmp(t->name, "ipykernel_launcher") == 0 ||
				     strcmp(t->name, "ipykernel") == 0 ||
				     strcmp(t->name, "ipykernel.kernelapp") == 0)) ||
	       (!t->module && strcmp(base, "ipykernel_launcher.py") == 0);
}

/* A program named after what it does with its first argument: `axolotl train cfg.yml`, `yolo train
 * data=...`. */
static bool is_command(const struct words *w, const struct target *t, const char *base)
{
	static const char *const programs[] = { "axolotl", "llamafactory-cli", "litgpt", "yolo",
		"mlx_lm", "otx", "nanodet", "monai.bundle", "ludwig", "spacy", "rasa", "allennlp",
		NULL };
	static const char *const verbs[] = { "train", "finetune", "finetune_lora", "finetune_full",
		"pretrain", "fit", NULL };
	const char *next = t->rest < w->n ? w->w[t->rest] : "";

	return one_of(t->module ? t->name : base, programs) && one_of(next, verbs);
}

/* LightningCLI: any script with the subcommand fit and its options. */
static bool is_lightning_cli(const struct words *w, const struct target *t)
{
	static const char *const options[] = { "--config", "-c", "--trainer", "--model", "--data",
		"--ckpt_path", "--optimizer" };

	if (t->rest >= w->n || strcmp(w->w[t->rest], "fit") != 0)
		return false;
	for (unsigned i = t->rest + 1; i < w->n; i++)
		for (size_t k = 0; k < sizeof(options) / sizeof(*options); k++) {
			size_t n = strlen(options[k]);

			if (strncmp(w->w[i], options[k], n) == 0 &&
				(!w->w[i][n] || w->w[i][n] == '=' || w->w[i][n] == '.'))
				return true;
		}
	return false;
}

/* A debugger, profiler or starter in Python: what it runs is what counts. */
static bool is_wrapper(const struct target *t, const char *base)
{
	static const char *const modules[] = { "debugpy", "pdb", "ipdb", "pudb", "cProfile",
		"profile", "trace", "coverage", "kernprof", "scalene", "memray", "viztracer",
		"line_profiler", "memory_profiler", "torch.utils.bottleneck", "runpy", NULL };
	static const char *const scripts[] = { "debugpy", "coverage", "kernprof", "scalene",
		"memray", "viztracer", "mprof", "ipython", "ipython3", "kernel_interrupt_daemon.py",
		"launcher", NULL };

	return t->module ? one_of(t->name, modules)
			 : one_of(base, scripts) &&
				   (strcmp(base, "launcher") != 0 || strstr(t->name, "debugpy"));
}

/* Its options are many; what it runs is the first word that is a script, or follows -m. */
static bool unwrap(const struct words *w, struct target *t)
{
	for (unsigned i = t->rest; i < w->n; i++) {
		if (strcmp(w->w[i], "-m") == 0 && i + 1 < w->n) {
			*t = (struct target){ w->w[i + 1], true, i + 2 };
			return true;
		}
		if (role_ends(w->w[i], ".py") && w->w[i][0] != '-') {
			*t = (struct target){ w->w[i], false, i + 1 };
			return true;
		}
	}
	return false;
}

/* train.py and the module train are one name to a pattern, with or without its ".py". */
static bool matches(const char *const *patterns, const struct target *t, const char *base)
{
	char other[256];
	size_t n = strlen(base);

	if (role_match(patterns, base))
		return true;
	if (n + 4 > sizeof(other))
		return false;
	memcpy(other, base, n + 1);
	if (t->module)
		memcpy(other + n, ".py", 4);
	else if (n > 3 && role_ends(base, ".py"))
		other[n - 3] = '\0';
	else
		return false;
	return role_match(patterns, other);
}

static enum role run_role(const struct words *w, struct target t, const struct role_patterns *pat)
{
	const char *base;

	for (unsigned depth = 0; depth < 4; depth++) {
		if (!t.name)
			return ROLE_NONE;
		base = target_base(&t);
		if (is_kernel(&t, base))
			return ROLE_KERNEL;
		if (!is_wrapper(&t, base))
			break;
		if (!unwrap(w, &t))
			return ROLE_NONE;
	}
	base = target_base(&t);
	if (matches(pat->not_training, &t, base))
		return ROLE_NONE;
	if (is_launcher(w, &t, base))
		return ROLE_LAUNCHER;
	if (is_command(w, &t, base) || is_lightning_cli(w, &t))
		return ROLE_RUN;
	/* An editor's own tools are none, whatever they are called. */
	if (!t.module && strstr(t.name, "/extensions/") && strstr(t.name, "/."))
		return ROLE_NONE;
	return matches(pat->training, &t, base) ? ROLE_RUN : ROLE_NONE;
}

static bool is_run(const struct role_of *r)
{
	return r->kind == KIND_TRAINING;
}

struct role_of role_training(const char *exe, const struct words *w, const struct role_of *parent,
	const struct role_patterns *pat)
{
	struct role_of r = { KIND_TRAINING, FAMILY_NONE, ROLE_NONE };

	if (!is_python(role_base(exe)))
		return (struct role_of){ 0 };
	/* Whoever has a run for a parent and is a Python too belongs to it: forked loaders,
	 * multiprocessing's spawn, forkserver and resource tracker, the ranks of a launcher. But
	 * what a notebook starts by name is a run. */
	r.role = run_role(w, python_target(w, 1), pat);
	if (is_run(parent) &&
		(parent->role != ROLE_KERNEL || r.role == ROLE_NONE || r.role == ROLE_KERNEL))
		r.role = ROLE_WORKER;
	else if (r.role == ROLE_NONE && strncmp(w->w[0], "ray::", 5) == 0)
		r.role = ROLE_WORKER;
	return r.role ? r : (struct role_of){ 0 };
}

bool role_training_name(const char *argv, size_t n, char sep, char *ret, size_t size)
{
	struct proc p;
	struct words w;
	struct target t;

	if (n >= sizeof(p.argv))
		n = sizeof(p.argv) - 1;
	memcpy(p.argv, argv, n);
	p.argv[n] = '\0';
	p.argv_len = n;
	for (size_t i = 0; sep && i < n; i++)
		if (p.argv[i] == sep)
			p.argv[i] = '\0';
	role_words(&p, &w);
	if (!w.n || !is_python(role_base(w.w[0])))
		return false;
	t = python_target(&w, 1);
	for (unsigned depth = 0; depth < 4 && t.name && is_wrapper(&t, target_base(&t)); depth++)
		if (!unwrap(&w, &t))
			return false;
	if (!t.name || !*target_base(&t))
		return false;
	(void)snprintf(ret, size, "%s", t.module ? t.name : target_base(&t));
	return true;
}
