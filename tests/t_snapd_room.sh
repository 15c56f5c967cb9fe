#!/bin/sh
# The quota: prune makes room, and where it cannot, snapshots stop, loudly, until there is some. And prune by the daemon itself.
. "$(dirname "$0")/snapd/lib.sh"
export HOLDFAST_STATE="$d/state" HOLDFAST_AUTOSTART=0 HOLDFAST_CONFIG="$d/config"
recover=$build/recover
: "${XDG_RUNTIME_DIR:=$d}"
printf '#!/bin/sh\ncat >>%s/told\n' "$d" >"$d/hook" && chmod +x "$d/hook"
config() { printf '[store]\n\tquota = %s\n\tfreeFloor = 0\n[prune]\n\tall = 1s\n\ttenMinutes = 1s\n\thourly = 1s\n\tdaily = 1s\n\tweekly = 1s\n\tgrace = %s\n\tevery = %s\n[detect]\n\tnotify = false\n\thook = %s/hook\n' "$1" "$2" "$3" "$d" >"$d/config"; }
rc() { "$recover" --workspace "$w" --store "$s" "$@"; }
bytes() { du -sB1 "$s" | cut -f1; }

config 3M 0 0
fill() { head -c 400000 /dev/urandom >"$w/f$1"; }
many()
{
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
		fill $((i % 2)) && once >/dev/null || return 1
		[ "$(bytes)" -le 3500000 ] || { echo "$(bytes) bytes"; return 1; }
	done
}
check "by hand: within the quota, whatever comes" many
check "the newest is exact" same
check "the store is whole" rc verify --all
start
check "a daemon: the same" many
check "it is exact" same
check "it is whole" rc verify --all
check "nothing was told yet" [ ! -e "$d/told" ]

large() { head -c 5000000 /dev/urandom >"$w/big"; once 2>"$d/err"; [ $? -eq 4 ] && grep -q quota "$d/err"; }
newest() { rc list --json 2>/dev/null | sed -n '1s/.*"id":"\([0-9a-f]*\)".*/\1/p'; }
n=$(newest)
echo '1700000000000000000 no snapshot: no space left' >"$s/stopped"	# another daemon's word, of another cause
check "what does not fit is refused" large
check "the last good snapshot stays" [ "$(newest)" = "$n" ]
status_says() { rc status 2>&1 | grep -q "no snapshot.*quota"; }
check "recover says so" status_says
check "... since when, why now, and how much is missing" sh -c '"$@" status 2>&1 | grep "since 2023-11-1.*now it takes [0-9.]* [KM]iB of" | grep -vq "no space"' - "$recover" --workspace "$w" --store "$s"
json_says() { rc status --json 2>/dev/null | grep -q '"stopped":"'; }
check "as a field too" json_says
check "the hook was told" grep -q '"stopped":true' "$d/told"
check "--status says so" sh -c '"$0" -w "$1" --store "$2" --status | grep -q quota' "$snapd" "$w" "$s"
rm "$w/big"
check "it goes on when it fits" once
check "exactly" same
check "the hook was told that too" sh -c 'tail -1 "$0" | grep -q "\"stopped\":false"' "$d/told"
quiet() { ! rc status 2>&1 | grep -q "no snapshot.*quota"; }
check "recover says nothing any more" quiet

# asked for, and by itself
for i in 1 2 3; do echo $i >"$w/small"; once -m "m$i" >/dev/null; done
check "recover prune asks the daemon" sh -c '"$0" --workspace "$1" --store "$2" prune | grep -q "stay;\|nothing to prune"' "$recover" "$w" "$s"
stop
# What is to stay was written wrong: nothing goes by the default.
config 3M 0 100ms
sed -i 's/daily = 1s/daily = 365x/' "$d/config"
start --interval 100ms
for i in 1 2 3; do echo wrong $i >"$w/small"; once -m "w$i" >/dev/null; done
rows=$(rc list --json 2>/dev/null | wc -l)
check "wrong settings thin nothing" until_true grep -q 'nothing is thinned by age' "$d/log"
check "all is there" [ "$(rc list --json 2>/dev/null | wc -l)" = "$rows" -a "$rows" -ge 4 ]
stop
config 3M 0 100ms
start --interval 100ms
for i in 1 2 3 4 5 6; do echo again $i >"$w/small"; once -m "n$i" >/dev/null; done
few() { [ "$(rc list --json | wc -l)" -le 2 ]; }
check "a daemon prunes by itself" until_true few
check "exact" same
stop
check "whole at the end" rc verify --all
check "no temporary is left" [ ! -e "$s/log/rewrite" ]

# What unfinished snapshots left (log/torn*) takes no room from what was taken.
s=$d/s2
rm -rf "$w"; mkdir "$w"; echo 0 >"$w/small"; config 24M 0 0; once >/dev/null
unfinished() { head -c "$1" /dev/urandom >>"$(ls "$s"/log/*.seg | tail -1)"; }	# as a kill leaves it
torn() { cat "$s"/log/torn* 2>/dev/null | wc -c; }
snapshots() { rc list --json 2>/dev/null | wc -l; }
for i in 1 2 3 4 5; do unfinished 3400000; echo $i >"$w/small"; once >/dev/null 2>&1; done
check "17 MB of unfinished ones: a 32nd of the quota stays at most" [ "$(torn)" -le 786432 ]
head -c 7000000 /dev/urandom >"$w/large"
check "a large file fits" once
check "no snapshot went for it" [ "$(snapshots)" -eq 7 ]
unfinished 300000; echo 6 >"$w/small"; once >/dev/null 2>&1
unfinished 300001; echo 7 >"$w/small"; once >/dev/null 2>&1
check "what is less than that stays" [ "$(torn)" -eq 600001 ]
check "recover status says so" sh -c '"$@" status | grep -q "torn.*log/torn"' - "$recover" --workspace "$w" --store "$s"
check "as a field too" sh -c '"$@" status --json | grep -q "\"torn_bytes\":6[0-9]*"' - "$recover" --workspace "$w" --store "$s"
goes_first()	# in steps of much less than it is
{
	n=$(snapshots) i=0
	while [ "$(torn)" -gt 0 ]; do
		i=$((i + 1))
		head -c 400000 /dev/urandom >"$w/f$i"; once >/dev/null && [ "$(snapshots)" -eq $((n + i)) ] || return 1
	done
	[ $i -gt 20 ]
}
check "it goes before any snapshot does" goes_first
check "whole after that" rc verify --all
rm -f "$w"/f* "$w/large"
s=$d/s

# A disk that fails is told, too, when it does not pass; and when it is over.
config 3M 0 0
printf '' >"$d/told"
LD_PRELOAD=$build/tests/preload_fault.so FAULT_CALLS=pwrite,pwritev,write,writev,fdatasync FAULT_PATH=.seg FAULT_AT=1 FAULT_COUNT=-1 FAULT_ERR=EIO FAULT_WHEN=$d/broken start
: >"$d/broken"
fails() { echo "$1" >"$w/small"; ! once >/dev/null 2>&1; }
check "a disk that fails" fails 1
check "is not told at once" [ ! -s "$d/told" ]
all_fail() { for i in 2 3 4 5 6 7 8 9; do fails $i || return 1; done; }
check "it goes on failing" all_fail
check "it is not told for how often somebody asks" [ ! -s "$d/told" ]
told() { fails again && [ -s "$d/told" ]; }
check "when it has gone on for a while it is" until_true told
check "the hook was told" grep -q '"stopped":true.*error' "$d/told"
json_says() { rc status --json 2>/dev/null | grep -q '"stopped":"'; }
check "recover says so" json_says
rm "$d/broken"
check "it works again" once
check "exactly" same
check "the hook was told that" sh -c 'tail -1 "$0" | grep -q "\"stopped\":false"' "$d/told"
stop
check "whole after it" rc verify --all
