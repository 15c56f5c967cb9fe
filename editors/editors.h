/* editors/editors.h - what editors keep beside the files: unsaved buffers (hot exit), Local
 * History, and which of them has a workspace open.
 *
 * A place is an editor's user data folder, of whatever family: desktop, Flatpak, snap,
 * code-server, the server of Remote-SSH. Everything in it is another program's, read only, any
 * bytes: reads are bounded, links are not followed, nothing is ever written there. The facts
 * (names, formats, times) were measured on VSCode 1.96 and 1.139.
 *
 * A buffer of a workspace is told by the resource its first line names; one without a file
 * (Untitled-1) by the folder of its window: MD5 of the path on the desktop, a 32-bit hash of the
 * address on a server. That address holds host and port, so a server that was restarted on
 * another port does not find its own buffers: here every port is tried.
 *
 * Errors: negative errno; what cannot be read is left out of a walk. */
#ifndef EDITORS_EDITORS_H
#define EDITORS_EDITORS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "../lib/buf.h"

enum { EDITOR_FILE_MAX = 64 << 20 };

/* ---- places --------------------------------------------------------------------- */

struct place {
	char *path;       /* the user data folder */
	const char *name; /* "VSCode", "code-server"; static */
	bool server;      /* code-server, or of Remote-SSH: addresses are vscode-remote */
	char id[9];       /* hex, of the path */
};

struct places {
	struct place *p;
	size_t n;
};

/* Those that are there. more: further folders (settings), NULL-terminated or NULL. */
int places_find(char *const *more, size_t n_more, struct places *ret);
void places_release(struct places *l);

/* ---- addresses ------------------------------------------------------------------ */

struct uri {
	struct buf scheme, authority, path; /* decoded; never NULL */
};
/* -EINVAL: no scheme, or a bad escape, or an escaped NUL. */
int uri_parse(const char *s, size_t n, struct uri *ret);
void uri_release(struct uri *u);
/* As VSCode writes it: all but letters, digits and -._~/ as %XX. */
int uri_encode_path(const char *path, struct buf *ret);
/* VSCode's hash of ASCII, as its file names have it: hex of a signed int32. */
int32_t editor_hash(const char *s);
int editor_hash_name(int32_t h, char out[10]);
/* Is name the hash of vscode-remote://HOST:PORT/path for some host and port? */
bool editor_is_remote_of(const char *name, const char *path);

/* ---- buffers ----------------------------------------------------------------------- */

struct backup {
	struct uri uri;
	size_t body;      /* where the text begins */
	int64_t mtime_ms; /* of the file when the edit began; -1: not told */
	bool orphaned;    /* the file was gone then */
	struct buf type;  /* "": a text; "notebook/..."; else not ours to restore */
};
/* A whole backup file. -EINVAL: empty, or without a first line that names a resource: not a
 * version of anything. */
int backup_parse(const char *p, size_t n, struct backup *ret);
void backup_release(struct backup *b);
bool backup_is_text(
	const struct backup *b); /* or a notebook: the body is what the file would hold */
/* An editor writes in chunks of this; killed while it does, so many bytes of the body are there. */
enum { BACKUP_CHUNK = 262144 };
/* Was it cut off in the middle? n: of the body; before: of the version before, or 0. */
bool backup_is_cut(size_t n, size_t before);

/* The path below the workspace that it is about; NULL: another's. An untitled one: its name,
 * *ret_untitled. */
const char *backup_name(
	const struct backup *b, const struct place *p, const char *workspace, bool *ret_untitled);

struct buffer_file {
	const struct place *place;
	const char *key; /* "PLACE/W/SCHEME/NAME": stable, and a path in the store of copies */
	int dirfd;       /* its folder */
	const char *name;
	struct stat st;
};
typedef int (*buffer_fn)(const struct buffer_file *f, void *arg);
/* Every backup file that may be of this workspace: the folders of its windows, and others that
 * hold one of its files. The caller parses and decides (backup_name). fn: as usual. */
int buffers_each(const struct places *l, const char *workspace, buffer_fn fn, void *arg);
/* The folders to watch for it: those that hold windows' folders, and of ours all. */
int buffers_folders(const struct places *l, const char *workspace,
	int (*fn)(const char *path, void *arg), void *arg);

/* ---- Local History ------------------------------------------------------------------- */

struct version_file {
	const struct place *place;
	const char *key;  /* "PLACE/FOLDER/NAME" */
	const char *path; /* below the workspace */
	int64_t time_ms;
	const char *source; /* "File Saved", or what the editor says */
	int dirfd;
	const char *name;
	uint64_t size;
};
typedef int (*version_fn)(const struct version_file *f, void *arg);
/* path: of one file; NULL: of all in the workspace. since_ms: only folders that changed then or
 * later; 0: all. */
int versions_each(const struct places *l, const char *workspace, const char *path, int64_t since_ms,
	version_fn fn, void *arg);

/* ---- who has it open ------------------------------------------------------------------- */

struct editor_open {
	const struct place *place;
	pid_t pid;       /* the extension host of the window */
	bool running;    /* false: it died and left its lock behind */
	int64_t died_ms; /* then: when, to a second; else 0 */
};
typedef int (*open_fn)(const struct editor_open *e, void *arg);
int editors_open_each(const struct places *l, const char *workspace, open_fn fn, void *arg);

#endif
