#!/bin/sh
# On older kernels (calls that came later fail as they do there): the files are kept and come back all the same; what cannot be known is said.
. "$(dirname "$0")/detect/lib.sh"
old="$bin/tests/tool_kernel"
$old 6.14 true || { echo 'skip older kernels: no seccomp here'; exit 77; }
w=$d/w
for k in 6.14 5.2; do
	rm -rf "$w" && mkdir -p "$w/sub" && echo one >"$w/sub/f"
	gives 0 "$k: a snapshot" $old $k "$bin/snapd" -w "$w" --once
	echo two >"$w/sub/f" && ln -s /etc "$w/link"
	gives 0 "$k: it comes back" $old $k "$bin/recover" -w "$w" restore --yes @
	check "$k: as it was" grep -qx one "$w/sub/f"
	gives 0 "$k: and the restore is taken back" $old $k "$bin/recover" -w "$w" undo --yes
	check "$k: as it was before it" grep -qx two "$w/sub/f"
	gives 0 "$k: the report" $old $k "$bin/detect"
	gives 0 "$k: the gate" $old $k "$bin/detect" gate --no-snapshot --need 1M
	gives 7 "$k: a command is run, and its code passed on" $old $k "$bin/detect" run --mode normal --no-snapshot -- sh -c 'exit 7'
done
# watch KERNEL: the monitor, until it answers; what it says is in $d/watch.
watch() { $old "$1" "$bin/detect" watch -v >/dev/null 2>"$d/watch" & pid=$!
	n=0; until [ -S "$HOLDFAST_STATE/detect" ] || [ $n = 600 ]; do n=$((n + 1)); sleep 0.05; done
	"$bin/detect" watch --stop >/dev/null 2>&1; wait $pid; }
watch 5.2
says 'before 5.3 the monitor says what it cannot see, and what works' "$d/watch" 'no pidfd_open, which came with Linux 5.3: how processes end is not seen'
watch 6.14
silent 'later it has nothing to say of that' "$d/watch" 'Linux 5.3'
exit $bad
