#!/bin/sh
# Makes sure that what the group GROUP needs is installed, then writes the
# compiler flags of its libraries to OUT for the Makefile. On Debian and its
# children exactly what is missing is installed with apt: as root directly, else
# through sudo when somebody is there to answer it. Anywhere else, or without
# those rights, one line names the missing packages and the exit code is 4.
#
# usage: deps.sh build|test|fuzz OUT
set -eu

group=${1:?usage: deps.sh build|test|fuzz OUT}
out=${2:?usage: deps.sh build|test|fuzz OUT}

# pkg-config module:Debian package, command:Debian package, header:Debian package
build='libgit2:libgit2-dev libzstd:libzstd-dev sqlite3:libsqlite3-dev libcrypto:libssl-dev
	zlib:zlib1g-dev libcjson:libcjson-dev ncursesw:libncurses-dev'
headers='jsmn.h:libjsmn-dev'
commands='ar:binutils'
# Tests need what the build needs: the one line names all of it.
case $group in
build)
	modules=$build
	prefix=PKG;;
test)
	modules='check:check'
	commands="$commands git:git python3:python3 zstd:zstd"
	prefix=CHECK;;
fuzz)
	modules= build= headers=
	commands='clang:clang clang:libclang-rt-dev'
	prefix=FUZZ;;
*)
	echo "deps: $group: not a group" >&2
	exit 2;;
esac

missing()
{
	command -v "${CC:-cc}" >/dev/null 2>&1 || echo gcc
	# A compiler without the C library's headers is what `gcc` alone gives.
	if ! echo '#include <stdio.h>' | "${CC:-cc}" -E - >/dev/null 2>&1; then
		echo libc6-dev
	fi
	set -- $modules
	[ "$group" = build ] || set -- $build "$@"
	if ! command -v pkg-config >/dev/null 2>&1; then
		echo pkg-config
		for m; do
			echo "${m#*:}"
		done
	elif [ $# -gt 0 ] && ! pkg-config --exists $(names "$@"); then
		for m; do
			pkg-config --exists "${m%:*}" || echo "${m#*:}"
		done
	fi
	for h in $headers; do
		echo "#include <${h%:*}>" | "${CC:-cc}" -E - >/dev/null 2>&1 || echo "${h#*:}"
	done
	for c in $commands; do
		command -v "${c%:*}" >/dev/null 2>&1 || echo "${c#*:}"
	done
}

names()
{
	for m; do
		printf '%s ' "${m%:*}"
	done
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

may_install()
{
	command -v apt-get >/dev/null 2>&1 || return 1
	[ "$(id -u)" = 0 ] && return 0
	command -v sudo >/dev/null 2>&1 || return 1
	[ -t 0 ] && [ -t 2 ] || sudo -n true 2>/dev/null
}

install()
{
	set -- env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
	# Package lists may be absent (a fresh container) or old.
	as_root "$@" >&2 || { as_root apt-get update -qq >&2 && as_root "$@" >&2; }
}

lack=$(missing | tr '\n' ' ')
lack=${lack% }
if [ -n "$lack" ]; then
	if ! may_install; then
		echo "deps: missing packages (Debian names): $lack" >&2
		exit 4
	fi
	echo "deps: installing $lack" >&2
	install $lack || { echo "deps: could not install: $lack" >&2; exit 4; }
	still=$(missing | tr '\n' ' ')
	[ -z "$still" ] || { echo "deps: still missing after the installation: $still" >&2; exit 4; }
fi

[ "$out" != /dev/null ] || exit 0
if [ -n "$modules" ]; then
	cflags=$(pkg-config --cflags $(names $modules))
	libs=$(pkg-config --libs $(names $modules))
fi
printf '%s_CFLAGS = %s\n%s_LIBS = %s\n' \
	"$prefix" "${cflags-}" "$prefix" "${libs-}" >"$out.new"
# A static program starts twice as fast. Not every C library is there for it, or in one that can be loaded anywhere.
if [ "$group" = build ]; then
	if echo 'int main(void) { return 0; }' |
		"${CC:-cc}" -fPIE -static-pie -x c - -o "$out.try" 2>/dev/null && "$out.try"; then
		echo 'PKG_STATIC = -static-pie' >>"$out.new"
	fi
	rm -f "$out.try"
fi
mv "$out.new" "$out"
