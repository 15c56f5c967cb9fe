/* lib/version.h - which build this is.
 *
 * version and version_commit are in a file that make writes, linked into each program and into no
 * test (so that a new commit does not relink those): only a main() may use what is declared here. */
#ifndef LIB_VERSION_H
#define LIB_VERSION_H

extern const char version[]; /* "1.0" */
extern const char version_commit
	[]; /* "3f2a91c4d5e6", with "-dirty" behind it for a changed tree; "" outside a clone */

/* "PROGRAM (Holdfast) VERSION (commit ...)" and the versions of the libraries that are loaded, one
 * a line: NULL-ended pairs of name and version. On stdout. -errno where that cannot be written. */
int version_print(const char *program, const char *const *libraries);

#endif
