#!/bin/sh
# A tree deeper than any path a call would take is stored whole.
. "$(dirname "$0")/snapd/lib.sh"

DEPTH=${DEPTH:-4000}
python3 - "$w" "$DEPTH" <<'PY'
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
for i in range(int(sys.argv[2])):
    os.mkdir('deep%d' % (i % 10), dir_fd=fd)
    n = os.open('deep%d' % (i % 10), os.O_RDONLY, dir_fd=fd)
    os.close(fd)
    fd = n
os.close(os.open('leaf', os.O_CREAT | os.O_WRONLY, dir_fd=fd))
PY
path=$(python3 -c 'import sys; print("/".join("deep%d" % (i % 10) for i in range(int(sys.argv[1]))) + "/leaf")' "$DEPTH")
deep() { id=$(once) && [ ${#id} -eq 40 ] && [ "$(once)" = "$id" ] && python3 -B "$here/reader/hfread.py" "$s" cat 1 "$path"; }
check "a tree $DEPTH deep" deep
# Looking at all of it again costs what it has, not its square: that took a minute.
seen() { timeout 30 "$build/recover" --workspace "$w" --store "$s" diff --name-status @ >"$d/said" && [ ! -s "$d/said" ]; }
check "and looked at again in a time that suits it" seen
start || exit 1
gone() { rm -rf "$w"/deep0 && once >/dev/null && same; }
check "and its end, seen by a daemon" gone
stop
