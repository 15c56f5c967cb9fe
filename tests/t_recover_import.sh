#!/bin/sh
# recover import: copies that a backup script made become snapshots; with and without a daemon, again, hostile ones.
. "$(dirname "$0")/recover/lib.sh"
export HOLDFAST_CONFIG="$d/config" HOLDFAST_STATE="$d/state" TZ=UTC
printf '[prune]\n\tgrace = 0\n' >"$HOLDFAST_CONFIG"
now=$(date +%s)
mkdir -p "$w/src"
echo now >"$w/src/a.py"; echo same >"$w/same"
snap first manual $((now - 7200)) >/dev/null || not_ok "a snapshot"

# Three copies as an auto_save script leaves them, one without a time in its name, and what is no copy.
old=$d/recovery/auto_save
mkdir -p "$old/backup_20240105_120000/src" "$old/backup_20240105_123000/src" "$old/2024-01-06T00:00:00Z" "$old/first try" "$old/.tmp"
echo one >"$old/backup_20240105_120000/src/a.py"; echo same >"$old/backup_20240105_120000/same"; chmod 700 "$old/backup_20240105_120000/src/a.py"
echo two >"$old/backup_20240105_123000/src/a.py"; mkdir "$old/backup_20240105_123000/empty"
mkdir -p "$old/backup_20240105_123000/.git" && echo x >"$old/backup_20240105_123000/.git/HEAD"
echo only >"$old/2024-01-06T00:00:00Z/b"; ln -s /etc/passwd "$old/2024-01-06T00:00:00Z/link"
echo zero >"$old/first try/a"; touch -d 2023-12-01T10:00:00Z "$old/first try"
ln -s backup_20240105_123000 "$old/latest"; echo log >"$old/auto_save.log"

gives 0 'a dry run' recover import --dry-run "$old"
check '... the oldest first' test "$(sed 's/.*  //' "$d/out" | tr '\n' ,)" = "first try,backup_20240105_120000,backup_20240105_123000,2024-01-06T00:00:00Z,"
says '... whose time is a guess' "$d/out" '^2023-12-01 10:00:00  new   ?  first try$'
gives 0 'as objects' recover import -n --json "$old"
check '... one for each' python3 -c '
import json, sys
rows = [json.loads(l) for l in open(sys.argv[1])]
assert [r["time_in_name"] for r in rows] == [False, True, True, True] and all(r["new"] for r in rows), rows
assert rows[1]["time"].startswith("2024-01-05T12:00:00"), rows' "$d/out"
check '... and nothing is written' test "$(recover list --json | wc -l)" = 1
gives 0 'import' recover import "$old"
says '... says how many' "$d/err" '4 imported, 0 were there'
recover list --json >"$d/list"
check 'they are snapshots, and one of the workspace follows' python3 -c '
import json, sys
rows = [json.loads(l) for l in open(sys.argv[1])]
assert [r["reason"] for r in rows] == ["manual", "import", "import", "import", "import", "manual"], rows
assert rows[3]["message"] == "auto_save/backup_20240105_120000" and rows[3]["time"].startswith("2024-01-05T12:00:00"), rows[3]
assert rows[1]["message"] == "auto_save/2024-01-06T00:00:00Z", rows[1]' "$d/list"
check 'a time finds one' test "$(recover cat '@{2024-01-05 12:10}:src/a.py')" = one
check '... and another' test "$(recover cat '@{2024-01-05 13:00}:src/a.py')" = two
check 'a later time the others' test "$(recover cat "@{$(date -d @$((now - 60)) '+%Y-%m-%d %H:%M:%S')}:src/a.py")" = now
check 'the newest is the workspace' test "$(recover cat @:src/a.py)" = now
gives 0 'nothing differs' recover diff --exit-code
gives 0 'restore one' recover restore '@{2024-01-05 12:10}' --to "$d/back" --yes
check '... as it was' sh -c 'cd "$1" && [ "$(cat src/a.py)" = one ] && [ -x src/a.py ] && [ "$(cat same)" = same ] && [ "$(ls -A)" = "same
src" ]' - "$d/back"
gives 0 'one with a link and no git in it' recover ls -r '@{2024-01-06 01:00}'
check '... the link itself' grep -q 'link' "$d/out"
check '... .git is no part' sh -c '! "$1" --workspace "$2" ls -r "@{2024-01-05 13:00}" | grep -q "\.git"' - "$bin/recover" "$w"
gives 0 'verify' recover verify --all
gives 0 'again' recover import "$old"
says '... nothing is new' "$d/err" '0 imported, 4 were there'
check '... nothing was written' test "$(recover list --json | wc -l)" = 6

# What is new alone; also when prune has taken what was there.
mkdir "$old/backup_20240107_000000"; echo three >"$old/backup_20240107_000000/a"
printf '[prune]\n\tgrace = 0\n\tall = 1s\n\ttenMinutes = 1s\n\thourly = 1s\n\tdaily = 1s\n\tweekly = 1s\n' >"$HOLDFAST_CONFIG"
gives 0 'prune thins them as the others' recover prune
check '... the newest stays' test "$(recover list --json | wc -l)" = 1
gives 0 'import what is new' recover import "$old"
says '... one' "$d/err" '1 imported, 4 were there'
printf '[prune]\n\tgrace = 0\n' >"$HOLDFAST_CONFIG"
gives 0 'verify after it' recover verify --all

# A running daemon writes.
"$bin/snapd" --workspace "$w" --store "$s" --interval 1h >"$d/log" 2>&1 & pid=$!
i=0; until "$bin/snapd" --workspace "$w" --store "$s" --status >/dev/null 2>&1 || [ $i = 300 ]; do sleep 0.1; i=$((i + 1)); done
mkdir "$old/backup_20240108_000000"; echo four >"$old/backup_20240108_000000/src"
gives 0 'import beside a daemon' recover import "$old"
says '... one' "$d/err" '1 imported, 5 were there'
check '... the newest is the workspace' test "$(recover cat @:src/a.py)" = now
check '... the copy is found' test "$(recover cat '@{2024-01-08 00:00:01}:src')" = four
echo later >"$w/src/a.py"
"$bin/snapd" --workspace "$w" --store "$s" --once >/dev/null 2>&1
check 'the daemon goes on' test "$(recover cat @:src/a.py)" = later
"$bin/snapd" --workspace "$w" --store "$s" --stop >/dev/null 2>&1; wait $pid

# Cut short: the next one brings the workspace back to the top.
mkdir "$old/backup_20240109_000000"; echo five >"$old/backup_20240109_000000/a"
HOLDFAST_STORE=$s "$bin/tests/tool_snap" "$w" fake import $((now - 90000)) >/dev/null
gives 0 'after one that was killed' recover import "$old"
check '... the newest is no copy' sh -c '"$1" --workspace "$2" list -n1 | grep -vq " import "' - "$bin/recover" "$w"

# Hostile and wrong.
evil=$d/evil
mkdir -p "$evil/20240201_000000/..." "$evil/20240202_000000/deep" "$evil/$(printf '20240203_000000\n\033[31m')"
mkfifo "$evil/20240201_000000/fifo"; ln -s / "$evil/20240201_000000/root"; mkdir -p "$evil/20240201_000000/.GIT/x"
i=0; p=$evil/20240202_000000/deep
while [ $i -lt 60 ]; do p=$p/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; i=$((i + 1)); done
mkdir -p "$p" && echo deep >"$p/file"
printf 'x' >"$evil/20240202_000000/$(printf 'new\nline\377')"
gives 0 'hostile copies' recover import "$evil"
check 'no raw control characters' sh -c '! "$1" --workspace "$2" list | grep -q "$(printf "\033")"' - "$bin/recover" "$w"
gives 0 'verify' recover verify --all
if [ "$(id -u)" != 0 ]; then
	mkdir -p "$d/closed/20240301/in" "$d/closed/20240302"; echo y >"$d/closed/20240301/ok"; chmod 0 "$d/closed/20240301/in"; chmod 0 "$d/closed/20240302"
	gives 3 'one that cannot be read is named' recover import "$d/closed"
	says '... by its path' "$d/err" 'closed/20240302: not imported: '
	chmod -R 700 "$d/closed"
fi
gives 4 'no such folder' recover import "$d/nosuch"
gives 4 'a file' recover import "$w/same"
gives 1 'no subfolder' recover import "$w/src"
gives 4 'the store' recover import "$s"
gives 4 'what holds the workspace' recover import "$d"
gives 2 'no folder named' recover import
printf '[store]\n\tquota = 1M\n' >"$HOLDFAST_CONFIG"
mkdir -p "$d/big/20240401" "$d/big/20240402"; head -c 3000000 /dev/urandom >"$d/big/20240401/r"
gives 4 'no room' recover import "$d/big"
says '... says so' "$d/err" 'store.quota'
check '... once' test "$(grep -c 'not imported' "$d/err")" = 1
gives 0 'the store is whole' recover verify --all
exit $bad
