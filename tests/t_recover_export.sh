#!/bin/sh
# The pack of an export is git's, down to the index; each export adds what is new; Ctrl-C is answered at once.
. "$(dirname "$0")/recover/lib.sh"
command -v git >/dev/null || { echo 'skip no git'; exit 0; }
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
mkdir -p "$w/sub" && cd "$w" || exit 1
: >empty
for i in 1 14 15 16 17 2047 2048 70000; do head -c $i /dev/zero | tr '\0' x >"x$i"; done	# the lengths of the head's varint
head -c 3000000 /dev/urandom >large
seq 50000 >sub/seq && ln -s sub link && chmod +x x1
snap one >/dev/null
seq 50001 >sub/seq && cp large sub/same
snap two >/dev/null
e=$d/export p=$d/export/objects/pack
packs() { find "$p" -name '*.pack' | wc -l; }
same_index() {
	for i in "$p"/*.idx; do
		git index-pack -o "$d/own.idx" "${i%.idx}.pack" >/dev/null && cmp "$d/own.idx" "$i" || return 1
		rm -f "$d/own.idx" "$d/own.rev"
	done
}
gives 0 'export' recover export "$e"
check '... is whole' git -C "$e" fsck --full --strict --no-progress
check '... in one pack' test "$(packs)" = 1
check '... whose index is the one git would write' same_index
git clone -q "$e" "$d/clone"
check 'a clone of it' diff -r --exclude=.git --no-dereference "$w" "$d/clone"
gives 0 'again, with nothing new' recover export "$e"
check '... there is no new pack' test "$(packs)" = 1
echo new >new && snap three >/dev/null
gives 0 'again, with something new' recover export "$e"
check '... in a pack of its own' test "$(packs)" = 2
check '... of three objects' test "$(git -C "$e" count-objects -v | sed -n 's/^in-pack: //p')" = \
	"$(($(git -C "$e" rev-list --objects --all | wc -l)))"
check '... whole' git -C "$e" fsck --full --strict --no-progress
check '... and indexed so' same_index

printf '[snapshot]\n\tmaxFileSize = 2G\n' >.holdfast
truncate -s 1G sparse
snap four >/dev/null
"$bin/recover" --workspace "$w" export -q "$e" 2>"$d/err" &
pid=$!
while [ -z "$(find "$p" -name 'tmp_pack_*')" ] && kill -0 $pid 2>/dev/null; do :; done
kill -INT $pid
wait $pid
rc=$?
check 'Ctrl-C stops it within a large file' test $rc = 3
says '... which is said' "$d/err" 'stopped; nothing was added'
check '... nothing is left of it' test -z "$(find "$p" -name 'tmp_*')" -a "$(packs)" = 2

# ---- only what an export made is written to again
refs() { git -C "$1" show-ref --head; }
refused() {	# DIR WHAT SAYS
	refs "$1" >"$d/refs" && cp "$1/config" "$d/config"
	gives 4 "an export to $2" recover export "$1"
	says '... is refused' "$d/err" "$3"
	refs "$1" >"$d/refs.now"
	same '... and its refs are as they were' "$d/refs" "$d/refs.now"
	same '... and its config' "$d/config" "$1/config"
}
own() { git -C "$1" -c user.name=u -c user.email=u@localhost commit -q --allow-empty -m 'my work'; }
git init -q -b main "$d/project" && own "$d/project"
refused "$d/project/.git" 'the .git of a project' 'the .git of a project'
gives 4 'an export into it' recover export "$d/project/.git/objects/new"
check '... makes nothing there' test ! -e "$d/project/.git/objects/new"
git -C "$d/project" config core.worktree "$d/project" && mv "$d/project/.git" "$d/apart"
refused "$d/apart" 'a git folder kept apart from its work tree' 'repository of a work tree'
git clone -q --bare "$d/apart" "$d/team.git"
refused "$d/team.git" "somebody's bare repository" 'that no export made'
git clone -q --bare "$e" "$d/mirror.git"
refused "$d/mirror.git" 'a bare clone of an export' 'that no export made'
git init -q --bare -b trunk "$d/new.git"
gives 0 'an export to a bare repository without a ref' recover export -q "$d/new.git"
check '... whose HEAD is then main' test "$(git -C "$d/new.git" log --oneline | wc -l)" = 4
git -C "$d/new.git" symbolic-ref HEAD refs/heads/mine
echo five >five && snap five >/dev/null
gives 0 'an export again' recover export -q "$d/new.git"
check '... leaves HEAD where it was put' test "$(git -C "$d/new.git" symbolic-ref HEAD)" = refs/heads/mine
check '... and moves main' test "$(git -C "$d/new.git" log --oneline main | wc -l)" = 5
git -C "$d/new.git" push -q . "$(git -C "$d/new.git" -c user.name=u -c user.email=u@localhost commit-tree -m mine -p main 'main^{tree}'):main"
refused "$d/new.git" 'one whose main was moved' 'main was moved'
mkdir "$d/w2" && echo other >"$d/w2/f" && HOLDFAST_STORE=$d/store2 "$bin/tests/tool_snap" "$d/w2" other >/dev/null
refs "$e" >"$d/refs"
gives 4 "another workspace's export" env HOLDFAST_STORE="$d/store2" "$bin/recover" -w "$d/w2" export "$e"
says '... is refused' "$d/err" 'main was moved\|holds the snapshots of'
refs "$e" >"$d/refs.now"
same '... and is as it was' "$d/refs" "$d/refs.now"

# Killed while the repository was made: the next export goes on with it.
mkdir -p "$d/half.git/objects/info" && : >"$d/half.git/holdfast-unfinished" && : >"$d/half.git/HEAD.lock" && : >"$d/half.git/config.lock"
gives 0 'an export to what a killed one left' recover export -q "$d/half.git"
check '... whole' git -C "$d/half.git" fsck --full --strict
check '... no mark left' test ! -e "$d/half.git/holdfast-unfinished" -a ! -e "$d/half.git/HEAD.lock" -a ! -e "$d/half.git/config.lock"

# A lock that nobody knows the owner of is not ours to take away.
for i in config refs/heads/main; do
	echo "git's own" >"$d/half.git/$i.lock"
	echo "$i" >changed
	snap "$i" >/dev/null
	refs "$d/half.git" >"$d/refs"
	gives 4 "an export where somebody has $i.lock" recover export -q "$d/half.git"
	says '... is told which' "$d/err" "/half.git/$i.lock is in the way.*remove that file"
	check '... and it stays' test "$(cat "$d/half.git/$i.lock")" = "git's own"
	refs "$d/half.git" >"$d/refs.now"
	same '... and the refs' "$d/refs" "$d/refs.now"
	rm "$d/half.git/$i.lock"
	gives 0 '... without it' recover export -q "$d/half.git"
done

# Killed while it locked something: its lock goes, one that was there before it does not.
fault=${FAULT_PRELOAD-$bin/tests/preload_fault.so}
killed() { echo "$1" >killed; snap killed >/dev/null; gives 137 "an export that is killed at $1" env LD_PRELOAD="$fault" FAULT_CALLS=rename FAULT_PATH="$1" \
	FAULT_ERR=kill FAULT_AT=1 "$bin/recover" --workspace "$w" export -q "$d/half.git"; }
if [ -n "$fault" ]; then
	for i in config refs/heads/main; do
		killed "/half.git/$i"
		check '... leaves its lock' test -e "$d/half.git/$i.lock"
		gives 0 'the next one' recover export -q "$d/half.git"
		check '... takes it away' test ! -e "$d/half.git/$i.lock" -a ! -e "$d/half.git/holdfast-exporting"
		check '... whole' git -C "$d/half.git" fsck --full --strict
	done
	killed /half.git/refs/heads/main
	touch -d '1 hour ago' "$d/half.git/refs/heads/main.lock"
	gives 4 'a lock that is older than the killed one' recover export -q "$d/half.git"
	touch -d '1 hour' "$d/half.git/refs/heads/main.lock"
	gives 4 'a lock that is younger than this one' recover export -q "$d/half.git"
	touch "$d/half.git/refs/heads/main.lock"
	gives 0 'one of the time between' recover export -q "$d/half.git"
fi
# Killed while it wrote: what is left of it goes with the next one; what may be git's own stays.
: >"$d/half.git/objects/pack/tmp_pack_0123456789abcdef"; : >"$d/half.git/objects/pack/tmp_pack_Ab3dEf"; : >"$d/half.git/objects/pack/.pack-1.idx.tmp-12345678"
: >"$d/half.git/objects/pack/pack-1.pack"; touch -d '2 days ago' "$d/half.git/objects/pack/pack-1.pack"; : >"$d/half.git/objects/pack/pack-2.pack"
gives 0 'an export where a killed one left its pack' recover export -q "$d/half.git"
check '... that is gone' test "$(ls -A "$d/half.git/objects/pack" | grep -c 'tmp\|pack-[12]\.')" = 2 -a -e "$d/half.git/objects/pack/tmp_pack_Ab3dEf" -a -e "$d/half.git/objects/pack/pack-2.pack"
rm -f "$d/half.git/objects/pack/tmp_pack_Ab3dEf" "$d/half.git/objects/pack/pack-2.pack"
check '... no lock left' test ! -e "$d/half.git/refs/heads/main.lock" -a ! -e "$d/half.git/config.lock"
exit $bad
