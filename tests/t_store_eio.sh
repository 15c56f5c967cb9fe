#!/bin/sh
# Sectors of the catalogue that the disk cannot read, and a disk that takes none of it: it is an index only, so no
# answer is wrong, no snapshot is missing, and nothing ends without a word.
. "$(dirname "$0")/snapd/lib.sh"
fault=${FAULT_PRELOAD-$build/tests/preload_fault.so}
[ -n "$fault" ] || { echo "skip a preload does not go with this sanitizer"; exit 77; }

for i in $(seq 40); do mkdir "$w/d$i"; for k in 1 2 3 4 5; do echo "$i $k" >"$w/d$i/file-with-a-name-$k"; done; done
for n in 1 2 3; do echo "edit $n" >"$w/d1/file-with-a-name-1"; once -m "edit $n" -q >/dev/null || exit 1; done
cp -a "$s" "$d/saved"
hurt() { env LD_PRELOAD="$fault" FAULT_CALLS=pread,read FAULT_AT=1 FAULT_COUNT=-1 FAULT_ERR=EIO FAULT_PATH=catalogue.db "$@"; }
see() { "$build/recover" -w "$w" --store "$s" "$@"; }
see list >"$d/list"; see ls @ >"$d/ls"
size=$(wc -c <"$s/catalogue.db")
[ "$size" -gt 40000 ] || { echo "not ok the catalogue has pages"; exit 1; }

# Each sector, one at a time: what is answered is right; what is not has a word to it, and the next time it is answered.
answers() # WORDS...
{
	want=$1; shift
	hurt env FAULT_SECTOR="$at" "$build/recover" -w "$w" --store "$s" "$@" >"$d/out" 2>"$d/err"
	rc=$?
	if [ $rc = 0 ]; then
		cmp -s "$d/out" "$d/$want" || { echo "sector $at: $*: another answer"; return 1; }
	else
		[ -s "$d/err" ] || { echo "sector $at: $*: exit $rc without a word"; return 1; }
		see "$@" >"$d/out" 2>"$d/err" &&	# the new file is in other sectors
			cmp -s "$d/out" "$d/$want" || { echo "sector $at: $*: not the next time either"; cat "$d/err"; return 1; }
	fi
}
readers()
{
	step=$((size / 4096 / 16 * 4096 + 4096)) at=0
	while [ $at -lt "$size" ]; do
		rm -rf "$s"; cp -a "$d/saved" "$s"
		answers list list || return 1
		rm -rf "$s"; cp -a "$d/saved" "$s"
		answers ls ls @ || return 1
		at=$((at + step))
	done
}
check "a reader whose catalogue has a bad sector" readers

writers()
{
	step=$((size / 4096 / 8 * 4096 + 4096)) at=0
	while [ $at -lt "$size" ]; do
		rm -rf "$s"; cp -a "$d/saved" "$s"
		echo "written at $at" >"$w/d2/file-with-a-name-2"
		hurt env FAULT_SECTOR=$at "$snapd" -w "$w" --store "$s" --once -q >"$d/out" 2>"$d/err" ||
			once -q >"$d/out" 2>>"$d/err" || { echo "sector $at:"; cat "$d/err"; return 1; }
		[ "$(see cat @:d2/file-with-a-name-2)" = "written at $at" ] || { echo "sector $at: not stored"; return 1; }
		at=$((at + step))
	done
}
check "a writer whose catalogue has a bad sector" writers

# It is unwritable altogether, from the start or from some write on.
unwritable()
{
	for at in 1 2 3 5 8 13 21 34; do
		rm -rf "$s"; cp -a "$d/saved" "$s"
		echo "unwritable $at" >"$w/d3/file-with-a-name-3"
		env LD_PRELOAD="$fault" FAULT_CALLS=pwrite,write FAULT_AT=$at FAULT_COUNT=-1 FAULT_ERR=EIO FAULT_PATH=catalogue.db-wal \
			"$snapd" -w "$w" --store "$s" --once -q >"$d/out" 2>"$d/err" || { echo "write $at:"; cat "$d/err"; return 1; }
		[ "$(see cat @:d3/file-with-a-name-3)" = "unwritable $at" ] || { echo "write $at: not stored"; return 1; }
	done
}
check "a catalogue that cannot be written stops no snapshot" unwritable

goes_on()
{
	rm -rf "$s"; cp -a "$d/saved" "$s"
	export LD_PRELOAD="$fault" FAULT_CALLS=pwrite,write FAULT_AT=1 FAULT_COUNT=-1 FAULT_ERR=EIO FAULT_PATH=catalogue.db-wal
	start; rc=$?
	unset LD_PRELOAD FAULT_CALLS FAULT_AT FAULT_COUNT FAULT_ERR FAULT_PATH
	[ $rc = 0 ] || return 1
	for n in 1 2 3; do
		echo "daemon $n" >"$w/d4/file-with-a-name-4"
		once -q >/dev/null && [ "$(see cat @:d4/file-with-a-name-4)" = "daemon $n" ] || return 1
	done
	grep -q 'catalogue.db cannot be written' "$d/log" || { cat "$d/log"; return 1; }
	stop
	echo after >"$w/d5/after"; once -q >/dev/null && same
}
check "nor does it stop a daemon, which says so" goes_on
