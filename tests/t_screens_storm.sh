#!/bin/sh
# recover's screen, detect top and detect menu under random keys and sizes, and every way their terminal can be lost.
exec python3 -B "$(dirname "$0")/recover/storm.py" "$@"
