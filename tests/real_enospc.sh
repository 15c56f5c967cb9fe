#!/bin/sh
# ci: yes
# A file system that is really full: a small tmpfs for the store, as root or in a user namespace of our own.
[ "${1-}" = --inside ] || {
	[ "$(id -u)" = 0 ] && exec unshare -m "$0" --inside
	unshare -Urm true 2>/dev/null && exec unshare -Urm "$0" --inside
	echo "skip full file system: needs root or user namespaces"
	exit 0
}
here=$(cd "$(dirname "$0")" && pwd)
d=$(mktemp -d) || exit 1
mkdir "$d/fs" "$d/w"
mount -t tmpfs -o size=8m none "$d/fs" || { echo "skip full file system: no mount"; exit 0; }
trap 'umount "$d/fs"; rm -rf "$d"' EXIT
python3 -B "$here/fault/full.py" "$d/w" "$d/fs" && echo "ok full file system" || { echo "not ok full file system"; exit 1; }
