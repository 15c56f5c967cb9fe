#include "config/config-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/gitlib.h"
#include "lib/gitspare.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/text.h"

enum { FILE_MAX = 1 << 20 };	/* nobody writes a larger one by hand */

/* One file while it is read. */
struct reading {
	struct config *c;
	const char *path;
	bool trusted;
	struct buf text;
	struct config_scan scan;
	config_report_fn report;
	void *arg;
	int r;			/* what broke inside libgit2's callback */
};

/* FILE:LINE: KEY: why; line 0 and key NULL are left out. */
__attribute__((format(printf, 4, 5))) static void tell(struct reading *f, unsigned line,
	const char *key, const char *fmt, ...)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	va_list ap;
	int r;

	r = text_quote_name(&b, f->path, strlen(f->path));
	if (r == 0 && line)
		r = buf_printf(&b, ":%u", line);
	if (r == 0)
		r = buf_addstr(&b, ": ");
	if (r == 0 && key)
		r = text_quote_name(&b, key, strlen(key));
	if (r == 0 && key)
		r = buf_addstr(&b, ": ");
	va_start(ap, fmt);
	if (r == 0)
		r = buf_vprintf(&b, fmt, ap);
	va_end(ap);
	f->c->n_problems++;
	f->c->keep_doubtful |= !key || strncasecmp(key, "prune.", 6) == 0;
	if (r < 0)
		(void)log_oom();
	else if (f->report)
		f->report(b.data, f->arg);
	else
		log_warn("%s", b.data);
}

int config_init(struct config *c)
{
	autoput(buf_release) struct buf why = BUF_INIT;

	*c = (struct config){ 0 };
	for (const struct config_key *k = config_keys; k->name; k++) {
		int r = k->def ? config_key_set(c, k, k->def, &why) : 0;

		if (r < 0) {
			config_release(c);
			return r;
		}
	}
	return 0;
}

void config_release(struct config *c)
{
	for (const struct config_key *k = config_keys; k->name; k++) {
		void *at = (char *)c + k->at;

		if (k->type == KEY_LIST)
			config_list_clear(at);
		else if (k->type == KEY_STRING || k->type == KEY_PATH || k->type == KEY_CHOICE)
			free(*(char **)at);
	}
	*c = (struct config){ 0 };
}

/* The keys come in the order of the file. One that the scan cannot find (in an
 * included file, or spelled in a way it does not know) has no line, and the scan
 * stays where it was. */
static unsigned line_of(struct reading *f, const git_config_entry *e)
{
	const char *p = f->scan.p;
	unsigned line = f->scan.line;

	if (e->include_depth)
		return 0;
	while (config_scan_next(&f->scan) > 0)
		if (strcmp(f->scan.name.data, e->name) == 0)
			return f->scan.name_line;
	f->scan.p = p;
	f->scan.line = line;
	return 0;
}

static void tell_unknown(struct reading *f, unsigned line, const char *name)
{
	const char *guess = config_key_guess(name);

	if (guess)
		tell(f, line, name, "unknown key, ignored; did you mean %s?", guess);
	else
		tell(f, line, name, "unknown key, ignored");
}

static int tell_bad(struct reading *f, unsigned line, const struct config_key *k, const char *value,
	const char *why)
{
	autoput(buf_release) struct buf shown = BUF_INIT, now = BUF_INIT;
	int r = config_key_show(f->c, k, &now);

	if (r == 0 && value)
		r = text_quote_name(&shown, value, strlen(value));
	if (r < 0)
		return r;
	if (value)
		tell(f, line, k->name, "'%s': %s; using %s", shown.data, why, now.data);
	else
		tell(f, line, k->name, "%s; using %s", why, now.data);
	return 0;
}

static int take_entry(const git_config_entry *e, void *arg)
{
	autoput(buf_release) struct buf why = BUF_INIT;
	struct reading *f = arg;
	const struct config_key *k = config_key_find(e->name);
	unsigned line = line_of(f, e);

	if (strncmp(e->name, "include.", 8) == 0 || strncmp(e->name, "includeif.", 10) == 0)
		return 0;	/* libgit2 has followed it */
	if (!f->trusted && strncmp(e->name, "ignored", 7) == 0)
		return 0;	/* an include of a .holdfast: told already */
	if (!k) {
		tell_unknown(f, line, e->name);
		return 0;
	}
	if (!f->trusted && k->user_only) {
		tell(f, line, k->name,
			"not allowed in a workspace, ignored; set it in your own configuration");
		return 0;
	}
	if (!f->trusted && k->type == KEY_LIST && e->value && !*e->value) {
		tell(f, line, k->name, "a workspace can only add to a list, ignored");
		return 0;
	}
	f->r = config_key_set(f->c, k, e->value, &why);
	if (f->r == -EINVAL)
		f->r = tell_bad(f, line, k, e->value, why.data);
	return f->r;
}

/* An in-memory copy under a name that libgit2 can open. */
static int copy_to_memory(const char *p, size_t n, struct buf *path)
{
	autoclose int fd = memfd_create("config", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = io_write_all(fd, p, n);
	if (r == 0)
		r = buf_printf(path, "/proc/self/fd/%d", fd);
	return r < 0 ? r : take_fd(&fd);
}

static int parse(const char *path, git_config_foreach_cb cb, void *arg)
{
	git_config *g = NULL;
	int r;

	/* Counted; never shut down: starting it again would cost every caller. */
	if (gitlib_init() < 0)
		return -ENOMEM;
	git_error_clear();
	(void)gitspare_wanted();
	r = git_config_new(&g);
	if (r == 0)
		r = git_config_add_file_ondisk(g, path, GIT_CONFIG_LEVEL_APP, NULL, 0);
	if (r == 0 && cb)
		r = git_config_foreach(g, cb, arg);
	git_config_free(g);
	return gitspare_wanted() ? -ENOMEM : r;
}

static int parse_text(const char *p, size_t n, git_config_foreach_cb cb, void *arg)
{
	autoput(buf_release) struct buf path = BUF_INIT;
	autoclose int fd = copy_to_memory(p, n, &path);

	return fd < 0 ? fd : parse(path.data, cb, arg);
}

/* Some messages have no line. The shortest beginning of the file that breaks in
 * the same way ends with it. */
static unsigned bisect_line(const struct reading *f, const char *message)
{
	size_t good = 0, broken = f->text.len;
	unsigned line = 1;

	while (broken - good > 1) {
		size_t mid = good + (broken - good) / 2;
		const git_error *e;

		if (parse_text(f->text.data, mid, NULL, NULL) < 0 && (e = git_error_last()) &&
			strcmp(e->message, message) == 0)
			broken = mid;
		else
			good = mid;
	}
	for (size_t i = 0; i < good; i++)
		line += f->text.data[i] == '\n';
	return line;
}

/* "failed to parse config file: WHAT (in FILE:LINE, column N)". libgit2's code is the same for a
 * file that is broken and for want of memory; where it has no word, it had no memory for one. */
static int tell_broken(struct reading *f)
{
	static const char lead[] = "failed to parse config file: ";
	const git_error *e = git_error_last();
	bool told = e && e->message && e->klass != GIT_ERROR_NOMEMORY;
	autofree char *copy = told ? strdup(e->message) : NULL;
	autoput(buf_release) struct buf shown = BUF_INIT;
	char *what = copy, *in;
	unsigned line = 0;
	int r;

	f->c->unread |= e && e->klass == GIT_ERROR_OS;	/* the file may be as it should */
	if (!copy)
		return -ENOMEM;
	if (strncmp(what, lead, strlen(lead)) == 0)
		what += strlen(lead);
	in = strstr(what, " (in ");
	if (in) {
		const char *colon = strrchr(in, ':');

		line = colon ? (unsigned)strtoul(colon + 1, NULL, 10) : 0;
		*in = '\0';
	}
	if (!line)
		line = bisect_line(f, copy);
	/* It may hold a byte of the file. */
	r = text_quote_name(&shown, what, strlen(what));
	if (r < 0)
		return r;
	tell(f, line, NULL, "%s", shown.data);
	return -EINVAL;
}

static int read_parsed(struct reading *f)
{
	const char *nul = memchr(f->text.data, '\0', f->text.len);
	unsigned line = 1;
	int r;

	if (nul) {
		for (const char *p = f->text.data; p < nul; p++)
			line += *p == '\n';
		tell(f, line, NULL, "holds a NUL byte");
		return -EINVAL;
	}
	if (!f->trusted && config_hide_includes(f->text.data, f->text.len, &line))
		tell(f, line, "include", "not followed in a workspace, ignored");
	config_scan_init(&f->scan, f->text.data, f->text.len);
	/* Under its own name where includes beside it are to be found. */
	r = f->trusted ? parse(f->path, take_entry, f) :
			 parse_text(f->text.data, f->text.len, take_entry, f);
	config_scan_release(&f->scan);
	if (f->r < 0)
		return f->r;
	if (r == -ENOMEM)	/* ours; no code of libgit2's that comes here */
		return r;
	return r < 0 ? tell_broken(f) : 0;
}

/* No fault of the file's: nothing is known about the settings then. */
static bool is_ours(int r)
{
	return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

static int open_file(const struct reading *f)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (f->trusted ? 0 : O_NOFOLLOW);
	autoclose int fd = -1;
	struct stat st;

	do
		fd = open(f->path, flags);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	/* /dev/null is a fair way to say "nothing"; a FIFO or a folder is not. */
	if (!S_ISREG(st.st_mode) && !(f->trusted && S_ISCHR(st.st_mode)))
		return -ENXIO;
	return take_fd(&fd);
}

static int read_file(struct config *c, const char *path, bool trusted, bool must_exist,
	config_report_fn report, void *arg)
{
	struct reading f = {
		.c = c, .path = path, .trusted = trusted, .report = report, .arg = arg
	};
	autoclose int fd = open_file(&f);
	int r = fd < 0 ? fd : io_read_rest(fd, FILE_MAX, &f.text);

	if ((r == -ENOENT || r == -ENOTDIR) && !must_exist)
		return 0;
	if (r == -ELOOP || r == -ENXIO)
		tell(&f, 0, NULL, "not a regular file, ignored");
	else if (r < 0 && !is_ours(r)) {
		c->unread |= r != -EFBIG;
		tell(&f, 0, NULL, "cannot be read: %s", err_str(r));
	} else if (r >= 0 && f.text.len)
		r = read_parsed(&f);
	buf_release(&f.text);
	if (is_ours(r) || (trusted && r == -EIO))
		return r;
	return r < 0 ? -EINVAL : 0;
}

/* $XDG_CONFIG_HOME counts only if absolute: so says its specification. */
static int user_file(struct buf *path)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	const struct passwd *pw;

	if (xdg && xdg[0] == '/')
		return buf_printf(path, "%s/holdfast/config", xdg);
	if (!home || home[0] != '/') {
		pw = getpwuid(geteuid());
		home = pw && pw->pw_dir ? pw->pw_dir : "/";
	}
	return buf_printf(path, "%s/.config/holdfast/config", home);
}

static int load_trusted(struct config *c, config_report_fn report, void *arg)
{
	autoput(buf_release) struct buf path = BUF_INIT;
	const char *only = getenv("HOLDFAST_CONFIG");
	int r, s;

	if (only && *only)
		return read_file(c, only, true, true, report, arg);
	r = read_file(c, "/etc/holdfast/config", true, false, report, arg);
	if (is_ours(r))
		return r;
	s = user_file(&path);
	if (s == 0)
		s = read_file(c, path.data, true, false, report, arg);
	return s < 0 ? s : r;
}

int config_load(struct config *c, const char *workspace, config_report_fn report, void *arg)
{
	autoput(buf_release) struct buf path = BUF_INIT;
	int r = config_init(c), s;

	if (r < 0)
		return r;
	/* A broken file does not keep the others from being read: the caller may
	 * want to protect with what there is, and say so. */
	r = load_trusted(c, report, arg);
	if (is_ours(r) || !workspace)
		return r;
	s = buf_printf(&path, "%s/.holdfast", workspace);
	if (s == 0)
		s = read_file(c, path.data, false, false, report, arg);
	return s < 0 ? s : r;
}

static void print_help(FILE *f, const struct config_key *k)
{
	for (const char *p = k->help; *p;) {
		size_t n = strcspn(p, "\n");

		(void)fprintf(f, "\t# %.*s\n", (int)n, p);
		p += n + (p[n] == '\n');
	}
	if (k->user_only)
		(void)fputs("\t# Not in a workspace's .holdfast.\n", f);
}

int config_print_defaults(FILE *f)
{
	const char *section = "";

	(void)fputs(
		"# Holdfast: every setting with its default, in the syntax of git-config. Read in\n"
		"# this order, the later wins, lists add up:\n"
		"#\n"
		"#\t/etc/holdfast/config\n"
		"#\t~/.config/holdfast/config ($XDG_CONFIG_HOME/holdfast/config)\n"
		"#\tWORKSPACE/.holdfast\n"
		"#\n"
		"# Times: 500ms, 30s, 10m, 2h, 1d, 1w. Sizes: 512k, 16M, 5G (powers of 1024).\n"
		"# The third file may come with a cloned repository: it cannot set what is marked\n"
		"# below, nor include other files.\n",
		f);
	for (const struct config_key *k = config_keys; k->name; k++) {
		size_t n = strcspn(k->name, ".");

		if (strncmp(k->name, section, n + 1) != 0)
			(void)fprintf(f, "\n[%.*s]\n", (int)n, k->name);
		else
			(void)fputc('\n', f);
		section = k->name;
		print_help(f, k);
		if (k->def)
			(void)fprintf(f, "\t#%s = %s\n", k->name + n + 1, k->def);
		else
			(void)fprintf(f, "\t# No default. Example:\n\t#%s = %s\n", k->name + n + 1,
				k->example);
	}
	return ferror(f) ? -EIO : 0;
}
