# Sourced by tests/t_detect_*.sh and tests/t_recover_report.sh: a state folder in $HOLDFAST_STATE, facts, the judge.
set -u
here=$(cd "$(dirname "$0")" && pwd)
bin=${BUILD_DIR:-$here/../build}
d=$(mktemp -d) || exit 1
trap 'chmod -R u+rwx "$d" 2>/dev/null; rm -rf "$d"' EXIT
export HOME="$d/home" XDG_DATA_HOME="$d/data" HOLDFAST_STATE="$d/state" LC_ALL=C.UTF-8 HOLDFAST_AUTOSTART=0
unset XDG_CONFIG_HOME GIT_PAGER PAGER DBUS_SESSION_BUS_ADDRESS HOLDFAST_STORE HOLDFAST_NOW HOLDFAST_CONFIG 2>/dev/null
mkdir -p "$HOME/.config/holdfast" && mkdir -m 700 "$HOLDFAST_STATE"
bad=0
ok() { echo "ok $*"; }
not_ok() { echo "not ok $*"; bad=1; }
check() { n=$1; shift; if "$@"; then ok "$n"; else not_ok "$n"; fi; }
gives() { c=$1 n=$2; shift 2; "$@" >"$d/out" 2>"$d/err"; rc=$?
	if [ $rc = "$c" ]; then ok "$n"; else not_ok "$n (exit $rc, not $c)"; cat "$d/out" "$d/err"; fi; }
says() { n=$1 f=$2; shift 2; if grep -q -e "$*" "$f"; then ok "$n"; else not_ok "$n: no '$*' in:"; cat "$f"; fi; }
silent() { n=$1 f=$2; shift 2; if grep -q -e "$*" "$f"; then not_ok "$n: '$*' in:"; cat "$f"; else ok "$n"; fi; }
fact() { python3 -B "$here/detect/put_fact.py" "$HOLDFAST_STATE" "$@"; }
judge() { "$bin/detect-core" judge --once 2>"$d/judge.err" || { not_ok "judge: exit $?"; cat "$d/judge.err"; }; }
# ago SECONDS: a time in ms
ago() { python3 -c "import time; print(int((time.time() - $1) * 1000))"; }
# field ID NAME: of an event, as JSON
field() { "$bin/detect-core" events --json | python3 -c '
import json, sys
for line in sys.stdin:
    e = json.loads(line)
    if e["id"] == sys.argv[1]:
        v = e[sys.argv[2]]
        print(v if isinstance(v, str) else json.dumps(v))' "$1" "$2"; }
# is NAME ID FIELD WANTED
is() { got=$(field "$2" "$3"); if [ "$got" = "$4" ]; then ok "$1"; else not_ok "$1: $3 is '$got', not '$4'"; fi; }
