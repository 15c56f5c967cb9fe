#!/usr/bin/env python3
"""Makes the committed corpora of fuzz_snapshot, fuzz_segment and fuzz_journal again, from docs/format.md and recover/journal.c."""
import hashlib
import os
import struct
import sys
import zlib

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "reader"))
from hfwrite import entry, frame, git_id, snapshot, varint, zip_    # noqa: E402


def save(where, name, data):
    d = os.path.join(HERE, "corpus", where)
    os.makedirs(d, exist_ok=True)
    with open(os.path.join(d, name), "wb") as f:
        f.write(data)


def raw_record(frames, ids):
    body = varint(len(frames)) + b"".join(d for d, _ in frames) + b"".join(ids)
    stored = b"".join(s for _, s in frames)
    return b"\0" + struct.pack("<H", len(body)) + body + struct.pack("<H", len(stored)) + stored


def head_size(rec):
    """What the record takes in the segment: mark, length, body, check, stored bytes."""
    body = struct.unpack_from("<H", rec, 1)[0]
    stored = struct.unpack_from("<H", rec, 3 + body)[0]
    return 1 + len(varint(body)) + body + 4 + stored


def main():
    t = 1_700_000_000_000_000_000
    old, new = b"line\n" * 60 + b"one\n", b"line\n" * 60 + b"two\n"
    tree1 = b"100644 f\0" + git_id(b"blob", old)
    tree2 = b"100644 f\0" + git_id(b"blob", new)
    chunks = varint(len(old) * 2) + (varint(len(old)) + git_id(b"blob", old)) * 2
    s1, c1 = snapshot(1, git_id(b"tree", tree1), None, t, [
        entry(3, b"", 0o40755), entry(3, b"d", 0o40700), entry(1, b"f", 0o100644, -5, 0, len(old)),
        entry(2, b"link", 0o120777, 0, 0, 3), entry(4, b"link2", 0o140700, 0, 0, 0, 2, shared=4)], b"first")
    s2, c2 = snapshot(2, git_id(b"tree", tree2), c1, t + 1, [entry(0, b"d"), entry(1, b"f", 0o100600, 9, 1, len(new))])
    manifest = entry(1, b"a/b", 0o100644, t, 0, 3) + entry(1, b"a/c", 0o100644, t, 16, 3, 5, shared=2)
    for name, p in (("first", s1), ("second", s2)):
        save("snapshot", name, b"\0" + p)
    save("snapshot", "manifest", b"\1" + manifest)
    save("snapshot", "tree", b"\2" + tree1 + b"40000 g\0" + b"x" * 20)

    first = raw_record([frame(1, 1, zip_(old), [len(old)]), frame(3, 0, chunks, [len(chunks)]),
                        frame(2, 0, tree1, [len(tree1)]), frame(4, 0, s1, [len(s1)])],
                       [git_id(b"blob", old), b"L" * 20, git_id(b"tree", tree1), c1])
    dist = head_size(first)
    delta = varint(300) + varint(0) + zip_(b"two\n", old)
    splice = varint(9 << 2) + varint(20 << 2 | 1) + varint(0 << 2 | 3)
    second = raw_record([frame(1, 2, delta, [len(new)], (dist, 0, 1)),
                         frame(2, 3, splice, [len(tree2)], (dist, 2, 1)),
                         frame(4, 1, zip_(s2), [len(s2)])],
                        [git_id(b"blob", new), git_id(b"tree", tree2), c2])
    mark = varint(1) + b"good"
    third = raw_record([frame(6, 0, mark, [len(mark)])], [hashlib.sha1(mark).digest()])
    save("segment", "one", first)
    save("segment", "all", first + second + third)
    save("segment", "built", b"\2" + b"\x10\0\0" + struct.pack("<HH", 5, 5) + b"hello"
         + b"\x12\0\1" + struct.pack("<HH", 5, 2) + b"\5\0" + first)


def journal():
    ids = bytes(range(20)) + b"r" * 20
    head = b"H" + struct.pack("<Q", 77) + b"\0\1" + struct.pack("<QQ", 1_795_446_000_000_000_000, 3) + ids + b"/home/me/proj"
    def target(kind, mode, path, parent=0):
        return (b"T" + varint(kind) + varint(mode) + varint(0) + varint(5) + struct.pack("<q", -1) + b"o" * 20
                + bytes([parent]) + path)
    records = [head, target(3, 0o40755, b"", 1), target(3, 0o40755, b"d"), target(1, 0o100644, b"d/f"), target(0, 0, b"gone"), b"E"]
    save("journal", "records", b"\1" + b"".join(bytes([len(r)]) + r for r in records))
    save("journal", "file", b"\0HFRJ\r\n1\n" + b"".join(struct.pack("<II", len(r), zlib.crc32(r)) + r for r in records))


main()
journal()
