/* lib/version.c - see the header. */
#include "lib/version.h"

#include <errno.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <sys/utsname.h>

int version_print(const char *program, const char *const *libraries)
{
	struct utsname u;

	(void)printf("%s (Holdfast) %s%s%s%s\n", program, version,
		*version_commit ? " (commit " : "", version_commit, *version_commit ? ")" : "");
	for (; libraries && *libraries; libraries += 2)
		(void)printf("%-10s %s\n", libraries[0], libraries[1]);
	(void)printf("%-10s %s\n", "glibc", gnu_get_libc_version());
	if (uname(&u) == 0)
		(void)printf("%-10s %s\n", u.sysname, u.release);
	return fflush(stdout) ? -errno : 0;
}
