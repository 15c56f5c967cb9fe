#!/bin/sh
# What README.md says under "Away with it", followed to the letter after an installation: nothing runs, and nothing is left but what it says.
. "$(dirname "$0")/snapd/lib.sh"
top=$(cd "$here/.." && pwd)
unset SHELL ZDOTDIR HOLDFAST_STATE HOLDFAST_STORE XDG_DATA_HOME XDG_STATE_HOME XDG_CONFIG_HOME XDG_CACHE_HOME
export HOLDFAST_AUTOSTART=1 XDG_RUNTIME_DIR="$d/run" HOME="$d/home"
trap '"$build/detect" watch --stop 2>/dev/null; cleanup' EXIT	# where a step fails
# No login manager of this machine's is asked; the autostart entry of the desktop is the other way.
mkdir -p "$d/bin" "$HOME/project" && mkdir -m 700 "$d/run" && printf '#!/bin/sh\nexit 1\n' >"$d/bin/systemctl" && chmod +x "$d/bin/systemctl"
PATH=$HOME/.local/bin:$d/bin:$PATH
mk() { env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$top" BUILD="${BUILD:-build}" "$@" >"$d/make" 2>&1 || { cat "$d/make"; return 1; }; }
files() { (cd "$HOME" && find . \( -type f -o -type l -o -type s \) | LC_ALL=C sort); }
echo 'print(1)' >"$HOME/project/train.py"; echo '# mine' >"$HOME/.bashrc"; echo 'A=1' >"$HOME/project/.env"
cp "$HOME/.bashrc" "$d/bashrc"; cp "$HOME/project/.env" "$d/env"
files >"$d/before"

check 'make install' mk install-files PREFIX="$HOME/.local"
check 'snapd --install' sh -c 'snapd --workspace ~/project --install --yes >"$1" 2>&1 || { cat "$1"; false; }' - "$d/out"
check 'the monitor runs' until_true test -S "$d/run/holdfast/detect"
daemon=$(snapd --workspace ~/project --status --json | sed -n 's/.*"daemon":{"running":true,"pid":\([0-9]*\).*/\1/p')
check 'snapd runs' test -n "$daemon"
pids=$daemon

sed -n '/^## Away with it/,/^## /s/^    \([a-z].*[^ ]\)  *#.*/\1/p' "$top/README.md" >"$d/steps"
check 'README says how' test "$(wc -l <"$d/steps")" -ge 3
while read -r step <&3; do
	case $step in
	*' --uninstall'|'recover drop '*) full="$step --yes";;	# it asks; the answer is yes
	'make uninstall') full="mk uninstall PREFIX='$HOME/.local'";;
	*) full=$step;;
	esac
	if (cd "$HOME/project" && eval "$full") >"$d/out" 2>&1 </dev/null; then echo "ok $step"; else echo "not ok $step"; cat "$d/out"; fi
done 3<"$d/steps"
gone() { ! kill -0 "$daemon" 2>/dev/null; }
check 'snapd has ended' until_true gone
pids=
check 'no monitor runs' sh -c '! "$1" watch --stop 2>/dev/null' - "$build/detect"
files >"$d/after"
left() { grep -v '^\./\.local/state/holdfast/' "$d/after" >"$d/left"; diff "$d/before" "$d/left"; }
check 'nothing is left but what was recorded' left
check 'README says where that is' grep -q '`~/.local/state/holdfast`' "$top/README.md"
check 'files of mine are as they were' sh -c 'cmp "$1/bashrc" ~/.bashrc && cmp "$1/env" ~/project/.env && [ ! -e ~/project/.vscode ]' - "$d"
