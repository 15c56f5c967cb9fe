#!/bin/sh
# A binary package for Debian and its children, from what is built: what `make install` lands, stripped and packed as
# the policy asks, with what its programs link as its Depends. Needs dpkg-dev; no root (files are root's in the package).
# Canonical's package snapd has a daemon of that name, but in /usr/lib/snapd: no file of it is one of ours, and the two
# stand side by side. With NAME_PREFIX=hf- the package is hf-holdfast and its programs are hf-snapd, hf-recover and
# hf-detect, for who wants no two things of one name.
#
# usage: deb.sh BUILD NAME_PREFIX VERSION MAINTAINER	from make deb; writes BUILD/PACKAGE_VERSION_ARCH.deb and says its name
set -eu
build=$1 prefix=$2 version=$3 maintainer=$4
package=${prefix}holdfast
for c in dpkg-deb dpkg-shlibdeps dpkg-architecture strip objdump gzip; do
	command -v $c >/dev/null 2>&1 || { echo "make deb: $c: not there; it is in dpkg-dev or binutils" >&2; exit 4; }
done
arch=$(dpkg --print-architecture)
work=$(mktemp -d) || exit 4
trap 'rm -rf "$work"' EXIT
root=$work/root
umask 022
make --no-print-directory -s install-files BUILD="$build" NAME_PREFIX="$prefix" DESTDIR="$root" PREFIX=/usr \
	DOC="$root/usr/share/doc/$package" >/dev/null
strip --strip-unneeded --remove-section=.comment --remove-section=.note "$root"/usr/bin/* "$root"/usr/libexec/holdfast/*
find "$root/usr/share/man" -type f -exec gzip -9n {} +
when=$(git log -1 --format=%cD 2>/dev/null) || when=
[ -n "$when" ] || when=$(date -R -u -d "@${SOURCE_DATE_EPOCH:-0}")
doc=$root/usr/share/doc/$package
printf '%s (%s) unstable; urgency=medium\n\n  * Built from the sources of this version.\n\n -- %s  %s\n' \
	"$package" "$version" "$maintainer" "$when" | gzip -9n >"$doc/changelog.gz"
{ echo 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/'; echo 'Upstream-Name: Holdfast'; echo
	echo 'Files: *'; echo 'Copyright: the authors of Holdfast'; echo 'License: ISC'; sed 's/^$/./; s/^/ /' LICENSE; } >"$doc/copyright"
rm -f "$doc/LICENSE"
# detect is linked statically (Makefile): it needs no library.
install -d "$root/usr/share/lintian/overrides"
echo "$package: shared-library-lacks-prerequisites [usr/bin/${prefix}detect]" >"$root/usr/share/lintian/overrides/$package"

# dpkg-shlibdeps wants a source package's folder around it.
mkdir -p "$work/debian" "$root/DEBIAN"
printf 'Source: holdfast\n\nPackage: %s\nArchitecture: any\nDescription: x\n' "$package" >"$work/debian/control"
# Of those that name a library: it would warn of one linked statically.
linked=
for f in bin libexec/holdfast; do
	for f in "$root/usr/$f"/*; do
		! objdump -p "$f" | grep -q '^  NEEDED ' || linked="$linked ${f#"$work/"}"
	done
done
depends=$(cd "$work" && dpkg-shlibdeps -O --warnings=0 $linked | sed -n 's/^shlibs:Depends=//p')
[ -n "$depends" ] || { echo 'make deb: dpkg-shlibdeps found no library' >&2; exit 4; }
# Both packages hold the parts below libexec.
if [ -n "$prefix" ]; then
	clash='holdfast'
else
	clash='hf-holdfast'
fi
{
	printf 'Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: %s\n' "$package" "$version" "$arch" "$maintainer"
	printf 'Installed-Size: %s\nDepends: %s\nRecommends: libnotify-bin\n' "$(du -sk --apparent-size "$root/usr" | cut -f1)" "$depends"
	printf 'Conflicts: %s\nSection: utils\nPriority: optional\n' "$clash"
	cat <<END
Description: keeps the work of people who train models where they edit
 Holdfast watches a folder and takes a snapshot of it every 30 seconds while
 it changes, says what happened after a crash of the editor, and brings back
 files and texts that were never saved.
 .
 It watches memory, refuses launches that there is no room for, and acts on
 training before the kernel ends the editor. The programs are
 ${prefix}snapd, ${prefix}recover and ${prefix}detect.
END
} >"$root/DEBIAN/control"
(cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum >DEBIAN/md5sums)
chmod -R u=rwX,go=rX "$root"
out=$build/${package}_${version}_$arch.deb
dpkg-deb --root-owner-group --build "$root" "$out" >/dev/null
echo "$out"
