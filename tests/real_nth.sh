#!/bin/sh
# ci: yes
# The Nth call of snapshot, prune, repair, restore, export and import fails, or kills: some of them; EACH=0 is all, EACH=200 most.
# SEED=N repeats one, ONLY="prune killed" takes a part.
here=$(dirname "$0")
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
[ -n "${FAULT_PRELOAD-unset}" ] || { echo "skip failing calls: a preload does not go with this sanitizer"; exit 77; }
python3 -B "$here/fault/nth.py" "$d/run" --each "${EACH:-2}" --seed "${SEED:-}" --only "${ONLY:-}"
