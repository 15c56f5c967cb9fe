/* detect/fields.h - numbers out of the kernel's text files. Not for outside the room.
 *
 * Any bytes may come: a recorded machine, a container's imitation of /proc (lxcfs), a file cut
 * short. Nothing here reads past n, and a number that does not fit is MACHINE_NONE, never a
 * small one. */
#ifndef DETECT_FIELDS_H
#define DETECT_FIELDS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "detect/procs.h"

struct field {
	const char *name;	/* the first word of a line, without a colon */
	size_t at;		/* of a uint64_t in the struct that is filled */
};

/* From the file's beginning, at most size - 1 bytes, then a NUL. -EINTR is handled. */
ssize_t fields_read(int fd, char *p, size_t size);
/* The digits at *p, which is then past them. MACHINE_NONE: none, or too large. */
uint64_t fields_number(const char **p, const char *end);
/* a * b; MACHINE_NONE when it does not fit. */
uint64_t fields_times(uint64_t a, uint64_t b);
/* Lines "NAME: NUMBER [kB]" or "NAME NUMBER": the last number of the line, in bytes where it
 * says kB, goes to the field of that name. Fields that no line names stay as they are. The table
 * ends with a NULL name. */
void fields_take(const char *text, size_t n, const struct field *table, void *to);
/* A file of one number; "max" and what is no number are MACHINE_NONE. */
uint64_t fields_single(const char *text, size_t n);
uint64_t fields_single_fd(int fd);	/* of an open file; MACHINE_NONE when it cannot be read */

/* Of procs.c and machine.c, for tests and the fuzzer. -EBADMSG. */
int proc_parse_stat(const char *text, size_t n, struct proc *ret);
void machine_parse_psi(const char *text, size_t n, struct psi *ret);
/* Busy and all ticks of the line "cpu ..." */
int machine_parse_cpu(const char *text, size_t n, uint64_t *ret_busy, uint64_t *ret_all);
/* "1.25 ..." is 125 */
uint64_t machine_parse_load(const char *text, size_t n);

#endif
