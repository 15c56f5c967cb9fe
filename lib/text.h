/* lib/text.h - numbers, times and names as people write and read them. */
#ifndef LIB_TEXT_H
#define LIB_TEXT_H

#include <stdint.h>
#include <stddef.h>
#include <stdbool.h>
#include <time.h>

#include "buf.h"

/* A fraction is fine ("1.5h"), a space before the unit too.
 * "30s", "10m"/"10min", "2h", "1d", "1w", "500ms", plain "30" = seconds. -EINVAL, -ERANGE. */
int text_parse_duration_ms(const char *s, uint64_t *ret_ms);
/* "512", "64k"/"64KiB", "16M"/"16MB", "5G"/"5 GiB": powers of 1024. -EINVAL, -ERANGE. */
int text_parse_size(const char *s, uint64_t *ret);

/* "1.4 GiB", "312 B": at most 10 characters. */
const char *text_size(uint64_t n, char out[16]);
/* "9 s", "14 min", "3 h", "2 days": age or time left. */
const char *text_duration(uint64_t seconds, char out[24]);

/* RFC 3339 with offset in local time, "2026-11-23T14:31:07+01:00"; ns are dropped. */
const char *text_rfc3339(int64_t time_ns, char out[40]);
/* "2026-11-23 14:31:07" in local time. */
const char *text_local_time(int64_t time_ns, char out[32]);
/* ns since 1970. A time that does not fit (before 1677, after 2262) is the nearest that does. */
int64_t text_ns(const struct timespec *ts);
/* CLOCK_REALTIME; HOLDFAST_NOW=seconds[.frac] overrides it in tests */
int64_t text_now_ns(void);

/* A name for people: control characters and invalid UTF-8 escaped as git does
 * ("\303\266", in double quotes) when quoting is needed, else as it is. */
int text_quote_name(struct buf *b, const char *name, size_t len);

/* Hex of n bytes; out holds 2n+1. Parse returns -EINVAL. */
void text_hex(const uint8_t *p, size_t n, char *out);
int text_unhex(const char *s, size_t n_bytes, uint8_t *out);

/* Is it valid UTF-8? */
bool text_is_utf8(const char *s, size_t len);
/* Bytes of the valid UTF-8 sequence that s begins with (1..4); 0 if none does. */
size_t text_utf8_len(const char *s, size_t len);
/* As text_utf8_len, but 0 also for what must not reach a terminal as it is: control
 * characters (C0, DEL, C1) and those that turn the direction of writing. */
size_t text_print_len(const char *s, size_t len);

#endif
