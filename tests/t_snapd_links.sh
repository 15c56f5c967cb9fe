#!/bin/sh
# Files with several names: what is written through one is in the snapshot under all, also when that
# one came and went before snapd looked. SIGSTOP makes "before it looked" certain.
. "$(dirname "$0")/snapd/lib.sh"

mkdir "$w/there"
echo 1 >"$w/a"
start || { echo "not ok it starts"; exit 1; }
asleep() { kill -STOP "$pid" && "$@"; r=$?; kill -CONT "$pid"; [ $r -eq 0 ] && once >/dev/null && same; }

name() { ln "$w/a" "$w/b" && echo 2 >>"$w/b" && rm "$w/b"; }
check "a name that came and went" asleep name
folder() { mkdir "$w/new" && ln "$w/a" "$w/new/b" && echo 3 >>"$w/new/b" && rm -r "$w/new"; }
check "a name in a folder that came and went" asleep folder
out() { ln "$w/a" "$w/b" && mv "$w/b" "$w/c" && echo 4 >>"$w/c" && mv "$w/c" "$d/c"; }
check "a name that moved away" asleep out
away() { echo 5 >>"$d/c" && once >/dev/null && same; }
check "and is written to where it is now" away
over() { ln "$w/a" "$w/b" && echo 6 >>"$w/b" && echo other >"$w/c" && mv "$w/c" "$w/b"; }
check "a name that was overwritten" asleep over
in_new() { mkdir "$w/new/er" && ln "$w/a" "$w/new/er/b" && echo 7 >>"$w/new/er/b" && rm -r "$w/new/er"; }
mkdir "$w/new" && once >/dev/null
check "a name in a folder in a known one" asleep in_new
ignored() { echo '*.log' >"$w/.gitignore" && once >/dev/null && ln "$w/a" "$w/x.log" && once >/dev/null && echo 8 >>"$w/x.log" && once >/dev/null && same_but x.log; }
same_but() { mv "$w/$1" "$d/kept" && same; r=$?; mv "$d/kept" "$w/$1"; return $r; }
check "a name that is ignored" ignored
rm "$w/x.log" "$w/.gitignore"
stop

# Without anybody asking: the look at everything comes by itself, once.
start --interval 200ms || exit 1
by_itself() { kill -STOP "$pid" && ln "$w/a" "$w/b2" && echo 9 >>"$w/b2" && rm "$w/b2"; kill -CONT "$pid"; until_true same >/dev/null; }
check "a name that came and went, with nobody asking" by_itself
# One wake-up for each question, and nothing else.
calm() { n=$(field wakeups); m=$(field wakeups); sleep 2; [ $(($(field wakeups) - m)) -eq $((m - n)) ]; }
check "then it rests" until_true calm
stop
