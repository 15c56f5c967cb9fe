#include "notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../lib/auto.h"

enum { PROGRESS_MS = 2000, EXTEND_S = 30 };

void notify(const char *fmt, ...)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	autoclose int fd = -1;
	size_t n = path ? strlen(path) : 0;
	char text[512];
	va_list ap;
	int len;

	if (!n || n >= sizeof(addr.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof(text))
		return;
	memcpy(addr.sun_path, path, n);
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	/* Never waits: a manager that does not read must not stop us. */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		(void)sendto(fd, text, (size_t)len, MSG_NOSIGNAL, (const struct sockaddr *)&addr,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}

void notify_reloading(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	notify("RELOADING=1\nMONOTONIC_USEC=%lld",
		(long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

void notify_progress(uint64_t files, uint64_t now_ms)
{
	static uint64_t next_ms;

	if (now_ms < next_ms)
		return;
	next_ms = now_ms + PROGRESS_MS;
	notify("STATUS=scanning, %llu files so far\nWATCHDOG=1\nEXTEND_TIMEOUT_USEC=%d000000",
		(unsigned long long)files, EXTEND_S);
}

uint64_t notify_watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	char *end;
	unsigned long long n;

	if (!usec || !getenv("NOTIFY_SOCKET") || (pid && strtol(pid, NULL, 10) != (long)getpid()))
		return 0;
	errno = 0;
	n = strtoull(usec, &end, 10);
	return errno || *end ? 0 : n / 1000;
}
