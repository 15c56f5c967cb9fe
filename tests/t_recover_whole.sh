#!/bin/sh
# What a restore leaves that fails, is killed, or meets somebody who saves: every file whole under its name, what was not
# done is named, nobody's work is lost, and what is interrupted is never mistaken for another.
. "$(dirname "$0")/recover/lib.sh"
fault=${FAULT_PRELOAD-$bin/tests/preload_fault.so}
[ -n "$fault" ] || { echo "skip a preload does not go with this sanitizer"; exit 77; }
# faulty CALLS PATH ERR AT COUNT recover's arguments: only once the journal is there
faulty() {
	calls=$1 path=$2 err=$3 at=$4 count=$5; shift 5
	: >"$d/hits"
	env LD_PRELOAD="$fault" FAULT_CALLS="$calls" FAULT_PATH="$path" FAULT_ERR="$err" FAULT_AT="$at" FAULT_COUNT="$count" \
		FAULT_WHEN="$s/restore.journal" FAULT_LOG="$d/hits" "$bin/recover" --workspace "$w" "$@"
}
hit() { check '... (the fault was met)' test -s "$d/hits"; }
fresh() { cd / && rm -rf "$w" "$s" && mkdir -p "$w" && cd "$w" || exit 1; }
is() { check "$1" test "$(cat "$2" 2>/dev/null)" = "$3"; }

# ---- no room at a large file: what comes after it is not done, and named; nothing is deleted
fresh
echo a >a && head -c 3000000 /dev/urandom >b_big && for i in 1 2 3; do echo $i >z$i; done
first=$(snap first)
rm a b_big z1 z2 z3 && echo extra >extra && snap second >/dev/null
gives 3 'no room at a large file' faulty write,pwrite "$w/.b_big" ENOSPC 1 -1 restore "$first" --delete --yes
hit
says '... it is named' "$d/err" 'b_big: '
for f in z1 z2 z3; do
	[ -e $f ] || says "... what was not reached too: $f" "$d/err" "$f: "
done
is '... nothing is deleted' extra extra
gives 0 'once there is room' recover restore "$first" --delete --yes
check '... all is there' test -e a -a -e b_big -a -e z3 -a ! -e extra

# ---- bytes that did not reach the disk get no name
fresh
for i in 1 2 3; do echo one >f$i; done
first=$(snap first)
for i in 1 2 3; do echo two >f$i; done
echo new >g && snap second >/dev/null && third=$(rm g && echo three >h && snap third) && rm h
gives 3 'a file system that cannot be synced' faulty syncfs "$w" EIO 1 1 restore "$first" --yes
hit
is '... the old files stand' f1 two
check '... without a temporary' test -z "$(find "$w" -name '.*.hf-*')"
check '... and the journal too' test -s "$s/restore.journal"
says '... the way on is told' "$d/err" 'restore --continue'
gives 0 'and when it can' recover restore --continue
is '... it is finished' f1 one
gives 3 'the same for what is created' faulty syncfs "$w" EIO 1 1 restore "$third" --yes
check '... no name is given' test ! -e h
gives 0 'undo of that' recover undo --yes
echo two >f1
gives 3 'a sync that fails at the very end' faulty syncfs "$w" EIO 2 -1 restore "$first" --yes
hit
gives 0 '... is done again' recover restore --continue

# ---- whoever saves while a file is replaced, deleted or made
fresh
echo one >f
first=$(snap first)
echo two >f && snap second >/dev/null
for k in 1 2 3; do
	echo "two $k" >f
	gives 3 "an editor that saves $k times while its file is replaced" faulty renameat2 "$w" save 1 $k restore "$first" --yes
	hit
	is '... keeps its work' f 'MY NEW WORK'
	check '... without a temporary' test -z "$(find "$w" -name '.*.hf-*')"
	says '... that is said' "$d/err" 'f: changed just now; left alone'
done
rm f && echo fresh >new && snap third >/dev/null
gives 3 'while it is made' faulty renameat2 "$w" save 1 1 restore "$first" --yes
is '... too' f 'MY NEW WORK'
echo two >f && echo fresh >new && snap fourth >/dev/null
cp f f.was
gives 3 'while it is deleted' faulty renameat2 "$w" save 1 1 restore "$first" --delete --yes -- new
hit
is '... too' new 'MY NEW WORK'
check '... without a temporary' test -z "$(find "$w" -name '.*.hf-*')"
gives 0 'with nobody there' recover restore "$first" --delete --yes -- new
check '... it goes' test ! -e new

# ---- killed within a large file: its name does not stand for half of it
fresh
head -c 6000000 /dev/urandom >model && sum=$(cksum <model) && first=$(snap first)
rm model && snap second >/dev/null
faulty write,pwrite "$w/.model" kill 3 1 restore "$first" --yes -q >/dev/null 2>&1
hit
check 'killed within a large file: its name is not there' test ! -e model -a -s "$s/restore.journal"
gives 0 '... and --continue brings it' recover restore --continue
check '... whole' test "$(cksum <model)" = "$sum" -a -z "$(find "$w" -name '.*.hf-*')"

# ---- a journal that cannot be ended, or not be begun
fresh
echo one >f && first=$(snap first) && echo two >f && snap second >/dev/null
gives 3 'a journal that cannot be ended' faulty renameat restore.last EIO 1 1 restore "$first" --yes
hit
is '... all is restored' f one
says '... the way on is told' "$d/err" 'restore --continue'
gives 0 '... and ends it' recover restore --continue
interrupted() {	# a restore of f and g to `one`, killed once f is back
	fresh
	echo older >e && echo one >f && echo one >g && first=$(snap first)
	echo newer >e && snap second >/dev/null
	recover restore "$first" --yes -q -- e >/dev/null
	echo two >f && echo two >g && snap third >/dev/null
	faulty renameat2 "$w" kill 2 1 restore "$first" --yes -q >/dev/null 2>&1
	check "a restore is interrupted" test "$(cat f g | tr '\n' ' ')" = 'one two ' -a -s "$s/restore.journal"
}
interrupted
cp "$s/restore.journal" "$d/journal"
gives 4 'an undo that cannot be written' faulty write,pwrite restore.next ENOSPC 1 1 undo --yes
hit
same '... leaves the journal of what is pending' "$d/journal" "$s/restore.journal"
gives 0 '... which can be finished' recover restore --continue
is '... ' g one
interrupted
gives 0 '... or taken back' recover undo --yes
is '... ' f two
is '... and no older one with it' e older

# ---- a journal that cannot be read is no leave to take back another restore
damage() { python3 -c '
import sys
b = bytearray(open(sys.argv[1], "rb").read())
b[int(sys.argv[2]) % len(b)] ^= 4
open(sys.argv[1], "wb").write(b)' "$s/restore.journal" "$1"; }
interrupted
cp "$s/restore.journal" "$d/journal"
for bit in 3 40 100 -1 -5 -9; do
	cp "$d/journal" "$s/restore.journal"
	damage $bit
	cp "$s/restore.journal" "$d/damaged"
	for cmd in 'undo --yes' 'restore --continue' 'restore @ --yes'; do
		# shellcheck disable=SC2086
		gives 4 "a flipped bit at $bit of the journal: $cmd" recover $cmd
		says '... it is named, and the way out' "$d/err" 'restore.journal: .*delete that file'
	done
	gives 0 '... list' recover list
	says '... says it too' "$d/err" 'restore.journal: '
	same '... it is kept' "$d/damaged" "$s/restore.journal"
	is '... and nothing is touched' e older
done
head -c 60 "$d/journal" >"$s/restore.journal"
gives 0 'one that never was whole is none: undo is of the one before' recover undo --yes
is '... ' e newer

# ---- moved meanwhile
interrupted
cd / && mv "$w" "$d/moved" && "$bin/snapd" --workspace "$d/moved" --once --force -q >/dev/null
gives 4 'an interrupted restore of a workspace that was moved' "$bin/recover" --workspace "$d/moved" restore @ --yes
says '... is not gone on with' "$d/err" "a restore of $w was interrupted, and this workspace is $d/moved"
check '... nor is the old place made again' test ! -e "$w"
mv "$d/moved" "$w"
gives 0 'moved back' recover restore --continue

# ---- --delete among very many paths that are not stored costs about what the plan alone costs
fresh
python3 -c '
import os
for i in range(9000):
    open("f%d.txt" % i, "w").write("x"); open("f%d.pyc" % i, "w").write("x")'
first=$(snap first)
echo new >new
cpu() { python3 -c '
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
u = resource.getrusage(resource.RUSAGE_CHILDREN)
print(int((u.ru_utime + u.ru_stime) * 1000))' "$bin/recover" --workspace "$w" restore "$first" --dry-run "$@"; }
plain=$(cpu) deleting=$(cpu --delete)
check "--delete beside 9,000 files that are not stored: $deleting ms, without it $plain ms" test "$deleting" -lt $((plain * 4 + 150))
gives 0 '... and its plan' recover restore "$first" --delete --dry-run
says '... is of what is stored alone' "$d/out" '^delete 1 file'

# ---- an access control list is not kept: then the mask in the mode is nobody's permission
fresh
mkdir dir && echo secret >secret && echo open >open && echo secret >dir/f && chmod 600 secret && chmod 640 open && chmod 700 dir
list() { python3 -c '
import os, struct, sys
e = [(1, 7, 0xffffffff), (2, 6, 1000), (4, 0, 0xffffffff), (16, 6, 0xffffffff), (32, 0, 0xffffffff)]
os.setxattr(sys.argv[1], "system.posix_acl_access", struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *x) for x in e))' "$1" 2>/dev/null; }
mode() { stat -c %a "$1"; }
if list secret && list dir; then
	check 'with a list the mode has its mask' test "$(mode secret) $(mode dir)" = '760 760'
	first=$(snap first)
	gives 1 'nothing is to be restored while it is there' recover restore "$first" --yes
	rm -r secret open dir
	gives 0 'restored' recover restore "$first" --yes
	check '... the group may do nothing' test "$(mode secret) $(mode dir)" = '700 700'
	check '... elsewhere it may what it could' test "$(mode open)" = 640
	gives 1 '... and it is as wanted' recover restore "$first" --yes
	echo x >chmodded && chmod 660 chmodded && snap second >/dev/null && list chmodded && chmod 660 chmodded
	third=$(snap third) && rm chmodded
	gives 0 'one whose list came later, with the same mode' recover restore "$third" --yes
	check '... likewise' test "$(mode chmodded)" = 600
else
	echo 'skip access control lists: not here'
fi
exit $bad
