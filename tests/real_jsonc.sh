#!/bin/sh
# 500 generated files: --install and --uninstall are the identity, and jsonc-parser from the npm registry (VSCode's own parser)
# reads what --install wrote, and finds in it all that was there before.
. "$(dirname "$0")/snapd/lib.sh"
export HOLDFAST_AUTOSTART=0
command -v npm >/dev/null 2>&1 || { echo 'skip no npm'; exit 77; }
if [ -z "${JSONC_PREFIX-}" ]; then
	JSONC_PREFIX=$d/npm
	mkdir "$JSONC_PREFIX"
	(cd "$JSONC_PREFIX" && npm init -y && npm install --ignore-scripts jsonc-parser@3.3.1) >"$d/npm.log" 2>&1 ||
		{ echo 'skip jsonc-parser cannot be had'; exit 77; }
fi
export JSONC_PREFIX
cat >"$d/check.js" <<'END'
// usage: check.js BEFORE AFTER: AFTER is read without an error, and holds what BEFORE held
const fs = require('fs');
const jsonc = require(process.env.JSONC_PREFIX + '/node_modules/jsonc-parser');
function read(f) {
  const errors = [], v = jsonc.parse(fs.readFileSync(f, 'utf8').replace(/^\ufeff/, ''), errors, { allowTrailingComma: true, allowEmptyContent: true });
  if (errors.length) { console.log(f, errors[0], jsonc.printParseErrorCode(errors[0].error)); process.exit(1); }
  return v;
}
const before = read(process.argv[2]) || {}, after = read(process.argv[3]);
const holds = (a, b) => Array.isArray(b) ? Array.isArray(a) && b.every((x, i) => same(a[i], x))
  : b && typeof b === 'object' ? a && typeof a === 'object' && Object.keys(b).every(k => same(a[k], b[k])) : a === b;
const same = (a, b) => holds(a, b);
if (!Object.keys(before).every(k => same(after[k], before[k]))) { console.log('lost', process.argv[2]); process.exit(1); }
END
mkdir -p "$w/.vscode" "$d/before"
bad=0 n=0 seed=${SEED:-1}
while [ $n -lt "${FILES:-500}" ]; do
	for kind in tasks launch settings; do
		"$build/tests/tool_jsonc" $((seed * 100000 + n)) $kind >"$w/.vscode/$kind.json"
		cp "$w/.vscode/$kind.json" "$d/before/$kind.json"
		n=$((n + 1))
	done
	"$snapd" -w "$w" --install=vscode,autosave --yes >"$d/out" 2>"$d/err"
	for kind in tasks launch settings; do
		node "$d/check.js" "$d/before/$kind.json" "$w/.vscode/$kind.json" || bad=$((bad + 1))
	done
	"$snapd" -w "$w" --uninstall=vscode --yes >"$d/out" 2>"$d/err"
	for kind in tasks launch settings; do
		cmp "$d/before/$kind.json" "$w/.vscode/$kind.json" || bad=$((bad + 1))
	done
done
echo "seed $seed"
check "$n files: read by jsonc-parser with all they had, and byte for byte as before after --uninstall" [ $bad = 0 ]
