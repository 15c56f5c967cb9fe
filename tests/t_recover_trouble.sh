#!/bin/sh
# What goes wrong around a recovery must not stop it: broken settings, an emptied folder.
. "$(dirname "$0")/recover/lib.sh"
cd / || exit 1
fresh() { cd / && rm -rf "$w" "$s" && mkdir -p "$w/src" && cd "$w" && echo one >a && echo two >src/b && first=$(snap first); }

# ---- broken settings
fresh
printf '[snapshot\n\tinterval = 5s\n' >"$w/.holdfast"
mkdir -p "$HOME/.config/holdfast"
printf '[recover]\n\tcontext = 1\n\tcontext = "never closed\n' >"$HOME/.config/holdfast/config"
for c in '' list 'show @' 'ls @' 'cat @:a' diff 'history a' deleted status verify; do
	# shellcheck disable=SC2086
	gives 0 "broken settings: recover $c" recover $c
	check '... names both lines, once each' test "$(wc -l <"$d/err")" -ge 2 -a \
		"$(grep -c 'w/.holdfast:[0-9]' "$d/err")" = 1 -a "$(grep -c 'holdfast/config:[0-9]' "$d/err")" = 1
done
rm a
gives 0 'broken settings: restore' recover restore "$first" --yes
check '... restores' grep -q one a
gives 0 'broken settings: undo' recover undo --yes
check '... too' test ! -e a
rm "$HOME/.config/holdfast/config"

exit $bad
