#include "lib/err.h"

#include <string.h>

const char *err_str(int r)
{
	int e = r < 0 ? -r : r;

	switch (e) {
	case 0:
		return "success";
	case EBADMSG:
		return "damaged: the checksum does not match";
	case EBUSY:
		return "locked by another process";
	case ESTALE:
		return "changed in the meantime";
	case ENOENT:
		return "no such file or folder";
	case ENOSPC:
		return "no space left";
	case EDQUOT:
		return "the store's quota is used up";
	case ENOMEDIUM:
		return "an empty folder is in its place";
	case EPROTO:
		return "the other side speaks something else";
	case EROFS:
		return "read-only medium";
	case EINTR:
		return "interrupted";
	case ENOTSUP:
		return "made by a newer version";
	default:
		return strerror(e);	/* thread-local in glibc since 2.32 */
	}
}
