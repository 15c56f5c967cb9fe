#!/bin/sh
# The stranger's reader (tests/reader/hfread.py) against stores written by hand from docs/format.md.
exec python3 -B "$(dirname "$0")/reader/test_hfread.py"
