#!/bin/sh
# snapd every 100 ms under what tools do to a workspace: git switching branches and rebasing, a package manager that
# builds a tree beside and renames it, a file replaced hundreds of times a second, writes through mmap(2), pipes and
# sockets that appear, modes that change. What counts is the snapshot at the end, and that none before it is damaged.
. "$(dirname "$0")/snapd/lib.sh"
recover() { "$build/recover" -w "$w" --store "$s" "$@"; }
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t
equal() {
	once >/dev/null && rm -rf "$d/out" && python3 -B "$here/reader/hfread.py" "$s" extract last "$d/out" &&
		diff -r --no-dereference -x .git "$w" "$d/out" >"$d/diff" 2>&1 || { head -5 "$d/diff"; return 1; }
}

cd "$w" || exit 1
git init -q . && git checkout -q -b one
for i in $(seq 60); do mkdir -p "s$((i % 6))"; seq "$i" >"s$((i % 6))/f$i"; done
git add -A && git commit -q -m one && git checkout -q -b two
for i in $(seq 40); do mkdir -p "t$((i % 5))"; seq "$((i * 2))" >"t$((i % 5))/g$i"; seq "$((i + 7))" >"s$((i % 6))/f$i"; done
git rm -q -r s5 && git add -A && git commit -q -m two
for k in 3 4; do echo $k >"s1/k$k" && git add -A && git commit -q -m $k; done
git checkout -q one
for k in 6 7; do echo $k >"s2/k$k" && git add -A && git commit -q -m $k; done
start --interval 100ms || { echo "not ok it starts"; exit 1; }

branches() {
	for i in 1 2 3 4 5 6; do
		git checkout -q two && git checkout -q one && git checkout -q -b "r$i" two && git rebase -q one >/dev/null 2>&1 || return 1
		git checkout -q one || return 1
	done
	git checkout -q two && equal && git checkout -q one && equal
}
check 'git checkout and git rebase' branches
packages() {
	for r in 1 2 3; do
		for i in $(seq 40); do mkdir -p "$w/pkg.tmp/m$i/lib" && echo "$r $i" >"$w/pkg.tmp/m$i/lib/i.js" && ln -sf "../m$i" "$w/pkg.tmp/m$i/self"; done
		rm -rf "$w/pkg" && mv "$w/pkg.tmp" "$w/pkg" || return 1
	done
	equal
}
check 'a tree built beside and renamed over the old' packages

replaced() {
	python3 -B - "$w" <<'PY' && equal && [ "$(cat "$d/out/hot")" = last ]
import os, sys
os.chdir(sys.argv[1])
for i in range(2000):
    with open('.tmp', 'w') as f:
        f.write('x%d\n' % i if i < 1999 else 'last\n')
    os.rename('.tmp', 'hot')
PY
}
check 'a file replaced 2,000 times in a row' replaced
mapped() {
	python3 -B - "$w" <<'PY' && equal
import mmap, os, sys
os.chdir(sys.argv[1])
with open('mapped', 'wb') as f:
    f.write(b'a' * 20000)
fd = os.open('mapped', os.O_RDWR)
m = mmap.mmap(fd, 20000)
m[10000:10004] = b'new!'
m.close()
os.close(fd)
PY
}
check 'a write through mmap is seen when its writer closes the file' mapped
special() {
	python3 -B - "$w" <<'PY' || return 1
import os, socket, sys
os.chdir(sys.argv[1])
os.mkfifo('pipe')
socket.socket(socket.AF_UNIX).bind('sock')
os.mkfifo('x')
os.rename('x', 's1/f1')  # in the place of a file
PY
	id=$(once) && recover show "$id" >"$d/o" && [ "$(grep -c 'not stored: special file' "$d/o")" = 3 ] || return 1
	recover history s1/f1 >"$d/o" && rm "$w/s1/f1" "$w/pipe" "$w/sock" && recover restore --yes '@~1' s1/f1 >/dev/null 2>&1
	equal
}
check 'pipes and sockets are named, and nothing waits for them' special
modes() {
	chmod 600 "$w/s1/f7" && chmod 4755 "$w/s1/f13" && chmod 700 "$w/s2" && touch -d '2001-02-03 04:05:06.7' "$w/s1/f19" && equal &&
		[ "$(stat -c %a "$d/out/s1/f7") $(stat -c %a "$d/out/s2") $(stat -c %Y "$d/out/s1/f19")" = "600 700 $(stat -c %Y "$w/s1/f19")" ]
}
check 'modes and times alone' modes
check 'every snapshot is whole' sh -c '"$1" -w "$2" --store "$3" verify --all >/dev/null' - "$build/recover" "$w" "$s"
check 'it says nothing worse than that it took them' sh -c '! grep -vE ": (snapshot [0-9a-f]{12}|watching)" "$1"' - "$d/log"
check 'it stops' stop
