#!/bin/sh
# Names that git on another system could not check out are files like any other here; only .git itself is not.
. "$(dirname "$0")/recover/lib.sh"
command -v git >/dev/null || { echo 'skip no git'; exit 0; }

names() { printf '%s\n' 'git~1' 'GIT~1' 'git~2' '.git.' '.git ' '.git...' '.git . .' '.git\x' '.git::$INDEX_ALLOCATION' \
	'.git:x' 'a\.git' 'con' 'aux.c' 'nul ' '.gitmodules'; printf '.g\342\200\214it\n'; }
fill() { names | while IFS= read -r n; do echo "$1 $n" >"$2/$n" || echo "cannot make $n"; done; }
count=$(names | wc -l)

mkdir -p "$w"
cd "$w" || exit 1
echo a >plain
snap one >/dev/null
mkdir sub 'git~1x' '.git .' && echo 1 >'.git ./f'
fill new .
fill new sub
echo .GIT >.GIT		# no more than .git is it stored; it is named
all=$((count * 2 + 1))
gives 0 'new files of such names are in the diff' recover diff --name-status
check '... all of them' test "$(grep -c '^A' "$d/out")" = $all
gives 0 'with their contents' recover diff
check '... too' test "$(grep -c '^+new ' "$d/out")" = $((count * 2))
two=$(snap two)
gives 0 'nothing differs after a snapshot' recover diff --exit-code
gives 0 'two snapshots' recover diff --name-status @~1 @
check '... differ by them' test "$(grep -c '^A' "$d/out")" = $all
walk "$w" | grep -v '\.GIT' >"$d/two.walk"
fill changed .
fill changed sub
gives 0 'changed ones' recover diff --name-status
check '... are named' test "$(grep -c '^M' "$d/out")" = $((count * 2))
names | while IFS= read -r n; do rm -f "./$n"; done
gives 0 'deleted ones' recover diff --name-status
check '... are named' test "$(grep -c '^D' "$d/out")" = "$count"
gives 0 'they are restored' recover restore @ --yes --delete
walk "$w" | grep -v '\.GIT' >"$d/x.walk"
same 'as they were' "$d/two.walk" "$d/x.walk"
gives 0 'verify --all' recover verify --all
gives 0 'export' recover export "$d/export"
check '... is a repository git finds whole' git -C "$d/export" fsck --full 2>/dev/null
check '... with every name' test "$(git -C "$d/export" ls-tree -r -z "$two" | tr -cd '\000' | wc -c)" = $((all + 1))
exit $bad
