#!/usr/bin/env python3
"""hostile.py CASE STORE WORKSPACE: a store that no honest program writes, from docs/format.md.

    names   files called .., ../x, .git/hooks/x, /abs and so on, in trees and in the list of entries
    inner   the same below honest names, in a folder that the list of entries has
    deep    folders in folders, far beyond what a path can hold
    bomb    few trees that name each other ten times: 10^12 paths
    counts  a snapshot that claims more entries than it has
    self    a tree that names itself (its id is a lie)
"""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reader"))
from hfwrite import Segment, entry, frame, git_id, snapshot, varint    # noqa: E402

T = 1_700_000_000_000_000_000
case, store, workspace = sys.argv[1], sys.argv[2], os.fsencode(sys.argv[3])
os.makedirs(store, mode=0o700, exist_ok=True)
seg = Segment()
DATA = b"evil\n"
BLOB = git_id(b"blob", DATA)


def put(kind, name, data, ident=None):
    ident = ident or git_id(name, data)
    seg.record([frame(kind, 0, data, [len(data)])], [ident])
    return ident


def tree(*items):
    return put(2, b"tree", b"".join(m + b" " + n + b"\0" + i for m, n, i in items))


def file(path):
    return entry(1, path, 0o100644, T, 0, len(DATA))


def snap(top, entries, n=None):
    """An honest, empty first snapshot, then the other."""
    empty = tree()
    s1, c1 = snapshot(1, empty, None, T, [entry(3, b"", 0o40755, T)], b"first")
    s2, c2 = snapshot(2, top, c1, T + 10**9, [entry(3, b"", 0o40755, T)] + entries, b"hostile", n=n)
    for s, c in ((s1, c1), (s2, c2)):
        seg.record([frame(4, 0, s, [len(s)])], [c])


put(1, b"blob", DATA)
F, D = b"100644", b"40000"
if case == "names":
    inner = tree((F, b"pwned", BLOB))
    evil = [b"..", b".", b".git", b".GIT", b"a/b", b"../../pwned", b"/tmp/pwned"]
    top = tree(*[(D if i % 2 else F, n, inner if i % 2 else BLOB) for i, n in enumerate(evil)], (F, b"good", BLOB))
    paths = [b"../pwned", b"..", b".git/hooks/post-commit", b".GIT/config", b"a/../../pwned", b"/pwned", b"x//y", b"good", b"d/./e"]
    which = int(os.environ.get("WHICH", "-1"))
    snap(top, [file(p) for p in (paths if which < 0 else [paths[which], b"good"])])
elif case == "inner":
    evil = tree((F, b"..", BLOB), (D, b".git", tree((F, b"pwned", BLOB))), (F, b"pwned", BLOB))
    fine = tree((F, b"fine", BLOB))
    snap(tree((D, b"d", evil), (D, b"e", fine), (F, b"good", BLOB)),
         [entry(3, b"d", 0o40755, T), file(b"d/pwned"), entry(3, b"e", 0o40755, T), file(b"e/fine"), file(b"good")])
elif case == "deep":
    at, depth = tree((F, b"leaf", BLOB)), int(os.environ.get("DEPTH", "60000"))
    for _ in range(depth):
        at = tree((D, b"d", at))
    folders = [entry(3, b"/".join([b"d"] * i), 0o40755, T) for i in range(1, 1500)]
    snap(at, folders + [file(b"/".join([b"d"] * 1499 + [b"leaf"]))])
elif case == "bomb":
    at = tree((F, b"leaf", BLOB))
    for _ in range(12):
        at = tree(*[(D, b"%d" % i, at) for i in range(10)])
    snap(at, [entry(3, b"0", 0o40755, T), file(b"0/leaf")])
elif case == "counts":
    snap(tree((F, b"good", BLOB)), [file(b"good")], n=1 << 60)
elif case == "self":
    lie = b"L" * 20
    put(2, b"tree", D + b" " + b"again\0" + lie, lie)
    snap(tree((D, b"again", lie), (F, b"good", BLOB)), [entry(3, b"again", 0o40755, T), file(b"good")])
seg.save(store)
