#!/bin/sh
# Prune that is killed (ONLY= tries all that can fail); SEED=N repeats one.
here=$(dirname "$0")
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
[ -n "${FAULT_PRELOAD-unset}" ] || { echo "skip failing calls: a preload does not go with this sanitizer"; exit 77; }
python3 -B "$here/fault/prune.py" "$d" --each "${EACH:-1}" --only "${ONLY:-killed}" --seed "${SEED:-1}"
