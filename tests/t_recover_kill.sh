#!/bin/sh
# kill -9 of a restore at many points: restore --continue finishes it, and undo then brings back what was;
# or undo alone takes it back from where it stands. POINTS=N for more.
. "$(dirname "$0")/recover/lib.sh"
fault=${FAULT_PRELOAD-$bin/tests/preload_fault.so}
[ -n "$fault" ] || { echo "skip a preload does not go with this sanitizer"; exit 77; }

mkdir -p "$w/keep" "$w/gone/deep" "$w/empty"
cd "$w" || exit 1
for i in 1 2 3 4 5 6 7 8; do
	mkdir -p "d$i/sub"
	for j in 1 2 3 4 5 6; do seq $((i * j)) >"d$i/f$j"; seq $((i * j * 40)) >"d$i/sub/g$j"; done
	ln -s "f$i" "d$i/link"
done
head -c 2500000 /dev/urandom >large
echo g >gone/deep/file && chmod 640 gone/deep/file
touch -d '2020-02-02 02:02:02.2' d1 d2/f1 gone empty d3/sub
first=$(snap first)
walk "$w" >"$d/first.walk"
for i in 1 2 3 4; do
	for j in 1 2 3; do echo "changed $i" >"d$i/f$j"; rm "d$i/sub/g$j"; done
	ln -sf elsewhere "d$i/link"
done
chmod 600 d5/f1 && touch d6/f2
rm -r gone empty d8 && echo 'a file now' >d8
rm d7/link && mkdir d7/link && echo in >d7/link/in
mkdir -p extra/deep && echo e >extra/deep/e
head -c 100000 /dev/urandom >large
walk "$w" >"$d/second.walk"
cd / && cp -a "$w" "$d/w.saved" && cp -a "$s" "$d/s.saved"

reset() { rm -rf "$w" "$s" && cp -a "$d/w.saved" "$w" && cp -a "$d/s.saved" "$s"; }
calls=openat,openat2,renameat,renameat2,write,pwrite,fsync,syncfs,unlink,unlinkat
killed() { env LD_PRELOAD="$fault" FAULT_CALLS=$calls FAULT_PATH="$d" FAULT_ERR=kill FAULT_AT="$1" \
	FAULT_WHEN="$s/restore.journal" FAULT_LOG="$d/count" "$bin/recover" --workspace "$w" restore "$first" --delete --yes -q >"$d/out" 2>&1; }

reset
: >"$d/count"
killed 0
total=$(wc -c <"$d/count")
walk "$w" >"$d/x.walk"
same "an undisturbed restore ($total calls)" "$d/first.walk" "$d/x.walk"
[ "$total" -gt 50 ] || { not_ok 'the calls are counted'; exit 1; }

# The one that was killed wrote nothing to the journal of events; who finished it did, and took the snapshot after.
told() {
	"$bin/detect-core" events --json >"$d/events" && head -n 1 "$d/events" | grep -q "finished after an interruption" &&
		recover list -n 1 2>/dev/null | grep -q 'after the restore of' && recover diff --exit-code >/dev/null 2>&1
}
# The same command again finishes it, and has done what it was asked for.
reset
killed $((total / 2))
check 'killed half way' test -s "$s/restore.journal"
gives 0 'the same restore again' "$bin/recover" --workspace "$w" restore "$first" --delete --yes -q
walk "$w" >"$d/x.walk"
same '... is whole' "$d/first.walk" "$d/x.walk"
gives 1 '... and once more' "$bin/recover" --workspace "$w" restore "$first" --delete --yes -q

points=${POINTS:-12}
forward=0 back=0 early=0
i=1
while [ $i -le "$points" ]; do
	at=$((total * i / points))
	reset
	killed $at
	[ -e "$s/restore.journal" ] || early=$((early + 1))
	pending=$([ -s "$s/restore.journal" ] && echo yes)
	if [ $((i % 2)) = 0 ]; then
		walk "$w" >"$d/killed.walk"
		for c in list '' status diff; do
			# shellcheck disable=SC2086
			recover $c >"$d/out" 2>"$d/err" || not_ok "call $at: $c after the kill: $(cat "$d/err")"
			[ -z "$pending" ] || grep -q 'recover restore --continue' "$d/err" || not_ok "call $at: $c does not say so"
			! grep -q 'hf-[0-9a-f]\{8\}' "$d/out" || not_ok "call $at: $c names a temporary"
		done
		walk "$w" >"$d/x.walk"
		cmp -s "$d/x.walk" "$d/killed.walk" || not_ok "call $at: looking changed something"
		recover restore --continue >"$d/out" 2>"$d/err"; rc=$?
		[ $rc = "$([ "$pending" ] && echo 0 || echo 1)" ] || not_ok "call $at: --continue after the kill (exit $rc): $(cat "$d/err")"
		walk "$w" >"$d/x.walk"
		if cmp -s "$d/x.walk" "$d/first.walk"; then
			forward=$((forward + 1))
			[ -z "$pending" ] || told || not_ok "call $at: what --continue finished is no event, or no snapshot"
		elif ! cmp -s "$d/x.walk" "$d/second.walk"; then
			not_ok "call $at: --continue finishes it"; cat "$d/err"; diff "$d/first.walk" "$d/x.walk" | head
		elif [ "$pending" ] && grep -q interrupted "$d/err"; then
			not_ok "call $at: it said so, and did not"
		fi
	fi
	if [ -e "$s/restore.journal" ] || [ -e "$s/restore.last" ]; then
		recover undo --yes >"$d/out" 2>"$d/err"; rc=$?
		[ $rc = 0 ] || [ $rc = 1 ] || { not_ok "call $at: undo (exit $rc)"; cat "$d/err"; }
		back=$((back + 1))
	fi
	walk "$w" >"$d/x.walk"
	cmp -s "$d/x.walk" "$d/second.walk" || { not_ok "call $at: undo brings back what was"; cat "$d/err"; diff "$d/second.walk" "$d/x.walk" | head; }
	[ -z "$(find "$w" -name '.*.hf-*')" ] || not_ok "call $at: a temporary is left"
	i=$((i + 1))
done
check "killed at $points points: $forward finished, $back taken back, $early before anything began" test $bad = 0 -a $forward -gt 2 -a $back -gt 4

# A file that gives way to a folder has its temporary's name for a moment.
gives_way() # WALK WORDS...
{
	reset
	env LD_PRELOAD="$fault" FAULT_CALLS=unlinkat FAULT_PATH=.d8.hf- FAULT_ERR=kill FAULT_AT=1 \
		"$bin/recover" --workspace "$w" restore "$first" --delete --yes -q >"$d/out" 2>&1
	[ -n "$(find "$w" -name '.d8.hf-*')" ] || { echo "it was not killed there"; return 1; }
	walked=$1; shift
	recover "$@" >"$d/out" 2>&1 || { cat "$d/out"; return 1; }
	walk "$w" >"$d/x.walk"
	diff "$walked" "$d/x.walk"
}
check 'killed while a file gives way to a folder: --continue' gives_way "$d/first.walk" restore --continue
check '... undo' gives_way "$d/second.walk" undo --yes
exit $bad
