# Sourced by tests/t_recover_*.sh: a workspace in $w, its store in $s, and words to check with.
set -u
here=$(cd "$(dirname "$0")" && pwd)
bin=${BUILD_DIR:-$here/../build}
d=$(mktemp -d) || exit 1
trap 'chmod -R u+rwx "$d" 2>/dev/null; rm -rf "$d"' EXIT
export HOME="$d/home" XDG_DATA_HOME="$d/data" HOLDFAST_STORE="$d/store" LC_ALL=C.UTF-8 HOLDFAST_AUTOSTART="${HOLDFAST_AUTOSTART-0}"
unset XDG_CONFIG_HOME GIT_PAGER PAGER 2>/dev/null
mkdir -p "$HOME"
w=$d/w s=$d/store
bad=0
ok() { echo "ok $*"; }
not_ok() { echo "not ok $*"; bad=1; }
# check NAME COMMAND...: its success is the test's
check() { n=$1; shift; if "$@"; then ok "$n"; else not_ok "$n"; fi; }
# gives CODE NAME COMMAND...: the exit code is what is tested; output in $d/out, $d/err
gives() { c=$1 n=$2; shift 2; "$@" >"$d/out" 2>"$d/err"; rc=$?
	if [ $rc = "$c" ]; then ok "$n"; else not_ok "$n (exit $rc, not $c)"; cat "$d/out" "$d/err"; fi; }
says() { n=$1 f=$2; shift 2; if grep -q -e "$*" "$f"; then ok "$n"; else not_ok "$n: no '$*' in:"; cat "$f"; fi; }
snap() { "$bin/tests/tool_snap" "$w" "$@"; }
recover() { "$bin/recover" --workspace "$w" "$@"; }
walk() { python3 -B "$here/oracle/treewalk.py" "$@"; }
same() { n=$1; if cmp -s "$2" "$3"; then ok "$n"; else not_ok "$n"; diff "$2" "$3" | head -20; fi; }
