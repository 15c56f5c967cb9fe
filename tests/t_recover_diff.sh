#!/bin/sh
# recover diff against git diff, byte by byte, on random trees; and git apply takes its patches. SEED=N TREES=N: others.
. "$(dirname "$0")/recover/lib.sh"
# these once differed: empty files beside what became a link, a link whose target is a line of the file, a new blank line
# with a carriage return at the end
seeds="1795475892 1795475926 1795475936 5002 5006 7097"
[ -z "${SEED-}" ] || seeds=$(seq "$SEED" $((SEED + ${TREES:-4} - 1)))
echo "SEED=$seeds" | tr '\n' ' '; echo
# git 2.44 counts the rest of a file after its last line feed: other percentages
case $(git version) in *' '2.[0-9].*|*' '2.[123]?.*|*' '2.4[0-3].*) renames= ;; *) renames=--no-renames ;; esac
export GIT_DIR="$d/git" GIT_WORK_TREE="$w" GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
g() { git -c core.abbrev=7 -c user.name=t -c user.email=t@t "$@"; }
compared=0 n=0

# compare OPTIONS...: git's staged diff against ours, workspace and snapshots alike
compare() {
	# shellcheck disable=SC2086
	set -- "$@" $renames
	g diff --cached "$@" >"$d/git.out" 2>/dev/null
	recover diff "$first" "$@" >"$d/work.out" 2>"$d/err" || { not_ok "diff $*"; cat "$d/err"; }
	recover diff "$first" "$second" "$@" >"$d/snap.out" 2>"$d/err" || { not_ok "diff A B $*"; cat "$d/err"; }
	compared=$((compared + 2))
	cmp -s "$d/work.out" "$d/snap.out" || { not_ok "seed $seed: diff $*: workspace and snapshot differ"; diff "$d/work.out" "$d/snap.out" | head -20; }
	cmp -s "$d/git.out" "$d/snap.out" || { not_ok "seed $seed: diff $*"; diff "$d/git.out" "$d/snap.out" | head -20; }
}

for seed in $seeds; do
	rm -rf "$w" "$s" "$GIT_DIR"
	python3 -B "$here/recover/mess.py" "$w" "$seed"
	g init -q && g add -A && g commit -qm a
	first=$(snap a)
	cp -a "$w" "$d/before"
	python3 -B "$here/recover/mess.py" "$w" "$seed" change
	g add -A
	second=$first
	recover diff >"$d/newest.out" 2>/dev/null
	recover diff "$first" >"$d/x.out"
	cmp -s "$d/newest.out" "$d/x.out" || not_ok 'diff alone is diff of the newest'
	second=$(snap b)
	for o in '' --stat --numstat --shortstat --name-status --name-only --summary -U1 -U10 --no-renames --full-index \
		--color=always '--stat --color=always' '-p --stat' '--stat --summary' -w -b -M90% -M30% -M5 -M05% -M100% -U0 '-w -U0' '-w --stat' '-b --numstat'; do
		# shellcheck disable=SC2086
		compare $o
	done
	recover diff "$first" --binary >"$d/patch"
	rm -rf "$d/applied" && cp -a "$d/before" "$d/applied"
	(cd "$d/applied" && unset GIT_DIR GIT_WORK_TREE && git apply --binary --whitespace=nowarn "$d/patch") || not_ok "seed $seed: git apply"
	walk --no-mtime --no-root "$w" | grep -v '^d' | sed 's/^f 0[0-7]\([0-7]\)../f \1/' >"$d/a.walk"
	walk --no-mtime --no-root "$d/applied" | grep -v '^d' | sed 's/^f 0[0-7]\([0-7]\)../f \1/' >"$d/b.walk"
	cmp -s "$d/a.walk" "$d/b.walk" || { not_ok "seed $seed: the applied patch gives the tree"; diff "$d/a.walk" "$d/b.walk" | head; }
	rm -rf "$d/before"
	n=$((n + 1))
done
check "$compared diffs are git's, $n patches apply" test $bad = 0

gives 0 '--exit-code without differences' recover diff --exit-code
echo x >>"$w/another"
gives 1 '--exit-code with one' recover diff --exit-code
gives 0 'of a path' recover diff --name-only -- "$w/another"
check '... only' test "$(cat "$d/out")" = another
snap c >/dev/null && echo ' x' >"$w/another"
gives 0 '-w --exit-code when only white space differs' recover diff -w --exit-code
gives 2 '-M with nonsense' recover diff -M5x
gives 2 'a wrong option' recover diff --nosuch
gives 2 'a wrong colour' recover diff --color=blue
exit $bad
