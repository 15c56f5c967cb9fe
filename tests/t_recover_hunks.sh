#!/bin/sh
# Single changes of a file taken back, as `diff` counts them; undone; refused where they make no sense.
. "$(dirname "$0")/snapd/lib.sh"
recover() { "$build/recover" --workspace "$w" --store "$s" --no-pager "$@"; }
export HOLDFAST_AUTOSTART=0
mkdir "$w/src"
seq 1 60 | sed 's/^/line /' >"$w/src/train.py"
printf 'a\0b' >"$w/bin"
id=$("$snapd" -w "$w" --store "$s" --once)
cp "$w/src/train.py" "$d/was"
sed -i -e '5s/.*/changed/' -e '30d' -e '50a added' "$w/src/train.py"
chmod 755 "$w/src/train.py"
cp "$w/src/train.py" "$d/now"
printf 'a\0c' >"$w/bin"
check 'diff shows three' [ "$(recover diff @ -- src/train.py | grep -c '^@@')" = 3 ]
recover restore @ --hunk 2 --dry-run -- src/train.py >"$d/out"
check '--dry-run says it' grep -q '^restore 1 of 3 changes of src/train.py from ' "$d/out"
check 'and changes nothing' cmp "$d/now" "$w/src/train.py"
recover restore @ --hunk 2 -- src/train.py </dev/null >"$d/out" 2>&1
check 'nobody to ask: 2' [ $? -eq 2 ]
recover restore @ --hunk 2 --yes -- src/train.py >"$d/out" 2>"$d/err"
check 'one change: 0' [ $? -eq 0 ]
check 'that one alone is taken back' [ "$(diff "$d/now" "$w/src/train.py")" = '29a30
> line 30' ]
check 'the mode stays' [ "$(stat -c %a "$w/src/train.py")" = 755 ]
check 'undo is named' grep -q 'recover undo takes it back' "$d/err"
recover undo --yes >/dev/null 2>&1
check 'and does that' cmp "$d/now" "$w/src/train.py"
recover restore "$id" --hunk 1-3 --yes -- src/train.py >/dev/null 2>&1
check 'all of them are the old file' cmp "$d/was" "$w/src/train.py"
refused() { n=$1 c=$2; shift 2; recover restore "$id" "$@" >"$d/out" 2>"$d/err"; check "$n" [ "$?:$(wc -l <"$d/err")" = "$c:1" ]; }
refused 'no number, of a file that is as it was: 2' 2 --hunk x --yes -- src/train.py
refused 'a number of one: 1' 1 --hunk 1 --yes -- src/train.py
cp "$d/now" "$w/src/train.py"
refused 'a number too high: 2' 2 --hunk 4 --yes -- src/train.py
refused 'no number: 2' 2 --hunk x --yes -- src/train.py
refused 'two files: 2' 2 --hunk 1 --yes -- src/train.py bin
refused 'a binary file: 1' 1 --hunk 1 --yes -- bin
refused 'with --to: 2' 2 --hunk 1 --to "$d/to" --yes -- src/train.py
refused 'a folder: 1' 1 --hunk 1 --yes -- src
check 'and nothing was changed by these' cmp "$d/now" "$w/src/train.py"
exit 0
