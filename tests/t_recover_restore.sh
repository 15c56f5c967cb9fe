#!/bin/sh
# Restore, undo, redo: every byte, mode, time, link and empty folder, against an independent walk.
. "$(dirname "$0")/recover/lib.sh"

mkdir -p "$w/src/lib" "$w/empty/in/empty" "$w/ro"
cd "$w" || exit 1
echo hello >src/a.c
seq 1000 >src/lib/b.txt
printf '\000\001binary' >bin
: >nothing
ln -s src/a.c link
ln -s /nowhere/at/all dangling
echo x >'odd
name'
echo y >"$(printf 'caf\303\251 \377')"
echo secret >.env && chmod 600 .env
echo run >tool && chmod 4755 tool
head -c 3000000 /dev/urandom >large
echo locked >ro/file && chmod 444 ro/file
longname=$(printf '%0255d' 0)
echo long >"$longname"
chmod 750 empty/in
touch -d '2020-01-01 12:34:56.789012345' src/a.c
touch -h -d '2019-05-05 01:02:03.5' link
touch -d '1969-12-31 23:59:58.25' nothing
touch -d '2021-02-03 04:05:06.7' empty/in src/lib
chmod 555 ro
first=$(snap first)
walk "$w" >"$d/first.walk"

# ---- nothing to do
gives 1 'restoring what is there already does nothing' recover restore @ --yes
says '... and says so' "$d/err" 'nothing to restore'

# ---- a changed workspace
chmod 755 ro
echo more >>src/a.c
rm nothing "$longname"
mv bin bin2
ln -sf nowhere link
chmod 700 tool
rm -f ro/file && mkdir ro/file2
rm -r empty
rm -rf src/lib && echo 'now a file' >src/lib
mkdir new new/deep && echo n >new/deep/file
: >large
walk "$w" >"$d/second.walk"

gives 2 'without a terminal and --yes it does not guess' recover restore "$first"
says '... and tells the way out' "$d/err" '--yes'
gives 0 'a dry run' recover restore "$first" --dry-run --delete
says '... shows the plan' "$d/out" '^create 5 files'
walk "$w" >"$d/x.walk"
same '... and changes nothing' "$d/second.walk" "$d/x.walk"

gives 0 'restore --delete' recover restore "$first" --delete --yes --verify
walk "$w" >"$d/x.walk"
same 'everything is as in the snapshot' "$d/first.walk" "$d/x.walk"
gives 1 'restoring twice is restoring once' recover restore "$first" --delete --yes
says '... and says so' "$d/err" 'nothing to restore'
gives 0 'undo' recover undo --yes
walk "$w" >"$d/x.walk"
same 'undo brings back what was' "$d/second.walk" "$d/x.walk"
gives 0 'undo of the undo' recover undo --yes
walk "$w" >"$d/x.walk"
same 'which is a redo' "$d/first.walk" "$d/x.walk"
gives 0 'and once more' recover undo --yes
walk "$w" >"$d/x.walk"
same 'undo after redo' "$d/second.walk" "$d/x.walk"

# ---- without --delete
gives 3 'without --delete a folder does not give way to a file, and all else is done' sh -c '
	rm "$1/src/a.c" && mkdir "$1/src/a.c" && echo k >"$1/src/a.c/keep" && exec "$2" --workspace "$1" restore "$3" --yes' sh "$w" "$bin/recover" "$first"
says '... it is named' "$d/err" 'src/a.c: is a folder now'
check 'what the snapshot does not know stays' test -f "$w/new/deep/file" -a -f "$w/bin2" -a -f "$w/src/a.c/keep"
check 'what it knows is back' test -f "$w/bin" -a -d "$w/src/lib" -a -f "$w/ro/file"
gives 0 'a file where a folder was, with --delete' recover restore "$first" --delete --yes
walk "$w" >"$d/x.walk"
same 'exactly' "$d/first.walk" "$d/x.walk"

# ---- single paths
snap second >/dev/null
echo changed >src/lib/b.txt; echo changed >.env
touch -d '2021-02-03 04:05:06.7' src/lib
walk "$w" >"$d/changed.walk"
cd src || exit 1
gives 0 'a path relative to where one stands' recover restore "$first" --yes -- lib/b.txt
cd "$w" || exit 1
check '... is restored' test "$(wc -l <src/lib/b.txt)" = 1000
check '... alone' grep -q changed .env
gives 0 'undo of a single path' recover undo --yes
walk "$w" >"$d/x.walk"
same 'with the times of its folder' "$d/changed.walk" "$d/x.walk"
gives 1 'a path no snapshot holds' recover restore @ --yes -- nosuch
gives 1 'beside one that is held' recover restore "$first" --yes src/lib/b.txt nosuch
says '... it is named' "$d/err" 'nosuch: is not in'
check '... and nothing is restored' grep -q changed src/lib/b.txt
gives 0 'paths without --' recover restore "$first" --yes src/lib/b.txt
check '... are paths' test "$(wc -l <src/lib/b.txt)" = 1000
echo changed >src/lib/b.txt
gives 1 'an unknown revision' recover restore 0123456 --yes
gives 2 'a path outside' recover restore @ --yes -- ../x
recover restore "$first" --delete --yes -q
snap again >/dev/null

# ---- elsewhere
gives 0 'restore --to' recover restore "$first" --to "$d/copy"
walk "$d/copy" >"$d/x.walk"
same 'is a copy' "$d/first.walk" "$d/x.walk"
gives 1 'a second time there is nothing to do' recover restore "$first" --to "$d/copy"
echo mine >"$d/copy/src/a.c" && rm "$d/copy/bin" && chmod 711 "$d/copy/src"
touch -d '2001-01-01' "$d/copy/src"
gives 3 'it does not write over other files, --yes or not' recover restore "$first" --to "$d/copy" --yes
check '... really' grep -q mine "$d/copy/src/a.c"
says '... names them' "$d/err" 'src/a.c: is there already and differs; kept'
check '... writes the others' cmp "$d/copy/bin" "$w/bin"
check '... and leaves the modes of folders alone' test "$(stat -c %a "$d/copy/src")" = 711
mkdir -m 700 "$d/closed" && echo x >"$d/closed/src"
gives 3 'a file where a folder would be' recover restore "$first" --to "$d/closed" --yes
check '... is kept' grep -q x "$d/closed/src"
check '... and the folder as closed as it was' test "$(stat -c %a "$d/closed")" = 700
says '... what was to be in it is named' "$d/err" 'src/a.c: its folder cannot be restored'
check '... the rest is there' test -L "$d/closed/link"
walk "$w" >"$d/y.walk"
gives 1 'undo after a copy' recover undo --yes
says '... says what that was' "$d/err" "wrote a copy to $d/closed"
walk "$w" >"$d/x.walk"
same '... and does not take back an older restore for it' "$d/y.walk" "$d/x.walk"
gives 0 'asked again it does' recover undo --yes
gives 0 'and back' recover undo --yes
walk "$w" >"$d/x.walk"
same '... to what was' "$d/y.walk" "$d/x.walk"
gives 4 '--to the workspace' recover restore "$first" --to "$w" --yes
gives 4 '--to the store' recover restore "$first" --to "$s/log" --yes
gives 4 '--to a new folder in the store' recover restore "$first" --to "$s/new" --yes
gives 0 '--to a new folder in the workspace' recover restore "$first" --to "$w/old" -- src
echo mine >"$w/old/src/a.c"
gives 3 '... where it replaces nothing' recover restore "$first" --to "$w/old" --yes -- src
check '... really' grep -q mine "$w/old/src/a.c"
rm -r "$w/old"
gives 4 'export into the store' recover export "$s/export"

# ---- the workspace is gone
chmod -R u+rwx "$w" && cd / && rm -rf "$w"
gives 4 'diff says that it is gone' recover diff
gives 0 'a deleted workspace is made again' recover restore "$first" --yes
walk "$w" >"$d/x.walk"
same 'whole' "$d/first.walk" "$d/x.walk"

# ---- nothing unheld is touched
cd "$w" || exit 1
snap third >/dev/null
mkdir -p data && echo one >data/x && ok=$(snap with-data)
echo /data/ >.gitignore && echo precious >data/x
gives 3 'what no snapshot holds is not replaced' recover restore "$ok" --yes
check '... it stays' grep -q precious data/x
says '... and is named' "$d/err" 'data/x'
gives 0 'nor deleted' recover restore "$first" --delete --yes
check '... it stays' grep -q precious data/x

# ---- links on the way
rm -rf "$d/outside" && mkdir "$d/outside" && rm -rf data .gitignore src && ln -s "$d/outside" src
gives 0 'a folder that became a link' recover restore "$first" --yes
check '... is a folder again, nothing went through the link' test ! -L src -a -f src/a.c -a -z "$(ls -A "$d/outside")"
rm -rf src && ln -s "$d/outside" src
gives 3 'a path below a link, alone' recover restore "$first" --yes -- src/a.c
check '... is refused' test -L src -a -z "$(ls -A "$d/outside")"
rm src

# ---- a store that cannot be written
if [ "$(id -u)" != 0 ]; then
	chmod 555 "$s"
	gives 4 'without a safety snapshot nothing is changed' recover restore "$first" --yes
	chmod 700 "$s"
fi
gives 0 'the end' recover restore "$first" --delete --yes
walk "$w" >"$d/x.walk"
same 'is the beginning' "$d/first.walk" "$d/x.walk"
check 'no temporary is left' test -z "$(find "$w" -name '.*.hf-*')"
exit $bad
