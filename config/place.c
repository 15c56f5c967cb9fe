/* config/place.c - where the store of a workspace is made; see config.h. */
#include "config/config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/sha1.h"
#include "lib/text.h"

/* Of the longest names only so much as leaves room for the id. */
enum { SHOWN_MAX = NAME_MAX - 13 };

int config_store_place(const char *workspace, const char *parent, struct buf *ret)
{
	const char *name = strrchr(workspace, '/'), *xdg = getenv("XDG_DATA_HOME"),
		   *home = getenv("HOME");
	uint8_t id[20];
	char hex[41];

	sha1_text(workspace, strlen(workspace), id);
	text_hex(id, 20, hex);
	name = name && name[1] ? name + 1 : "root";
	if (parent)
		return buf_printf(ret, "%s/%.*s-%.12s", parent, SHOWN_MAX, name, hex);
	if (xdg && *xdg == '/')
		return buf_printf(ret, "%s/holdfast/%.*s-%.12s", xdg, SHOWN_MAX, name, hex);
	if (!home || *home != '/')
		return -ENOENT;
	return buf_printf(ret, "%s/.local/share/holdfast/%.*s-%.12s", home, SHOWN_MAX,
		name, hex);
}
