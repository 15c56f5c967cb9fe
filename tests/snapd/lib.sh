# What the snapd tests share. Source it; $d is a folder of the test's own, $w a workspace, $s its store.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD_DIR:-$PWD/build}
export HOLDFAST_AUTOSTART="${HOLDFAST_AUTOSTART-0}"
snapd=$build/snapd
d=$(mktemp -d) || exit 1
w=$d/w s=$d/s
mkdir "$w"
pids=
cleanup()
{
	for p in $pids; do kill -CONT "$p" 2>/dev/null; kill -9 "$p" 2>/dev/null; done
	chmod -R u+rwx "$d" 2>/dev/null
	rm -rf "$d"
}
trap cleanup EXIT

# check NAME COMMAND...: one line of the report.
check()
{
	name=$1; shift
	if "$@"; then echo "ok $name"; else echo "not ok $name"; fi
}

# until COMMAND...: wait for a state, 20 s at most; never for a time.
until_true()
{
	n=0
	until "$@"; do
		n=$((n + 1))
		[ $n -lt 400 ] || return 1
		sleep 0.05
	done
}

field() { "$snapd" -w "$w" --store "$s" --status --json | sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"; }
is_running() { "$snapd" -w "$w" --store "$s" --status --json 2>/dev/null | grep -q '"running":true'; }
dead() { ! kill -0 "$1" 2>/dev/null; }

# start [ARGS...]: a daemon for $w; its process in $pid, what it says in $d/log.
start()
{
	"$snapd" -w "$w" --store "$s" --interval 1h "$@" 2>>"$d/log" &
	pid=$!
	pids="$pids $pid"
	until_true is_running || { cat "$d/log"; return 1; }
}
once() { "$snapd" -w "$w" --store "$s" --once "$@"; }
stop() { "$snapd" -w "$w" --store "$s" --stop && wait "$pid"; }

# The newest snapshot, written out by the reader that knows only docs/format.md, equals the workspace.
same()
{
	rm -rf "$d/out"
	python3 -B "$here/reader/hfread.py" "$s" extract last "$d/out" || return 1
	diff -r --no-dereference "$w" "$d/out" >"$d/diff" 2>&1 || { cat "$d/diff"; return 1; }
}
