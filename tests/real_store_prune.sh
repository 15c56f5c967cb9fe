#!/bin/sh
# Prune: every call that can fail, failed once, and killed at each; SEED=N repeats one.
here=$(dirname "$0")
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
python3 -B "$here/fault/prune.py" "$d" --each "${EACH:-100000}" --seed "${SEED:-}"
