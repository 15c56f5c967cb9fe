/* Editors: Electron programs by the name of their exe, servers in node by the folder they lie
 * in. */
#include "detect/roles-internal.h"

#include <string.h>

static const struct {
	const char *exe;
	enum family family;
} electrons[] = {
	{ "code", FAMILY_VSCODE }, /* deb, rpm, snap, Flatpak, tarball */
	{ "code-insiders", FAMILY_INSIDERS },
	{ "codium", FAMILY_VSCODIUM },
	{ "codium-insiders", FAMILY_VSCODIUM },
	{ "vscodium", FAMILY_VSCODIUM },
	{ "code-oss", FAMILY_OSS },
	{ "cursor", FAMILY_CURSOR }, /* /usr/share/cursor, /tmp/.mount_CursorXXXXXX/... */
	{ "windsurf", FAMILY_WINDSURF },
};

/* A folder of the way to exe or script: where Remote-SSH and its likes install their server. */
static const char *const servers[] = {
	"/.vscode-server/",
	"/.vscode-server-insiders/",
	"/.vscode-server-oss/",
	"/.vscodium-server/",
	"/.vscodium-server-insiders/",
	"/.cursor-server/",
	"/.windsurf-server/",
	"/vscode-server/",
	"/.vscode-remote/",
};

/* The value of an option. Chromium's children write their command line anew, as one word with
 * blanks between (base/process/set_process_title_linux.cc), so it is looked for inside the first
 * one too. */
static const char *option(const struct words *w, const char *name)
{
	size_t n = strlen(name);

	for (unsigned i = 1; i < w->n; i++)
		if (strncmp(w->w[i], name, n) == 0)
			return w->w[i] + n;
	for (const char *s = strchr(w->w[0], ' '); s; s = strchr(s + 1, ' '))
		if (strncmp(s + 1, name, n) == 0)
			return s + 1 + n;
	return NULL;
}

/* Is the value just that? It ends at a blank in a rewritten title. */
static bool is(const char *value, const char *word)
{
	size_t n = strlen(word);

	return value && strncmp(value, word, n) == 0 && (!value[n] || value[n] == ' ');
}

/* bootstrap-fork's, of old desktops and of every server. */
static enum role forked(const char *type)
{
	if (is(type, "extensionHost"))
		return ROLE_EXTENSION_HOST;
	if (is(type, "ptyHost"))
		return ROLE_PTY_HOST;
	if (is(type, "fileWatcher") || is(type, "watcherService"))
		return ROLE_FILE_WATCHER;
	return ROLE_UTILITY;
}

/* Of the utility processes only the extension host is started with options for node's network and
 * inspector (localProcessExtensionHost.ts); shared process, file watcher and pty host look all the
 * same. */
static enum role utility(const struct words *w)
{
	const char *sub = option(w, "--utility-sub-type=");

	if (is(sub, "node.mojom.NodeService") &&
		(option(w, "--dns-result-order=") || option(w, "--inspect-port=")))
		return ROLE_EXTENSION_HOST;
	return ROLE_UTILITY;
}

static enum role electron_role(const struct words *w, const struct role_of *parent)
{
	const char *type = option(w, "--type="), *script = w->n > 1 ? w->w[1] : "";

	if (is(type, "renderer"))
		return option(w, "--vscode-window-kind=shared-process") ? ROLE_SHARED
									: ROLE_RENDERER;
	if (is(type, "gpu-process"))
		return ROLE_GPU;
	if (is(type, "zygote"))
		return ROLE_ZYGOTE;
	if (is(type, "utility"))
		return utility(w);
	if (type)
		return forked(type);
	/* The command line tool, node under the editor's name: it hands over and ends. */
	if (role_ends(script, "/resources/app/out/cli.js"))
		return ROLE_NONE;
	if (option(w, "--ms-enable-electron-run-as-node") || strstr(script, "/extensions/") ||
		strstr(script, "/resources/app/") || parent->kind == KIND_EDITOR)
		return ROLE_UTILITY;
	return ROLE_MAIN;
}

static struct role_of editor(enum family f, enum role r)
{
	return (struct role_of){ r ? KIND_EDITOR : KIND_NONE, r ? f : FAMILY_NONE, r };
}

static enum family electron_family(const char *base)
{
	for (size_t i = 0; i < sizeof(electrons) / sizeof(*electrons); i++)
		if (strcmp(base, electrons[i].exe) == 0)
			return electrons[i].family;
	return FAMILY_NONE;
}

/* Every Chromium has one: whose it is tells the folder it lies in. */
static struct role_of crashpad(const char *exe)
{
	char dir[64];
	const char *end = strrchr(exe, '/'), *from = end;
	size_t n;

	while (from && from > exe && from[-1] != '/')
		from--;
	n = end ? (size_t)(end - from) : 0;
	if (!n || n >= sizeof(dir))
		return editor(FAMILY_NONE, ROLE_NONE);
	memcpy(dir, from, n);
	dir[n] = '\0';
	if (strcmp(dir, "visual-studio-code") == 0 || strcmp(dir, "vscode") == 0 ||
		strncmp(dir, "VSCode-linux", 12) == 0)
		return editor(FAMILY_VSCODE, ROLE_CRASHPAD);
	return editor(electron_family(dir), electron_family(dir) ? ROLE_CRASHPAD : ROLE_NONE);
}

/* node's own script: the first word that is no option. */
static const char *node_script(const struct words *w)
{
	for (unsigned i = 1; i < w->n; i++) {
		if (strcmp(w->w[i], "-r") == 0 || strcmp(w->w[i], "--require") == 0 ||
			strcmp(w->w[i], "--import") == 0)
			i++;
		else if (w->w[i][0] != '-')
			return w->w[i];
	}
	return "";
}

static bool in_server(const char *path)
{
	for (size_t i = 0; i < sizeof(servers) / sizeof(*servers); i++)
		if (strstr(path, servers[i]))
			return true;
	return false;
}

static struct role_of remote(const struct words *w, const char *base, const char *script)
{
	if (strncmp(base, "code-", 5) == 0) /* the tunnel's front: code-COMMIT command-shell */
		return editor(FAMILY_REMOTE, ROLE_UTILITY);
	if (strcmp(base, "node") != 0) /* a tool of an extension, a shell */
		return editor(FAMILY_NONE, ROLE_NONE);
	if (role_ends(script, "server-main.js") || role_ends(script, "/vs/server/main.js"))
		return editor(FAMILY_REMOTE, ROLE_SERVER);
	return editor(FAMILY_REMOTE,
		role_ends(script, "bootstrap-fork") ? forked(option(w, "--type=")) : ROLE_UTILITY);
}

static struct role_of code_server(const struct words *w, const char *script)
{
	/* The deb starts node on the folder itself. */
	if (role_ends(script, "/code-server/out/node/entry.js") ||
		role_ends(script, "/lib/code-server"))
		return editor(FAMILY_CODE_SERVER, ROLE_SERVER);
	if (role_ends(script, "/code-server/out/node/entry"))
		return editor(FAMILY_CODE_SERVER, ROLE_SERVER_CHILD);
	if (strstr(script, "/code-server/lib/vscode/"))
		return editor(FAMILY_CODE_SERVER, role_ends(script, "bootstrap-fork")
							  ? forked(option(w, "--type="))
							  : ROLE_UTILITY);
	return editor(FAMILY_NONE, ROLE_NONE);
}

struct role_of role_editor(const char *exe, const struct words *w, const struct role_of *parent,
	const struct role_patterns *pat)
{
	const char *base = role_base(exe), *script;
	enum family f = electron_family(base);

	if (!f && strcmp(exe, "/proc/self/exe") == 0 && parent->kind == KIND_EDITOR &&
		option(w, "--type="))
		f = parent->family;
	if (f)
		return editor(f, electron_role(w, parent));
	if (strcmp(base, "chrome_crashpad_handler") == 0)
		return crashpad(exe);
	if (role_match(pat->editors, base))
		return editor(FAMILY_CHROMIUM, electron_role(w, parent));
	script = node_script(w);
	/* Arch Linux shares one electron among its programs. */
	if (strcmp(base, "electron") == 0 &&
		(strstr(script, "/lib/code/") || option(w, "--app-path=/usr/lib/code") ||
			(option(w, "--type=") && parent->kind == KIND_EDITOR)))
		return editor(
			FAMILY_OSS, option(w, "--type=") ? electron_role(w, parent) : ROLE_MAIN);
	if (in_server(exe) || (strcmp(base, "node") == 0 && in_server(script)))
		return remote(w, base, script);
	return strcmp(base, "node") == 0 ? code_server(w, script) : editor(FAMILY_NONE, ROLE_NONE);
}
