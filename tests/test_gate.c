#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "detect/gate.h"
#include "detect/learned.h"
#include "lib/auto.h"
#include "lib/io.h"

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)

static struct gate_limits lim;
static struct room room;
static struct gate_verdict v;

/* 16 GiB, so much of it available, no swap, no GPU. */
static void machine(uint64_t available)
{
	gate_limits(NULL, &lim);
	memset(&room, 0, sizeof(room));
	room.m.total = 16 * GIB;
	room.m.available = available;
	room.shm = 8 * GIB;
	room.gpu = MACHINE_NONE;
	room.gpu_why = "no NVIDIA driver";
	room_reserve(&room, &lim, 0);
}

static bool allowed(uint64_t ram, uint64_t shm, uint64_t gpu)
{
	struct need n = { .ram = ram, .shm = shm, .gpu = gpu };

	gate_judge(&lim, &n, &room, MACHINE_NONE, &v);
	return v.allowed;
}

START_TEST(gate__the_reserve_is_kept)
{
	machine(8 * GIB);
	ck_assert_uint_eq(room.reserve, 16 * GIB / 100 * 10);
	ck_assert_uint_eq(room.ram, 8 * GIB - room.reserve);
	ck_assert(allowed(room.ram, 0, 0));
	ck_assert(!allowed(room.ram + 1, 0, 0));
	ck_assert_int_eq(v.reason[0].what, GATE_RAM);
	/* A tenth of what editors hold, where that is more; unknown is the worst it could be. */
	room.m.total = 100 * GIB;
	room_reserve(&room, &lim, 7 * GIB);
	ck_assert_uint_eq(room.reserve, 2 * GIB);
	room_reserve(&room, &lim, 70 * GIB);
	ck_assert_uint_eq(room.reserve, 7 * GIB);
	room_reserve(&room, &lim, MACHINE_NONE);
	ck_assert_uint_eq(room.reserve, 92 * GIB / 10);
	machine(MIB);
	ck_assert_uint_eq(room.ram, 0);
	ck_assert(allowed(0, 0, 0));
}
END_TEST

START_TEST(gate__each_kind_of_memory_refuses)
{
	machine(8 * GIB);
	ck_assert(!allowed(GIB, 9 * GIB, 0));
	ck_assert_int_eq(v.reason[0].what, GATE_SHM);
	ck_assert(!allowed(GIB, 0, 1));
	ck_assert_int_eq(v.reason[0].what, GATE_NO_GPU);
	room.gpu = 4 * GIB;
	ck_assert(allowed(GIB, 0, 4 * GIB));
	ck_assert(!allowed(GIB, 0, 4 * GIB + 1));
	ck_assert_int_eq(v.reason[0].what, GATE_GPU);
	room.shm = MACHINE_NONE; /* not mounted: nobody can use it */
	ck_assert(allowed(GIB, 9 * GIB, 0));
	ck_assert(!allowed(UINT64_MAX - 1, UINT64_MAX - 1, UINT64_MAX - 1));
	ck_assert_uint_eq(v.n, 2);
}
END_TEST

START_TEST(gate__an_unknown_need_goes_by_fixed_limits)
{
	machine(10 * GIB);
	ck_assert(allowed(MACHINE_NONE, 0, 0));
	machine(16 * GIB / 100 * 35); /* 65 % used */
	ck_assert(!allowed(MACHINE_NONE, 0, 0));
	ck_assert_int_eq(v.reason[0].what, GATE_USED);
	room.m.total = 8 * GIB;
	room.m.available = 4 * GIB; /* half is left, but that is little */
	room_reserve(&room, &lim, 0);
	ck_assert(!allowed(MACHINE_NONE, 0, 0));
	ck_assert_int_eq(v.reason[0].what, GATE_FREE);
}
END_TEST

START_TEST(gate__a_busy_cpu_only_warns)
{
	struct need n = { .ram = GIB };

	machine(8 * GIB);
	gate_judge(&lim, &n, &room, 7000, &v);
	ck_assert(v.allowed);
	ck_assert_uint_eq(v.n, 1);
	ck_assert_int_eq(v.reason[0].what, GATE_CPU);
	gate_judge(&lim, &n, &room, 6999, &v);
	ck_assert_uint_eq(v.n, 0);
}
END_TEST

START_TEST(gate__the_tier_it_proposes_fits_and_is_smaller)
{
	machine(15 * GIB);
	ck_assert_str_eq(gate_tier(&room, NULL, NULL)->name, "cpu");
	room.gpu = 8 * GIB;
	ck_assert_str_eq(gate_tier(&room, NULL, NULL)->name, "low");
	ck_assert_str_eq(gate_tier(&room, NULL, tier_find("low"))->name, "ultra-light");
	room.gpu = 80 * GIB;
	ck_assert_str_eq(gate_tier(&room, NULL, tier_find("high"))->name, "standard");
	machine(3 * GIB);
	ck_assert_ptr_null(gate_tier(&room, NULL, NULL));
	ck_assert_ptr_null(gate_tier(&room, NULL, tier_find("cpu")));
}
END_TEST

START_TEST(gate__its_defaults_are_those_of_the_settings)
{
	struct gate_limits here, there;
	struct config c;

	ck_assert_int_eq(config_init(&c), 0);
	gate_limits(NULL, &here);
	gate_limits(&c, &there);
	ck_assert_uint_eq(here.reserve, there.reserve);
	ck_assert_uint_eq(here.swap, there.swap);
	ck_assert_uint_eq(here.memory, there.memory);
	ck_assert_uint_eq(here.cpu, there.cpu);
	ck_assert_uint_eq(here.free, there.free);
	ck_assert_int_eq(here.force, there.force);
	ck_assert_int_eq(here.snapshot, there.snapshot);
	ck_assert_uint_eq(here.wait_ms, there.wait_ms);
	ck_assert_str_eq(here.configs, there.configs);
	ck_assert_ptr_eq(here.store_dir, there.store_dir);
	config_release(&c);
}
END_TEST

START_TEST(gate__gpus_by_the_variable)
{
	struct gpu_list l = { .n = 3 };

	for (unsigned i = 0; i < 3; i++)
		l.gpu[i].free = (i + 1) * GIB;
	ck_assert_uint_eq(room_gpu(&l, NULL), 3 * GIB);
	ck_assert_uint_eq(room_gpu(&l, "0,1"), 2 * GIB);
	ck_assert_uint_eq(room_gpu(&l, "0"), GIB);
	ck_assert_uint_eq(room_gpu(&l, ""), MACHINE_NONE);
	ck_assert_uint_eq(room_gpu(&l, "-1"), MACHINE_NONE);
	ck_assert_uint_eq(room_gpu(&l, "0,-1,2"), GIB);
	ck_assert_uint_eq(room_gpu(&l, "7"), MACHINE_NONE);
	ck_assert_uint_eq(room_gpu(&l, "GPU-8932f937"), 3 * GIB);
	l.gpu[2].free = MACHINE_NONE;
	ck_assert_uint_eq(room_gpu(&l, NULL), 2 * GIB);
}
END_TEST

static int of(const char *text, struct need *n)
{
	return need_of_text(text, strlen(text), n);
}

START_TEST(need__of_a_configuration)
{
	struct need n;

	ck_assert_int_eq(
		of("{ // mine\n \"requirements\": {\"ram\": \"6 GiB\", \"gpu\": 1024, },}", &n), 0);
	ck_assert_uint_eq(n.ram, 6 * GIB);
	ck_assert_uint_eq(n.gpu, 1024);
	ck_assert_uint_eq(n.shm, 0);
	ck_assert_int_eq(n.from, NEED_CONFIG);
	ck_assert_int_eq(of("{\"a\": [1, {\"tier\": 3}], \"tier\": \"standard\"}", &n), 0);
	ck_assert_uint_eq(n.ram, 12 * GIB);
	/* The original's own file, with its comments. */
	ck_assert_int_eq(
		of("{\"model\": {\"img_size\": [64, 64, 64], // Reduced\n\"feature_size\": 16, "
		   "\"hidden_size\": 512}, \"training\": {\"batch_size\": 1}}",
			&n),
		0);
	ck_assert_int_eq(n.from, NEED_LIKE);
	ck_assert_str_eq(n.tier->name, "low");
	ck_assert_int_eq(of("{\"model\": {\"img_size\": [64, 64, 64], \"feature_size\": 16}, "
			    "\"training\": {\"batch_size\": 8, \"device\": \"cpu\"}}",
				 &n),
		0);
	ck_assert_str_eq(n.tier->name, "standard");
	ck_assert_uint_eq(n.gpu, 0);
	ck_assert_int_eq(
		of("{\"model\": {\"img_size\": [640, 640, 640], \"feature_size\": 16}}", &n),
		-ENOENT);
	ck_assert_int_eq(of("{\"requirements\": {\"ram\": \"lots\"}}", &n), -ENOENT);
	ck_assert_int_eq(of("{}", &n), -ENOENT);
	ck_assert_int_eq(of("[]", &n), -ENOENT);
	ck_assert_int_eq(of("", &n), -ENOENT);
	ck_assert_int_eq(of("not json", &n), -EBADMSG);
	ck_assert_int_eq(of("{\"a\": ", &n), -EBADMSG);
	ck_assert_int_eq(of("{\"requirements\": {\"ram\": \"6 G", &n), -EBADMSG);
}
END_TEST

START_TEST(need__any_cut_and_any_byte_is_survived)
{
	static const char text[] =
		"{/* a */\"a\\\"b\":[1,2,{\"c\":null}],\"model\":{\"img_size\":[64 ,64,64],"
		"\"feature_size\":1.6e1},// x\n\"tier\":\"low\"}";
	size_t n = sizeof(text) - 1;
	struct need x;

	for (size_t cut = 0; cut < n; cut++) {
		char *copy = malloc(cut ? cut : 1);

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, text, cut);
		(void)need_of_text(copy, cut, &x);
		for (size_t i = 0; i < cut; i++) {
			char was = copy[i];

			copy[i] = (char)(was ^ 0x55);
			(void)need_of_text(copy, cut, &x);
			copy[i] = was;
		}
		free(copy);
	}
}
END_TEST

START_TEST(need__learned_goes_before_a_tier_and_told_before_both)
{
	static const char *const argv[] = { "/usr/bin/python3", "train.py", NULL };
	static const char *const same[] = { "python3", "train.py", NULL };
	static const char *const other[] = { "python3", "train.py", "--big", NULL };
	struct need_ask ask = { .ram = MACHINE_NONE,
		.gpu = MACHINE_NONE,
		.shm = MACHINE_NONE,
		.tier = "low",
		.argv = same };
	char key[17], folder[4096];
	struct need n;
	int dir;

	(void)check_dir(&dir);
	ask.state_dirfd = dir;
	ck_assert_ptr_nonnull(getcwd(folder, sizeof(folder)));
	ck_assert_int_eq(need_find(&ask, &n), 0);
	ck_assert_int_eq(n.from, NEED_TIER);
	ck_assert_uint_eq(n.ram, 6 * GIB);
	learned_key(folder, argv, key);
	ck_assert_int_eq(
		learned_add(dir, key, 1, &(struct learned){ .ram = 2 * GIB, .gpu = 5 }), 0);
	ck_assert_int_eq(learned_add(dir, key, 2, &(struct learned){ .ram = GIB }), 0);
	ck_assert_int_eq(need_find(&ask, &n), 0);
	ck_assert_int_eq(n.from, NEED_LEARNED);
	ck_assert_uint_eq(n.runs, 2);
	ck_assert_uint_eq(n.ram, 2 * GIB / 100 * 103 + 16 * MIB);
	ck_assert_ptr_eq(n.tier, tier_find("low"));
	ask.argv = other;
	ck_assert_int_eq(need_find(&ask, &n), 0);
	ck_assert_int_eq(n.from, NEED_TIER);
	ask.argv = same;
	ask.ram = 3 * GIB;
	ck_assert_int_eq(need_find(&ask, &n), 0);
	ck_assert_uint_eq(n.ram, 3 * GIB);
	ask.tier = "huge";
	ck_assert_int_eq(need_find(&ask, &n), -EINVAL);
}
END_TEST

START_TEST(learned__want_of_memory_counts_until_more_has_fitted)
{
	struct learned l;
	int dir;

	(void)check_dir(&dir);
	ck_assert_int_eq(learned_find(dir, "0123456789abcdef", &l), -ENOENT);
	ck_assert_int_eq(
		learned_add(dir, "0123456789abcdef", 1, &(struct learned){ .ram = 10 }), 0);
	ck_assert_int_eq(learned_add(dir, "0123456789abcdef", 2,
				 &(struct learned){ .ram = 20, .at_least = true }),
		0);
	ck_assert_int_eq(learned_find(dir, "0123456789abcdef", &l), 0);
	ck_assert(l.at_least);
	ck_assert_uint_eq(l.ram, 20);
	ck_assert_int_eq(
		learned_add(dir, "0123456789abcdef", 3, &(struct learned){ .ram = 30, .shm = 7 }),
		0);
	ck_assert_int_eq(learned_find(dir, "0123456789abcdef", &l), 0);
	ck_assert(!l.at_least);
	ck_assert_uint_eq(l.ram, 30);
	ck_assert_uint_eq(l.shm, 7);
	/* Old ones go: the program has changed. */
	for (int i = 0; i < LEARNED_LAST; i++)
		ck_assert_int_eq(
			learned_add(dir, "0123456789abcdef", 4, &(struct learned){ .ram = 5 }), 0);
	ck_assert_int_eq(learned_find(dir, "0123456789abcdef", &l), 0);
	ck_assert_uint_eq(l.ram, 5);
	ck_assert_uint_eq(l.runs, LEARNED_LAST);
}
END_TEST

START_TEST(learned__the_file_stays_small_and_damage_is_passed_over)
{
	static const char rubbish[] =
		"\0\0rubbish\n0123456789abcdef\t1\t2\n0123456789abcdef\t1\t-2\t3\t4\tok\n";
	autoclose int fd = -1;
	struct learned l;
	struct stat st;
	int dir;

	(void)check_dir(&dir);
	fd = openat(dir, "learned", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	ck_assert_int_eq(io_write_all(fd, rubbish, sizeof(rubbish) - 1), 0);
	ck_assert_int_eq(learned_find(dir, "0123456789abcdef", &l), -ENOENT);
	for (uint64_t i = 0; i < 2000; i++) {
		char key[17];

		(void)snprintf(key, sizeof(key), "%016llx", (unsigned long long)i);
		ck_assert_int_eq(learned_add(dir, key, i, &(struct learned){ .ram = i }), 0);
	}
	ck_assert_int_eq(fstatat(dir, "learned", &st, 0), 0);
	ck_assert_int_lt(st.st_size, 64 * LEARNED_KEPT);
	ck_assert_int_eq(learned_find(dir, "00000000000007cf", &l), 0);
	ck_assert_uint_eq(l.ram, 1999);
	ck_assert_int_eq(learned_find(dir, "0000000000000001", &l), -ENOENT);
}
END_TEST

START_TEST(tiers__the_files_are_the_table)
{
	autoclose int dir = open("config/memory_optimized", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_ge(dir, 0);
	for (unsigned i = 0; i < TIERS; i++) {
		autoput(buf_release) struct buf want = BUF_INIT, is = BUF_INIT;
		struct need n;

		ck_assert_int_eq(tier_json(&tiers[i], &want), 0);
		ck_assert_int_eq(io_read_file(dir, tiers[i].file, 65536, &is), 0);
		ck_assert_str_eq(is.data, want.data);
		ck_assert_int_eq(need_of_text(is.data, is.len, &n), 0);
		ck_assert_uint_eq(n.ram, tiers[i].ram);
		ck_assert_uint_eq(n.gpu, tiers[i].gpu);
		ck_assert_uint_eq(n.shm, tiers[i].shm);
		ck_assert_ptr_eq(n.tier, &tiers[i]);
		ck_assert_ptr_eq(tier_find(tiers[i].file), &tiers[i]);
		ck_assert_int_eq(tiers[i].img % 16, 0);
		ck_assert_int_eq(tiers[i].hidden % tiers[i].heads, 0);
	}
	ck_assert_ptr_null(tier_find("lo"));
	ck_assert_ptr_null(tier_find(""));
	ck_assert_ptr_eq(tier_below(tier_find("high")), tier_find("standard"));
	ck_assert_ptr_null(tier_below(tier_find("ultra-light")));
	ck_assert_ptr_null(tier_below(tier_find("cpu")));
}
END_TEST

CHECK_MAIN("gate", gate__the_reserve_is_kept, gate__each_kind_of_memory_refuses,
	gate__an_unknown_need_goes_by_fixed_limits, gate__a_busy_cpu_only_warns,
	gate__the_tier_it_proposes_fits_and_is_smaller,
	gate__its_defaults_are_those_of_the_settings, gate__gpus_by_the_variable,
	need__of_a_configuration, need__any_cut_and_any_byte_is_survived,
	need__learned_goes_before_a_tier_and_told_before_both,
	learned__want_of_memory_counts_until_more_has_fitted,
	learned__the_file_stays_small_and_damage_is_passed_over, tiers__the_files_are_the_table)
