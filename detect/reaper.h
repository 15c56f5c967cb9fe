/* detect/reaper.h - gives back the memory of who was killed, at our speed and beside it.
 *
 * A process that dies frees its memory itself: a tenth of a second a GiB when it is let run, and half a second on a machine
 * where many want the processors, or where it was started as the least of them. process_mrelease(2) (Linux 5.15) lets
 * somebody else do it, or do it too. That blocks, so a thread does it; the guard only names the processes. Who is gone
 * too far by then, or not dying at all, is left alone by the kernel.
 *
 * Signals are to be blocked before reaper_open: the thread takes none. */
#ifndef DETECT_REAPER_H
#define DETECT_REAPER_H

struct reaper;

int reaper_open(struct reaper **ret);	/* -ENOSYS: the kernel cannot; -errno */
/* After its signal. Never waits; r may be NULL. The pidfd stays the caller's. */
void reaper_ask(struct reaper *r, int pidfd);
void reaper_close(struct reaper *r);	/* waits for what was asked */

#endif
