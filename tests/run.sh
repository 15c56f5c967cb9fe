#!/bin/sh
# Runs test programs, two or more at a time, each in a world of its own (HOME,
# TMPDIR, XDG folders), and adds up what they report:
#   a Check program	its "Checks: N, Failures: N, Errors: N" line
#   a script		its lines "ok ...", "not ok ...", "skip ..."; a script that
#			prints none counts as one test, by its exit status (77 = skipped)
# The last line is "N passed, N failed" (", N skipped"); failures are shown where they stand, and
# named again above it. Their names are in BUILD/logs/failed, each with its "not ok" lines indented.
#
# usage: tests/run.sh PROGRAM...	BUILD=build TESTS='words' JOBS=N TEST_TIMEOUT=seconds
set -u
cd "$(dirname "$0")/.." || exit 4
build=$PWD/${BUILD:-build}
logs=$build/logs
export build logs
# What a test gives as LD_PRELOAD to make calls fail (tests/preload_fault.c). gcc's sanitizers
# want to come first; clang's are inside the program and do not go with it.
runtime=
case ${SAN-} in
'') ;;
*) case $("${CC:-cc}" --version) in *clang*) runtime=none;; esac;;
esac
case $runtime${SAN-} in
none*) FAULT_PRELOAD=;;
*address*) FAULT_PRELOAD="$("${CC:-cc}" -print-file-name=libasan.so) $build/tests/preload_fault.so";;
*thread*) FAULT_PRELOAD="$("${CC:-cc}" -print-file-name=libtsan.so) $build/tests/preload_fault.so";;
*) FAULT_PRELOAD="$build/tests/preload_fault.so";;
esac
export FAULT_PRELOAD

if [ "${1-}" = --one ]; then
	prog=$2
	name=$(basename "$prog")
	world=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-run-XXXXXX") || exit 1
	mkdir -p "$world/home" "$world/tmp" "$world/run" && chmod 700 "$world/run"
	env -u HOLDFAST_CONFIG -u HOLDFAST_STORE -u HOLDFAST_NOW -u HOLDFAST_STATE -u HOLDFAST_JUDGE -u XDG_CONFIG_HOME -u XDG_DATA_HOME -u XDG_STATE_HOME \
		-u GIT_DIR -u GIT_PAGER -u PAGER -u NO_COLOR -u JOURNAL_STREAM \
		HOME="$world/home" TMPDIR="$world/tmp" XDG_RUNTIME_DIR="$world/run" HOLDFAST_TTYS="$world/ttys" LC_ALL=C.UTF-8 TZ=UTC \
		HOLDFAST_AUTOSTART=0 GIT_CONFIG_NOSYSTEM=1 BUILD_DIR="$build" PATH="$build:$PATH" \
		ASAN_OPTIONS="${ASAN_OPTIONS-detect_leaks=1}" UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS="${TSAN_OPTIONS-handle_segv=0}" \
		timeout -k 10 "${TEST_TIMEOUT:-600}" "$prog" >"$logs/$name.log" 2>&1 </dev/null
	echo $? >"$logs/$name.rc"
	chmod -R u+rwx "$world" 2>/dev/null
	rm -rf "$world"
	exit 0
fi

rm -rf "$logs"
mkdir -p "$logs"
chosen=
for prog; do
	case ${prog##*/} in
	*.sh) prog=$PWD/$prog;;
	esac
	[ -z "${TESTS-}" ] && chosen="$chosen $prog" && continue
	for word in $TESTS; do
		case ${prog##*/} in
		*"$word"*) chosen="$chosen $prog"; break;;
		esac
	done
done
[ -z "$chosen" ] || printf '%s\n' $chosen | xargs -P "${JOBS:-$(nproc 2>/dev/null || echo 2)}" -n 1 "$0" --one

passed=0 failed=0 skipped=0
: >"$logs/failed"
for prog in $chosen; do
	name=${prog##*/}
	log=$logs/$name.log
	rc=$(cat "$logs/$name.rc" 2>/dev/null || echo 99)
	set -- $(awk '
		/^[0-9]+%: Checks: / { gsub(",", ""); bad += $5 + $7; good += $3 - $5 - $7; n++ }
		/^ok( |$)/ { good++; n++ }
		/^not ok( |$)/ { bad++; n++ }
		/^skip( |$)/ { left++; n++ }
		END { print good + 0, bad + 0, left + 0, n + 0 }' "$log")
	good=$1 bad=$2 left=$3
	if [ "$4" = 0 ]; then
		case $rc in 0) good=1;; 77) left=1;; *) bad=1;; esac
	elif [ "$rc" != 0 ] && [ "$bad" = 0 ] && ! [ "$rc $good" = "77 0" ]; then
		bad=1	# it died between two tests
	fi
	passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + left))
	printf '%-28s %4d passed %s%s\n' "$name" "$good" \
		"$([ "$bad" = 0 ] || echo ", $bad FAILED (exit $rc)")" "$([ "$left" = 0 ] || echo ", $left skipped")"
	if [ "$bad" != 0 ]; then
		{ echo "$name"; grep -E '^not ok|^[^ ]+:[0-9]+:[FE]:' "$log" | sed 's/^/	/'; } >>"$logs/failed"
		sed 's/^/    | /' "$log" | tail -n "${LOG_LINES:-60}"
	elif [ "$left" != 0 ]; then
		grep '^skip' "$log" | sed 's/^/    | /'
	fi
done
[ "$failed" = 0 ] || { echo "failed:"; sed 's/^/    /' "$logs/failed"; }
tail=
[ "$skipped" = 0 ] || tail=", $skipped skipped"
echo "$passed passed, $failed failed$tail"
[ "$failed" = 0 ] && [ "$((passed + skipped))" -gt 0 ]
