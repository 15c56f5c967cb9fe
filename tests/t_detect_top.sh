#!/bin/sh
# detect top, in a real terminal (tmux).
exec python3 -B "$(dirname "$0")/detect/top.py" "$@"
