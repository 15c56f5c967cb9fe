#!/bin/sh
# The monitor, detect-watch: see detect/watch.py.
exec python3 -B "$(dirname "$0")/detect/watch.py"
