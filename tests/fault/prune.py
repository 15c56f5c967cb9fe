#!/usr/bin/env python3
"""Prune with calls that fail on purpose (tests/preload_fault.c) or kill it, one after the other.

    prune.py DIR [--each N] [--seed S] [--only WORD]

A store whose snapshots go but for the newest and the marked ones. Whatever happens in between: those
that stay restore exactly, also without the catalogue, by a reader that found the store as it was left and by
the stranger's reader; nothing is damaged; a snapshot can be taken; the next prune ends the work.
"""
import argparse
import os
import random
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "oracle"))
import hf                                           # noqa: E402
from treewalk import Options, differences, walk     # noqa: E402

OPT = Options(special=False)
PRELOAD = os.environ.get("FAULT_PRELOAD") or os.path.join(hf.BUILD, "tests", "preload_fault.so")
WRITES = "write,pwrite,writev,pwritev"
SCENES = [
    ("killed at a write", WRITES, "kill"),
    ("killed at a sync", "fsync,fdatasync", "kill"),
    ("killed at a rename or unlink", "rename,renameat,unlink,unlinkat,ftruncate", "kill"),
    ("killed at an open", "open,openat", "kill"),
    ("no space", WRITES, "ENOSPC"),
    ("short write", WRITES, "short"),
    ("write error", WRITES, "EIO"),
    ("sync error", "fsync,fdatasync", "EIO"),
    ("rename error", "rename,renameat", "EIO"),
    ("open error", "open,openat", "EIO"),
    ("out of descriptors", "open,openat", "EMFILE"),
    ("read error", "read,pread", "EIO"),
    ("out of memory", "mmap", "ENOMEM"),
]


class Prune:
    def __init__(self, o):
        self.d = os.path.join(os.path.abspath(o.dir), "prune")
        self.each, self.rng, self.bad = o.each, random.Random(hf.seed_from(o.seed)), 0
        self.far = str(int(time.time()) + 10 * 365 * 86400)

    def fault(self, what):
        self.bad += 1
        print("FAULT %s, call %s: %s" % (self.name, self.at, what), flush=True)

    def build(self):
        shutil.rmtree(self.d, ignore_errors=True)
        self.w, self.good, self.keep = self.d + "/workspace", self.d + "/good", []
        os.makedirs(self.w + "/a/b")
        rng = random.Random(1)
        for i in range(12):
            with open(self.w + "/a/f%d" % i, "wb") as f:
                f.write(rng.randbytes(5000))
        with open(self.w + "/large", "wb") as f:
            f.write(rng.randbytes(5 << 20))
        h = hf.Holdfast(self.w, self.good)
        for i in range(12):
            for k in range(3):
                with open(self.w + "/a/f%d" % ((i + 5 * k) % 12), "ab") as f:
                    f.write(b"line %d\n" % i * 40)
            if i % 4 == 1:
                os.makedirs(self.w + "/a/b/new%d" % i)
                with open(self.w + "/a/b/new%d/x" % i, "wb") as f:
                    f.write(rng.randbytes(3000))
            if i % 4 == 3:
                shutil.rmtree(self.w + "/a/b/new%d" % (i - 2))
            if i in (3, 6):
                with open(self.w + "/large", "r+b") as f:
                    f.seek(i << 18)
                    f.write(rng.randbytes(300000))
            oid = h.once()
            if i in (4, 8, 11):
                self.keep.append((oid, walk(self.w, OPT)))
                if i < 11:
                    h.recover("mark", oid, "m%d" % i)

    def fresh(self):
        self.store = self.d + "/store"
        shutil.rmtree(self.store, ignore_errors=True)
        shutil.copytree(self.good, self.store, ignore=shutil.ignore_patterns("control"))
        self.h = hf.Holdfast(self.w, self.store)

    def prune(self, env=None):
        return subprocess.run([hf.program("tests/tool_prune"), self.store, "0", "0", self.far],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=dict(os.environ, LC_ALL="C.UTF-8", **(env or {})))

    def env(self, calls, err, at, log=None):
        e = {"LD_PRELOAD": PRELOAD, "FAULT_CALLS": calls, "FAULT_ERR": err, "FAULT_AT": str(at),
             "FAULT_PATH": "" if calls == "mmap" else self.store}
        if log:
            e["FAULT_LOG"] = log
        return e

    def check(self, when):
        for oid, want in self.keep:
            r = self.h.restore_to(oid, self.d + "/back", check=False)
            diff = [os.fsdecode(r.stderr)] if r.returncode else differences(want, walk(self.d + "/back", OPT))
            if diff:
                self.fault("%s, %s\n    %s" % (when, oid, "\n    ".join(diff[:5])))
        if self.each <= 3:      # a stranger's reader is slow, and looks in the thorough run
            r = self.h.recover("verify", "--all", check=False)
            if r.returncode:
                self.fault("%s, verify: exit %d: %s" % (when, r.returncode, os.fsdecode(r.stdout + r.stderr)))
            return
        for who, r in (("verify", self.h.recover("verify", "--all", check=False)),
                       ("reader", self.h.hfread("check", check=False))):
            if r.returncode:
                self.fault("%s, %s: exit %d: %s" % (when, who, r.returncode, os.fsdecode(r.stdout + r.stderr)))

    def run(self, name, calls, err):
        self.name, self.at, was = name, 0, self.bad
        self.fresh()
        log = self.d + "/calls"
        if os.path.exists(log):
            os.unlink(log)
        r = self.prune(self.env(calls, err, 0, log))
        if r.returncode or b"9 dropped, 3 kept" not in r.stdout:
            self.fault("without any fault: exit %d: %s" % (r.returncode, os.fsdecode(r.stdout + r.stderr)))
        total = os.path.getsize(log) if os.path.exists(log) else 0
        picks = list(range(1, total + 1))
        if total > self.each:
            picks = sorted(self.rng.sample(picks, self.each))
        codes = {}
        for self.at in picks:
            self.fresh()
            r = self.prune(self.env(calls, err, self.at))
            codes[r.returncode] = codes.get(r.returncode, 0) + 1
            if r.returncode not in (0, 4) and not (err == "kill" and r.returncode == -9):
                self.fault("exit %d: %s" % (r.returncode, os.fsdecode(r.stderr)))
            if r.returncode == 4 and not r.stderr:
                self.fault("exit 4 without a word")
            self.left_over()
        print("%-28s %4d calls, %3d tried, exits %s, %d faults" % (
            name, total, len(picks), codes, self.bad - was), flush=True)
        print("%s %s" % ("not ok" if self.bad > was else "ok", name), flush=True)

    def left_over(self):
        self.check("as it was left")
        if self.rng.random() < 0.3:
            for n in ("", "-wal", "-shm"):
                if os.path.exists(self.store + "/catalogue.db" + n):
                    os.unlink(self.store + "/catalogue.db" + n)
            self.check("without its catalogue")
        r = self.prune()
        if r.returncode:
            self.fault("pruned again: exit %d: %s" % (r.returncode, os.fsdecode(r.stderr)))
        n = int(self.h.recover("list", "--json").stdout.count(b"\n"))
        if n != 3:
            self.fault("%d snapshots after the second prune" % n)
        if os.path.exists(self.store + "/log/rewrite"):
            self.fault("a temporary file is left")
        if self.each > 3:
            self.check("pruned again")
        with open(self.w + "/a/f1", "rb") as f:
            was = f.read()
        with open(self.w + "/a/f1", "ab") as f:
            f.write(b"and on\n")
        want = walk(self.w, OPT)
        self.h.restore_to(self.h.once(), self.d + "/back")
        if differences(want, walk(self.d + "/back", OPT)):
            self.fault("the next snapshot differs")
        st = os.stat(self.w + "/a/f1")
        with open(self.w + "/a/f1", "wb") as f:
            f.write(was)
        os.utime(self.w + "/a/f1", ns=(st.st_atime_ns, st.st_mtime_ns))


def main():
    ap = argparse.ArgumentParser(usage=__doc__)
    ap.add_argument("dir")
    ap.add_argument("--each", type=int, default=3)
    ap.add_argument("--seed")
    ap.add_argument("--only", default="")
    o = ap.parse_args()
    p = Prune(o)
    p.build()
    for scene in SCENES:
        if o.only in scene[0]:
            p.run(*scene)
    return 1 if p.bad else 0


if __name__ == "__main__":
    sys.exit(main())
