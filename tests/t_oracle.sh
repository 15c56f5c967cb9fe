#!/bin/sh
# 5,000 random operations beside a plain copy (tests/oracle/randops.py); SEED=N repeats one.
here=$(dirname "$0")
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
fail=0
python3 -B "$here/oracle/randops.py" "$d/run" --ops "${OPS:-5000}" --every "${EVERY:-150}" --seed "${SEED:-1}" || fail=1
[ $fail = 0 ] && echo "ok random operations against a plain copy" || echo "not ok random operations against a plain copy"
rm -rf "$d/run"
# With kill -9 and restarts in between, and operations nobody watched.
python3 -B "$here/oracle/randops.py" "$d/run" --ops 1000 --every 60 --restart 0.01 --seed "${SEED:-1}" || fail=1
[ $fail = 0 ] && echo "ok ... with snapd ended in between" || echo "not ok ... with snapd ended in between"
exit $fail
