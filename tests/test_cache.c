#include "check_main.h"

#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

static struct rbuf *some(size_t len, unsigned byte)
{
	struct rbuf *r = rbuf_new(len);

	ck_assert_ptr_nonnull(r);
	memset(r->data, (int)byte, len);
	return r;
}

/* Against a list that knows when each place was asked about last. What was used lately is there,
 * what is there is right, and both bounds hold. */
START_TEST(cache__keeps_what_was_used_last)
{
	enum { PLACES = 3000, STEPS = 60000, LATELY = 20 };
	autofree struct store *s = calloc(1, sizeof(*s));
	autofree int *used = calloc(PLACES, sizeof(*used));
	const uint8_t id[20] = { 7 };

	ck_assert_ptr_nonnull(s);
	ck_assert_ptr_nonnull(used);
	for (int step = 1; step <= STEPS; step++) {
		unsigned i = (unsigned)(check_rand() % PLACES), what = (unsigned)(check_rand() % 8);
		loc_t loc = loc_make(1 + i % 3, i * 100, i % 7);
		const struct obj_slot *o = obj_cache_get(s, loc);

		ck_assert(!o || used[i]);
		ck_assert(o || !used[i] || step - used[i] > LATELY);
		if (o) {
			ck_assert_uint_eq(o->loc, loc);
			ck_assert_uint_eq(o->r->data[0], i & 255);
		}
		used[i] = o ? step : 0;
		if (what == 0) {
			obj_cache_drop(s, loc);
			used[i] = 0;
			ck_assert_ptr_null(obj_cache_get(s, loc));
		} else if (!o) {
			autorbuf struct rbuf *r = some(1 + check_rand() % 9000, i & 255);

			obj_cache_put(s, loc, OBJ_BLOB, id, r);
			used[i] = step;
		}
		ck_assert_uint_le(s->objs.bytes, OBJ_CACHE_BYTES);
		ck_assert_uint_le(s->objs.n, OBJ_CACHE);
	}
	obj_cache_clear(s);
	ck_assert_uint_eq(s->objs.bytes, 0);
}
END_TEST

START_TEST(cache__holds_many_small_ones_and_nothing_huge)
{
	autofree struct store *s = calloc(1, sizeof(*s));
	autorbuf struct rbuf *small = some(10, 1), *huge = some(OBJ_CACHE_BYTES + 1, 2);
	const uint8_t id[20] = { 7 };

	ck_assert_ptr_nonnull(s);
	for (unsigned i = 0; i < OBJ_CACHE + 5; i++)
		obj_cache_put(s, loc_make(1, 64 + i, 0), OBJ_TREE, id, small);
	for (unsigned i = 0; i < OBJ_CACHE + 5; i++)
		ck_assert_int_eq(obj_cache_get(s, loc_make(1, 64 + i, 0)) != NULL, i >= 5);
	obj_cache_put(s, loc_make(2, 64, 0), OBJ_BLOB, id, huge);
	ck_assert_ptr_null(obj_cache_get(s, loc_make(2, 64, 0)));
	obj_cache_clear(s);
	ck_assert_uint_eq(small->refs, 1);
}
END_TEST

CHECK_MAIN("cache", cache__keeps_what_was_used_last, cache__holds_many_small_ones_and_nothing_huge)
