/* The libraries' codes in our words. Apart from err_str, so that a program that
 * loads none of these libraries can say what went wrong. */
#include "lib/err.h"

#include <git2.h>
#include <sqlite3.h>
#include <zstd.h>
#include <zstd_errors.h>

/* -1 is libgit2's "see the message"; only the class of the message tells more. */
static int git_class(void)
{
	const git_error *e = git_error_last();

	switch (e ? e->klass : GIT_ERROR_NONE) {
	case GIT_ERROR_NOMEMORY:
		return -ENOMEM;
	case GIT_ERROR_CONFIG:
	case GIT_ERROR_INVALID:
	case GIT_ERROR_REGEX:
		return -EINVAL;
	case GIT_ERROR_ZLIB:
	case GIT_ERROR_OBJECT:
	case GIT_ERROR_TREE:
	case GIT_ERROR_SHA1:
		return -EBADMSG;
	default:
		return -EIO;
	}
}

int err_from_git(int gitcode)
{
	if (gitcode >= 0)
		return 0;
	switch (gitcode) {
	case GIT_ENOTFOUND:
	case GIT_EUNBORNBRANCH:
		return -ENOENT;
	case GIT_EEXISTS:
		return -EEXIST;
	case GIT_EAMBIGUOUS:
		return -ENOTUNIQ;
	case GIT_EBUFS:
		return -ENOBUFS;
	case GIT_ELOCKED:
		return -EBUSY;
	case GIT_EMODIFIED:
		return -ESTALE;
	case GIT_EINVALID:
	case GIT_EINVALIDSPEC:
	case GIT_EBAREREPO:
	case GIT_EPEEL:
		return -EINVAL;
	case GIT_EMISMATCH:
	case GIT_EEOF:
		return -EBADMSG;
	case GIT_EDIRECTORY:
		return -EISDIR;
	case GIT_EUSER:
		return -ECANCELED;
	case GIT_EAUTH:
	case GIT_ECERTIFICATE:
		return -EACCES;
	case GIT_PASSTHROUGH:
	case GIT_ITEROVER:
		return -ENOENT;
	case GIT_ERROR:
		return git_class();
	default:
		return -EIO;
	}
}

int err_from_sqlite(int rc)
{
	switch (rc & 0xff) {	/* without the extension */
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return -EBUSY;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_INTERRUPT:
		return -EINTR;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
		return -EBADMSG;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOTFOUND:
		return -ENOENT;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_SCHEMA:
		return -ESTALE;
	case SQLITE_TOOBIG:
	case SQLITE_NOLFS:
		return -EFBIG;
	case SQLITE_ABORT:
		return -ECANCELED;
	case SQLITE_IOERR:
		/* The index of the WAL is made as long as it may get: that fails on a full disk,
		 * and then only. */
		return rc == SQLITE_IOERR_NOMEM     ? -ENOMEM
		       : rc == SQLITE_IOERR_SHMSIZE ? -ENOSPC
						    : -EIO;
	default:
		return -EINVAL;
	}
}

int err_from_zstd(size_t code)
{
	if (!ZSTD_isError(code))
		return 0;
	switch (ZSTD_getErrorCode(code)) {
	case ZSTD_error_memory_allocation:
	case ZSTD_error_workSpace_tooSmall:
		return -ENOMEM;
	case ZSTD_error_dstSize_tooSmall:
	case ZSTD_error_dstBuffer_null:
		return -ENOBUFS;
	case ZSTD_error_version_unsupported:
	case ZSTD_error_frameParameter_unsupported:
	case ZSTD_error_frameParameter_windowTooLarge:
		return -ENOTSUP;
	case ZSTD_error_parameter_unsupported:
	case ZSTD_error_parameter_outOfBound:
	case ZSTD_error_stage_wrong:
	case ZSTD_error_init_missing:
		return -EINVAL;
	default:
		return -EBADMSG;	/* what a damaged frame gives */
	}
}
