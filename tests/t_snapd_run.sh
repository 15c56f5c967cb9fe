#!/bin/sh
# snapd from start to end: what it sees, what it says, how it ends.
. "$(dirname "$0")/snapd/lib.sh"

mkdir -p "$w/src"
echo one >"$w/src/a.py"
start || { echo "not ok it starts"; exit 1; }
check "the first snapshot holds the tree" same

edit() { echo two >>"$w/src/a.py" && id=$(once) && [ ${#id} -eq 40 ] && same; }
check "--once has every write before it" edit
again() { [ "$(once)" = "$id" ]; }
check "--once without a change prints the newest id" again
note() { new=$(once -m "before the refactoring") && [ "$new" != "$id" ]; }
check "--once with a note makes a snapshot of its own" note

deep()
{
	for i in $(seq 30); do
		mkdir -p "$w/n$i/a/b/c/d" && echo "$i" >"$w/n$i/a/b/c/d/f" && once >/dev/null || return 1
		echo more >>"$w/n$i/a/b/c/d/f"
	done
	once >/dev/null && same
}
check "mkdir -p and a write at once lose nothing" deep

moves()
{
	mv "$w/n1" "$w/moved" && echo x >>"$w/moved/a/b/c/d/f" && once >/dev/null && same || return 1
	echo y >>"$w/moved/a/b/c/d/f" && once >/dev/null && same || return 1
	mv "$w/moved" "$d/outside" && once >/dev/null && same || return 1
	mv "$d/outside" "$w/back" && once >/dev/null && echo z >"$w/back/a/new" && once >/dev/null && same || return 1
	mv "$w/n2" "$w/n3/in" && mv "$w/n4" "$w/n2" && once >/dev/null && same || return 1
	echo q >"$w/n3/in/a/q" && echo r >"$w/n2/a/r" && once >/dev/null && same
}
check "folders that move are followed" moves

swap() { rm -r "$w/n5" && ln -s n6 "$w/n5" && rm -r "$w/n6" && echo f >"$w/n6" && once >/dev/null && same; }
check "a folder becomes a link, another a file" swap
modes() { chmod 600 "$w/src/a.py" && chmod 700 "$w/n7" && mkdir "$w/empty" && touch -d 2001-02-03 "$w/src" && once >/dev/null && same; }
check "modes and empty folders" modes

links()
{
	echo 1 >"$w/l1" && once >/dev/null && ln "$w/l1" "$w/l2" && once >/dev/null && echo 2 >>"$w/l2" && once >/dev/null && same &&
		ln "$w/l1" "$w/l3" && echo 3 >>"$w/l1" && once >/dev/null && same && rm "$w/l1" && echo 4 >>"$w/l3" && once >/dev/null &&
		same && rm "$w/l2" && echo 5 >>"$w/l3" && once >/dev/null && same
}
check "a file with several names" links

rules()
{
	mkdir -p "$w/out/deep" "$w/.venv/lib" && echo o >"$w/out/deep/o" && echo l >"$w/.venv/lib/l" || return 1
	once >/dev/null; before=$(field watched_count)
	echo "out/" >"$w/.gitignore" && once >/dev/null || return 1
	[ "$(field watched_count)" -eq $((before - 2)) ] || return 1
	id=$(once); echo more >>"$w/out/deep/o"; echo more >>"$w/.venv/lib/l"
	[ "$(once)" = "$id" ] || return 1
	rm "$w/.gitignore" && once >/dev/null && [ "$(field watched_count)" -eq "$before" ] && rm -r "$w/.venv" "$w/out" &&
		once >/dev/null && same
}
check "a new .gitignore takes folders and their watches away, and gives them back" rules

middle()
{
	for seed in 1 2 3; do
		python3 - "$w/long" $seed <<'PY' && once >/dev/null && same || return 1
import random, sys
r = random.Random(int(sys.argv[2]))
r2 = random.Random(0)
lines = [b'%d %d\n' % (i, r2.getrandbits(60)) for i in range(40000)]
at = r.randrange(len(lines))
lines[at:at + 5] = [b'%x\n' % r.getrandbits(900), *lines[at + 40:at + 60], *lines[at - 90:at - 30], b'%x\n' % r.getrandbits(900)]
open(sys.argv[1], 'wb').write(b''.join(lines))
PY
	done
	rm "$w/long" && once >/dev/null
}
check "a long file changed somewhere in its middle" middle

skipped() { "$snapd" -w "$w" --store "$s" --status --json | sed -n 's/.*"skipped":{"count":\([0-9]*\).*/\1/p'; }
# Told by what the folder holds, and that only later; work in another folder goes on meanwhile.
made_by_tools()
{
	mkdir -p "$w/my env/bin" "$w/other" && echo 1 >"$w/my env/bin/x" && echo 1 >"$w/other/x" && once >/dev/null && same || return 1
	echo 2 >"$w/my env/bin/x" && echo 2 >"$w/other/x" && once >/dev/null && same || return 1
	before=$(skipped)
	echo home >"$w/my env/pyvenv.cfg" && echo 3 >"$w/other/x" && once >/dev/null && [ "$(skipped)" = $((before + 1)) ] || return 1
	id=$(once); echo 3 >"$w/my env/bin/x"; [ "$(once)" = "$id" ] || return 1
	rm "$w/my env/pyvenv.cfg" && once >/dev/null && same && rm -r "$w/my env" "$w/other" && once >/dev/null && same
}
check "a folder that becomes a virtual environment goes, and comes back" made_by_tools

exclude()
{
	mkdir -p "$w/.git/info" && echo 1 >"$w/x.tmp" && once >/dev/null && same_tree || return 1
	echo '*.tmp' >"$w/.git/info/exclude" && once >/dev/null && same_but_tmp && rm "$w/.git/info/exclude" && once >/dev/null && same_tree &&
		rm -r "$w/.git" "$w/x.tmp" && once >/dev/null && same
}
same_tree() { mv "$w/.git" "$d/git" && same; r=$?; mv "$d/git" "$w/.git"; return $r; }
same_but_tmp() { mv "$w/x.tmp" "$d/x.tmp" && same_tree; r=$?; mv "$d/x.tmp" "$w/x.tmp"; return $r; }
check "a changed .git/info/exclude is seen at the next snapshot" exclude

calm()
{
	n=$(field wakeups); m=$(field wakeups)
	sleep 3
	# One for each question, and nothing else.
	[ $(($(field wakeups) - m)) -eq $((m - n)) ]
}
sleep 1		# the queue rests up to half a second after an event
check "nothing happens: no wake-up" calm

second() { "$snapd" -w "$w" --store "$s" 2>"$d/err"; [ $? -eq 4 ] && grep -q "process $pid" "$d/err"; }
check "a second snapd names the first and exits 4" second
text() { "$snapd" -w "$w" --store "$s" --status | grep -q "process $pid"; }
check "--status for people" text

gone()
{
	id=$(once); mv "$w" "$d/away" && once >/dev/null 2>&1; [ $? -eq 4 ] || return 1
	[ "$(field present)" = false ] && [ "$(field id)" = "$id" ] && mv "$d/away" "$w" || return 1
	echo returned >"$w/returned" && once >/dev/null && [ "$(field present)" = true ] && same && id=$(once)
}
check "a workspace that goes away is not a deletion, and is watched when it is back" gone
config()
{
	printf '[snapshot]\n\texclude = *.bin\n' >"$w/.holdfast" && echo b >"$w/x.bin" && kill -HUP "$pid" || return 1
	until_true sh -c '"$0" -w "$1" --store "$2" --once >/dev/null; ! python3 -B "$3" "$2" cat last x.bin >/dev/null 2>&1' \
		"$snapd" "$w" "$s" "$here/reader/hfread.py" && rm "$w/.holdfast" "$w/x.bin" && kill -HUP "$pid" && id=$(once)
}
check "SIGHUP reads the configuration again" config
stop
check "--stop ends it" dead "$pid"

start -q
back() { [ "$(once)" = "$id" ] && same; }
check "it starts again without a snapshot when nothing changed" back
last() { echo end >"$w/end"; kill -TERM "$pid"; wait "$pid"; [ $? -eq 0 ] && same; }
check "SIGTERM takes a last snapshot" last
no() { "$snapd" -w "$w" --store "$s" --stop 2>/dev/null; [ $? -eq 1 ]; }
check "--stop without a daemon says no" no
alone() { echo alone >"$w/alone" && once >/dev/null && same; }
check "--once without a daemon does it itself" alone

start
"$snapd" -w "$w" --store "$s" --status >/dev/null
kill -9 "$pid"; wait "$pid" 2>/dev/null
echo after >"$w/after"
killed() { start && same; }
check "after kill -9 the next one takes what changed" killed
stop

seq_is() { [ "$(field snapshots)" -ge "$1" ]; }
start --interval 400ms
alone() { n=$(field snapshots) && echo alone2 >"$w/alone" && until_true seq_is $((n + 1)) && same; }
check "a change becomes a snapshot by itself" alone
endless()
{
	python3 -c '
import sys, time
with open(sys.argv[1], "w") as f:
    while True:
        f.write("x\n"); f.flush(); time.sleep(0.01)' "$w/endless" & writer=$!
	pids="$pids $writer"
	n=$(field snapshots)
	until_true seq_is $((n + 3)); r=$?
	kill "$writer"; wait "$writer" 2>/dev/null; rm "$w/endless"
	return $r
}
check "a file that is written without end is in snapshots all the same" endless
stop

forced()
{
	"$snapd" -w "$w" --store "$w/inside" --force -q --interval 100ms 2>"$d/err" & pid=$!
	pids="$pids $pid"
	until_true sh -c '"$0" -w "$1" --store "$1/inside" --status --json | grep -q running\":true' "$snapd" "$w" || return 1
	sleep 1; n=$("$snapd" -w "$w" --store "$w/inside" --status --json | sed 's/.*"snapshots":\([0-9]*\).*/\1/')
	"$snapd" -w "$w" --store "$w/inside" --stop && rm -r "$w/inside" && [ "$n" -le 3 ]
}
check "a store that was forced into the workspace is not stored in itself" forced

mkdir "$d/w1" "$d/w2"
several()
{
	XDG_DATA_HOME=$d/data "$snapd" -w "$d/w1" -w "$d/w2" -q & pid=$!
	pids="$pids $pid"
	for i in 1 2; do
		until_true env XDG_DATA_HOME="$d/data" sh -c '"$0" -w "$1" --status --json 2>/dev/null | grep -q running\":true' "$snapd" "$d/w$i" || return 1
		echo "$i" >"$d/w$i/f"
		XDG_DATA_HOME=$d/data "$snapd" -w "$d/w$i" --once >/dev/null || return 1
		XDG_DATA_HOME=$d/data "$snapd" -w "$d/w$i" --stop || return 1
	done
	wait "$pid"
}
check "two workspaces in one process; it ends with the last" several

refused() { "$snapd" -w "$1" --store "$d/never" --once 2>"$d/err"; [ $? -eq 4 ] && grep -q refused "$d/err" && [ ! -e "$d/never" ]; }
check "/ is refused" refused /
check "the home folder is refused" env HOME="$w" sh -c '"$0" -w "$1" --store "$2" --once 2>/dev/null; [ $? -eq 4 ]' "$snapd" "$w" "$d/never"
check "a store as workspace is refused" refused "$s"
inside() { "$snapd" -w "$w" --store "$w/store" 2>"$d/err"; [ $? -eq 4 ] && grep -q inside "$d/err"; }
check "a store inside the workspace is refused" inside
inside_once() { "$snapd" -w "$w" --store "$w/store" --once 2>"$d/err"; [ $? -eq 4 ] && grep -q inside "$d/err" && [ ! -e "$w/store" ]; }
check "for --once too" inside_once
inside_link() { ln -s "$w" "$d/link" && "$snapd" -w "$w" --store "$d/link/store" --once 2>"$d/err"; [ $? -eq 4 ] && grep -q inside "$d/err"; }
check "also through a link" inside_link
floor()
{
	printf '[store]\n\tfreeFloor = 1000000T\n' >"$d/config" && echo floor >"$w/floor" && n=$(field snapshots) &&
		HOLDFAST_CONFIG="$d/config" once 2>"$d/err"
	[ $? -eq 4 ] && grep -q freeFloor "$d/err" && [ "$(field snapshots)" -eq "$n" ]
}
check "--once without a daemon keeps store.freeFloor too" floor
large()
{
	mkdir "$d/lw" && printf '[snapshot]\n\tmaxFileSize = 1M\n' >"$d/config" && truncate -s 2M "$d/lw/big" || return 1
	lo() { HOLDFAST_CONFIG="$d/config" "$snapd" -w "$d/lw" --store "$d/ls" --once; }
	a=$(lo) && echo more >>"$d/lw/big" && b=$(lo) && [ "$a" = "$b" ] && truncate -s 4M "$d/lw/big" && b=$(lo) && [ "$a" != "$b" ] &&
		touch -d "2 hours ago" "$d/lw/big" && a=$(lo) && [ "$a" != "$b" ] && truncate -s 100 "$d/lw/big" && b=$(lo) && [ "$a" != "$b" ]
}
check "a file that is too large makes snapshots when it changes a lot" large
usage() { "$snapd" --frobnicate 2>/dev/null; [ $? -eq 2 ] || return 1; "$snapd" 2>/dev/null; [ $? -eq 2 ] || return 1
	"$snapd" -w "$w" --interval 0 2>/dev/null; [ $? -eq 2 ]; }
check "wrong arguments exit 2" usage
help() { for o in workspace interval once status stop json force; do "$snapd" --help | grep -q -- "--$o" || return 1; done; }
check "--help lists the options" help

open_store() { chmod 755 "$s" && once >/dev/null 2>"$d/err" && [ "$(stat -c %a "$s")" = 700 ] && grep -q "open to others" "$d/err"; }
check "a store that others may enter is closed to them" open_store

# The user's own patterns for all repositories.
user_file()
{
	mkdir -p "$d/uw" "$HOME/.config/git" && echo '*.mine' >"$HOME/.config/git/ignore" && echo 1 >"$d/uw/a.mine" && echo 2 >"$d/uw/b" &&
		echo 3 >"$d/uw/c.other" || return 1
	us() { "$snapd" -w "$d/uw" --store "$d/us" --once >/dev/null && python3 -B "$here/reader/hfread.py" "$d/us" cat last "$1" >/dev/null 2>&1; }
	us b && ! us a.mine && us c.other || return 1
	printf '[core]\n\texcludesFile = ~/mine\n' >"$HOME/.gitconfig" && echo '*.other' >"$HOME/mine" && us a.mine && ! us c.other || return 1
	echo '!c.other' >"$d/uw/.gitignore" && us c.other; r=$?
	rm -r "$HOME/.config/git" "$HOME/.gitconfig" "$HOME/mine"
	return $r
}
check "core.excludesFile and its default are honoured, after .gitignore" user_file

# A helper at work for a workspace that goes ends with it, and nothing is left of it in a daemon that stays for another.
mkdir "$d/l1" "$d/l2"; head -c 20000000 /dev/urandom >"$d/l1/large"; echo one >"$d/l2/one"
printf '[verify]\n\tevery = 1s\n\tshare = 100\n[detect]\n\tnotify = false\n' >"$d/lconfig"
two() { HOLDFAST_CONFIG=$d/lconfig XDG_DATA_HOME=$d/ldata "$snapd" "$@"; }
# A zombie takes the signal, too, and does not stand still.
hold_helper() { h=$(pgrep -o -P "$pid" -f recover-check) && kill -STOP "$h" 2>/dev/null && grep -q '^State:.T' "/proc/$h/status"; }
left_behind()
{
	HOLDFAST_CONFIG=$d/lconfig XDG_DATA_HOME=$d/ldata "$snapd" -w "$d/l1" -w "$d/l2" -q & pid=$!
	pids="$pids $pid"
	until_true hold_helper || return 1
	two -w "$d/l1" --stop >/dev/null
	kill -CONT "$h" && until_true [ ! -e "/proc/$h" ] || { grep State "/proc/$h/status"; return 1; }
	two -w "$d/l2" --stop >/dev/null && wait "$pid"
}
check "a helper of a workspace that goes leaves nothing behind" left_behind

# One store, two workspaces: the history of one would become the other's.
mkdir "$d/sh1" "$d/sh2"; echo one >"$d/sh1/one"; echo two >"$d/sh2/two"
first() { "$snapd" -w "$d/sh1" --store "$d/shst" --once >/dev/null; }
check "a store for one workspace" first
not_mine() { "$snapd" -w "$d/sh2" --store "$d/shst" "$@" >"$d/said" 2>"$d/err"; [ $? -eq 4 ] && [ ! -s "$d/said" ] && grep -q "keeps $d/sh1; name another" "$d/err"; }
check "is refused to another" not_mine --once
check "for a daemon too" not_mine
"$snapd" -w "$d/sh1" --store "$d/shst" -q & pid=$!
pids="$pids $pid"
until_true sh -c '"$0" -w "$1" --store "$2" --status --json | grep -q running\":true' "$snapd" "$d/sh1" "$d/shst"
all_modes() { not_mine --once && not_mine --stop && not_mine --status && kill -0 "$pid"; }
check "and where a daemon of the first answers" all_modes
"$snapd" -w "$d/sh1" --store "$d/shst" --stop && wait "$pid"
"$snapd" -w "$d/sh2" --store "$d/shst2" --once >/dev/null
recover_no() { (cd "$d/sh2" && HOLDFAST_STORE=$d/shst "$build/recover" "$@") >/dev/null 2>"$d/err"; [ $? -eq 4 ] && grep -q "keeps $d/sh1" "$d/err" && [ -e "$d/sh1/one" ] && [ -e "$d/sh2/two" ]; }
check "recover restores it into no other" recover_no --workspace . restore @ --delete --yes
check "nor into the first from there" recover_no restore @ --delete --yes
check "nor is undone from there" recover_no undo --yes
other_way() { ln -s sh1 "$d/sh3" && "$snapd" -w "$d/sh3" --store "$d/shst" --once >/dev/null; }
check "the same folder by another name is the same" other_way
moved()
{
	mv "$d/sh1" "$d/sh4" && ! "$snapd" -w "$d/sh4" --store "$d/shst" --once 2>"$d/err" && grep -q "moved here say --force" "$d/err" &&
		"$snapd" -w "$d/sh4" --store "$d/shst" --once --force >/dev/null && echo new >"$d/sh4/new" &&
		"$snapd" -w "$d/sh4" --store "$d/shst" --once >/dev/null
}
check "a workspace that was moved takes its store along with --force" moved
