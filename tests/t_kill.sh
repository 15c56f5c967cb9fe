#!/bin/sh
# 25 times kill -9 of snapd under load; SEED=N repeats one.
here=$(dirname "$0")
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
python3 -B "$here/fault/kill.py" "$d/run" --kills "${KILLS:-25}" --within 0.15 --without hardlink --seed "${SEED:-1}" || { echo "not ok kill -9 under load"; exit 1; }
echo "ok kill -9 under load"
