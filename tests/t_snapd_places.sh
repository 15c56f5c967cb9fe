#!/bin/sh
# Where a workspace may lie and what it may be called: odd bytes, one inside another, the same one by two names, moved
# and moved back with its parent, and a store with no place to be.
. "$(dirname "$0")/snapd/lib.sh"
recover=$build/recover
unset HOLDFAST_STORE
esc=$(printf '\033')

# A whole life under a name: the daemon, a change, the folder deleted, everything back.
life()
{
	w=$d/$1
	mkdir "$w" && echo one >"$w/f" && chmod 640 "$w/f" || return 1
	"$snapd" -w "$w" --interval 1h 2>>"$d/log" & pid=$!
	pids="$pids $pid"
	until_true sh -c '"$1" -w "$2" --status --json 2>/dev/null | grep -q "\"running\":true"' - "$snapd" "$w" || return 1
	echo two >"$w/f" && [ "$("$snapd" -w "$w" --once | wc -c)" = 41 ] || return 1
	(cd "$w" && "$recover" status >"$d/out") && ! grep -q "$esc" "$d/out" && [ "$(grep -c . "$d/out")" = 7 ] || return 1
	rm -rf "$w"
	"$recover" -w "$w" restore --yes @ >"$d/out" 2>"$d/err" && [ "$(cat "$w/f")" = two ] && [ "$(stat -c %a "$w/f")" = 640 ] || return 1
	"$snapd" -w "$w" --stop && wait "$pid" && ! grep -q "$esc" "$d/log"
}
check 'a name with spaces' life 'with  two spaces '
check 'a name with a line feed' life "new
line"
check 'a name with bytes that are no UTF-8' life "$(printf 'inv\377\376alid')"
check 'a name that begins with a dash' life -dash
check 'a name that would paint the terminal' life "$(printf '\033[31mred\t%%s%%n')"
check 'a name as long as names get' life "$(printf '%0255d' 7)"
cd "$d" || exit 1
check 'a relative name that begins with a dash' sh -c '"$1" -w -dash --once >/dev/null && "$1" --workspace=-dash --status >/dev/null' - "$snapd"
cd / || exit 1

nested()
{
	mkdir -p "$d/outer/inner/deep" "$d/outer/x" && echo a >"$d/outer/a" && echo b >"$d/outer/inner/b"
	"$snapd" -q -w "$d/outer" -w "$d/outer/inner" --interval 1h 2>>"$d/log" & pid=$!
	pids="$pids $pid"
	until_true sh -c '"$1" -w "$2" --status --json 2>/dev/null | grep -q "\"running\":true"' - "$snapd" "$d/outer/inner" || return 1
	echo c >"$d/outer/inner/deep/c"
	"$snapd" -w "$d/outer" --once >/dev/null && "$snapd" -w "$d/outer/inner" --once >/dev/null || return 1
	[ "$("$recover" -w "$d/outer" cat @:inner/deep/c)" = c ] && [ "$("$recover" -w "$d/outer/inner" cat @:deep/c)" = c ] || return 1
	(cd "$d/outer/inner/deep" && "$recover" status) | grep -q "workspace  $d/outer/inner\$" || return 1
	(cd "$d/outer/x" && "$recover" status) | grep -q "workspace  $d/outer\$" || return 1
	# The inner one goes and comes back by its own store; the outer one's sees both.
	rm -rf "$d/outer/inner" && "$snapd" -w "$d/outer" --once >/dev/null || return 1
	"$recover" -w "$d/outer/inner" restore --yes @ >/dev/null 2>&1 && [ "$(cat "$d/outer/inner/deep/c")" = c ] || return 1
	"$snapd" -w "$d/outer" --once >/dev/null && "$recover" -w "$d/outer" diff --exit-code >/dev/null || return 1
	# And by the outer one's, under the inner one's daemon.
	rm -rf "$d/outer/inner" && "$recover" -w "$d/outer" restore --yes @ >/dev/null 2>&1 || return 1
	[ "$(cat "$d/outer/inner/b")" = b ] && "$snapd" -w "$d/outer/inner" --once >/dev/null || return 1
	"$recover" -w "$d/outer/inner" diff --exit-code && kill "$pid" && wait "$pid"
}
check 'one workspace inside another' nested

w=$d/p/w
mkdir -p "$w" && echo 1 >"$w/a"
mkdir -p "$HOME/.config/holdfast" && printf '[snapshot]\n\tpollInterval = 100ms\n' >"$HOME/.config/holdfast/config"
start --interval 100ms || echo "not ok it starts"
is() { [ "$("$recover" -w "$w" --store "$s" cat @:a 2>/dev/null)" = "$1" ]; }
says_gone() { "$snapd" -w "$w" --store "$s" --status --json | grep -q '"present":false'; }
moved() { mv "$d/p/w" "$d/p/v" && until_true says_gone && echo 2 >"$d/p/v/a" && mv "$d/p/v" "$d/p/w" && until_true is 2; }
check 'moved away and back, changed meanwhile' moved
parent() { mv "$d/p" "$d/q" && echo 3 >"$d/q/w/a" && until_true says_gone && mv "$d/q" "$d/p" && until_true is 3; }
check 'its parent moved away and back' parent
swapped() { mkdir "$d/new" && echo 4 >"$d/new/a" && mv "$w" "$d/p/old" && mv "$d/new" "$w" && until_true is 4; }
check 'another folder in its place' swapped
ln -s w "$d/p/link"
by_link() { "$snapd" -w "$d/p/link" --store "$s" 2>"$d/err"; [ $? = 4 ] && grep -q "already runs for it, as process $pid" "$d/err"; }
check 'a second one through a symbolic link is refused' by_link
check 'and the link leads to the running one' sh -c '"$1" -w "$2/p/link" --store "$2/s" --once >/dev/null' - "$snapd" "$d"
paused()
{
	kill -STOP "$pid" && i=0
	while [ $i -lt 50 ]; do echo $i >>"$w/a"; i=$((i + 1)); done
	mkdir "$w/made" && echo m >"$w/made/m" && kill -CONT "$pid" && once >/dev/null && "$recover" -w "$w" --store "$s" diff --exit-code
}
check 'stopped and continued: nothing is missed' paused
check 'it stops' stop

w=$d/six
mkdir "$w" && echo 1 >"$w/a"
six()
{
	many=
	for i in 1 2 3 4 5 6; do
		"$snapd" -w "$w" --store "$d/s6" --interval 1h 2>"$d/six.$i" & many="$many $!"
	done
	pids="$pids $many"
	up() { [ "$(cat "$d"/six.* | grep -c 'already runs')" = 5 ] && grep -q watching "$d"/six.*; }
	until_true up || { cat "$d"/six.*; return 1; }
	"$snapd" -w "$w" --store "$d/s6" --stop || return 1
	good=0
	for p in $many; do wait "$p" && good=$((good + 1)); done
	[ $good = 1 ] && [ "$("$recover" -w "$w" --store "$d/s6" list | wc -l)" = 1 ]
}
check 'of six started in one instant one runs, five say who' six

jumps()
{
	for t in 1795000000 1795000100 1794990000 1999999999 1795000300; do
		echo $t >"$d/six/a" && HOLDFAST_NOW=$t "$snapd" -w "$w" --store "$d/s6" --once >/dev/null || return 1
	done
	at() { HOLDFAST_NOW=1795000400 "$recover" -w "$w" --store "$d/s6" cat "$1:a"; }
	[ "$(at @)" = 1795000300 ] && [ "$(at @~1)" = 1999999999 ] && [ "$(at '@{90 seconds ago}')" = 1795000300 ] && [ "$(at '@{2 hours ago}')" = 1794990000 ]
}
check 'a clock that jumps: the order is that of the snapshots' jumps

no_home() { env -u HOME -u XDG_DATA_HOME "$snapd" -w "$w" --once 2>"$d/err"; [ $? = 4 ] && grep -q 'HOME is not set.*--store' "$d/err"; }
check 'without HOME there is no place, and a way out' no_home
given() { env -u HOME -u XDG_DATA_HOME -u XDG_RUNTIME_DIR "$snapd" -w "$w" --store "$d/sg" --once >/dev/null && env -u HOME -u XDG_RUNTIME_DIR "$recover" -w "$w" --store "$d/sg" list >/dev/null; }
check 'with --store neither HOME nor XDG_RUNTIME_DIR is missed' given
# Root may write everywhere, unless the capability for that is given up.
mkdir "$d/ro" && chmod 500 "$d/ro"
as=env
[ "$(id -u)" != 0 ] || as='setpriv --inh-caps=-all --bounding-set=-all'
closed() { HOME=$d/ro $as "$snapd" -w "$w" --once 2>"$d/err"; [ $? = 4 ] && grep -q 'Permission denied; --store DIR' "$d/err"; }
if $as test -w "$d/ro"; then
	echo "skip a HOME that cannot be written: everything can be written"
else
	check 'a HOME that cannot be written: said, with the way out' closed
fi
