#!/bin/sh
# What commands say of a store that one bit, or a whole record, is wrong with: nothing lost, or that one version and the way out.
. "$(dirname "$0")/recover/lib.sh"
export TZ=UTC
mkdir -p "$w"
for i in 1 2 3 4 5 6; do
	echo "version $i of the notes" >"$w/notes"; echo "$i" >"$w/other"
	snap "s$i" manual $((1700000000 + i * 600)) >"$d/id.$i"
done
id3=$(cut -c1-12 "$d/id.3")
seg=$s/log/00000001.seg
cp "$seg" "$d/whole"
gives 0 'verify of a whole store' recover verify --all
recover status >"$d/out" 2>&1
check 'nobody speaks of damage' sh -c '! grep -q damage "$1"' - "$d/out"

python3 -c '
import sys
f = open(sys.argv[1], "r+b"); f.seek(0, 2); at = f.tell() // 2
f.seek(at); b = f.read(1)[0]; f.seek(at); f.write(bytes([b ^ 8]))' "$seg"
for i in 1 2 3 4 5 6; do recover cat "$(cat "$d/id.$i")":notes 2>/dev/null; done >"$d/out"
check 'with a flipped bit every version is right' test "$(cut -d' ' -f2 "$d/out" | tr -d '\n')" = 123456
gives 1 'verify names it' recover verify --all
says '... where it is' "$d/out" '^segment 1: a flipped bit .* offset'
says '... and that nothing is lost' "$d/err" 'no file of a snapshot has lost what it held; recover repair makes'
gives 0 'now status knows' recover status
says '... and says the way out' "$d/err" 'damage was found .* recover repair'
gives 0 'repair loses nothing' recover repair "$d/new"
says '... and says what to type' "$d/err" "recover --store $d/new list"
gives 0 'the new one is whole' recover --store "$d/new" verify --all
cp "$d/whole" "$seg"
gives 0 'whole again' recover verify --all
recover status >"$d/out" 2>&1
check '... and nobody speaks of damage any more' sh -c '! grep -q damage "$1"' - "$d/out"

# The records of the third snapshot: zeroes.
python3 -B - "$here/reader" "$s" <<'PY'
import sys
sys.path.insert(0, sys.argv[1])
import hfread
[seg] = hfread.Store(sys.argv[2]).segments
rec = [r for r in seg.records if any(f.type == 4 for f in r.frames)][2]
with open(sys.argv[2] + "/log/00000001.seg", "r+b") as f:
    f.seek(rec.at)
    f.write(bytes(rec.end - rec.at))
PY
gives 0 'history of what has lost one version' recover history notes
check '... names that one' test "$(grep -c ' lost ' "$d/out")" = 1
check '... and no other' test "$(grep -c ' changed \| added ' "$d/out")" = 5
gives 0 'for programs' recover history --json notes
check '... it has no id' test "$(grep -c '"blob":null' "$d/out")" = 1
# What was written as the difference to it goes with it.
right() { all=1 good=0; for i in 1 2 3 4 5 6; do "$@" "$(cat "$d/id.$i")" >"$d/got"; [ ! -s "$d/got" ] || { good=$((good + 1)); grep -qx "version $i of the notes" "$d/got" || all=0; }; done; }
cat_of() { recover cat "$1:notes" 2>/dev/null; }
right cat_of
check 'what comes out of the others is right' test $all = 1 -a $good -ge 2
before=$good
gives 4 'that one cannot be read' recover cat "$id3:notes"
check '... not a byte of it' test ! -s "$d/out"
says '... and the way out is said' "$d/err" 'recover repair makes a new store of the rest'
gives 3 'a search for it' recover find -t 'version 3'
says '... does not say that it never was' "$d/err" 'no version that could be read holds it'
recover find -t 'version 2' >"$d/out" 2>/dev/null
says 'a search for another finds it' "$d/out" 'notes'
gives 3 'a restore of that snapshot' recover restore "$id3" --to "$d/back" --yes
says '... names what is missing' "$d/err" '^recover: notes: damaged'
says '... and where else to look' "$d/err" 'recover history PATH shows other versions'
gives 1 'verify --all' recover verify --all
says '... ends with what is lost' "$d/err" 'versions\{0,1\} of files .* lost, in the snapshots named above; recover repair'
gives 4 'an export of it' recover export "$d/exported"
says '... says the way out' "$d/err" 'recover repair makes a new store of the rest'
check '... and leaves nothing' test ! -e "$d/exported"
git init -q --bare "$d/remote.git"; printf '[mirror]\n\turl = %s\n' "$d/remote.git" >"$d/mconfig"
gives 4 'a mirror of it' env HOLDFAST_CONFIG="$d/mconfig" "$bin/recover" --workspace "$w" mirror
says '... says the way out' "$d/err" 'recover repair makes a new store of the rest'
check '... and not that it is tried again' sh -c '! grep -q "tried again" "$1"' - "$d/err"
gives 1 'repair keeps the rest' recover repair "$d/rest"
check '... all snapshots' test "$(recover --store "$d/rest" list 2>/dev/null | wc -l)" = 6
good=0; for i in 1 2 3 4 5 6; do recover --store "$d/rest" cat "@~$((6 - i)):notes" 2>/dev/null | grep -qx "version $i of the notes" && good=$((good + 1)); done
check '... and all versions that could be read, and what the workspace has' test $good -gt $before
gives 0 '... whole' recover --store "$d/rest" verify --all
gives 0 '... and can be exported' recover --store "$d/rest" export "$d/exported"
check '... which git finds nothing wrong with' git -C "$d/exported" fsck --full --strict
