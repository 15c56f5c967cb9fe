#!/bin/sh
# `detect run` under a real systemd of an ordinary user's (root, to lend that user a cgroup): the run is in a scope of its
# own, outlives the scope it was started from, and the limit that is said to be in force is.
skip() { echo "skip a real user manager: $1"; exit 0; }
[ "$(id -u)" = 0 ] || skip "needs root"
[ -x /lib/systemd/systemd ] && command -v systemd-run >/dev/null && command -v setpriv >/dev/null || skip "no systemd"
[ -e /usr/lib/systemd/user/dbus.socket ] || skip "needs dbus-user-session"
if [ -z "${HF_SCOPE_INSIDE-}" ]; then
	HF_SCOPE_INSIDE=1 exec unshare -m "$0"
fi
. "$(dirname "$0")/detect/lib.sh"
until_true() { tries=0; until "$@"; do tries=$((tries + 1)); [ $tries -lt 300 ] || return 1; sleep 0.05; done; }
uid=64321 groups=
# What sd_booted(3) looks for; nobody outside sees it.
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system || skip "no mount namespace"
for h in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
	[ -e "$h/cgroup.procs" ] || continue
	g=$h/holdfast-scope-$$
	mkdir "$g" && chown -R $uid "$g" && echo $$ >"$g/cgroup.procs" && groups="$groups $g"
done
[ "$groups" ] || skip "no cgroup can be made"
manager=
end()
{
	[ -z "$manager" ] || kill "$manager" 2>/dev/null
	for g in $groups; do
		echo $$ >"${g%/*}/cgroup.procs"
		until_true sh -c 'for p in $(find "$1" -name cgroup.procs -exec cat {} + 2>/dev/null); do kill -9 $p; done
			find "$1" -depth -type d -exec rmdir {} + 2>/dev/null; [ ! -e "$1" ]' - "$g"
	done
	rm -rf "$d"
}
trap end EXIT
chmod 755 "$d" && mkdir -m 700 "$d/run" "$d/st" && cp -r "$bin/detect" "$bin"/detect-* "$d/" && chown -R $uid "$d/run" "$d/st"
as() { setpriv --reuid $uid --clear-groups env -i PATH=/usr/bin:/bin HOME="$d/st" XDG_RUNTIME_DIR="$d/run" \
	DBUS_SESSION_BUS_ADDRESS="unix:path=$d/run/bus" HOLDFAST_STATE="$d/st" HOLDFAST_AUTOSTART=0 "$@"; }
cd "$d/st" || exit 1
as /lib/systemd/systemd --user >"$d/manager.log" 2>&1 </dev/null &
manager=$!
if ! until_true test -S "$d/run/bus" || ! as systemd-run --user --scope --quiet true; then
	skip "it does not start here: $(tail -1 "$d/manager.log")"
fi
run() { as "$d/detect" run --need 1M --no-snapshot "$@"; }
newest() { as "$d/detect" runs --json -n 1 | python3 -c 'import json, sys; r = json.loads(sys.stdin.readline()); print(eval(sys.argv[1]))' "$1"; }
gives 5 "a run in a scope" run --limit 200M -- sh -c 'cat /proc/self/cgroup; exit 5'
check "of its own" grep -q "holdfast-run-$(newest 'r["id"]').scope" "$d/out"
check "as recorded" [ "$(newest 'r["scope"]')" = systemd ]
force=$(newest 'r["limit_in_force"]')
# Version 1 beside it: the user's systemd has no memory controller, and nothing is claimed.
if [ "$force" = None ]; then
	says "a limit that the kernel does not keep is not claimed" "$d/err" 'watched by us up to 200 MiB'
else
	check "the limit is in force" [ "$force" = $((200 << 20)) ]
fi
run --limit 100M -- python3 -c 'x = bytearray(300 << 20); import time; time.sleep(20)' >"$d/out" 2>"$d/err"
check "over its limit it ends" [ $? -gt 128 ]
check "for that reason" [ "$(newest 'r["cause"][:13]')" = out-of-memory ]
# The terminal's scope ends: the run goes on.
as systemd-run --user --scope --quiet --unit=terminal.scope "$d/detect" run --need 1M --no-snapshot -- sh -c 'while [ ! -e go ]; do sleep 0.05; done; exit 7' >/dev/null 2>&1 &
check "a run from a terminal's scope" until_true sh -c 'ls "$1"/runs/*/socket' - "$d/st" >/dev/null 2>&1
id=$(newest 'r["id"]')
until_true sh -c 'grep -q holdfast-run "/proc/$1/cgroup"' - "$(newest 'r["pid"]')"
as systemctl --user kill --signal=KILL --kill-who=all terminal.scope
sleep 0.3
check "its supervisor goes with the scope that is killed whole, the command does not" kill -0 "$(newest 'r["pid"]')"
as touch go
check "it ends by itself" until_true sh -c '! kill -0 "$1" 2>/dev/null' - "$(newest 'r["pid"]')"
exit $bad
