/* detect/machine.c - one reading; see the header. */
#include "detect/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "detect/cgroup.h"
#include "detect/fields.h"
#include "lib/auto.h"

enum { ZRAMS = 8 };

enum source { MEMINFO, VMSTAT, LOADAVG, STAT, PSI_MEM, PSI_IO, PSI_CPU, ARC, SOURCES };

const struct roots roots_real = {
	.proc = "/proc", .sys = "/sys", .shm = "/dev/shm", .cgroup = "/sys/fs/cgroup",
};

const struct roots *machine_roots(void)
{
	static char path[4][4096];
	static const char *const below[] = { "proc", "sys", "shm", "sys/fs/cgroup" };
	static const struct roots recorded = { path[0], path[1], path[2], path[3] };
	const char *dir = getenv("HOLDFAST_MACHINE");

	if (!dir || !*dir)
		return &roots_real;
	for (int i = 0; i < 4; i++)
		(void)snprintf(path[i], sizeof(path[i]), "%s/%s", dir, below[i]);
	return &recorded;
}

struct machine_reader {
	struct roots roots;
	int fd[SOURCES];	/* -1: this machine has none */
	int zram[ZRAMS];
	uint64_t ncpu;
	uint64_t cpu_busy, cpu_all;	/* ticks at the reading before; cpu_all 0: none */
	struct cgroup_chain cg;
	char text[16384];
};

struct meminfo {
	uint64_t total, free, available, buffers, cached, shmem, slab, dirty, swap_total, swap_free;
};

static const struct field meminfo_fields[] = {
	{ "MemTotal", offsetof(struct meminfo, total) },
	{ "MemFree", offsetof(struct meminfo, free) },
	{ "MemAvailable", offsetof(struct meminfo, available) },
	{ "Buffers", offsetof(struct meminfo, buffers) },
	{ "Cached", offsetof(struct meminfo, cached) },
	{ "Shmem", offsetof(struct meminfo, shmem) },
	{ "SReclaimable", offsetof(struct meminfo, slab) },
	{ "Dirty", offsetof(struct meminfo, dirty) },
	{ "SwapTotal", offsetof(struct meminfo, swap_total) },
	{ "SwapFree", offsetof(struct meminfo, swap_free) },
	{ NULL, 0 },
};

static uint64_t count_cpus(uint64_t quota)
{
	cpu_set_t set;
	uint64_t n;

	/* More than 1024 CPUs do not fit the set: then all that are online. */
	n = sched_getaffinity(0, sizeof(set), &set) == 0 ? (uint64_t)CPU_COUNT(&set) :
							    (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	return quota < n ? quota : n;
}

int machine_open(const struct roots *roots, struct machine_reader **ret)
{
	static const char *const names[SOURCES] = { "meminfo", "vmstat", "loadavg", "stat",
		"pressure/memory", "pressure/io", "pressure/cpu", "spl/kstat/zfs/arcstats" };
	struct machine_reader *r = calloc(1, sizeof(*r));
	autoclose int proc = open(roots->proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int block = -1;

	if (!r)
		return -ENOMEM;
	r->roots = *roots;
	for (int i = 0; i < SOURCES; i++)
		r->fd[i] = openat(proc, names[i], O_RDONLY | O_CLOEXEC | O_NOCTTY);
	(void)snprintf(r->text, sizeof(r->text), "%s/block", roots->sys);
	block = open(r->text, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < ZRAMS; i++) {
		(void)snprintf(r->text, sizeof(r->text), "zram%d/mm_stat", i);
		r->zram[i] = openat(block, r->text, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	}
	cgroup_open(&r->cg, roots, 0);
	r->ncpu = count_cpus(r->cg.cpus);
	*ret = r;
	return 0;
}

void machine_close(struct machine_reader *r)
{
	if (!r)
		return;
	for (int i = 0; i < SOURCES; i++)
		if (r->fd[i] >= 0)
			(void)close(r->fd[i]);
	for (int i = 0; i < ZRAMS; i++)
		if (r->zram[i] >= 0)
			(void)close(r->zram[i]);
	cgroup_close(&r->cg);
	free(r);
}

static ssize_t read_text(struct machine_reader *r, enum source s)
{
	return r->fd[s] < 0 ? -ENOENT : fields_read(r->fd[s], r->text, sizeof(r->text));
}

static uint64_t or_zero(uint64_t v)
{
	return v == MACHINE_NONE ? 0 : v;
}

static uint64_t sum(uint64_t a, uint64_t b)
{
	uint64_t v;

	return __builtin_add_overflow(a, b, &v) ? MACHINE_NONE : v;
}

/* MemAvailable is older than 3.14 nowhere that matters, but imitations of /proc leave it out. */
static uint64_t guess_available(const struct meminfo *m)
{
	uint64_t v = sum(sum(or_zero(m->free), or_zero(m->buffers)),
		sum(or_zero(m->cached), or_zero(m->slab)));

	return v == MACHINE_NONE || v < or_zero(m->shmem) ? or_zero(m->free)
							  : v - or_zero(m->shmem);
}

static int read_meminfo(struct machine_reader *r, struct machine *m)
{
	struct meminfo i;
	ssize_t n = read_text(r, MEMINFO);

	if (n < 0)
		return (int)n;
	memset(&i, 0xff, sizeof(i));	/* MACHINE_NONE */
	fields_take(r->text, (size_t)n, meminfo_fields, &i);
	if (i.total == MACHINE_NONE || i.total == 0 ||
		(i.available == MACHINE_NONE && i.free == MACHINE_NONE))
		return -EBADMSG;
	m->mem_total = i.total;
	m->mem_free = i.free;
	m->mem_available = i.available != MACHINE_NONE ? i.available : guess_available(&i);
	if (m->mem_available > i.total)
		m->mem_available = i.total;
	m->dirty = i.dirty;
	m->swap_total = i.swap_total;
	m->swap_free = i.swap_total == MACHINE_NONE ? MACHINE_NONE : i.swap_free;
	if (m->swap_free != MACHINE_NONE && m->swap_free > m->swap_total)
		m->swap_free = m->swap_total;
	return 0;
}

/* OpenZFS keeps its cache outside the page cache: the kernel counts it as used, and gets it back
 * when it asks. */
static void read_arc(struct machine_reader *r, struct machine *m)
{
	struct { uint64_t size, c_min; } a = { MACHINE_NONE, MACHINE_NONE };
	static const struct field table[] = { { "size", 0 }, { "c_min", sizeof(uint64_t) },
		{ NULL, 0 } };
	ssize_t n = read_text(r, ARC);

	m->arc_size = m->arc_reclaimable = MACHINE_NONE;
	if (n < 0)
		return;
	fields_take(r->text, (size_t)n, table, &a);
	if (a.size == MACHINE_NONE || a.size > m->mem_total)
		return;
	m->arc_size = a.size;
	m->arc_reclaimable = a.size > or_zero(a.c_min) ? a.size - or_zero(a.c_min) : 0;
	m->mem_available = sum(m->mem_available, m->arc_reclaimable);
	if (m->mem_available > m->mem_total)
		m->mem_available = m->mem_total;
}

/* mm_stat: orig_data_size compr_data_size mem_used_total ... */
static void read_zram(struct machine_reader *r, struct machine *m)
{
	m->zram_stored = m->zram_used = MACHINE_NONE;
	for (int i = 0; i < ZRAMS; i++) {
		char text[256];
		ssize_t n = r->zram[i] < 0 ? -1 : fields_read(r->zram[i], text, sizeof(text));
		uint64_t v[3];
		const char *p = text;

		if (n <= 0)
			continue;
		for (int k = 0; k < 3; k++) {
			while (p < text + n && *p == ' ')
				p++;
			v[k] = fields_number(&p, text + n);
		}
		if (v[0] == MACHINE_NONE || v[2] == MACHINE_NONE)
			continue;
		m->zram_stored = sum(or_zero(m->zram_stored), v[0]);
		m->zram_used = sum(or_zero(m->zram_used), v[2]);
	}
}

/* "12.34" at p is 1234; further digits are dropped. */
static uint64_t hundredths(const char *p, const char *end)
{
	uint64_t v = fields_number(&p, end);

	v = fields_times(v, 100);
	if (v != MACHINE_NONE && end - p >= 2 && *p == '.' && p[1] >= '0' && p[1] <= '9') {
		v = sum(v, (uint64_t)(p[1] - '0') * 10);
		if (end - p >= 3 && p[2] >= '0' && p[2] <= '9')
			v = sum(v, (uint64_t)(p[2] - '0'));
	}
	return v;
}

static const char *after(const char *p, const char *end, const char *word)
{
	const char *at = memmem(p, (size_t)(end - p), word, strlen(word));

	return at ? at + strlen(word) : NULL;
}

/* "some avg10=1.50 avg60=... total=123", then "full ..." (the CPU's has none before 5.13). */
void machine_parse_psi(const char *text, size_t n, struct psi *ret)
{
	const char *end = text + n, *p, *v;

	*ret = (struct psi){ MACHINE_NONE, MACHINE_NONE, MACHINE_NONE };
	for (p = text; p < end;) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		bool full = end - p >= 5 && memcmp(p, "full ", 5) == 0;

		if (!eol)
			eol = end;
		v = after(p, eol, " avg10=");
		if (v && full)
			ret->full10 = hundredths(v, eol);
		else if (v && eol - p >= 5 && memcmp(p, "some ", 5) == 0)
			ret->some10 = hundredths(v, eol);
		v = after(p, eol, " total=");
		if (v && full)
			ret->full_us = fields_number(&v, eol);
		p = eol + 1;
	}
}

static void read_psi(struct machine_reader *r, enum source s, struct psi *ret)
{
	ssize_t n = read_text(r, s);

	machine_parse_psi(r->text, n < 0 ? 0 : (size_t)n, ret);
}

int machine_parse_cpu(const char *text, size_t n, uint64_t *ret_busy, uint64_t *ret_all)
{
	const char *p = text + 4, *end = memchr(text, '\n', n);
	uint64_t v[8] = {
		0
	}; /* user nice system idle iowait irq softirq steal; guests are in user */
	uint64_t all = 0;

	if (n < 4 || memcmp(text, "cpu ", 4) != 0)
		return -EBADMSG;
	if (!end)
		end = text + n;
	for (int i = 0; i < 8; i++) {
		while (p < end && *p == ' ')
			p++;
		if (p == end)
			break;
		v[i] = fields_number(&p, end);
		if (v[i] == MACHINE_NONE || __builtin_add_overflow(all, v[i], &all))
			return -EBADMSG;
	}
	*ret_all = all;
	*ret_busy = all - v[3] - v[4];
	return 0;
}

static void read_cpu(struct machine_reader *r, struct machine *m)
{
	uint64_t busy, all, d_busy, d_all;
	char text[256];	/* its first line */
	ssize_t n = r->fd[STAT] < 0 ? -1 : fields_read(r->fd[STAT], text, sizeof(text));

	m->cpu_busy = MACHINE_NONE;
	if (n < 0 || machine_parse_cpu(text, (size_t)n, &busy, &all) < 0)
		return;
	/* iowait may go back. */
	d_all = all > r->cpu_all ? all - r->cpu_all : 0;
	d_busy = busy > r->cpu_busy ? busy - r->cpu_busy : 0;
	if (d_busy > d_all)
		d_busy = d_all;
	if (r->cpu_all && d_all)
		m->cpu_busy = (uint64_t)((double)d_busy / (double)d_all * 10000 + 0.5);
	r->cpu_busy = busy;
	r->cpu_all = all;
}

uint64_t machine_parse_load(const char *text, size_t n)
{
	return hundredths(text, text + n);
}

static void read_counters(struct machine_reader *r, struct machine *m)
{
	static const struct field table[] = {
		{ "oom_kill", offsetof(struct machine, oom_kills) },
		{ "pgmajfault", offsetof(struct machine, major_faults) },
		{ NULL, 0 },
	};
	ssize_t n = r->fd[VMSTAT] < 0 ? -1 : pread(r->fd[VMSTAT], r->text, sizeof(r->text), 0);

	if (n <= 0)
		return;
	m->oom_kills = MACHINE_NONE;
	fields_take(r->text, (size_t)n, table, m);
	/* Its first 4 KiB hold both, or the kernel counts more than this one: another read costs
	 * as much again. */
	if (m->oom_kills != MACHINE_NONE || n < 2048)
		return;
	n = read_text(r, VMSTAT);
	if (n > 0)
		fields_take(r->text, (size_t)n, table, m);
}

static void read_load(struct machine_reader *r, struct machine *m)
{
	ssize_t n = read_text(r, LOADAVG);

	if (n > 0)
		m->load1 = machine_parse_load(r->text, (size_t)n);
}

static void read_shm(struct machine_reader *r, struct machine *m)
{
	struct disk_reading d = { 0 };

	if (machine_disk(r->roots.shm, &d) < 0 || d.total == 0)
		return;
	m->shm_total = d.total;
	m->shm_free = d.free;
}

static uint64_t now_ms(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t) < 0)
		return 0;
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* What counts: the cgroup's figures where it has less room than the machine. */
static void decide(struct machine *m)
{
	const struct cgroup_reading *cg = &m->cg;
	uint64_t room;

	m->total = m->mem_total;
	m->available = m->mem_available;
	if (!cg->version)
		return;
	room = cg->limit > cg->used ? cg->limit - cg->used : 0;
	if (room >= m->mem_available)
		return;
	m->total = cg->limit;
	m->available = room;
}

int machine_update(struct machine_reader *r, unsigned what, struct machine *m)
{
	int e = 0;

	m->real_ms = now_ms(CLOCK_REALTIME);
	m->mono_ms = now_ms(CLOCK_BOOTTIME);
	if (what & MACHINE_MEMORY) {
		e = read_meminfo(r, m);
		if (e < 0)
			return e;
		read_arc(r, m);
		read_psi(r, PSI_MEM, &m->mem_psi);
		cgroup_read(&r->cg, m->mem_total, &m->cg);
		decide(m);
	}
	if (what & MACHINE_CPU) {
		read_cpu(r, m);
		read_load(r, m);
	}
	if (what & MACHINE_COUNTERS)
		read_counters(r, m);
	if (what & MACHINE_REST) {
		read_zram(r, m);
		read_psi(r, PSI_IO, &m->io_psi);
		read_psi(r, PSI_CPU, &m->cpu_psi);
		read_shm(r, m);
	}
	return 0;
}

void machine_clear(struct machine_reader *r, struct machine *m)
{
	memset(m, 0xff, sizeof(*m));	/* all MACHINE_NONE */
	memset(&m->cg.path, 0, sizeof(m->cg.path));
	m->cg.version = 0;
	m->ncpu = r->ncpu;
}

int machine_read(struct machine_reader *r, struct machine *ret)
{
	machine_clear(r, ret);
	return machine_update(
		r, MACHINE_MEMORY | MACHINE_CPU | MACHINE_COUNTERS | MACHINE_REST, ret);
}

int machine_disk(const char *path, struct disk_reading *ret)
{
	struct statvfs v;

	if (statvfs(path, &v) < 0)
		return -errno;
	ret->total = fields_times(v.f_blocks, v.f_frsize);
	ret->free = fields_times(v.f_bavail, v.f_frsize);
	return 0;
}

int machine_boot_id(const struct roots *roots, char ret[static 37])
{
	autoclose int proc = open(roots->proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int fd =
		openat(proc, "sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char text[64];
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = fields_read(fd, text, sizeof(text));
	if (n < 0)
		return (int)n;
	if (n < 36 || strspn(text, "0123456789abcdef-") != 36)
		return -EBADMSG;
	memcpy(ret, text, 36);
	ret[36] = '\0';
	return 0;
}
