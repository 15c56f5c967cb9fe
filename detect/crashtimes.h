/* detect/crashtimes.h - when crashes were, as the journal says. */
#ifndef DETECT_CRASHTIMES_H
#define DETECT_CRASHTIMES_H

#include <stddef.h>
#include <stdint.h>

/* CLOCK_REALTIME ns, newest first, *ret to be freed; none, and NULL, where there is no journal. */
int crash_times(int64_t **ret, size_t *ret_n);

#endif
