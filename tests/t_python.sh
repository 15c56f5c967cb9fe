#!/bin/sh
# hooks/python: its unit tests, and a run that is asked and answers.
. "$(dirname "$0")/detect/lib.sh"

repo=$(cd "$here/.." && pwd)
cp -r "$repo/hooks/python" "$d/python"
cd "$d/python" || exit 1
export PYTHONDONTWRITEBYTECODE=1 HOLDFAST_DETECT="$bin/detect"
if python3 -m unittest -v >"$d/out" 2>&1; then
	ok "python3 -m unittest"
else
	not_ok "python3 -m unittest"; cat "$d/out"
fi
check "none skipped" sh -c '! grep -q skipped "$1"' - "$d/out"

until_true() { tries=0; until "$@"; do tries=$((tries + 1)); [ $tries -lt 400 ] || return 1; sleep 0.05; done; }
cat >"$d/loop.py" <<'X'
import os, sys, time
from holdfast import Guard
def save(path):
    with open(path, "w") as f:
        f.write("weights")
with Guard(sys.argv[1], save) as guard:
    print("ready", flush=True)
    while not guard.step():
        time.sleep(0.01)
X
export PYTHONPATH="$d/python"
"$bin/detect" run --need 1M --no-snapshot -- python3 "$d/loop.py" "$d/last.pt" >"$d/run.out" 2>"$d/run.err" &
viewer=$!
until_true grep -q ready "$d/run.out"
kill -USR2 $viewer
wait $viewer
check "SIGUSR2 reaches it, and it saves" [ "$(cat "$d/last.pt")" = weights ]
id=$("$bin/detect" runs --json -n 1 | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
"$bin/detect" runs "$id" >"$d/out"
says "its answer is shown" "$d/out" "^answered .*saved $d/last.pt"
exit $bad
