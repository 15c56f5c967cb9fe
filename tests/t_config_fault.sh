#!/bin/sh
# Every allocation fails once while the settings are read: it ends with a word and an exit code, never with a crash.
here=$(dirname "$0")
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
[ -n "${FAULT_PRELOAD-unset}" ] || { echo "skip failing calls: a preload does not go with this sanitizer"; exit 77; }
python3 -B "$here/fault/settings.py" "$d"
