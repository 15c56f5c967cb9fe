#!/bin/sh
# Calls that fail on purpose: exit codes, no deletion recorded, the store verifies after. And torn tails; SEED=N repeats one.
here=$(dirname "$0")
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
[ -n "${FAULT_PRELOAD-unset}" ] || { echo "skip failing calls: a preload does not go with this sanitizer"; exit 77; }
python3 -B "$here/fault/torn.py" "$d/torn" --cuts "${CUTS:-30}" --seed "${SEED:-1}" && echo "ok torn tails" || { echo "not ok torn tails"; exit 1; }
python3 -B "$here/fault/fault.py" "$d/run" --each "${EACH:-3}" --seed "${SEED:-1}"
