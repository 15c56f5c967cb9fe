/* recover/paint.h - the lines of a patch as git prints and colours them: hunk headers, white
 * space that should not there, new blank lines at the end. Zeroes are no colours. paint_ends
 * first, where there are two texts, then paint_line for each line that libgit2 gives of one
 * file. */
#ifndef RECOVER_PAINT_H
#define RECOVER_PAINT_H

#include <stdbool.h>
#include <git2.h>

#define BOLD	"\033[1m"
#define RED	"\033[31m"
#define GREEN	"\033[32m"
#define CYAN	"\033[36m"
#define ON_RED	"\033[41m"
#define RESET	"\033[m"

struct paint {
	bool color;
	/* Lines from which on all is blank, 0 = the new text ends in no more blank lines than
	 * the old one; and how far the old one is printed. */
	int blank_old, blank_new, old_line;
};

void paint_ends(struct paint *p, const char *a, size_t a_len, const char *b, size_t b_len);
/* On stdout. */
void paint_line(struct paint *p, const git_diff_hunk *hunk, const git_diff_line *line);

#endif
