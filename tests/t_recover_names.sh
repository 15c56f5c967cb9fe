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
check '... --strict names the folder of such a name' sh -c 'git -C "$1" fsck --strict 2>&1 | grep -q hasDotgit' - "$d/export"
check '... and it can be checked out' git -c core.protectNTFS=false clone -q "$d/export" "$d/cloned"
check '... with every name' test "$(git -C "$d/export" ls-tree -r -z "$two" | tr -cd '\000' | wc -c)" = $((all + 1))
# ---- paths longer than PATH_MAX
cat >"$d/long.py" <<'END'
import os, sys
top, what = sys.argv[1:]
name, depth = "d" * 200, 30
os.chdir(top)
for i in range(depth):
    if what == "make":
        os.mkdir(name)
    os.chdir(name)
if what == "make":
    with open("file", "w") as f:
        f.write("deep\n")
    os.symlink("file", "link")
    os.chmod("file", 0o640)
elif what == "change":
    with open("file", "w") as f:
        f.write("changed\n")
    os.unlink("link")
    os.symlink("elsewhere", "link")
else:
    with open("file") as f:
        print(f.read().strip(), oct(os.stat("file").st_mode & 0o777), os.readlink("link"))
END
long() { python3 -B "$d/long.py" "$1" "$2"; }
cd / && rm -rf "$w" && mkdir "$w" && cd "$w" || exit 1
long "$w" make
deep=$(snap deep)
long "$w" change
gives 0 'a path longer than PATH_MAX: diff' recover diff
says '... shows it' "$d/out" '^+changed'
gives 0 '... restore' recover restore "$deep" --yes
check '... brings it back' test "$(long "$w" show)" = 'deep 0o640 file'
gives 0 '... undo' recover undo --yes
check '... takes it back' test "$(long "$w" show)" = 'changed 0o640 elsewhere'
gives 0 '... restore --to' recover restore "$deep" --to "$d/deep"
check '... brings it there' test "$(long "$d/deep" show)" = 'deep 0o640 file'
cd / && rm -rf "$w"
gives 0 '... of all that was deleted' recover restore "$deep" --yes
check '... brings it back' test "$(long "$w" show)" = 'deep 0o640 file'
gives 0 '... and --delete' sh -c '"$1" --workspace "$2" restore "$3" --delete --yes' sh "$bin/recover" "$w" "$two"
check '... deletes it' test ! -e "$w/$(printf '%0200d' 0 | tr 0 d)"
exit $bad
