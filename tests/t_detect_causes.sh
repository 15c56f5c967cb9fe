#!/bin/sh
# The judge: facts of the spool become rows of the journal with the right cause, each told once. Facts of the past, so that
# nothing is waited for; tests/real_causes.sh does the same with real programs.
. "$(dirname "$0")/detect/lib.sh"
events() { "$bin/detect-core" events "$@"; }
t=$(ago 100)

gives 1 "events: nothing yet is a no" events
fact id=zero real=$t code=0
fact id=three real=$t pid=11 code=3
fact id=segv real=$t pid=12 status=signaled signal=11
fact id=kill real=$t pid=13 status=signaled signal=9 oom0=4 oom1=4 cgoom0=1 cgoom1=1
fact id=term real=$t pid=14 status=signaled signal=15
fact id=oom real=$t pid=15 status=signaled signal=9 oom0=4 oom1=5 cgoom0=1 cgoom1=2 m.mem_total=16000000000 m.mem_available=9000000000
fact id=none real=$t pid=16 status=unknown
judge
is "exit 0" zero cause exited
is "exit 3" three cause failed
is "SIGSEGV" segv cause crashed
is "kill -9 with counters that stood still" kill cause killed
is "SIGTERM" term cause terminated
is "its cgroup's counter moved" oom cause "out-of-memory (cgroup)"
is "a kernel that tells nothing" none cause unknown
is "all are final" none final true
check "the spool is empty then" [ ! -s "$HOLDFAST_STATE/spool" ]
judge
check "judged once" [ "$(events --json | wc -l)" = 7 ]

# A run and its worker, in either order of the file.
fact id=run real=$((t + 2000)) pid=20 code=1
fact id=worker real=$((t + 1000)) role=worker pid=21 ppid=20 status=signaled signal=9 oom0=1 oom1=2 cgoom0=0 cgoom1=1 m.mem_total=16000000000 m.mem_available=100000000
judge
is "a run is laid to its worker" run cause "out-of-memory (kernel)"
is "with less confidence" run confidence likely

# Loaders that a run has killed when it is done with them, and what it ends with later.
fact id=torn real=$((t + 1000)) role=worker pid=24 ppid=23 argv='python3 -W ignore train.py -b 8' status=signaled signal=9 oom0=1 oom1=1
fact id=tears real=$((t + 6000)) pid=23 code=1 argv='python3 -W ignore train.py -b 8'
judge
is "what a run killed is no crash" torn crash false
is "and not why it failed" tears what "train.py (23) failed (exit code 1)"
is "a worker is called by its script" torn what "train.py worker (24) was killed (SIGKILL); by whom is not known"

# The group's limit is what counts, not the machine's.
fact id=bound real=$((t + 1500)) pid=25 status=signaled signal=9 oom0=1 oom1=2 cgoom0=0 cgoom1=1 cgroup=/u/small cglimit=209715200 \
	cgpeak=209700000 mono=90500 counted=89000 m.mem_total=16000000000 m.mem_available=9000000000
judge
field bound evidence >"$d/bound"
says "the limit and the use of its group" "$d/bound" "its cgroup /u/small: limit 200 MiB, at most 200 MiB used"
says "and since when a counter moved" "$d/bound" "its cgroup's oom_kill went from 0 to 1 in the 2 s before"

# An editor: helpers that go with a main process that quit, and one that went alone.
fact id=quit real=$((t + 3000)) of_kind=editor family=VSCode role=main pid=30
fact id=helper real=$((t + 2900)) of_kind=editor family=VSCode role=renderer pid=31 ppid=29 status=signaled signal=9 oom0=1 oom1=1
fact id=alone real=$((t + 60000)) of_kind=editor family=VSCode role=renderer pid=32 ppid=29 status=signaled signal=9 oom0=1 oom1=1
judge
is "main quits" quit cause quit
is "its window with it" helper cause quit
events >"$d/rows"
silent "what went with its whole is one row with it" "$d/rows" "went with process"
says "and counted" "$d/rows" "1 helpers that went with theirs are left out"
events -v >"$d/rows"
says "-v shows it" "$d/rows" "went with process"
is "a window alone is killed" alone cause killed
is "that is a crash" alone crash true

# code-server exits 0 when its child was killed.
fact id=child real=$((t + 4000)) of_kind=editor family=code-server role=server-child pid=41 ppid=40 status=signaled signal=9 oom0=1 oom1=1
fact id=server real=$((t + 4100)) of_kind=editor family=code-server role=server pid=40
judge
is "code-server's child" child cause killed
is "takes its parent along" server cause killed

# An extension host that is killed does not end its server.
fact id=host real=$((t + 25000)) of_kind=editor family=code-server role=extension-host pid=45 ppid=44 status=signaled signal=9 oom0=1 oom1=1
fact id=child2 real=$((t + 27400)) of_kind=editor family=code-server role=server-child pid=44 ppid=43 status=unknown
fact id=server2 real=$((t + 27300)) of_kind=editor family=code-server role=server pid=43
judge
is "an extension host" host cause killed
is "its server is quit" server2 cause quit
is "and its child with it" child2 cause quit

# A child of which nothing is known: its parent's 0 is no quit.
fact id=child3 real=$((t + 35000)) of_kind=editor family=code-server role=server-child pid=47 ppid=46 status=unknown
fact id=server3 real=$((t + 35100)) of_kind=editor family=code-server role=server pid=46
judge
is "its parent's 0 is not taken for a quit" server3 cause unknown

# The editor's own traces, where the kernel tells nothing.
mkdir -p "$d/U/logs/20261124T010203"
stamp=$(TZ=UTC date -d "@$(((t + 40500) / 1000))" '+%Y-%m-%d %H:%M:%S.000')
echo "$stamp [error] CodeWindow: renderer process gone (reason: crashed, code: 11)" >"$d/U/logs/20261124T010203/main.log"
TZ=UTC; export TZ
fact id=traced real=$((t + 40000)) of_kind=editor family=VSCode role=renderer pid=51 status=unknown user_data="$d/U"
judge
is "a window's end by the editor's log" traced cause crashed

# The guard's ledger.
printf '%s\t61\t5\tkill\tmemory at 97 %%\n' $((t + 7000)) >"$HOLDFAST_STATE/ledger"
fact id=guard real=$((t + 7100)) pid=61 status=signaled signal=9
judge
is "our own guard" guard cause "out-of-memory (guard)"

# A machine that was lost; a link; risk; a hang.
fact kind=machine id=lost real=$((t + 8000)) m.real=$((t + 90000)) m.mono=30000 m.total=1 m.available=1
fact kind=link id=link-1 of=lost workspace="$d/w" store="$d/s" before=0123456789012345678901234567890123456789 before_ms=$t
fact kind=risk id=risk was=1 risk=2 reasons="memory 97 %"
fact kind=hang id=hang state=T
judge
is "the machine" lost cause machine-lost
is "its link" lost workspace "$d/w"
is "not later than the boot" lost not_after "$(python3 -c "import datetime; print(datetime.datetime.fromtimestamp($((t + 60000)) // 1000, datetime.timezone.utc).isoformat())")"
is "risk" risk kind risk
is "a hang" hang what "python3 run (4711) is stopped (state T): Ctrl-Z, a signal or a debugger holds it"

# Output.
events >"$d/rows"
says "into a file or a pipe nothing is cut" "$d/rows" ' is stopped (state T): Ctrl-Z, a signal or a debugger holds it$'
python3 -c 'import pty, sys; pty.spawn(sys.argv[1:])' "$bin/detect-core" events </dev/null | tr -d '\r' >"$d/rows"
check "in a terminal a row fits 80 columns" [ "$(wc -L <"$d/rows")" = 80 ]
says "and shows that there is more" "$d/rows" ' is stopped (state T): .*~$'
check "--crashes leaves out the rest" [ "$(events --json --crashes | grep -c '"crash":false')" = 0 ]
check "-n" [ "$(events -n 2 | wc -l)" = 2 ]
check "--since" [ "$(events --json --since 5s | wc -l)" -lt "$(events --json | wc -l)" ]
gives 2 "a wrong option" events --no-such
gives 2 "a wrong time" events --since soon
says "is named" "$d/err" '^detect: events: --since soon: not a span'

# Told once: the hook and the notification, also by a judge that begins again.
mkdir "$d/bin"
printf '#!/bin/sh\ncat >>"%s/hooked"\n' "$d" >"$d/bin/hook"
printf '#!/bin/sh\nfor a; do echo "$a"; done >>"%s/notified"\n' "$d" >"$d/bin/notify-send"
chmod +x "$d/bin/hook" "$d/bin/notify-send"
printf '[detect]\n\thook = %s\n' "$d/bin/hook" >"$HOME/.config/holdfast/config"
export PATH="$d/bin:$PATH" DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent
fact id=told real=$((t + 9000)) pid=71 status=signaled signal=11 comm='a<b'
fact id=quiet real=$((t + 9000)) pid=72 code=3
fact id=worker2 real=$((t + 9001)) role=worker pid=73 ppid=9 status=signaled signal=11
judge
check "the hook gets the crash as JSON" [ "$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["id"])' "$d/hooked")" = told ]
until grep -q 'recover report' "$d/notified" 2>/dev/null; do sleep 0.02; done
says "the notification says what and why" "$d/notified" 'a&lt;b run (71) crashed (SIGSEGV)'
says "and what to do" "$d/notified" 'recover report'
fact id=told2 real=$((t + 9500)) pid=74 status=signaled signal=11
judge
check "the hook gets each" [ "$(wc -l <"$d/hooked")" = 2 ]
sleep 0.2
check "notifications are apart" [ "$(grep -c -e --urgency "$d/notified")" = 1 ]
# A judge that was killed between the rows and the spool: the facts are there again.
fact id=told real=$((t + 9000)) pid=71 status=signaled signal=11
judge
check "nothing is told twice" [ "$(wc -l <"$d/hooked")" = 2 ]
# The button: what is pressed opens a terminal with the report, in the workspace.
mkdir -p "$d/my work"
printf '#!/bin/sh\ncase "$*" in *--action=open=Recover*) echo open;; esac\n' >"$d/bin/notify-send"
printf '#!/bin/sh\n{ pwd; for a; do echo "$a"; done; } >"%s/terminal.new"; mv "%s/terminal.new" "%s/terminal"\n' "$d" "$d" "$d" >"$d/bin/x-terminal-emulator"
chmod +x "$d/bin/x-terminal-emulator"
fact id=press real=$((t + 20000)) pid=75 of_kind=editor family=VSCode role=main status=signaled signal=11
fact kind=link id=press-1 of=press real=$((t + 20000)) workspace="$d/my work" store=/s before=$(printf '%040d' 1) before_ms=$t
judge
n=0
until [ -e "$d/terminal" ] || [ $n = 500 ]; do n=$((n + 1)); sleep 0.02; done
says "the button opens a terminal" "$d/terminal" 'recover report'
check "in the workspace" [ "$(head -1 "$d/terminal")" = "$d/my work" ]
check "the hook is told what is safe" python3 -c 'import json,sys
e = [json.loads(x) for x in open(sys.argv[1])][-1]; assert e["id"] == "press" and e["workspace"] == sys.argv[2] and e["snapshot"], e' "$d/hooked" "$d/my work"

# CRITICAL has a button too: what holds the memory, and what to do. (Journals of their own: none was told just before.)
was=$HOLDFAST_STATE
export HOLDFAST_STATE="$d/state2"
mkdir -m 700 "$d/state2" "$d/state3"
rm -f "$d/terminal"
printf '#!/bin/sh\nfor a; do echo "$a"; done >>"%s/warned"\ncase "$*" in *"--action=open=What to do"*) echo open;; esac\n' "$d" >"$d/bin/notify-send"
fact kind=risk id=warn real=$((t + 40000)) was=1 risk=2 reasons="memory 97 %"
judge
n=0
until [ -e "$d/terminal" ] || [ $n = 1500 ]; do n=$((n + 1)); sleep 0.02; done
says "CRITICAL's button opens one" "$d/terminal" 'detect report; exec'
says "and says so" "$d/warned" 'memory is running out'
says "with the command" "$d/warned" '`detect` shows how the machine is and what to do'
# Before libnotify 0.8: no buttons, told all the same.
HOLDFAST_STATE=$d/state3
printf '#!/bin/sh\ncase "$*" in *--action*) exit 1;; esac\nfor a; do echo "$a"; done >"%s/plain.new"; mv "%s/plain.new" "%s/plain"\n' "$d" "$d" "$d" >"$d/bin/notify-send"
fact kind=risk id=warn2 real=$((t + 41000)) was=1 risk=2 reasons="memory 98 %"
judge
n=0
until [ -e "$d/plain" ] || [ $n = 1500 ]; do n=$((n + 1)); sleep 0.02; done
says "without buttons it is told too" "$d/plain" 'memory is running out'
# Before that there is a warning, once in a while; it does not stand in the way of what follows.
HOLDFAST_STATE=$d/state4
mkdir -m 700 "$d/state4"
printf '#!/bin/sh\nfor a; do printf "%%s|" "$a"; done >>"%s/soon"; echo >>"%s/soon"\n' "$d" "$d" >"$d/bin/notify-send"
fact kind=risk id=other real=$((t + 41000)) was=0 risk=1 reasons="swap 60 % used"
fact kind=risk id=soon real=$((t + 42000)) was=0 risk=1 reasons="memory will be critical in 40 s at this growth (medium under 60 s)"
fact kind=risk id=again real=$((t + 43000)) was=0 risk=1 reasons="memory will be critical in 30 s at this growth (medium under 60 s)"
judge
fact kind=risk id=now real=$((t + 44000)) was=1 risk=2 reasons="memory 88 % used"
judge
told() { [ "$(grep -c . "$d/soon" 2>/dev/null)" -ge 2 ]; }
n=0
until told || [ $n = 1500 ]; do n=$((n + 1)); sleep 0.02; done
says "a warning that it will be short" "$d/soon" 'urgency=normal.*will soon run out.*critical in 40 s at this growth'
check "once, and what asks for care alone is none" [ "$(grep -c 'will soon run out' "$d/soon")" = 1 ]
says "what comes after it is told all the same, with its reasons" "$d/soon" 'urgency=critical.*is running out.*memory 88 % used'
HOLDFAST_STATE=$was

# Without a desktop: the user's own terminals, where messages are let through.
unset DBUS_SESSION_BUS_ADDRESS
export HOLDFAST_TTYS="$d/pts"
mkdir "$d/pts" && mkfifo -m 620 "$d/pts/1" && mkfifo -m 600 "$d/pts/2" && mkfifo -m 620 "$d/pts/ptmx"
for f in 1 2 ptmx; do timeout 20 cat <>"$d/pts/$f" >"$d/said.$f" & pids="${pids:-} $!"; done
fact id=tty real=$((t + 50000)) pid=76 status=signaled signal=11 comm="$(printf 'a\033[2J')"
judge
n=0
until [ -s "$d/said.1" ] || [ $n = 500 ]; do n=$((n + 1)); sleep 0.02; done
says "a terminal is told" "$d/said.1" 'detect: a?\[2J run (76) crashed (SIGSEGV) (recover report)'
check "mesg n is respected" [ ! -s "$d/said.2" ]
check "nothing else is written to" [ ! -s "$d/said.ptmx" ]
printf '[detect]\n\tterminal = false\n' >"$HOME/.config/holdfast/config"
: >"$d/said.1"
fact id=tty2 real=$((t + 51000)) pid=77 status=signaled signal=11
judge
check "detect.terminal = false" [ ! -s "$d/said.1" ]
kill $pids 2>/dev/null

# A damaged page: what is still to be read is kept, what comes is recorded.
python3 -c 'import os, sys
n = os.path.getsize(sys.argv[1])
with open(sys.argv[1], "r+b") as f:
    f.seek(n // 2)
    f.write(os.urandom(n // 4))' "$HOLDFAST_STATE/journal.db"
fact id=after real=$((t + 90000)) pid=90 code=3
judge
is "an end after a page was damaged" after cause failed
judge
check "the damaged one is kept" [ "$(ls "$HOLDFAST_STATE" | grep -c 'journal.db.bad-')" -le 1 ]

gives 0 "a judge with nothing to do stays a while, and ends" timeout 30 "$bin/detect-core" judge
# Without a HOME, of a user who has none.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	nobody() { env -u HOME -u XDG_STATE_HOME -u HOLDFAST_STATE setpriv --reuid 54321 --clear-groups "$@"; }
	open=$(mktemp -d /tmp/holdfast-nobody-XXXXXX) # the tests' own folders are closed to others
	cp "$bin/detect" "$bin/detect-core" "$open/"; chmod 755 "$open" "$open/detect" "$open/detect-core"
	gives 4 "no state folder is known" nobody "$open/detect" events
	says "and what is missing is said" "$d/err" "HOME is not set"
	rm -rf "$open"
fi
[ $bad = 0 ]
