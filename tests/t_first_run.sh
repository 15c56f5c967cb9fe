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
row 2 'did you mean snapd --workspace . --start?' snapd --daemon
row 2 'did you mean snapd --workspace . --start?' snapd start .
row 2 'did you mean recover restore REV?' snapd --restore
row 2 'did you mean snapd --workspace .?' snapd watch
row 2 'This one: snapd --workspace . --install;' snapd --install
for m in once status stop start uninstall; do row 2 "This one: snapd --workspace . --$m;" snapd --$m; done
row 4 'no such file or folder' snapd -w "$d/nowhere"
row 2 '~/it: a ~ in quotes or behind a = stays as it is: leave it bare, or write $HOME' snapd -w '~/it'
row 2 '~/st: a ~ in quotes' snapd -w . --store='~/st' --once
row 2 '~/it: a ~ in quotes' recover -w '~/it' list
row 2 '~/st: a ~ in quotes' recover --store '~/st' list
row 4 'snapd --workspace DIR makes one' snapd -w . --status
echo x >'a file'
row 4 "is no folder; the one it is in: --workspace '$d/it'\\''s new'" snapd -w 'a file' --once
rm 'a file'
row 1 'no snapd runs for it' snapd -w . --stop
row 2 'frob: no such reason; launch, ' snapd -w . --once --reason frob
row 4 "it is the root of the file system; --force if you mean it" snapd -w / --once
row 4 "its files are the kernel's; --force if you mean it" snapd -w /proc --once
row 4 "is no store; recover stores lists them" recover --store /etc list
row 4 "is no store; recover stores lists them" recover --store /etc/passwd list
row 4 "--store DIR keeps it elsewhere" env HOME=/proc/nohome XDG_DATA_HOME= "$bin/snapd" -w . --once
row 4 "HOME is not set to a folder, so there is no place for its store; --store DIR names one" env -u HOME -u XDG_DATA_HOME "$bin/snapd" -w . --once
row 4 "no place for the socket: XDG_RUNTIME_DIR is /proc/x: no such file or folder" env -u HOLDFAST_STATE HOME="$d" XDG_RUNTIME_DIR=/proc/x "$bin/detect" watch
row 4 "it is your home folder; --force if you mean it" snapd -w "$HOME" --once
for c in '' list restore undo diff deleted status; do
	row 4 "snapd --workspace '$d/it'\\''s new' keeps this one" recover $c
done
row 4 "snapd --workspace '$d/it'\\''s new' makes one" recover -w . list
row 2 'did you mean recover history?' recover histroy a
row 2 'did you mean recover status?' recover stat
row 2 'did you mean recover restore REV?' recover Restore
row 2 'did you mean recover undo?' recover unod
row 2 'recover --help lists them' recover frobnicate
row 2 '--workspce: no such option, did you mean --workspace?' recover --workspce . list
row 2 'did you mean detect events?' detect evnets
row 2 'did you mean detect clean?' detect claen
row 2 'did you mean recover list?' recover lst
row 2 'did you mean detect?' detect stautus
row 2 'did you mean recover find PATTERN?' recover serach
row 2 'detect help names them' detect frobnicate
row 2 'it follows --' detect run
row 1 'detect run -- COMMAND starts one' detect runs
row 1 'detect run -- COMMAND starts one' detect attach
row 1 '`detect watch` watches' detect events
printf '[snapshot\n' >"$d/broken"
row 2 "mend the file named above" env HOLDFAST_CONFIG="$d/broken" "$bin/snapd" -w . --once
cd / && row 4 'snapd --workspace ~/project keeps that folder' recover
cd "$d/kept" && mkdir -p in/it && echo a >a && "$bin/snapd" -w . --once >"$d/id" || { echo "not ok $who: a snapshot"; bad=1; }
cd in/it || exit 1
"$bin/snapd" --once >"$d/again" && cmp -s "$d/id" "$d/again" && echo "ok $who: snapd --once below a workspace takes that" ||
	{ echo "not ok $who: snapd --once below a workspace"; bad=1; }
row 1 "$d/kept: no snapd runs for it" snapd --stop
printf '[store]\n\tdir = %s\n' "$d/else" >"$d/config"
row 2 'which folder? This one: snapd --workspace . --once;' env HOLDFAST_CONFIG="$d/config" "$bin/snapd" --once
HOLDFAST_CONFIG=$d/config "$bin/snapd" -w "$d/kept" --once >"$d/id2"
row 1 "with the store $d/else/" env HOLDFAST_CONFIG="$d/config" "$bin/snapd" --stop
# What other stores know of a folder that has none yet.
row 4 "$d/kept above it has one: recover --workspace $d/kept list in/it" recover -w "$d/kept/in/it" list
row 0 "is inside $d/kept, which has a store: its snapshots up to now stay there (recover --workspace $d/kept list in/it)" \
	snapd -w "$d/kept/in/it" --once
row 0 "$d/kept above has a store too: recover --workspace $d/kept list in/it" recover -w "$d/kept/in/it" list
row 4 'refused' snapd -w "$d/kept/in/it" --once --store "$d/kept/in/it"
mkdir "$d/old" && echo a >"$d/old/a" && "$bin/snapd" -w "$d/old" --once -q >"$d/id" &&
	echo b >"$d/old/a" && mkdir -m 700 "$d/state2" && HOLDFAST_STATE=$d/state2 "$bin/recover" -w "$d/old" -q restore @ --yes && mv "$d/old" "$d/new" && cd "$d/new" || exit 1
row 4 "no workspace here or above: moved? recover adopt $d/old $d/new; " recover
row 4 "has no store yet: moved? recover adopt $d/old $d/new; " recover -w . list
row 0 "begins a new store; $d/old is gone: if it was moved here, recover drop $d/new and then recover adopt $d/old $d/new" snapd -w . --once
row 0 "dropped" recover drop -y "$d/new"
row 0 "$d/new: has the snapshots of $d/old now" recover adopt "$d/old" "$d/new"
row 4 "the last restore was of $d/old; what was there before it comes back by recover restore " recover undo
"$bin/recover" list --json >"$d/out" && grep -q "$(cat "$d/id")" "$d/out" && echo "ok $who: and has them" || { echo "not ok $who: and has them"; bad=1; }
no_store() { ls "$d/data/holdfast" | grep -q -e 'a_file' -e "^a file" -e '^closed'; }
no_store && { echo "not ok $who: a store was made in vain"; bad=1; } || echo "ok $who: no store was made in vain"
cd "$d/kept" || exit 1
row 1 'nothing to restore: everything is as it was' recover restore @
row 1 'no such snapshot or mark; recover list shows them' recover show zzz
for w in HEAD HEAD~1 latest; do row 1 'no such snapshot or mark; the newest is @' recover restore $w; done
row 1 "did you mean '@{yesterday}'?" recover restore yesterday
row 1 "did you mean '@{14:30}'?" recover show 14:30
row 1 'the last before the crash is @crash' recover diff crash
row 1 'a path comes after one, as in @ a; recover history a lists its versions' recover restore a
row 2 'of the newest snapshot: recover cat @:a' recover cat a
row 2 'did you mean recover history a?' recover a
row 2 'did you mean recover show @~1?' recover @~1
row 2 'did you mean snapd --workspace . --uninstall?' recover --uninstall
row 1 'runs: nosuch: no such run; detect runs lists them' detect runs nosuch
row 2 'did you mean detect run -- COMMAND?' detect -- python train.py
row 2 'did you mean detect watch?' detect --watch
row 2 '--need 6G of memory' detect gate 6G
row 2 'not a size such as 500M, 6G' detect gate --need 6
row 2 'not a size such as 500M, 6G' detect run --limit 6 true
row 1 'no path of any snapshot matches' recover find nosuch
row 1 'no editor holds a text' recover unsaved
row 1 'nothing is recorded yet: snapd starts the monitor, detect watch too' recover report
if [ -n "${CLOSED-}" ]; then
	row 4 'closed belongs to root (you are user 4242): act as root, or name another' snapd -w "$CLOSED" --once
	row 4 'closed belongs to root (you are user 4242): act as root, or name another' recover --store "$CLOSED/s" -w "$d/kept" list
	row 4 'closed belongs to root (you are user 4242): act as root, or name another' recover -w "$CLOSED/x" list
	row 4 '--store DIR keeps it elsewhere' env HOME=/ XDG_DATA_HOME="$CLOSED" "$bin/snapd" -w "$d/kept" --once
fi
# What git, restic and systemctl call it, and what another of the three programs does: the command that does it here is named, and
# there is one of that name.
all=$(for p in snapd recover detect; do "$bin/$p" --help-all; done)
habit() { p=$1 word=$2
	"$bin/$p" "$word" >"$d/out" 2>"$d/err" </dev/null; rc=$?
	said=$(sed -n "s/^$p: $word: .*did you mean \(.*\)?.*/\1/p" "$d/err")
	case $said in
	"recover "[a-z]*|"detect "[a-z]*) set -- $said; ok=$(printf %s "$all" | grep -c "^usage: $1 \[*$2\>");;
	"snapd --workspace . --"*) ok=$(printf %s "$all" | grep -c -e "--${said##*--}\>");;
	recover|detect|"snapd --workspace ."|*--version) ok=1;;
	*) ok=0;;
	esac
	[ $rc = 2 ] && [ "$ok" -gt 0 ] && [ "$(wc -l <"$d/err")" = 1 ] || { echo "$p $word ($rc): $(cat "$d/err")"; return 1; }; }
cd "$d/it's new" || exit 1
for p in snapd recover detect; do
	words=$(printf %s "$all" | sed -nE 's/^usage: (recover|detect) \[?([a-z]+).*/\2/p' | sort -u)
	[ "$(echo "$words" | wc -l)" -gt 30 ] || { echo "not ok $who: no list of commands"; bad=1; }
	lost=$(for w in $words log reflog checkout switch reset revert blame grep tag branch add commit stash init clone push fsck gc rm snapshots snapshot backup \
		create save forget dump extract mount check compact stats info delete copy daemon background restart enable disable monitor logs oom crash crashes what \
		why rollback redo undelete trash search gui tui ps mem memory ram gpu usage doctor free kill freeze pause resume train launch once start stop install \
		uninstall version recover detect status history; do
		printf %s "$all" | grep -q "^usage: $p \[*$w\>" || habit $p $w; done)
	if [ -z "$lost" ]; then echo "ok $who: $p knows others' words"; else echo "not ok $who: $p knows others' words:"; echo "$lost"; bad=1; fi
done
exit $bad
