/* tests/tool_many.c - a store of many snapshots and many files, quickly: what a screen over it costs.
 *
 *	tool_many STORE WORKSPACE SNAPSHOTS FILES
 *
 * FILES files of one line, a hundred a folder; then one of them changes in each snapshot, 30 s apart, the last one now. The
 * newest versions are written into WORKSPACE, with the times that the store has. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/gitlib.h"
#include "lib/io.h"
#include "lib/log.h"
#include "store/store.h"

#define S INT64_C(1000000000)

static size_t name_and_text(unsigned f, unsigned version, char path[64], char text[64])
{
	(void)snprintf(path, 64, "pack%u/part%u/file%u.py", f / 10000, f / 100 % 100, f);
	return (size_t)snprintf(text, 64, "file %u, version %u\n", f, version);
}

static int put(struct store_txn *t, unsigned f, unsigned version, int64_t now)
{
	struct stat st = { .st_mode = S_IFREG | 0644, .st_mtim = { now / S, 0 } };
	char path[64], text[64];
	size_t n = name_and_text(f, version, path, text);

	st.st_size = (off_t)n;
	return store_txn_bytes(t, path, &st, text, n);
}

static int write_out(const char *workspace, unsigned f, unsigned version, int64_t now)
{
	autoclose int root = open(workspace, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
	struct timespec times[2] = { { now / S, 0 }, { now / S, 0 } };
	char path[64], text[64], dir[64];
	size_t n = name_and_text(f, version, path, text);
	int r;

	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path), path);
	if (root < 0 || (f % 100 == 0 && (r = io_mkdir_p(root, dir, 0755)) < 0))
		return root < 0 ? -errno : r;
	fd = openat(root, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	r = io_write_all(fd, text, n);
	return r < 0 ? r : futimens(fd, times) < 0 ? -errno : 0;
}

/* By snapshot i. */
static unsigned changed(unsigned i, unsigned files)
{
	return (unsigned)(i * UINT64_C(7919) % files);
}

static int take(struct store *s, unsigned i, unsigned files, int64_t now)
{
	struct store_commit how = { .reason = i % 50 ? REASON_INTERVAL : REASON_MANUAL,
		.time_ns = now };
	struct store_txn *t;
	char message[32];
	int r = store_txn_begin(s, &t);

	(void)snprintf(message, sizeof(message), "step %u", i);
	how.message = i % 50 ? NULL : message;
	if (r == 0 && i)
		r = put(t, changed(i, files), i, now);
	for (unsigned f = 0; r == 0 && !i && f < files; f++)
		r = put(t, f, 0, now);
	if (r < 0) {
		store_txn_abort(t);
		return r;
	}
	return store_txn_commit(t, &how, NULL);
}

int main(int argc, char **argv)
{
	struct store_options so = { .no_sync = true };
	unsigned n = argc == 5 ? (unsigned)atoi(argv[3]) : 0,
		 files = argc == 5 ? (unsigned)atoi(argv[4]) : 0;
	int64_t from = ((int64_t)time(NULL) - 30 * (int64_t)n) * S;
	unsigned *version = files ? calloc(files, sizeof(*version)) : NULL;
	struct store *s;
	int r;

	log_init("tool_many", LOG_INFO);
	if (!n || !version)
		return EXIT_USAGE;
	gitlib_init();
	so.workspace = argv[2];
	r = store_open(argv[1], STORE_WRITE, &so, &s);
	if (r < 0)
		return log_error_errno(r, "%s", argv[1]) ? EXIT_ENV : 0;
	for (unsigned i = 0; r >= 0 && i < n; i++) {
		r = take(s, i, files, from + i * 30 * S);
		version[i ? changed(i, files) : 0] = i;
	}
	for (unsigned f = 0; r >= 0 && f < files; f++)
		r = write_out(argv[2], f, version[f], from + version[f] * 30 * S);
	free(version);
	store_close(s);
	return r < 0 && log_error_errno(r, "%s", argv[1]) ? EXIT_ENV : EXIT_DONE;
}
