#!/bin/sh
# The package in a Debian of its own: apt installs it with what it needs, it works there as somebody who is not root, is upgraded,
# removed and purged, also while a workspace is watched, and leaves nothing but what the user made; and beside Canonical's snapd
# neither harms the other. Needs root, debootstrap and a mirror (so it is not for CI): MIRROR (else the one of this machine), SUITE
# (bookworm). DEB_ROOT=DIR: one that debootstrap has made; it is used as it is. HF_BUILD=DIR: of make NAME_PREFIX=hf-, else it is built.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$here/..
[ "$(id -u)" = 0 ] || { echo 'skip the package in a clean root: not root'; exit 77; }
for c in debootstrap dpkg-shlibdeps chroot; do command -v $c >/dev/null 2>&1 || { echo "skip the package in a clean root: no $c"; exit 77; }; done
MIRROR=${MIRROR:-$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -v '^ *#' | grep -oE 'https?://[^ ]+' | head -1)}
d=$(mktemp -d /var/tmp/hf-deb-XXXXXX) || exit 1
root=${DEB_ROOT:-$d/root}
ours=4242			# the user in the root
mine() { for p in /proc/[0-9]*; do case $(readlink "$p/exe" 2>/dev/null) in "$root"/usr/libexec/holdfast/$1*) echo "${p#/proc/}";; esac; done; }
trap 'for p in $(mine ""); do kill -9 "$p"; done; rm -rf "$d"' EXIT
bad=0
check() { n=$1; shift; if "$@"; then echo "ok $n"; else echo "not ok $n"; tail -n 20 "$d/out"; bad=1; fi; }
not() { ! "$@"; }
# With a /proc of its own, gone with it.
enter() { unshare --mount sh -c 'mount -t proc proc "$1/proc" && shift && exec chroot "$@"' - "$root" "$@"; }
in_root() { enter "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive HOME=/root "$@" >"$d/out" 2>&1; }
at_home() { enter --userspec=$ours:$ours "$root" /usr/bin/env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 HOME=/home/me XDG_RUNTIME_DIR=/run/user/$ours "$@"; }
user() { at_home HOLDFAST_AUTOSTART=0 "$@" >"$d/out" 2>&1; }
await() { i=0; until "$@"; do i=$((i + 1)); [ $i -lt 300 ] || return 1; sleep 0.2; done; }
says() { grep -qF -e "$1" "$d/out"; }
unshare --mount true 2>/dev/null || { echo 'skip the package in a clean root: no mounts of our own'; exit 77; }
if [ -z "${DEB_ROOT-}" ]; then
	debootstrap --variant=minbase "${SUITE:-bookworm}" "$root" "$MIRROR" >"$d/out" 2>&1 || { echo "skip the package in a clean root: debootstrap: $(tail -n 1 "$d/out" | sed 's,//[^/]*/,//.../,')"; exit 77; }
fi
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null
in_root apt-get update || { echo 'skip the package in a clean root: apt-get update'; exit 77; }
who='Holdfast Test <holdfast@packages.debian.org>'
# deb VERSION [PREFIX BUILD]
deb() { (cd "$top" && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL sh config/deb.sh "${3-${BUILD:-build}}" "${2-}" "$1" "$who" >"$d/name" 2>"$d/out" && mv "$(cat "$d/name")" "$root/var/tmp/${2-}holdfast-$1.deb"); }
check 'it is built' deb 1.0
check 'and once more, as a later version' deb 1.1
files() { (cd "$root" && find . \( -path ./proc -o -path ./sys -o -path ./var/lib -o -path ./var/cache -o -path ./var/log -o -path ./var/tmp -o -path ./home \) -prune -o -type f -print | sort); }
rm -rf "$root/home/me" "$root/run/user/$ours"
mkdir -p "$root/home/me/w" && echo one >"$root/home/me/w/f" && chown -R $ours:$ours "$root/home/me"
mkdir -p "$root/run/user/$ours" && chmod 700 "$root/run/user/$ours" && chown $ours:$ours "$root/run/user/$ours"

check 'apt installs it, with what it needs' in_root apt-get install -y --no-install-recommends /var/tmp/holdfast-1.0.deb
in_root ldconfig
check 'every library is there' sh -c '! chroot "$1" sh -c "ldd /usr/bin/snapd /usr/bin/recover /usr/libexec/holdfast/*" 2>&1 | grep "not found"' - "$root"
for p in snapd recover detect; do check "$p --version" user $p --version; done
check 'a snapshot, as a user' user snapd -w /home/me/w --once
check 'is listed' user recover -w /home/me/w list
echo two >"$root/home/me/w/f"
check 'and restored' user recover -w /home/me/w restore --yes @
check 'for it is as it was' grep -qx one "$root/home/me/w/f"
check 'detect says how the machine is' user detect
check 'without /proc it says what is missing' not chroot --userspec=$ours:$ours "$root" /usr/bin/detect 2>"$d/out"
check 'in one line' says ': cannot be read, is /proc mounted?'
check 'so does what must know where it lies' not chroot "$root" /usr/bin/snapd --version 2>"$d/out"
check 'in one line as well' says 'is /proc mounted?'
files | grep -v holdfast | grep -vE '^\./usr/(bin/(snapd|recover|detect)|share/(man|bash-completion|zsh|fish))' >"$d/before"

# While they run: a workspace watched, and the monitor that snapd starts.
watch() { at_home snapd -w /home/me/w -i 1 >"$d/run" 2>&1 </dev/null & shell=$!; await running; }
running() { core=$(mine snapd-core) && [ -n "$core" ] && [ -n "$(mine detect-watch)" ] && grep -q watching "$d/run"; }
taken() { grep -c ' snapshot [0-9a-f]' "$d/run"; }
more() { [ "$(taken)" -gt "$1" ]; }
# A change is kept by the one that runs.
keeps() { had=$(taken); echo "$1" >"$root/home/me/w/g"; await more "$had" && [ "$(mine snapd-core)" = "$core" ]; }
ends() { wait "$shell" && [ -z "$(mine snapd-core)" ]; }
stop_monitor() { for p in $(mine detect-watch); do kill "$p"; done; await gone detect-watch; }
gone() { [ -z "$(mine "$1")" ]; }
new_monitor() { for p in $(mine detect-watch); do [ "$p" != "$monitor" ] && [ "$(readlink "/proc/$p/exe")" = "$root/usr/libexec/holdfast/detect-watch" ] && return 0; done; return 1; }
check 'snapd and the monitor run' watch
check 'a change is kept' keeps two
check 'an upgrade while they do' in_root apt-get install -y /var/tmp/holdfast-1.1.deb
check 'is one' sh -c '[ "$(dpkg-query --admindir="$1/var/lib/dpkg" -W -f "\${Version}" holdfast)" = 1.1 ]' - "$root"
check 'the same snapd goes on' keeps three
check 'the new one speaks with it' sh -c '[ "$1" = 0 ] && grep -q "process $2," "$3"' - "$(user snapd -w /home/me/w --status; echo $?)" "$core" "$d/out"
check 'and reads its store' user recover -w /home/me/w list
monitor=$(mine detect-watch); kill -9 $monitor
check 'a monitor that dies is followed by one of the new version' await new_monitor
check 'the new one stops it' user snapd -w /home/me/w --stop
check 'and it ends as asked' ends
is_new() { core=$(mine snapd-core) && [ "$(readlink "/proc/$core/exe")" = "$root/usr/libexec/holdfast/snapd-core" ]; }
check 'the new one starts in its place' user snapd -w /home/me/w --start
check 'and is new' is_new
check 'and stops' user snapd -w /home/me/w --stop
await gone snapd-core
check 'the store is whole' user recover -w /home/me/w verify --all
stop_monitor
watch
check 'removal while they run' in_root apt-get remove -y holdfast
check 'leaves no file of ours' sh -c '! (cd "$1" && find usr etc var/lib/holdfast -name "*holdfast*" 2>/dev/null | grep -v "var/tmp") | grep .' - "$root"
check 'and none of the programs' sh -c '! ls "$1/usr/bin/snapd" "$1/usr/bin/recover" "$1/usr/bin/detect" 2>/dev/null | grep .' - "$root"
check 'what runs goes on keeping' keeps four
kill "$core"
check 'until it is ended' ends
stop_monitor
in_root apt-get install -y --no-install-recommends /var/tmp/holdfast-1.1.deb
check 'the store is whole, for the next installation' user recover -w /home/me/w verify --all
check 'with what was kept after the removal' sh -c '[ "$1" = 0 ] && grep -qx four "$2"' - "$(user recover -w /home/me/w cat @:g; echo $?)" "$d/out"

# Canonical's package: a daemon of the same name. It is not started: it would ask its makers' server.
whole() { (cd "$root" && md5sum --quiet -c "var/lib/dpkg/info/$1.md5sums") >"$d/out" 2>&1; }
removes() { grep -q "^Remv $1 " "$d/out"; }
ours_works() { user "${1}snapd" -w /home/me/w --once && user "${1}recover" -w /home/me/w list && user "${1}detect" --version; }
theirs_works() { whole snapd && in_root test -x /usr/lib/snapd/snapd && in_root snap --help; }
if in_root apt-get install -s --no-install-recommends snapd; then
	check "Canonical's snapd does not put ours out" not removes holdfast
	in_root apt-get install -y --no-install-recommends snapd
	check 'it stands beside ours, whole' theirs_works
	check 'and ours is whole' whole holdfast
	check 'and works' ours_works ''
	in_root apt-get remove -y holdfast
	check 'ours removed leaves theirs whole' theirs_works
	in_root apt-get install -s --no-install-recommends /var/tmp/holdfast-1.1.deb
	check 'ours comes back without putting theirs out' not removes snapd
	if [ -z "${HF_BUILD-}" ]; then
		HF_BUILD=$d/hf
		check 'ours with the prefix is built' sh -c 'cd "$1" && shift && exec "$@" >"$0" 2>&1' "$d/out" "$top" \
			env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -j2 BUILD="$HF_BUILD" OPT=-O0 NAME_PREFIX=hf-
	fi
	check 'its package too' deb 1.1 hf- "$HF_BUILD"
	check 'it is installed beside theirs' in_root apt-get install -y --no-install-recommends /var/tmp/hf-holdfast-1.1.deb
	check 'theirs is whole' theirs_works
	check 'ours with the prefix is' whole hf-holdfast
	check 'and reads the store of the other names' ours_works hf-
	in_root apt-get install -s --no-install-recommends /var/tmp/holdfast-1.1.deb
	check 'the plain package takes the place of that with the prefix' removes hf-holdfast
	check 'and not of theirs' not removes snapd
	in_root apt-get remove -y snapd
	check 'theirs removed leaves ours whole' whole hf-holdfast
	check 'and working' ours_works hf-
	check 'purge of the one with the prefix' in_root apt-get purge -y hf-holdfast
	check 'leaves none of its programs' sh -c '! ls "$1"/usr/bin/hf-* "$1/usr/libexec/holdfast" 2>/dev/null | grep .' - "$root"
else
	echo "skip Canonical's snapd: apt does not have it"
fi

in_root apt-get install -y --no-install-recommends /var/tmp/holdfast-1.1.deb
watch
check 'purge while they run' in_root apt-get purge -y holdfast
kill "$core"
check 'what runs is ended as ever' ends
stop_monitor
check 'dpkg knows it no more' sh -c '! grep -q "^Package: holdfast$" "$1/var/lib/dpkg/status"' - "$root"
files >"$d/after"
check "nobody else's file went" sh -c '! comm -23 "$1" "$2" | grep .' - "$d/before" "$d/after"
check "the user's snapshots are there" sh -c 'ls "$1"/home/me/.local/share/holdfast/*/catalogue.db >/dev/null' - "$root"
check "what is left is the user's own" sh -c '! find "$1" -xdev -user "$2" ! -path "$1/home/me*" ! -path "$1/run/user/$2*" 2>/dev/null | grep .' - "$root" $ours
check 'and at home the workspace and two folders of ours' sh -c '[ "$(cd "$1/home/me" && find . -mindepth 1 ! -path "./w*" ! -path "./.local/share/holdfast/*" ! -path "./.local/state/holdfast/*" | sort | tr "\n" " ")" = "./.local ./.local/share ./.local/share/holdfast ./.local/state ./.local/state/holdfast " ]' - "$root"
exit $bad
