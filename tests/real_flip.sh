#!/bin/sh
# 800 and 200 bits flipped, one at a time, a large file among the stored; SEED=N repeats one.
here=$(dirname "$0")
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
python3 -B "$here/fault/flip.py" "$d/run" --flips "${FLIPS:-800}" --seed "${SEED:-}" || { echo "not ok flipped bits"; exit 1; }
echo "ok flipped bits"
rm -rf "$d/run"
python3 -B "$here/fault/flip_store.py" "$d/run" --flips "${FLIPS:-500}" --seed "${SEED:-}" || { echo "not ok flipped bits below the programs"; exit 1; }
echo "ok flipped bits below the programs"
rm -rf "$d/run"
python3 -B "$here/fault/flip.py" "$d/run" --large --flips "${FLIPS:-200}" --seed "${SEED:-}" || { echo "not ok flipped bits in a large file"; exit 1; }
echo "ok flipped bits in a large file"
