#!/bin/sh
# The screen, in a real terminal (tmux): what it shows at 80x24 and other sizes, what its keys do, how it leaves.
exec python3 -B "$(dirname "$0")/recover/screen.py" "$@"
