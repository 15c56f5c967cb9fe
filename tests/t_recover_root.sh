#!/bin/sh
# root (sudo) in a user's workspace and store: the user can go on with all of it.
. "$(dirname "$0")/recover/lib.sh"
if [ "$(id -u)" != 0 ] || ! setpriv --reuid 4242 --regid 4242 --clear-groups true 2>/dev/null; then
	echo 'skip root in another user'"'"'s store: it needs root'
	exit 0
fi
u=$(mktemp -d /tmp/holdfast-root-XXXXXX) || exit 1
trap 'rm -rf "$u"' EXIT
chmod 755 "$u"
mkdir -p "$u/w/d" "$u/store"
echo a >"$u/w/a"; echo secret >"$u/w/s"; chmod 600 "$u/w/s"; echo x >"$u/w/d/x"; ln -s a "$u/w/l"; chmod 700 "$u/w/d"
chown -Rh 4242:4242 "$u/w" "$u/store"
user() { setpriv --reuid 4242 --regid 4242 --clear-groups env HOME="$u" XDG_RUNTIME_DIR="$u" TMPDIR="$u" "$@"; }
all_theirs() { check "$1" test -z "$(find "$u/w" "$u/store" ! -user 4242)"; }
# A copy of the programs where that user may read it.
mkdir "$u/bin" && cp "$bin"/snapd* "$bin"/recover* "$u/bin" && chmod -R a+rx "$u/bin"
first=$(user "$u/bin/snapd" --workspace "$u/w" --store "$u/store" --once)
check 'the user has a snapshot' test ${#first} = 40
rm -rf "$u/w/d" "$u/w/s" "$u/w/l"; echo changed >"$u/w/a"; chown 4242 "$u/w/a"
gives 0 'root restores it' "$bin/recover" -w "$u/w" --store "$u/store" restore "$first" --yes
all_theirs '... and all of it is the user'"'"'s, in the store too'
check '... and readable' user cat "$u/w/s" "$u/w/d/x" "$u/w/l"
gives 0 'the user takes it back' user "$u/bin/recover" -w "$u/w" --store "$u/store" undo --yes
check '... whole' test "$(cat "$u/w/a")" = changed -a ! -e "$u/w/d"
gives 0 'root restores a copy' "$bin/recover" -w "$u/w" --store "$u/store" restore "$first" --to "$u/w/copy" --yes
all_theirs '... which is the user'"'"'s'
rm -rf "$u/w"
gives 0 'root makes the workspace anew' "$bin/recover" -w "$u/w" --store "$u/store" restore "$first" --yes
all_theirs '... for the user'
gives 0 'the user goes on' user "$u/bin/snapd" --workspace "$u/w" --store "$u/store" --once
check 'what root keeps for itself is root'"'"'s' test -z "$(find "$HOME" ! -user 0)"
# In a store of root's it is not known whose a file was.
mkdir "$u/own"; echo b >"$u/own/b"; chown -R 4242 "$u/own"
"$bin/snapd" --workspace "$u/own" --store "$u/rs" --once >/dev/null; rm "$u/own/b"
gives 0 'from a store of root'"'"'s' "$bin/recover" -w "$u/own" --store "$u/rs" restore @ --yes
says '... says whose it is' "$d/err" "is user 4242's"
