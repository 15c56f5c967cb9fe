#!/bin/sh
# make install and uninstall: what lands, that it works from there, that nothing is left, and that under NAME_PREFIX=
# every document and every message names what is there. (real_install.sh builds with a prefix and asks the programs.)
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$here/..
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
bad=0
check() { n=$1; shift; if "$@"; then echo "ok $n"; else echo "not ok $n"; bad=1; fi; }
not() { ! "$@"; }
# The programs are built; the outer make's variables are not ours.
mk() { env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$top" BUILD="${BUILD:-build}" "$@" >"$d/make" 2>&1 || { cat "$d/make"; return 1; }; }
files() { (cd "$1" && find . -type f | sort); }

check 'make install with DESTDIR and PREFIX' mk install-files DESTDIR="$d/a" PREFIX=/opt/hf
check 'the programs and manuals are there' sh -c 'cd "$1" && exec >/dev/null && ls bin/snapd bin/recover bin/detect libexec/holdfast/snapd-core \
	libexec/holdfast/detect-core libexec/holdfast/detect-watch libexec/holdfast/detect-gpu libexec/holdfast/detect-top share/man/man1/snapd.1 share/man/man1/recover.1 \
	share/man/man1/detect.1 share/man/man5/holdfast.conf.5 share/man/man7/holdfast.7 share/doc/holdfast/README.md share/doc/holdfast/format.md' - "$d/a/opt/hf"
check 'nothing in the documents differs without a prefix' sh -c 'cmp "$1/docs/snapd.1" "$2/man/man1/snapd.1" &&
	cmp "$1/docs/format.md" "$2/doc/holdfast/format.md"' - "$top" "$d/a/opt/hf/share"
check 'what README links to lies beside it' python3 -B - "$d/a/opt/hf/share/doc/holdfast" <<'PY'
import os, re, sys
links = re.findall(r'\]\(([^)]*)\)', open(sys.argv[1] + '/README.md').read())
gone = [x for x in links if not x.startswith('http') and not os.path.isfile(sys.argv[1] + '/' + x)]
assert len(links) > 2 and not gone, (links, gone)
PY
mkdir "$d/w" && echo one >"$d/w/f"
check 'an installed snapd finds its other half' sh -c '"$1/snapd" -w "$2/w" --store "$2/s" --once >"$2/id" && test -s "$2/id"' - \
	"$d/a/opt/hf/bin" "$d"
check 'also through a symbolic link' sh -c 'ln -s "$1/detect" "$2/d" && "$2/d" --help >"$2/help"' - "$d/a/opt/hf/bin" "$d"
check 'an installed recover reads it' sh -c 'test "$("$1/recover" -w "$2/w" --store "$2/s" cat @:f)" = one' - "$d/a/opt/hf/bin" "$d"
: >"$d/a/opt/hf/bin/other"
check 'make uninstall' mk uninstall DESTDIR="$d/a" PREFIX=/opt/hf
check 'it leaves what is not its own, and nothing else' test "$(files "$d/a")" = ./opt/hf/bin/other
check 'uninstall again is no error' mk uninstall DESTDIR="$d/a" PREFIX=/opt/hf

check 'make install NAME_PREFIX=hf-' mk install-files DESTDIR="$d/b" PREFIX=/usr NAME_PREFIX=hf-
check 'all names have it' sh -c 'cd "$1" && exec >/dev/null && ls bin/hf-snapd bin/hf-recover bin/hf-detect share/man/man1/hf-snapd.1 \
	share/man/man1/hf-recover.1 share/man/man1/hf-detect.1 share/man/man5/holdfast.conf.5 share/man/man7/holdfast.7' - "$d/b/usr"
check 'and no plain one is there' not ls "$d/b/usr/bin/snapd" "$d/b/usr/share/man/man1/snapd.1" 2>"$d/err"
check 'the documents name what is there' python3 -B - "$d/b/usr/share" <<'PY'
import glob, re, sys
# What stays: settings and their section, the parts, the other snapd, the verb.
keep = re.compile(rb'^\.(Va|Cm) (detect|recover)|\[(detect|recover)\]|(detect|snapd)-(core|watch)|another program named'
                  rb'|NAME_PREFIX|bench/|docs/\w+\.1|never recover: it')
bad = 0
names = glob.glob(sys.argv[1] + '/man/man[157]/*') + [sys.argv[1] + '/doc/holdfast/' + n for n in ('README.md', 'holdfast.conf')]
assert len(names) == 7, names
for name in names:
    for n, line in enumerate(open(name, 'rb'), 1):
        if re.search(rb'(?<![\w-])(snapd|recover|detect|SNAPD|RECOVER|DETECT)(?![\w.-])', line) and not keep.search(line):
            print(name, n, line)
            bad = 1
    if not re.search(rb'(?i)hf-(snapd|recover|detect)', open(name, 'rb').read()):
        print(name, 'has no name')
        bad = 1
sys.exit(bad)
PY
check 'uninstall takes them away' mk uninstall DESTDIR="$d/b" PREFIX=/usr NAME_PREFIX=hf-
check 'all of them' test -z "$(files "$d/b")"

# A message with a plain name would send the user of a prefixed installation to Canonical's snapd: lib/names.h.
check 'no message holds a plain name' python3 -B - "$top" <<'PY'
import glob, re, sys
literal = re.compile(r'"(?:[^"\\\n]|\\.)*"')
# A name, or what is typed: not a setting, not a part below libexec, not a path.
word = re.compile(r'(?<![\w./-])(snapd|recover|detect)(?![\w-])(?!\.[a-zA-Z])')
allowed = {'lib/names.h', 'detect/settings.c', 'detect/detect.h',  # the names, a section of the settings, a socket,
	'hooks/completion.c'}  # and templates that the prefix is put into
bad = seen = 0
for room in 'lib config store scan hooks snapd detect recover'.split():
    for name in sorted(glob.glob('%s/%s/*.[ch]' % (sys.argv[1], room))):
        short = name[len(sys.argv[1]) + 1:]
        for n, line in enumerate(open(name), 1):
            if line.lstrip().startswith(('#include', '*', '/*')) or short in allowed:
                continue
            seen += len(re.findall(r'\b(SNAPD|RECOVER|DETECT)\b', line))
            for lit in literal.findall(line):
                if word.search(re.sub(r'\\[nt]', ' ', lit)):
                    print('%s:%d: %s' % (short, n, lit))
                    bad = 1
sys.exit(bad or seen < 50)
PY
exit $bad
