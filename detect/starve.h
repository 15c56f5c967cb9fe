/* detect/starve.h - does a process get nowhere because its pages are gone when it needs them?
 *
 * Neither the state nor the CPU tells: who is being paged in and out is found running, sleeping and
 * waiting for the disk in turn, and the kernel's work for its page faults counts as its CPU time.
 * So, over some seconds in which everything waits for memory: it faults pages in from the disk all
 * the time, and hardly ever comes to run code of its own (user time). One that reads a large file
 * through a mapping faults as much, but has its time, or the memory is not short. Pure. */
#ifndef DETECT_STARVE_H
#define DETECT_STARVE_H

#include <stdbool.h>
#include <stdint.h>

struct starve {                /* zeroed: not looked at yet */
	uint64_t since_ms;     /* the window's begin; 0 none */
	uint64_t user, faults; /* at its begin */
	bool is;               /* in the window before */
};

/* One more look. user: clock ticks of user time, of hz a second; faults: major ones; both as
 * counted from the process's start. short_of: memory pressure is so high that it counts. */
bool starve_look(struct starve *s, uint64_t now_ms, uint64_t user, uint64_t hz, uint64_t faults,
	bool short_of);

#endif
