#!/bin/sh
# ci: yes
# Every call that can fail, failed once; SEED=N repeats one.
here=$(dirname "$0")
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
python3 -B "$here/fault/fault.py" "$d/run" --each "${EACH:-100000}" --seed "${SEED:-}"
