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
exit $bad
