#!/usr/bin/env python3
"""mess.py DIR SEED [change]: makes a tree, or changes it, at random but the same for the same seed."""
import os
import random
import sys

root, seed, change = os.fsencode(sys.argv[1]), int(sys.argv[2]), len(sys.argv) > 3
rnd = random.Random(seed)
WORDS = b"the quick brown fox jumps over lazy dog int main void return if else while struct def class".split()


def text(lines, eol=b"\n"):
    out = []
    for _ in range(lines):
        line = b" ".join(rnd.choice(WORDS) for _ in range(rnd.randint(0, 9)))
        out.append(rnd.choice([b"", b"", b"\t", b"    ", b"  \t"]) + line + rnd.choice([b""] * 9 + [b" ", b"\t"]))
    s = eol.join(out)
    return s + (eol if rnd.random() < 0.85 else b"")


def content():
    k = rnd.random()
    if k < 0.06:
        return b""
    if k < 0.16:
        return bytes(rnd.randrange(256) for _ in range(rnd.randint(1, 3000))) + b"\0"
    return text(rnd.randint(1, 120), b"\r\n" if k > 0.95 else b"\n")


def name():
    k = rnd.random()
    base = b"%s%d" % (rnd.choice(WORDS), rnd.randint(0, 999))
    if k < 0.05:
        return base + b" with space"
    if k < 0.08:
        return "caf\u00e9".encode() + base
    if k < 0.10:
        return base + rnd.choice([b"\n", b"\t", b'"', b"\\", b"\xff", b"\x01"]) + b"x"
    return base + rnd.choice([b".c", b".py", b".txt", b""])


def put(path, data, mode=0o644):
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, mode)


def folders():
    return [root] + [os.path.join(p, x) for p, ds, _ in os.walk(root) for x in sorted(ds)]


def files():
    return sorted(os.path.join(p, x) for p, _, fs in os.walk(root) for x in fs)


def make():
    os.makedirs(root, exist_ok=True)
    for _ in range(8):
        os.makedirs(os.path.join(rnd.choice(sorted(folders())), name()), exist_ok=True)
    for _ in range(60):
        p = os.path.join(rnd.choice(sorted(folders())), name())
        if os.path.lexists(p):
            continue
        if rnd.random() < 0.08:
            os.symlink(rnd.choice(WORDS), p)
        else:
            put(p, content(), rnd.choice([0o644, 0o644, 0o755]))


def edit(p):
    with open(p, "rb") as f:
        lines = f.read().split(b"\n")
    for _ in range(rnd.randint(1, 6)):
        at = rnd.randrange(len(lines) + 1)
        k = rnd.random()
        if k < 0.4:
            lines.insert(at, text(1).rstrip(b"\n"))
        elif k < 0.7 and lines:
            del lines[at - 1:at - 1 + rnd.randint(1, 4)]
        elif lines:
            lines[at - 1] = lines[at - 1] + b"!"
    with open(p, "wb") as f:
        f.write(b"\n".join(lines))


def alter():
    for p in files():
        k = rnd.random()
        if os.path.islink(p):
            if k < 0.3:
                os.unlink(p)
                os.symlink(b"elsewhere", p) if k < 0.15 else put(p, content())
            continue
        if k < 0.25:
            edit(p)
        elif k < 0.33:
            os.unlink(p)
        elif k < 0.43:
            q = os.path.join(rnd.choice(sorted(folders())), name())
            if not os.path.lexists(q):
                os.rename(p, q)
                if rnd.random() < 0.6:
                    edit(q)
        elif k < 0.48:
            os.chmod(p, os.stat(p).st_mode ^ 0o111)
        elif k < 0.51:
            os.unlink(p)
            os.symlink(b"now/a/link", p)
        elif k < 0.55:
            put(p, content())
    for _ in range(6):
        p = os.path.join(rnd.choice(sorted(folders())), name())
        if not os.path.lexists(p):
            put(p, content())


(alter if change else make)()
