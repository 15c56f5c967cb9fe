#!/bin/sh
# ci: yes
# Notifications over a real session bus: dbus-daemon, notify-send, and a notification service that presses the buttons. What
# a button opens is a stand-in for a terminal program. Needs dbus-daemon, libnotify-bin, python3-dbus and python3-gi.
. "$(dirname "$0")/detect/lib.sh"
for c in dbus-daemon notify-send; do command -v $c >/dev/null 2>&1 || { echo "skip notifications: no $c"; exit 77; }; done
py=
for c in /usr/bin/python3 python3; do $c -c 'import dbus, gi' 2>/dev/null && py=$c && break; done
[ -n "$py" ] || { echo 'skip notifications: no python3-dbus or python3-gi'; exit 77; }
started=
trap 'kill $started 2>/dev/null; chmod -R u+rwx "$d" 2>/dev/null; rm -rf "$d"' EXIT
# till WHAT...: until it holds, 30 s
till() { n=0; until "$@"; do n=$((n + 1)); [ $n -le 600 ] || return 1; sleep 0.05; done; }
# bus NAME: a bus of its own
bus() { dbus-daemon --session --nofork --nopidfile --address="unix:path=$d/$1" >"$d/$1.log" 2>&1 & started="$started $!"; till test -S "$d/$1" || not_ok 'a session bus'
	export DBUS_SESSION_BUS_ADDRESS="unix:path=$d/$1"; }
state() { export HOLDFAST_STATE="$d/$1"; mkdir -m 700 "$HOLDFAST_STATE"; }
t=$(ago 60)
mkdir -p "$d/bin" "$d/my work"
printf '#!/bin/sh\n{ pwd; for a; do echo "$a"; done; } >"%s/terminal.new"; mv "%s/terminal.new" "%s/terminal"\n' "$d" "$d" "$d" >"$d/bin/x-terminal-emulator"
printf '#!/bin/sh\necho called >>"%s/called"\nexec "%s" "$@"\n' "$d" "$(command -v notify-send)" >"$d/bin/notify-send"
chmod +x "$d/bin/x-terminal-emulator" "$d/bin/notify-send"
export PATH="$d/bin:$PATH" XDG_RUNTIME_DIR="$d/run"
mkdir -m 700 "$d/run"
crash() { fact id="$1" real=$((t + $2)) pid=75 of_kind=editor family=VSCode role=main status=signaled signal=11
	fact kind=link id="$1-1" of="$1" real=$((t + $2)) workspace="$d/my work" store=/s before="$(printf '%040d' 1)" before_ms="$t"; }

# No session: nothing is tried.
crash silent 1000
judge
check 'without a session nothing is started' test ! -e "$d/called"

# A bus without a desktop behind it: said once, nobody waits.
state s1
bus empty
crash alone 2000
judge
check 'a bus that nobody answers on: the judge does not wait' test -e "$HOLDFAST_STATE/journal.db"
till test -s "$d/called" || not_ok 'notify-send was tried'

# The desktop.
state s2
bus bus
"$py" "$here/detect/notifyd.py" "$d/shown" open >"$d/service.log" 2>&1 &
started="$started $!"
till test -e "$d/shown.ready" || { not_ok 'the notification service'; cat "$d/service.log"; }
crash press 3000
judge
till test -s "$d/shown"
says 'a crash is shown' "$d/shown" '"app": "Holdfast", "summary": "Holdfast: a program crashed"'
says 'with what and why, and what to type' "$d/shown" 'VSCode main (75) crashed (SIGSEGV).*recover report'
says 'and the button' "$d/shown" '"actions": \["open", "Recover"\], "urgency": 2'
till test -e "$d/terminal"
says 'Recover opens a terminal with the report' "$d/terminal" 'recover report; exec'
check 'in the workspace' [ "$(head -1 "$d/terminal")" = "$d/my work" ]
# Within ten seconds of it: a training's end is recorded, not shown.
fact id=soon real=$((t + 3500)) pid=77 status=signaled signal=11
judge
check 'one at a time' [ "$(wc -l <"$d/shown")" = 1 ]

state s3
rm -f "$d/terminal"
fact kind=risk id=warn real=$((t + 4000)) was=1 risk=2 reasons='memory 97 % <b>used</b>'
judge
shown() { [ "$(wc -l <"$d/shown")" -ge "$1" ]; }
till shown 2
tail -n 1 "$d/shown" >"$d/last"
says 'CRITICAL is shown' "$d/last" 'memory is running out'
says 'with its button' "$d/last" '"actions": \["open", "What to do"\]'
says 'what a name holds is no markup' "$d/last" '&lt;b&gt;used'
till test -e "$d/terminal"
says 'which says how the machine is and what to do' "$d/terminal" 'detect report; exec'

# By its socket alone, as at most logins.
state s4
unset DBUS_SESSION_BUS_ADDRESS
ln -s "$d/bus" "$XDG_RUNTIME_DIR/bus"
crash socket 5000
judge
till shown 3
check 'the bus is found by its socket' shown 3
exit $bad
