#!/bin/sh
# Whoever types the wrong thing first gets the next right command to type. As root the same again as somebody else.
# A row: exit code | words typed | what the answer says
set -u
here=$(cd "$(dirname "$0")" && pwd)
bin=${BUILD_DIR:-$here/../build}
bin=$(cd "$bin" && pwd)
if [ "${1-}" != --as ]; then
	sh "$0" --as "$(id -un 2>/dev/null || id -u)" || bad=1
	if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null 2>&1; then
		d=$(mktemp -d /tmp/hf-first-XXXXXX) && chmod 711 "$d" && mkdir "$d/closed" && chmod 700 "$d/closed" || exit 1
		trap 'rm -rf "$d"' EXIT
		mkdir "$d/run" && chown 4242:4242 "$d/run"
		if setpriv --reuid 4242 --regid 4242 --clear-groups test -x "$bin/snapd"; then
			env TMPDIR="$d/run" HOME="$d/run" XDG_RUNTIME_DIR="$d/run" CLOSED="$d/closed" setpriv --reuid 4242 --regid 4242 --clear-groups \
				sh "$0" --as 'user 4242' || bad=1
		else
			echo 'skip user 4242: it cannot reach the programs'
		fi
	fi
	exit ${bad-0}
fi
who=$2
d=$(mktemp -d) || exit 1
trap 'chmod -R u+rwx "$d" 2>/dev/null; rm -rf "$d"' EXIT
export HOME="$d/home" LC_ALL=C.UTF-8 HOLDFAST_AUTOSTART=0 HOLDFAST_STATE="$d/state" XDG_DATA_HOME="$d/data"
unset HOLDFAST_STORE HOLDFAST_CONFIG XDG_CONFIG_HOME
mkdir -p "$HOME" "$d/it's new" "$d/kept" && mkdir -m 700 "$d/state"
bad=0
# row CODE SAYS WORDS...
row() { code=$1 says=$2; shift 2
	p=$1; shift
	case $p in env) "$p" "$@";; *) "$bin/$p" "$@";; esac >"$d/out" 2>"$d/err" </dev/null; rc=$?
	if [ $rc = "$code" ] && grep -qF -e "$says" "$d/err" && [ "$(wc -l <"$d/err")" -le 3 ]; then echo "ok $who: $p $*"
	else echo "not ok $who: $p $* (exit $rc, not $code; no '$says' in:)"; cat "$d/out" "$d/err"; bad=1; fi; }

cd "$d/it's new" || exit 1
row 2 'which folder? This one: snapd --workspace .' snapd
row 2 'did you mean snapd --workspace . --status?' snapd status
row 2 'did you mean snapd --workspace . --stop?' snapd stop
row 2 'did you mean snapd --workspace . --install?' snapd instal
row 2 '--worksapce: no such option, did you mean --workspace?' snapd --worksapce .
row 2 'snapd --help lists the options' snapd --frobnicate
row 4 'no such file or folder' snapd -w "$d/nowhere"
row 4 'snapd --workspace DIR makes one' snapd -w . --status
row 1 'no snapd runs for it' snapd -w . --stop
row 2 'frob: no such reason; launch, ' snapd -w . --once --reason frob
row 4 "it is the root of the file system; --force if you mean it" snapd -w / --once
row 4 "it is your home folder; --force if you mean it" snapd -w "$HOME" --once
for c in '' list restore undo diff deleted status; do
	row 4 "snapd --workspace '$d/it'\\''s new' keeps this one" recover $c
done
row 4 "snapd --workspace '$d/it'\\''s new' makes one" recover -w . list
row 2 'did you mean recover history?' recover histroy a
row 2 'did you mean recover status?' recover stat
row 2 'did you mean recover restore?' recover Restore
row 2 'did you mean recover undo?' recover unod
row 2 'recover --help lists them' recover frobnicate
row 2 '--workspce: no such option, did you mean --workspace?' recover --workspce . list
row 2 'did you mean detect events?' detect evnets
row 2 'did you mean detect clean?' detect claen
row 2 'detect help names them' detect frobnicate
row 2 'it follows --' detect run
row 1 'detect run -- COMMAND starts one' detect runs
row 1 'detect run -- COMMAND starts one' detect attach
row 1 '`detect watch` watches' detect events
cd "$d/kept" && echo a >a && "$bin/snapd" -w . --once >"$d/id" || { echo "not ok $who: a snapshot"; bad=1; }
row 1 'nothing to restore: everything is as it was' recover restore @
row 1 'no such snapshot or mark; recover list shows them' recover show zzz
row 1 'no path of any snapshot matches' recover find nosuch
row 1 'no editor holds a text' recover unsaved
row 1 'detect watch` starts it, snapd does too' recover report
if [ -n "${CLOSED-}" ]; then
	row 4 'closed belongs to root (you are user 4242): act as root, or name another' snapd -w "$CLOSED" --once
	row 4 'closed belongs to root (you are user 4242): act as root, or name another' recover --store "$CLOSED/s" -w "$d/kept" list
	row 4 'closed belongs to root (you are user 4242): act as root, or name another' recover -w "$CLOSED/x" list
	row 4 '--store DIR keeps it elsewhere' env HOME=/ XDG_DATA_HOME="$CLOSED" "$bin/snapd" -w "$d/kept" --once
fi
exit $bad
