#!/bin/sh
# The mirror: pushed by hand and by the daemon, to a path and through a fake ssh; secrets; a remote that fails, is lost or
# changed; thinning here; a stock clone; recover --from.
. "$(dirname "$0")/recover/lib.sh"
git --version >/dev/null 2>&1 || { echo 'skip no git'; exit 77; }
export HOLDFAST_CONFIG="$d/config" HOLDFAST_STATE="$d/state" XDG_CACHE_HOME="$d/cache" TZ=UTC GIT_CONFIG_GLOBAL=/dev/null
remote=$d/remote.git
fault=${FAULT_PRELOAD-$bin/tests/preload_fault.so}
host=$(uname -n | sed 's/[^A-Za-z0-9._-]/_/g')
config() { printf '[prune]\n\tgrace = 0\n[mirror]\n\turl = %s\n\tevery = 1s\n%s' "$remote" "${1-}" >"$HOLDFAST_CONFIG"; }
git init -q --bare "$remote"
config
mkdir -p "$w/src" "$w/secret"
echo one >"$w/src/a.py"; echo x >"$w/.env"; echo k >"$w/secret/id_rsa"; echo s >"$w/src/Server.PEM"; mkdir "$w/.secrets.d" "$w/credentials"; echo t >"$w/.secrets.d/t"; echo c >"$w/credentials/c.py"; ln -s src/a.py "$w/link"; chmod 755 "$w/src/a.py"
first=$(snap first manual 1700000000)
echo two >"$w/src/a.py"; second=$(snap second interval 1700000600)

gives 0 'status before the first push' recover mirror --status
check '... two lines, no blank behind' sh -c 'test "$(wc -l <"$1")" = 2 && ! grep -q " $" "$1" && grep -q "^pushed  never" "$1"' - "$d/out"
gives 0 '... as an object' recover mirror --status --json
says '... it has no name yet' "$d/out" '"ref":null'
gives 0 'push' recover mirror
says '... says how many' "$d/err" '2 snapshots pushed'
ref=$(git -C "$remote" for-each-ref --format='%(refname)' refs/holdfast/ | head -1)
branch=$(git -C "$remote" for-each-ref --format='%(refname:short)' refs/heads | head -1)
check 'the ref is this machine'"'"'s and workspace'"'"'s' test "${ref#refs/holdfast/"$host"/w-}" != "$ref"
check 'git finds nothing wrong' git -C "$remote" fsck --full --strict
check 'secrets are not there' sh -c '! git -C "$1" ls-tree -r --name-only "$2" | grep -Eq "env|id_rsa|PEM"' - "$remote" "$ref"
check '... the rest is' test "$(git -C "$remote" ls-tree -r --name-only "$ref" | tr '\n' ' ')" = "credentials/c.py link src/a.py "
gives 0 'status' recover mirror --status
says '... says what was left out' "$d/out" '4 paths that look like secrets'
says '... and that all is there' "$d/out" ' 0 snapshots behind'
gives 0 'again' recover mirror
says '... nothing is new' "$d/err" '0 snapshots pushed'

# Others use what they have.
git clone -q -b "$branch" "$remote" "$d/clone" 2>"$d/err" || not_ok 'a stock clone'
check 'git log shows both' test "$(git -C "$d/clone" log --format=%s | tr '\n' ,)" = "interval: second,manual: first,"
check 'git restore brings the old one' sh -c 'cd "$1" && git restore -s HEAD~1 src/a.py && [ "$(cat src/a.py)" = one ] && [ -x src/a.py ]' - "$d/clone"

# Elsewhere: list, show, diff, restore.
mkdir "$d/else"
from() { "$bin/recover" --workspace "$d/else" --from "$remote" "$@"; }
gives 0 'list from there' from list
check '... both' test "$(wc -l <"$d/out")" = 2
says '... with their reasons' "$d/out" 'manual .*first'
gives 0 'show' from show @~1
gives 0 'cat' from cat @~1:src/a.py
check '... the old one' test "$(cat "$d/out")" = one
gives 0 'diff of two' from diff @~1 @
says '... as git' "$d/out" '^+two'
gives 2 'restore needs a place' from restore @ --yes
gives 0 'restore' from restore @ --to "$d/got" --yes
check '... is what there was' sh -c 'cd "$1" && [ "$(cat src/a.py)" = two ] && [ -x src/a.py ] && [ "$(readlink link)" = src/a.py ] && [ ! -e .env ]' - "$d/got"
gives 0 'diff with the workspace' "$bin/recover" --workspace "$w" --from "$remote" diff --name-status
gives 2 'nothing is written to it' from prune
gives 4 'no such remote' "$bin/recover" --workspace "$d/else" --from "$d/nosuch.git" list
git init -q --bare "$d/empty.git"
gives 1 'an empty one' "$bin/recover" --workspace "$d/else" --from "$d/empty.git" list

# Marks go there, also without a snapshot, and away again.
gives 0 'mark the old one' recover mark @~1 'before it all'
# A lock that a killed one left is nobody's: one at a time is at work in what is ours.
for i in HEAD config shallow refs/heads/main refs/heads/marks; do : >"$s/mirror/git/$i.lock"; done
for i in "$XDG_CACHE_HOME"/holdfast/from/*/git; do : >"$i/refs/heads/main.lock"; : >"$i/refs/heads/marks.lock"; : >"$i/shallow.lock"; done
gives 0 'push a mark, where a killed one left its locks' recover mirror
gives 0 'the mark is a revision there' from show 'before it all'
says '... of that snapshot' "$d/out" first
gives 0 'list names it' from list --json
says '... as a mark' "$d/out" '"marks":\["before it all"\]'
check 'git finds nothing wrong with it' git -C "$remote" fsck --full --strict
gives 0 'take it away' recover mark --remove 'before it all'
gives 0 'push that, while the clock is set' env ${fault:+LD_PRELOAD="$fault"} FAULT_CLOCK=7200 "$bin/recover" --workspace "$w" mirror
gives 1 'it is gone there' from show 'before it all'

# Not a word of secrets when told to; bit for bit where nothing is left out.
rm -rf "$w/.env" "$w/secret/id_rsa" "$w/src/Server.PEM" "$w/.secrets.d" "$w/credentials"
echo y >"$w/allowed.pem"; echo three >"$w/src/a.py"; third=$(snap third interval 1700001200)
config '	allow = *.pem
	secret = a.p?
'
gives 0 'push with other patterns' recover mirror
check 'what is allowed is there, what is secret is not' test "$(git -C "$remote" ls-tree -r --name-only "$ref" | tr '\n' ' ')" = "allowed.pem link "
config '	allow = *
'
echo four >"$w/src/a.py"; fourth=$(snap fourth interval 1700001800)
gives 0 'push all' recover mirror
check '... it is there' test "$(git -C "$remote" show "$ref:src/a.py")" = four
check 'the tree is the store'"'"'s own' test "$(git -C "$remote" rev-parse "$ref^{tree}")" = "$(recover export "$d/ex" >/dev/null 2>&1; git -C "$d/ex" rev-parse 'main^{tree}')"
gives 0 'from there again' from list
check '... what is new, too' test "$(wc -l <"$d/out")" = 4

# Two stores of one name, a copy of the other: whoever finds what he did not push does not go on behind it.
two() { HOLDFAST_STORE=$d/store2 "$@"; }
cp -a "$s" "$d/store2"
echo other >"$w/src/a.py"; two snap other interval 1700001900 >/dev/null; gives 0 'push from a copy' two recover mirror
echo five >"$w/src/a.py"; snap fifth interval 1700001910 >/dev/null
gives 4 'push from the first' recover mirror
says '... says what is wrong' "$d/err" 'not pushed from here'
cp "$HOLDFAST_CONFIG" "$d/config.was"; printf '[store]\n\tfreeFloor = 8000T\n' >>"$HOLDFAST_CONFIG"; rm -rf "$s/mirror/git"
gives 4 'one that cannot fetch what is there' recover mirror
says '... for want of room' "$d/err" 'no room'
cp "$d/config.was" "$HOLDFAST_CONFIG"
gives 4 'does not forget what it pushed' recover mirror
says '... and goes not on behind the other' "$d/err" 'not pushed from here'
gives 4 'again' recover mirror
gives 1 'status' recover mirror --status
says '... how far it is' "$d/out" '1 snapshot behind'
check 'what is there is the other' test "$(git -C "$remote" show "$ref:src/a.py")" = other
rm -rf "$s/mirror"
gives 0 'told to go on' recover mirror
check '... it does' test "$(git -C "$remote" log --format=%s "$ref" | tr '\n' ,)" = "interval: fifth,interval: other,interval: fourth,interval: third,interval: second,manual: first,"

# Thinned here, it stays there, and what follows fits.
printf '[prune]\n\tgrace = 0\n\tall = 1s\n\ttenMinutes = 1s\n\thourly = 1s\n\tdaily = 1s\n\tweekly = 1s\n[mirror]\n\turl = %s\n' "$remote" >"$HOLDFAST_CONFIG"
gives 0 'prune' recover prune
check '... one is left here' test "$(recover list --json | wc -l)" = 1
config; echo fifth >"$w/src/a.py"; snap fifth interval 1700002400 >/dev/null
gives 0 'push after it' recover mirror
check 'all are there' test "$(git -C "$remote" log --format=%s "$ref" | wc -l)" = 7
check 'git finds nothing wrong' git -C "$remote" fsck --full --strict

# We forget, the remote is lost, somebody else writes there.
rm -rf "$s/mirror"; echo six >"$w/src/a.py"; snap sixth interval 1700003000 >/dev/null
git -C "$remote" update-ref "refs/backup/$ref" "$ref~3"	# listed first, and its name ends the same
gives 0 'push without a memory' recover mirror
check '... goes on from what is there' test "$(git -C "$remote" log --format=%s "$ref" | wc -l)" = 8
rm -rf "$remote"; echo seven >"$w/src/a.py"; snap seventh interval 1700003600 >/dev/null
gives 4 'a remote that is gone' recover mirror
says '... says so' "$d/err" 'nothing is lost'
gives 1 'status exits 1' recover mirror --status
git init -q --bare "$remote"
gives 0 'one that is new in its place' recover mirror
check '... gets all that is here' test "$(git -C "$remote" log --format=%s "$ref" | wc -l)" = 4
check '... whole' git -C "$remote" fsck --full --strict
git -C "$remote" update-ref "$ref" "$(GIT_AUTHOR_NAME=m GIT_AUTHOR_EMAIL=m@m GIT_COMMITTER_NAME=m GIT_COMMITTER_EMAIL=m@m git -C "$remote" commit-tree -m mine "$(git -C "$remote" rev-parse "$ref^{tree}")")"
echo eight >"$w/src/a.py"; snap eighth interval 1700004200 >/dev/null
gives 4 'what somebody else put there' recover mirror
says '... is not overwritten' "$d/err" 'not made by us'

# By ssh, as the user's git would.
remote2=$d/ssh.git; git init -q --bare "$remote2"
cat >"$d/fakessh" <<'E'
#!/bin/sh
while [ $# -gt 1 ]; do case $1 in -*) shift;; *) break;; esac; done
echo "$@" >>"$FAKELOG"; shift
exec sh -c "$*"
E
chmod +x "$d/fakessh"
export GIT_SSH_COMMAND="$d/fakessh" FAKELOG="$d/ssh.log"
remote="ssh://me:word@host$remote2"; config
gives 0 'push by ssh' recover mirror
check '... through GIT_SSH_COMMAND' grep -q 'git-receive-pack' "$d/ssh.log"
gives 0 'status of it' recover mirror --status
check '... shows no password' sh -c '! grep -q word "$1" && grep -qF "***" "$1"' - "$d/out"
gives 0 'list from it' "$bin/recover" --workspace "$d/else" --from "ssh://host$remote2" list
check '... all' test "$(wc -l <"$d/out")" = 5
unset GIT_SSH_COMMAND

# What lies here for it stays small: history is at the remote alone, and what comes later fits on it.
remote=$d/big.git; git init -q --bare "$remote"; config
for i in 1 2 3; do head -c 12000000 /dev/urandom >"$w/r$i"; done; snap large interval 1700005000 >/dev/null
printf '[store]\n\tquota = 40M\n[mirror]\n\turl = %s\n' "$remote" >"$HOLDFAST_CONFIG"
gives 4 'push without the room for it' recover mirror
says '... says so' "$d/err" 'no room to stage.*store.quota'
check '... and leaves nothing' test "$(du -sk "$s/mirror" | cut -f1)" -lt 1000
config
gives 0 'push much' recover mirror
mv "$w/r1" "$w/r2" "$w/r3" "$d"; echo a >"$w/src/a.py"; snap small interval 1700005600 >/dev/null
gives 0 'push what is left' recover mirror
check 'the staging has the last commit alone' test -s "$s/mirror/git/shallow"
echo b >"$w/src/a.py"; snap smaller interval 1700006200 >/dev/null
gives 0 'push from it' recover mirror
check '... all is there' test "$(git -C "$remote" log --format=%s "$ref" | head -3 | tr '\n' ,)" = "interval: smaller,interval: small,interval: large,"
check '... whole' git -C "$remote" fsck --full --strict
check '... and here is little' test "$(du -sk "$s/mirror" | cut -f1)" -lt 45000
# What is there already has to be fetched, where we forgot it.
mv "$d/r1" "$d/r2" "$d/r3" "$w"; snap again interval 1700006250 >/dev/null
gives 0 'push what was pushed once' recover mirror
rm -rf "$s/mirror"
printf '[store]\n\tquota = 60M\n[mirror]\n\turl = %s\n' "$remote" >"$HOLDFAST_CONFIG"
gives 4 'a fetch that is too large for the quota' recover mirror
says '... says so' "$d/err" 'no room to stage.*store.quota'
check '... and leaves nothing' test "$(du -sk "$s/mirror" | cut -f1)" -lt 1000
printf '[store]\n\tfreeFloor = 1000T\n[mirror]\n\turl = %s\n' "$remote" >"$HOLDFAST_CONFIG"
gives 4 'a fetch to a disk below its floor' recover mirror
says '... says so' "$d/err" 'no room to stage.*store.freeFloor'
check '... and leaves nothing' test "$(du -sk "$s/mirror" | cut -f1)" -lt 1000
config
gives 0 'a fetch with the room for it' recover mirror
check '... of few objects comes in a pack' test -z "$(find "$s/mirror/git/objects" -path '*/objects/??/*')" -a \
	"$(du -sk "$s/mirror/git/objects/pack" | cut -f1)" -gt 30000
# As it lay there when a fetch left single objects.
mv "$s/mirror/git/objects/pack" "$d/pack" && mkdir "$s/mirror/git/objects/pack"
for p in "$d"/pack/*.pack; do git -C "$s/mirror/git" unpack-objects -q <"$p"; done
rm "$s/mirror/git/small"
mv "$w/r1" "$w/r2" "$w/r3" "$d"; snap without interval 1700006260 >/dev/null
gives 0 'push from single objects' recover mirror
check '... they go when they are not needed' test "$(du -sk "$s/mirror" | cut -f1)" -lt 10000

# Killed while it was made small: what lies beside it goes, and where it has no name it gets it back.
cp -a "$s/mirror/git" "$s/mirror/git.old"; mkdir "$s/mirror/git.new"
gives 0 'push where a killed one left the old' recover mirror
check '... which goes' test "$(ls "$s/mirror" | tr '\n' ' ')" = 'git state '
if [ -n "$fault" ]; then
	mv "$d/r1" "$d/r2" "$d/r3" "$w"; snap more interval 1700006270 >/dev/null; gives 0 'push much again' recover mirror
	rm "$w/r1" "$w/r2" "$w/r3" "$s/mirror/git/small"; snap less interval 1700006280 >/dev/null
	i=0
	while [ -e "$s/mirror/git" ] && [ $((i += 1)) -lt 20 ]; do
		LD_PRELOAD=$fault FAULT_CALLS=rename FAULT_PATH=/mirror/git FAULT_ERR=kill FAULT_AT=$i "$bin/recover" --workspace "$w" mirror >/dev/null 2>&1
	done
	check 'killed between two names' test ! -e "$s/mirror/git" -a -e "$s/mirror/git.old" -a -e "$s/mirror/git.new"
	echo c >"$w/src/a.py"; snap behind interval 1700006290 >/dev/null
	gives 0 'push after it' recover mirror
	check '... all is there' test "$(git -C "$remote" log --format=%s "$ref" | head -3 | tr '\n' ,)" = 'interval: behind,interval: less,interval: more,'
	check '... whole' git -C "$remote" fsck --full --strict
	check '... and small again' test "$(du -sk "$s/mirror" | cut -f1)" -lt 10000 -a "$(ls "$s/mirror" | tr '\n' ' ')" = 'git state '
fi

# Many versions of a file are not many times the file there.
remote=$d/delta.git; git init -q --bare "$remote"; git -C "$remote" config receive.unpackLimit 1; config; rm -rf "$w/src"
seq 30000 >"$w/log"
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo "again $i" >>"$w/log"; snap "n$i" interval $((1700006300 + i)) >/dev/null; done
rm "$s"/mirror -r
sed -i 's/url = .*/&\n\tallow = */' "$HOLDFAST_CONFIG"
gives 0 'push all of it anew' recover mirror
git -C "$remote" cat-file --batch-all-objects --batch-check='%(objecttype) %(objectsize) %(deltabase)' | grep 'blob 1[0-9]\{5\} ' >"$d/out"
check 'what follows each other is deltas' test "$(grep -vc ' 0000000000' "$d/out")" -ge 8
mkdir -p "$w/src"

# What --from keeps of a mirror is taken anew where it is not what was noted of it: killed, or the power was cut.
remote=$d/cut.git; git init -q --bare "$remote"; config; mkdir "$d/cut"
of_cut() { HOLDFAST_STORE=$d/cutstore "$@"; }
put() { echo "$1" >"$d/cut/a" && of_cut "$bin/tests/tool_snap" "$d/cut" "$1" manual "$2" >/dev/null; }
put one 1700000000; put two 1700000600; put three 1700001200
of_cut "$bin/recover" -w "$d/cut" mark @~1 good
gives 0 'push three' of_cut "$bin/recover" -w "$d/cut" mirror
kept() { find "$XDG_CACHE_HOME/holdfast/from" -mindepth 2 -maxdepth 2 -name store; }
right()	# N NEWEST: that many snapshots, the newest as it was, and the mark on its own
{
	test "$(from list --json | wc -l)" = "$1" && test "$(from cat @:a)" = "$2" && test "$(from cat good:a)" = two &&
		rm -rf "$d/got" && from restore @ --to "$d/got" --yes >/dev/null 2>&1 && test "$(cat "$d/got/a")" = "$2"
}
if [ -n "$fault" ]; then
	export XDG_CACHE_HOME="$d/cache-killed"
	i=0 end=9
	while [ $((i += 1)) -le $end ]; do
		rm -rf "$XDG_CACHE_HOME"
		LD_PRELOAD=$fault FAULT_CALLS=renameat FAULT_PATH=/store FAULT_ERR=kill FAULT_AT=$i \
			"$bin/recover" --workspace "$d/else" --from "$remote" list >/dev/null 2>&1 && end=$i
		check "killed at the ${i}th file that gets its name" right 3 three
	done
	check '... there were some' test $end -gt 1 -a $end -lt 9
	rm -rf "$XDG_CACHE_HOME"
	gives 4 'a log that cannot be synced' env LD_PRELOAD="$fault" FAULT_CALLS=fsync,fdatasync FAULT_PATH=/store/log FAULT_ERR=EIO \
		FAULT_AT=1 FAULT_COUNT=-1 "$bin/recover" --workspace "$d/else" --from "$remote" list
	check '... is not noted' test ! -e "$(kept)/from"
	check '... and taken anew' right 3 three
else
	echo 'skip a preload does not go with this sanitizer'
fi
export XDG_CACHE_HOME="$d/cache-cut"
check 'fetched' right 3 three
cp -a "$(kept)" "$d/kept"
put four 1700001800; gives 0 'push one more' of_cut "$bin/recover" -w "$d/cut" mirror
check '... and fetched' right 4 four
at=$(kept); cp "$at/from" "$d/kept/from" && rm -rf "$at" && cp -a "$d/kept" "$at"
put five 1700002400; gives 0 'and one more' of_cut "$bin/recover" -w "$d/cut" mirror
check 'a store that is behind what was noted' right 5 five
check '... has all of them' test "$(from list --json | grep -o '"message":"[a-z]*"' | cut -d'"' -f4 | tr '\n' ,)" = five,four,three,two,one,
before=$(stat -c %i "$(kept)/lock")
check 'with nothing new' right 5 five
put six 1700003000; gives 0 'and one more' of_cut "$bin/recover" -w "$d/cut" mirror
check 'what is new' right 6 six
check '... comes to what is there' test "$(stat -c %i "$(kept)/lock")" = "$before"
export XDG_CACHE_HOME="$d/cache"

# The daemon: pushes by itself, never waits, says how far it is; a remote that hangs.
remote=$d/by-daemon.git; git init -q --bare "$remote"; config
"$bin/snapd" --workspace "$w" --store "$s" --interval 200ms >"$d/log" 2>&1 & pid=$!
wait_for() { i=0; until "$@" 2>/dev/null || [ $i = 300 ]; do sleep 0.1; i=$((i + 1)); done; [ $i -lt 300 ]; }
st() { "$bin/snapd" --workspace "$w" --store "$s" --status "$@"; }
wait_for sh -c '"$@" >/dev/null' - "$bin/snapd" --workspace "$w" --store "$s" --status
echo nine >"$w/src/a.py"
check 'the daemon pushes' wait_for sh -c '[ "$(git -C "$1" show "$2:src/a.py")" = nine ]' - "$remote" "$ref"
check 'and says so' wait_for sh -c '"$1" --workspace "$2" --store "$3" --status | grep -q "^mirror .*ago, 0 behind"' - "$bin/snapd" "$w" "$s"
st --json >"$d/out"
check 'as an object' python3 -c '
import json, sys
m = json.load(open(sys.argv[1]))["mirror"]
assert m["behind"] == 0 and m["error"] is None and m["pushed"], m' "$d/out"
printf '#!/bin/sh\necho $$ >%s\nexec sleep 600\n' "$d/hung" >"$d/hang"; chmod +x "$d/hang"
mkdir -p "$remote/hooks"; cp "$d/hang" "$remote/hooks/pre-receive"
echo ten >"$w/src/a.py"
check 'while it hangs' wait_for test -s "$d/hung"
echo eleven >"$w/src/a.py"
id=$("$bin/snapd" --workspace "$w" --store "$s" --once)
check 'snapshots go on' test "$(recover cat "$id:src/a.py")" = eleven
"$bin/snapd" --workspace "$w" --store "$s" --stop >/dev/null 2>&1; wait $pid
check 'and it ends' test $? -lt 128
check 'and what hung with it' wait_for sh -c '! kill -0 "$(cat "$1")"' - "$d/hung"
gives 0 'the store is whole' recover verify --all
exit $bad
