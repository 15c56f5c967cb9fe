#!/bin/sh
# Editor against training in a machine of 1.5 GiB (root, a version 1 memory cgroup, Chromium): see detect/guard_box.py.
# RUNS (24), SEED, PATTERNS, GUARD=off for what happens without.
if [ "$(id -u)" != 0 ] || [ ! -e /sys/fs/cgroup/memory/memory.limit_in_bytes ] || [ ! -x /usr/lib/chromium/chromium ]; then
	echo "skip the guard in a box: needs root, a version 1 memory cgroup and Chromium"
	exit 0
fi
log=$(mktemp)
if python3 -B "$(dirname "$0")/detect/guard_box.py" --runs "${RUNS:-24}" ${SEED:+--seed "$SEED"} \
	${PATTERNS:+--patterns "$PATTERNS"} --guard "${GUARD:-on}" >"$log" 2>&1; then
	sed 's/^/# /' "$log"
	echo "ok the editor outlives its trainings, and what fits comes to its end"
else
	sed 's/^/# /' "$log"
	echo "not ok the editor outlives its trainings, and what fits comes to its end"
fi
rm -f "$log"
