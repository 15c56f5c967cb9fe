#!/bin/sh
# 100,000 random operations beside a plain copy; SEED=N repeats one, OPS=N changes the number.
here=$(dirname "$0")
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
if python3 -B "$here/oracle/randops.py" "$d/run" --ops "${OPS:-100000}" --every "${EVERY:-250}" \
	--restart 0.0005 --seed "${SEED:-}"; then
	echo "ok random operations against a plain copy"
else
	echo "not ok random operations against a plain copy"
	exit 1
fi
