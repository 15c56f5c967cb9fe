#!/bin/sh
# The package in a Debian of its own: apt installs it with what it needs, it works there as somebody who is not root, is upgraded,
# removed and purged, and leaves nothing but what the user made; and Canonical's snapd is not overwritten. Needs root, debootstrap and
# a mirror: MIRROR (else the one of this machine), SUITE (bookworm). DEB_ROOT=DIR: one that debootstrap has made; it is used as it is.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$here/..
[ "$(id -u)" = 0 ] || { echo 'skip the package in a clean root: not root'; exit 77; }
for c in debootstrap dpkg-shlibdeps chroot; do command -v $c >/dev/null 2>&1 || { echo "skip the package in a clean root: no $c"; exit 77; }; done
MIRROR=${MIRROR:-$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -v '^ *#' | grep -oE 'https?://[^ ]+' | head -1)}
d=$(mktemp -d /var/tmp/hf-deb-XXXXXX) || exit 1
root=${DEB_ROOT:-$d/root}
trap 'rm -rf "$d"' EXIT
bad=0
check() { n=$1; shift; if "$@"; then echo "ok $n"; else echo "not ok $n"; tail -n 20 "$d/out"; bad=1; fi; }
not() { ! "$@"; }
# With a /proc of its own, gone with it.
enter() { unshare --mount sh -c 'mount -t proc proc "$1/proc" && shift && exec chroot "$@"' - "$root" "$@"; }
in_root() { enter "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive HOME=/root "$@" >"$d/out" 2>&1; }
user() { enter --userspec=4242:4242 "$root" /usr/bin/env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 HOME=/home/me HOLDFAST_AUTOSTART=0 "$@" >"$d/out" 2>&1; }
says() { grep -qF -e "$1" "$d/out"; }
unshare --mount true 2>/dev/null || { echo 'skip the package in a clean root: no mounts of our own'; exit 77; }
if [ -z "${DEB_ROOT-}" ]; then
	debootstrap --variant=minbase "${SUITE:-bookworm}" "$root" "$MIRROR" >"$d/out" 2>&1 || { echo "skip the package in a clean root: debootstrap: $(tail -n 1 "$d/out" | sed 's,//[^/]*/,//.../,')"; exit 77; }
fi
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null
in_root apt-get update || { echo 'skip the package in a clean root: apt-get update'; exit 77; }
who='Holdfast Test <holdfast@packages.debian.org>'
deb() { (cd "$top" && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL sh config/deb.sh "${BUILD:-build}" '' "$1" "$who") >"$d/name" 2>"$d/out" && mv "$top/$(cat "$d/name")" "$root/var/tmp/holdfast-$1.deb"; }
check 'it is built' deb 1.0
check 'and once more, as a later version' deb 1.1
files() { (cd "$root" && find . \( -path ./proc -o -path ./sys -o -path ./var/lib -o -path ./var/cache -o -path ./var/log -o -path ./var/tmp -o -path ./home \) -prune -o -type f -print | sort); }
rm -rf "$root/home/me"
mkdir -p "$root/home/me/w" && echo one >"$root/home/me/w/f" && chown -R 4242:4242 "$root/home/me"

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
check 'without /proc it says what is missing' not chroot --userspec=4242:4242 "$root" /usr/bin/detect 2>"$d/out"
check 'in one line' says '/proc/self/exe: cannot be read, is /proc mounted?'
check 'so does what must know where it lies' not chroot "$root" /usr/bin/snapd --version 2>"$d/out"
check 'in one line as well' says 'is /proc mounted?'
files | grep -v holdfast | grep -vE '^\./usr/(bin/(snapd|recover|detect)|share/(man|bash-completion|zsh|fish))' >"$d/before"

check 'an upgrade' in_root apt-get install -y /var/tmp/holdfast-1.1.deb
check 'is one' sh -c '[ "$(dpkg-query --admindir="$1/var/lib/dpkg" -W -f "\${Version}" holdfast)" = 1.1 ]' - "$root"
check 'and reads the store of before' user recover -w /home/me/w list

# Debian has Canonical's package too: the names clash, so apt puts the one in the place of the other, and says so.
if in_root apt-get install -s --no-install-recommends snapd; then
	check "apt says that Canonical's snapd takes the place of ours" sh -c 'grep -q "^Remv holdfast " "$1"' - "$d/out"
else
	echo "skip Canonical's snapd: apt does not have it"
fi

check 'removal' in_root apt-get remove -y holdfast
check 'leaves no file of ours' sh -c '! (cd "$1" && find usr etc var/lib/holdfast -name "*holdfast*" 2>/dev/null | grep -v "var/tmp") | grep .' - "$root"
check 'and none of the programs' sh -c '! ls "$1/usr/bin/snapd" "$1/usr/bin/recover" "$1/usr/bin/detect" 2>/dev/null | grep .' - "$root"
in_root apt-get install -y --no-install-recommends /var/tmp/holdfast-1.1.deb
check 'purge' in_root apt-get purge -y holdfast
check 'dpkg knows it no more' sh -c '! grep -q "^Package: holdfast$" "$1/var/lib/dpkg/status"' - "$root"
files >"$d/after"
check "nobody else's file went" sh -c '! comm -23 "$1" "$2" | grep .' - "$d/before" "$d/after"
check "the user's snapshots are there" sh -c 'ls "$1"/home/me/.local/share/holdfast/*/catalogue.db >/dev/null' - "$root"
exit $bad
