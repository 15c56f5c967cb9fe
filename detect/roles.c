/* The words of a command line, and who is asked about them: roles-editor.c, then
 * roles-training.c. */
#include "detect/roles-internal.h"

#include <fnmatch.h>
#include <string.h>

static const char *const training[] = { "train", "train.py", "train[-_]*", "train[0-9]*",
	"trainer*", "training*", "*[-_]train", "*[-_]train.py", "*[-_]train[-_]*", "*[-_]trainer*",
	"*[-_]training*", "pretrain*", "retrain*", "fit", "fit.py", "fit[-_]*", "*[-_]fit.py",
	"*[-_]fit", "finetune*", "fine[-_]tune*", "*[-_]finetune*", "sft*.py", "dpo.py", "grpo.py",
	"run_clm*", "run_mlm*", "run_glue*", "run_squad*", "run_summarization*", "run_translation*",
	"nnUNetv2_train", NULL };
static const char *const not_training[] = { "test_*", "*_test.py", "*_tests.py", "conftest.py",
	"*_lsp*", "training_data*", "train_test_split*", NULL };
static const char *const none[] = { NULL };

const struct role_patterns role_defaults = {
	.training = training,
	.not_training = not_training,
	.editors = none,
};

void role_words(const struct proc *p, struct words *w)
{
	const char *at = p->argv, *end = p->argv + p->argv_len;

	w->n = 0;
	while (at < end && w->n < WORDS_MAX) {
		w->w[w->n++] = at;
		at += strnlen(at, (size_t)(end - at)) + 1;
	}
	/* What rewrites its title (setproctitle) leaves NULs behind. */
	while (w->n > 1 && !*w->w[w->n - 1])
		w->n--;
}

const char *role_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool role_ends(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

bool role_match(const char *const *patterns, const char *name)
{
	for (; patterns && *patterns; patterns++)
		if (fnmatch(*patterns, name, FNM_CASEFOLD) == 0)
			return true;
	return false;
}

/* A sandboxed renderer shows nobody its exe. Then it is the first word, up to the options of a
 * rewritten title. */
static void exe_of(const struct proc *p, const struct words *w, char ret[static PROC_EXE])
{
	const char *from = p->exe[0] ? p->exe : w->w[0],
		   *end = p->exe[0] ? NULL : strstr(from, " --");
	size_t n = end ? (size_t)(end - from) : strlen(from);

	if (n >= PROC_EXE)
		n = PROC_EXE - 1;
	memcpy(ret, from, n);
	ret[n] = '\0';
}

struct role_of role_find(
	const struct proc *p, const struct role_of *parent, const struct role_patterns *pat)
{
	static const struct role_of nobody = { KIND_NONE, FAMILY_NONE, ROLE_NONE };
	struct words w;
	struct role_of r;
	char exe[PROC_EXE];

	if (!parent)
		parent = &nobody;
	role_words(p, &w);
	if (!w.n) /* a kernel thread, a zombie */
		return nobody;
	exe_of(p, &w, exe);
	r = role_editor(exe, &w, parent, pat);
	return r.kind ? r : role_training(exe, &w, parent, pat);
}

bool role_is_possible(const char *exe, const struct role_patterns *pat)
{
	static const char *const begins[] = { "python", "pypy", "code", "codium", "vscodium",
		"cursor", "windsurf", "electron", "node", "chrome_crashpad" };
	const char *base = role_base(exe);

	for (size_t i = 0; i < sizeof(begins) / sizeof(*begins); i++)
		if (strncmp(base, begins[i], strlen(begins[i])) == 0)
			return true;
	return role_match(pat->editors, base);
}

const char *role_name(enum role r)
{
	static const char *const name[] = {
		[ROLE_NONE] = "none",
		[ROLE_MAIN] = "main",
		[ROLE_RENDERER] = "renderer",
		[ROLE_GPU] = "gpu",
		[ROLE_ZYGOTE] = "zygote",
		[ROLE_UTILITY] = "utility",
		[ROLE_EXTENSION_HOST] = "extension-host",
		[ROLE_PTY_HOST] = "pty-host",
		[ROLE_FILE_WATCHER] = "file-watcher",
		[ROLE_SHARED] = "shared",
		[ROLE_CRASHPAD] = "crashpad",
		[ROLE_SERVER] = "server",
		[ROLE_SERVER_CHILD] = "server-child",
		[ROLE_RUN] = "run",
		[ROLE_WORKER] = "worker",
		[ROLE_LAUNCHER] = "launcher",
		[ROLE_KERNEL] = "kernel",
	};

	return (size_t)r < sizeof(name) / sizeof(*name) ? name[r] : "none";
}

const char *family_name(enum family f)
{
	static const char *const name[] = {
		[FAMILY_NONE] = "",
		[FAMILY_VSCODE] = "VSCode",
		[FAMILY_INSIDERS] = "VSCode Insiders",
		[FAMILY_VSCODIUM] = "VSCodium",
		[FAMILY_OSS] = "Code - OSS",
		[FAMILY_CURSOR] = "Cursor",
		[FAMILY_WINDSURF] = "Windsurf",
		[FAMILY_REMOTE] = "Remote-SSH server",
		[FAMILY_CODE_SERVER] = "code-server",
		[FAMILY_CHROMIUM] = "Chromium",
	};

	return (size_t)f < sizeof(name) / sizeof(*name) ? name[f] : "";
}

const char *role_user_data(const struct proc *p)
{
	static const char opt[] = "--user-data-dir";
	struct words w;

	role_words(p, &w);
	for (unsigned i = 1; i < w.n; i++) {
		if (strncmp(w.w[i], opt, sizeof(opt) - 1) != 0)
			continue;
		if (w.w[i][sizeof(opt) - 1] == '=')
			return w.w[i] + sizeof(opt);
		if (!w.w[i][sizeof(opt) - 1] && i + 1 < w.n)
			return w.w[i + 1];
	}
	return NULL;
}
