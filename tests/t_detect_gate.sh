#!/bin/sh
# `detect gate` and `detect tiers` from outside: exit codes, words, what becomes of a gate that dies.
. "$(dirname "$0")/detect/lib.sh"

detect=$bin/detect
cd "$d" || exit 1
json() { python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); sys.exit(not eval(sys.argv[2]))' "$d/out" "$1"; }
until_true() { tries=0; until "$@"; do tries=$((tries + 1)); [ $tries -lt 400 ] || return 1; sleep 0.05; done; }

gives 0 "a small need" "$detect" gate --need 1M
says "is allowed" "$d/out" '^allowed: needs 1.0 MiB (as told)'
says "nobody keeps this folder" "$d/out" 'no snapd keeps this folder'
gives 1 "a need of 1 PiB" "$detect" gate --need 1P
says "need, room and gap" "$d/out" '^refused: 1.0 PiB of memory needed, room for .*: .* too little'
says "who holds the memory" "$d/out" '^held by '
says "what else to do" "$d/out" 'detect clean;'
ln -s "$(python3 -c 'import sys; print(sys.executable)')" "$d/hoarder"
"$d/hoarder" -c 'import time; x = b"x" * (400 << 20); print(flush=True); time.sleep(600)' >"$d/large" &
large=$!
until_true test -s "$d/large"
gives 1 "somebody holds 400 MiB" "$detect" gate --need 1P
says "who is large is named" "$d/out" "hoarder, process $large: 4[0-9][0-9] MiB"
says "the small ones are added up" "$d/out" '[0-9] other process.*: at most '
says "and may be closed" "$d/out" 'close what is large'
gives 1 "the same as JSON" "$detect" gate --need 1P --json
check "its fields" json '{"allowed","need","room","reasons","holders","tier"} <= r.keys() and r["need"].keys() == {"ram","shm","gpu"}'
check "refused" json 'r["allowed"] is False and r["need"]["ram"] == 1 << 50 and r["gap"] == (1 << 50) - r["room"]["ram"]'
check "nobody small is named" json 'all(h["bytes"] >= 8 << 20 for h in r["holders"]) and r["others"]["processes"] > 0'
# Of a group with a limit only who is in it holds the room; that one is outside.
g=/sys/fs/cgroup/memory/holdfast-gate-$$
if mkdir "$g" 2>/dev/null && echo 300M 2>/dev/null >"$g/memory.limit_in_bytes"; then
	gives 1 "in a group with a limit" sh -c 'echo $$ >"$1/cgroup.procs" && exec "$2" gate --need 1G' - "$g" "$detect"
	says "its room counts" "$d/out" 'available in this cgroup'
	check "who is outside is not named" sh -c '! grep -q hoarder "$1"' - "$d/out"
	gives 1 "outside of it" "$detect" gate --need 1P --json
else
	echo 'skip who holds the room of a cgroup: it needs root and version 1'
fi
[ ! -d "$g" ] || until_true rmdir "$g" 2>/dev/null		# who was in it may be there for a moment
kill $large
check "holders by size" json '[h["bytes"] for h in r["holders"]] == sorted((h["bytes"] for h in r["holders"]), reverse=True)'
gives 1 "shared memory" "$detect" gate --need 1M --shm-need 1P --json
check "is told apart" json '[x["what"] for x in r["reasons"] if x["level"] == "refused"] == ["shm"]'
gives 1 "a GPU of 1 PiB" env HOLDFAST_NVML=/nowhere "$detect" gate --need 1M --gpu-need 1P
# A driver is asked by detect-core, which the check becomes: its yes counts all the same.
nvml=$bin/tests/preload_nvml.so
if [ -e "$nvml" ]; then
	gives 0 "a GPU with room" env HOLDFAST_NVML="$nvml" "$detect" gate --need 1M --gpu-need 1M
	says "is allowed too" "$d/out" '^allowed: needs 1.0 MiB'
	gives 1 "a GPU without" env HOLDFAST_NVML="$nvml" "$detect" gate --need 1M --gpu-need 1P
	says "room of the freest one" "$d/out" '^refused: 1.0 PiB of GPU memory needed, room for 12 GiB'
fi
gives 0 "--force" "$detect" gate --need 1P --force
says "it is said" "$d/out" '^allowed by --force, against the odds'
mkdir -p sub && cat >sub/low_memory_unetr.json <<'X'
{ // ours
  "requirements": { "ram": "1 PiB" } }
X
gives 1 "--config" "$detect" gate --config sub/low_memory_unetr.json
gives 1 "the file that the command names" "$detect" gate -- python train.py --config=sub/low_memory_unetr.json
gives 0 "told goes first" "$detect" gate --need 1M -- python train.py --config=sub/low_memory_unetr.json
mkdir -p config && mv sub config/memory_optimized
gives 1 "a project's own tier" "$detect" gate --tier low --json
check "its figures count" json 'r["need"]["ram"] == 1 << 50 and r["tier"] == "low" and r["need_from"] == "config"'
rm -r config
printf 'not json' >x.json
for a in '--need much' '--tier huge' '--config none.json' '--config x.json' '--nonsense' '--need' '6G' '--need 6'; do
	# shellcheck disable=SC2086
	gives 2 "gate $a" "$detect" gate $a
done
full() { "$detect" gate --need 1M >/dev/full 2>"$d/err"; [ $? = 4 ]; }
if [ -c /dev/full ]; then check "a full disk is no yes" full; fi
noted() { "$bin/detect-core" events --json >"$d/out" 2>/dev/null && grep -q "$1" "$d/out"; }
check "the override stands in the journal" until_true noted 'forced against the gate'
check "a refusal too, with its reasons" until_true noted '"kind":"launch".*1.0 PiB of memory needed.*"what":"a launch: refused'
printf '[gate]\n\tforce = true\n\treserve = 0\n' >"$HOME/.config/holdfast/config"
gives 0 "gate.force" "$detect" gate --need 1P --json
check "it is named" json 'r["forced_by"] == "gate.force" and r["reserve"] == 0 or r["reserve"] > 0'
# What detect-core has read the small program may take: here it has nothing to become.
mkdir alone && cp "$detect" alone/
kept() { "$bin/detect-core" report >/dev/null 2>&1; grep -q '^gate_force.1' "$HOLDFAST_STATE/settings" 2>/dev/null; }
check "settings that stand for a while are kept" until_true kept
gives 0 "the small program knows them" alone/detect gate --need 1P --json
check "as they are" json 'r["forced_by"] == "gate.force"'
gives 0 "the report, too" alone/detect report
printf '[gate]\n\treserve = 1\n' >"$HOME/.config/holdfast/config"
gives 4 "other ones are not: without detect-core nothing is allowed" alone/detect gate --need 1M
says "and said" "$d/err" 'detect-core: cannot be started'
rm -r alone
printf '[gate]\n\tfree = 1000T\n' >"$HOME/.config/holdfast/config"
gives 1 "an unknown need goes by gate.free" "$detect" gate
rm "$HOME/.config/holdfast/config"

# A gate that is in the middle: its snapd takes the request and never answers.
cat >"$d/deaf.py" <<'X'
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
os.chdir(sys.argv[1])
s.bind("control")
s.listen(9)
print("up", flush=True)
keep = []
while True:
    keep.append(s.accept())
    print("asked", flush=True)
X
mkdir "$d/w" "$d/s"
printf %s "$d/w" >"$d/s/workspace"
python3 "$d/deaf.py" "$d/s" >"$d/deaf" &
deaf=$!
trap 'kill $deaf 2>/dev/null; rm -rf "$d"' EXIT
until_true grep -q up "$d/deaf"
asked() { [ "$(grep -c asked "$d/deaf")" -ge "$1" ]; }
# A zombie is gone too: who reaps it takes its time.
gone() { case $(cat "/proc/$1/stat" 2>/dev/null) in '' | *') Z '*) ;; *) return 1;; esac; }
checker() { cat "/proc/$1/task/$1/children" 2>/dev/null | tr -d ' '; }
times=0
in_the_middle()
{
	times=$((times + 1))
	(cd "$d/w" && exec env HOLDFAST_STORE="$d/s" "$detect" gate --need 1M >"$d/out" 2>"$d/err") &
	gate=$!
	until_true asked $times
	child=$(checker $gate)
}
for s in KILL SEGV TERM ABRT BUS INT; do
	in_the_middle
	kill -$s "$child"
	wait $gate
	check "the check dies of SIG$s: refused" [ $? = 1 ]
	says "and that is said" "$d/err" 'died of signal'
done
for s in TERM INT HUP SEGV QUIT PIPE USR1 ALRM XCPU; do
	in_the_middle
	kill -$s $gate
	wait $gate
	check "the gate gets SIG$s: refused" [ $? = 1 ]
	check "its check goes with it" until_true gone "$child"
done
in_the_middle
kill -9 $gate
wait $gate 2>/dev/null
check "kill -9 of the gate: the check does not stay behind" until_true gone "$child"
printf '[gate]\n\tsnapshotWait = 100ms\n' >"$HOME/.config/holdfast/config"
cd "$d/w" || exit 1
gives 0 "a snapd that does not answer holds up nobody for ever" env HOLDFAST_STORE="$d/s" "$detect" gate --need 1M
says "and it is said" "$d/out" '^snapshot  none: snapd is still at it'
rm "$HOME/.config/holdfast/config"
kill $deaf
wait $deaf 2>/dev/null
gives 0 "a snapd that is gone" env HOLDFAST_STORE="$d/s" "$detect" gate --need 1M
says "is told" "$d/out" 'snapd of this folder does not run'

# The real one.
mkdir -p "$d/real/sub" && echo one >"$d/real/train.py"
"$bin/snapd" --workspace "$d/real" 2>"$d/snapd.log" &
real=$!
trap 'kill $deaf $real 2>/dev/null; rm -rf "$d"' EXIT
runs() { "$bin/snapd" --workspace "$d/real" --status >/dev/null 2>&1 && [ -S "$(echo "$d"/data/holdfast/*/control)" ]; }
check "snapd runs" until_true runs
cd "$d/real/sub" || exit 1
echo two >"$d/real/train.py"
gives 0 "a gate below a workspace" "$detect" gate --need 1M --json -- python train.py
check "names snapshot and workspace" json "len(r['snapshot']) == 40 and r['workspace'] == '$d/real'"
id=$(python3 -c 'import json; print(json.load(open("'"$d/out"'"))["snapshot"])')
"$bin/recover" --workspace "$d/real" list --json >"$d/out" 2>"$d/err"
says "it is there, taken for the launch" "$d/out" "\"id\":\"$id\".*\"reason\":\"launch\".*before python train.py"
check "with what was there before" [ "$("$bin/recover" --workspace "$d/real" cat "$id:train.py")" = two ]
gives 0 "--no-snapshot" "$detect" gate --need 1M --no-snapshot
silent "takes none" "$d/out" snapshot
gives 1 "a refusal" "$detect" gate --need 1P
silent "takes none either" "$d/out" snapshot
kill $real
wait $real
gives 0 "a snapd that was stopped" "$detect" gate --need 1M
says "is told apart from none" "$d/out" 'snapshot  none: the snapd of this folder does not run'
cd "$d" || exit 1

gives 0 "detect tiers" "$detect" tiers
says "the guide" "$d/out" '^low  *4-6 GiB  *4-6 GiB '
gives 0 "tiers --json" "$detect" tiers --json
check "five" [ "$(wc -l <"$d/out")" = 5 ]
gives 0 "tiers --write" "$detect" tiers --write new/folder
check "five files" [ "$(find new/folder -name '*.json' | wc -l)" = 5 ]
gives 0 "again: nothing to do" "$detect" tiers --write new/folder
echo '{}' >new/folder/standard.json
gives 3 "somebody's own stays" "$detect" tiers --write new/folder
check "as it was" [ "$(cat new/folder/standard.json)" = '{}' ]
gives 4 "a folder that cannot be made" "$detect" tiers --write /proc/none
gives 2 "tiers with a word too many" "$detect" tiers now
gives 0 "tiers --write --help helps" "$detect" tiers --write --help
gives 2 "an option is no folder" "$detect" tiers --write --nosuch
check "and none is made" [ ! -e ./--help ] && [ ! -e ./--nosuch ]
exit $bad
