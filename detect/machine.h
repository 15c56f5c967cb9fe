/* detect/machine.h - one reading of the machine: memory, swap, pressure, cgroup, /dev/shm, CPU.
 *
 * machine_open once, machine_read or machine_update as often as wanted: it keeps the files open, reads each with one
 * pread and allocates nothing. MACHINE_MEMORY takes 15 to 25 us, all of it 60. Sizes are bytes, shares are percent times 100, times milliseconds. A figure that
 * the machine does not have is MACHINE_NONE and its reason is in the field's comment; it is never 0 by default.
 *
 * Sources: proc(5) meminfo, vmstat, loadavg, stat; Documentation/accounting/psi.rst; cgroup-v2.rst (memory.max,
 * memory.current, memory.high, memory.events); cgroup-v1/memory.rst (limit_in_bytes, usage_in_bytes, oom_control);
 * spl/kstat/zfs/arcstats (OpenZFS; size above c_min is given back under pressure); /sys/block/zram*\/mm_stat. */
#ifndef DETECT_MACHINE_H
#define DETECT_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#define MACHINE_NONE UINT64_MAX

/* Where the kernel's files are found. Tests point these at recorded machines. */
struct roots {
	const char *proc;	/* /proc */
	const char *sys;	/* /sys */
	const char *shm;	/* /dev/shm */
	const char *cgroup;	/* /sys/fs/cgroup */
};
extern const struct roots roots_real;
/* The real ones, or with HOLDFAST_MACHINE=DIR those of a recorded machine: DIR/proc, DIR/sys, DIR/shm. For what only shows
 * (report, top, menu); what acts asks the machine it runs on. Not from several threads. */
const struct roots *machine_roots(void);

struct psi {			/* avg10 of "some" and "full", percent times 100; MACHINE_NONE without CONFIG_PSI */
	uint64_t some10, full10;
	uint64_t full_us;	/* total of "full" */
};

enum { MACHINE_CG_PATH = 256 };

/* The tightest limit on the way from our own cgroup up to the root: the one with the least room left. memory.high
 * counts too: a group is not killed there but slowed down until it stands. Levels above a container's own root are not
 * to be seen; version 1 tells the lowest of their limits all the same (hierarchical_memory_limit). */
struct cgroup_reading {
	int version;			/* 1, 2; 0: no limit anywhere */
	char path[MACHINE_CG_PATH];	/* of the group with that limit */
	uint64_t limit, used;		/* used: without the file pages and slabs that the kernel can drop */
	uint64_t swap_limit, swap_used;	/* MACHINE_NONE: no limit, or not counted here */
	struct psi psi;			/* memory.pressure of that group, version 2 only */
	uint64_t oom_kills;		/* of our own group (version 2: and those below), since it was made */
};

struct machine {
	uint64_t real_ms, mono_ms;	/* CLOCK_REALTIME, CLOCK_BOOTTIME */

	uint64_t mem_total, mem_available;	/* MemAvailable plus what ZFS gives back */
	uint64_t mem_free, arc_size, arc_reclaimable, dirty;
	uint64_t swap_total, swap_free;
	uint64_t zram_stored, zram_used;	/* before and after compression */
	struct psi mem_psi, io_psi, cpu_psi;
	struct cgroup_reading cg;
	uint64_t shm_total, shm_free;

	/* What counts here: the machine's figures, or the cgroup's where that is tighter. */
	uint64_t total, available;

	uint64_t ncpu;			/* those we may run on, or fewer by the cgroup's quota; of machine_open */
	uint64_t cpu_busy;		/* percent times 100 since the reading before; MACHINE_NONE at the first */
	uint64_t load1;			/* times 100 */
	uint64_t oom_kills;		/* vmstat oom_kill: whole machine, cgroup kills too */
	uint64_t major_faults;		/* vmstat pgmajfault */
};

struct machine_reader;

int machine_open(const struct roots *roots, struct machine_reader **ret);
void machine_close(struct machine_reader *r);
/* -errno only when not even meminfo can be read; -EBADMSG: it has no MemTotal. */
int machine_read(struct machine_reader *r, struct machine *ret);

/* A part of it, for who reads often: the fields of the other parts stay as they are; begin with machine_clear. The
 * times are always set. As machine_read where MACHINE_MEMORY is asked for. */
enum {
	MACHINE_MEMORY = 1,	/* mem, swap, arc, dirty, mem_psi, cg, total, available */
	MACHINE_CPU = 2,	/* cpu_busy, load1 */
	MACHINE_COUNTERS = 4,	/* oom_kills, major_faults: /proc/vmstat costs as much as MACHINE_MEMORY */
	MACHINE_REST = 8,	/* io_psi, cpu_psi, zram, shm */
};
void machine_clear(struct machine_reader *r, struct machine *m);	/* nothing known yet, but ncpu */
int machine_update(struct machine_reader *r, unsigned what, struct machine *m);

struct disk_reading {
	uint64_t total, free;		/* free: to an ordinary user */
};
int machine_disk(const char *path, struct disk_reading *ret);

/* The boot's id, 36 letters and a NUL: /proc/sys/kernel/random/boot_id. */
int machine_boot_id(const struct roots *roots, char ret[static 37]);

#endif
