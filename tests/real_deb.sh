#!/bin/sh
# make deb: what is in the package, and its installation, upgrade and removal in an empty root (dpkg --root with an
# administration of its own: nothing of this machine's is touched). Needs dpkg-dev and root or fakeroot.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$here/..
command -v dpkg-shlibdeps >/dev/null 2>&1 || { echo 'skip make deb: no dpkg-dev'; exit 77; }
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
bad=0
check() { n=$1; shift; if "$@"; then echo "ok $n"; else echo "not ok $n"; bad=1; fi; }
not() { ! "$@"; }
who='Holdfast Test <holdfast@packages.debian.org>'
b=$top/${BUILD:-build}
deb() { (cd "$top" && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL sh config/deb.sh "${BUILD:-build}" '' "$1" "$who") >"$d/name" 2>"$d/err" || { cat "$d/err"; return 1; }; mv "$top/$(cat "$d/name")" "$d/$1.deb"; }
root=$d/root
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/triggers" && : >"$root/var/lib/dpkg/status"
fake=; [ "$(id -u)" = 0 ] || fake=fakeroot
# The libraries are this machine's, not this root's.
pkg() { $fake dpkg --root="$root" --force-depends --log="$d/dpkg.log" "$@" >"$d/out" 2>&1; }
files() { (cd "$root" && find . -path ./var -prune -o -type f -print | sort); }

check 'it is built' deb 1.0
check 'and once more, as a later version' deb 1.1
field() { dpkg-deb -f "$d/1.0.deb" "$1"; }
check 'it names the libraries it needs' sh -c 'for l in libc6 libgit2 libsqlite3-0 libzstd1; do case $1 in *"$l"*) ;; *) exit 1;; esac; done' - "$(field Depends)"
check "it puts no other package out but ours with the prefix" test "$(field Conflicts)" = hf-holdfast
check 'dpkg-shlibdeps warns of nothing' not grep -i warning "$d/err"
check 'all files are root'"'"'s, none is writable by others' sh -c '! dpkg-deb -c "$1" | grep -Ev "^[-d]rw.r-.r-. root/root "' - "$d/1.0.deb"
if command -v lintian >/dev/null 2>&1; then
	# There is no bug of Debian's that a first upload of ours could close.
	check 'lintian has no complaint' sh -c 'lintian --allow-root --suppress-tags initial-upload-closes-no-bugs "$1" >"$2" 2>&1; ! grep . "$2"' - "$d/1.0.deb" "$d/lint"
else
	echo 'skip lintian: not installed'
fi
check 'dpkg -i' pkg -i "$d/1.0.deb"
check 'the programs, their parts and the manuals are there' sh -c 'cd "$1/usr" && ls bin/snapd bin/recover bin/detect libexec/holdfast/snapd-core \
	libexec/holdfast/detect-core share/man/man1/snapd.1.gz share/man/man5/holdfast.conf.5.gz share/man/man7/holdfast.7.gz share/doc/holdfast/copyright \
	share/doc/holdfast/changelog.gz >/dev/null' - "$root"
mkdir "$d/w" && echo one >"$d/w/f"
works() { HOLDFAST_AUTOSTART=0 "$root/usr/bin/snapd" -w "$d/w" --store "$d/s" --once >"$d/id" && [ "$("$root/usr/bin/recover" -w "$d/w" --store "$d/s" cat @:f)" = one ] && "$root/usr/bin/detect" --version >/dev/null; }
check 'they work' works
check 'the sums are right' sh -c 'cd "$1" && md5sum --quiet -c var/lib/dpkg/info/holdfast.md5sums' - "$root"
files >"$d/before"
check 'an upgrade' pkg -i "$d/1.1.deb"
check 'is one' sh -c 'dpkg-query --admindir="$1/var/lib/dpkg" -W -f "\${Version}" holdfast | grep -qx 1.1' - "$root"
files | check 'with the same files' cmp -s - "$d/before"
check 'and works, with the store of before' works
check 'removal' pkg --purge holdfast
check 'leaves nothing' test -z "$(files)"
check 'but the snapshots' test -s "$d/s/catalogue.db"
# Should another package ever bring a /usr/bin/snapd, neither takes it from the other.
mkdir -p "$d/o/DEBIAN" "$d/o/usr/bin" && echo theirs >"$d/o/usr/bin/snapd"
printf 'Package: snapd\nVersion: 9\nArchitecture: all\nMaintainer: x <x@x.org>\nDescription: x\n' >"$d/o/DEBIAN/control"
dpkg-deb --root-owner-group --build "$d/o" "$d/other.deb" >/dev/null
pkg -i "$d/other.deb"
check "where another's /usr/bin/snapd is dpkg refuses ours" not pkg -i "$d/1.0.deb"
check 'and says why' grep -q 'overwrite.*/usr/bin/snapd' "$d/out"
check 'theirs is whole, ours left nothing' sh -c '[ "$(cd "$1/usr" && find . -type f)" = ./bin/snapd ] && grep -qx theirs "$1/usr/bin/snapd"' - "$root"
exit $bad
