#!/bin/sh
# What cannot be read is kept and named, never deleted; what the kernel will not watch is polled.
# A user namespace may have a limit of its own.
limit_test()
{
	here=$1 d=$2 w=$3 s=$4
	build=$BUILD_DIR snapd=$BUILD_DIR/snapd
	echo 8 >/proc/sys/user/max_inotify_watches || exit 77
	printf '[snapshot]\n\tpollInterval = 300ms\n\tsettle = 0\n' >"$d/config"
	export HOLDFAST_CONFIG="$d/config"
	"$snapd" -w "$w" --store "$s" --interval 200ms 2>"$d/log" &
	pid=$!
	n=0
	until "$snapd" -w "$w" --store "$s" --status --json 2>/dev/null | grep -q '"running":true'; do
		n=$((n + 1)); [ $n -lt 400 ] || exit 4; sleep 0.05
	done
	"$snapd" -w "$w" --store "$s" --status --json | grep -q '"unwatched":\["' || exit 2
	grep -q 'fs.inotify.max_user_watches' "$d/log" || exit 3
	echo polled >"$w/d20/e/f"; mkdir -p "$w/d19/new/deep"; echo deep >"$w/d19/new/deep/f"
	n=0
	until python3 -B "$here/reader/hfread.py" "$s" cat last d20/e/f 2>/dev/null | grep -q polled &&
		python3 -B "$here/reader/hfread.py" "$s" cat last d19/new/deep/f 2>/dev/null | grep -q deep; do
		n=$((n + 1)); [ $n -lt 100 ] || exit 5; sleep 0.1
	done
	echo at once >"$w/d20/e/f"; "$snapd" -w "$w" --store "$s" --once >/dev/null
	[ "$(python3 -B "$here/reader/hfread.py" "$s" cat last d20/e/f)" = "at once" ] || exit 6
	kill "$pid"; wait "$pid"
}
if [ "${1-}" = --limit ]; then
	shift
	limit_test "$@"
	exit
fi
# Another user must get into it: not below a folder of root's own.
[ "$(id -u)" != 0 ] || TMPDIR=/tmp
. "$(dirname "$0")/snapd/lib.sh"

mkdir -p "$w/closed" "$w/open"
echo secret >"$w/closed/f"
echo one >"$w/open/x"
echo two >"$w/open/y"

# Root reads everything: then snapd runs as somebody who does not.
as=
if [ "$(id -u)" = 0 ]; then
	as="setpriv --reuid 65534 --regid 65534 --clear-groups"
	chmod 755 "$d"
	mkdir "$s" && chown -R 65534:65534 "$w" "$s"
	$as "$snapd" --version >/dev/null 2>&1 || as=no
	mkdir "$d/home" && chown 65534:65534 "$d/home"
fi
user_once() { HOME=$d/home $as "$snapd" -w "$w" --store "$s" --once "$@" 2>"$d/err"; }
holds() { rm -rf "$d/out"; python3 -B "$here/reader/hfread.py" "$s" extract last "$d/out" && [ "$(cat "$d/out/$1" 2>/dev/null)" = "$2" ]; }

if [ "$as" = no ]; then
	echo "skip unreadable files: cannot become another user"
else
	user_once >/dev/null
	closed() { chmod 000 "$w/closed" && user_once >/dev/null; [ $? -eq 3 ] && grep -q closed "$d/err" && holds closed/f secret; }
	check "a folder that cannot be entered is kept, and named" closed
	still() { user_once >/dev/null; [ $? -eq 3 ] && grep -q closed "$d/err" && holds closed/f secret; }
	check "and named as long as it is so" still
	file() { echo three >"$w/open/x"; chmod 000 "$w/open/x"; user_once >/dev/null; grep -q open/x "$d/err" && holds open/x one && holds closed/f secret; }
	check "a file that cannot be read stands as it was" file
	opened() { chmod 644 "$w/open/x" && chmod 755 "$w/closed" && user_once >/dev/null && holds open/x three && holds closed/f secret; }
	check "and comes when it can be read again" opened
	noexec() { chmod 644 "$w/open"; user_once >/dev/null; chmod 755 "$w/open"; holds open/y two; }
	check "a folder that may be listed but not entered deletes nothing" noexec
	if [ "$(id -u)" = 0 ]; then chown -R 0:0 "$w" "$s"; fi
	chmod 755 "$w/closed" "$w/open"
fi

fault=${FAULT_PRELOAD-$build/tests/preload_fault.so}
if [ -n "$fault" ]; then
	once >/dev/null
	listing()
	{
		for at in 1 2 3 4 5 6 7 8; do
			env LD_PRELOAD="$fault" FAULT_CALLS=readdir FAULT_AT=$at FAULT_ERR=EIO FAULT_PATH="$w" \
				"$build/snapd-core" -w "$w" --store "$s" --once >/dev/null 2>"$d/err"
			holds open/x "$(cat "$w/open/x")" && holds open/y two && holds closed/f secret || return 1
		done
	}
	check "an error while a folder is listed is no deletion" listing
	opening()
	{
		for at in $(seq 12); do
			env LD_PRELOAD="$fault" FAULT_CALLS=open,openat,openat2 FAULT_AT=$at FAULT_ERR=EMFILE FAULT_PATH="$w" \
				"$build/snapd-core" -w "$w" --store "$s" --once >/dev/null 2>"$d/err"
			holds open/x "$(cat "$w/open/x")" && holds open/y two && holds closed/f secret || return 1
		done
	}
	check "no descriptor left is no deletion" opening
	# Neither "nothing is ignored" nor the reverse.
	patterns()
	{
		echo '*.log' >"$w/.gitignore" && echo 1 >"$w/open/old.log" && once >/dev/null || return 1
		echo changed >"$w/open/x" && echo 2 >"$w/open/new.log" && echo 3 >"$w/open/new"
		env LD_PRELOAD="$fault" FAULT_CALLS=openat2 FAULT_AT=1 FAULT_COUNT=-1 FAULT_ERR=$1 FAULT_PATH=.gitignore \
			"$build/snapd-core" -w "$w" --store "$s" --once >/dev/null 2>"$d/err"
		[ $? -eq "$2" ] && grep -q "$3" "$d/err" && [ ! -e "$d/out/open/old.log" ] && holds open/x "$4" &&
			[ ! -e "$d/out/open/new.log" ] && [ ! -e "$d/out/open/new" ] || return 1
		once >/dev/null && holds open/x changed && holds open/new 3 && [ ! -e "$d/out/open/new.log" ] || return 1
		rm "$w/.gitignore" "$w/open/old.log" "$w/open/new.log" "$w/open/new" && echo three >"$w/open/x" && once >/dev/null
	}
	check "patterns that cannot be read: what is known goes on, what is new waits" patterns EIO 3 .gitignore changed
	check "patterns that cannot be read for want of descriptors: no snapshot" patterns EMFILE 4 "no snapshot" "$(cat "$w/open/x")"
else
	echo "skip faults: no preload here"
fi

start --interval 300ms || exit 1
no_store()
{
	mv "$s" "$d/moved" && echo new >"$w/open/new" || return 1
	until_true is_running && once >/dev/null && same && rm "$w/open/new" && grep -q "taken away" "$d/log"
}
check "a store that is taken away under the daemon is no place to write to" no_store
rm -rf "$s"
check "or deleted" until_true sh -c 'echo more >>"$1/open/y"; "$2" -w "$1" --store "$3" --status 2>/dev/null | grep -q "daemon *process"' sh "$w" "$snapd" "$s"
once >/dev/null; check "and the new one is whole" same
stop
start || exit 1
flood()
{
	kill -STOP "$pid"
	python3 - "$w/open" <<-'PY'
	import os, sys
	limit = int(open('/proc/sys/fs/inotify/max_queued_events').read())
	for i in range(limit // 2 + 100):
	    for n in 'xy':
	        os.utime(os.path.join(sys.argv[1], n))
	open(os.path.join(sys.argv[1], 'late'), 'w').write('late\n')
	PY
	kill -CONT "$pid"
	once >/dev/null && [ "$(field overflows)" -ge 1 ] && same
}
if [ "$(cat /proc/sys/fs/inotify/max_queued_events)" -le 65536 ]; then
	check "a queue that overflows means a look at everything" flood
else
	echo "skip overflow: max_queued_events is large here"
fi
stop

rm -rf "$w" "$s"; mkdir "$w"
for i in $(seq 20); do mkdir -p "$w/d$i/e"; done
limited=1
unshare -Ur true 2>/dev/null || limited=
[ -z "$limited" ] || BUILD_DIR=$build unshare -Ur "$0" --limit "$here" "$d" "$w" "$s"
case ${limited:+$?} in
0) echo "ok without watches folders are polled, and the sysctl is named";;
"" | 77) echo "skip watch limit: no user namespace with a limit of its own";;
*) echo "not ok without watches folders are polled"; cat "$d/log";;
esac
check "what was polled is whole" same
