#!/bin/sh
# recover's screen, detect top and detect menu on a slow terminal, in a storm of sizes (tmux).
exec python3 -B "$(dirname "$0")/recover/slow.py" "$@"
