/* detect/run-plan.c - the command, its surroundings; see run.h. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "detect/run.h"
#include "lib/auto.h"
#include "lib/io.h"

enum { WORDS_MAX = 4096 };

void plan_free(char **argv)
{
	for (char **p = argv; p && *p; p++)
		free(*p);
	free(argv);
}

bool plan_has(const struct run_plan *p, const char *placeholder)
{
	for (unsigned i = 0; p->template[i]; i++)
		if (strstr(p->template[i], placeholder))
			return true;
	return false;
}

/* The project's own file of the tier, or ours, made in the run's folder. */
static int config_path(const struct run_plan *p, int folder, const char *folder_path, struct buf *b)
{
	autoput(buf_release) struct buf text = BUF_INIT;
	int r = buf_printf(b, "%s/%s", p->configs, p->tier->file);

	if (r < 0 || access(b->data, R_OK) == 0)
		return r;
	buf_reset(b);
	r = tier_json(p->tier, &text);
	if (r == 0)
		r = io_replace_file(folder, p->tier->file, text.data, text.len, 0600);
	return r < 0 ? r : buf_printf(b, "%s/%s", folder_path, p->tier->file);
}

static int fill_word(const struct run_plan *p, const char *word, const char *config, struct buf *b)
{
	const struct tier *t = p->tier;
	int epochs = p->epochs >= 0 ? p->epochs : t ? t->epochs : 1;
	int batches = p->val_batches >= 0 ? p->val_batches : t ? t->val_batches : 1, r = 0;

	while (*word && r == 0) {
		if (strncmp(word, "{config}", 8) == 0 && t) {
			r = buf_addstr(b, config);
			word += 8;
		} else if (strncmp(word, "{tier}", 6) == 0 && t) {
			r = buf_addstr(b, t->name);
			word += 6;
		} else if (strncmp(word, "{epochs}", 8) == 0) {
			r = buf_printf(b, "%d", epochs);
			word += 8;
		} else if (strncmp(word, "{val_batches}", 13) == 0) {
			r = buf_printf(b, "%d", batches);
			word += 13;
		} else {
			r = buf_addch(b, *word++);
		}
	}
	return r < 0 ? r : buf_addstr(b, "");
}

int plan_fill(const struct run_plan *p, int folder, const char *folder_path, char ***ret)
{
	autoput(buf_release) struct buf config = BUF_INIT;
	unsigned n = 0;
	char **argv;
	int r = 0;

	while (p->template[n])
		n++;
	argv = calloc(n + 1, sizeof(*argv));
	if (!argv)
		return -ENOMEM;
	if (p->tier && plan_has(p, "{config}"))
		r = config_path(p, folder, folder_path, &config);
	for (unsigned i = 0; i < n && r == 0; i++) {
		struct buf b = BUF_INIT;

		r = fill_word(p, p->template[i], config.data, &b);
		if (r == 0)
			argv[i] = b.data ? buf_detach(&b, NULL) : strdup("");
		else
			buf_release(&b);
		if (r == 0 && !argv[i])
			r = -ENOMEM;
	}
	if (r < 0) {
		plan_free(argv);
		return r;
	}
	*ret = argv;
	return 0;
}

/* One word from *at; 1, or 0 at the end. */
static int next_word(const char **at, struct buf *b)
{
	const char *p = *at + strspn(*at, " \t\n");
	char quote = 0;
	int r = 0;

	if (!*p)
		return 0;
	for (; *p && r == 0 && (quote || !strchr(" \t\n", *p)); p++) {
		if (quote ? *p == quote : *p == '\'' || *p == '"')
			quote = quote ? 0 : *p;
		else if (*p == '\\' && quote != '\'' && p[1])
			r = buf_addch(b, *++p);
		else
			r = buf_addch(b, *p);
	}
	*at = p;
	return r < 0 ? r : quote ? -EINVAL : 1;
}

int plan_split(const char *line, char ***ret)
{
	char **argv = calloc(WORDS_MAX + 1, sizeof(*argv));
	unsigned n = 0;
	int r = argv ? 1 : -ENOMEM;

	while (r > 0 && n < WORDS_MAX) {
		struct buf b = BUF_INIT;

		r = next_word(&line, &b);
		if (r > 0 && !(argv[n++] = b.data ? buf_detach(&b, NULL) : strdup("")))
			r = -ENOMEM;
		if (r <= 0)
			buf_release(&b);
	}
	if (r < 0) {
		plan_free(argv);
		return r;
	}
	*ret = argv;
	return 0;
}

static void unless_set(const char *name, const char *value)
{
	(void)setenv(name, value, 0);
}

void plan_environment(const struct run_plan *p, const char *id, const char *folder_path)
{
	static const char *const threads[] = { "OMP_NUM_THREADS", "MKL_NUM_THREADS",
		"OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS" };
	char text[32];

	(void)snprintf(text, sizeof(text), "%u", p->threads);
	for (size_t i = 0; i < sizeof(threads) / sizeof(*threads); i++)
		unless_set(threads[i], text);
	/* Some versions of PyTorch take the one, some the other. */
	if (p->alloc && *p->alloc && !getenv("PYTORCH_ALLOC_CONF") &&
		!getenv("PYTORCH_CUDA_ALLOC_CONF")) {
		unless_set("PYTORCH_ALLOC_CONF", p->alloc);
		unless_set("PYTORCH_CUDA_ALLOC_CONF", p->alloc);
	}
	unless_set("PYTHONHASHSEED", "0");
	unless_set("PYTHONUNBUFFERED", "1");
	(void)setenv("HOLDFAST_RUN", id, 1);
	(void)setenv("HOLDFAST_RUN_DIR", folder_path, 1);
	(void)unsetenv("HOLDFAST_GATE");
}

static void raise_adj(int wanted)
{
	autoclose int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	char text[16] = "";
	int n;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 || strtol(text, NULL, 10) >= wanted)
		return;
	n = snprintf(text, sizeof(text), "%d", wanted);
	(void)!pwrite(fd, text, (size_t)n, 0);
}

void plan_priorities(const struct run_plan *p)
{
	enum { WHO_PROCESS = 1, BEST_EFFORT = 2, IDLE = 3, CLASS_SHIFT = 13 };

	errno = 0;
	if (getpriority(PRIO_PROCESS, 0) < (int)p->nice)
		(void)setpriority(PRIO_PROCESS, 0, (int)p->nice);
	(void)syscall(SYS_ioprio_set, WHO_PROCESS, 0,
		p->idle_io ? IDLE << CLASS_SHIFT : BEST_EFFORT << CLASS_SHIFT | 7);
	raise_adj(p->oom_score_adj);
}
