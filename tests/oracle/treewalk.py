#!/usr/bin/env python3
"""An independent look at a folder: one canonical line for each path below it.

    treewalk.py DIR                 print it
    treewalk.py --cmp A B           the exact differences; exit 1 if there are any

A line is: kind, mode, mtime in ns, size, sha256 or link target, path; bytes outside
printable ASCII and the backslash are escaped as \\xNN. Kinds: f file, l link, d folder, p s b c special.

    --no-mtime        leave all times out         --no-dir-mtime    those of folders
    --no-root         leave the folder's own line out
    --no-special      leave fifos, sockets and devices out
    --skip NAME       leave every NAME and all below it out (repeat it)
"""
import argparse
import hashlib
import os
import stat
import sys

KINDS = {stat.S_IFREG: "f", stat.S_IFLNK: "l", stat.S_IFDIR: "d", stat.S_IFIFO: "p",
         stat.S_IFSOCK: "s", stat.S_IFBLK: "b", stat.S_IFCHR: "c"}


def escape(b):
    return "".join(chr(c) if 0x20 < c < 0x7f and c != 0x5c else "\\x%02x" % c for c in b)


class Options:
    def __init__(self, mtime=True, dir_mtime=True, root=True, special=True, skip=()):
        self.mtime, self.dir_mtime, self.root, self.special = mtime, dir_mtime, root, special
        self.skip = {os.fsencode(s) for s in skip}


def digest(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while True:
            p = f.read(1 << 20)
            if not p:
                return h.hexdigest()
            h.update(p)


def describe(path, opt):
    st = os.lstat(path)
    kind = KINDS[stat.S_IFMT(st.st_mode)]
    if kind in "psbc" and not opt.special:
        return None, None
    mtime = st.st_mtime_ns if opt.mtime and (kind != "d" or opt.dir_mtime) else "-"
    what = digest(path) if kind == "f" else escape(os.readlink(path)) if kind == "l" else "-"
    size = st.st_size if kind in "fl" else "-"
    return kind, "%s %04o %s %s %s" % (kind, stat.S_IMODE(st.st_mode), mtime, size, what)


def walk(root, opt=None):
    """{path relative to root: its line without the path}; "" is the root."""
    opt, out, root = opt or Options(), {}, os.fsencode(root)
    todo = [b""]
    while todo:
        rel = todo.pop()
        full = os.path.join(root, rel) if rel else root
        kind, line = describe(full, opt)
        if kind is None:
            continue
        if rel or opt.root:
            out[rel] = line
        if kind == "d":
            todo += [rel + b"/" + n if rel else n for n in os.listdir(full) if n not in opt.skip]
    return out


def differences(a, b):
    """Lines that tell how listing b differs from listing a."""
    out = []
    for p in sorted(set(a) | set(b)):
        if a.get(p) != b.get(p):
            out += ["%s %s %s" % (sign, x[p], escape(p) or ".") for sign, x in (("-", a), ("+", b)) if p in x]
    return out


def main():
    ap = argparse.ArgumentParser(usage=__doc__)
    ap.add_argument("dirs", nargs="+")
    ap.add_argument("--cmp", action="store_true")
    ap.add_argument("--skip", action="append", default=[])
    for name in ("mtime", "dir-mtime", "root", "special"):
        ap.add_argument("--no-" + name, dest=name.replace("-", "_"), action="store_false")
    o = ap.parse_args()
    if len(o.dirs) != 1 + o.cmp:
        ap.error("one folder, or --cmp and two")
    opt = Options(o.mtime, o.dir_mtime, o.root, o.special, o.skip)
    lists = [walk(d, opt) for d in o.dirs]
    if not o.cmp:
        for p in sorted(lists[0]):
            print(lists[0][p], escape(p) or ".")
        return 0
    diff = differences(*lists)
    print("\n".join(diff), end="\n" if diff else "")
    return 1 if diff else 0


if __name__ == "__main__":
    sys.exit(main())
