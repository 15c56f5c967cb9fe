#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "editors/editors.h"
#include "lib/auto.h"
#include "lib/io.h"

START_TEST(hash__is_vscodes)
{
	static const struct {
		const char *s, *name;
	} t[] = {
		{ "Untitled-1", "-7f9c1a2e" },
		{ "Untitled-2", "-7f9c1a2d" },
		{ "vscode-remote://127.0.0.1:41881/home/u/ws/train.py", "5a45264a" },
		{ "/home/u/p/train.py", "-23f39d6e" },
		{ "file:///home/u/p/train.py", "-3e11b742" },
		{ "", "247a9" },
		{ "vscode-remote://127.0.0.1:41881/home/u/ws", "99fdd14" },
		{ "vscode-remote://127.0.0.1:8431/tmp/hooks6/w", "-5195f59c" },
	};
	char name[10];

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		(void)editor_hash_name(editor_hash(t[i].s), name);
		ck_assert_str_eq(name, t[i].name);
	}
}
END_TEST

START_TEST(remote_window__is_found_on_any_port)
{
	ck_assert(editor_is_remote_of("99fdd14", "/home/u/ws"));
	ck_assert(editor_is_remote_of("-5195f59c", "/tmp/hooks6/w"));
	ck_assert(!editor_is_remote_of("", "/home/u/ws"));
	ck_assert(!editor_is_remote_of("zz", "/home/u/ws"));
	ck_assert(!editor_is_remote_of("fffffffff", "/home/u/ws"));
	ck_assert(!editor_is_remote_of("99fdd14", "/home/u/other"));
}
END_TEST

START_TEST(uri__is_decoded)
{
	static const struct {
		const char *s, *scheme, *authority, *path;
	} t[] = {
		{ "file:///home/u/a%20b%23%25.py", "file", "", "/home/u/a b#%.py" },
		{ "vscode-remote://ssh-remote%2Bgpu/home/u/%C3%A9", "vscode-remote",
			"ssh-remote+gpu", "/home/u/\xc3\xa9" },
		{ "vscode-remote://127.0.0.1:8201/w", "vscode-remote", "127.0.0.1:8201", "/w" },
		{ "untitled:Untitled-1", "untitled", "", "Untitled-1" },
		{ "untitled:/home/u/new.py", "untitled", "", "/home/u/new.py" },
		{ "file://host", "file", "host", "" },
	};
	static const char *const bad[] = { "", ":", "x", "file:///%", "file:///%4", "file:///%zz",
		"file:///%00", "a b:c", "://x" };
	autoput(buf_release) struct buf b = BUF_INIT;
	struct uri u;

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		ck_assert_int_eq(uri_parse(t[i].s, strlen(t[i].s), &u), 0);
		ck_assert_str_eq(u.scheme.data, t[i].scheme);
		ck_assert_str_eq(u.authority.data, t[i].authority);
		ck_assert_str_eq(u.path.data, t[i].path);
		uri_release(&u);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(
			uri_parse(bad[i], strlen(bad[i]), &u) == -EINVAL, "'%s'", bad[i]);
	ck_assert_int_eq(uri_encode_path("/a b/(\xc3\xa9)#%.py", &b), 0);
	ck_assert_str_eq(b.data, "/a%20b/%28%C3%A9%29%23%25.py");
}
END_TEST

START_TEST(backup__tells_what_it_is)
{
	const char *s = "file:///w/a.py {\"mtime\":1795458784370,\"ctime\":1,\"size\":28,"
			"\"etag\":\"x\",\"orphaned\":true,\"typeId\":\"\"}\nx = 1\r\n";
	const struct place desktop = { .path = (char *)"/p" },
			   server = { .path = (char *)"/p", .server = true };
	struct backup b;
	bool untitled;

	ck_assert_int_eq(backup_parse(s, strlen(s), &b), 0);
	ck_assert_str_eq(s + b.body, "x = 1\r\n");
	ck_assert(b.mtime_ms == 1795458784370 && b.orphaned && backup_is_text(&b));
	ck_assert_str_eq(backup_name(&b, &desktop, "/w", &untitled), "a.py");
	ck_assert(!untitled && !backup_name(&b, &desktop, "/other", &untitled));
	ck_assert(!backup_name(&b, &desktop, "/w/a.py", &untitled));
	backup_release(&b);

	s = "untitled:Untitled-2 {\"typeId\":\"notebook/jupyter-notebook/jupyter-notebook\"}\n";
	ck_assert_int_eq(backup_parse(s, strlen(s), &b), 0);
	ck_assert_str_eq(backup_name(&b, &desktop, "/w", &untitled), "Untitled-2");
	ck_assert(untitled && backup_is_text(&b) && b.mtime_ms == -1 && b.body == strlen(s));
	backup_release(&b);

	s = "vscode-remote://ssh-remote%2Bgpu/w/a.py\ntext";
	ck_assert_int_eq(backup_parse(s, strlen(s), &b), 0);
	ck_assert(!backup_name(&b, &desktop, "/w", &untitled));	/* another machine's file */
	ck_assert_str_eq(backup_name(&b, &server, "/w", &untitled), "a.py");
	backup_release(&b);

	s = "file:///w/b.bin {\"typeId\":\"hexEditor.hexedit\"}\n{}";
	ck_assert_int_eq(backup_parse(s, strlen(s), &b), 0);
	ck_assert(!backup_is_text(&b));
	backup_release(&b);
}
END_TEST

START_TEST(backup__torn_is_no_version)
{
	static const char *const bad[] = { "", "file:///w/a.py {\"mtime\":1", "no colon\n", "\n",
		"file: {}\n", "file:///w/%zz {}\nx" };
	struct backup b;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_int_eq(backup_parse(bad[i], strlen(bad[i]), &b), -EINVAL);
	ck_assert_int_eq(backup_parse("file:\0\n", 7, &b), -EINVAL);
	ck_assert(backup_is_cut(BACKUP_CHUNK, 3 * BACKUP_CHUNK));
	ck_assert(backup_is_cut(0, 9));
	ck_assert(!backup_is_cut(BACKUP_CHUNK + 1, 3 * BACKUP_CHUNK));
	ck_assert(!backup_is_cut(2 * BACKUP_CHUNK, BACKUP_CHUNK));
}
END_TEST

/* ---- the layouts of all families, as they lie on the disk ---- */

static void put(const char *home, const char *path, const char *text)
{
	char full[1024], dir[1024];
	autoclose int fd = -1;

	(void)snprintf(full, sizeof(full), "%s/%s", home, path);
	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(full, '/') - full), full);
	ck_assert_int_eq(io_mkdir_p(AT_FDCWD, dir, 0700), 0);
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert(fd >= 0);
	ck_assert_int_eq(io_write_all(fd, text, strlen(text)), 0);
}

struct found {
	int n;
	char names[4096];
};

static int note(const struct buffer_file *f, void *arg)
{
	struct found *x = arg;
	size_t n = strlen(x->names);

	x->n++;
	(void)snprintf(x->names + n, sizeof(x->names) - n, "%s %s\n", f->place->name, f->key + 9);
	return 0;
}

static const char *make_home(void)
{
	const char *home = check_dir(NULL);

	(void)setenv("HOME", home, 1);
	(void)unsetenv("XDG_CONFIG_HOME");
	(void)unsetenv("XDG_DATA_HOME");
	return home;
}

START_TEST(buffers__are_found_in_every_family)
{
	static const char *const desktops[] = { ".config/Code", ".config/Code - Insiders",
		".config/VSCodium", ".config/Code - OSS", ".config/Cursor", ".config/Windsurf",
		".var/app/com.visualstudio.code/config/Code",
		".var/app/com.vscodium.codium/config/VSCodium",
		"snap/code/current/.config/Code" };
	const char *home = make_home();
	struct places l;
	struct found x = { 0 };
	char path[512];

	/* md5 of /home/u/p */
	for (size_t i = 0; i < sizeof(desktops) / sizeof(*desktops); i++) {
		(void)snprintf(path, sizeof(path),
			"%s/Backups/3d999e8407eafb4c2d9dd5641fe8303f/file/-23f39d6e", desktops[i]);
		put(home, path, "file:///home/u/p/train.py {\"typeId\":\"\"}\nx");
	}
	put(home, ".local/share/code-server/User/Backups/99fdd14/untitled/-7f9c1a2e",
		"untitled:Untitled-1 {\"typeId\":\"\"}\nx");
	ck_assert_int_eq(places_find(NULL, 0, &l), 0);
	ck_assert_uint_eq(l.n, sizeof(desktops) / sizeof(*desktops) + 1);
	ck_assert_int_eq(buffers_each(&l, "/home/u/p", note, &x), 0);
	ck_assert_int_eq(x.n, (int)(sizeof(desktops) / sizeof(*desktops)));
	x = (struct found){ 0 };
	ck_assert_int_eq(buffers_each(&l, "/home/u/ws", note, &x), 0);
	ck_assert_str_eq(x.names, "code-server 99fdd14/untitled/-7f9c1a2e\n");
	places_release(&l);
}
END_TEST

START_TEST(untitled__goes_with_its_window)
{
	const char *home = make_home();
	struct places l;
	struct found x = { 0 };

	/* An empty window, and one that is the folder's by what else it holds. */
	put(home, ".config/Code/Backups/1690000000000/untitled/-7f9c1a2e",
		"untitled:Untitled-1 {\"typeId\":\"\"}\nother");
	put(home, ".config/Code/Backups/abc/untitled/-7f9c1a2d",
		"untitled:Untitled-2 {\"typeId\":\"\"}\nours");
	put(home, ".config/Code/Backups/abc/file/1", "file:///home/u/p/a.py {}\nx");
	put(home, ".config/Code/Backups/abd/file/1", "file:///home/u/pq/a.py {}\nx");
	ck_assert_int_eq(places_find(NULL, 0, &l), 0);
	ck_assert_int_eq(buffers_each(&l, "/home/u/p", note, &x), 0);
	ck_assert_int_eq(x.n, 2);
	ck_assert(strstr(x.names, "VSCode abc/untitled/-7f9c1a2d\n") != NULL);
	places_release(&l);
}
END_TEST

struct versions {
	int n;
	int64_t sum;
	char text[1024];
};

static int note_version(const struct version_file *f, void *arg)
{
	struct versions *x = arg;
	size_t n = strlen(x->text);

	x->n++;
	x->sum += f->time_ms;
	(void)snprintf(x->text + n, sizeof(x->text) - n, "%s %s %s\n", f->path, f->name, f->source);
	return 0;
}

START_TEST(history__is_read_with_and_without_its_list)
{
	const char *home = make_home();
	struct places l;
	struct versions x = { 0 };

	put(home, ".config/Code/User/History/4aa/entries.json",
		"{\"version\":1,\"resource\":\"file:///home/u/p/a%20b.py\",\"entries\":[{\"id\":"
		"\"IrYW.py\",\"timestamp\":5000},{\"id\":\"g5Ai.py\",\"source\":\"undoRedo.source\","
		"\"timestamp\":7000}]}");
	put(home, ".config/Code/User/History/4aa/IrYW.py", "one");
	put(home, ".config/Code/User/History/4aa/g5Ai.py", "two");
	/* Without a list: the hash of the address. */
	put(home, ".config/Code/User/History/-3e11b742/AbCd.py", "x");
	ck_assert_int_eq(places_find(NULL, 0, &l), 0);
	ck_assert_int_eq(versions_each(&l, "/home/u/p", "a b.py", 0, note_version, &x), 0);
	ck_assert_int_eq(x.n, 2);
	ck_assert_int_eq(x.sum, 12000);
	ck_assert(strstr(x.text, "a b.py g5Ai.py undoRedo.source\n") != NULL);
	ck_assert(strstr(x.text, "a b.py IrYW.py File Saved\n") != NULL);
	x = (struct versions){ 0 };
	ck_assert_int_eq(versions_each(&l, "/home/u/p", "train.py", 0, note_version, &x), 0);
	ck_assert_int_eq(x.n, 1);
	x = (struct versions){ 0 };
	ck_assert_int_eq(versions_each(&l, "/home/u/q", NULL, 0, note_version, &x), 0);
	ck_assert_int_eq(x.n, 0);
	places_release(&l);
}
END_TEST

static int note_open(const struct editor_open *e, void *arg)
{
	struct found *x = arg;
	size_t n = strlen(x->names);

	x->n += e->running;
	(void)snprintf(x->names + n, sizeof(x->names) - n, "%s %d\n", e->place->name, (int)e->pid);
	return 0;
}

START_TEST(open__is_told_by_the_lock)
{
	const char *home = make_home();
	struct found x = { 0 };
	struct places l;
	char lock[64];

	(void)snprintf(lock, sizeof(lock), "{\"pid\":%d,\"willReleaseAt\":0}", (int)getpid());
	put(home, ".local/share/code-server/User/workspaceStorage/99fdd14/vscode.lock", lock);
	put(home, ".config/Code/User/workspaceStorage/0a1b/workspace.json",
		"{\"folder\": \"file:///home/u/ws\"}");
	put(home, ".config/Code/User/workspaceStorage/0a1b/vscode.lock",
		"{\"pid\":4194000,\"willReleaseAt\":0}");
	put(home, ".config/Code/User/workspaceStorage/0a1c/workspace.json",
		"{\"folder\": \"file:///home/u/other\"}");
	put(home, ".config/Code/User/workspaceStorage/0a1c/vscode.lock", lock);
	ck_assert_int_eq(places_find(NULL, 0, &l), 0);
	ck_assert_int_eq(editors_open_each(&l, "/home/u/ws", note_open, &x), 0);
	ck_assert_int_eq(x.n, 1);
	ck_assert(strstr(x.names, "VSCode 4194000\n") && strstr(x.names, "code-server "));
	places_release(&l);
}
END_TEST

CHECK_MAIN("editors", hash__is_vscodes, remote_window__is_found_on_any_port, uri__is_decoded,
	backup__tells_what_it_is, backup__torn_is_no_version, buffers__are_found_in_every_family,
	untitled__goes_with_its_window, history__is_read_with_and_without_its_list,
	open__is_told_by_the_lock)
