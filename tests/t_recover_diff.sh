#!/bin/sh
# recover diff against git diff, byte by byte, on random trees; and git apply takes its patches. SEED=N repeats, TREES=N does more.
. "$(dirname "$0")/recover/lib.sh"
seed=${SEED:-1795475892} trees=${TREES:-4}
echo "SEED=$seed"
export GIT_DIR="$d/git" GIT_WORK_TREE="$w" GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
g() { git -c core.abbrev=7 -c user.name=t -c user.email=t@t "$@"; }
compared=0 n=0

# compare OPTIONS...: git's staged diff against ours, workspace and snapshots alike
compare() {
	g diff --cached "$@" >"$d/git.out" 2>/dev/null
	recover diff "$first" "$@" >"$d/work.out" 2>"$d/err" || { not_ok "diff $*"; cat "$d/err"; }
	recover diff "$first" "$second" "$@" >"$d/snap.out" 2>"$d/err" || { not_ok "diff A B $*"; cat "$d/err"; }
	# git paints new blank lines at the end of a file as a whole
	esc=$(printf '\033')
	sed -i -e "s/^$esc\[41m+$esc\[m\$/$esc[32m+$esc[m/" -e "s/^$esc\[41m+/$esc[32m+$esc[m$esc[41m/" "$d/git.out"
	compared=$((compared + 2))
	cmp -s "$d/work.out" "$d/snap.out" || { not_ok "seed $seed: diff $*: workspace and snapshot differ"; diff "$d/work.out" "$d/snap.out" | head -20; }
	cmp -s "$d/git.out" "$d/snap.out" || { not_ok "seed $seed: diff $*"; diff "$d/git.out" "$d/snap.out" | head -20; }
}

while [ $n -lt "$trees" ]; do
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
		--color=always '--stat --color=always' '-p --stat' '--stat --summary' -w -b -M90%; do
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
	seed=$((seed + 1)) n=$((n + 1))
done
check "$compared diffs are git's, $trees patches apply" test $bad = 0

gives 0 '--exit-code without differences' recover diff --exit-code
echo x >>"$w/another"
gives 1 '--exit-code with one' recover diff --exit-code
gives 0 'of a path' recover diff --name-only -- "$w/another"
check '... only' test "$(cat "$d/out")" = another
gives 2 'a wrong option' recover diff --nosuch
gives 2 'a wrong colour' recover diff --color=blue
exit $bad
