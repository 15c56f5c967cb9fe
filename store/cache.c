/* Objects kept in memory, decoded: the versions that the next ones are made against. By place (an
 * object never changes there); the one that was longest without use goes first. And solid frames,
 * a few, for whoever reads many files of one. */
#include <string.h>

#include "internal.h"

/* ---- objects ---- */

static uint16_t *bucket(struct obj_cache *c, loc_t loc)
{
	return &c->bucket[(loc * 0x9e3779b97f4a7c15 >> 32) % OBJ_CACHE];
}

static void take_out(struct obj_cache *c, uint16_t i)
{
	struct obj_slot *o = &c->slot[i];

	*(o->newer ? &c->slot[o->newer].older : &c->newest) = o->older;
	*(o->older ? &c->slot[o->older].newer : &c->oldest) = o->newer;
}

static void put_first(struct obj_cache *c, uint16_t i)
{
	struct obj_slot *o = &c->slot[i];

	o->newer = 0;
	o->older = c->newest;
	*(c->newest ? &c->slot[c->newest].newer : &c->oldest) = i;
	c->newest = i;
}

/* Where the number of its slot stands. */
static uint16_t *find(struct obj_cache *c, loc_t loc)
{
	uint16_t *at = bucket(c, loc);

	while (*at && c->slot[*at].loc != loc)
		at = &c->slot[*at].next;
	return at;
}

static void drop(struct obj_cache *c, uint16_t *at)
{
	uint16_t i = *at;
	struct obj_slot *o = &c->slot[i];

	take_out(c, i);
	*at = o->next;
	c->bytes -= o->r->len;
	rbuf_unref(o->r);
	*o = (struct obj_slot){ .next = c->unused };
	c->unused = i;
}

const struct obj_slot *obj_cache_get(struct store *s, loc_t loc)
{
	struct obj_cache *c = &s->objs;
	uint16_t i = *find(c, loc);

	if (!i)
		return NULL;
	if (i != c->newest) {
		take_out(c, i);
		put_first(c, i);
	}
	return &c->slot[i];
}

void obj_cache_drop(struct store *s, loc_t loc)
{
	uint16_t *at = find(&s->objs, loc);

	if (*at)
		drop(&s->objs, at);
}

void obj_cache_put(struct store *s, loc_t loc, uint8_t type, const uint8_t *id, struct rbuf *r)
{
	struct obj_cache *c = &s->objs;
	struct obj_slot *o;
	uint16_t i, *at;

	if (r->len > OBJ_CACHE_BYTES || *find(c, loc))
		return;
	while (c->oldest && (c->bytes + r->len > OBJ_CACHE_BYTES ||
				    (!c->unused && c->n == OBJ_CACHE)))
		drop(c, find(c, c->slot[c->oldest].loc));
	i = c->unused ? c->unused : ++c->n;
	o = &c->slot[i];
	if (i == c->unused)
		c->unused = o->next;
	at = bucket(c, loc);
	*o = (struct obj_slot){ .loc = loc, .type = type, .r = rbuf_ref(r), .next = *at };
	memcpy(o->id.b, id, 20);
	*at = i;
	put_first(c, i);
	c->bytes += r->len;
}

/* ---- solid frames ---- */

struct rbuf *solid_cache_get(struct store *s, const struct head *h, uint32_t frame)
{
	for (int i = 0; i < SOLID_CACHE; i++) {
		struct solid_slot *c = &s->solid[i];

		if (c->r && c->seg == h->seg && c->off == h->off && c->frame == frame) {
			c->used = ++s->tick;
			return rbuf_ref(c->r);
		}
	}
	return NULL;
}

void solid_cache_put(struct store *s, const struct head *h, uint32_t frame, struct rbuf *r)
{
	struct solid_slot *v = &s->solid[0];

	for (int i = 0; i < SOLID_CACHE; i++)
		if (s->solid[i].used < v->used)
			v = &s->solid[i];
	rbuf_unref(v->r);
	*v = (struct solid_slot){ h->seg, h->off, frame, ++s->tick, rbuf_ref(r) };
}

void solid_cache_trim(struct store *s, size_t max)
{
	struct solid_slot *old;
	size_t n;

	do {
		old = NULL;
		n = 0;
		for (int i = 0; i < SOLID_CACHE; i++) {
			struct solid_slot *c = &s->solid[i];

			n += c->r ? c->r->len : 0;
			if (c->r && (!old || c->used < old->used))
				old = c;
		}
		if (old && n > max) {
			rbuf_unref(old->r);
			*old = (struct solid_slot){ 0 };
			memset(s->touched, 0, sizeof(s->touched));
		}
	} while (old && n > max);
}

/* ---- all of it ---- */

void obj_cache_clear(struct store *s)
{
	for (int i = 0; i < HEAD_CACHE; i++) {
		head_unref(s->heads[i]);
		s->heads[i] = NULL;
		s->head_at[i] = s->head_used[i] = 0;
	}
	for (int i = 0; i < SOLID_CACHE; i++) {
		rbuf_unref(s->solid[i].r);
		s->solid[i] = (struct solid_slot){ 0 };
	}
	for (uint16_t i = s->objs.newest; i; i = s->objs.slot[i].older)
		rbuf_unref(s->objs.slot[i].r);
	memset(&s->objs, 0, sizeof(s->objs));
	memset(s->touched, 0, sizeof(s->touched));
	memset(s->beyond, 0, sizeof(s->beyond));
	log_forget_found(s);
	again_release(s);
	s->mended_cached = false;
}
