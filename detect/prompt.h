/* detect/prompt.h - on the processor soon after we wake, however many want it. For the calling thread.
 *
 * What the monitor does at a time takes less than half a millisecond; who asks for turns so short is given his sooner (Linux
 * 6.12, sched_setattr(2); others take no notice). That is everybody's to ask for, a nice value below 0 only with leave.
 * Shorter ones than a turn's work would be cut in the middle: at 0.1 ms others came in between, for 4 ms each. Our children
 * and threads have neither. */
#ifndef DETECT_PROMPT_H
#define DETECT_PROMPT_H

void prompt_ask(int nice);	/* 0: as it is. Where somebody has chosen a policy or a nice value, that stays */

#endif
