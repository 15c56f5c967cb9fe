/* lib/html.c - see the header. */
#include "lib/html.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/auto.h"
#include "lib/io.h"
#include "lib/text.h"

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	"style-src 'unsafe-inline'\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<meta name=\"color-scheme\" content=\"light dark\">\n<title>";

static const char style[] =
	"</title>\n<style>\n"
	":root{--bg:#fff;--fg:#1b1f24;--dim:#59636e;--line:#d1d9e0;--box:#f6f8fa;--mem:#0969da;"
	"--swap:#bc4c00;--gpu:#1a7f37;--bad:#cf222e;--guard:#8250df;--launch:#9a6700}\n"
	"@media (prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--dim:#9198a1;"
	"--line:#3d444d;--box:#151b23;--mem:#58a6ff;--swap:#f0883e;--gpu:#3fb950;--bad:#ff7b72;"
	"--guard:#bc8cff;--launch:#d29922}}\n"
	"*{box-sizing:border-box}body{margin:0 auto;max-width:70rem;padding:1.2rem;"
	"background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif;"
	"overflow-wrap:anywhere}\n"
	"h1{font-size:1.45rem;line-height:1.3;margin:.2rem 0 .6rem}"
	"h2{font-size:1.05rem;margin:1.8rem 0 .5rem}\n"
	"code,pre,td.id{font:.87em/1.5 ui-monospace,monospace}"
	"pre{background:var(--box);border-left:3px solid var(--line);padding:.6rem .8rem;"
	"white-space:pre-wrap;margin:.4rem 0}\n"
	".dim{color:var(--dim)}.bad{color:var(--bad)}"
	"dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:.6rem 0}"
	"dt{color:var(--dim)}dd{margin:0}\n"
	"table{border-collapse:collapse;width:100%}"
	"td,th{text-align:left;padding:.3rem .6rem .3rem 0;border-top:1px solid var(--line);"
	"vertical-align:top}"
	"th{color:var(--dim);font-weight:400;border:0;overflow-wrap:normal;vertical-align:bottom}"
	"td.n{white-space:nowrap;width:1%}\n"
	".chart{display:block;width:100%;height:13rem;background:var(--box)}"
	".chart path{fill:none;stroke-width:2;vector-effect:non-scaling-stroke}"
	".grid{stroke:var(--line);stroke-width:1!important}"
	".mem{stroke:var(--mem)}.swap{stroke:var(--swap)}.gpu{stroke:var(--gpu)}"
	".then{stroke:var(--bad);stroke-dasharray:5 4}\n"
	".key{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;margin:.3rem 0}"
	".key i{display:inline-block;width:1.1em;border-top:3px solid;margin-right:.4em;"
	"vertical-align:.25em}\n"
	".lane{position:relative;height:1.5rem;border-bottom:1px solid var(--line);"
	"background:var(--box)}.axis{margin-left:4.6rem}.lane b,.scale "
	"b{position:absolute;right:100%;"
	"margin-right:.6rem;white-space:nowrap;font-weight:400;font-size:.75rem;color:var(--dim);"
	"line-height:1.5rem}"
	".scale{position:relative}.scale b{top:-.75rem}.scale b+b{top:5.75rem}.scale "
	"b+b+b{top:12.1rem}"
	".lane i{position:absolute;top:.4rem;width:.7rem;height:.7rem;margin-left:-.35rem;"
	"border-radius:50%;background:var(--c)}\n"
	".ends{display:flex;justify-content:space-between;font-size:.8rem;color:var(--dim)}"
	".bars{position:relative;display:flex;align-items:flex-end;gap:1px;height:14rem;"
	"background:var(--box);padding:0 9rem 0 .2rem}.bars>i{flex:1 1 "
	"0;min-width:1px;max-width:2.5rem;"
	"min-height:2px;background:var(--c)}.bars>b{position:absolute;left:0;right:0;height:0;"
	"border-top:1px dashed var(--dim);font-weight:400}.bars span{position:absolute;right:.3rem;"
	"bottom:.05rem;font-size:.75rem;line-height:1.2;color:var(--dim);background:var(--box);"
	"padding:0 .2rem;opacity:.9}\n"
	".good{--c:var(--gpu)}.fail{--c:var(--launch)}.oom{--c:var(--bad)}.live{--c:var(--mem)}"
	".gone{--c:var(--dim)}"
	"td.fail,td.oom,td.live{color:var(--c)}.key span>i{border-color:var(--c)}"
	".rows{overflow-x:auto}.rows td:last-child{min-width:11rem}\n"
	"@media(max-width:38rem){body{padding:.8rem}.wide{display:none}"
	"dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.4rem}"
	".bars{padding-right:.2rem}}\n"
	"</style></head><body>\n";

int html_begin(struct buf *b, const char *title)
{
	int r = buf_addstr(b, head);

	if (r == 0)
		r = html_text(b, title);
	return r < 0 ? r : buf_addstr(b, style);
}

int html_end(struct buf *b)
{
	return buf_addstr(b, "</body></html>\n");
}

static const char *escape(char c)
{
	return c == '&'	   ? "&amp;"
	       : c == '<'  ? "&lt;"
	       : c == '>'  ? "&gt;"
	       : c == '"'  ? "&quot;"
	       : c == '\'' ? "&#39;"
			   : NULL;
}

int html_text(struct buf *b, const char *s)
{
	size_t left = s ? strlen(s) : 0;
	int r = 0;

	while (r == 0 && left) {
		size_t n = *s == '\n' ? 1 : text_print_len(s, left);
		const char *as = n ? escape(*s) : "\xef\xbf\xbd";

		r = as ? buf_addstr(b, as) : buf_add(b, s, n);
		n = n ? n : 1;
		s += n;
		left -= n;
	}
	return r;
}

int html_write(const struct buf *b, const char *file)
{
	const char *slash = strrchr(file, '/');
	autofree char *dir = slash ? strndup(file, slash == file ? 1 : (size_t)(slash - file)) :
				     strdup(".");
	autoclose int fd = -1;

	if (strcmp(file, "-") == 0)
		return io_write_all(STDOUT_FILENO, b->data, b->len);
	if (!dir)
		return -ENOMEM;
	if (!*(slash ? slash + 1 : file))
		return -EISDIR;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno
		      : io_replace_file(fd, slash ? slash + 1 : file, b->data, b->len, 0600);
}
