/* detect/watch.h - the monitor: detect-watch.
 *
 * One per user (OFD lock on the state folder's "watch.lock"). It holds a pidfd on every editor and
 * training process and learns of new ones from the proc connector (include/uapi/linux/cn_proc.h;
 * ordinary users since Linux 6.6), else from a scan of /proc whose period follows the risk. Of forks
 * only those of trainings (workers) and of an editor's zygotes (renderers, extension hosts) are
 * asked for. With
 * nothing new it wakes at LOW at most once a second. Settings arrive resolved, as lines
 * `name=value` on the descriptor named by --settings-fd (detect-core watch writes them): this
 * program parses no configuration. SIGHUP: detect-core watch again, by exec, all found anew.
 *
 * Requests on the socket (lib/ctl.h), in the run folder:
 *	status		ok TAB pid, then one line of JSON: since, watched, how ends are told, what
 *			cannot be known here and why
 *	wait TAB SEQ	ok TAB newest, then a line SEQ TAB fact_line for each event newer than SEQ
 *			that is kept; stays open while there is none. 0: open until the next
 *	link TAB fact_line	what snapd answers (FACT_LINK); goes to the spool
 *	register TAB pid TAB start TAB run	a training started by `detect run`
 *	watched		ok TAB n, then for each: pid, start, ppid, editor|training, family, role,
 *			resident bytes, run
 *	stop		ok; who waits gets the error "stopped"
 *	release		the same, if a snapd started us and none runs any more; else the error
 *			"in use" or "started by hand"
 * For late askers the last 64 events are kept, as far as 80 KiB hold them. SEQs of a later monitor
 * are higher: a SEQ from before a restart gets all that is kept.
 *
 * GPUs are read by detect-gpu, which it starts where a driver is (gpu_feed.h): the driver's library
 * would be many times the monitor's size. */
#ifndef DETECT_WATCH_H
#define DETECT_WATCH_H

#endif
