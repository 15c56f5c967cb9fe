#!/bin/sh
# What goes wrong around a recovery must not stop it: broken settings, an emptied folder.
. "$(dirname "$0")/recover/lib.sh"
cd / || exit 1
fresh() { cd / && rm -rf "$w" "$s" && mkdir -p "$w/src" && cd "$w" && echo one >a && echo two >src/b && first=$(snap first) && short=$(echo "$first" | cut -c1-8); }

# ---- broken settings
fresh
printf '[snapshot\n\tinterval = 5s\n' >"$w/.holdfast"
mkdir -p "$HOME/.config/holdfast"
printf '[recover]\n\tcontext = 1\n\tcontext = "never closed\n' >"$HOME/.config/holdfast/config"
for c in '' list 'show @' 'ls @' 'cat @:a' diff 'history a' deleted status verify; do
	# shellcheck disable=SC2086
	gives 0 "broken settings: recover $c" recover $c
	check '... names both lines, once each' test "$(wc -l <"$d/err")" -ge 2 -a \
		"$(grep -c 'w/.holdfast:[0-9]' "$d/err")" = 1 -a "$(grep -c 'holdfast/config:[0-9]' "$d/err")" = 1
done
rm a
gives 0 'broken settings: restore' recover restore "$first" --yes
check '... restores' grep -q one a
gives 0 'broken settings: undo' recover undo --yes
check '... too' test ! -e a
rm "$HOME/.config/holdfast/config"

# ---- rm -rf *, and a snapshot of what that left
fresh
rm -rf -- "$w"/*
gives 0 'before the next snapshot' recover
says '... it says how' "$d/out" '2 deleted since .*back: recover restore @'
snap emptied >/dev/null
gives 0 'after it' recover
says '... it says what the last snapshot dropped and how it comes back' "$d/out" "dropped    2 files, by the last snapshot: recover restore $short"
gives 0 'status' recover status
says '... too' "$d/out" "dropped    2 files.*recover restore $short"
gives 0 'status --json' recover status --json
says '... too' "$d/out" "\"dropped\":{\"count\":2,\"held_by\":\"$short\"}"
gives 1 'restore @' recover restore @ --yes
says '... too' "$d/err" "recover restore $short"
echo new >"$w/new"
snap later >/dev/null
gives 0 'snapshots later' recover
says '... it is still said' "$d/out" "dropped    2 files.*recover restore $short"
gives 0 'the command it names' recover restore "$short" --yes
check '... brings it back' test -f "$w/a" -a -f "$w/src/b" -a -f "$w/new"
snap back >/dev/null
gives 0 'and then' recover
check '... it is said no more' test "$(grep -c dropped "$d/out")" = 0

# ---- emptied, and full of NUL bytes
fresh
: >a && head -c 4 /dev/zero >src/b
snap emptied >/dev/null
gives 0 'emptied files' recover
says '... are named' "$d/out" "emptied    a: recover restore $short -- a"
says '... and those of NUL bytes' "$d/out" "NUL bytes  src/b: recover restore $short -- src/b"
echo again >a
snap written >/dev/null
gives 0 'once written again' recover status
check '... one is not' test "$(grep -c ' a: ' "$d/out")" = 0

# ---- an index that is damaged is no damage
fresh
for i in $(seq 40); do echo $i >n$i; done
snap more >/dev/null
rm -f "$s/catalogue.db-wal" "$s/catalogue.db-shm"
cp "$s/catalogue.db" "$d/whole.db"
hurt=0 said=0 at=4096
while [ $at -lt "$(wc -c <"$d/whole.db")" ]; do
	rm -f "$s"/catalogue.db*
	cp "$d/whole.db" "$s/catalogue.db"
	dd if=/dev/zero of="$s/catalogue.db" bs=512 seek=$((at / 512)) count=1 conv=notrunc 2>/dev/null
	if ! recover list >"$d/out" 2>"$d/err"; then
		hurt=$((hurt + 1))
		grep -q 'give the command again' "$d/err" && ! grep -q repair "$d/err" && recover list >"$d/out" 2>&1 && said=$((said + 1))
	fi
	at=$((at + 4096))
done
check 'a damaged catalogue fails one command, which says so and not to repair' test $hurt -gt 0 -a $hurt = $said

# ---- after a restore, @ is what one sees
fresh
echo broken >a && rm src/b
gives 0 'a restore' recover restore "$first" --yes
gives 0 'the newest snapshot is what it made' recover diff --exit-code
check '... so @ is not the broken state' test "$(recover cat @:a)" = one
recover list >"$d/out"
says '... in the list' "$d/out" "after the restore of $short"
gives 0 'undo' recover undo --yes
check '... still takes it back' grep -q broken a

# ---- a daemon that is stopped
fresh
"$bin/snapd" --workspace "$w" 2>"$d/snapd.err" &
daemon=$!
n=0
while ! grep -q "watching" "$d/snapd.err" && [ $n -lt 200 ]; do sleep 0.05; n=$((n + 1)); done
echo broken >a
kill -STOP $daemon
gives 0 'status with a stopped daemon' recover status
says '... it does not answer' "$d/out" "^daemon     does not answer: kill -CONT $daemon "
gives 0 'the summary with one' recover
says '... likewise' "$d/out" "; snapd does not answer: kill -CONT $daemon "
gives 0 'status --json with one' recover status --json
says '... likewise' "$d/out" '"answers":false'
gives 4 'a stopped daemon holds no restore up for ever' timeout 60 "$bin/recover" --workspace "$w" restore "$first" --yes
kill -CONT $daemon
says '... who is waited for is said' "$d/err" "waiting for snapd (pid $daemon)"
says '... and the way out' "$d/err" "kill -CONT $daemon"
check '... nothing was changed' grep -q broken a
gives 0 'when it goes on, so does the restore' recover restore "$first" --yes
check '... and does it' grep -q one a
gives 0 'status with one that is at work' recover status
says '... it runs' "$d/out" "^daemon     running, pid $daemon\$"
kill $daemon && wait $daemon
gives 0 'status without one' recover status
says '... how to start it' "$d/out" "^daemon     not running: snapd --workspace $w --store $HOLDFAST_STORE starts it"
# One that a slow disk holds up: nobody answers the first two, the third waits for longer.
fresh
python3 -c '
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
os.chdir(sys.argv[1])
s.bind("control"); s.listen(); open("up", "w").close()
held = [s.accept()[0] for _ in (1, 2)]
for answer in (b"ok\n", b"ok\n"):
    c = s.accept()[0]; c.recv(4096); c.sendall(answer); c.close()' "$HOLDFAST_STORE" & fake=$!
n=0; while ! [ -e "$HOLDFAST_STORE/up" ] && [ $n -lt 200 ]; do sleep 0.05; n=$((n + 1)); done
gives 0 'one that is only slow is waited for' timeout 60 "$bin/recover" --workspace "$w" mark @ slow
says '... which is said' "$d/err" 'waiting for snapd'
kill $fake 2>/dev/null; wait $fake; rm -f "$HOLDFAST_STORE/control" "$HOLDFAST_STORE/up"

# ---- what does not come back is named, where nothing is
fresh
printf '[snapshot]\n\tmaxFileSize = 1M\n' >.holdfast && head -c 3M /dev/zero >weights.bin && mkdir node_modules && ln -s a link
third=$(snap third)
gives 0 'ls --json' recover ls --json "$third"
says '... gives a link the mode git gives it' "$d/out" '"mode":"120000"'
cd / && rm -rf "$w"
gives 0 'a deleted workspace' recover restore "$third" --yes
says '... what was not stored is named' "$d/err" 'not brought back: 1 file, 3.0 MiB: weights.bin (3.0 MiB); and 1 folder'
gives 0 'verify --json of a whole store' recover verify --json
says '... says so' "$d/out" '"whole":true'

# ---- no store is found: why
fresh
unset HOLDFAST_STORE
mkdir -p "$d/old/sub" "$d/there" && w=$d/old && snap kept >/dev/null && w=$d/there && snap kept >/dev/null
mv "$d/old" "$d/renamed" && cd "$d/renamed/sub" || exit 1
gives 4 'a workspace that was moved' "$bin/recover" list
says '... the way to its snapshots is told' "$d/err" "$d/old is gone .*recover --workspace $d/old list"
check '... those that are there are not named' test "$(grep -c "$d/there" "$d/err")" = 0
gives 0 '... and leads there' "$bin/recover" --workspace "$d/old" list
gives 4 'without HOME' env -u HOME -u XDG_DATA_HOME "$bin/recover" list
says '... that is said' "$d/err" 'HOME is not set'
cd "$d" && w=$d/there

# ---- a pager that is not there
if command -v script >/dev/null; then
	gives 0 'a pager that is not there' sh -c 'PAGER=nonexist script -qec "$1 --workspace $2 list" /dev/null </dev/null' sh "$bin/recover" "$w"
	says '... is done without' "$d/out" 'kept'
fi

exit $bad
