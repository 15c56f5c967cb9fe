#ifndef X
#define X
struct recover; void pending_finish(struct recover *r);
#endif
