#!/bin/sh
# Two weeks of snapshots (N=40320) under a quota that bites, pruned and tidied, the writer killed all through the first of them: nothing
# acknowledged is lost, what is kept verifies byte by byte each day, the store stays within its quota, memory and CPU do not grow.
# SEED=N repeats the work (not the moments of the kills), QUOTA in KiB.
here=$(dirname "$0")
# The work is what is tried here, not the disk.
[ "$(df --output=avail /dev/shm 2>/dev/null | tail -1)" -gt 200000 ] 2>/dev/null && TMPDIR=/dev/shm
export TMPDIR="${TMPDIR:-/tmp}"
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
"${BUILD_DIR:-$here/../build}/tests/tool_soak" "$d/store" "${N:-40320}" "${SEED:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}" "${QUOTA:-65536}" &&
	python3 -B "$here/reader/hfread.py" "$d/store" check && echo "ok two weeks" || { echo "not ok two weeks"; exit 1; }
