#!/bin/sh
# recover report, @crash and the crash in the summary, from facts of the past.
. "$(dirname "$0")/detect/lib.sh"
export HOLDFAST_STORE="$d/store"
w=$d/w
mkdir "$w"
snap() { "$bin/snapd" --workspace "$w" --once; }
recover() { "$bin/recover" --workspace "$w" --no-pager "$@"; }
get() { recover report --json | python3 -c '
import json, sys
v = json.load(sys.stdin)
for k in sys.argv[1:]:
    v = v[int(k)] if isinstance(v, list) else v[k]
print(v if isinstance(v, str) else json.dumps(v))' "$@"; }
equal() { if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1: '$2' is not '$3'"; fi; }

echo one >"$w/train.py"
first=$(snap)
gives 1 "no crash: a no" recover report
says "and what was recorded" "$d/err" "nothing is recorded"
gives 1 "@crash without one" recover show @crash
fact id=fine
judge
gives 1 "an event that is no crash" recover report
says "is named" "$d/err" "the last event.*finished (exit code 0)"

# A crash between two snapshots, which nobody linked.
now=$(($(ago 0) + 1))	# the millisecond after the snapshot
fact id=crash0000001 real="$now" pid=4711 status=signaled signal=9 oom0=1 oom1=2 cgoom0=0 cgoom1=1 \
	m.real="$now" m.total=16000000000 m.available=1000000000 m.mem_total=16000000000 m.mem_available=1000000000 beforeavail=200000000 \
	argv='python3 train.py --workers 8' peak=5000000000
judge
echo two >"$w/train.py"
second=$(snap)
printf three >"$w/train.py"
echo new >"$w/notes.md"

gives 0 "report" recover report
cp "$d/out" "$d/text"
says "what" "$d/text" "train.py (4711) was killed: "
says "why, and how sure" "$d/text" "out-of-memory (kernel), likely"
says "the evidence is quoted" "$d/text" "| the machine's oom_kill went from 1 to 2"
says "the command" "$d/text" "python3 train.py --workers 8"
says "the plot" "$d/text" "memory of 15 GiB: 94 %"
says "the snapshot before it" "$d/text" "before it  $(echo "$first" | cut -c1-8)"
says "what differs" "$d/text" "M train.py"
says "what is new" "$d/text" "A notes.md"
says "the command that follows" "$d/text" "recover restore $(echo "$first" | cut -c1-8) --dry-run"
check "80 columns" [ "$(wc -L <"$d/text")" -le 80 ]
LC_ALL=C recover report >"$d/ascii"
check "ASCII where the terminal is no UTF-8" sh -c '! LC_ALL=C grep -q "[^ -~]" "$1"' - "$d/ascii"
says "and a plot all the same" "$d/ascii" "|.*#"

recover report --json >"$d/json"
check "one object" python3 -c 'import json,sys; json.load(open(sys.argv[1]))' "$d/json"
equal "json: cause" "$(get cause)" "out-of-memory (kernel)"
equal "json: evidence" "$(get evidence 0)" "signal 9 SIGKILL"
equal "json: last_snapshot" "$(get last_snapshot id)" "$first"
equal "json: newest" "$(get newest_snapshot id)" "$second"
equal "json: differs" "$(get differs)" '[{"path": "notes.md", "change": "A"}, {"path": "train.py", "change": "M"}]'
equal "json: readings" "$(get readings 0 total)" 16000000000
equal "json: unsaved is a list" "$(get unsaved)" '[]'
equal "@crash" "$(recover show --json @crash | python3 -c 'import json,sys; print(json.load(sys.stdin)["id"])')" "$first"
equal "@crash:PATH" "$(recover cat @crash:train.py)" one
recover >"$d/summary"
says "the summary names it" "$d/summary" "^crash  .* ago: .*was killed.*, out-of-memory (kernel)"
says "and the snapshot before it" "$d/summary" "^before it  snapshot $(echo "$first" | cut -c1-8) of .*; recover report"
recover list --json --events >"$d/events"
equal "the crash stands between the snapshots" "$(python3 -c '
import json, sys
print(" ".join("crash" if v.get("crash") else v["id"][:8] for v in map(json.loads, sys.stdin) if v.get("crash") or "id" in v))' <"$d/events")" \
	"$(echo "$second" | cut -c1-8) crash $(echo "$first" | cut -c1-8)"
recover list --events >"$d/events"
says "and in the list for people" "$d/events" "  exit  *! .*was killed"
gives 0 "an event by its id" recover report --event fine
says "is that one" "$d/out" "finished (exit code 0)"
gives 1 "an id nobody has" recover report --event feedbeef

# What snapd linked outranks the times; a machine that was lost: the last snapshot of that boot.
fact kind=link id=link-1 of=crash0000001 workspace="$w" store="$d/store" before="$second" before_ms=1 after="$second" after_ms=2
judge
equal "the link is believed" "$(get last_snapshot id)" "$second"
equal "and the snapshot taken at once named" "$(get crash_snapshot)" "$second"
# After a crash one opens a terminal at home.
outside() { (cd / && env -u HOLDFAST_STORE -u PWD "$@"); }
gives 0 "outside of all workspaces" outside recover report
says "the workspace of then is taken" "$d/out" "  workspace  *$w\$"
says "with its snapshots" "$d/out" "at once    "
says "and its daemon can be started" "$d/out" "snapd --workspace $w "
boot=$(ago 0)
fact kind=machine id=lost0000001 real="$now" m.real=$((boot + 30000)) m.mono=30000 m.total=16000000000 m.available=1
judge
equal "a lost machine" "$(get cause)" "machine-lost"
equal "its last snapshot is the last before this boot" "$(get last_snapshot id)" "$second"

# A run of another folder is no crash of this workspace; what the whole machine has is.
mkdir "$d/elsewhere" "$w/sub"
fact id=elsewhere01 real=$((boot + 60000)) pid=5001 status=signaled signal=11 cwd="$d/elsewhere"
fact id=elsewhere02 real=$((boot + 60001)) pid=5002 status=signaled signal=11 cwd="${w}2"
judge
equal "a crash in another folder is not this one's" "$(get cause)" "machine-lost"
equal "nor @crash" "$(recover show --json @crash | python3 -c 'import json,sys; print(json.load(sys.stdin)["id"])')" "$second"
recover >"$d/summary"
silent "nor in the summary" "$d/summary" "^crash .*SIGSEGV"
recover list --events >"$d/events"
silent "nor between its snapshots" "$d/events" "SIGSEGV"
gives 0 "it is told when it is asked for" recover report --event elsewhere01
says "as what it was" "$d/out" "crashed (SIGSEGV)"
gives 0 "where no workspace is meant it is the latest" outside recover report
says "and told" "$d/out" "crashed (SIGSEGV)"
(cd "$d/elsewhere" && "$bin/detect" run --need 1M --no-snapshot -- sh -c 'kill -SEGV $$') >"$d/run" 2>&1
tries=0
until "$bin/detect" events | grep -q 'run [0-9a-f]*: signal 11' || [ $((tries += 1)) -gt 400 ]; do sleep 0.05; done
check "without a monitor it is recorded" [ $tries -le 400 ]
equal "and its folder with it" "$(get cause)" "machine-lost"
mkdir "$d/later" && echo one >"$d/later/a"
HOLDFAST_STORE="$d/store3" "$bin/snapd" --workspace "$d/later" --once >"$d/third"
at_later() { HOLDFAST_STORE="$d/store3" "$bin/recover" --workspace "$d/later" --no-pager "$@"; }
fact id=within00001 real=$((boot + 120000)) pid=5003 status=signaled signal=11 cwd="$w/sub"
judge
equal "a crash in a folder of it is" "$(get pid)" 5003
gives 0 "for another workspace" at_later report --json
silent "it is none" "$d/out" '"pid":5003'
fact id=above000001 real=$((boot + 180000)) pid=5004 status=signaled signal=11 cwd="$d"
judge
equal "one in a folder above it too" "$(get pid)" 5004
fact id=kernel00001 real=$((boot + 240000)) pid=5005 status=signaled signal=9 cwd="$d/elsewhere" oom0=1 oom1=2 cgoom0=0 cgoom1=1 \
	m.real=$((boot + 240000)) m.total=16000000000 m.available=1000000000 m.mem_total=16000000000 m.mem_available=1000000000 beforeavail=200000000
judge
equal "the machine was out of memory: everybody's" "$(get pid)" 5005
fact id=editor00001 real=$((boot + 300000)) pid=5006 status=signaled signal=11 cwd="$d/elsewhere" of_kind=editor family=VSCode role=main
judge
equal "an editor's death too" "$(get pid)" 5006

# A restore is an event, and never fails for want of a journal.
gives 0 "restore" recover restore "$first" --yes
check "is recorded" sh -c '"$1/detect-core" events --json | grep -q "\"kind\":\"restore\".*\"what\":\"restore"' - "$bin"
chmod 500 "$HOLDFAST_STATE"; mv "$HOLDFAST_STATE/journal.db" "$d/away"; : >"$d/file"
HOLDFAST_STATE="$d/file" gives 0 "undo without a state folder" recover undo --yes
chmod 700 "$HOLDFAST_STATE"; mv "$d/away" "$HOLDFAST_STATE/journal.db"

# A workspace that is gone.
rm -rf "$w"
gives 0 "a workspace that is gone" recover report
says "is said" "$d/out" "the workspace is gone"
says "and how it comes back" "$d/out" "recover restore .* --yes"
[ $bad = 0 ]
