#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "detect/cgroup.h"
#include "detect/fields.h"
#include "detect/machine.h"
#include "lib/auto.h"
#include "lib/io.h"

#define KIB UINT64_C(1024)
#define GIB (UINT64_C(1) << 30)

/* Recorded machines: tests/machines/NAME with proc/ and sys/ as they were. */
static char paths[4][256];

static struct roots recorded(const char *name)
{
	static const char *const below[] = { "proc", "sys", "shm", "sys/fs/cgroup" };

	for (int i = 0; i < 4; i++)
		(void)snprintf(paths[i], sizeof(paths[i]), "tests/machines/%s/%s", name, below[i]);
	return (struct roots){ paths[0], paths[1], paths[2], paths[3] };
}

static struct machine m;

static int reads(const char *name)
{
	struct roots roots = recorded(name);
	struct machine_reader *r;
	int e;

	ck_assert_int_eq(machine_open(&roots, &r), 0);
	e = machine_read(r, &m);
	machine_close(r);
	return e;
}

START_TEST(machine__a_desktop_is_read_whole)
{
	ck_assert_int_eq(reads("desktop"), 0);
	ck_assert_uint_eq(m.mem_total, 16303428 * KIB);
	ck_assert_uint_eq(m.mem_available, 9021384 * KIB);
	ck_assert_uint_eq(m.mem_free, 1203316 * KIB);
	ck_assert_uint_eq(m.dirty, 8812 * KIB);
	ck_assert_uint_eq(m.swap_total, 8388604 * KIB);
	ck_assert_uint_eq(m.swap_free, 7340028 * KIB);
	ck_assert_uint_eq(m.mem_psi.some10, 42);
	ck_assert_uint_eq(m.mem_psi.full10, 17);
	ck_assert_uint_eq(m.mem_psi.full_us, 813377);
	ck_assert_uint_eq(m.io_psi.full10, 195);
	ck_assert_uint_eq(m.cpu_psi.some10, 1128);
	ck_assert_uint_eq(m.cpu_psi.full10, MACHINE_NONE);
	ck_assert_int_eq(m.cg.version, 0);	/* five groups, no limit */
	ck_assert_uint_eq(m.cg.oom_kills, 1);
	ck_assert_uint_eq(m.oom_kills, 3);
	ck_assert_uint_eq(m.major_faults, 4321);
	ck_assert_uint_eq(m.load1, 52);
	ck_assert_uint_eq(m.cpu_busy, MACHINE_NONE);
	ck_assert_uint_eq(m.arc_size, MACHINE_NONE);
	ck_assert_uint_eq(m.zram_stored, MACHINE_NONE);
	ck_assert_uint_eq(m.total, m.mem_total);
	ck_assert_uint_eq(m.available, m.mem_available);
	ck_assert_uint_ge(m.ncpu, 1);
}
END_TEST

START_TEST(machine__the_group_with_the_least_room_counts)
{
	ck_assert_int_eq(reads("nested"), 0);
	/* Our own has 7 GiB left, the one above 100 MiB, and is slowed at 9 of its 10 GiB. */
	ck_assert_int_eq(m.cg.version, 2);
	ck_assert_str_eq(m.cg.path, "/batch.slice");
	ck_assert_uint_eq(m.cg.limit, 9 * GIB);
	ck_assert_uint_eq(m.total, 9 * GIB);
	ck_assert_uint_eq(m.available, 100 << 20);
	ck_assert_uint_eq(m.cg.swap_limit, GIB);
	ck_assert_uint_eq(m.cg.swap_used, 4096);
	ck_assert_uint_eq(m.cg.psi.full10, 2250);
	ck_assert_uint_eq(m.mem_psi.full10, MACHINE_NONE);
	ck_assert_uint_le(m.ncpu, 2);	/* 1.5 by the quota */
}
END_TEST

START_TEST(machine__a_container_of_version_1_is_not_its_host)
{
	ck_assert_int_eq(reads("v1-container"), 0);
	ck_assert_int_eq(m.cg.version, 1);
	ck_assert_str_eq(m.cg.path, "/");
	ck_assert_uint_eq(m.cg.limit, 524288000);
	/* 102 MB of file pages */
	ck_assert_uint_eq(m.cg.used, 450000000 - 102000000);
	ck_assert_uint_eq(m.total, 524288000);
	ck_assert_uint_eq(m.available, 524288000 - m.cg.used);
	ck_assert_uint_eq(m.cg.swap_limit, 1048576000 - 524288000);
	ck_assert_uint_eq(m.cg.swap_used, 10000000);
	ck_assert_uint_eq(m.cg.oom_kills, 7);
	ck_assert_uint_eq(m.ncpu, 1);	/* half of one */
}
END_TEST

START_TEST(machine__a_limit_above_the_container_is_known)
{
	ck_assert_int_eq(reads("v1-unseen"), 0);
	ck_assert_int_eq(m.cg.version, 1);
	ck_assert_uint_eq(m.cg.limit, GIB);
	ck_assert_uint_eq(m.available, GIB - 300000000);
}
END_TEST

START_TEST(machine__a_container_full_of_page_cache_is_not_full)
{
	ck_assert_int_eq(reads("v2-docker"), 0);
	ck_assert_int_eq(m.cg.version, 2);
	ck_assert_uint_eq(m.cg.limit, 2147483648);
	ck_assert_uint_ge(m.available, 1700000000);
	ck_assert_uint_le(m.available, 1850000000);
	ck_assert_uint_eq(m.cg.oom_kills, 2);
	ck_assert_uint_eq(m.cg.swap_limit, 0);
	ck_assert_uint_eq(m.ncpu, 1);
}
END_TEST

START_TEST(machine__a_path_out_of_the_namespace_ends_at_its_root)
{
	ck_assert_int_eq(reads("v2-escaped"), 0);
	ck_assert_int_eq(m.cg.version, 2);
	ck_assert_str_eq(m.cg.path, "/");
	ck_assert_uint_eq(m.available, 2000000000);
}
END_TEST

START_TEST(machine__hybrid_takes_memory_from_version_1)
{
	ck_assert_int_eq(reads("hybrid"), 0);
	ck_assert_int_eq(m.cg.version, 1);
	ck_assert_str_eq(m.cg.path, "/user/a");
	ck_assert_uint_eq(m.cg.limit, 4 * GIB);
	ck_assert_uint_eq(m.cg.used, 2000000000 - 500000000);
	ck_assert_uint_eq(m.cg.oom_kills, MACHINE_NONE);	/* before 4.13 */
	ck_assert_uint_eq(m.swap_free, 524286 * KIB);
}
END_TEST

START_TEST(machine__zfs_gives_back_what_is_above_its_least)
{
	ck_assert_int_eq(reads("zfs"), 0);
	ck_assert_uint_eq(m.arc_size, 15 * GIB);
	ck_assert_uint_eq(m.arc_reclaimable, 14 * GIB);
	ck_assert_uint_eq(m.mem_available, 1500000 * KIB + 14 * GIB);
	ck_assert_uint_eq(m.available, m.mem_available);
}
END_TEST

START_TEST(machine__zram_is_summed)
{
	ck_assert_int_eq(reads("zram"), 0);
	ck_assert_uint_eq(m.zram_stored, 1024001000);
	ck_assert_uint_eq(m.zram_used, 270004096);
}
END_TEST

START_TEST(machine__without_pressure_files_there_is_no_pressure)
{
	ck_assert_int_eq(reads("linux-4.19"), 0);
	ck_assert_uint_eq(m.mem_psi.some10, MACHINE_NONE);
	ck_assert_uint_eq(m.mem_psi.full10, MACHINE_NONE);
	ck_assert_uint_eq(m.mem_psi.full_us, MACHINE_NONE);
	ck_assert_int_eq(m.cg.version, 0);
	ck_assert_uint_eq(m.available, 4000000 * KIB);
	ck_assert_int_eq(reads("wsl2"), 0);
	ck_assert_int_eq(m.cg.version, 0);
	ck_assert_uint_eq(m.available, 7000000 * KIB);
	ck_assert_uint_eq(m.swap_total, 2097152 * KIB);
}
END_TEST

START_TEST(machine__an_imitation_of_meminfo_will_do)
{
	ck_assert_int_eq(reads("lxcfs"), 0);
	ck_assert_uint_eq(m.mem_available, (400000 + 20000 + 500000 + 10000 - 100000) * KIB);
	ck_assert_uint_eq(m.swap_total, MACHINE_NONE);
	ck_assert_uint_eq(m.swap_free, MACHINE_NONE);
}
END_TEST

START_TEST(machine__damaged_files_are_missing_ones)
{
	char id[37];
	struct roots roots = recorded("damaged");

	ck_assert_int_eq(reads("damaged"), 0);
	ck_assert_uint_eq(m.mem_total, 16303428 * KIB);
	ck_assert_uint_eq(m.mem_free, MACHINE_NONE);
	ck_assert_uint_eq(m.mem_available, 123456 * KIB);
	ck_assert_uint_eq(m.swap_total, MACHINE_NONE);
	ck_assert_uint_eq(m.load1, MACHINE_NONE);
	ck_assert_uint_eq(m.oom_kills, MACHINE_NONE);
	ck_assert_uint_eq(m.mem_psi.full10, MACHINE_NONE);
	ck_assert_uint_eq(m.arc_size, MACHINE_NONE);
	ck_assert_uint_eq(m.zram_used, MACHINE_NONE);
	ck_assert_int_eq(m.cg.version, 0);
	ck_assert_int_eq(machine_boot_id(&roots, id), -EBADMSG);
}
END_TEST

START_TEST(machine__numbers_that_do_not_fit_are_not_known)
{
	ck_assert_int_eq(reads("gigantic"), 0);
	ck_assert_uint_eq(m.mem_available, 1000 * KIB);
	ck_assert_uint_eq(m.swap_total, MACHINE_NONE);
	ck_assert_uint_eq(m.dirty, MACHINE_NONE);
	ck_assert_uint_eq(m.oom_kills, MACHINE_NONE);
	ck_assert_uint_eq(m.major_faults, MACHINE_NONE - 1);
	ck_assert_uint_eq(m.load1, MACHINE_NONE);
	ck_assert_uint_eq(m.mem_psi.full10, MACHINE_NONE);
	ck_assert_uint_eq(m.arc_size, MACHINE_NONE);
	ck_assert_uint_eq(m.zram_used, MACHINE_NONE);
	/* The inner group does not say what it uses; the outer one is over its limit. */
	ck_assert_str_eq(m.cg.path, "/");
	ck_assert_uint_eq(m.cg.used, 2500000000);
	ck_assert_uint_eq(m.available, 0);
}
END_TEST

START_TEST(machine__without_meminfo_there_is_no_reading)
{
	char path[128];
	int fd;
	const char *dir = check_dir(&fd);
	struct roots roots = { path, path, path, path };
	struct machine_reader *r;

	(void)snprintf(path, sizeof(path), "%s", dir);
	ck_assert_int_eq(machine_open(&roots, &r), 0);
	ck_assert_int_eq(machine_read(r, &m), -ENOENT);
	machine_close(r);
	ck_assert_int_eq(io_replace_file(fd, "meminfo", "MemFree: 1 kB\n", 14, 0600), 0);
	ck_assert_int_eq(machine_open(&roots, &r), 0);
	ck_assert_int_eq(machine_read(r, &m), -EBADMSG);
	machine_close(r);
	(void)snprintf(path, sizeof(path), "%s/none", dir);
	ck_assert_int_eq(machine_open(&roots, &r), 0);
	ck_assert_int_lt(machine_read(r, &m), 0);
	machine_close(r);
}
END_TEST

static void write_stat(int fd, const char *text)
{
	autoclose int f = openat(fd, "stat", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_eq(io_write_all(f, text, strlen(text)), 0);
}

START_TEST(machine__cpu_is_what_was_used_since_the_reading_before)
{
	char path[128];
	int fd;
	struct roots roots = { path, path, path, path };
	struct machine_reader *r;

	(void)snprintf(path, sizeof(path), "%s", check_dir(&fd));
	ck_assert_int_eq(
		io_replace_file(fd, "meminfo", "MemTotal: 9 kB\nMemFree: 1 kB\n", 29, 0600), 0);
	write_stat(fd, "cpu  100 0 0 1000 50 0 0 0 77 0\ncpu0 1 1 1 1\n");
	ck_assert_int_eq(machine_open(&roots, &r), 0);
	ck_assert_int_eq(machine_read(r, &m), 0);
	ck_assert_uint_eq(m.cpu_busy, MACHINE_NONE);
	write_stat(fd, "cpu  130 0 10 1050 60 0 0 0 99 0\n");
	ck_assert_int_eq(machine_read(r, &m), 0);
	ck_assert_uint_eq(m.cpu_busy, 4000);
	ck_assert_int_eq(machine_read(r, &m), 0);	/* no time has passed */
	ck_assert_uint_eq(m.cpu_busy, MACHINE_NONE);
	write_stat(fd,
		"cpu  130 0 10 1050 20 0 0 0 99 0\n"); /* iowait goes back, and so does the sum */
	ck_assert_int_eq(machine_read(r, &m), 0);
	ck_assert_uint_eq(m.cpu_busy, MACHINE_NONE);
	machine_close(r);
}
END_TEST

START_TEST(machine__a_part_leaves_the_others_as_they_are)
{
	struct roots roots = recorded("desktop");
	struct machine_reader *r;

	ck_assert_int_eq(machine_open(&roots, &r), 0);
	machine_clear(r, &m);
	ck_assert_uint_eq(m.total, MACHINE_NONE);
	ck_assert_int_eq(machine_update(r, MACHINE_COUNTERS, &m), 0);
	ck_assert_uint_eq(m.oom_kills, 3);
	ck_assert_uint_eq(m.total, MACHINE_NONE);
	ck_assert_uint_eq(m.load1, MACHINE_NONE);
	ck_assert_int_eq(machine_update(r, MACHINE_MEMORY, &m), 0);
	ck_assert_uint_eq(m.oom_kills, 3);
	ck_assert_uint_eq(m.available, 9021384 * KIB);
	ck_assert_uint_eq(m.io_psi.some10, MACHINE_NONE);
	ck_assert_int_eq(machine_update(r, MACHINE_REST | MACHINE_CPU, &m), 0);
	ck_assert_uint_eq(m.io_psi.full10, 195);
	ck_assert_uint_eq(m.load1, 52);
	machine_close(r);
}
END_TEST

START_TEST(machine__this_one_can_be_read)
{
	struct machine_reader *r;
	struct disk_reading d;
	char id[37];

	ck_assert_int_eq(machine_open(&roots_real, &r), 0);
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(machine_read(r, &m), 0);
		ck_assert_uint_gt(m.total, 0);
		ck_assert_uint_le(m.available, m.total);
		ck_assert_uint_ge(m.ncpu, 1);
	}
	machine_close(r);
	ck_assert_int_eq(machine_boot_id(&roots_real, id), 0);
	ck_assert_int_eq(id[8], '-');
	ck_assert_int_eq(machine_disk("/", &d), 0);
	ck_assert_uint_le(d.free, d.total);
	ck_assert_int_eq(machine_disk("/nowhere/at/all", &d), -ENOENT);
}
END_TEST

START_TEST(machine__nothing_stays_open)
{
	int before = dup(0);

	ck_assert_int_ge(before, 0);
	(void)close(before);
	ck_assert_int_eq(reads("hybrid"), 0);
	ck_assert_int_eq(reads("nested"), 0);
	ck_assert_int_eq(dup(0), before);
}
END_TEST

START_TEST(cgroup__the_path_is_the_controllers)
{
	static const char text[] = "12:memory_x,xmemory:/no\n4:cpu,memory:/with:colon\n0::/two\n";
	char path[64];

	ck_assert_int_eq(cgroup_path(text, strlen(text), "memory", path, sizeof(path)), 0);
	ck_assert_str_eq(path, "/with:colon");
	ck_assert_int_eq(cgroup_path(text, strlen(text), NULL, path, sizeof(path)), 0);
	ck_assert_str_eq(path, "/two");
	ck_assert_int_eq(cgroup_path(text, strlen(text), "cpuset", path, sizeof(path)), -ENOENT);
	ck_assert_int_eq(cgroup_path(text, strlen(text), "memory", path, 11), -ENAMETOOLONG);
}
END_TEST

START_TEST(cgroup__a_quota_is_rounded_up_to_cpus)
{
	ck_assert_uint_eq(cgroup_cpus("max 100000\n", 11), MACHINE_NONE);
	ck_assert_uint_eq(cgroup_cpus("250000 100000\n", 14), 3);
	ck_assert_uint_eq(cgroup_cpus("1000 100000", 11), 1);
	ck_assert_uint_eq(cgroup_cpus("100000 0", 8), MACHINE_NONE);
	ck_assert_uint_eq(cgroup_cpus("", 0), MACHINE_NONE);
}
END_TEST

CHECK_MAIN("machine", machine__a_desktop_is_read_whole,
	machine__the_group_with_the_least_room_counts,
	machine__a_container_of_version_1_is_not_its_host,
	machine__a_limit_above_the_container_is_known,
	machine__a_container_full_of_page_cache_is_not_full,
	machine__a_path_out_of_the_namespace_ends_at_its_root,
	machine__hybrid_takes_memory_from_version_1,
	machine__zfs_gives_back_what_is_above_its_least, machine__zram_is_summed,
	machine__without_pressure_files_there_is_no_pressure,
	machine__an_imitation_of_meminfo_will_do, machine__damaged_files_are_missing_ones,
	machine__numbers_that_do_not_fit_are_not_known,
	machine__without_meminfo_there_is_no_reading,
	machine__cpu_is_what_was_used_since_the_reading_before, machine__this_one_can_be_read,
	machine__a_part_leaves_the_others_as_they_are, machine__nothing_stays_open,
	cgroup__the_path_is_the_controllers, cgroup__a_quota_is_rounded_up_to_cpus)
