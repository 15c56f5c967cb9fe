#!/bin/sh
# A daemon that is busy, signals, and what a service manager hears.
. "$(dirname "$0")/snapd/lib.sh"

python3 - "$w" <<'PY'
import os, sys
for d in range(100):
    p = os.path.join(sys.argv[1], 'd%d' % d)
    os.mkdir(p)
    for f in range(200):
        with open(os.path.join(p, 'f%d' % f), 'w') as o:
            o.write('%d %d\n' % (d, f))
PY

launch() { "$snapd" -w "$w" --store "$s" --interval 1h "$@" 2>>"$d/log" & pid=$!; pids="$pids $pid"; }
# Its first scan is under way, or over.
under_way() { "$snapd" -w "$w" --store "$s" --status --json >"$d/said" 2>/dev/null && grep -q '"running":true' "$d/said"; }

launch
busy()
{
	until_true under_way && grep -q '"scanning":{"files":[0-9]*,"bytes":[0-9]*}' "$d/said" &&
		"$snapd" -w "$w" --store "$s" --status >"$d/text" && grep -q '^scanning .* files' "$d/text"
}
check "--status answers during the first scan" busy
waits() { id=$(once) && [ ${#id} -eq 40 ] && same && "$snapd" -w "$w" --store "$s" --status --json | grep -q '"scanning":null'; }
check "--once waits for it" waits
stop
rm -rf "$s"

launch
again() { until_true under_way && kill -TERM "$pid" && kill -INT "$pid"; wait "$pid"; [ "$("$snapd" -w "$w" --store "$s" --status --json | sed 's/.*"snapshots":\([0-9]*\).*/\1/')" = 0 ]; }
check "a second signal to end gives the snapshot up" again
said() { grep -q "a second signal (Ctrl-C) gives it up" "$d/log"; }
check "the first is answered at once" said
launch
term() { until_true under_way && kill -TERM "$pid" && wait "$pid" && same; }
check "one SIGTERM does not" term

start || exit 1
hangs()
{
	kill -STOP "$pid"; HOLDFAST_PATIENCE=1 once >"$d/said" 2>"$d/err"; r=$?
	kill -CONT "$pid"
	[ $r -eq 4 ] && [ ! -s "$d/said" ] && grep -q "waiting for snapd, process $pid" "$d/err" && grep -q "kill -CONT $pid" "$d/err"
}
check "a daemon that hangs is named, and not waited for without end" hangs
goes_on() { once >/dev/null && same; }
check "it goes on when it can" goes_on
debug() { kill -USR1 "$pid" && until_true grep -q "debug messages are on" "$d/log" && kill -USR1 "$pid" && until_true grep -q "are off" "$d/log"; }
check "SIGUSR1 turns debug messages on and off" debug
stop

rm -rf "$w"/d?* "$s"; echo 1 >"$w/f"
cat >"$d/manager.py" <<'PY'
import os, signal, socket, subprocess, sys
path, args = sys.argv[1], sys.argv[2:]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind('\0' + path[1:] if path[0] == '@' else path)
s.settimeout(20)
p = subprocess.Popen(args, env=dict(os.environ, NOTIFY_SOCKET=path, WATCHDOG_USEC='200000'))
os.environ.pop('WATCHDOG_PID', None)
def expect(*words):
    while True:
        got = s.recv(4096).decode().split('\n')
        if all(any(g.startswith(w) for g in got) for w in words):
            return
try:
    expect('READY=1', 'STATUS=watching 1 folder,')
    expect('WATCHDOG=1')
    expect('WATCHDOG=1')
    p.send_signal(signal.SIGHUP)
    expect('RELOADING=1', 'MONOTONIC_USEC=')
    expect('READY=1')
    p.send_signal(signal.SIGTERM)
    expect('STOPPING=1')
    sys.exit(p.wait())
finally:
    p.kill()
PY
hears() { python3 "$d/manager.py" "$1" "$build/snapd" -q -w "$w" --store "$s"; }
check "the service manager hears of start, life, reload and end" hears "$d/notify"
check "also through an abstract socket" hears "@holdfast-test-$$"
other() { WATCHDOG_USEC=100000 WATCHDOG_PID=1 NOTIFY_SOCKET="$d/nobody" "$snapd" -w "$w" --store "$s" --once >/dev/null; }
check "nobody listens: never mind" other
