#!/bin/sh
# Bits flipped, sectors lost in a small store: never a wrong byte out; SEED=N repeats one.
here=$(dirname "$0")
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
python3 -B "$here/fault/flip.py" "$d/run" --flips "${FLIPS:-20}" --seed "${SEED:-1}" || { echo "not ok flipped bits"; exit 1; }
echo "ok flipped bits"
rm -rf "$d/run"
python3 -B "$here/fault/flip_store.py" "$d/run" --flips "${FLIPS:-20}" --seed "${SEED:-1}" || { echo "not ok flipped bits below the programs"; exit 1; }
echo "ok flipped bits below the programs"
for hit in zero eio; do
	rm -rf "$d/run"
	python3 -B "$here/fault/flip.py" "$d/run" --hit $hit --flips "${SECTORS:-8}" --seed "${SEED:-1}" ||
		{ echo "not ok lost sectors ($hit)"; exit 1; }
	echo "ok lost sectors ($hit)"
done
