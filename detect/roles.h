/* detect/roles.h - is this process an editor's, a training's, or neither?
 *
 * Editors are told by exe and arguments, never by comm (newer node names its main thread
 * "MainThread"). Training is what `detect run` registered, or a Python (or torchrun, accelerate, a
 * Jupyter kernel, ...) whose own script or module matches a pattern: the name of the interpreter's
 * script argument, not any word of the command line, so `vim train.py`, `less constrain.py`, `tail
 * -f train.log`, `pytest tests/test_train.py` and an editor opened on train.py are none. Facts:
 * VSCODE.md section 1. Pure functions: they read nothing. */
#ifndef DETECT_ROLES_H
#define DETECT_ROLES_H

#include <stdbool.h>

#include "detect/procs.h"

enum kind { KIND_NONE, KIND_EDITOR, KIND_TRAINING };

enum family {
	FAMILY_NONE, FAMILY_VSCODE, FAMILY_INSIDERS, FAMILY_VSCODIUM, FAMILY_OSS, FAMILY_CURSOR,
	FAMILY_WINDSURF, FAMILY_REMOTE, FAMILY_CODE_SERVER, FAMILY_CHROMIUM
};

enum role {
	ROLE_NONE,
	/* of an editor */
	ROLE_MAIN, ROLE_RENDERER, ROLE_GPU, ROLE_ZYGOTE, ROLE_UTILITY, ROLE_EXTENSION_HOST,
	ROLE_PTY_HOST, ROLE_FILE_WATCHER, ROLE_SHARED, ROLE_CRASHPAD, ROLE_SERVER,
	ROLE_SERVER_CHILD,
	/* of a training */
	ROLE_RUN, ROLE_WORKER, ROLE_LAUNCHER, ROLE_KERNEL,
};

/* From [detect] of the settings; NULL-terminated lists. Patterns are wildmatch on the script's or
 * module's base name. */
struct role_patterns {
	const char *const *training;	/* scripts and modules: train*.py, ... */
	const char *const *not_training;
	const char *const *editors;	/* more editors: base name of exe */
};
extern const struct role_patterns role_defaults;

struct role_of {
	enum kind kind;
	enum family family;	/* of an editor */
	enum role role;
};

/* parent: what the parent was found to be, or NULL: a worker is a child of a run with the same
 * exe. */
struct role_of role_find(const struct proc *p, const struct role_of *parent,
	const struct role_patterns *pat);
/* Could a program of this name be one at all? For who asks about every program that is started. */
bool role_is_possible(const char *exe, const struct role_patterns *pat);
/* What a training is called: the base name of its script, or its module. argv: n bytes, the words
 * divided by sep (NUL in a struct proc, a blank in a fact). false: it has none. */
bool role_training_name(const char *argv, size_t n, char sep, char *ret, size_t size);
const char *role_name(enum role r);		/* "renderer"; stable, stands in JSON */
const char *family_name(enum family f);		/* "VSCode", "code-server" */
/* The user data folder named in the arguments (--user-data-dir=), or NULL. */
const char *role_user_data(const struct proc *p);

#endif
