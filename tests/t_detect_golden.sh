#!/bin/sh
# Every page of detect top and detect menu as it was agreed to look, at three sizes (tmux), on a recorded machine.
exec python3 -B "$(dirname "$0")/detect/golden.py" "$@"
