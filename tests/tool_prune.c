/* tests/tool_prune.c - prune a store by hand.
 *
 *	tool_prune STORE [ALL_SECONDS [GRACE_SECONDS [NOW]]]	of what is older one a week stays; prints what was done */
#include <stdio.h>
#include <stdlib.h>

#include "lib/err.h"
#include "lib/log.h"
#include "store/store.h"

int main(int argc, char **argv)
{
	struct store_prune_options o = { .min_dead = 1 };
	struct store_prune *p;
	struct store_pruned d;
	struct store *s;
	int r;

	log_init("tool_prune", LOG_INFO);
	if (argc < 2)
		return EXIT_USAGE;
	o.keep.all_s = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	o.keep.grace_s = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
	o.now_ns = argc > 4 ? atoll(argv[4]) * INT64_C(1000000000) : 0;
	r = store_open(argv[1], STORE_WRITE, NULL, &s);
	if (r == 0) {
		r = store_prune_begin(s, &o, &p);
		if (r == 0) {
			r = store_prune_step(p, 0);
			store_prune_end(p, &d);
			if (r == 0)
				printf("%llu dropped, %llu kept, %u segments, %llu freed\n", (unsigned long long)d.dropped,
					(unsigned long long)d.kept, d.segments, (unsigned long long)d.freed);
		}
		store_close(s);
	}
	if (r < 0)
		log_error_errno(r, "%s", argv[1]);
	return r < 0 ? EXIT_ENV : EXIT_DONE;
}
