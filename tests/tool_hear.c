/* Listens to a monitor as snapd does: tool_hear SOCKET. A line for each end it is told of:
 *
 *	NS TAB FACT	when it heard, in ns of CLOCK_BOOTTIME; the fact as it came
 *
 * After "+" it listens. Ends when the monitor does. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void)
{
	struct timespec t = { 0 };

	(void)clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Asks, and notes when the answer began to come. */
static size_t ask(const char *path, uint64_t seq, char *p, size_t size, int64_t *ret_ns)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char req[48];
	size_t got = 0;
	ssize_t n;

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	n = snprintf(req, sizeof(req), "wait\t%" PRIu64 "\n", seq);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		write(fd, req, (size_t)n) != n) {
		if (fd >= 0)
			(void)close(fd);
		return 0;
	}
	while (got + 1 < size && (n = read(fd, p + got, size - 1 - got)) > 0) {
		if (!got)
			*ret_ns = now_ns();
		got += (size_t)n;
	}
	(void)close(fd);
	p[got] = '\0';
	return got;
}

int main(int argc, char **argv)
{
	static char text[1 << 20];
	uint64_t seq = 0;
	int64_t ns = 0;

	if (argc != 2)
		return 2;
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	(void)puts("+");
	while (ask(argv[1], seq, text, sizeof(text), &ns) > 3 && strncmp(text, "ok\t", 3) == 0) {
		char *save = NULL;
		const char *line = strtok_r(text, "\n", &save);

		seq = strtoull(line + 3, NULL, 10);
		while ((line = strtok_r(NULL, "\n", &save)))
			if ((line = strchr(line, '\t')) && strstr(line, "kind=exit"))
				(void)printf("%" PRId64 "%s\n", ns, line);
	}
	return 0;
}
