/* detect/gpu_feed.h - GPU readings from detect-gpu to the monitor, through shared memory.
 *
 * The driver's library is many times the monitor's size, allocates as it likes and may hang with its
 * device; so where a driver is there, and only then, the monitor starts detect-gpu, which loads it,
 * and looks at what that wrote last whenever it reads memory. Nobody waits for anybody: the reader
 * takes a reading that was whole (seq even and the same before and after), and none that is older
 * than three periods: a driver that hangs is told, not waited for. One writer, one reader. The
 * segment is a memfd, descriptor 3 of detect-gpu, which ends with its parent. */
#ifndef DETECT_GPU_FEED_H
#define DETECT_GPU_FEED_H

#include <stdatomic.h>
#include <stdint.h>

#include "detect/gpu.h"

enum { GPU_FEED_FD = 3 };

struct gpu_feed {
	_Atomic uint32_t period_ms; /* wished by the reader, who wakes (futex) when it is shorter */
	_Atomic uint32_t seq;	    /* odd while it is written; 0: nothing yet */
	uint64_t mono_ms;	    /* CLOCK_BOOTTIME of the reading */
	uint32_t n;
	struct gpu gpu[GPU_MAX];
};

void gpu_feed_write(struct gpu_feed *f, const struct gpu_list *from, uint64_t mono_ms);
/* 0: ret->gpu[0..n) are a whole reading; -ENODATA: none yet; -EAGAIN: it is just being written;
 * -ETIME: older than max_age_ms. What a damaged writer left is cut to its bounds. */
int gpu_feed_read(
	const struct gpu_feed *f, uint64_t mono_ms, uint64_t max_age_ms, struct gpu_list *ret);

#endif
