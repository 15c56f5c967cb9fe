/* snapd/notify.h - telling the service manager how we are, by sd_notify(3)'s protocol: a
 * datagram to $NOTIFY_SOCKET. Without that all of this does nothing. */
#ifndef SNAPD_NOTIFY_H
#define SNAPD_NOTIFY_H

#include <stdint.h>

/* fmt: lines of NAME=VALUE. */
void notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* READY=1 after RELOADING=1, which this says. */
void notify_reloading(void);
/* A long look goes on: the start may take longer, the watchdog is fed. Often called, seldom
 * heard. */
void notify_progress(uint64_t files, uint64_t now_ms);
/* How often the watchdog wants to hear of us; 0 = it does not. */
uint64_t notify_watchdog_ms(void);

#endif
