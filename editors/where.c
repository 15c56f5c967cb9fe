/* editors/where.c - the user data folders of all families; see VSCode's product.json of each. */
#include "editors-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/sha1.h"
#include "../lib/text.h"

enum base { HOME, CONFIG, DATA };

static const struct {
	const char *name;
	enum base base;
	const char *below;
	bool server;
} known[] = {
	{ "VSCode", CONFIG, "Code", false },
	{ "VSCode Insiders", CONFIG, "Code - Insiders", false },
	{ "VSCode Exploration", CONFIG, "Code - Exploration", false },
	{ "VSCodium", CONFIG, "VSCodium", false },
	{ "VSCodium Insiders", CONFIG, "VSCodium - Insiders", false },
	{ "Code - OSS", CONFIG, "Code - OSS", false },
	{ "Cursor", CONFIG, "Cursor", false },
	{ "Windsurf", CONFIG, "Windsurf", false },
	{ "Windsurf Next", CONFIG, "Windsurf - Next", false },
	{ "Positron", CONFIG, "Positron", false },
	{ "Trae", CONFIG, "Trae", false },
	{ "Kiro", CONFIG, "Kiro", false },
	{ "Antigravity", CONFIG, "Antigravity", false },
	{ "VSCode (Flatpak)", HOME, ".var/app/com.visualstudio.code/config/Code", false },
	{ "VSCode Insiders (Flatpak)", HOME,
		".var/app/com.visualstudio.code.insiders/config/Code - Insiders", false },
	{ "Code - OSS (Flatpak)", HOME, ".var/app/com.visualstudio.code-oss/config/Code - OSS",
		false },
	{ "VSCodium (Flatpak)", HOME, ".var/app/com.vscodium.codium/config/VSCodium", false },
	{ "VSCode (snap)", HOME, "snap/code/current/.config/Code", false },
	{ "VSCodium (snap)", HOME, "snap/codium/current/.config/VSCodium", false },
	{ "code-server", DATA, "code-server", true },
	{ "VSCode Remote", HOME, ".vscode-server/data", true },
	{ "VSCode Remote Insiders", HOME, ".vscode-server-insiders/data", true },
	{ "Code - OSS Remote", HOME, ".vscode-server-oss/data", true },
	{ "VSCodium Remote", HOME, ".vscodium-server/data", true },
	{ "Cursor Remote", HOME, ".cursor-server/data", true },
	{ "Windsurf Remote", HOME, ".windsurf-server/data", true },
	{ "Codespaces", HOME, ".vscode-remote/data", true },
};

static const char *absolute(const char *variable)
{
	const char *s = getenv(variable);

	return s && *s == '/' ? s : NULL;
}

static int add(struct places *l, const char *name, bool server, const char *path)
{
	char real[4096];
	struct stat st;
	struct place *p;
	uint8_t sum[20];

	if (strlen(path) >= sizeof(real) || stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	if (!realpath(path, real))
		return 0;
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->p[i].path, real) == 0)
			return 0;
	p = realloc(l->p, (l->n + 1) * sizeof(*p));
	if (!p)
		return -ENOMEM;
	l->p = p;
	p += l->n;
	*p = (struct place){ .path = strdup(real), .name = name, .server = server };
	if (!p->path)
		return -ENOMEM;
	sha1_text(real, strlen(real), sum);
	text_hex(sum, 4, p->id);
	l->n++;
	return 0;
}

static int add_known(
	struct places *l, size_t i, const char *home, const char *config, const char *data)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	const char *base = known[i].base == CONFIG ? config : known[i].base == DATA ? data : NULL;
	static const char *const usual[] = { "", "/.config", "/.local/share" };
	int r;

	if (!base && !home)
		return 0;
	r = base ? buf_printf(&b, "%s/%s", base, known[i].below)
		 : buf_printf(&b, "%s%s/%s", home, usual[known[i].base], known[i].below);
	return r < 0 ? r : add(l, known[i].name, known[i].server, b.data);
}

/* Moved by the environment. */
static int add_moved(struct places *l)
{
	static const struct {
		const char *variable, *below, *name;
		bool server;
	} moved[] = {
		{ "VSCODE_PORTABLE", "/user-data", "VSCode (portable)", false },
		{ "VSCODE_APPDATA", "/Code", "VSCode", false },
		{ "VSCODE_AGENT_FOLDER", "/data", "VSCode Remote", true },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(moved) / sizeof(*moved); i++) {
		autoput(buf_release) struct buf b = BUF_INIT;

		if (!absolute(moved[i].variable))
			continue;
		r = buf_printf(&b, "%s%s", absolute(moved[i].variable), moved[i].below);
		r = r < 0 ? r : add(l, moved[i].name, moved[i].server, b.data);
	}
	return r;
}

/* A server's folder has no Backups beside User. */
static bool looks_like_server(const char *path)
{
	autoput(buf_release) struct buf b = BUF_INIT, c = BUF_INIT;

	return buf_printf(&b, "%s/Backups", path) == 0 && buf_printf(&c, "%s/Machine", path) == 0 &&
	       (access(c.data, F_OK) == 0 || access(b.data, F_OK) != 0);
}

int places_find(char *const *more, size_t n_more, struct places *ret)
{
	const char *home = absolute("HOME"), *config = absolute("XDG_CONFIG_HOME"),
		   *data = absolute("XDG_DATA_HOME");
	int r = 0;

	*ret = (struct places){ 0 };
	for (size_t i = 0; r == 0 && i < sizeof(known) / sizeof(*known); i++)
		r = add_known(ret, i, home, config, data);
	/* code-server takes no notice of XDG_DATA_HOME when it is started by a service without
	 * it. */
	for (size_t i = 0; r == 0 && i < sizeof(known) / sizeof(*known); i++)
		if (known[i].base != HOME && (config || data))
			r = add_known(ret, i, home, NULL, NULL);
	if (r == 0)
		r = add_moved(ret);
	for (size_t i = 0; r == 0 && i < n_more; i++)
		r = add(ret, "editor", looks_like_server(more[i]), more[i]);
	if (r < 0)
		places_release(ret);
	return r;
}

void places_release(struct places *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->p[i].path);
	free(l->p);
	*l = (struct places){ 0 };
}

/* ---- walking ------------------------------------------------------------------------ */

int editor_dir(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

const char *editor_next(DIR *d, unsigned *left)
{
	struct dirent *de;

	while (*left && (de = readdir(d))) {
		--*left;
		if (de->d_name[0] != '.' && strlen(de->d_name) < 200)
			return de->d_name;
	}
	return NULL;
}

const char *editor_below(const char *path, const char *workspace)
{
	size_t n = strlen(workspace);

	if (n == 1)
		n = 0;
	return strncmp(path, workspace, n) == 0 && path[n] == '/' && path[n + 1] ? path + n + 1
										 : NULL;
}
