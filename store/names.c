/* The entries of one tree by plain name: git sorts folders as if they ended in a slash. */
#include <string.h>

#include "internal.h"

void names_release(struct names *x)
{
	rbuf_unref(x->tree);
	free(x->e);
	*x = (struct names){ NULL, NULL, 0 };
}

static int name_cmp(const void *pa, const void *pb)
{
	const struct tree_entry *a = pa, *b = pb;
	size_t n = a->len < b->len ? a->len : b->len;
	int r = memcmp(a->name, b->name, n);

	return r ? r : a->len < b->len ? -1 : a->len > b->len;
}

int names_load(struct names *x, struct rbuf *tree)
{
	const uint8_t *p, *end;
	size_t cap = 0;
	int r;

	*x = (struct names){ .tree = tree };
	if (!tree)
		return 0;
	p = tree->data;
	end = p + tree->len;
	for (;;) {
		if (x->n == cap) {
			void *q = realloc(x->e, (cap = cap * 2 + 4) * sizeof(*x->e));

			if (!q)
				return -ENOMEM;
			x->e = q;
		}
		if ((r = tree_next(&p, end, &x->e[x->n])) != 1)
			break;
		x->n++;
	}
	qsort(x->e, x->n, sizeof(*x->e), name_cmp);
	return r;
}

const struct tree_entry *names_find(const struct names *x, const char *name, size_t len)
{
	struct tree_entry key = { .name = name, .len = len };

	return x->n ? bsearch(&key, x->e, x->n, sizeof(key), name_cmp) : NULL;
}
