#!/usr/bin/env python3
"""Random operations on a workspace that snapd watches, applied alike to a plain copy.

    randops.py DIR [--ops N] [--seed S] [--every N] [--interval T] [--dry]

At random moments (every N operations on average): the workspace must still equal the
copy (snapd touches nothing), `snapd --once` must give an id, and later that id must restore byte
for byte, mode and mtime included, with `recover restore` and, for some, with the
stranger's reader. Old ids are looked at again at the end. --dry leaves the programs out.
"""
import argparse
import ctypes
import os
import random
import shutil
import sys
import time

sys.dont_write_bytecode = True
import hf                                       # noqa: E402
from treewalk import Options, differences, walk  # noqa: E402

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, RENAME_EXCHANGE = -100, 2
MODES = (0o600, 0o644, 0o640, 0o755, 0o700, 0o664)
DIR_MODES = (0o700, 0o755, 0o750, 0o775)
WORDS = [b"loss", b"train", b"self.model", b"return", b"import torch", b"= 0.1", b"\t", b"    ", b"()"]


def exchange(a, b):
    if LIBC.renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE):
        t = a + b".x"
        os.rename(a, t)
        os.rename(b, a)
        os.rename(t, b)


class Ops:
    """Chooses operations from a model of the tree and does each below every root."""

    def __init__(self, rng, roots, without=""):
        self.rng, self.roots = rng, [os.fsencode(r) for r in roots]
        self.kind = {b"": "d"}          # path -> f l d p
        self.held = []                  # open descriptors of unlinked files
        self.count = {}
        table = [(12, self.create), (10, self.write_at), (8, self.append), (4, self.truncate),
                 (6, self.rewrite_same), (7, self.replace), (6, self.rename), (4, self.rename_over),
                 (3, self.swap), (5, self.chmod), (5, self.mkdirs), (2, self.rmtree), (6, self.unlink),
                 (2, self.unlink_open), (3, self.symlink), (3, self.hardlink), (4, self.utime),
                 (2, self.sparse), (3, self.empty), (1, self.fifo), (2, self.mkdir_race), (2, self.dir_swap)]
        table = [(w, op) for w, op in table if op.__name__ not in without.split(",")]
        self.ops = [op for _, op in table]
        self.weights = [w for w, _ in table]

    # ---- choosing

    def pick(self, kinds="f"):
        have = [p for p, k in self.kind.items() if k in kinds and p]
        return self.rng.choice(have) if have else None

    def folder(self):
        return self.rng.choice([p for p, k in self.kind.items() if k == "d"])

    def name(self):
        r = self.rng
        if r.random() < 0.08:           # any bytes at all
            n = bytes(r.choice([b for b in range(1, 256) if b != 0x2f]) for _ in range(r.randint(1, 12)))
            return n if n not in (b".", b"..") and n.lower() != b".git" and not n.startswith(b".") else b"x"
        return b"%s%d%s" % (r.choice([b"a", b"model", b"data_", b"x y", "é".encode(), b"-rf", b"A"]),
                            r.randint(0, 30), r.choice([b"", b".py", b".txt", b".json", b"~"]))

    def fresh(self):
        base = self.folder()
        for _ in range(20):
            n = self.name()
            p = base + b"/" + n if base else n
            if p not in self.kind and len(p) < 200:
                return p
        return None

    def data(self, limit=20000):
        r = self.rng
        n = int(r.expovariate(1 / 800.0)) if r.random() < 0.9 else r.randint(0, limit)
        if r.random() < 0.2:
            return r.randbytes(n)
        out = []
        while n > 0:
            line = b" ".join(r.choices(WORDS, k=r.randint(1, 8))) + b"\n"
            out.append(line)
            n -= len(line)
        return b"".join(out)

    def each(self, fn, *paths):
        for root in self.roots:
            fn(*[root + b"/" + p for p in paths])

    def below(self, path):
        return [p for p in self.kind if p == path or p.startswith(path + b"/")]

    def forget(self, path):
        for p in self.below(path):
            del self.kind[p]

    def moved(self, a, b):
        for p in self.below(a):
            self.kind[b + p[len(a):]] = self.kind.pop(p)

    # ---- the operations; each returns False when there was nothing to do it on

    def create(self):
        p, d, m = self.fresh(), self.data(), self.rng.choice(MODES)
        if not p or len(self.kind) > 400:
            return False
        self.each(lambda f: put(f, d, m), p)
        self.kind[p] = "f"

    def write_at(self):
        p, d, at = self.pick(), self.data(2000), self.rng.randint(0, 30000)

        def do(f):
            with open(f, "r+b", buffering=0) as o:
                o.seek(min(at, os.fstat(o.fileno()).st_size))
                o.write(d)
        return self.on(p, do)

    def append(self):
        p, d = self.pick(), self.data(3000)

        def do(f):
            with open(f, "ab", buffering=0) as o:
                o.write(d)
        return self.on(p, do)

    def truncate(self):
        n = self.rng.choice([0, 1, 10, 1000, 5000])
        return self.on(self.pick(), lambda f: os.truncate(f, n))

    def rewrite_same(self):
        """Same size, same mtime to the ns: only ctime and the event tell."""
        p, s = self.pick(), self.rng.random()

        def do(f):
            st = os.stat(f)
            with open(f, "r+b", buffering=0) as o:
                o.write(random.Random(s).randbytes(st.st_size))
            os.utime(f, ns=(st.st_atime_ns, st.st_mtime_ns))
        return self.on(p, do)

    def replace(self):
        """As editors save: a temporary beside it, renamed over it."""
        p, d, m = self.pick(), self.data(), self.rng.choice(MODES)

        def do(f):
            put(f + b".swp", d, m)
            os.rename(f + b".swp", f)
        return self.on(p, do)

    def rename(self):
        a, b = self.pick("fldp"), self.fresh()
        if not a or not b or b.startswith(a + b"/"):
            return False
        self.each(os.rename, a, b)
        self.moved(a, b)

    def rename_over(self):
        a, b = self.pick("fl"), self.pick("fl")
        if not a or a == b or self.same_inode(a, b):
            return False
        self.each(os.rename, a, b)
        self.forget(b)
        self.moved(a, b)

    def same_inode(self, a, b):
        x, y = (os.lstat(self.roots[0] + b"/" + p) for p in (a, b))
        return x.st_ino == y.st_ino

    def swap(self):
        """A file and a folder change places."""
        a, b = self.pick("fl"), self.pick("d")
        if not a or not b or a.startswith(b + b"/"):
            return False
        self.each(exchange, a, b)
        ka, inside = self.kind.pop(a), {p: self.kind.pop(p) for p in self.below(b)}
        self.kind[b] = ka
        for p, k in inside.items():
            self.kind[a + p[len(b):]] = k

    def dir_swap(self):
        """A folder becomes a link, or a file, of the same name."""
        p, link = self.pick("d"), self.rng.random() < 0.5

        def do(f):
            shutil.rmtree(f)
            os.symlink(b"/nonexistent", f) if link else put(f, b"was a folder\n", 0o644)
        if not p or len(self.below(p)) > 40:
            return False
        self.each(do, p)
        self.forget(p)
        self.kind[p] = "l" if link else "f"

    def chmod(self):
        p = self.pick("fd")
        if not p:
            return False
        m = self.rng.choice(MODES if self.kind[p] == "f" else DIR_MODES)
        self.each(lambda f: os.chmod(f, m), p)

    def mkdirs(self):
        p = self.fresh()
        if not p or p.count(b"/") > 8:
            return False
        parts = [p]
        for _ in range(self.rng.randint(0, 4)):
            parts.append(parts[-1] + b"/" + b"n%d" % self.rng.randint(0, 9))
        self.each(os.makedirs, parts[-1])
        for q in parts:
            self.kind[q] = "d"

    def mkdir_race(self):
        """mkdir -p and a file at its end at once: the watch comes too late for it."""
        p, d = self.fresh(), self.data(500)
        if not p or p.count(b"/") > 8:
            return False
        q = [p, p + b"/deep", p + b"/deep/er"]

        def do(f):
            os.makedirs(f + b"/deep/er")
            put(f + b"/deep/er/file.py", d, 0o644)
        self.each(do, p)
        self.kind.update({x: "d" for x in q})
        self.kind[q[2] + b"/file.py"] = "f"

    def rmtree(self):
        p = self.pick("d")
        if not p or len(self.below(p)) > 60:
            return False
        self.each(shutil.rmtree, p)
        self.forget(p)

    def unlink(self):
        p = self.pick("flp")
        if not p or (len(self.kind) < 60 and self.rng.random() < 0.7):
            return False
        self.each(os.unlink, p)
        self.forget(p)

    def unlink_open(self):
        """It goes on being written after its name is gone."""
        p, d = self.pick(), self.data(3000)

        def do(f):
            fd = os.open(f, os.O_WRONLY | os.O_APPEND)
            os.unlink(f)
            os.write(fd, d)
            self.held.append(fd)
            if len(self.held) > 20:
                os.close(self.held.pop(0))
        r = self.on(p, do)
        if p:
            self.forget(p)
        return r

    def symlink(self):
        p, t = self.fresh(), self.rng.choice([self.name(), b"../" + self.name(), b"/etc/passwd", b".", b"\xff\n"])
        if not p:
            return False
        self.each(lambda f: os.symlink(t, f), p)
        self.kind[p] = "l"

    def hardlink(self):
        a, b = self.pick(), self.fresh()
        if not a or not b:
            return False
        self.each(os.link, a, b)
        self.kind[b] = "f"

    def utime(self):
        p, t = self.pick("fd"), self.rng.randint(0, 1_800_000_000 * 10**9)
        return self.on(p, lambda f: os.utime(f, ns=(t, t)))

    def sparse(self):
        p, n, d = self.fresh(), self.rng.randint(1, 400) * 4096, self.data(500)
        if not p or len(self.kind) > 400:
            return False

        def do(f):
            with open(f, "xb", buffering=0) as o:
                o.seek(n)
                o.write(d)
                o.truncate(n + len(d) + 8192)
        self.each(do, p)
        self.kind[p] = "f"

    def empty(self):
        p = self.fresh()
        if not p:
            return False
        folder = self.rng.random() < 0.6
        self.each(os.mkdir if folder else lambda f: put(f, b"", 0o644), p)
        self.kind[p] = "d" if folder else "f"

    def fifo(self):
        p = self.fresh()
        if not p or sum(k == "p" for k in self.kind.values()) > 5:
            return False
        self.each(os.mkfifo, p)
        self.kind[p] = "p"

    def on(self, p, do):
        if not p:
            return False
        self.each(do, p)

    def one(self):
        while True:
            op = self.rng.choices(self.ops, self.weights)[0]
            if op() is not False:
                self.count[op.__name__] = self.count.get(op.__name__, 0) + 1
                return


def put(path, data, mode):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_TRUNC, 0o600)
    os.write(fd, data) if data else None
    os.close(fd)
    os.chmod(path, mode)


class Run:
    def __init__(self, o):
        self.o, d = o, os.path.abspath(o.dir)
        os.makedirs(d, exist_ok=True)
        self.w, self.copy, self.back = (os.path.join(d, n) for n in ("workspace", "copy", "back"))
        for p in (self.w, self.copy):
            os.mkdir(p)
        self.seed = hf.seed_from(o.seed)
        self.rng = random.Random(self.seed)
        self.ops = Ops(random.Random(self.seed + 1), [self.w, self.copy], o.without)
        self.h = hf.Holdfast(self.w, os.path.join(d, "store"), o.interval)
        self.taken = []                 # (id, listing, how many operations)
        self.failed = self.restored = self.read = 0

    def fault(self, what, lines=()):
        self.failed += 1
        print("FAULT after %d operations (seed %d): %s" % (self.done, self.seed, what))
        for li in list(lines)[:20]:
            print("    " + li)
        sys.stdout.flush()
        if self.failed >= self.o.max_faults:
            raise SystemExit(self.end())

    def checkpoint(self):
        now = walk(self.w, Options(special=False))
        plain = differences(walk(self.copy, Options(mtime=False)), walk(self.w, Options(mtime=False)))
        if plain:
            self.fault("the workspace is not what was done to it (- expected, + is)", plain)
        if self.o.dry:
            return
        oid = self.h.once()
        self.taken.append((oid, now, self.done))
        r = self.rng.random()
        if r < 0.5:
            self.check(self.taken[-1], r < self.o.read)
        elif r < 0.6:
            self.check(self.rng.choice(self.taken), False)

    def check(self, taken, stranger):
        oid, want, done = taken
        opt = Options(special=False)
        try:
            self.h.restore_to(oid, self.back)
            diff = differences(want, walk(self.back, opt))
            self.restored += 1
            if diff:
                self.fault("recover: snapshot %s of operation %d (- was, + restored)" % (oid, done), diff)
            if stranger:
                shutil.rmtree(self.back)
                self.h.hfread("extract", self.h.seq_of(oid), self.back)
                self.read += 1
                diff = differences(want, walk(self.back, opt))
                if diff:
                    self.fault("reader: snapshot %s of operation %d (- was, + extracted)" % (oid, done), diff)
        except hf.Failed as e:
            self.fault(str(e))

    def run(self):
        self.done, start = 0, time.monotonic()
        if not self.o.dry:
            self.h.start()
        while self.done < self.o.ops:
            for _ in range(min(int(self.rng.expovariate(1 / self.o.every)) + 1, self.o.ops - self.done)):
                self.ops.one()
                self.done += 1
                if not self.o.dry and self.rng.random() < self.o.restart:
                    self.h.stop(self.rng.choice([15, 9]))
                    # What happens while nobody watches must be found by the next start.
                    for _ in range(self.rng.randint(0, 10)):
                        self.ops.one()
                    self.h.start()
            self.checkpoint()
        if not self.o.dry:
            self.finish()
        print("%d operations, %.0f s" % (self.done, time.monotonic() - start))
        return self.end()

    def finish(self):
        self.h.stop()
        for t in [self.taken[0], self.taken[-1]] + self.rng.sample(self.taken, min(20, len(self.taken))):
            self.check(t, False)
        self.check(self.taken[len(self.taken) // 2], True)
        for what in (("recover", self.h.recover("verify", "--all", check=False)),
                     ("reader", self.h.hfread("check", check=False))):
            if what[1].returncode:
                self.fault("%s finds damage: %s" % (what[0], os.fsdecode(what[1].stderr + what[1].stdout)))

    def end(self):
        self.h.stop()
        print(" ".join("%s=%d" % kv for kv in sorted(self.ops.count.items())))
        print("%d snapshots, %d restored, %d read by the stranger, %d faults, seed %d" % (
            len(self.taken), self.restored, self.read, self.failed, self.seed))
        return 1 if self.failed else 0


def main():
    ap = argparse.ArgumentParser(usage=__doc__)
    ap.add_argument("dir")
    ap.add_argument("--ops", type=int, default=5000)
    ap.add_argument("--seed")
    ap.add_argument("--every", type=int, default=100, help="operations between two snapshots, on average")
    ap.add_argument("--interval", default="500ms")
    ap.add_argument("--read", type=float, default=0.1, help="part of the snapshots the stranger reads")
    ap.add_argument("--restart", type=float, default=0.0, help="chance after each operation that snapd starts anew")
    ap.add_argument("--max-faults", type=int, default=3)
    ap.add_argument("--without", default="", help="operations to leave out, with commas")
    ap.add_argument("--dry", action="store_true")
    return Run(ap.parse_args()).run()


if __name__ == "__main__":
    sys.exit(main())
