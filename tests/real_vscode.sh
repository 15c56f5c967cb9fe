#!/bin/sh
# The hooks in a real VSCode: code-server with a headless Chromium (tests/vscode/). The gate refuses and lets pass, whatever
# kills it; the start task leaves one daemon that outlives the server; what was typed and not saved is found again.
# Set CS_PREFIX to a prefix that tests/vscode/setup.sh made; without it that is done now, which takes minutes and npm.
. "$(dirname "$0")/snapd/lib.sh"
for c in node npm chromium rg; do
	command -v $c >/dev/null 2>&1 || { echo "skip no $c"; exit 77; }
done
if [ -z "${CS_PREFIX-}" ]; then
	CS_PREFIX=$d/cs
	sh "$here/vscode/setup.sh" "$CS_PREFIX" >"$d/setup.log" 2>&1 || { tail -n 5 "$d/setup.log"; echo 'skip code-server could not be set up'; exit 77; }
fi
export CS_PREFIX HOLDFAST_AUTOSTART=0
mkdir "$d/bin" "$d/keep"
# What the tasks call: a detect that does what $d/how says, and asks the true one to allow or to refuse.
cat >"$d/keep/detect" <<END
#!/bin/sh
how=\$(cat "$d/how")
case \$how in
pass) exec "$build/detect" "\$@" --no-snapshot --need 1M;;
refuse) exec "$build/detect" "\$@" --no-snapshot --need 900T;;
esac
kill -\$how \$\$
END
chmod +x "$d/keep/detect"
cp "$d/keep/detect" "$d/bin/detect"
cat >"$w/app.js" <<'END'
setInterval(() => {}, 1000);
END
printf 'x = 1\n' >"$w/train.py"
mkdir "$w/.vscode"
cat >"$w/.vscode/launch.json" <<'END'
{
	// mine
	"version": "0.2.0",
	"configurations": [
		{ "name": "app", "type": "node", "request": "launch", "program": "${workspaceFolder}/app.js" },
	],
}
END
"$snapd" -w "$w" --install=vscode,launches --yes >"$d/out" || { cat "$d/out"; echo 'not ok --install'; }
sed -i "s,$build/detect,$d/bin/detect,g" "$w/.vscode/tasks.json" "$w/.vscode/launch.json"
node "$here/vscode/hooks.js" "$d" "$w" "$build"
"$snapd" -w "$w" --stop 2>/dev/null
exit 0
