#!/bin/sh
# Calls that fail on purpose: exit codes, no deletion recorded, the store verifies after. And torn tails; SEED=N repeats one.
here=$(dirname "$0")
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
[ -z "${SAN:-}" ] || { echo "skip failing calls: a preload and a sanitizer do not go together"; exit 0; }
python3 -B "$here/fault/torn.py" "$d/torn" --cuts "${CUTS:-30}" --seed "${SEED:-1}" && echo "ok torn tails" || { echo "not ok torn tails"; exit 1; }
python3 -B "$here/fault/fault.py" "$d/run" --each "${EACH:-3}" --seed "${SEED:-1}"
