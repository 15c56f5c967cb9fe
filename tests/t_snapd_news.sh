#!/bin/sh
# snapd and the monitor: who starts whom, and the snapshot when something dies.
. "$(dirname "$0")/snapd/lib.sh"

detect=$build/detect
export HOLDFAST_AUTOSTART=1 HOLDFAST_STATE="$d/state" HOLDFAST_JUDGE=/bin/true
# Other tests have trainings and editors of their own.
export HOLDFAST_WATCH_BELOW="$d/bin/"
mkdir "$d/bin"
cp "$build/tests/tool_end" "$d/bin/python3"
"$build/detect" watch --stop 2>/dev/null
check "stop without a monitor says no" [ $? -eq 1 ]

ask() { python3 -B -c '
import sys
sys.path.insert(0, sys.argv[1] + "/detect")
from monitor import Monitor
m = Monitor.__new__(Monitor)
m.state = sys.argv[2]
sys.stdout.write(m.ask(sys.argv[3]))' "$here" "$HOLDFAST_STATE" "$1" 2>/dev/null; }
monitor() { ask status | sed -n 's/^ok\t//p'; }
runs() { m=$(monitor) && [ -n "$m" ] && pids="$pids $m"; }
another() { runs && [ "$m" != "$1" ]; }

# train WORDS...: a stand-in for a training, which the monitor has found when this returns; told to go on by `go`.
train()
{
	rm -f "$d/go"; mkfifo "$d/go"
	"$d/bin/python3" train.py hear "$@" <"$d/go" &
	train=$!
	pids="$pids $train"
	exec 9>"$d/go"
	until_true grep -aq "kind=start.*pid=$train	" "$HOLDFAST_STATE/spool"
}
go() { exec 9>&-; wait "$train"; :; }
told() { grep -aq "kind=exit.*pid=$train	" "$HOLDFAST_STATE/spool"; }
linked() { grep -aq "kind=link.*workspace=$w	" "$HOLDFAST_STATE/spool"; }
newest() { "$build/recover" list -w "$w" --store "$s" --json -n 1 2>/dev/null || "$build/recover" --store "$s" --workspace "$w" list --json -n 1; }
is_exit() { newest | grep -q '"reason":"exit"'; }

echo one >"$w/a.py"
start || { echo "not ok it starts"; exit 1; }
check "snapd starts the monitor" until_true runs
first=$m
id=$(once)
echo two >>"$w/a.py"
train raise 9
go
check "a training that is killed takes a snapshot at once" until_true is_exit
check "the snapshot says what died" sh -c 'echo "$1" | grep -q "run ended (process $2, signal 9)"' - "$(newest)" "$train"
check "it holds what was saved before" same
check "the monitor is answered with the snapshots" until_true linked
both() { grep -a "kind=link" "$HOLDFAST_STATE/spool" | grep -q "before=$id	.*after=$(once)"; }
check "the one before and the one after" both

had=$(field snapshots)
train exit 0
go
check "an orderly end is told" until_true told
train raise 11
go
more() { [ "$(field snapshots)" -gt "$had" ]; }
until_true more
check "and takes none" [ "$(field snapshots)" -eq $((had + 1)) ]

calm()
{
	a=$(field wakeups); b=$(field wakeups)
	sleep 3
	[ $(($(field wakeups) - b)) -eq $((b - a)) ]
}
calm_soon() { calm || calm || calm; }	# on a busy machine the last event may still be at work
check "nothing dies: no wake-up" calm_soon

kill -9 "$first"
check "a monitor that is killed is started again" until_true another "$first"
second=$m
train raise 9
had=$(field snapshots)
go
check "and heard" until_true more
# The number of the newest event counts on from the start's microseconds. What ends while one program becomes the
# other is not told; so the training waits for that.
at() { ask status | sed -n 's/.*"newest":\([0-9]*\).*/\1/p'; }
before=$(at)
kill -HUP "$second"
begun_again() { [ "$(at)" -gt $((before + 1000)) ] 2>/dev/null; }
check "SIGHUP begins again" until_true begun_again
train exit 3
go
check "SIGHUP: the same process with new settings" [ "$(monitor)" = "$second" ]
check "and it watches" until_true told
stop
check "the monitor outlives snapd" [ "$(monitor)" = "$second" ]
start
listens() { ask status | grep -q '"waiting":1'; }
check "another snapd uses the one that runs" until_true listens
check "still the same" [ "$(monitor)" = "$second" ]
ended() { grep -aq "kind=exit.*pid=$1	.*comm=snapd	.*signal=9" "$HOLDFAST_STATE/spool"; }
check "who stopped snapd need not be told of its end" sh -c '! grep -aq "kind=exit.*comm=snapd	" "$1"' - "$HOLDFAST_STATE/spool"
kill -9 "$pid"
check "snapd that is killed is told of" until_true ended "$pid"
start
check "and the next one is heard" until_true listens
check "detect watch --stop" "$detect" watch --stop
check "ends it" until_true dead "$second"
sleep 1
check "what was stopped on purpose is not started again" sh -c '! "$1" watch --stop 2>/dev/null' - "$detect"
kill -HUP "$pid"
check "but on SIGHUP" until_true another "$second"
until_true listens
"$detect" watch --stop
until_true dead "$m"
"$detect" watch 2>/dev/null &
pids="$pids $!"
check "one that is started by hand after a stop is listened to" until_true listens
m=$(monitor)
"$snapd" -w "$w" --store "$s" --uninstall=login --yes >"$d/un" 2>&1
check "uninstalled, one that was started by hand goes on" [ "$(monitor)" = "$m" ]
check "and the way to end it is said" grep -q "started by hand and goes on; detect watch --stop" "$d/un"
"$detect" watch --stop
until_true dead "$m"

# The monitor that snapd started goes with the last workspace.
start
until_true listens
runs
mkdir "$d/other"
"$snapd" -w "$d/other" --store "$d/s2" -q 2>/dev/null &
pids="$pids $!"
both_listen() { ask status | grep -q '"waiting":2'; }
check "two share one monitor" until_true both_listen
"$snapd" -w "$d/other" --store "$d/s2" --uninstall=login --yes >"$d/un" 2>&1
check "one of two workspaces is uninstalled: it stays" [ "$(monitor)" = "$m" ]
before=$(at)
kill -HUP "$m"
until_true begun_again
until_true listens
"$snapd" -w "$w" --store "$s" --uninstall=login --yes >"$d/un" 2>&1
check "the last one takes it along, read again or not" until_true dead "$m"
check "and says so" grep -q "the monitor is ended, too" "$d/un"

check "who asks for help gets no monitor" timeout 60 "$detect" watch --log-dir --help >"$d/help"
check "but help" grep -q "^usage:" "$d/help"
"$detect" watch --log-dir "$d/logs" 2>"$d/err" &
by_hand=$!
pids="$pids $by_hand"
check "detect watch by hand" until_true runs
check "is that process" [ "$m" = "$by_hand" ]
timeout 20 "$detect" watch 2>"$d/err2"
check "a second one is refused" [ $? -eq 4 ]
check "and told who runs it" grep -q "process $by_hand " "$d/err2"
train exit 1
go
logged() { grep -q "\"kind\":\"exit\".*\"pid\":$train,.*\"code\":1" "$d/logs/events.jsonl"; }
check "the end stands in the log" until_true logged
check "and a sample" [ -s "$d/logs/samples.jsonl" ]
"$detect" watch --stop
wait "$by_hand"
check "detect watch exits 0 when it is stopped" [ $? -eq 0 ]
"$detect" watch --nonsense 2>/dev/null
check "wrong usage" [ $? -eq 2 ]
