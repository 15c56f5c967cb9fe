/* detect/place-user.c - the user database, which loads libraries: a file of its own, so that the small program can do
 * without; see detect.h. */
#include <pwd.h>
#include <stddef.h>
#include <unistd.h>

#include "detect/detect.h"

const char *detect_user_home(void)
{
	const struct passwd *pw = getpwuid(geteuid());

	return pw && pw->pw_dir && *pw->pw_dir == '/' ? pw->pw_dir : NULL;
}
