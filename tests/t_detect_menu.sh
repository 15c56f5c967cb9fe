#!/bin/sh
# detect menu: every entry shows and runs its command; what is typed wrong is said.
. "$(dirname "$0")/detect/lib.sh"
# menu INPUT
menu() { printf '%s' "$1" >"$d/in"; "$bin/detect" menu <"$d/in" >"$d/out" 2>&1; rc=$?; }
cd "$d" || exit 1
menu '1
9
'
check 'it leaves with 0' [ $rc -eq 0 ]
says 'it recommends' "$d/out" 'recommended at '
says 'entries show their commands' "$d/out" '3  train, ultra-light.*detect run --mode light'
check 'each line fits 80 columns' [ "$(grep -E '^[ >][1-9]  ' "$d/out" | wc -L)" -le 80 ]
says 'the report' "$d/out" '^\$ detect report$'
says 'which is one' "$d/out" '^risk  '
menu '2
n
8
'
check 'the end of the input leaves with 0' [ $rc -eq 0 ]
says 'clean shows first' "$d/out" '^\$ detect clean --dry-run$'
silent 'and does nothing after a no' "$d/out" '^\$ detect clean$'
says 'the help' "$d/out" '^usage: detect'
menu '3
sh -c "echo epochs=$1" - {epochs}
q
'
says 'ultra-light runs what is typed' "$d/out" "detect run --mode light -- sh -c "
says 'as words, not through a shell' "$d/out" '^epochs=1$'
says 'and says what stands for the epoch' "$d/out" '{epochs} and {val_batches} in the command stand for 1 and 1;'
menu '3
echo whole
q
'
says 'a command without them is warned of' "$d/out" 'run: the command has no {epochs}'
says 'and runs as it is' "$d/out" '^whole$'
menu '4
7
3
echo {epochs} {val_batches}
'
says 'conservative asks for epochs and batches' "$d/out" 'run --mode safe --epochs 7 --val-batches 3 -- echo '
says 'and fills them in' "$d/out" '^7 3$'
menu '4
x
0
3

sh "x
q
3

frob
'
says 'no number' "$d/out" 'x: not a number from 1'
says 'no command' "$d/out" 'nothing to run'
says 'asked again' "$d/out" 'q goes back'
says 'an open quote' "$d/out" 'a quote is not closed'
says 'no entry' "$d/out" 'a number from 1 to 9'
silent 'and nothing was started' "$d/out" '^\$ '
printf '[training]\n\tcommand = echo usual {epochs}\n' >"$HOME/.config/holdfast/config"
menu '5

'
says 'the usual command' "$d/out" '^usual 5$'
gives 2 'no words' "$bin/detect" menu now
exit $bad
