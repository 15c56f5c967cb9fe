/* lib/become.c - see the header. */
#include "become.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "log.h"

int become(const char *name, char **argv)
{
	static const char *const places[] = { "", "../libexec/holdfast/" };
	char self[PATH_MAX], path[PATH_MAX + 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0) {
		(void)log_error_errno(-errno, "/proc/self/exe: cannot be read, is /proc mounted?");
		return EXIT_ENV;
	}
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s%s", self, places[i], name);
		(void)execv(path, argv);
	}
	(void)log_error_errno(
		-errno, "%s/%s: cannot be started, is the installation whole?", self, name);
	return EXIT_ENV;
}
