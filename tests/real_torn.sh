#!/bin/sh
# 600 torn tails (CUTS=N for fewer); SEED=N repeats one.
here=$(dirname "$0")
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
python3 -B "$here/fault/torn.py" "$d/run" --cuts "${CUTS:-600}" --seed "${SEED:-}" && echo "ok torn tails" || { echo "not ok torn tails"; exit 1; }
