#!/bin/sh
# `detect run`, `runs` and `attach` from outside. Limits by the kernel: tests/real_run.sh.
. "$(dirname "$0")/detect/lib.sh"

detect=$bin/detect
until_true() { tries=0; until "$@"; do tries=$((tries + 1)); [ $tries -lt 400 ] || return 1; sleep 0.05; done; }
gone() { case $(cat "/proc/$1/stat" 2>/dev/null) in '' | *') Z '*) ;; *) return 1;; esac; }
run() { "$detect" run --need 1M --no-snapshot "$@"; }
newest() { "$detect" runs --json -n 1 >"$d/newest" && python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$d/newest" "$1"; }
newest_is() { got=$(newest "$2"); if [ "$got" = "$3" ]; then ok "$1"; else not_ok "$1: '$got', not '$3'"; fi; }
mkdir "$d/w" && cd "$d/w" || exit 1
pids=
trap 'for p in $pids; do kill -9 $p 2>/dev/null; done; chmod -R u+rwx "$d" 2>/dev/null; rm -rf "$d"' EXIT

gives 1 "no runs yet" "$detect" runs
gives 1 "nothing to attach to" "$detect" attach
for c in 0 1 3 255; do gives $c "exit $c" run -- sh -c "exit $c"; done
newest_is "it is written down" '(r["code"], r["cause"], r["how"], r["signal"])' "(255, 'failed', 'exit code 255', None)"
gives 137 "killed" run -- sh -c 'kill -9 $$'
newest_is "with its signal" '(r["code"], r["cause"], r["signal"])' "(None, 'killed', 9)"
gives 139 "crashed" run -- sh -c 'kill -SEGV $$'
newest_is "as a crash" 'r["cause"]' crashed
gives 127 "no such program" run -- ./nosuch
says "is said" "$d/err" './nosuch: '
gives 126 "one that may not be run" run -- /dev/null
mkdir "$d/w/gone" && cd "$d/w/gone" && rmdir "$d/w/gone"
gives 4 "from a folder that is gone" run -- true
says "is said, and what to do" "$d/err" 'the current folder is gone; cd to one'
cd "$d/w" || exit 1
gives 3 "a command without its --" run sh -c 'exit 3'
gives 7 "... behind options, with its own" run -q --nice 3 sh -c 'exit $1' - 7
run -q -- sh -c 'echo out; echo err >&2' >"$d/out" 2>"$d/err"
check "stdout stays stdout" [ "$(cat "$d/out")" = out ]
check "stderr stays stderr" [ "$(cat "$d/err")" = err ]
check "stdin is passed on" [ "$(echo typed | run -q -- cat)" = typed ]
check "both are kept" [ "$(sort "$HOLDFAST_STATE/runs/$("$detect" runs --json -n 9 | sed -n '2s/.*"id":"\([0-9a-f]*\)".*/\1/p')/log" | tr '\n' ' ')" = 'err out ' ]
check "the run's folder is closed to others" [ "$(stat -c %a "$HOLDFAST_STATE"/runs/*/ | sort -u)" = 700 ]
run -q -- seq 300000 | { sleep 1; cat; } >"$d/long"
check "a slow reader misses nothing" [ "$(md5sum <"$d/long")" = "$(seq 300000 | md5sum)" ]
check "who reads no further does no harm" [ "$(run -q -- sh -c 'seq 100000; exit 7' | head -1)" = 1 ]
until_true sh -c '[ "$("$1" runs --json -n 1 | grep -c "\"code\":7")" = 1 ]' - "$detect"
newest_is "it ends as it would have" 'r["code"]' 7
odd=$(printf 'a\nb c"\\')
check "any words reach the command" [ "$(run -q -- printf '%s|' "$odd" '' '$HOME' "'")" = "$odd||\$HOME|'|" ]

# What surrounds it.
OMP_NUM_THREADS= ; unset OMP_NUM_THREADS MKL_NUM_THREADS PYTORCH_ALLOC_CONF PYTORCH_CUDA_ALLOC_CONF PYTHONHASHSEED
run -q --threads 3 -- env >"$d/out"
for v in OMP_NUM_THREADS=3 MKL_NUM_THREADS=3 PYTORCH_ALLOC_CONF=max_split_size_mb:256 PYTORCH_CUDA_ALLOC_CONF=max_split_size_mb:256 PYTHONHASHSEED=0; do
	says "$v" "$d/out" "^$v$"
done
OMP_NUM_THREADS=7 PYTHONHASHSEED=random run -q -- env >"$d/out"
says "what is set stays" "$d/out" '^OMP_NUM_THREADS=7$'
says "this too" "$d/out" '^PYTHONHASHSEED=random$'
run -q --nice 12 -- sh -c 'nice; cat /proc/self/oom_score_adj; ps -o sid= -p $$; echo $$' >"$d/out"
check "nice" [ "$(sed -n 1p "$d/out")" -ge 12 ]
check "the kernel takes it first" [ "$(sed -n 2p "$d/out")" = 1000 ]
check "a session of its own" [ "$(sed -n 3p "$d/out" | tr -d ' ')" = "$(sed -n 4p "$d/out")" ]

# Signals to the one in the terminal.
cat >"$d/w/train.py" <<'X'
import signal, sys, time
def on(s, f):
    print("got", s, flush=True)
    sys.exit(40 + s)
for s in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
    signal.signal(s, on)
print("ready", flush=True)
time.sleep(60)
X
begin()
{
	: >"$d/run.out"
	"$detect" run --need 1M --no-snapshot "$@" -- python3 train.py >"$d/run.out" 2>"$d/run.err" &
	viewer=$!
	pids="$pids $viewer"
	until_true grep -q ready "$d/run.out"
	pid=$(newest 'r["pid"]')
	pids="$pids $pid"
}
for s in INT:42 TERM:55 USR1:50; do
	begin
	# A job of a shell without job control has SIGINT ignored: the viewer asks for it all the same.
	kill -"${s%:*}" $viewer
	wait $viewer
	check "SIG${s%:*} reaches the run, and its exit code comes back" [ $? = "${s#*:}" ]
done
begin
kill -HUP $viewer
wait $viewer
check "a closed terminal: the viewer goes" [ $? = 129 ]
check "the run stays" kill -0 "$pid"
newest_is "and is shown as running" 'r["state"]' running
"$detect" attach >"$d/attach.out" 2>"$d/attach.err" &
second=$!
check "attach shows what was" until_true grep -q ready "$d/attach.out"
: >"$d/attach2.out"
"$detect" attach "$(newest 'r["id"]')" >"$d/attach2.out" 2>&1 &
third=$!
until_true grep -q ready "$d/attach2.out"
kill -TERM $second
wait $second
check "and passes signals" [ $? = 55 ]
wait $third
check "all who look hear of the end" [ $? = 55 ]
says "and of its last words" "$d/attach2.out" 'got 15'
gives 1 "attach to one that has ended" "$detect" attach "$(newest 'r["id"]')"
begin
super=$(sed -n 's/^super	//p' "$HOLDFAST_STATE/runs/$(newest 'r["id"]')/run")
kill -9 "$super"
wait $viewer
check "a supervisor that is killed: the viewer says so" [ $? = 4 ]
newest_is "the run is lost" 'r["state"]' lost
kill -9 "$pid" 2>/dev/null
begin
kill -9 $viewer
wait $viewer 2>/dev/null
check "a viewer that is killed: the run stays" kill -0 "$pid"
"$detect" attach >"$d/out" 2>&1 &
second=$!
until_true grep -q ready "$d/out"
kill -INT $second
wait $second
check "and is found again" [ $? = 42 ]

# Want of memory, by what it says.
gives 1 "CUDA" run -- sh -c 'echo "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB" >&2; exit 1'
newest_is "is known" 'r["cause"]' 'out-of-memory (gpu)'
gives 1 "the C library" run -- python3 -c 'raise MemoryError'
newest_is "is known" 'r["cause"]' 'out-of-memory (allocation)'
gives 135 "shared memory" run -- sh -c 'echo "ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory (shm)." >&2; kill -BUS $$'
newest_is "is known" 'r["cause"]' 'out-of-memory (shm)'
gives 0 "who gets over it" run -- sh -c 'echo "MemoryError, trying a smaller batch"'
newest_is "has not run out" 'r["cause"]' exited
says "in the list" "$("$detect" runs >"$d/out"; echo "$d/out")" 'out of memory    python3 -c'

# A limit of our own where the kernel has none.
printf '[run]\n\tscope = none\n' >"$HOME/.config/holdfast/config"
cat >hold.py <<'X'
import os, sys, time
if os.fork() == 0 or os.fork() == 0:      # three of them, each below the limit
    pass
b = bytearray(int(sys.argv[1]) << 20)
for i in range(0, len(b), 4096):
    b[i] = 1
print("held", flush=True)
time.sleep(float(sys.argv[2]))
X
gives 143 "three workers over the limit together" run --limit 120M -- python3 hold.py 60 60
newest_is "ended by us, and said" '(r["cause"], r["limit_in_force"])' "('out-of-memory (guard)', None)"
says "in the ledger before" "$HOLDFAST_STATE/ledger" '	term	run [0-9a-f]*: it took more than its limit of 120 MiB'
check "none of them is left" sh -c '! grep -lz "hold[.]py" /proc/[0-9]*/cmdline 2>/dev/null | while read -r f; do case $(readlink "${f%/cmdline}/cwd") in "$1") echo "$f";; esac; done | grep -q .' - "$d/w"

# Learned: what it took is what the next gate is asked for.
gives 0 "a run that fits" "$detect" run --no-snapshot --need 1M -- python3 hold.py 20 1
peak=$(newest 'r["peak_bytes"]')
check "its peak is known, workers and all" [ "$peak" -gt $((60 << 20)) ]
"$detect" gate --json -- python3 hold.py 20 1 >"$d/out"
check "the gate knows" python3 -c "import json; r = json.load(open('$d/out')); assert r['need_from'] == 'recorded' and $peak <= r['need']['ram'] < $peak * 1.03 + (17 << 20), r"
"$detect" gate --json -- python3 hold.py 20 2 >"$d/out"
check "another command is another" grep -q '"need_from":null' "$d/out"
rm "$HOME/.config/holdfast/config"

# Modes, tiers, placeholders.
export HOLDFAST_NVML=/nowhere
gives 0 "filled in" run -q --tier cpu --epochs 4 -- echo '{tier}' 'e={epochs}' 'v={val_batches}' '{other}'
check "all of them" [ "$(cat "$d/out")" = 'cpu e=4 v=1 {other}' ]
gives 0 "a tier's file" run -q --tier cpu -- sh -c 'cat "$1"' - '{config}'
says "is made where the project has none" "$d/out" '"tier": "cpu"'
gives 0 "safe mode" run -q --mode safe -- echo '{tier}' '{epochs}' '{val_batches}'
check "its figures" [ "$(cat "$d/out")" = 'cpu 2 1' ]
gives 0 "light mode" run -q --mode=light -- sh -c 'nice; echo {epochs}'
check "is the nicest" [ "$(tr '\n' ' ' <"$d/out")" = '19 1 ' ]
newest_is "and limited" 'r["limit"]' $((8 << 30))
for m in light safe; do
	gives 0 "$m mode of a command that takes no epochs" run -q --mode $m -- echo whole
	says "$m mode says that it runs as it is" "$d/err" "^detect: run: the command has no {epochs}: it runs as it is"
done
for c in '{config}' '{tier}' '{epochs}' '{val_batches}'; do
	gives 0 "with $c" run -q --mode light -- echo "$c"
	silent "nothing is said" "$d/err" 'has no {epochs}'
done
gives 0 "normal mode" run -q --mode normal -- echo whole
silent "promises no fewer" "$d/err" 'has no {epochs}'
printf "[training]\n\tcommand = printf '%%s ' {tier} 'two  words'\n" >"$HOME/.config/holdfast/config"
gives 0 "training.command" "$detect" run -q --need 1M --no-snapshot --mode normal
check "cut up like a shell would" [ "$(cat "$d/out")" = 'cpu two  words ' ]
printf "[training]\n\tcommand = sh -c 'echo\n" >"$HOME/.config/holdfast/config"
gives 2 "a quote that is not closed" "$detect" run
rm "$HOME/.config/holdfast/config"
mkdir -p config/memory_optimized
for t in ultra_light low_memory_unetr standard; do
	echo '{"requirements": {"ram": "20M"}}' >config/memory_optimized/$t.json
done
gives 0 "after an end for want of memory a smaller tier" run --tier standard --retry 4 -- sh -c \
	'echo "at $1"; [ "$1" = ultra-light ] || { echo "MemoryError" >&2; exit 1; }' - '{tier}'
check "one after the other" [ "$(grep '^at ' "$d/out" | tr '\n' ' ')" = 'at standard at low at ultra-light ' ]
newest_is "the attempts are counted" '(r["attempt"], r["tier"], r["code"])' "(3, 'ultra-light', 0)"
gives 1 "no more often than told" run --tier standard --retry 1 -- sh -c 'echo MemoryError >&2; exit 1' '{tier}'
newest_is "two attempts" 'r["attempt"]' 2
gives 1 "without a placeholder nothing gets smaller" run --tier standard --retry 4 -- sh -c 'echo MemoryError >&2; exit 1'
newest_is "one attempt" 'r["attempt"]' 1
echo '{"requirements": {"ram": "40M"}}' >config/memory_optimized/low_memory_unetr.json
echo '{"requirements": {"ram": "30M"}}' >config/memory_optimized/ultra_light.json
gives 1 "a limit that is the tier's" run --mode safe --tier low --retry 1 -- sh -c 'echo MemoryError >&2; exit 1' - '{tier}'
newest_is "is the smaller tier's then" '(r["tier"], r["limit"])' "('ultra-light', $((30 << 20)))"
gives 1 "one that was told" run --mode safe --tier low --limit 50M --retry 1 -- sh -c 'echo MemoryError >&2; exit 1' - '{tier}'
newest_is "stays" 'r["limit"]' $((50 << 20))
for t in ultra_light low_memory_unetr; do echo '{"requirements": {"ram": "20M"}}' >config/memory_optimized/$t.json; done
rooms() { "$detect" gate --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["room"]["ram"])'; }
wide=$(printf '[gate]\n\treserve = 0\n\tfree = 1M\n' >"$HOME/.config/holdfast/config"; rooms)
rm "$HOME/.config/holdfast/config"
narrow=$(rooms)
if [ "$wide" ] && [ "$narrow" ] && [ $((wide - narrow)) -gt $((256 << 20)) ]; then
	echo "{\"requirements\": {\"ram\": $(((wide + narrow) / 2))}}" >config/memory_optimized/low_memory_unetr.json
	steps() { run --tier standard --retry 1 -- sh -c 'echo "at $1"; echo MemoryError >&2; exit 1' - '{tier}'; }
	gives 1 "a tier that does not fit is left out" steps
	check "it is" [ "$(grep '^at ' "$d/out" | tr '\n' ' ')" = 'at standard at ultra-light ' ]
	printf '[gate]\n\treserve = 0\n' >"$HOME/.config/holdfast/config"
	gives 1 "by the user's own settings it fits" steps
	check "it does" [ "$(grep '^at ' "$d/out" | tr '\n' ' ')" = 'at standard at low ' ]
	rm "$HOME/.config/holdfast/config"
else
	echo "skip --retry by the user's settings: the reserve is too small here to tell ($wide, $narrow)"
fi

# The gate before it.
gives 1 "what does not fit does not start" "$detect" run --need 1P -- touch started
check "indeed" [ ! -e started ]
gives 0 "--force" "$detect" run --need 1P --force -- touch started
check "it started" [ -e started ]
noted() { "$bin/detect-core" events --json >"$d/out" 2>/dev/null && grep -q "$1" "$d/out"; }
check "the start stands in the journal" until_true noted '"what":"touch: started against the gate'
check "the end too, where no monitor writes it" until_true noted '"kind":"exit".*"cause":"out-of-memory (gpu)".*"what":"run [0-9a-f]*: '
for a in '--mode fast -- true' '--limit much -- true' '--tier huge -- true' '--retry 9 -- true' '--nonsense' '--nice' '' '-- '; do
	# shellcheck disable=SC2086
	gives 2 "run $a" "$detect" run $a
done
gives 2 "{config} without a tier" "$detect" run -- true '{config}'
gives 4 "no state folder" env HOLDFAST_STATE=/proc/none "$detect" run --need 1M -- true
gives 2 "runs: a word too many" "$detect" runs a b
gives 1 "runs: none of that name" "$detect" runs ffffffffff
gives 0 "all of one" "$detect" runs "$(newest 'r["id"]')"
says "with where its output is" "$d/out" "^output    $HOLDFAST_STATE/runs/[0-9a-f]*/log"

# A systemd of the user's, or what looks like one.
mkdir -p "$d/bin" "$d/xdg/systemd" && touch "$d/xdg/systemd/private"
cat >"$d/bin/systemd-run" <<'X'
#!/bin/sh
echo "$@" >"$SEEN"
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
X
chmod +x "$d/bin/systemd-run"
gives 5 "in a scope of systemd" env SEEN="$d/seen" PATH="$d/bin:$PATH" XDG_RUNTIME_DIR="$d/xdg" "$detect" run --need 1M --no-snapshot --limit 64M -- sh -c 'exit 5'
says "asked for with its limit" "$d/seen" '^--user --scope --quiet --collect --unit=holdfast-run-[0-9a-f]*.scope -p MemoryMax=67108864 -p MemorySwapMax=0 -- sh -c exit 5'
newest_is "one that is not in force is not claimed" '(r["scope"], r["limit_in_force"])' "('systemd', None)"

# Only so many are kept.
printf '[run]\n\tkeep = 2\n\tlog = 64k\n' >"$HOME/.config/holdfast/config"
for i in 1 2 3 4; do run -q -- true; done
check "old ones go" [ "$("$detect" runs | wc -l)" -le 3 ]
run -q -- seq 100000 >/dev/null
id=$(newest 'r["id"]')
check "of a long output the newest is kept" [ "$(tail -1 "$HOLDFAST_STATE/runs/$id/log")" = 100000 ]
check "and not more than that" [ "$(cat "$HOLDFAST_STATE/runs/$id"/log* | wc -c)" -le 65536 ]
rm "$HOME/.config/holdfast/config"

# A terminal that goes away while training runs.
if command -v tmux >/dev/null 2>&1; then
	export TMUX_TMPDIR="$d"
	tmux -L run new-session -d -s one -x 80 -y 24 "$detect run --need 1M --no-snapshot -- python3 -u train.py"
	screen() { tmux -L run capture-pane -p -t "$1" 2>/dev/null | grep -q "$2"; }
	check "in a terminal" until_true screen one ready
	pid=$(newest 'r["pid"]')
	pids="$pids $pid"
	tmux -L run kill-session -t one
	until_true sh -c '! tmux -L run has-session -t one 2>/dev/null'
	check "the session is killed: the run stays" kill -0 "$pid"
	tmux -L run new-session -d -s two -x 80 -y 24 "$detect attach; echo ended \$?; sleep 60"
	check "attach in another" until_true screen two ready
	tmux -L run send-keys -t two C-c
	check "Ctrl-C goes to the run" until_true screen two 'ended 42'
	tmux -L run new-session -d -s three -x 80 -y 24 \
		"$detect run -q --need 1M --no-snapshot -- python3 -c 'import sys; print(sys.stdout.isatty(), 5 * int(input(\"n? \")))'; sleep 60"
	check "it has a terminal, and asks" until_true screen three 'n?'
	tmux -L run send-keys -t three 7 Enter
	check "what is typed reaches it" until_true screen three 'True 35'
	tmux -L run kill-server
else
	echo "skip terminals: no tmux"
fi
exit $bad
