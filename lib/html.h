/* lib/html.h - a page that opens offline: no script, no font, nothing from elsewhere (a policy in
 * it forbids that), dark or light as the reader's desktop is.
 *
 * begin, then text of the caller's own with buf_addstr, names and messages only through html_text:
 * they are hostile bytes. end, then write. All return 0 or -ENOMEM unless said. */
#ifndef LIB_HTML_H
#define LIB_HTML_H

#include "lib/buf.h"

int html_begin(struct buf *b, const char *title);
int html_end(struct buf *b);
/* Escaped for content and for quoted attributes; bytes that are no UTF-8, control characters and
 * those that turn the direction of writing become U+FFFD. s NULL: nothing. */
int html_text(struct buf *b, const char *s);
/* Whole, and readable for its owner only; file "-": standard output. -errno. */
int html_write(const struct buf *b, const char *file);

#endif
