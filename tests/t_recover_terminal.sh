#!/bin/sh
# recover on a terminal: which pager, colours or none; and none of that elsewhere.
. "$(dirname "$0")/recover/lib.sh"
mkdir -p "$w" && seq 50 >"$w/f" && snap a >/dev/null && seq 40 >"$w/f"
mkdir -p "$HOME/.config/holdfast" "$d/bin"
for p in mine gits plain less; do printf '#!/bin/sh\necho "<%s $LESS>"; cat\n' $p >"$d/bin/$p"; chmod +x "$d/bin/$p"; done
export PATH="$d/bin:$PATH" TERM=xterm
unset LESS NO_COLOR 2>/dev/null
esc=$(printf '\033')
# tty COMMAND...: on a terminal of 24 lines; what it shows is in $d/out.
tty() { python3 -B - "$@" >"$d/out" 2>&1 <<'PY'
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
out = b''
while True:
    try:
        got = os.read(fd, 65536)
    except OSError:
        break
    if not got:
        break
    out += got
sys.stdout.buffer.write(out)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY
}
r="$bin/recover -w $w"
shown() { n=$1; shift; "$@"; if head -n 1 "$d/out" | grep -q "^<$want"; then ok "$n"; else not_ok "$n"; head -3 "$d/out"; fi; }

want='less FRX' shown 'without anything less, told to end with a short text' tty env $r diff
want=plain shown 'PAGER goes before less' tty env PAGER=plain $r diff
printf '[recover]\n\tpager = mine\n' >"$HOME/.config/holdfast/config"
want=mine shown 'recover.pager goes before PAGER' tty env PAGER=plain $r diff
want=gits shown 'GIT_PAGER goes before recover.pager' tty env GIT_PAGER=gits PAGER=plain $r diff
not_paged() { tty env PAGER=plain $r "$@" && ! grep -q '^<' "$d/out"; }
check '--no-pager: none' not_paged --no-pager diff
rm "$HOME/.config/holdfast/config"
cats() { tty env "PAGER=$1" $r diff && ! grep -q '^<' "$d/out" && grep -q @@ "$d/out"; }
check 'PAGER=cat: none' cats cat
check 'an empty PAGER: none' cats ''
PAGER=cat export PAGER
check 'colours on a terminal' sh -c 'grep -q "$1\[" "$2"' - "$esc" "$d/out"
tty env NO_COLOR=1 $r diff
check 'NO_COLOR: none' sh -c '! grep -q "$1\[" "$2"' - "$esc" "$d/out"
printf '[recover]\n\tcolor = always\n' >"$HOME/.config/holdfast/config"
env NO_COLOR=1 $r diff >"$d/out"
check 'recover.color = always goes before NO_COLOR' sh -c 'grep -q "$1\[" "$2"' - "$esc" "$d/out"
rm "$HOME/.config/holdfast/config"
tty env NO_COLOR=1 $r diff --color=always
check 'unless asked for' grep -q "$esc\[" "$d/out"
$r diff >"$d/out"
check 'none in a pipe, and no pager' sh -c '! grep -q "$1\[" "$2" && ! grep -q "^<" "$2"' - "$esc" "$d/out"
mkdir "$w/many" && for i in $(seq 300); do seq "$i" >"$w/many/$i"; done
snap b >/dev/null && rm -r "$w/many"
$r restore --yes -q @ >"$d/out" 2>"$d/err"
check 'with -q nothing is said' test ! -s "$d/out" -a ! -s "$d/err"
$r export "$d/exported" -q
check 'git takes it, and gc packs it' sh -c 'git -C "$1" fsck --full >/dev/null 2>&1 && git -C "$1" gc -q && git -C "$1" fsck --full >/dev/null 2>&1' - "$d/exported"
cd "$w/many" || exit 1
check 'cat takes a path from here' test "$($r cat @:./7)" = "$(seq 7)"
check 'and one from above' test "$($r cat @:../f)" = "$(seq 40)"
cd / || exit 1
exit $bad
