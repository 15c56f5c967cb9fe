#!/bin/sh
# `detect` inside a memory group of version 1 with a real limit: what it says against what the group's own files say,
# with page cache that can go and memory that cannot. free and psutil are asked too, and are wrong. Needs root.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD_DIR:-$here/../build}
d=$(mktemp -d) || exit 1
base=/sys/fs/cgroup/memory
own=$(sed -n 's/^[0-9]*:\([^:]*,\)\{0,1\}memory\(,[^:]*\)\{0,1\}://p' /proc/self/cgroup)
outer=$base$own/holdfast-$$ inner=$base$own/holdfast-$$/inner
pids=
cleanup()
{
	for p in $pids; do kill -9 "$p" 2>/dev/null; wait "$p" 2>/dev/null; done
	n=0
	while [ -d "$outer" ] && [ $n -lt 100 ]; do
		rmdir "$inner" "$outer" 2>/dev/null
		n=$((n + 1)); [ ! -d "$outer" ] || sleep 0.05
	done
	rm -rf "$d"
}
trap cleanup EXIT
export HOME="$d" HOLDFAST_STATE="$d/state" XDG_CONFIG_HOME="$d"
if ! { mkdir "$outer" && mkdir "$inner" && echo 500M >"$outer/memory.limit_in_bytes"; } 2>/dev/null; then
	echo "skip no memory group of version 1 can be made (root, and the controller)"
	exit 0
fi

check() { name=$1; shift; if "$@"; then echo "ok $name"; else echo "not ok $name"; sed 's/^/    /' "$d/out"; fi; }
inside() { sh -c 'echo $$ >"$0/cgroup.procs" && shift 0 && exec "$@"' "$inner" "$@" >"$d/out" 2>"$d/err"; }
json() { python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); M = 1 << 20; sys.exit(not eval(sys.argv[2]))' "$d/out" "$1"; }

# hold MIB: a process of the group that holds that much, in $!
hold()
{
	sh -c 'echo $$ >"$0/cgroup.procs" && exec python3 -c "
import sys, time
x = bytearray($1 << 20)
for i in range(0, len(x), 4096): x[i] = 1
open(\"$2\", \"w\").close()
time.sleep(1000)" "$1" "$2"' "$inner" "$1" "$d/held" &
	pids="$pids $!"
	n=0
	until [ -e "$d/held" ] || [ $n = 400 ]; do n=$((n + 1)); sleep 0.05; done
	rm -f "$d/held"
}

check "detect runs inside" inside "$build/detect" --json
check "the limit above counts" json 'r["cgroup"]["version"] == 1 and r["cgroup"]["limit"] == 500 * M and r["memory"]["total"] == 500 * M'
check "its path is named" json "r['cgroup']['path'].endswith('/holdfast-$$')"
check "nearly empty is LOW" json 'r["risk"] == "LOW" and r["memory"]["available"] > 450 * M'

# Written inside: page cache is charged to who brought it in. Synced, so that it can go.
inside dd if=/dev/zero of="$d/file" bs=1M count=600 conv=fsync
inside sh -c 'cat "$0" "$0" >/dev/null' "$d/file"
check "detect runs inside" inside "$build/detect" --json
usage=$(cat "$outer/memory.usage_in_bytes")
echo "# $((usage >> 20)) MiB charged, most of it page cache"
check "page cache that can go is not used" json 'r["risk"] == "LOW" and r["memory"]["used_percent"] < 30'

hold 400
check "detect runs inside" inside "$build/detect" --json
check "400 of 500 MiB held is MEDIUM" json 'r["risk"] == "MEDIUM" and r["reasons"][0]["what"] == "cgroup" and 75 <= r["memory"]["used_percent"] < 85'
check "room is what is left" json '60 * M < r["memory"]["available"] < 110 * M'
hold 45
check "detect runs inside" inside "$build/detect" --json
check "445 of 500 MiB held is CRITICAL" json 'r["risk"] == "CRITICAL" and r["memory"]["available"] < 65 * M'
inside "$build/detect"
check "the text says so" grep -q '^because   cgroup limit of 500 MiB 9' "$d/out"
sed 's/^/# /' "$d/out" | head -5

# What others say at this moment, for the record.
inside free -m && sed -n 's/^Mem: *\([0-9]*\) .* \([0-9]*\)$/# free: \1 MiB in all, \2 available/p' "$d/out"
if inside python3 -c 'import psutil; v = psutil.virtual_memory(); print(v.total >> 20, v.available >> 20, v.percent)'; then
	sed 's/^/# psutil (total, available MiB, percent used): /' "$d/out"
fi
exit 0
