#!/bin/sh
# Every view of the screen as it was agreed to look, at three sizes (tmux).
exec python3 -B "$(dirname "$0")/recover/golden.py" "$@"
