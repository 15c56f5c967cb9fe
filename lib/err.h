/* lib/err.h - one vocabulary of errors.
 *
 * Every function outside main() that can fail returns int: 0 or positive is an
 * outcome, a negative errno is a failure. Out-parameters are named ret... and
 * written on success only. What a code means here:
 *
 *	-EBADMSG	damaged: a checksum or a hash does not match
 *	-EBUSY		locked: another process is the writer
 *	-ESTALE		changed under us: look again
 *	-ENOENT		gone, or never was
 *	-ENOSPC		no room (the system's -EDQUOT is folded into it)
 *	-EDQUOT		the store's own quota is used up
 *	-ENOMEDIUM	an empty folder where something was: its file system is not mounted?
 *	-EPROTO		the peer speaks something else
 *	-EROFS		read-only medium
 *	-EINTR		the user interrupted us: everything is whole
 *	-ENOTSUP	a newer format than this program knows
 */
#ifndef LIB_ERR_H
#define LIB_ERR_H

#include <errno.h>
#include <stddef.h>

/* Exit codes of all programs (DESIGN.md section 10). */
enum {
	EXIT_DONE = 0,		/* done */
	EXIT_NO = 1,		/* "no": refused, found differences, damage */
	EXIT_USAGE = 2,		/* wrong arguments or configuration */
	EXIT_PART = 3,		/* done in part, each failure was named */
	EXIT_ENV = 4,		/* the environment forbids it, nothing changed */
};

/* The text for a code, with the words of the table above. Never NULL. */
const char *err_str(int r);

/* What a call that failed left in errno. Negative whatever that is: never taken for success. */
static inline int err_errno(void)
{
	int r = -errno;

	return r < 0 ? r : -EIO;
}

/* Negative errno for a libgit2 / SQLite / zstd result; 0 stays 0. */
int err_from_git(int gitcode);
int err_from_sqlite(int rc);
int err_from_zstd(size_t code);

#endif
