/* hooks/hooks-internal.h - what the files of the room share. */
#ifndef HOOKS_INTERNAL_H
#define HOOKS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "../lib/buf.h"
#include "../lib/jsonc.h"
#include "hooks.h"

#define LABEL "holdfast: " /* every task and launch of ours begins so */

void must(int r); /* negative: out of memory, exits with EXIT_ENV */
char *text_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- edits.c: files as they are and as they shall be ------------------------- */

struct change {
	char *path; /* as named */
	char *real; /* where a link leads */
	bool had;   /* it exists */
	mode_t mode;
	struct buf old, now; /* never NULL */
	bool gone;           /* shall be deleted */
	bool failed;
};

struct changes {
	struct change *c;
	size_t n, cap;
};

/* The file, read once. NULL: said why (no regular file, too large, unreadable). mode: of a new
 * one. The pointer holds until the next call. */
struct change *changes_file(struct changes *l, const char *path, mode_t mode);
bool change_differs(const struct change *c);
void change_set(struct change *c, const char *p, size_t n);
bool changes_any(const struct changes *l);
void changes_show(const struct changes *l); /* a diff of each, on stdout */
int changes_apply(struct changes *l);       /* how many failed, each said */
void changes_release(struct changes *l);

/* ---- added.c: what was added, so that it can be taken away ----------------------- */

/* One row: its kind, then up to ROW_FIELDS texts.
 * 	file	PATH HAD HASH ORIGINAL	a file of the user's, as it was; HASH: as it became
 * 	item	PATH LIST IDKEY ID VALUE	an added member (IDKEY "") or element
 * 	made	PATH LIST		a container that was added for items
 * 	gate	PATH NAME OLD NEW	a launch's preLaunchTask; OLD "": it had none
 * 	block	PATH			lines between our marks
 * 	lines	PATH TEXT		lines of .env
 * 	own	PATH			a file that is ours alone
 * 	dir	PATH			a folder that was made */
enum { ROW_FIELDS = 5 };

struct row {
	char *kind;
	char *f[ROW_FIELDS]; /* never NULL up to the kind's number, "" behind */
};

struct record {
	char *path; /* of the record itself */
	char *workspace;
	unsigned parts;
	struct row *row;
	size_t n, cap;
	bool changed;
};

/* Empty when there is none. Negative: said. */
int record_load(const char *workspace, struct record *ret);
/* The rows that all workspaces share (shell). */
int record_load_shared(struct record *ret);
int record_save(const struct record *r); /* no rows and no parts: removes it; negative: said */
void record_release(struct record *r);
struct row *record_find(const struct record *r, const char *kind, const char *path, const char *f1,
	const char *f2, const char *f3);
void record_add(struct record *r, const char *kind, const char *const f[ROW_FIELDS]);
void record_set(struct record *r, struct row *row, int field, const char *value);
void record_drop(struct record *r, size_t i);
/* A file that is ours alone, and the folders that must be made for it. */
void record_own(struct record *r, const char *path);
/* Those of the folders that are empty. */
void record_remove_dirs(const struct record *r);
/* Does any workspace's record hold this part? except: not that one. */
bool record_others_have(const char *except_workspace, unsigned part);

/* The file c is about to be written as c->now: remember how to give back what was. */
void record_file(struct record *r, const struct change *c);
/* 1: c->now is what it was before, byte for byte (the file is as it was left); 0: somebody
 * changed it since. */
int record_restore(const struct record *r, struct change *c);

/* ---- merge.c: items of JSON files ------------------------------------------------- */

struct item {
	const char *list;   /* member of the root that holds it; "": the root */
	const char *id_key; /* "label", "name": an element of an array; "": a member */
	const char *id;
	const char *value; /* JSON, tabs for levels */
};

/* Adds what is not there. Notes on stderr what is there and differs. */
void merge_items(struct change *c, struct record *r, const struct item *it, size_t n);
/* Takes out what the record says was added and is still as it was. How many were left alone,
 * each named. */
int merge_out(struct change *c, struct record *r);
/* The elements of a list of the root; -1. */
int merge_list(const struct jsonc *j, const char *list);
int merge_find(const struct jsonc *j, int list, const char *id_key, const char *id);

/* ---- the parts ---------------------------------------------------------------------- */

struct programs {
	char *snapd, *recover, *detect; /* absolute */
	char *snapd_word, *recover_word,
		*detect_word; /* a name alone where PATH leads to it, else absolute */
};
int programs_find(const char *argv0, struct programs *ret); /* negative: said */
void programs_release(struct programs *p);

struct hooks {
	const struct hooks_options *o;
	struct programs prog;
	struct changes changes;
	struct record rec, shared;
	int skipped; /* files left alone, each named */
};

void vscode_plan(struct hooks *h);
int vscode_unplan(struct hooks *h); /* how many things were left alone */
void env_plan(struct hooks *h);
int env_unplan(struct hooks *h);
void shell_plan(struct hooks *h);
int shell_unplan(struct hooks *h);

/* A block of lines of ours in a text file of the user's. */
void block_put(struct change *c, const char *text);
bool block_take(struct change *c); /* false: there is none */

enum login_way {
	LOGIN_SYSTEMD,
	LOGIN_SYSTEMD_LATER /* its manager does not answer now */,
	LOGIN_AUTOSTART
};
void login_plan(struct hooks *h);
int login_unplan(struct hooks *h);
/* After the files are in place. An exit code. */
int login_start(struct hooks *h);
void login_stop(struct hooks *h);   /* before they go */
void login_forget(struct hooks *h); /* after they went */
/* 1: systemd has been told to start it, 0: it has no unit here. */
int login_start_unit(const char *workspace);

const char *home_dir(void);           /* NULL: said */
char *config_path(const char *below); /* $XDG_CONFIG_HOME/below; NULL: no home */
char *data_path(const char *below);
char *workspace_name(const char *workspace); /* "project-0123456789ab": as the store's folder */

#endif
