#include "lib/log.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/text.h"

/* A path of PATH_MAX and some words around it. What is longer is cut. */
enum { RAW_MAX = 5000 };

static struct {
	const char *program;
	enum log_level level;
	bool journal;		/* <N> prefixes */
	bool color;
	void (*before)(void);
} log_ = { .program = "holdfast", .level = LOG_INFO };

/* systemd sets JOURNAL_STREAM to device:inode of what it connected; a child that
 * redirected its stderr has the variable but not the stream. */
static bool is_journal(void)
{
	const char *s = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return s && sscanf(s, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
		st.st_dev == dev && st.st_ino == ino;
}

void log_init(const char *program, enum log_level level)
{
	const char *no = getenv("NO_COLOR");

	log_.program = program;
	log_.level = level;
	log_.journal = is_journal();
	log_.color = isatty(STDERR_FILENO) && !(no && *no);
}

void log_set_level(enum log_level level)
{
	log_.level = level;
}

enum log_level log_level(void)
{
	return log_.level;
}

const char *log_program(void)
{
	return log_.program;
}

void log_before_line(void (*fn)(void))
{
	log_.before = fn;
}

/* Copies text so that a terminal shows it and does nothing else. Returns the
 * length; out holds four bytes for each of n. */
static size_t make_safe(const char *s, size_t n, char *out)
{
	size_t len = 0;

	while (n) {
		size_t k = text_print_len(s, n);

		if (k) {
			memcpy(out + len, s, k);
			len += k;
		} else {
			k = 1;
			len += (size_t)(*s == '\n' ? sprintf(out + len, "\\n") :
					*s == '\t' ? sprintf(out + len, "\\t") :
						     sprintf(out + len, "\\x%02x", (uint8_t)*s));
		}
		s += k;
		n -= k;
	}
	return len;
}

/* One write(2) for a line: lines of several processes do not mix. */
static void put_line(enum log_level level, const char *raw, size_t n)
{
	static const char prefix[][4] = { "<3>", "<4>", "<6>", "<7>" };
	static const char *const color[] = { "\033[31m", "\033[33m", "", "\033[2m" };
	const char *on = log_.color ? color[level] : "";
	char line[4 * RAW_MAX + 128];
	size_t len;

	len = (size_t)snprintf(line, 100, "%s%s%.64s: ", log_.journal ? prefix[level] : "", on,
		log_.program);
	len += make_safe(raw, n, line + len);
	len += (size_t)sprintf(line + len, "%s\n", *on ? "\033[0m" : "");
	if (log_.before)
		log_.before();
	(void)io_write_all(STDERR_FILENO, line, len);
}

__attribute__((format(printf, 3, 0))) static void vlog(enum log_level level, const char *err,
	const char *fmt, va_list ap)
{
	static const char cut[] = "...";
	int saved = errno;
	char raw[RAW_MAX];
	size_t len;
	int n;

	if (level > log_.level)
		return;
	n = vsnprintf(raw, sizeof(raw), fmt, ap);
	len = n < 0 ? 0 : (size_t)n;
	if (len >= sizeof(raw) - 128) {
		len = sizeof(raw) - 128;
		memcpy(raw + len, cut, sizeof(cut));
		len += sizeof(cut) - 1;
	}
	if (err)
		len += (size_t)snprintf(raw + len, sizeof(raw) - len, ": %.100s", err);
	put_line(level, raw, len);
	errno = saved;
}

#define LOG_BODY(level, err)                    \
	do {                                    \
		va_list ap;                     \
		va_start(ap, fmt);              \
		vlog((level), (err), fmt, ap);  \
		va_end(ap);                     \
	} while (0)

void log_error(const char *fmt, ...)
{
	LOG_BODY(LOG_ERROR, NULL);
}

void log_warn(const char *fmt, ...)
{
	LOG_BODY(LOG_WARN, NULL);
}

void log_info(const char *fmt, ...)
{
	LOG_BODY(LOG_INFO, NULL);
}

void log_debug(const char *fmt, ...)
{
	LOG_BODY(LOG_DEBUG, NULL);
}

int log_error_errno(int r, const char *fmt, ...)
{
	LOG_BODY(LOG_ERROR, err_str(r));
	return r;
}

int log_warn_errno(int r, const char *fmt, ...)
{
	LOG_BODY(LOG_WARN, err_str(r));
	return r;
}

int log_debug_errno(int r, const char *fmt, ...)
{
	LOG_BODY(LOG_DEBUG, err_str(r));
	return r;
}

int log_oom(void)
{
	put_line(LOG_ERROR, "out of memory", strlen("out of memory"));
	return -ENOMEM;
}
