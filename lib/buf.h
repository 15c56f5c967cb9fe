/* lib/buf.h - a growing byte buffer. Zeroes are a valid empty buffer. After any
 * successful call data[len] is NUL, so text may be read as a C string. */
#ifndef LIB_BUF_H
#define LIB_BUF_H

#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>

struct buf {
	char *data;		/* NULL until the first byte; ours */
	size_t len;
	size_t cap;
};

#define BUF_INIT { NULL, 0, 0 }

void buf_release(struct buf *b);			/* frees, back to empty */
void buf_reset(struct buf *b);				/* empties, keeps memory */
int buf_reserve(struct buf *b, size_t extra);		/* room for extra more; -ENOMEM */
int buf_add(struct buf *b, const void *p, size_t n);
int buf_addstr(struct buf *b, const char *s);
int buf_addch(struct buf *b, int c);
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* yours to free(); never NULL after a success */
char *buf_detach(struct buf *b, size_t *ret_len);

/* Unsigned LEB128: seven bits a byte, low first. At most 10 bytes. */
int buf_add_varint(struct buf *b, uint64_t v);
/* Little-endian fixed width. */
int buf_add_u32(struct buf *b, uint32_t v);
int buf_add_u64(struct buf *b, uint64_t v);

/* Reading side: a cursor over bytes that belong to somebody else. A read past
 * the end sets `bad`, returns 0 / NULL and stays bad: check once at the end. */
struct cursor {
	const uint8_t *p, *end;
	int bad;
};

uint64_t cur_varint(struct cursor *c);
uint8_t cur_u8(struct cursor *c);
uint32_t cur_u32(struct cursor *c);
uint64_t cur_u64(struct cursor *c);
const uint8_t *cur_bytes(struct cursor *c, size_t n);

#endif
