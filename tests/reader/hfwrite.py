"""Makes small stores from docs/format.md, for the reader's own tests: as literal as can
be, one function per paragraph of the format, no cleverness."""
import hashlib
import os
import struct
import subprocess
import tempfile
import zlib


def varint(v):
    out = bytearray()
    while v > 0x7f:
        out.append(v & 0x7f | 0x80)
        v >>= 7
    out.append(v)
    return bytes(out)


def zigzag(v):
    return varint((v << 1) if v >= 0 else (-v << 1) - 1)


def git_id(kind, p):
    return hashlib.sha1(b"%s %d\0" % (kind, len(p)) + p).digest()


def zip_(data, prefix=None):
    args = ["zstd", "-q", "-c", "-3", "--no-check"]
    with tempfile.NamedTemporaryFile() as src, tempfile.NamedTemporaryFile() as pre:
        src.write(data)
        src.flush()
        if prefix is not None:
            pre.write(prefix)
            pre.flush()
            args.append("--patch-from=" + pre.name)
        out = subprocess.run(args + [src.name], stdout=subprocess.PIPE, check=True).stdout
    assert out[:4] == bytes.fromhex("28b52ffd")
    return out[4:]


def frame(kind, enc, stored, lens, base=None, solid=False):
    """(descriptor, stored bytes); base: (distance, index, depth)."""
    d = bytes([kind << 4 | (8 if solid else 0) | enc]) + varint(len(stored))
    d += struct.pack("<I", zlib.crc32(stored))
    if base:
        d += b"".join(varint(v) for v in base)
    if solid:
        d += varint(len(lens))
    return d + b"".join(varint(n) for n in lens), stored


class Segment:
    def __init__(self, number=1, store_id=b"S" * 16):
        self.salt = os.urandom(16)
        head = bytes.fromhex("8948465345470d0a") + struct.pack("<HHI", 1, 0, number) + store_id
        head += self.salt + struct.pack("<QI", 10**18, 0)
        self.out = bytearray(head + struct.pack("<I", zlib.crc32(head)))

    def record(self, frames, ids):
        at = len(self.out)
        body = varint(len(frames)) + b"".join(d for d, _ in frames) + b"".join(ids)
        head = b"\xd7" + varint(len(body)) + body
        seed = zlib.crc32(self.salt + struct.pack("<Q", at))
        self.out += head + struct.pack("<I", zlib.crc32(head, seed))
        self.out += b"".join(s for _, s in frames)
        return at

    def save(self, store, number=1):
        os.makedirs(os.path.join(store, "log"), exist_ok=True)
        with open(os.path.join(store, "log", "%08d.seg" % number), "wb") as f:
            f.write(self.out)


def entry(kind, path, mode=0, mtime=0, flags=0, size=None, why=None, shared=0):
    e = bytes([kind]) + varint(shared) + varint(len(path) - shared) + path[shared:]
    if kind == 0:
        return e
    e += varint(mode) + zigzag(mtime) + varint(flags)
    if size is not None:
        e += varint(size)
    return e + (bytes([why]) if why is not None else b"")


def snapshot(seq, tree, parent, time, entries, message=b"", reason=5, manifests=b"\0", n=None):
    """(bytes, commit id)"""
    p = b"\1" + varint(seq) + tree + (b"\1" + parent if parent else b"\0")
    p += struct.pack("<Q", time) + bytes([reason]) + varint(0) + varint(len(message)) + message
    p += manifests + varint(len(entries) if n is None else n) + b"".join(entries)
    text = b"tree " + tree.hex().encode() + b"\n"
    if parent:
        text += b"parent " + parent.hex().encode() + b"\n"
    who = b"Holdfast <holdfast@localhost> %d +0000\n" % (time // 10**9)
    text += b"author " + who + b"committer " + who + b"\n"
    text += {1: b"interval", 5: b"manual"}[reason] + (b": " + message if message else b"") + b"\n"
    return p, git_id(b"commit", text)
