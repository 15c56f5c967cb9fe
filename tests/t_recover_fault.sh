#!/bin/sh
# A full disk, a folder swapped for a link, and Ctrl-C in the middle of a restore.
. "$(dirname "$0")/recover/lib.sh"
fault=${FAULT_PRELOAD-$bin/tests/preload_fault.so}
[ -n "$fault" ] || { echo "skip a preload does not go with this sanitizer"; exit 77; }

mkdir -p "$w/a" "$w/b" && cd "$w" || exit 1
for i in 1 2 3 4 5 6 7 8 9; do seq $((i * 100)) >"a/f$i"; seq $((i * 90)) >"b/g$i"; done
first=$(snap first)
walk "$w" >"$d/first.walk"
for i in 1 2 3 4; do echo "changed $i" >"a/f$i"; rm "b/g$i"; done
snap second >/dev/null
walk "$w" >"$d/second.walk"
fault() { env LD_PRELOAD="$fault" FAULT_CALLS="$1" FAULT_PATH="$2" FAULT_ERR="$3" FAULT_AT="$4" FAULT_COUNT=-1 \
	FAULT_WHEN="$s/restore.journal" "$bin/recover" --workspace "$w" restore "$first" --yes; }

gives 3 'a disk that fills up' fault write,pwrite "$w" ENOSPC 4
says '... is named' "$d/err" 'g1'
check '... and leaves every file whole, old or new' python3 -c '
import os, sys
for f in sorted(os.listdir("a")) + sorted(os.listdir("b")):
    t = open(("a/" if f[0] == "f" else "b/") + f).read()
    n = int(f[1:]) * (100 if f[0] == "f" else 90)
    assert t in ("".join("%d\n" % i for i in range(1, n + 1)), "changed %s\n" % f[1:]), f'
check '... without a temporary' test -z "$(find "$w" -name '.*.hf-*')"
gives 0 'undo of what it did' recover undo --yes
gives 3 'a disk that is full from the first file on' fault write,pwrite "$w" ENOSPC 1
says '... says that nothing came back' "$d/err" 'and there was nothing else'
gives 0 'undo of that' recover undo --yes
walk "$w" >"$d/x.walk"
same '... brings back what was' "$d/second.walk" "$d/x.walk"
gives 4 'a journal that cannot be written' env LD_PRELOAD="$fault" FAULT_CALLS=write,pwrite FAULT_PATH="$s/restore" \
	FAULT_ERR=ENOSPC FAULT_AT=1 "$bin/recover" --workspace "$w" restore "$first" --yes
walk "$w" >"$d/x.walk"
same '... changes nothing' "$d/second.walk" "$d/x.walk"
echo unsaved >new
gives 4 'a safety snapshot that cannot be written' env LD_PRELOAD="$fault" FAULT_CALLS=write,pwrite,writev,pwritev \
	FAULT_PATH="$s/log" FAULT_ERR=ENOSPC FAULT_AT=1 FAULT_COUNT=-1 \
	"$bin/recover" --workspace "$w" restore "$first" --yes
check '... changes nothing' test "$(cat "$w/new")" = unsaved -a "$(cat "$w/a/f1")" = 'changed 1'
rm "$w/new"

# ---- diff says what it could not read, with 3 even where --exit-code would say 1
unread() { env LD_PRELOAD="$fault" FAULT_CALLS=read,pread FAULT_PATH="$w/a/f1" FAULT_ERR=EIO FAULT_AT="$1" FAULT_COUNT=-1 \
	"$bin/recover" --workspace "$w" diff "$first" --exit-code "$2"; }
for at in 1 3; do	# while the workspace is looked at; when its lines are wanted
	gives 3 "a file that cannot be read (call $at)" unread $at -p
	says '... is named' "$d/err" 'a/f1: '
	check '... and all others are compared' test "$(grep -c '^diff --git' "$d/out")" = 7
done
gives 3 '--stat too' unread 3 --stat
says '... names it' "$d/err" 'a/f1: '

# a second process swaps a/ for a link to the outside, over and over, while restores run
mkdir "$d/outside"
python3 -c '
import os, sys, time
a, b, out, stop = sys.argv[1:]
while not os.path.exists(stop):
    try:
        os.rename(a, b)
        os.symlink(out, a)
        time.sleep(0.0005)
        os.unlink(a)
        os.rename(b, a)
        time.sleep(0.0005)
    except OSError:
        pass
if os.path.islink(a): os.unlink(a)
if os.path.isdir(b) and not os.path.exists(a): os.rename(b, a)
' "$w/a" "$w/a.away" "$d/outside" "$d/stop" &
swapper=$!
n=0
while [ $n -lt 15 ]; do
	recover restore "$first" --yes -q >/dev/null 2>&1
	recover undo --yes -q >/dev/null 2>&1
	n=$((n + 1))
done
touch "$d/stop" && wait $swapper
check 'a folder swapped for a link: nothing is ever written through it' test -z "$(ls -A "$d/outside")"
rm -rf "$w/a.away"
gives 0 'and at the end all is well' recover restore "$first" --yes --delete
walk --no-dir-mtime "$w" >"$d/x.walk"
walk --no-dir-mtime "$w" >/dev/null
same '... as it was' "$(sed 's/^d \([0-9]*\) [0-9]*/d \1 -/' "$d/first.walk" >"$d/f.walk"; echo "$d/f.walk")" "$d/x.walk"
exit $bad
