#!/bin/sh
# find --text: its progress, its pager, Ctrl-C; and the search by text of the screen.
exec python3 -B "$(dirname "$0")/recover/find.py" "$@"
