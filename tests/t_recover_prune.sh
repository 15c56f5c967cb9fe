#!/bin/sh
# recover prune and what follows it: list, history, deleted, diff, show, export; stores, adopt, drop.
. "$(dirname "$0")/recover/lib.sh"
export HOLDFAST_CONFIG="$d/config" HOLDFAST_STATE="$d/state"
printf '[prune]\n\tgrace = 0\n' >"$HOLDFAST_CONFIG"
mkdir -p "$w/sub"
now=$(date +%s)
at() { snap "$1" interval $((now - $2)) >/dev/null || not_ok "snapshot $1"; }
day=86400

# Forty days ago five snapshots of one hour, then some of today.
echo one >"$w/a"; echo keep >"$w/sub/b"; at s1 $((40 * day + 3000))
echo two >"$w/a"; echo short >"$w/short"; at s2 $((40 * day + 2400))
rm "$w/short"; echo three >"$w/a"; at s3 $((40 * day + 1800))
echo four >"$w/a"; rm "$w/sub/b"; at s4 $((40 * day + 1200))
echo five >"$w/a"; at s5 $((40 * day + 600))
echo six >"$w/a"; at s6 300
echo seven >"$w/a"; at s7 200
recover mark @~5 first >/dev/null || not_ok mark

# With settings that are wrong what was to stay might go.
recover list >"$d/rows"
for wrong in '[prune]\n\tgrace = 0\n\tall = 365x\n' '[prune]\n\tal = 365d\n' '[prune]\n\tgrace = 0\n[snap'; do
	printf "$wrong" >"$HOLDFAST_CONFIG"
	gives 2 "prune with wrong settings" recover prune
	gives 2 "... and what it would do" recover prune -n
	says "... says why" "$d/err" 'nothing is pruned'
done
printf '[detect]\n\tnothing = 1\n[prune]\n\tgrace = 0\n' >"$HOLDFAST_CONFIG"
gives 0 "what is wrong elsewhere is only named" recover prune -n
printf '[prune]\n\tgrace = 0\n' >"$HOLDFAST_CONFIG"
recover list >"$d/rows.now"
same "... nothing went" "$d/rows" "$d/rows.now"

gives 0 "a dry run" recover prune --dry-run
says "it says what would go" "$d/out" "snapshots would go, . would be kept"
check "and takes nothing" [ "$(recover list --json | wc -l)" = 7 ]
recover list >"$d/before"
gives 0 "prune" recover prune
cat "$d/out"
recover list --json >"$d/list"
left=$(wc -l <"$d/list")
check "some are gone" [ "$left" -lt 7 ]
check "the marked one is not" grep -q '"first"' "$d/list"
check "the newest neither" grep -q '"s7"' "$d/list"
gives 0 "what stays restores" recover restore first --to "$d/back" --yes
check "as it was" [ "$(cat "$d/back/a")" = two ]
gives 0 "verify" recover verify --all
rm -f "$s"/catalogue.db*
gives 0 "verify of a new catalogue" recover verify --all
gives 0 "history" recover history a
gives 0 "history of what came and went" recover history short
gives 0 "deleted" recover deleted
says "names what some snapshot holds" "$d/out" "sub/b"
gives 0 "diff of two that stay" recover diff first @ --name-status
gives 0 "show" recover show @
gives 0 "again: nothing" recover prune
says "says so" "$d/out" "nothing to prune"

git init -q --bare "$d/clonetest" 2>/dev/null
gives 0 "export" recover export "$d/git"
check "git finds nothing wrong" git -C "$d/git" fsck --full --strict
check "a commit for each" [ "$(git -C "$d/git" log --oneline | wc -l)" = "$left" ]
check "a clone has them" sh -c 'git clone -q "$1" "$2" && [ "$(git -C "$2" log --oneline | wc -l)" = '"$left"' ] && [ "$(cat "$2/a")" = seven ]' - "$d/git" "$d/clone"
id=$(sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p' "$d/list" | head -1)
check "what has another id says its own" sh -c 'git -C "$1" log -1 --format=%H%n%B | grep -q "$2"' - "$d/git" "$id"
echo eight >"$w/a"; at s8 100
gives 0 "export again" recover export "$d/git"
check "one more" [ "$(git -C "$d/git" log --oneline | wc -l)" = $((left + 1)) ]
check "whole" git -C "$d/git" fsck --full --strict
printf '[prune]\n\tgrace = 0\n\tall = 1s\n\ttenMinutes = 1s\n\thourly = 1s\n\tdaily = 1s\n\tweekly = 1s\n' >"$HOLDFAST_CONFIG"
gives 0 "prune all but what must stay" recover prune --json
says "as an object" "$d/out" '"dropped":'
check "two are left" [ "$(recover list --json | wc -l)" = 2 ]
gives 0 "export after it" recover export "$d/git"
check "whole again" git -C "$d/git" fsck --full --strict
check "two commits" [ "$(git -C "$d/git" log --oneline | wc -l)" = 2 ]
check "the files are there" [ "$(git -C "$d/git" show main:a)" = eight ]
gives 0 "verify at last" recover verify --all
gives 2 "no such option" recover prune --harder

# ---- stores
unset HOLDFAST_STORE
"$bin/tests/tool_snap" "$w" x >/dev/null
gives 0 "stores" "$bin/recover" stores
says "names the workspace" "$d/out" "$w"
mv "$w" "$d/moved"
gives 0 "stores of one that is gone" "$bin/recover" stores
says "says so" "$d/out" "(gone)"
cp -r "$(ls -d "$XDG_DATA_HOME"/holdfast/*/ | head -1)" "$XDG_DATA_HOME/holdfast/x.repaired.unfinished"
gives 0 "stores beside half a repair" "$bin/recover" stores
says "says that it is half" "$d/out" "half a repair"
rm -r "$XDG_DATA_HOME/holdfast/x.repaired.unfinished"
gives 0 "stores as objects" "$bin/recover" stores --json
says "with whether it exists" "$d/out" '"exists":false'
gives 4 "adopt where nothing is" "$bin/recover" adopt "$w" "$d/nowhere"
gives 0 "adopt" "$bin/recover" adopt "$w" "$d/moved"
gives 0 "its snapshots are found" "$bin/recover" --workspace "$d/moved" list
gives 4 "and not under the old name" "$bin/recover" --workspace "$w" list
gives 4 "an unknown one" "$bin/recover" adopt "$d/no" "$d/moved"
mkdir "$d/other"; echo o >"$d/other/o"
"$bin/tests/tool_snap" "$d/other" x >/dev/null
gives 4 "adopt onto one that has a store" "$bin/recover" adopt "$d/moved" "$d/other"
gives 4 "adopt while the old one is there" "$bin/recover" adopt "$d/other" "$d/home"
gives 2 "drop without anybody to ask" "$bin/recover" drop "$d/other" </dev/null
gives 0 "it is still there" "$bin/recover" --workspace "$d/other" list
for n in unsaved unsaved.old; do "$bin/tests/tool_put" "$(echo "$d"/data/holdfast/other-*)/$n" "$d/other" >/dev/null; done
gives 0 "drop, with what was never saved" "$bin/recover" drop --yes "$d/other"
gives 4 "gone" "$bin/recover" --workspace "$d/other" list
check "nothing is left" [ "$(ls -A "$d/data/holdfast" | wc -l)" = 1 ]
gives 4 "drop what is none" "$bin/recover" drop --yes "$d/home"

# A workspace with nothing but a folder that is called log is no store: it stays, its store goes.
mkdir -p "$d/run/log"; echo loss >"$d/run/log/train"
gives 4 "drop a folder with a log" "$bin/recover" drop --yes "$d/run"
gives 4 "nor is it taken for one to write to" "$bin/snapd" --workspace "$d/other" --store "$d/run" --once
"$bin/tests/tool_snap" "$d/run" x >/dev/null
gives 0 "drop its store" "$bin/recover" drop --yes "$d/run"
check "what was logged is there" [ "$(cat "$d/run/log/train")" = loss ]
check "its store is not" [ "$(ls -A "$d/data/holdfast" | wc -l)" = 1 ]

# One that was killed at it is finished by the next.
"$bin/tests/tool_snap" "$d/run" x >/dev/null
left=$(echo "$d"/data/holdfast/run-*); away=$d/data/holdfast/.${left##*/}.dropped
cp -a "$left" "$away"; rm "$away"/log/*
gives 0 "drop where one was killed" "$bin/recover" drop --yes "$d/run"
cp -a "$d/data/holdfast/"moved-* "$away"; rm -r "$away/log"
mkdir "$d/data/holdfast/.mine.dropped"; echo m >"$d/data/holdfast/.mine.dropped/m"
gives 0 "stores" "$bin/recover" stores
says "... says that it finished it" "$d/err" 'what was left'
check "... and only that" [ "$(ls -A "$d/data/holdfast" | grep -c '^\.')" = 1 -a -e "$d/data/holdfast/.mine.dropped/m" ]
rm -r "$d/data/holdfast/.mine.dropped"
cp -a "$d/data/holdfast/"moved-* "$d/data/holdfast/copy"
gives 0 "stores with a copy of one" "$bin/recover" stores
says "... says which is which" "$d/out" "moved  in .*/copy"
: >"$d/data/holdfast/copy/log/00000001.seg"; rm -f "$d/data/holdfast/copy/catalogue.db"*
gives 0 "stores with one whose log is gone" "$bin/recover" stores
says "... says that it is damaged" "$d/out" "moved  (DAMAGED)  in .*/copy"
check "... and of no other" [ "$(grep -c DAMAGED "$d/out")" = 1 ]
exit $bad
