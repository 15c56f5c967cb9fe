#!/bin/sh
# Rot: found in the background, told, and made good by recover repair, with what the workspace still has.
. "$(dirname "$0")/recover/lib.sh"
export HOLDFAST_CONFIG="$d/config" HOLDFAST_STATE="$d/state" TZ=UTC
printf '[prune]\n\tgrace = 0\n[detect]\n\tnotify = false\n\thook = %s\n[verify]\n\tevery = 1s\n\tshare = 100\n' "$d/hook" >"$HOLDFAST_CONFIG"
printf '#!/bin/sh\ncat >>%s\n' "$d/told" >"$d/hook"; chmod +x "$d/hook"
mkdir -p "$w/src" "$w/void"
head -c 30000 /dev/urandom >"$w/gone"; zero=$(snap zero manual 1600000000)
head -c 30000 /dev/urandom >"$w/still"; snap half manual 1600000600 >/dev/null
echo one >"$w/src/a"; chmod 600 "$w/src/a"; ln -s src/a "$w/link"
head -c 6000000 /dev/urandom >"$w/large"
snap first manual 1700000000 >/dev/null
recover mark @ keep >/dev/null
rm "$w/gone"; echo two >"$w/src/a"; snap second interval 1700000600 >/dev/null
echo three >"$w/src/a"; touch -d @1600000000 "$w/void"; snap third interval 1700001200 >/dev/null

# A store that is whole is copied as it is.
gives 0 'repair what is whole' recover repair "$d/copy"
recover list --json >"$d/list"; recover --store "$d/copy" list --json >"$d/list2"
check 'ids, times, reasons, messages, marks are the same' python3 -c '
import json, sys
a, b = ([{k: v for k, v in json.loads(l).items() if k != "added_bytes"} for l in open(f)] for f in sys.argv[1:])
assert a == b, (a, b)' "$d/list" "$d/list2"
recover ls -r --json keep >"$d/ls"; recover --store "$d/copy" ls -r --json keep >"$d/ls2"
same 'so is what is in them' "$d/ls" "$d/ls2"
gives 0 'it verifies' recover --store "$d/copy" verify --all
gives 4 'never over what is there' recover repair "$d/copy"
gives 4 'not into the store' recover repair "$s/new"

# Damage where two of the files are.
flip() { python3 -c '
import sys
seg, path = sys.argv[1:]
data = bytearray(open(seg, "rb").read()); part = open(path, "rb").read()[100:400]
at = data.find(part); assert at > 0
data[at + 10] ^= 0xff
open(seg, "r+b").write(data)' "$s/log/00000001.seg" "$1"; }
recover cat keep:gone >"$d/gone"
portion() { "$bin/recover-check" "$s" "$1"; }
gives 0 'nothing is wrong before' portion 100000000
flip "$d/gone"; flip "$w/still"
gives 1 'a look for rot finds it' portion 100000000
gives 1 'verify of the heads alone knows it' recover verify
says '... from there' "$d/out" '^segment 1: damaged .* as was seen on'
gives 0 'list goes on' recover list
says '... and says so' "$d/err" 'damage was found on'
gives 0 'another little portion' sh -c '"$1" "$2" 1000; [ $? = 1 ]' - "$bin/recover-check" "$s"
"$bin/snapd" --workspace "$w" --store "$s" --status >"$d/out" 2>/dev/null
says 'status says so, too' "$d/out" '^DAMAGE  '
gives 1 'repair' recover repair "$d/new"
says '... names what is lost' "$d/out" "^$(printf %.8s "$zero")  gone: its content is lost"
check '... and only that' test "$(wc -l <"$d/out")" = 1
says '... and what the workspace had' "$d/err" '1 content came from the workspace'
gives 0 'the new one verifies' recover --store "$d/new" verify --all
check 'it has what was in the workspace' sh -c '"$1" --workspace "$2" --store "$3" cat keep:still | cmp - "$2/still"' - "$bin/recover" "$w" "$d/new"
gives 0 'the large file' sh -c '"$1" --workspace "$2" --store "$3" cat keep:large | cmp - "$2/large"' - "$bin/recover" "$w" "$d/new"
check 'all snapshots' test "$(recover --store "$d/new" list --json 2>/dev/null | wc -l)" = 5
recover --store "$d/new" ls -r keep >"$d/out" 2>&1
says 'what is lost stands there as skipped' "$d/out" 'gone.*unreadable'
check 'the old one was not touched' sh -c '! "$1" --workspace "$2" verify --all >/dev/null 2>&1' - "$bin/recover" "$w"
gives 0 'a stranger reads it' python3 -B "$here/reader/hfread.py" "$d/new" check

# The daemon looks by itself, tells it once, and does not when it is over.
"$bin/snapd" --workspace "$w" --store "$s" --interval 1h >"$d/log" 2>&1 & pid=$!
wait_for() { i=0; until "$@" 2>/dev/null || [ $i = 300 ]; do sleep 0.1; i=$((i + 1)); done; [ $i -lt 300 ]; }
check 'the daemon tells it' wait_for grep -q '"kind":"damage"' "$d/told"
gives 4 'no switch beside it' recover repair --switch "$d/other"
"$bin/snapd" --workspace "$w" --store "$s" --stop >/dev/null 2>&1; wait $pid
check '... once' test "$(grep -c '"kind":"damage"' "$d/told")" = 1
gives 2 'switch asks, and there is nobody' recover repair --switch </dev/null
says '... and says how' "$d/err" '--yes'
check 'nothing was switched, the new one is there' test -d "$s.repaired/log" -a ! -e "$s.damaged"
gives 4 'not over it' recover repair
printf '%040d\n' 7 >"$s/imported"
# What somebody was told meanwhile is not in the one that is there: a mark, a snapshot. While the question stands nobody is told.
cp -a "$s" "$d/before"; cp -a "$s.repaired" "$d/before.repaired"
recover mark keep meanwhile >/dev/null
gives 1 'a switch after a mark was set' recover repair --switch --yes
check '... makes another one' sh -c 'test -e "$1.repaired" -a -e "$1.damaged"' - "$s"
says '... that has the mark' "$d/err" 'is the new store'
check '... on the same snapshot' test "$(recover cat meanwhile:src/a)" = one
rm -rf "$s" "$s".*; cp -a "$d/before" "$s"
gives 0 'a snapshot while the question stands' python3 -B - "$bin" "$w" "$s" <<'PY'
import os, pty, subprocess, sys
b, w, s = sys.argv[1:]
pid, fd = pty.fork()
if pid == 0:
    os.execv(b + "/recover", ["recover", "--workspace", w, "repair", "--switch"])
def read():
    try:
        return os.read(fd, 4096)
    except OSError:
        return b""
seen = b""
while b"[y/N]" not in seen:
    got = read()
    assert got, seen
    seen += got
r = subprocess.run([b + "/snapd", "--workspace", w, "--store", s, "--once"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
assert r.returncode == 4 and not r.stdout, r          # not told that it is kept
os.write(fd, b"y\n")
while got := read():
    seen += got
rc = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
assert rc == 1 and b"is the new store" in seen, (rc, seen)
PY
gives 0 '... one after it' "$bin/snapd" --workspace "$w" --store "$s" --once
check '... is in the store' test "$(recover list --json | grep -c "$(cat "$d/out")")" = 1
rm -rf "$s" "$s".*; cp -a "$d/before" "$s"; cp -a "$d/before.repaired" "$s.repaired"
# A switch that was killed between its two steps: the new one has the name that is for the old one.
mv "$s.repaired" "$s.damaged"
gives 1 'switch, with the one that is there' recover repair --switch --yes
says '... the one with the wrong name is known for what it is' "$d/err" 'is what an earlier repair made'
says '... no need to make it again' "$d/err" 'made by an earlier repair'
says '... that one of its snapshots is not whole' "$d/err" '1 of its snapshots'
check '... and what is damaged is called so' sh -c '! "$1" --workspace "$2" --store "$3.damaged" verify --all >/dev/null 2>&1 && [ ! -e "$3.damaged/repaired" ] && [ ! -e "$3/repaired" ]' - "$bin/recover" "$w" "$s"
check 'what was imported is known to the new one' cmp -s "$s/imported" "$s.damaged/imported"
check 'the old one is kept' test -d "$s.damaged/log"
gives 0 'the new one is in its place' recover verify --all
gives 0 'and nothing is said any more' recover list
check '... no damage' sh -c '! grep -q damage "$1"' - "$d/err"
echo four >"$w/src/a"; snap fourth interval 1700001800 >/dev/null
gives 0 'it goes on' recover cat @:src/a
check '... on top' sh -c '"$1" --workspace "$2" list -n1 | grep -q fourth' - "$bin/recover" "$w"
gives 0 'repair --switch of what is whole' recover repair --switch --yes
says '... says so' "$d/err" 'nothing to repair'
check '... and makes no other one' test ! -e "$s.damaged-1" -a ! -e "$s.repaired"
# The copies of what was never saved are looked at, too.
"$bin/tests/tool_put" "$s/unsaved" "$w" >/dev/null
gives 0 'verify with such copies' recover verify --all
python3 -c '
import sys
f = open(sys.argv[1], "r+b"); f.seek(0, 2); n = f.tell() // 2; f.seek(n); c = f.read(1); f.seek(n); f.write(bytes([c[0] ^ 1]))' "$s/unsaved/log/00000001.seg"
gives 1 'verify with damaged ones' recover verify --all
says '... says where' "$d/out" '^unsaved: '
rm -r "$s/unsaved"
# One that was killed is begun anew; what is not ours is left alone.
mkdir -p "$s.repaired.unfinished/log"; : >"$s.repaired.unfinished/log/00000001.seg"; echo 'made by recover repair' >"$s.repaired.unfinished/repaired"
gives 0 'repair after one that was killed' recover repair
says '... says so' "$d/err" 'begins anew'
check '... and nothing of it is left' test ! -e "$s.repaired.unfinished"
rm -rf "$s.repaired"; mkdir "$s.repaired.unfinished"; : >"$s.repaired.unfinished/.repaired.tmp-0123abcd"
gives 0 'after one that was killed at once' recover repair
rm -rf "$s.repaired"; mkdir "$s.repaired.unfinished"; : >"$s.repaired.unfinished/notes"
gives 4 'somebody else'"'"'s folder is in the way' recover repair
check '... and stays' test -e "$s.repaired.unfinished/notes"
rm -r "$s.repaired.unfinished"
mkdir -p "$d/out.unfinished/log"; echo thesis >"$d/out.unfinished/thesis"; : >"$d/out.unfinished/log/00000001.seg"
gives 4 'a folder of that name that is nobody of ours' recover repair "$d/out"
check '... and stays' test -e "$d/out.unfinished/thesis" -a -e "$d/out.unfinished/log/00000001.seg"
gives 0 'a slash behind the name' recover repair "$d/slash/"
check '... is none in it' test -d "$d/slash/log"
cp -r "$d/copy" "$s.repaired"
python3 -c '
import sys
f = open(sys.argv[1], "r+b"); f.seek(1000); c = f.read(1); f.seek(1000); f.write(bytes([c[0] ^ 1]))' "$s/log/00000001.seg"
"$bin/recover" --workspace "$w" repair --switch --yes >/dev/null 2>"$d/err"
says 'an old one is no hindrance' "$d/err" 'is the new store'
gives 0 'an old one that never took its place is no hindrance' recover repair --switch --yes
check '... and stays' test -d "$s.repaired/log" -a ! -e "$s.repaired-1"
rm -rf "$s.repaired"
# What cut the log short took acknowledged snapshots along: that is not whole, whoever looks, and however often.
cp -a "$s" "$d/cut"; last=$(ls "$d"/cut/log/*.seg | tail -1); truncate -s -100 "$last"
gives 0 'list of a log that was cut' recover --store "$d/cut" list
says '... says so' "$d/err" 'parts of its log are gone'
gives 1 'verify' recover --store "$d/cut" verify
says '... too' "$d/out" '^log: its last 100 bytes, that were acknowledged'
gives 1 'and --all' recover --store "$d/cut" verify --all
# A tree and a list of changes that are gone; what can be said is said.
python3 -c '
import sys
p = sys.argv[1]; n = __import__("os").path.getsize(p)
f = open(p, "r+b"); f.seek(n - 60); f.write(b"\0" * 40)' "$s/log/00000001.seg"
gives 1 'the end of the log is damaged' recover repair "$d/end"
gives 0 'what is left verifies' recover --store "$d/end" verify --all
cp -a "$s" "$d/bare"; rm "$d"/bare/log/*.seg "$d"/bare/catalogue.db*
gives 1 'a log that is gone' recover --store "$d/bare" repair "$d/nothing"
says '... is not made into an empty store' "$d/err" 'not one snapshot'
check '... nor is there one' test ! -e "$d/nothing" -a ! -e "$d/nothing.unfinished"
check '... the marked one is there' test "$(recover --store "$d/end" cat keep:src/a 2>/dev/null)" = one
exit $bad
