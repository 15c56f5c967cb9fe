#!/bin/sh
# recover tidy: by hand, beside a daemon, by the daemon itself; killed, damaged, without the right to write.
. "$(dirname "$0")/snapd/lib.sh"
export HOLDFAST_STATE="$d/state" HOLDFAST_AUTOSTART=0 HOLDFAST_CONFIG="$d/config"
recover=$build/recover
: "${XDG_RUNTIME_DIR:=$d}"
config() { printf '[prune]\n\tgrace = 0\n\tevery = 0\n[detect]\n\tnotify = false\n[verify]\n\tshare = 0\n[tidy]\n\tafter = %s\n\tshare = %s\n' "$1" "$2" >"$d/config"; }
rc() { "$recover" --workspace "$w" --store "$s" "$@"; }
log() { stat -c %s "$s/log/00000001.seg"; }
no_leftovers() { [ -z "$(find "$s/log" -name 'tidy*')" ]; }
until_so() { for _ in $(seq 600); do "$@" && return 0; sleep 0.1; done; return 1; }
words() { python3 -c '
import random, sys
r = random.Random(int(sys.argv[1]))
for i in range(int(sys.argv[2])):
    print("%d line %d of a text with words like %d and %d" % (i, r.randrange(1 << 20), r.randrange(1 << 16), r.randrange(99)))' "$@"; }
edit() { n=$1; while [ "$n" -gt 0 ]; do words "$n" 3 >>"$w/src/f$((n % 10))"; once >/dev/null || return 1; n=$((n - 1)); done; }

config 0 50
mkdir -p "$w/src"
i=0; while [ $i -lt 10 ]; do words $i 3000 >"$w/src/f$i"; i=$((i + 1)); done
once >/dev/null
check "some edits" edit 12
before=$(log)
rc list --json >"$d/list"
check "a dry run" rc tidy --dry-run
check "changes nothing" [ "$(log)" = "$before" ]
cp "$d/config" "$d/config.was" && printf '[store]\n\tfreeFloor = 8000T\n' >>"$d/config"
refused() { rc tidy >"$d/out" 2>"$d/err"; [ $? = 4 ] && grep -q 'make room (store.freeFloor stays free)' "$d/err"; }
check "below the floor it is refused" refused
check "... nothing is there of it" no_leftovers
mv "$d/config.was" "$d/config"
check "tidy" rc tidy
after=$(log)
check "it is a tenth smaller at least ($before -> $after)" [ $((after * 10)) -lt $((before * 9)) ]
nothing() { rc tidy | grep -q 'nothing to tidy'; }
check "again: nothing" nothing
check "verify" rc verify --all
rc list --json >"$d/list2"
check "the same snapshots" cmp -s "$d/list" "$d/list2"
check "the newest is exact" same
old() { rc restore @~12 --to "$d/old" --yes >/dev/null && words 3 3000 | cmp - "$d/old/src/f3"; }
check "so is the oldest" old
check "a stranger reads it" python3 -B "$here/reader/hfread.py" "$s" check
rm -f "$s"/catalogue.db*
check "a new catalogue" rc verify --all

# Beside a daemon, which has the store.
words 700 4000 >"$w/src/beside"; edit 8
start
rc tidy --json >"$d/said" || echo failed >>"$d/said"
check "beside a daemon" grep -q '"segments":1' "$d/said"
check "it goes on" edit 2
check "verify" rc verify --all
check "the newest is exact" same
check "nothing is left in the log's folder" no_leftovers
stop

# Killed in the middle, as often as it takes to meet all of it.
for t in 0.02 0.05 0.1 0.2 0.4; do
	words "8${t#0.}" 4000 >"$w/src/killed"; edit 2 >/dev/null
	timeout -s KILL $t "$recover" --workspace "$w" --store "$s" tidy >/dev/null 2>&1
	check "killed after $t s: whole" rc verify --all
done
once >/dev/null
check "what was killed leaves nothing" no_leftovers
check "and a whole store" rc verify --all

# By the daemon itself, and not while somebody works: a helper that takes its time is ended by the first change.
i=0; while [ $i -lt 10 ]; do words 9$i 6000 >"$w/src/g$i"; i=$((i + 1)); done
config 1s 1
start
helper() { pgrep -P "$pid" -x recover-tidy >/dev/null; }
no_helper() { ! helper; }
check "it begins when nothing happens" until_so helper
echo change >>"$w/src/f1"
check "a change ends it" until_so no_helper
once >/dev/null
check "the change is kept" same
stop
once >/dev/null
check "what --stop ended leaves nothing" no_leftovers
config 1s 100
before=$(log)
start
smaller() { [ "$(log)" -lt "$before" ]; }
check "with time for it, it is done" until_so smaller
check "verify beside it" rc verify --all
stop
check "the newest is exact" same

# The copy of a segment's header is that of the file that has its name, whatever happens when that one takes its place.
# (No other room looks at log/headers before the header itself is lost.)
copied() { python3 -c '
import glob, sys
have = open(sys.argv[1] + "/headers", "rb").read()
for p in glob.glob(sys.argv[1] + "/*.seg"):
    at = 64 * (int(p[-12:-4]) - 1)
    if open(p, "rb").read(64) != have[at:at + 64]:
        sys.exit(p + ": another header than its copy")' "$s/log"; }
# hurt CALL PATH ERROR COMMAND...: the first such call fails
hurt() { call=$1 path=$2 err=$3; shift 3; LD_PRELOAD=$build/tests/preload_fault.so FAULT_CALLS=$call FAULT_PATH=$path FAULT_AT=1 FAULT_ERR=$err FAULT_LOG=$d/faults "$@"; }
config 0 50
i=0
for how in 'renameat .seg kill' 'renameat .seg EIO' 'pwrite log/headers kill' 'pwrite log/headers EIO'; do
	i=$((i + 1)); words 90$i 20000 >"$w/src/place"; edit 3; : >"$d/faults"
	hurt $how "$recover" --workspace "$w" --store "$s" tidy >/dev/null 2>&1
	check "$how: so it was" [ -s "$d/faults" ]
	rc list >/dev/null
	check "$how: whole for a reader" rc verify --all
	once >/dev/null
	check "$how: the copy is right" copied
	check "$how: whole" rc verify --all
done
cp "$s/log/headers" "$d/headers"
words 910 20000 >"$w/src/place"; edit 3; rc tidy >/dev/null
cp "$d/headers" "$s/log/headers"
rc verify >"$d/said" 2>&1; code=$?
check "a copy of another header: exit 1" [ $code -eq 1 ]
check "it is named" grep -q 'segment 1: .*log/headers' "$d/said"
echo more >>"$w/src/f1"; once >/dev/null
check "the next snapshot puts it right" copied
check "whole" rc verify --all
dd if=/dev/zero of="$s/log/00000001.seg" bs=64 count=1 conv=notrunc 2>/dev/null
once >/dev/null
check "the header's sector is lost: nothing is" rc verify --all

# A damaged segment stays as it is.
words 500 40000 >"$w/src/h"; once >/dev/null
python3 -c '
import sys
p = sys.argv[1]; b = bytearray(open(p, "rb").read()); b[len(b) // 2] ^= 1; open(p, "r+b").write(b)' "$s/log/00000001.seg"
sum=$(cksum <"$s/log/00000001.seg")
rc tidy >"$d/said" 2>&1; code=$?
check "damage: exit 3" [ $code -eq 3 ]
check "it says so" grep -q 'stays as it is' "$d/said"
check "and it does" [ "$sum" = "$(cksum <"$s/log/00000001.seg")" ]
rc tidy --harder >/dev/null 2>&1; code=$?
check "no such option: exit 2" [ $code -eq 2 ]
