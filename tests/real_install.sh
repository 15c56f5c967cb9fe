#!/bin/sh
# ci: yes
# NAME_PREFIX=hf- for real: built so, installed so, used so. Every line that names a command names one that is there.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$here/..
d=$(mktemp -d) || exit 1
trap 'chmod -R u+rwx "$d" 2>/dev/null; rm -rf "$d"' EXIT
bad=0
check() { n=$1; shift; if "$@"; then echo "ok $n"; else echo "not ok $n"; bad=1; fi; }
mk() { env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -j2 -C "$top" BUILD="$d/build" OPT=-O0 NAME_PREFIX=hf- DESTDIR="$d/dest" \
	PREFIX=/usr "$@" >"$d/make" 2>&1 || { tail -20 "$d/make"; return 1; }; }
plain() { grep -nE '(^|[^[:alnum:]_./-])(snapd|recover|detect)($|[^[:alnum:]_.-])' "$@"; }
b=$d/dest/usr/bin
mkdir -p "$d/w" && echo one >"$d/w/f"

check 'it builds and installs' mk install
cd "$d/w" || exit 1
export HOLDFAST_STORE="$d/s"
"$b/hf-snapd" -w "$d/w" --once >"$d/id"
check 'hf-snapd finds its other half' test -s "$d/id"
check 'hf-detect too' sh -c '"$1/hf-detect" events --help >"$2"' - "$b" "$d/o0"
"$b/hf-snapd" --help >"$d/o1" 2>&1
"$b/hf-snapd" --nonsense >"$d/o2" 2>&1
"$b/hf-snapd" -w "$d/w" --stop >"$d/o3" 2>&1
"$b/hf-snapd" --version >"$d/o4"
"$b/hf-recover" >"$d/o5" 2>&1
"$b/hf-recover" --help >"$d/o6" 2>&1
"$b/hf-recover" show nonsense >"$d/o7" 2>&1
"$b/hf-recover" restore >"$d/o8" 2>&1
echo two >f
"$b/hf-recover" restore --yes @ >"$d/o9" 2>&1
"$b/hf-recover" history nothing >"$d/o10" 2>&1
"$b/hf-detect" --help >"$d/o11" 2>&1
"$b/hf-detect" nonsense >"$d/o12" 2>&1
"$b/hf-detect" >"$d/o13" 2>&1
for c in list show ls cat diff restore undo history find deleted status report mark verify export; do
	"$b/hf-recover" $c --help
done >"$d/o14" 2>&1
"$b/hf-recover" report >"$d/o15" 2>&1
n=0
for o in "$d"/o*; do
	grep -q hf- "$o" && n=$((n + 1))
	plain "$o" && { echo "not ok $o names a plain program"; bad=1; }
done
check "messages and help name the prefixed programs ($n)" test $n -ge 14
check 'errors begin with the name' grep -q '^hf-recover: nonsense: ' "$d/o7"
check 'also in the other half' grep -q '^hf-snapd: ' "$d/o3"
check 'it uninstalls' mk uninstall
check 'nothing is left' test -z "$(find "$d/dest" -type f)"
exit $bad
