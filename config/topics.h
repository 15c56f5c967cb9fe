/* config/topics.h - what `help TOPIC` says, the same from each of the three programs.
 *
 * A topic is a page of at most 24 lines that answers one question of somebody in a hurry; the
 * manuals say the whole.
 * The names of topics are no names of commands. */
#ifndef CONFIG_TOPICS_H
#define CONFIG_TOPICS_H

/* The text, or NULL: no such topic. */
const char *topic_text(const char *name);
/* "crash, revisions, ...", for help and for errors. */
extern const char topic_names[];

#endif
