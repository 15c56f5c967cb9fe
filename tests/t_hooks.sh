#!/bin/sh
# snapd --install, --uninstall, --start, --completion; the shells; the login. VSCode's files have a test of their own (test_hooks).
. "$(dirname "$0")/snapd/lib.sh"
unset SHELL ZDOTDIR
export HOLDFAST_AUTOSTART=0

not() { ! "$@"; }
sn() { "$snapd" -w "$w" "$@"; }
tree() { (cd "$1" && find . \( -path ./.local/share/holdfast/w-\* -o -path ./.local/state \) -prune -o -print | LC_ALL=C sort | while read -r f; do
	stat -c '%n %a %F' "$f"; [ -f "$f" ] && sha1sum <"$f"; done); }
gone() { not "$snapd" -w "$w" --status --json 2>/dev/null | grep -q '"running":true'; }
runs() { sn --status --json 2>/dev/null | grep -q '"running":true'; }
daemon() { sn --status --json | sed -n 's/.*"daemon":{"running":true,"pid":\([0-9]*\).*/\1/p'; }

# ---- a systemctl that notes what it is asked
mkdir "$d/bin"
cat >"$d/bin/systemctl" <<END
#!/bin/sh
echo "\$*" >>"$d/asked"
[ -e "$d/manager" ] || exit 1
END
chmod +x "$d/bin/systemctl"
PATH=$d/bin:$PATH

# ---- nothing without a yes
printf 'set -o vi' >"$HOME/.bashrc"; chmod 600 "$HOME/.bashrc"
mkdir -p "$HOME/.config/fish"
printf 'OMP_NUM_THREADS=7\r\nX=1' >"$w/.env"
sn --once >/dev/null; mkdir -p "$HOME/.local/state/holdfast"	# what a store and a state leave behind is not the hooks'
tree "$HOME" >"$d/home.0"; tree "$w" >"$d/w.0"
sn --install </dev/null >"$d/out" 2>"$d/err"
check 'nobody to ask: refused' [ $? -eq 2 ]
check 'the way out is named' grep -q -- '--yes goes ahead' "$d/err"
check 'what one is asked about stands in a few lines at its end' sh -c 'tail -n 20 "$1" | grep -q "^ *new .*lines more, 0 less: .*/.vscode/tasks.json"' - "$d/out"
check 'the change is shown' grep -q '^+.*"label": "holdfast: gate"' "$d/out"
answer() { python3 -B -c '
import os, pty, sys
def read(fd):
    data = os.read(fd, 1024)
    if b"[y/N]" in data:
        os.write(fd, sys.argv[1].encode())
    return data
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[2:], read)))' "$@" >"$d/out"; }
answer 'n
' "$snapd" -w "$w" --install
check 'asked, and no: 1' [ $? -eq 1 ]
tree "$HOME" >"$d/home.1"; tree "$w" >"$d/w.1"
check 'nothing was changed' sh -c 'cmp "$1/home.0" "$1/home.1" && cmp "$1/w.0" "$1/w.1"' - "$d"

# ---- a desktop without systemd
answer 'y
' "$snapd" -w "$w" --install
check 'asked, and yes: 0' [ $? -eq 0 ]
check 'what is on now, and how it goes, is said' sh -c 'grep -q "is set up: snapshots are on" "$1" && grep -q -- "--uninstall takes it away" "$1"' - "$d/out"
check 'it runs at once' runs
check 'an autostart entry is there' grep -q "^Exec=\"$build/snapd\" --workspace \"$w\" --start" "$HOME"/.config/autostart/holdfast-w-*.desktop
check '.env keeps what it sets' grep -q '^OMP_NUM_THREADS=7' "$w/.env"
check 'and only once' [ "$(grep -c OMP_NUM_THREADS= "$w/.env")" = 1 ]
check 'and gets what it lacks, in its line ends' grep -q '^MALLOC_ARENA_MAX=2.$' "$w/.env"
check 'the mode of a file stays' [ "$(stat -c %a "$HOME/.bashrc")" = 600 ]
check '.bashrc can be read by bash' bash -n "$HOME/.bashrc"
check 'the record is closed to others' [ "$(stat -c %a "$HOME"/.local/state/holdfast/installed/w-*)" = 600 ]
pid=$(daemon)
sn --install --yes >"$d/out" 2>"$d/err"
check 'again: 0' [ $? -eq 0 ]
check 'and nothing to do' grep -q 'nothing to change' "$d/out"
check 'the daemon is the same' [ "$(daemon)" = "$pid" ]
sn --uninstall --yes >"$d/out" 2>"$d/err"
check 'uninstall: 0' [ $? -eq 0 ]
tree "$HOME" >"$d/home.1"; tree "$w" >"$d/w.1"
check 'every byte and mode is as before, and no folder is left' sh -c 'diff "$1/w.0" "$1/w.1" && diff "$1/home.0" "$1/home.1"' - "$d"
check 'and the daemon is gone' until_true dead "$pid"

# ---- an escape sequence that came with a repository; a file that is saved while we ask
mkdir "$d/w3" "$d/w3/.vscode"
printf '{\n\t// \033[2J\033]0;title\007\n\t"a": 1\n}\n' >"$d/w3/.vscode/settings.json"
cat >"$d/save.py" <<'X'
import os, pty, sys
path = sys.argv[1]
def read(fd):
    data = os.read(fd, 65536)
    if b"[y/N]" in data:
        text = open(path).read()
        open(path, "w").write(text.replace('"a": 1', '"a": 2'))
        os.write(fd, b"y\n")
    return data
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[2:], read)))
X
python3 -B "$d/save.py" "$d/w3/.vscode/settings.json" "$snapd" -w "$d/w3" --install=vscode >"$d/out"
check 'a file that was saved meanwhile: 3' [ $? -eq 3 ]
check 'it stays as it was saved' sh -c 'grep -q "\"a\": 2" "$1" && ! grep -q holdfast "$1"' - "$d/w3/.vscode/settings.json"
check 'no terminal obeys what stands in a file' not grep -q "$(printf '\033')\(\[2J\|\]0\)" "$d/out"
"$snapd" -w "$d/w3" --uninstall --yes >/dev/null 2>&1

# ---- two workspaces share the shells
mkdir "$d/w2"
sn --install=shell --yes >/dev/null; "$snapd" -w "$d/w2" --install=shell --yes >/dev/null
sn --uninstall --yes >/dev/null
check 'the shells stay for the other workspace' grep -q '>>> holdfast' "$HOME/.bashrc"
"$snapd" -w "$d/w2" --uninstall --yes >/dev/null
tree "$HOME" >"$d/home.1"
check 'the last one takes them away' diff "$d/home.0" "$d/home.1"

# ---- systemd
touch "$d/manager"; : >"$d/asked"
sn --install=login --yes >/dev/null 2>"$d/err" &
inst=$!
asked() { grep -q -- "$1" "$d/asked"; }
check 'systemd is told to start the unit' until_true asked 'start --no-block holdfast-w-.*\.service'
unit=$(ls "$HOME"/.config/systemd/user/holdfast-w-*.service)
# the stand-in starts nothing: do what the unit says
eval "set -- $(sed -n 's/^ExecStart=//p' "$unit")"
"$@" 2>/dev/null & pids="$pids $!"
wait $inst
check 'and then all is well' [ $? -eq 0 ]
check 'the unit is enabled' [ -e "$HOME/.config/systemd/user/default.target.wants/${unit##*/}" ]
check 'it says when it is ready, and is watched' sh -c 'grep -q ^Type=notify "$1" && grep -q ^WatchdogSec= "$1" && grep -q ^Restart=on-failure "$1"' - "$unit"
if command -v systemd-analyze >/dev/null 2>&1; then
	systemd-analyze --user verify "$unit" >"$d/out" 2>&1
	check 'systemd reads the unit without a complaint' not sh -c 'grep -F "$1" "$2" | grep -v "Command .man "' - "${unit##*/}" "$d/out"
else
	echo 'skip systemd reads the unit: no systemd-analyze'
fi
: >"$d/asked"
sn --uninstall --yes >/dev/null 2>"$d/err"
check 'uninstall stops it' asked 'stop holdfast-w-.*\.service'
check 'and takes it out of the login' [ ! -e "$unit" ] && [ ! -L "$HOME/.config/systemd/user/default.target.wants/${unit##*/}" ]
rm "$d/manager"

# ---- a name with everything in it
odd="$d/a \$b %c\"d'e\\f"
mkdir "$odd"
"$snapd" -w "$odd" --install=login,vscode --yes >/dev/null 2>"$d/err"
check 'a folder with an odd name: 0' [ $? -eq 0 ]
check 'and it runs' sh -c '"$1" -w "$2" --status --json | grep -q "\"running\":true"' - "$snapd" "$odd"
check 'its entry leads to it' python3 -B -c '
import glob, re, sys
line = [l for l in open(glob.glob(sys.argv[1] + "/.config/autostart/holdfast-a_*.desktop")[0]) if l.startswith("Exec=")][0]
line = re.search("--workspace \"(.*)\" --start", line).group(1).replace("\\\\", "\\")	# of the string
word = re.sub(r"\\(.)", r"\1", line).replace("%%", "%")	# of Exec
sys.exit(word != sys.argv[2])' "$HOME" "$odd"
"$snapd" -w "$odd" --uninstall --yes >/dev/null 2>&1
check 'nothing is left in it' [ -z "$(ls -A "$odd")" ]

# ---- start
sn --start & a=$!
sn --start & b=$!
wait $a; ra=$?
wait $b; rb=$?
check 'two starts at once: both 0' [ "$ra$rb" = 00 ]
pid=$(daemon); pids="$pids $pid"
check 'one daemon' [ -n "$pid" ]
check 'in a session of its own' [ "$(ps -o sid= -p "$pid" | tr -d ' ')" = "$pid" ]
sn --start
check 'again: the same one' [ "$(daemon)" = "$pid" ]
sn --stop
check 'it stops' until_true dead "$pid"
# a terminal that closes takes what it started along
python3 -B -c '
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
os.waitpid(pid, 0)
os.close(fd)' "$snapd" -w "$w" --start
check 'it survives the terminal that started it' runs
pid=$(daemon); pids="$pids $pid"
sn --stop
"$snapd" -w "$d/nosuch" --start 2>"$d/err"
check 'a folder that is not there: 4' [ $? -eq 4 ]

# ---- status
sn --install=vscode --yes >/dev/null 2>&1
sn --start
sed -i 's/"label": "holdfast: gate"/"label": "gate"/' "$w/.vscode/tasks.json"
sn --status >"$d/out"
check 'status tells a label that was renamed' grep -q 'task "holdfast: gate" is not in' "$d/out"
check 'in JSON too' sh -c '"$1" -w "$2" --status --json | python3 -c "import json, sys; sys.exit(len(json.load(sys.stdin)[\"hooks\"]) < 3)"' - "$snapd" "$w"
pid=$(daemon); pids="$pids $pid"
sn --uninstall --yes >/dev/null 2>&1

# ---- a part that cannot be added; a folder that cannot be read
mkdir -p "$w/.vscode"
echo '{"version": ' >"$w/.vscode/tasks.json"
sn --install=vscode,login --yes >"$d/out" 2>"$d/err"
check 'what is broken is left alone: 3' [ $? -eq 3 ]
check 'that the rest is there and snapshots are on is said' grep -q 'set up but for what is named above; snapshots are on' "$d/err"
check 'and so it is' runs
pid=$(daemon); pids="$pids $pid"
sn --uninstall --yes >/dev/null 2>&1
rm "$w/.vscode/tasks.json"
if [ "$(id -u)" != 0 ]; then
	mkdir -m 0 "$d/closed"
	"$snapd" -w "$d/closed" --install --yes >"$d/out" 2>"$d/err"
	check 'what cannot be read is not set up: 4' [ $? -eq 4 ]
	check 'not even in part' [ ! -s "$d/out" ]
else
	echo 'skip a folder that cannot be read: root reads all'
fi

# ---- completion: what --help names is offered
sn --install=shell --yes >/dev/null 2>&1
for sh in bash zsh fish; do "$snapd" --completion $sh >"$d/comp.$sh" || echo "not ok --completion $sh"; done
check 'another shell: 2' sh -c '"$1" --completion csh 2>/dev/null; [ $? -eq 2 ]' - "$snapd"
bash_words() { bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _holdfast "$1"; printf "%s\n" "${COMPREPLY[@]}"' - "$d/comp.bash" "$@"; }
check 'bash: every option of restore' sh -c 'set -e; for o in --dry-run --delete --to --yes --verify; do echo "$1" | grep -qx -- $o; done' - "$(bash_words recover restore -)"
check 'bash: commands' [ "$(bash_words recover hist)" = history ]
check 'bash: snapd' [ "$(bash_words snapd --inst)" = --install ]
check 'bash: detect' [ "$(bash_words detect rep)" = report ]
check 'bash: the second file leads to the first' bash -c '. "$1"; complete -p recover' - "$HOME/.local/share/bash-completion/completions/detect" >/dev/null
if command -v fish >/dev/null 2>&1; then
	check 'fish: options' [ "$(fish -N -c "source $d/comp.fish; complete -C'recover restore --dry'" 2>/dev/null)" = --dry-run ]
	check 'fish: commands' [ "$(fish -N -c "source $d/comp.fish; complete -C'recover hist'" 2>/dev/null)" = history ]
else
	echo 'skip fish: not installed'
fi
if command -v zsh >/dev/null 2>&1; then
	zsh_words() { zsh -f -c 'compdef() { :; }; _files() { :; }; compadd() { shift; print -l -- "$@"; }; . "$1"; shift; words=("$@"); CURRENT=$#; _holdfast' - "$d/comp.zsh" "$@"; }
	check 'zsh: options' sh -c 'echo "$1" | grep -qx -- --dry-run' - "$(zsh_words recover restore -)"
	check 'zsh: commands' sh -c 'echo "$1" | grep -qx history' - "$(zsh_words recover '')"
else
	echo 'skip zsh: not installed'
fi

# ---- the first shell after a crash
. "$HOME/.bashrc"	# not interactive: says nothing
shell() { bash --norc -i -c '. ~/.bashrc' 2>/dev/null; }
check 'a shell without a crash says nothing' [ -z "$(shell)" ]
state=$HOME/.local/state/holdfast
mkdir -p "$state"
python3 -B "$here/detect/put_fact.py" "$state" id=crash0000001 pid=4711 status=signaled signal=9 argv='python3 train.py'
if HOLDFAST_NOTIFY=0 "$build/detect" judge --once >/dev/null 2>"$d/err"; then
	shell >"$d/out"
	check 'the first shell after it tells in one line' sh -c '[ "$(wc -l <"$1")" = 1 ] && grep -q "^holdfast: .* recover report knows more" "$1"' - "$d/out"
	check 'the second does not' [ -z "$(shell)" ]
	"$build/recover" news >"$d/out"
	check 'who asks is told again' grep -q '^holdfast: ' "$d/out"
else
	cat "$d/err"; echo 'not ok a crash for the journal'
fi
sn --uninstall --yes >/dev/null 2>&1
