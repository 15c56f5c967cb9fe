#!/bin/sh
# The guard of the monitor, on real processes: see detect/guard.py.
exec python3 -B "$(dirname "$0")/detect/guard.py"
