#!/bin/sh
# Errors that pass, looks that are due later, names that a listing misses: nothing of it costs work or says "done".
. "$(dirname "$0")/snapd/lib.sh"

fault=${FAULT_PRELOAD-$build/tests/preload_fault.so}
stored() { [ "$(python3 -B "$here/reader/hfread.py" "$s" cat last "$1" 2>/dev/null)" = "$2" ]; }

# with_faults CALLS PATH: a daemon whose calls fail with EIO while $d/bad is there.
with_faults()
{
	env LD_PRELOAD="$fault" FAULT_CALLS="$1" FAULT_PATH="$2" FAULT_AT=1 FAULT_COUNT=-1 FAULT_ERR=EIO FAULT_WHEN="$d/bad" \
		"$build/snapd-core" -w "$w" --store "$s" --interval 300ms 2>>"$d/log" &
	pid=$!
	pids="$pids $pid"
	until_true is_running
}

if [ -n "$fault" ]; then
	mkdir "$w/d"; echo one >"$w/f.txt"; echo one >"$w/d/g"
	with_faults read,pread /w/f.txt || exit 1
	failing()
	{
		touch "$d/bad"; echo two >"$w/f.txt"
		once >/dev/null 2>&1; [ $? -eq 3 ] || return 1
		once >/dev/null 2>&1; [ $? -eq 3 ] && stored f.txt one
	}
	check "what cannot be read makes exit 3, each time" failing
	rm -f "$d/bad"
	check "and is looked at again by itself when the error may have passed" until_true stored f.txt two
	over() { once >/dev/null 2>&1 && same; }
	check "then it is done" over
	stop
	mkdir "$d/in" "$d/in/sub"; echo deep >"$d/in/sub/deep"
	with_faults readdir /w/in || exit 1
	folder()
	{
		touch "$d/bad"; mv "$d/in" "$w/in"
		once >/dev/null 2>&1; [ $? -eq 3 ] || return 1
		rm "$d/bad"; until_true stored in/sub/deep deep || return 1
		echo later >"$w/in/sub/later"; once >/dev/null && same
	}
	check "a folder that could not be listed is watched when it can be" folder
	stop
else
	echo "skip errors that pass: no preload here"
fi

# A look at everything may be due much later (one that read all of it took long); an edit is not.
rm -rf "$w" "$s"; mkdir "$w"
python3 -c "
import os, sys
for i in range(4000):
    if i % 200 == 0: os.mkdir('%s/d%d' % (sys.argv[1], i // 200))
    open('%s/d%d/f%d' % (sys.argv[1], i // 200, i), 'w').write(str(i) * 50)" "$w"
echo start >"$w/edit"
start --interval 200ms || exit 1
edited()
{
	mkdir "$w/new1" && until_true sh -c '"$1" -w "$2" --store "$3" --status --json | grep -q "\"dirty\":0"' sh "$snapd" "$w" "$s"
	mkdir "$w/new2"; echo x >"$w/new2/x"; until_true stored new2/x x || return 1
	echo precious >"$w/edit"; until_true stored edit precious
}
check "an edit after a mkdir waits for one interval, not for the next look at everything" edited
stop

# tmpfs and btrfs lists miss names that are replaced meanwhile.
if [ -d /dev/shm ] && shm=$(mktemp -d /dev/shm/holdfast-test-XXXXXX); then
	rm -rf "$w" "$s"; ln -s "$shm" "$w"
	replaced()
	{
		python3 - "$shm" "$snapd" "$build/recover" "$s" "$1" <<-'PY'
		import os, random, subprocess, sys
		w, snapd, recover, store, known = sys.argv[1:]
		for i in range(2000): open('%s/f%d' % (w, i), 'w').write('0')
		if known == 'known': subprocess.run([snapd, '-w', w, '--store', store, '--once', '-q'], stdout=subprocess.DEVNULL)
		pid = os.fork()
		if pid == 0:
		    r, n = random.Random(5), 0
		    while os.getppid() != 1:
		        open(w + '/.new', 'w').write(str(n)); os.rename(w + '/.new', '%s/f%d' % (w, r.randrange(2000))); n += 1
		    os._exit(0)
		lost = []
		for i in range(12):
		    if known == 'new': subprocess.run(['rm', '-rf', store])
		    subprocess.run([snapd, '-w', w, '--store', store, '--once', '-q'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
		    out = subprocess.run([recover, '-w', w, '--store', store, 'ls', '@'], stdout=subprocess.PIPE, text=True).stdout.split()
		    n = len([x for x in out if x[0] == 'f' and x[1:].isdigit()])
		    if n != 2000: lost.append(2000 - n)
		os.kill(pid, 9); os.waitpid(pid, 0)
		sys.exit('missing: %s' % lost if lost else 0)
		PY
	}
	check "a file that is replaced while its folder is listed is not gone" replaced known
	rm -rf "$s" "$shm"/*
	check "nor is it missed by a first listing" replaced new
	rm -rf "$shm"
else
	echo "skip a listing that misses names: no /dev/shm"
fi
