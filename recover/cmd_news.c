/* recover news: the last crash in one line, for the first shell after it. The file "told" in the
 * state folder holds the id of the event that was told last; it is locked while it is looked at,
 * so of many shells that start together one speaks. */
#include "recover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "../detect/detect.h"
#include "../lib/auto.h"
#include "../lib/buf.h"
#include "../lib/io.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/text.h"
#include "crash.h"
#include "out.h"

enum { N_ONCE = 1 };
enum { OLD_S = 7 * 24 * 60 * 60, ID_MAX = 64 };

const struct opt news_opts[] = {
	{ N_ONCE, 0, "once", OPT_FLAG, NULL,
		"nothing when it was told before, or is older than a week" },
	{ 0 }
};

/* 1: it is now told by us; 0: it was. */
static int claim(const char *id)
{
	autoclose int state = detect_state_dir();
	autoclose int fd =
		state < 0 ? -1
			  : openat(state, "told", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	autoput(buf_release) struct buf had = BUF_INIT;

	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return -errno;
	if (io_read_rest(fd, ID_MAX, &had) == 0 && had.data && strcmp(had.data, id) == 0) {
		(void)futimens(fd, NULL);
		return 0;
	}
	if (ftruncate(fd, 0) < 0)
		return -errno;
	return io_pwrite_all(fd, id, strlen(id), 0) < 0 ? -EIO : 1;
}

static void touch(void)
{
	autoclose int state = detect_state_dir_if_any();

	if (state >= 0)
		(void)utimensat(state, "told", NULL, AT_SYMLINK_NOFOLLOW);
}

int cmd_news(struct recover *r, const struct args *a)
{
	autoput(journal_event_release) struct journal_event ev = { 0 };
	int64_t age;
	char text[24];
	int e = crash_find(NULL, &ev);

	if (e < 0) {
		if (a->on[N_ONCE])
			touch();
		else
			log_info("no crash is recorded");
		return e == -ENOENT && a->on[N_ONCE] ? EXIT_DONE : EXIT_NO;
	}
	age = (r->now_ns - (int64_t)ev.real_ms * 1000000) / 1000000000;
	if (a->on[N_ONCE] && (claim(ev.id) == 0 || age > OLD_S))
		return EXIT_DONE;
	printf("holdfast: %s ago ", text_duration((uint64_t)(age > 0 ? age : 0), text));
	out_name(ev.text ? ev.text : "something died");
	if (crash_cause(&ev))
		printf(": %s", crash_cause(&ev));
	printf(". " RECOVER " report knows more\n");
	return EXIT_DONE;
}
