/* Whose process is it? Command lines as they stand in /proc, one row each. */
#include "tests/check_main.h"

#include <stdio.h>
#include <string.h>

#include "detect/roles.h"

#define E(f, r)                                   \
	{                                         \
		KIND_EDITOR, FAMILY_##f, ROLE_##r \
	}
#define T(r)                                         \
	{                                            \
		KIND_TRAINING, FAMILY_NONE, ROLE_##r \
	}
#define NO                                        \
	{                                         \
		KIND_NONE, FAMILY_NONE, ROLE_NONE \
	}

#define CODE "/usr/share/code/code"
#define PY "/usr/bin/python3.11"
#define RS                                                                                    \
	"/home/u/.vscode-server/cli/servers/Stable-fabdb6a30b49f79a7aba0f2ad9df9b399473380f/" \
	"server/"
#define CS "/usr/lib/node_modules/code-server/"

static const struct row {
	const char *exe;
	const char *argv; /* | between words */
	struct role_of parent;
	struct role_of want;
} rows[] = {
	/* desktop editors */
	{ CODE, CODE "|--unity-launch", NO, E(VSCODE, MAIN) },
	{ CODE, CODE "|/home/u/proj/train_enhanced.py", NO, E(VSCODE, MAIN) },
	{ CODE, CODE "|--no-sandbox|--user-data-dir=/home/u/ud|/home/u/proj", NO, E(VSCODE, MAIN) },
	{ CODE, "code|/home/u/app.js", NO, E(VSCODE, MAIN) },
	{ CODE, CODE "|--type=zygote|--no-zygote-sandbox", E(VSCODE, MAIN), E(VSCODE, ZYGOTE) },
	{ CODE,
		CODE "|--type=gpu-process|--crashpad-handler-pid=99|--enable-crash-reporter=aa,no_"
		     "channel",
		E(VSCODE, MAIN), E(VSCODE, GPU) },
	{ CODE,
		CODE " --type=renderer --crashpad-handler-pid=99 "
		     "--user-data-dir=/home/u/.config/Code --vscode-window-config=vscode:1",
		E(VSCODE, ZYGOTE), E(VSCODE, RENDERER) },
	{ CODE,
		"/proc/self/"
		"exe|--type=utility|--utility-sub-type=network.mojom.NetworkService|--lang=en-US",
		E(VSCODE, MAIN), E(VSCODE, UTILITY) },
	{ CODE,
		"/proc/self/"
		"exe|--type=utility|--utility-sub-type=node.mojom.NodeService|--lang=en-US",
		E(VSCODE, MAIN), E(VSCODE, UTILITY) },
	{ CODE,
		"/proc/self/exe --type=utility --utility-sub-type=node.mojom.NodeService "
		"--lang=en-US --dns-result-order=ipv4first --inspect-port=0",
		E(VSCODE, MAIN), E(VSCODE, EXTENSION_HOST) },
	{ CODE,
		CODE "|--ms-enable-electron-run-as-node|/usr/share/code/resources/app/out/"
		     "bootstrap-fork|--type=extensionHost|--skipWorkspaceStorageLock",
		E(VSCODE, MAIN), E(VSCODE, EXTENSION_HOST) },
	{ CODE,
		CODE "|--ms-enable-electron-run-as-node|/usr/share/code/resources/app/out/"
		     "bootstrap-fork|--type=ptyHost",
		E(VSCODE, MAIN), E(VSCODE, PTY_HOST) },
	{ CODE,
		CODE "|--ms-enable-electron-run-as-node|/usr/share/code/resources/app/out/"
		     "bootstrap-fork|--type=fileWatcher",
		E(VSCODE, MAIN), E(VSCODE, FILE_WATCHER) },
	{ CODE, CODE "|--type=renderer|--vscode-window-kind=shared-process", E(VSCODE, MAIN),
		E(VSCODE, SHARED) },
	{ CODE, CODE "|/usr/share/code/resources/app/out/cli.js|train.py", NO, NO },
	{ CODE,
		CODE "|/home/u/.vscode/extensions/ms-python.vscode-pylance/dist/"
		     "server.bundle.js|--node-ipc",
		E(VSCODE, EXTENSION_HOST), E(VSCODE, UTILITY) },
	{ CODE,
		CODE "|/usr/share/code/resources/app/extensions/json-language-features/server/dist/"
		     "node/jsonServerMain|--node-ipc",
		NO, E(VSCODE, UTILITY) },
	{ "/usr/share/code/chrome_crashpad_handler",
		"/usr/share/code/"
		"chrome_crashpad_handler|--monitor-self-annotation=ptype=crashpad-handler|--"
		"database=/home/u/.config/Code/Crashpad",
		NO, E(VSCODE, CRASHPAD) },
	{ "/opt/google/chrome/chrome_crashpad_handler",
		"/opt/google/chrome/chrome_crashpad_handler|--database=/x", NO, NO },
	{ "/snap/code/178/usr/share/code/code",
		"/snap/code/178/usr/share/code/code|--force-user-env|--no-sandbox", NO,
		E(VSCODE, MAIN) },
	{ "/snap/code/178/usr/share/code/chrome_crashpad_handler",
		"/snap/code/178/usr/share/code/chrome_crashpad_handler", NO, E(VSCODE, CRASHPAD) },
	{ "/app/extra/vscode/code",
		"/app/extra/vscode/code|--extensions-dir=/home/u/.var/app/com.visualstudio.code/"
		"data/vscode/extensions",
		NO, E(VSCODE, MAIN) },
	{ "/opt/visual-studio-code/code", "/opt/visual-studio-code/code|.", NO, E(VSCODE, MAIN) },
	{ "/opt/visual-studio-code/chrome_crashpad_handler",
		"/opt/visual-studio-code/chrome_crashpad_handler", NO, E(VSCODE, CRASHPAD) },
	{ "/usr/share/code-insiders/code-insiders", "/usr/share/code-insiders/code-insiders|.", NO,
		E(INSIDERS, MAIN) },
	{ "/usr/share/code-insiders/code-insiders",
		"/usr/share/code-insiders/code-insiders --type=renderer --lang=de", NO,
		E(INSIDERS, RENDERER) },
	{ "/usr/share/codium/codium", "/usr/share/codium/codium", NO, E(VSCODIUM, MAIN) },
	{ "/app/share/codium/codium", "/app/share/codium/codium|--type=gpu-process",
		E(VSCODIUM, MAIN), E(VSCODIUM, GPU) },
	{ "/usr/bin/code-oss", "code-oss|.", NO, E(OSS, MAIN) },
	{ "/usr/lib/electron32/electron",
		"/usr/lib/electron32/electron|/usr/lib/code/out/main.js|.", NO, E(OSS, MAIN) },
	{ "/usr/lib/electron32/electron", "/usr/lib/electron32/electron|--type=renderer",
		E(OSS, MAIN), E(OSS, RENDERER) },
	{ "/usr/lib/electron32/electron", "/usr/lib/electron32/electron|/usr/lib/obsidian/app.asar",
		NO, NO },
	{ "/tmp/.mount_CursorAbC123/usr/share/cursor/cursor",
		"/tmp/.mount_CursorAbC123/usr/share/cursor/cursor|--no-sandbox", NO,
		E(CURSOR, MAIN) },
	{ "/usr/share/cursor/cursor",
		"/usr/share/cursor/cursor --type=renderer --user-data-dir=/home/u/.config/Cursor",
		NO, E(CURSOR, RENDERER) },
	{ "/usr/share/windsurf/windsurf", "/usr/share/windsurf/windsurf", NO, E(WINDSURF, MAIN) },
	{ "/usr/lib/chromium/chromium", "/usr/lib/chromium/chromium|--type=renderer", NO, NO },
	{ "/usr/bin/dash", "/bin/sh|/usr/bin/code|.", NO, NO },
	{ "/usr/share/slack/slack", "/usr/share/slack/slack|--type=renderer", NO, NO },

	/* a sandboxed one shows nobody its exe */
	{ "", CODE " --type=renderer --user-data-dir=/home/u/.config/Code --x=/y/z", NO,
		E(VSCODE, RENDERER) },
	{ "",
		"/proc/self/exe --type=utility --utility-sub-type=network.mojom.NetworkService "
		"--d=/home/u",
		E(CURSOR, MAIN), E(CURSOR, UTILITY) },
	{ "", "/proc/self/exe --type=utility", NO, NO },
	{ "", "/opt/google/chrome/chrome --type=renderer --d=/usr/share/code/code", NO, NO },

	/* servers */
	{ RS "node", RS "node|" RS "out/server-main.js|--connection-token=remotessh|--start-server",
		NO, E(REMOTE, SERVER) },
	{ RS "node",
		RS "node|--dns-result-order=ipv4first|" RS
		   "out/bootstrap-fork|--type=extensionHost|--transformURIs",
		E(REMOTE, SERVER), E(REMOTE, EXTENSION_HOST) },
	{ RS "node", RS "node|" RS "out/bootstrap-fork|--type=fileWatcher", E(REMOTE, SERVER),
		E(REMOTE, FILE_WATCHER) },
	{ RS "node", RS "node|" RS "out/bootstrap-fork|--type=ptyHost|--logsPath|/x",
		E(REMOTE, SERVER), E(REMOTE, PTY_HOST) },
	{ RS "node",
		RS "node|/home/u/.vscode-server/extensions/ms-python.vscode-pylance/dist/"
		   "server.bundle.js",
		E(REMOTE, EXTENSION_HOST), E(REMOTE, UTILITY) },
	{ "/home/u/.vscode-server/code-fabdb6a30b49f79a7aba0f2ad9df9b399473380f",
		"/home/u/.vscode-server/"
		"code-fabdb6a30b49f79a7aba0f2ad9df9b399473380f|command-shell|--cli-data-dir|/home/"
		"u/.vscode-server/cli",
		NO, E(REMOTE, UTILITY) },
	{ "/usr/bin/dash", "sh|" RS "bin/code-server|--start-server", NO, NO },
	{ "/home/u/.vscodium-server/bin/abc/node",
		"/home/u/.vscodium-server/bin/abc/node|/home/u/.vscodium-server/bin/abc/out/"
		"server-main.js",
		NO, E(REMOTE, SERVER) },
	{ "/home/u/.vscode-server-insiders/bin/a/node",
		"node|/home/u/.vscode-server-insiders/bin/a/out/vs/server/main.js", NO,
		E(REMOTE, SERVER) },
	{ "/home/u/.cursor-server/bin/linux-x64/abc/node",
		"/home/u/.cursor-server/bin/linux-x64/abc/node|/home/u/.cursor-server/bin/"
		"linux-x64/abc/out/server-main.js",
		NO, E(REMOTE, SERVER) },
	{ "/home/u/.windsurf-server/bin/abc/node",
		"/home/u/.windsurf-server/bin/abc/node|/home/u/.windsurf-server/bin/abc/out/"
		"bootstrap-fork|--type=extensionHost",
		NO, E(REMOTE, EXTENSION_HOST) },
	{ "/usr/bin/node", "/usr/bin/node|" CS "out/node/entry.js|--auth|none", NO,
		E(CODE_SERVER, SERVER) },
	{ "/usr/bin/node", "/usr/bin/node|" CS "out/node/entry", E(CODE_SERVER, SERVER),
		E(CODE_SERVER, SERVER_CHILD) },
	{ "/usr/bin/node", "/usr/bin/node|" CS "lib/vscode/out/bootstrap-fork|--type=fileWatcher",
		E(CODE_SERVER, SERVER_CHILD), E(CODE_SERVER, FILE_WATCHER) },
	{ "/usr/bin/node",
		"/usr/bin/node|--dns-result-order=ipv4first|" CS
		"lib/vscode/out/bootstrap-fork|--type=extensionHost|--transformURIs",
		E(CODE_SERVER, SERVER_CHILD), E(CODE_SERVER, EXTENSION_HOST) },
	{ "/usr/lib/code-server/lib/node",
		"/usr/lib/code-server/lib/node|/usr/lib/code-server|--bind-addr|127.0.0.1:8080", NO,
		E(CODE_SERVER, SERVER) },
	{ "/usr/lib/code-server/lib/node",
		"/usr/lib/code-server/lib/node|/usr/lib/code-server/lib/vscode/out/"
		"bootstrap-fork|--type=ptyHost|--logsPath",
		NO, E(CODE_SERVER, PTY_HOST) },
	{ "/usr/bin/node", "node|server.js", NO, NO },
	{ "/usr/bin/node", "node|/home/u/train/out/server-main.js", NO, NO },

	/* training */
	{ PY, "python3|train.py", NO, T(RUN) },
	{ PY, "python3|-u|train.py|--epochs|3", NO, T(RUN) },
	{ PY, "python|-X|faulthandler|-W|ignore|-u|/home/u/proj/train_enhanced.py", NO, T(RUN) },
	{ PY, "python3|-Xfrozen_modules=off|./train.py", NO, T(RUN) },
	{ PY, "python3|--check-hash-based-pycs|always|train.py", NO, T(RUN) },
	{ PY, "python3|fit_model.py", NO, T(RUN) },
	{ PY, "python3|/home/u/pretrain_gpt.py", NO, T(RUN) },
	{ PY, "python3|examples/run_clm.py|--model|gpt2", NO, T(RUN) },
	{ PY, "python3|-m|my_trainer", NO, T(RUN) },
	{ PY, "python3|-um|pkg.train|--lr|1", NO, T(RUN) },
	{ PY, "python3|-mtrain", NO, T(RUN) },
	{ PY, "python3|-I|-m|axolotl.cli.train|cfg.yml", NO, T(RUN) },
	{ PY, "/home/u/.venv/bin/python|model_training.py", NO, T(RUN) },
	{ "/home/u/.pyenv/versions/3.12.1/bin/python3.12", "python|Train.py", NO, T(RUN) },
	{ "/opt/pypy/bin/pypy3.10", "pypy3|train.py", NO, T(RUN) },
	{ PY, "/usr/bin/python3|./train.py", NO, T(RUN) }, /* #!/usr/bin/env python3 */
	{ "", "python3|train.py", NO, T(RUN) },
	{ PY, "python3|/home/u/.venv/bin/torchrun|--nproc_per_node=2|train.py", NO, T(LAUNCHER) },
	{ PY, "python3|-m|torch.distributed.run|--nproc_per_node|2|-m|my_trainer", NO,
		T(LAUNCHER) },
	{ PY, "python3|-m|torch.distributed.launch|fit_model.py", NO, T(LAUNCHER) },
	{ PY, "/home/u/.venv/bin/python|-u|my_trainer.py|--local_rank=0", T(LAUNCHER), T(WORKER) },
	{ PY, "/home/u/.venv/bin/python|-u|whatever.py", T(LAUNCHER), T(WORKER) },
	{ PY, "python3|/home/u/.venv/bin/accelerate|launch|train.py", NO, T(LAUNCHER) },
	{ PY, "python3|/home/u/.venv/bin/accelerate|config", NO, NO },
	{ PY, "python3|-m|accelerate.commands.launch|x.py", NO, T(LAUNCHER) },
	{ PY, "python3|/usr/local/bin/deepspeed|--num_gpus|2|run.py", NO, T(LAUNCHER) },
	{ PY, "python3|-m|deepspeed.launcher.launch|x.py", NO, T(LAUNCHER) },
	{ PY, "python3|/home/u/.venv/bin/lightning|run|model|script.py", NO, T(LAUNCHER) },
	{ PY, "python3|main.py|fit|--config|conf.yaml", NO, T(RUN) },
	{ PY, "python3|main.py|fit|--trainer.max_epochs=3", NO, T(RUN) },
	{ PY, "python3|main.py|fit", NO, NO },
	{ PY, "python3|main.py|validate|--config|conf.yaml", NO, NO },
	{ PY, "python3|/home/u/.venv/bin/yolo|train|data=coco.yaml", NO, T(RUN) },
	{ PY, "python3|/home/u/.venv/bin/yolo|predict|data=coco.yaml", NO, NO },
	{ PY, "python3|-m|ipykernel_launcher|-f|/run/user/1000/jupyter/kernel-1.json", NO,
		T(KERNEL) },
	{ PY, "python3|-Xfrozen_modules=off|-m|ipykernel_launcher|--f=/x/kernel-v2.json",
		E(VSCODE, EXTENSION_HOST), T(KERNEL) },
	{ PY, "python3|/usr/lib/python3/dist-packages/ipykernel_launcher.py|-f|x", NO, T(KERNEL) },
	{ PY, "python3|-m|debugpy|--listen|5678|train.py", NO, T(RUN) },
	{ PY,
		"/usr/bin/python3|/home/u/.vscode/extensions/ms-python.debugpy/bundled/libs/"
		"debugpy/adapter/../../debugpy/launcher|41001|--|/home/u/p/train.py",
		NO, T(RUN) },
	{ PY,
		"python3|/home/u/.vscode/extensions/ms-python.debugpy/bundled/libs/"
		"debugpy|--connect|127.0.0.1:1|/home/u/p/edit.py",
		NO, NO },
	{ PY, "python3|-m|cProfile|-o|out.prof|train.py", NO, T(RUN) },
	{ PY, "python3|-m|coverage|run|-m|pytest|tests/test_train.py", NO, NO },
	/* workers */
	{ PY, "python3|train.py", T(RUN), T(WORKER) },
	{ PY,
		"python3|-c|from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=5, "
		"pipe_handle=7)|--multiprocessing-fork",
		T(RUN), T(WORKER) },
	{ PY, "python3|-c|from multiprocessing.forkserver import main; main(4, 5, ['__main__'])",
		T(RUN), T(WORKER) },
	{ PY, "python3|-c|from multiprocessing.resource_tracker import main;main(4)", T(RUN),
		T(WORKER) },
	{ PY, "python3|-c|from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=5)",
		NO, NO },
	{ PY, "python3|train.py", T(WORKER), T(WORKER) },
	{ PY, "ray::RayTrainWorker._execute", NO, T(WORKER) },
	{ PY, "python3|train.py", T(KERNEL), T(RUN) },
	{ PY, "python3|-m|ipykernel_launcher|-f|x", T(KERNEL), T(WORKER) },
	{ "/usr/bin/git", "git|status", T(RUN), NO },
	{ "/usr/bin/nvidia-smi", "nvidia-smi|train.py", T(RUN), NO },

	/* wrongly killed by the original, and their like */
	{ "/usr/bin/vim.basic", "vim|train.py", NO, NO },
	{ "/usr/bin/less", "less|constrain.py", NO, NO },
	{ "/usr/bin/tail", "tail|-f|train.log", NO, NO },
	{ PY, "/usr/bin/python3|/usr/bin/pytest|tests/test_train.py", NO, NO },
	{ PY, "python3|-m|pytest|tests/test_train.py", NO, NO },
	{ PY, "python3|test_train.py", NO, NO },
	{ PY, "python3|train_test.py", NO, NO },
	{ "/usr/bin/grep", "grep|-r|train", NO, NO },
	{ PY, "python3|constrain.py", NO, NO },
	{ PY, "python3|strain.py|train.py", NO, NO },
	{ PY, "python3|-c|import train; train.run()", NO, NO },
	{ PY, "python3|-", NO, NO },
	{ PY, "python3", NO, NO },
	{ PY, "python3|-m", NO, NO },
	{ PY, "python3|-W", NO, NO },
	{ PY, "python3|-m|pip|install|train", NO, NO },
	{ PY, "python3|-m|http.server|--directory|train", NO, NO },
	{ PY, "/usr/bin/python3|/usr/bin/pylint|train.py", NO, NO },
	{ PY, "python3|/home/u/.vscode/extensions/x.y/tool/train_lint.py", NO, NO },
	{ PY, "python3|/home/u/.local/bin/tensorboard|--logdir|train", NO, NO },
	{ PY, "python3|fitness.py", NO, NO },
	{ "/usr/bin/bash", "bash|train.sh", NO, NO },
	{ "/usr/bin/bash", "bash|-c|python train.py", NO, NO },
	{ "/usr/bin/ssh", "ssh|host|python|train.py", NO, NO },
	{ "/usr/bin/tmux", "tmux|new|python|train.py", NO, NO },
	{ "/usr/bin/pythonista", "pythonista|train.py", NO, NO },
};

static void proc_of(const char *exe, const char *argv, struct proc *p)
{
	memset(p, 0, sizeof(*p));
	(void)snprintf(p->exe, sizeof(p->exe), "%s", exe);
	p->argv_len = strlen(argv) + 1;
	ck_assert_uint_le(p->argv_len, sizeof(p->argv));
	memcpy(p->argv, argv, p->argv_len);
	for (size_t i = 0; i < p->argv_len; i++)
		if (p->argv[i] == '|')
			p->argv[i] = '\0';
}

START_TEST(roles__command_lines)
{
	struct proc p;
	unsigned wrong = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *t = &rows[i];
		struct role_of r;

		proc_of(t->exe, t->argv, &p);
		r = role_find(&p, &t->parent, &role_defaults);
		/* What is one must not be passed over unread. */
		ck_assert(!r.kind || !*t->exe || role_is_possible(t->exe, &role_defaults));
		if (r.kind != t->want.kind || r.family != t->want.family ||
			r.role != t->want.role) {
			printf("%s: is %s %s, should be %s %s\n", t->argv, family_name(r.family),
				role_name(r.role), family_name(t->want.family),
				role_name(t->want.role));
			wrong++;
		}
	}
	ck_assert_uint_ge(sizeof(rows) / sizeof(*rows), 80);
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

START_TEST(roles__settings_decide)
{
	static const char *const mine[] = { "optimise*.py", NULL },
				 *const never[] = { "train_toy.py", NULL },
				 *const chromium[] = { "chromium*", NULL };
	const struct role_patterns pat = { mine, never, chromium };
	struct proc p;

	proc_of(PY, "python3|optimise_all.py", &p);
	ck_assert_int_eq(role_find(&p, NULL, &pat).role, ROLE_RUN);
	proc_of(PY, "python3|-m|optimise_all", &p);
	ck_assert_int_eq(role_find(&p, NULL, &pat).role, ROLE_RUN);
	proc_of(PY, "python3|train.py", &p);
	ck_assert_int_eq(role_find(&p, NULL, &pat).role, ROLE_NONE);
	proc_of(PY, "python3|optimise_all.py", &p);
	ck_assert_int_eq(
		role_find(&p, NULL, &(struct role_patterns){ mine, mine, NULL }).role, ROLE_NONE);
	proc_of("/usr/lib/chromium/chromium", "/usr/lib/chromium/chromium|--type=renderer", &p);
	ck_assert_int_eq(role_find(&p, NULL, &pat).family, FAMILY_CHROMIUM);
	ck_assert_int_eq(role_find(&p, NULL, &pat).role, ROLE_RENDERER);
	proc_of("/usr/lib/chromium/chromium", "/usr/lib/chromium/chromium|--headless", &p);
	ck_assert_int_eq(role_find(&p, NULL, &pat).role, ROLE_MAIN);
}
END_TEST

START_TEST(roles__what_a_training_is_called)
{
	static const struct {
		const char *argv, *name;
	} table[] = { { "python3|train.py", "train.py" },
		{ "python3|-u|-W|ignore|/a/b c/train.py|x", "train.py" },
		{ "python3|-X|dev|-m|pkg.train", "pkg.train" },
		{ "python3|-mpkg.train", "pkg.train" },
		{ "/usr/bin/python3.11|-m|pdb|-c|continue|t/fit.py", "fit.py" },
		{ "python3|-c|import train", NULL }, { "python3", NULL }, { "vim|train.py", NULL },
		{ "", NULL } };
	char name[64];
	struct proc p;

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		bool is;

		proc_of(PY, table[i].argv, &p);
		is = role_training_name(p.argv, p.argv_len, '\0', name, sizeof(name));
		ck_assert_msg(is == (table[i].name != NULL), "%s", table[i].argv);
		if (is)
			ck_assert_str_eq(name, table[i].name);
	}
	ck_assert(role_training_name("python3 -u train.py --x", 23, ' ', name, sizeof(name)));
	ck_assert_str_eq(name, "train.py");
	ck_assert(role_training_name("python3 averylongname_train.py", 30, ' ', name, 5));
	ck_assert_str_eq(name, "aver");
}
END_TEST

START_TEST(roles__user_data)
{
	struct proc p;

	proc_of(CODE, CODE "|--user-data-dir=/home/u/with space", &p);
	ck_assert_str_eq(role_user_data(&p), "/home/u/with space");
	proc_of(CODE, CODE "|--user-data-dir|/d", &p);
	ck_assert_str_eq(role_user_data(&p), "/d");
	proc_of(CODE, CODE "|--user-data-dir", &p);
	ck_assert_ptr_null(role_user_data(&p));
	proc_of(CODE, CODE "|.", &p);
	ck_assert_ptr_null(role_user_data(&p));
}
END_TEST

/* Another program's bytes: any of them, cut anywhere. */
START_TEST(roles__any_bytes)
{
	static const char words[] = "-\0-m\0-c\0-X\0--\0python3\0train.py\0--type=\0 "
				    "--type=renderer\0-W\0/\0.py\0\xff\0\n";
	struct proc p;

	memset(&p, 0, sizeof(p));
	ck_assert_int_eq(role_find(&p, NULL, &role_defaults).kind, KIND_NONE);
	for (int i = 0; i < 20000; i++) {
		static const char *const exe[] = { PY, CODE, "/usr/bin/node", "", RS "node",
			"/usr/share/code/chrome_crashpad_handler" };

		memset(&p, 0, sizeof(p));
		(void)snprintf(p.exe, sizeof(p.exe), "%s", exe[check_below(6)]);
		while (p.argv_len < 64 && check_below(8)) {
			size_t at = check_below(sizeof(words)), n = check_below(12);

			if (at + n > sizeof(words))
				n = sizeof(words) - at;
			memcpy(p.argv + p.argv_len, words + at, n);
			p.argv_len += n;
		}
		if (check_below(4) == 0 && p.argv_len) { /* full to the last byte */
			memset(p.argv + p.argv_len, 'a', sizeof(p.argv) - p.argv_len - 1);
			p.argv_len = sizeof(p.argv) - 1;
		}
		(void)role_find(&p, NULL, &role_defaults);
		(void)role_user_data(&p);
		(void)role_training_name(
			p.argv, p.argv_len, check_below(2) ? ' ' : '\0', p.exe, 16);
	}
}
END_TEST

CHECK_MAIN("roles", roles__command_lines, roles__settings_decide, roles__what_a_training_is_called,
	roles__user_data, roles__any_bytes)
