/* detect/gpu_feed.c - see the header. */
#include "detect/gpu_feed.h"

#include <errno.h>
#include <string.h>

void gpu_feed_write(struct gpu_feed *f, const struct gpu_list *from, uint64_t mono_ms)
{
	uint32_t seq = atomic_load(&f->seq) | 1;

	atomic_store(&f->seq, seq);
	atomic_thread_fence(memory_order_seq_cst);
	f->mono_ms = mono_ms;
	f->n = from->n;
	memcpy(f->gpu, from->gpu, from->n * sizeof(f->gpu[0]));
	atomic_thread_fence(memory_order_seq_cst);
	atomic_store(&f->seq, seq + 1 ? seq + 1 : 2);
}

int gpu_feed_read(
	const struct gpu_feed *f, uint64_t mono_ms, uint64_t max_age_ms, struct gpu_list *ret)
{
	uint32_t seq = atomic_load(&f->seq);
	uint64_t at;

	if (seq == 0 || seq & 1)
		return seq ? -EAGAIN : -ENODATA;
	atomic_thread_fence(memory_order_seq_cst);
	at = f->mono_ms;
	ret->n = f->n <= GPU_MAX ? f->n : GPU_MAX;
	ret->why = NULL;
	memcpy(ret->gpu, f->gpu, ret->n * sizeof(ret->gpu[0]));
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load(&f->seq) != seq)
		return -EAGAIN;
	for (unsigned i = 0; i < ret->n; i++) {
		ret->gpu[i].name[GPU_NAME - 1] = '\0';
		if (ret->gpu[i].n_procs > GPU_PROCS)
			ret->gpu[i].n_procs = GPU_PROCS;
	}
	return at + max_age_ms < mono_ms ? -ETIME : 0;
}
