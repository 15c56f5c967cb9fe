#!/bin/sh
# The listing commands, exit codes, export, marks, a daemon beside, hostile and read-only stores.
. "$(dirname "$0")/recover/lib.sh"
r=$bin/recover
mkdir -p "$w/src/deep" "$w/empty" && cd "$w" || exit 1
echo one >src/a.c; echo bin >tool; chmod +x tool; ln -s src/a.c link; echo secret >.env; printf 'x' >'odd
name'
first=$(snap first manual 1700000000)
echo two >src/a.c; rm tool; echo n >src/deep/new.py
second=$(snap second interval 1700000600)
: >src/a.c
third=$(snap '' interval 1700001200)

gives 0 'list' recover list
check '... newest first' test "$(cut -c1-8 <"$d/out" | tr '\n' ' ')" = "$(printf '%.8s %.8s %.8s ' "$third" "$second" "$first")"
gives 0 'list -n 1' recover list -n1
check '... is one line' test "$(wc -l <"$d/out")" = 1
gives 0 'list --reason' recover list --reason manual
check '... only these' grep -q first "$d/out"
gives 2 'list --reason nonsense' recover list --reason nonsense
gives 0 'list PATH' recover list src/deep/new.py
check '... those that changed it' test "$(cut -c1-8 <"$d/out")" = "$(printf %.8s "$second")"
gives 0 'list --json' recover list --json
check '... one object a line' python3 -c '
import json, sys
rows = [json.loads(l) for l in open(sys.argv[1])]
assert [r["id"] for r in rows] == sys.argv[2:5], rows
assert all(set(r) >= {"id", "time", "reason", "message", "changed", "added_bytes", "marks", "flags"} for r in rows)
assert rows[0]["flags"] == ["emptied"] and rows[2]["time"].startswith("2023-11-14T22:13:20")' "$d/out" "$third" "$second" "$first"

for rev in "@~2" "$first" "$(printf %.6s "$first")" "@{2023-11-14T22:13:20Z}" "@{2023-11-14 22:20}" "$third~2" "@~1~"; do
	gives 0 "cat $rev:src/a.c" recover cat "$rev:src/a.c"
	check '... is the first version' test "$(cat "$d/out")" = one
done
gives 1 '@crash without a journal' recover show @crash
gives 1 'a time before the first' recover show '@{2020-01-01}'
gives 1 'too far back' recover show @~3
gives 2 'a wrong time' recover show '@{nonsense}'
gives 0 'show' recover show "$second"
says '... deletions' "$d/out" '^ D  tool$'
says '... additions' "$d/out" '^ A  src/deep/new.py'
gives 0 'ls' recover ls @~2
says '... a quoted name' "$d/out" '"odd.nname"'
says '... an empty folder' "$d/out" 'empty/'
gives 0 'history' recover history src/a.c
check '... has three versions' test "$(wc -l <"$d/out")" = 3
says '... the empty one flagged' "$d/out" 'emptied'
gives 1 'history of nothing' recover history nosuch
gives 1 'cat of the workspace itself' recover cat @:
says '... by a name' "$d/err" 'the workspace itself: is a folder'
gives 0 'find' recover find 'to*'
says '... what is deleted too' "$d/out" 'tool  deleted'
gives 1 'find nothing' recover find 'zzz*'
gives 1 'find a part of a name' recover find ool
says '... says how' "$d/err" "'\*ool\*' looks"
gives 0 'deleted' recover deleted
says '... and who holds it' "$d/out" "^$(printf %.8s "$first").*tool"
# Lists print paths from the top; below it they mean the same, where nothing else is of that name.
gives 0 'a path as it was printed, below the top' sh -c 'cd src && "$1" history tool' - "$r"
says '... and says so' "$d/err" "tool: nothing of this name is in src; that of the workspace's top is taken"
gives 1 '... one that begins with a dot is none' sh -c 'cd src && "$1" history ./tool' - "$r"
gives 0 '... what is below is meant first' sh -c 'cd src && "$1" history a.c' - "$r"
# A folder that went with several stands above its files, once, and comes back in one piece.
mkdir -p "$d/gone/notes/sub" "$d/gone/one" && touch "$d/gone/notes.md" "$d/gone/one/o" && for i in 1 2; do echo $i | tee "$d/gone/notes/$i" >"$d/gone/notes/sub/$i"; done
for i in held gone; do HOLDFAST_STORE=$d/gone.store "$bin/tests/tool_snap" "$d/gone" $i >/dev/null; rm -r "$d/gone/notes" "$d/gone/one" 2>/dev/null; done
gives 0 'deleted folders' env HOLDFAST_STORE="$d/gone.store" "$bin/recover" -w "$d/gone" deleted
check '... above their files' test "$(sed -n '2,$s/.* B  //p' "$d/out" | tr '\n' ' ')" = 'notes/ (4 files) notes/1 notes/2 notes/sub/1 notes/sub/2 one/o '
gives 0 '... no more than asked for' env HOLDFAST_STORE="$d/gone.store" "$bin/recover" -w "$d/gone" deleted -n 2 --json
check '... with how many' python3 -c '
import json, sys
a, b = map(json.loads, open(sys.argv[1]))
assert (a["path"], a["kind"], a["files"], a["size"]) == ("notes", "folder", 4, 8) and b["path"] == "notes/1" and "files" not in b, (a, b)
' "$d/out"
gives 0 '... brought back' env HOLDFAST_STORE="$d/gone.store" "$bin/recover" -w "$d/gone" restore @~1 --yes -- notes
check '... whole' test "$(cat "$d/gone/notes/"[12] "$d/gone/notes/sub/"* | tr -d '\n')" = 1212
# What went since the newest snapshot, which has seen nothing of it; and nothing at all.
mkdir "$d/since" && touch "$d/since/a" "$d/since/b" && (HOLDFAST_STORE=$d/since.store "$bin/tests/tool_snap" "$d/since" both) >/dev/null
deleted() { env HOLDFAST_STORE="$d/since.store" "$bin/recover" -w "$d/since" deleted "$@"; }
gives 0 'nothing deleted' deleted
check '... in no row' test ! -s "$d/out"
says '... and says so' "$d/err" 'no file that is still held is gone'
rm "$d/since/b"
gives 0 'deleted since the newest snapshot' deleted
says '... is told, and who holds it' "$d/out" '^[0-9a-f]\{8\}  .*  b$'
gives 0 '... for programs' deleted --json
check '... with the time of asking' python3 -c '
import json, sys
[o] = map(json.loads, open(sys.argv[1]))
assert o["path"] == "b" and o["deleted"] and len(o["last_held_by"]) == 40, o
' "$d/out"
mv "$d/since" "$d/since.away"
gives 0 'without the workspace that is not asked' deleted
check '... nor told' test ! -s "$d/out"
gives 0 'status --json' recover status --json
check '... one object' python3 -c '
import json, sys
o = json.load(open(sys.argv[1]))
assert o["snapshots"] == 3 and o["dirty"] == 0 and o["daemon"] == {"running": False, "pid": None, "answers": None} and o["last"]["id"] == sys.argv[2], o
' "$d/out" "$third"
gives 0 'the summary' recover
gives 0 'verify --all' recover verify --all
for c in list show ls cat diff restore undo history find deleted status mark verify export; do
	"$r" "$c" --help >"$d/out" 2>&1 && grep -q "^usage: recover $c" "$d/out" || not_ok "recover $c --help"
	grep -q "^.Ic $c\$\|^.It Ic $c" "$here/../docs/recover.1" || not_ok "docs/recover.1 has $c"
done
# every option of a command's help stands in its part of the manual, and the other way round
check 'help and manual name the same options' python3 -B "$here/recover/options.py" "$r" "$here/../docs/recover.1"
gives 2 'no such command' recover nosuch
gives 2 'no help about it' recover help nosuch
# A path without its --, as git takes it: there, gone but in the newest snapshot, after a revision; a mark of that name wins.
diffs() { n=$1 k=$2; shift 2; recover diff "$@" >"$d/short"; recover diff $(expr "$*" : '\(@[^ ]*\)') -- $(expr " $*" : ".* \($k\)") >"$d/long"
	if [ -s "$d/long" ] && cmp -s "$d/short" "$d/long"; then ok "$n"; else not_ok "$n"; diff "$d/short" "$d/long"; fi; }
diffs 'diff of a path' src/a.c @~1 src/a.c
diffs 'diff of a folder' src @~1 src
mv "$w/src/deep" "$d/deep"
diffs 'diff of a path that is gone' src/deep/new.py src/deep/new.py
mv "$d/deep" "$w/src/deep"
gives 0 'a mark with the name of a file' recover mark @~2 tool && echo x >"$w/tool"
recover diff tool >"$d/short"; recover diff @~2 >"$d/long"
check '... is the revision' cmp -s "$d/short" "$d/long"
recover mark --remove tool; rm "$w/tool"
gives 2 'more than two revisions' recover diff @ @~1 @~2
gives 1 'neither' recover diff nosuch.c
says '... the way out' "$d/err" 'a path comes after one, as in @ nosuch.c'
gives 0 'ls without a revision' recover ls
"$r" --workspace "$w" ls @ >"$d/long"
check '... is that of the newest' cmp -s "$d/out" "$d/long"
gives 2 'no such option' recover list --nosuch
gives 2 'too many words' recover show a b
gives 4 'no store' env -u HOLDFAST_STORE "$r" --workspace "$d" list
gives 0 'version' "$r" --version

# ---- where it is found
unset HOLDFAST_STORE
snap >/dev/null
cd src/deep || exit 1
gives 0 'from a folder below, without a word' "$r" list
cd "$d" || exit 1
export HOLDFAST_STORE="$s"

# ---- marks, export
gives 0 'mark' recover mark "$first" 'before all'
check '... is a revision' test "$(recover cat 'before all:src/a.c')" = one
gives 0 'a mark that another one has' recover mark @ 'before all'
says '... which that was' "$d/err" "before all was at $(printf %.8s "$first"), which has it no more"
gives 0 '... and back' recover mark "$first" 'before all'
gives 0 '... where it is' recover mark "$first" 'before all'
check '... nothing is said' test ! -s "$d/err"
gives 2 'a mark that is none' recover mark @ @x
gives 0 'export' recover export "$d/export.git" -q
check '... git takes it' git -C "$d/export.git" fsck --full --strict --no-dangling
check '... the same commits' test "$(git -C "$d/export.git" log --format=%H main | tr '\n' ' ')" = "$third $second $first "
check '... and tags' test "$(git -C "$d/export.git" rev-parse before-all)" = "$first"
check '... and bytes' test "$(git -C "$d/export.git" show "$first:src/a.c")" = one
echo four >"$w/src/a.c" && fourth=$(snap fourth)
gives 0 'export again adds what is new' recover export "$d/export.git" -q
check '... whole' git -C "$d/export.git" fsck --full --strict --no-dangling
check '... to the newest' test "$(git -C "$d/export.git" rev-parse main)" = "$fourth"
gives 4 'export refuses a folder that holds other things' recover export "$w"
gives 0 'mark --remove' recover mark --remove 'before all'
gives 1 '... which is gone then' recover show 'before all'

# ---- a daemon is the writer
"$bin/snapd" --workspace "$w" --store "$s" --interval 3600s 2>"$d/snapd.err" &
pid=$!
n=0
until "$bin/snapd" --workspace "$w" --store "$s" --status >/dev/null 2>&1 && [ -S "$s/control" ]; do
	n=$((n + 1)); [ $n -lt 200 ] || break; sleep 0.05
done
echo unsaved >"$w/src/a.c"
walk "$w" >"$d/before.walk"
gives 0 'restore beside a daemon' recover restore "$first" --delete --yes
check '... is done' test "$(cat "$w/src/a.c")" = one
gives 0 'undo beside a daemon' recover undo --yes
walk "$w" >"$d/x.walk"
same '... brings back even what was never snapshotted before' "$d/before.walk" "$d/x.walk"
gives 0 'mark beside a daemon' recover mark @ now
gives 0 '... is set' recover show now
gives 2 'a name that is none beside a daemon' recover mark @ @x
says '... says why' "$d/err" 'no name for a mark'
gives 0 'status beside a daemon' recover status --json
check '... knows it' grep -q "\"pid\":$pid" "$d/out"
kill $pid && wait $pid

# ---- a store nobody can write
if unshare -Urm true 2>/dev/null; then
	cat >"$d/ro.sh" <<-'END'
		mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 77
		"$2" --workspace "$3" list >/dev/null && "$2" --workspace "$3" diff @~1 @ >/dev/null || exit 1
		"$2" --workspace "$3" restore "$5" --yes; [ $? = 4 ] || exit 2
		"$2" --workspace "$3" restore "$5" --to "$4" || exit 3
	END
	walk "$w" >"$d/before.walk"
	gives 0 'a read-only store is read, restores elsewhere, and refuses the rest' \
		unshare -Urm sh "$d/ro.sh" "$s" "$r" "$w" "$d/elsewhere" "$first"
	walk "$w" >"$d/x.walk"
	same '... nothing was changed' "$d/before.walk" "$d/x.walk"
else
	echo "skip a read-only store: no user namespaces here"
fi
printf 'first line\nthe \303\244pple of the eye\n' >"$w/apple.txt"; snap >/dev/null; held=$(recover list -n 1 --json | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
printf 'no more\n' >"$w/apple.txt"; snap >/dev/null
gives 0 'find a text' recover find -t 'pple of'
says 'in the version that held it, with its line' "$d/out" "^$(echo "$held" | cut -c1-8)  .*  apple.txt:2: the .*pple of the eye\$"
check 'once' [ "$(wc -l <"$d/out")" = 1 ]
gives 1 'not in other files' recover find -t 'pple of' 'b*'
gives 0 'for programs' recover find --json --text 'pple of' 'apple*'
says 'with id and line' "$d/out" "\"id\":\"$held\".*\"line_number\":2,"
gives 1 'a text that is nowhere' recover find -t 'zzz nowhere'
gives 2 'neither path nor text' recover find
gives 2 'an empty text' recover find -t ''
exit $bad
