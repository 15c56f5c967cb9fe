#!/bin/sh
# What an editor holds and never saved: copied by snapd, found, compared and restored by recover. The files lie as the
# editors leave them; real_vscode.sh has a real one.
. "$(dirname "$0")/snapd/lib.sh"
export HOLDFAST_STORE=$s
U=$HOME/.config/Code
W=$(printf %s "$w" | md5sum | cut -c1-32)
B=$U/Backups/$W
mkdir -p "$B/file" "$B/untitled" "$w/sub"
not() { ! "$@"; }
recover() { "$build/recover" --workspace "$w" --no-pager "$@"; }
# backup KIND/NAME URI [TYPE]: stdin is the text; written as the editor does, in place
backup() { { printf '%s {"mtime":%s,"size":6,"orphaned":false,"typeId":"%s"}\n' "$2" "${mtime:-1}" "${3-}"; cat; } >"$d/new"; cat "$d/new" >"$B/$1"; }
get() { recover unsaved --all --json | python3 -c '
import json, sys
for line in sys.stdin:
    v = json.loads(line)
    if v["name"] == sys.argv[1]:
        print(v[sys.argv[2]])' "$@"; }
id() { get "$1" id; }
listed() { recover unsaved 2>/dev/null | grep -q "  $1\$"; }
copies() { get "$1" versions; }
is() { [ "$(copies "$1")" = "$2" ]; }

printf 'x = 1\n' >"$w/train.py"
start || exit 1
once >/dev/null
recover unsaved >"$d/out" 2>"$d/err"
check 'nothing unsaved: 1' [ $? -eq 1 ]

# ---- live
printf 'x = 1\ny = 2\n' | backup file/-1 "file://$w/train.py"
printf 'hello' | backup untitled/-7f9c1a2e untitled:Untitled-1
check 'a buffer is found' listed train.py
check 'one without a file too' listed Untitled-1
recover unsaved diff "$(id train.py)" >"$d/out"
check 'it is compared with the disk' grep -q '^+y = 2' "$d/out"
check 'cat gives the text alone' [ "$(recover unsaved cat "$(id train.py)")" = "$(printf 'x = 1\ny = 2')" ]
check 'the file is older' [ "$(get train.py disk)" = older ]
check 'the summary tells' sh -c 'HOLDFAST_STORE=$2 "$1" --workspace "$3" | grep -q "^unsaved    2 buffers"' - "$build/recover" "$s" "$w"
recover history train.py >"$d/out"
check 'history has it, newest first' sh -c 'sed -n 1p "$1" | grep -q " unsaved " && sed -n 2p "$1" | grep -q " added "' - "$d/out"
has_copy() { [ -d "$s/unsaved/log" ] && recover unsaved --all --json >/dev/null; }
check 'snapd copies without being asked' until_true has_copy

# ---- the editor's own is destroyed
printf 'x = 1\ny = 3\n' | backup file/-1 "file://$w/train.py"
check 'the second version is copied' until_true sh -c 'HOLDFAST_STORE=$2 "$1" --workspace "$3" unsaved --all --json | grep -q "\"versions\":2"' - "$build/recover" "$s" "$w"
once >/dev/null
: >"$B/file/-1"
once >/dev/null
check 'an empty file does not replace the copy' [ "$(recover unsaved cat "$(id train.py)")" = "$(printf 'x = 1\ny = 3')" ]
check 'and it is said' [ "$(get train.py held)" = torn ]
printf 'file:///no-line-end' >"$B/file/-1"
once >/dev/null
check 'nor does one without its first line' [ "$(recover unsaved cat "$(id train.py)")" = "$(printf 'x = 1\ny = 3')" ]
rm "$B/file/-1"
once >/dev/null
check 'nor one that is gone' [ "$(get train.py held)" = gone ]
check 'the version before that one' [ "$(recover unsaved cat "$(id train.py)~1")" = "$(printf 'x = 1\ny = 2')" ]
recover unsaved cat "$(id train.py)~9" 2>"$d/err"
check 'too far back: 1' [ $? -eq 1 ]
# a large one, cut off between two chunks
python3 -c 'print("line of text\n" * 60000, end="")' >"$d/big"
backup file/-2 "file://$w/big.txt" <"$d/big"
check 'a large one is copied' until_true sh -c 'HOLDFAST_STORE=$2 "$1" --workspace "$3" unsaved --all --json | grep -q big.txt' - "$build/recover" "$s" "$w"
once >/dev/null
{ head -n 1 "$B/file/-2"; tail -n +2 "$B/file/-2" | head -c 524288; } >"$d/cut"; cat "$d/cut" >"$B/file/-2"
once >/dev/null
check 'a front of it is not taken for it' [ "$(get big.txt held)" = torn ]
recover unsaved cat "$(id big.txt)" >"$d/out"
check 'the whole one is given' cmp "$d/big" "$d/out"
rm "$B/file/-2"

# ---- restore
printf 'x = 1\ny = 4\n' | backup file/-1 "file://$w/train.py"
i=$(id train.py)
recover unsaved restore "$i" 2>"$d/err"
check 'beside the file by default' cmp "$w/train.unsaved-$i.py" - <<END
x = 1
y = 4
END
recover unsaved restore "$i" 2>"$d/err"
check 'again is no harm' [ $? -eq 0 ]
check 'the file itself is as it was' [ "$(cat "$w/train.py")" = 'x = 1' ]
recover unsaved restore "$i" --to "$w/train.py" 2>"$d/err"
check '--to writes over nothing: 4' [ $? -eq 4 ]
recover unsaved restore "$i" --over 2>"$d/err" </dev/null
check '--over asks: 2 without anybody' [ $? -eq 2 ]
chmod 755 "$w/train.py"
recover unsaved restore "$i" --over --yes 2>"$d/err"
check '--over: 0' [ $? -eq 0 ]
check 'it is written, with its mode' [ "$(cat "$w/train.py")$(stat -c %a "$w/train.py")" = "$(printf 'x = 1\ny = 4')755" ]
recover undo --yes >/dev/null 2>"$d/err"
check 'undo takes it back, mode and all' [ "$?$(cat "$w/train.py")$(stat -c %a "$w/train.py")" = "0x = 1755" ]
recover undo --yes >/dev/null 2>&1
check 'and undo again brings it back' [ "$(cat "$w/train.py")" = "$(printf 'x = 1\ny = 4')" ]
recover undo --yes >/dev/null 2>&1
printf 'kept.txt\n' >"$w/.gitignore"
echo 'in no snapshot' >"$w/kept.txt"
printf 'typed\n' | backup file/-8 "file://$w/kept.txt"
recover unsaved restore "$(id kept.txt)" --over --yes 2>"$d/err"
check 'over what no snapshot holds: refused' [ "$?$(cat "$w/kept.txt")" = '3in no snapshot' ]
rm "$B/file/-8" "$w/.gitignore" "$w/kept.txt"
printf 'typed\n' | backup file/-8 "file://$w/gone.txt"
recover unsaved restore "$(id gone.txt)" --over --yes 2>"$d/err"
check 'a file that is gone comes back' [ "$(cat "$w/gone.txt")" = typed ]
recover undo --yes >/dev/null 2>&1
check 'and undo takes it away' not test -e "$w/gone.txt"
rm "$B/file/-8"
check 'nothing of the editor was touched' [ -s "$B/file/-1" ]
recover unsaved restore "$(id Untitled-1)" 2>"$d/err"
check 'one without a file gets one' [ "$(cat "$w"/Untitled-1.unsaved-*.txt)" = hello ]

# ---- bytes
printf '\357\273\277a\r\nb\r\n' >"$w/bom.txt"
printf 'a\r\nc\r\n' | backup file/-3 "file://$w/bom.txt"
recover unsaved restore "$(id bom.txt)" --over --yes 2>/dev/null
check 'mark and line ends are kept' [ "$(od -An -c "$w/bom.txt" | tr -d ' \n')" = '357273277a\r\nc\r\n' ]
check 'and it is not listed then' not listed bom.txt
printf 'caf\351\n' >"$w/latin.txt"
printf 'caf\357\277\275 x\n' | backup file/-4 "file://$w/latin.txt"
recover unsaved restore "$(id latin.txt)" --over --yes 2>"$d/err"
check 'over what is not UTF-8: refused' [ $? -eq 1 ]
check 'it is as it was' [ "$(od -An -c "$w/latin.txt" | tr -d ' \n')" = 'caf351\n' ]
printf '{\n "cells": []\n}' | backup file/-5 "file://$w/nb.ipynb" notebook/jupyter-notebook/jupyter-notebook
recover unsaved restore "$(id nb.ipynb)" --over --yes 2>"$d/err"
check 'a notebook is restored' [ "$(cat "$w/nb.ipynb")" = "$(printf '{\n "cells": []\n}')" ]
printf '{}' | backup file/-6 "file://$w/x.bin" hexEditor.hexedit
check 'what an extension keeps is not a text' not listed x.bin
printf 'x' | backup file/-7 "file://$d/other/a.py"
check "another folder's is not ours" not listed a.py
recover unsaved restore nosuch 2>"$d/err"
check 'no such id: 1' [ $? -eq 1 ]
recover unsaved restore 2>"$d/err"
check 'no id: 2' [ $? -eq 2 ]
recover unsaved frob x 2>"$d/err"
check 'no such verb: 2' [ $? -eq 2 ]

# ---- saved: then there is nothing
printf 'x = 9\n' | backup file/-8 "file://$w/sub/new.py"
check 'one below a folder' listed sub/new.py
once >/dev/null
printf 'x = 9\n' >"$w/sub/new.py"; rm "$B/file/-8"
once >/dev/null
check 'saved and taken away: not listed' not listed sub/new.py

# ---- Local History
H=$U/User/History/4aa
mkdir -p "$H"
printf 'saved once\n' >"$H/AbCd.py"
printf '{"version":1,"resource":"file://%s/train.py","entries":[{"id":"AbCd.py","timestamp":%s000}]}' "$w" "$(date +%s)" >"$H/entries.json"
echo z >"$w/z"; once >/dev/null
recover history train.py >"$d/out"
check 'history has what the editor saved' grep -q ' saved .*VSCode (File Saved)' "$d/out"
h=$(sed -n 's/^\([0-9a-f]*\) .* saved .*/\1/p' "$d/out" | head -n 1)
check 'which can be read' [ "$(recover unsaved cat "$h")" = 'saved once' ]
rm -r "$H"
recover history train.py >"$d/out"
check 'also when the editor lost it' [ "$(recover unsaved cat "$h")" = 'saved once' ]
recover history --json train.py >"$d/json"
check 'as JSON too' python3 -c 'import json, sys; v = [json.loads(l) for l in open(sys.argv[1])]; t = [x["time"] for x in v]; sys.exit(t != sorted(t, reverse=True) or "local-history" not in [x["change"] for x in v])' "$d/json"

# ---- the copies' store
check 'it is whole' "$build/recover" --store "$s/unsaved" --workspace "$w" verify --all >/dev/null
check 'and in no snapshot' not sh -c 'HOLDFAST_STORE=$2 "$1" --workspace "$3" ls -r @ | grep -q Backups' - "$build/recover" "$s" "$w"
stop
printf '[unsaved]\n\tcopies = false\n' >"$w/.holdfast"
printf 'later\n' | backup untitled/-7f9c1a2d untitled:Untitled-2
start || exit 1
once >/dev/null
rm "$B/untitled/-7f9c1a2d"
check 'without unsaved.copies none is made' not listed Untitled-2
stop

# ---- an extension host that dies with this workspace open
export HOLDFAST_STATE="$d/state"
mkdir -p "$d/state" "$U/User/workspaceStorage/0a1b"
printf '{"folder": "file://%s"}' "$w" >"$U/User/workspaceStorage/0a1b/workspace.json"
printf '{"pid":4194001,"willReleaseAt":0}' >"$U/User/workspaceStorage/0a1b/vscode.lock"
python3 -B "$here/detect/put_fact.py" "$d/state" id=crash0000002 pid=4194001 of_kind=editor role=extension-host family=VSCode \
	status=signaled signal=9 argv='code --type=utility'
"$build/detect" judge --once >"$d/out" 2>&1 || cat "$d/out"
recover report >"$d/out" 2>&1 || cat "$d/out"
check 'the report names the window' grep -q '  window    VSCode had this workspace open in it' "$d/out"
check 'and what was never saved' grep -q '^never saved' "$d/out"
