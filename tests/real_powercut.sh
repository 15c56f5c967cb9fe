#!/bin/sh
# Power cuts at thousands of moments, on ext4, xfs and btrfs; and programs without fdatasync must be caught. Root, loop devices,
# /dev/fuse. SEED=N repeats one (not the moments of other programs), STATES=N and JOBS=N, FS="ext4 xfs".
[ "${1-}" = --inside ] || {
	[ "$(id -u)" = 0 ] && [ -c /dev/fuse ] && [ -c /dev/loop-control ] || { echo "skip power cuts: need root, loop devices and /dev/fuse"; exit 0; }
	exec unshare -m "$0" --inside
}
here=$(cd "$(dirname "$0")" && pwd)
# In memory, where there is enough: each state is an image of its own.
[ "$(df --output=avail /dev/shm 2>/dev/null | tail -1)" -gt 2000000 ] 2>/dev/null && TMPDIR=/dev/shm
export TMPDIR="${TMPDIR:-/tmp}"
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
bad=0
cut() { n=$1; shift; if python3 -B "$here/fault/powercut.py" "$d/run" --jobs "${JOBS:-2}" --seed "${SEED:-}" "$@"; then echo "ok $n"; else echo "not ok $n"; bad=1; fi; rm -rf "$d/run"; }
for fs in ${FS:-ext4 xfs btrfs}; do
	command -v "mkfs.$fs" >/dev/null && grep -qw "$fs" /proc/filesystems || { echo "skip power cuts on $fs: no mkfs.$fs, or not in this kernel"; continue; }
	case $fs in ext4) few=2000 rounds=150;; *) few=300 rounds=60;; esac
	cut "programs without fdatasync are caught on $fs" --fs "$fs" --states 20 --rounds 25 --break
	cut "power cuts on $fs" --fs "$fs" --states "${STATES:-$few}" --rounds "${ROUNDS:-$rounds}"
done
exit $bad
