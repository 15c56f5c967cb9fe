/* Object ids, and what is known of each. */
#include <string.h>

#include "internal.h"

static size_t slot_of(const struct idset *x, const struct oid *id)
{
	uint64_t v;
	size_t i;

	memcpy(&v, id->b, 8);
	for (i = (size_t)v & (x->size - 1); x->state[i] && !oid_eq(&x->id[i], id);
		i = (i + 1) & (x->size - 1))
		;
	return i;
}

static int idset_grow(struct idset *x)
{
	struct idset y = { .size = x->size ? x->size * 2 : 1024 };

	y.id = malloc(y.size * sizeof(*y.id));
	y.state = calloc(y.size, 1);
	if (!y.id || !y.state) {
		free(y.id);
		free(y.state);
		return -ENOMEM;
	}
	for (size_t i = 0; i < x->size; i++)
		if (x->state[i]) {
			size_t k = slot_of(&y, &x->id[i]);

			y.id[k] = x->id[i];
			y.state[k] = x->state[i];
			y.n++;
		}
	free(x->id);
	free(x->state);
	*x = y;
	return 0;
}

int idset_put(struct idset *x, const struct oid *id, uint8_t state)
{
	size_t i;
	int r = x->n * 2 >= x->size ? idset_grow(x) : 0;

	if (r < 0)
		return r;
	i = slot_of(x, id);
	if (!x->state[i]) {
		x->n++;
		x->id[i] = *id;
	}
	x->state[i] = state;
	return 0;
}

uint8_t idset_get(const struct idset *x, const struct oid *id)
{
	return x->size ? x->state[slot_of(x, id)] : 0;
}

void idset_release(struct idset *x)
{
	free(x->id);
	free(x->state);
	*x = (struct idset){ .n = 0 };
}
