#!/bin/sh
# Two weeks of snapshots, pruned every hour (N=40320): what is kept verifies byte by byte.
here=$(dirname "$0")
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
"${BUILD_DIR:-$here/../build}/tests/tool_soak" "$d/store" "${N:-40320}" "${SEED:-1}" &&
	python3 -B "$here/reader/hfread.py" "$d/store" check && echo "ok two weeks" || { echo "not ok two weeks"; exit 1; }
