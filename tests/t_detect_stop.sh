#!/bin/sh
# `detect stop` and `detect clean`: what they take, and above all what they leave.
. "$(dirname "$0")/detect/lib.sh"

detect=$bin/detect
until_true() { tries=0; until "$@"; do tries=$((tries + 1)); [ $tries -lt 400 ] || return 1; sleep 0.05; done; }
gone() { case $(cat "/proc/$1/stat" 2>/dev/null) in '' | *') Z '*) ;; *) return 1;; esac; }
alive() { ! gone "$1"; }
# Trainings and editors of other tests are not ours to end.
mkdir -p "$d/bin" "$d/share/code" "$d/w" "$d/tmp"
export HOLDFAST_WATCH_BELOW="$d/" TMPDIR="$d/tmp" HOLDFAST_NVML=/nowhere
cp "$bin/tests/tool_end" "$d/bin/python3"
cp "$bin/tests/tool_end" "$d/share/code/code"
cp "$bin/tests/tool_end" "$d/bin/vim"
pids=
trap 'for p in $pids; do kill -9 $p 2>/dev/null; done; chmod -R u+rwx "$d" 2>/dev/null; rm -rf "$d"' EXIT
cd "$d/w" || exit 1
mkfifo "$d/quiet"
exec 9<>"$d/quiet"
start() { "$@" <"$d/quiet" >"$d/started" 2>&1 & pid=$!; pids="$pids $pid"; until_true grep -q ready "$d/started"; }

gives 1 "nothing to end" "$detect" stop
start "$d/bin/python3" train.py ready hear
train=$pid
start "$d/bin/python3" serve.py ready hear
other=$pid
start "$d/share/code/code" train.py ready hear
editor=$pid
start "$d/bin/vim" train.py ready hear
vim=$pid
start "$d/bin/python3" -m ipykernel_launcher ready hear
kernel=$pid
gives 0 "--dry-run" "$detect" stop --dry-run
says "names it" "$d/out" "^train.py, process $train, .*: would be ended"
check "and that alone" [ "$(grep -c process "$d/out")" = 1 ]
check "and changes nothing" alive $train
check "not even the ledger" [ ! -e "$HOLDFAST_STATE/ledger" ]
kill -STOP $train
gives 0 "a frozen training" "$detect" stop
check "is gone" gone $train
says "and it is said" "$d/out" "^train.py, process $train, .*: ended"
says "in the ledger before" "$HOLDFAST_STATE/ledger" "	$train	[0-9]*	term	detect stop"
for p in $other $editor $vim $kernel; do check "process $p is left" alive $p; done
gives 0 "--all" "$detect" stop --all --json
says "notebook kernels too" "$d/out" "\"pid\":$kernel,.*\"result\":\"ended\""
check "gone" gone $kernel
check "the editor is left" alive $editor

printf 'import signal, os, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nos.fork()\nprint("ready", flush=True)\ntime.sleep(60)\n' >"$d/w/stubborn"
"$detect" run --need 1M --no-snapshot -- python3 stubborn >"$d/run.out" 2>&1 &
viewer=$!
until_true grep -q ready "$d/run.out"
gives 0 "a run that ignores SIGTERM, under any name" "$detect" stop --grace 100ms
says "is killed" "$d/out" ': killed'
check "its worker too" [ "$(grep -c killed "$d/out")" = 2 ]
wait $viewer
check "who ran it is told" [ $? = 137 ]
says "in the ledger" "$HOLDFAST_STATE/ledger" '	kill	detect stop'
"$detect" runs --json -n 1 >"$d/out"
says "as the cause" "$d/out" '"cause":"terminated","how":"ended by hand: detect stop","ended_by":"detect stop"'
says "where it ran" "$d/run.out" '^detect: ended by hand: detect stop$'
"$detect" runs -n 1 >"$d/out"
says "in the list" "$d/out" ' ended by hand    python3 stubborn$'
"$detect" runs --html "$d/runs.html"
says "on the page" "$d/runs.html" 'class="n fail">ended by hand</td>'
silent "and as nothing that ran out of memory" "$d/runs.html" 'out of memory</span>'
"$detect" gate -- python3 stubborn >"$d/out"
silent "the next needs no more than it took" "$d/out" 'wanted more than it got'
until_true sh -c '"$1" events | grep -q "by hand"' - "$detect"
"$detect" events >"$d/out"
says "in the events, as no crash" "$d/out" '   run [0-9a-f]*: ended by hand: detect stop, at most'
gives 1 "no crash is recorded" "$detect" events --crashes
# The guard's own line beside it: memory ran out, and that is told.
cat >guarded <<'X'
import os, time
with open(os.environ["HOLDFAST_STATE"] + "/ledger", "a") as f:
    f.write("%d\t%d\t0\tterm\tmemory at 97 %%\n" % (time.time() * 1000, os.getpid()))
os.kill(os.getpid(), 15)
X
gives 143 "ended by the guard" "$detect" run --need 1M --no-snapshot -- python3 guarded
says "is told apart" "$d/err" '^detect: ended by the guard, to keep the editor alive$'
"$detect" runs --json -n 1 >"$d/out"
says "in the record too" "$d/out" '"cause":"out-of-memory (guard)".*"ended_by":null'
until_true sh -c '"$1" events --crashes | grep -q "by the guard"' - "$detect"
check "and is the crash" [ "$("$detect" events --crashes | wc -l)" = 1 ]
# With settings that are broken the names that are no training are not known.
printf '[detect\n' >"$d/broken"
start "$d/bin/python3" train.py ready hear
named=$pid
gives 2 "broken settings" env HOLDFAST_CONFIG="$d/broken" "$detect" stop
says "say what goes then" "$d/err" 'only what `detect run` started is ended'
says "and that nobody looked for others" "$d/err" 'other trainings were not looked for'
"$detect" run --need 1M --no-snapshot -- python3 stubborn >"$d/run2.out" 2>&1 &
viewer=$!
until_true grep -q ready "$d/run2.out"
gives 0 "broken settings, and a run" env HOLDFAST_CONFIG="$d/broken" "$detect" stop --grace 100ms
wait $viewer
check "it is ended" [ $? = 137 ]
check "a training by its name is left" alive $named
kill -9 $named
# What asks for the end is never its own victim.
cp "$bin/tests/tool_end" "$d/bin/python3.11"
for a in --nonsense '--grace soon' now '--grace'; do
	# shellcheck disable=SC2086
	gives 2 "stop $a" "$detect" stop $a
	says "names it" "$d/err" "^detect: stop: ${a%% *}.*: .*; detect stop --help"
done

# clean
clean() { "$detect" clean --keep-caches "$@"; }
mkdir -p pkg/__pycache__ .venv/lib/__pycache__ mine/__pycache__ .pytest_cache/v .git/__pycache__ "$d/outside/__pycache__" data
echo x >pkg/m.py
for f in pkg/__pycache__/m.cpython-311.pyc .venv/lib/__pycache__/a.cpython-311.pyc .git/__pycache__/b.cpython-311.pyc \
	mine/__pycache__/c.cpython-311.pyc mine/__pycache__/notes.txt .pytest_cache/v/x "$d/outside/__pycache__/o.cpython-311.pyc"; do
	head -c 5000 /dev/zero >"$f"
done
ln -s "$d/outside" link
ln -s "$d/outside/__pycache__" data/__pycache__
gives 0 "clean --dry-run" clean --dry-run
says "says what" "$d/out" "^bytecode  *8.0 KiB  $d/w/pkg/__pycache__\|^bytecode .*$d/w/pkg/__pycache__"
says "and how much" "$d/out" '^would free .*nothing was changed'
check "nothing is changed" [ -e pkg/__pycache__/m.cpython-311.pyc ]
gives 0 "clean" clean
says "before and after" "$d/out" '^freed .*; memory available: .*, before '
check "bytecode is gone" [ ! -e pkg/__pycache__ ]
check "the tool's cache is gone" [ ! -e .pytest_cache ]
check "the source is not" [ -e pkg/m.py ]
check "a virtual environment is left" [ -e .venv/lib/__pycache__/a.cpython-311.pyc ]
check ".git is left" [ -e .git/__pycache__/b.cpython-311.pyc ]
check "a folder with something of a person's is left" [ -e mine/__pycache__/c.cpython-311.pyc ]
check "no link is followed" [ -e "$d/outside/__pycache__/o.cpython-311.pyc" ]
check "nor taken for a cache" [ -L data/__pycache__ ]
gives 0 "again" clean --json
says "nothing is left to do" "$d/out" '"items":\[\],"freed_bytes":0,'
mkdir -p "$HOME/x/__pycache__" && echo x >"$HOME/x/__pycache__/m.cpython-311.pyc"
cd "$HOME" || exit 1
gives 0 "in \$HOME" clean
says "nothing is searched" "$d/err" 'is no workspace'
check "nothing goes" [ -e "$HOME/x/__pycache__/m.cpython-311.pyc" ]
cd "$d/w" || exit 1
if [ "$(id -u)" != 0 ]; then
	mkdir -p ro/__pycache__ && echo x >ro/__pycache__/m.cpython-311.pyc && chmod 555 ro/__pycache__
	gives 3 "what cannot be removed is named" clean
	chmod 755 ro/__pycache__
fi
# What killed programs left: old, ours, open nowhere.
old() { touch -d '3 hours ago' "$1"; }
mkdir "$TMPDIR/pymp-old" "$TMPDIR/pymp-used" "$TMPDIR/pymp-new" "$TMPDIR/other-old"
echo x >"$TMPDIR/pymp-old/listener"
ctime_is_now() { gives 0 "what has changed lately" clean; check "stays" [ -e "$TMPDIR/pymp-old" ]; }
old "$TMPDIR/pymp-old"; ctime_is_now
gives 2 "clean: a word too many" "$detect" clean all
says "which" "$d/err" '^detect: clean: all: no such option'
# Our own old logs.
mkdir -p logs/monitoring "$d/outside/monitoring"
for f in logs/monitoring/samples.jsonl logs/monitoring/samples.jsonl.1 logs/monitoring/events.jsonl.1 logs/monitoring/mine.jsonl.1 \
	"$HOLDFAST_STATE/ledger.old" "$HOLDFAST_STATE/journal.db.bad-1" "$HOLDFAST_STATE/.learned.tmp-0123abcd" "$HOLDFAST_STATE/keep"; do
	echo x >"$f"; touch -d '8 days ago' "$f"
done
touch logs/monitoring/events.jsonl.1
gives 0 "old logs" clean
says "go" "$d/out" '^log  .*logs/monitoring/samples.jsonl.1$'
check "only those, and what is of today stays" [ "$(ls logs/monitoring | tr '\n' ' ')" = 'events.jsonl.1 mine.jsonl.1 samples.jsonl ' ]
check "and what lies useless in the state folder" sh -c 'cd "$1" && [ -e keep ] && [ ! -e ledger.old ] && [ ! -e journal.db.bad-1 ] && [ ! -e .learned.tmp-0123abcd ]' - "$HOLDFAST_STATE"
rm -r logs
echo x >"$d/outside/monitoring/samples.jsonl.1"; touch -d '8 days ago' "$d/outside/monitoring/samples.jsonl.1"
ln -s "$d/outside" logs
gives 0 "logs that lead elsewhere" clean
check "are left" [ -e "$d/outside/monitoring/samples.jsonl.1" ]
rm logs
# Old runs.
printf '[run]\n\tkeep = 1\n' >"$HOME/.config/holdfast/config"
n=$(ls "$HOLDFAST_STATE/runs" | wc -l)
mkdir "$HOLDFAST_STATE/runs/0123abcd"
printf 'state\tended\ncommand\ttrue\nbegan_ms\t1\n' >"$HOLDFAST_STATE/runs/0123abcd/run"
touch -d '1 day ago' "$HOLDFAST_STATE/runs/0123abcd"
gives 0 "runs beyond run.keep" clean
says "go" "$d/out" '^run  .*run 0123abcd'
check "the newest stay" [ "$(ls "$HOLDFAST_STATE/runs" | wc -l)" = 1 ]
exit $bad
