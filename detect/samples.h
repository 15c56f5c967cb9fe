/* detect/samples.h - the last readings, on disk: what the minutes before a crash looked like, and
 * the heartbeat.
 *
 * A file of fixed size (SAMPLES_N records of 64 bytes, each with its own sum and sequence number,
 * little-endian), written round by one pwrite a sample, never synced by the monitor: it must not
 * wait for a disk. It survives any process; after a machine is lost the newest sample is up to the
 * kernel's write-back time (30 s) older than the end, and readers say so. The first record names
 * the boot (boot_id) and whether the monitor ended in order. Thinning: a sample every 10 s at LOW,
 * every second at MEDIUM, each reading (at most 10 a second) at CRITICAL. */
#ifndef DETECT_SAMPLES_H
#define DETECT_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>

#include "detect/machine.h"
#include "detect/risk.h"

enum { SAMPLES_N = 8192 };	/* 512 KiB: most of a day at LOW */

struct sample {
	uint64_t real_ms;
	uint64_t total, available, swap_total, swap_free;
	uint64_t gpu_total, gpu_used;	/* of the fullest GPU; MACHINE_NONE */
	uint64_t editor, training;	/* resident bytes */
	uint16_t psi_full10;
	uint16_t cpu_busy;
	uint8_t risk;
	uint8_t group;			/* use of the fullest limited group of those watched: percent plus one; 0: none */
	uint8_t gpu_busy, gpu_celsius;	/* of that GPU: percent and degrees plus one; 0: not known */
};

struct samples;			/* the writer */
int samples_open(int state_dirfd, const char *boot_id, struct samples **ret);
int samples_add(struct samples *s, const struct sample *x);	/* no allocation */
void samples_close(struct samples *s, bool in_order);		/* in_order: the shutdown mark */

struct samples_last {
	char boot_id[37];
	bool in_order;
	uint64_t real_ms;	/* the newest sample, 0: none */
};
/* Before samples_open of a new monitor: how the last one ended. -ENOENT: never ran. */
int samples_last(int state_dirfd, struct samples_last *ret);
/* Those with from_ms <= real_ms <= to_ms, oldest first; damaged ones are left out. *ret is the
 * caller's to free. */
int samples_between(int state_dirfd, uint64_t from_ms, uint64_t to_ms, struct sample **ret,
	unsigned *ret_n);
/* Of the machine, or container, whose memory is so large? The file keeps multiples of 64 KiB. */
bool sample_is_of(const struct sample *x, uint64_t total);

#endif
