/* See starve.h. */
#include "detect/starve.h"

enum {
	WINDOW_MS = 4000,
	FAULTS_A_S = 2, /* a slow disk gives a hundred in a second, to all of them */
	USER_PART = 20, /* one part in so many is hardly any */
};

static void begin(struct starve *s, uint64_t now_ms, uint64_t user, uint64_t faults)
{
	s->since_ms = now_ms ? now_ms : 1;
	s->user = user;
	s->faults = faults;
}

bool starve_look(struct starve *s, uint64_t now_ms, uint64_t user, uint64_t hz, uint64_t faults,
	bool short_of)
{
	uint64_t span, user_ms;

	if (!short_of || !s->since_ms || now_ms < s->since_ms || user < s->user ||
		faults < s->faults) {
		s->is = false;
		begin(s, now_ms, user, faults);
		return false;
	}
	span = now_ms - s->since_ms;
	if (span < WINDOW_MS)
		return s->is;
	user_ms = (user - s->user) * 1000 / hz;
	s->is = (faults - s->faults) * 1000 >= FAULTS_A_S * span && user_ms * USER_PART <= span;
	begin(s, now_ms, user, faults);
	return s->is;
}
