#!/usr/bin/env python3
"""Calls that fail on purpose (tests/preload_fault.c), one after the other.

    fault.py DIR [--each N] [--seed S] [--only WORD]

For each scene a store with two snapshots, an edited workspace, and `snapd --once` in which the Nth
matching call fails, for up to --each values of N. Whatever happens: the exit code is one of the
promised, an id is printed only for a snapshot that is on disk and exact, nothing that exists is recorded as
deleted, the older snapshots restore, the store verifies, and the next snapshot is exact.
"""
import argparse
import os
import random
import shutil
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "oracle"))
import hf                                           # noqa: E402
from treewalk import Options, differences, escape, walk     # noqa: E402

OPT = Options(special=False)
# With a sanitizer's runtime in front, if the programs have one.
PRELOAD = os.environ.get("FAULT_PRELOAD") or os.path.join(hf.BUILD, "tests", "preload_fault.so")
WRITES = "write,pwrite,writev,pwritev"
# name, calls, error, where: S the store, W the workspace, "" anywhere
SCENES = [
    ("no space", WRITES, "ENOSPC", "S"),
    ("quota", WRITES, "EDQUOT", "S"),
    ("write error", WRITES, "EIO", "S"),
    ("short write", WRITES, "short", "S"),
    ("sync error", "fsync,fdatasync", "EIO", "S"),
    ("truncate error", "ftruncate", "EIO", "S"),
    ("rename error", "rename,renameat", "EIO", "S"),
    ("open error in the store", "open,openat,openat2", "EIO", "S"),
    ("out of descriptors", "open,openat,openat2", "EMFILE", ""),
    ("out of memory", "mmap", "ENOMEM", ""),
    ("read error in the store", "read,pread", "EIO", "S"),
    ("read error of a file", "read,pread", "EIO", "W"),
    ("unreadable file", "open,openat,openat2", "EACCES", "W"),
    ("listing error", "readdir", "EIO", "W"),
    ("killed at a write", WRITES, "kill", "S"),
    ("killed at a sync", "fsync,fdatasync", "kill", "S"),
]


class Scene:
    def __init__(self, o, rng, name, calls, err, where):
        self.name, self.calls, self.err, self.where, self.rng = name, calls, err, where, rng
        self.d = os.path.join(os.path.abspath(o.dir), "scene")
        self.each, self.failed = o.each, []

    def fault(self, what):
        self.failed.append(what)
        print("FAULT %s, call %s: %s" % (self.name, self.at, what), flush=True)

    def build(self):
        """The workspace before: two snapshots; then edits of every kind."""
        shutil.rmtree(self.d, ignore_errors=True)
        self.w = os.path.join(self.d, "workspace")
        self.good = os.path.join(self.d, "good")
        for sub in ("a/b", "c/deep/er", "empty"):
            os.makedirs(os.path.join(self.w, sub))
        rng = random.Random(1)
        for i in range(30):
            p = ("", "a/", "a/b/", "c/", "c/deep/er/")[i % 5] + "f%d" % i
            with open(os.path.join(self.w, p), "wb") as f:
                f.write(rng.randbytes(200 + 300 * i))
        h = hf.Holdfast(self.w, self.good)
        self.old = [(h.once(), walk(self.w, OPT))]
        with open(os.path.join(self.w, "a/f1"), "ab") as f:
            f.write(b"more\n")
        self.old.append((h.once(), walk(self.w, OPT)))
        for p in ("f0", "a/b/f2", "c/deep/er/f4"):
            with open(os.path.join(self.w, p), "ab") as f:
                f.write(b"edited " * 100)
        os.unlink(os.path.join(self.w, "a/f6"))
        with open(os.path.join(self.w, "c/new"), "wb") as f:
            f.write(b"new\n" * 50)
        self.now = walk(self.w, OPT)

    def env(self, at, log=None):
        e = {"LD_PRELOAD": PRELOAD, "FAULT_CALLS": self.calls,
             "FAULT_ERR": self.err, "FAULT_AT": str(at),
             "FAULT_PATH": {"S": self.store, "W": self.w, "": ""}[self.where]}
        if log:
            e["FAULT_LOG"] = log
        return e

    def fresh_store(self):
        self.store = os.path.join(self.d, "store")
        shutil.rmtree(self.store, ignore_errors=True)
        shutil.copytree(self.good, self.store, ignore=shutil.ignore_patterns("control"))
        self.h = hf.Holdfast(self.w, self.store)

    def run(self):
        self.build()
        self.fresh_store()
        log, self.at = os.path.join(self.d, "calls"), 0
        self.h.once(env=self.env(0, log))
        total = os.path.getsize(log) if os.path.exists(log) else 0
        picks = list(range(1, total + 1))
        if total > self.each:
            picks = sorted(self.rng.sample(picks, self.each))
        codes = {}
        for self.at in picks:
            rc = self.one()
            codes[rc] = codes.get(rc, 0) + 1
        print("%-26s %4d calls, %3d tried, exits %s, %d faults" % (
            self.name, total, len(picks), codes, len(self.failed)), flush=True)
        return len(self.failed)

    def one(self):
        self.fresh_store()
        r = self.h.once(check=False, env=self.env(self.at))
        oid, err = r.stdout.decode().strip(), os.fsdecode(r.stderr).strip()
        killed = self.err == "kill" and r.returncode == -9
        if r.returncode not in (0, 3, 4) and not killed:
            self.fault("exit %d: %s" % (r.returncode, err))
        if r.returncode in (3, 4) and not err:
            self.fault("exit %d without a word" % r.returncode)
        if oid:
            self.check_taken(oid, r.returncode, err)
        elif r.returncode in (0, 3):
            self.fault("exit %d without an id" % r.returncode)
        self.check_old()
        return r.returncode

    def check_taken(self, oid, rc, err):
        """Paths may be behind (kept) if it said so, never gone."""
        got = self.restored(oid)
        if got is None:
            return
        for p, line in self.now.items():
            was = self.old[-1][1].get(p)
            if p not in got and was is None and rc == 3:
                continue                        # new, could not be read, said so
            if p not in got:
                self.fault("%s is missing in the snapshot: exit %d: %s" % (escape(p), rc, err))
            elif got[p] != line and (rc == 0 or got[p] != was):
                self.fault("%s is not as it was: exit %d: %s\n    want %s\n    got  %s" % (
                    escape(p), rc, err, line, got[p]))
        for p in got:
            if p not in self.now and (rc == 0 or p not in self.old[-1][1]):
                self.fault("%s is in the snapshot and not in the workspace" % escape(p))

    def restored(self, oid):
        back = os.path.join(self.d, "back")
        r = self.h.restore_to(oid, back, check=False)
        if r.returncode:
            self.fault("restore of %s: exit %d: %s" % (oid, r.returncode, os.fsdecode(r.stderr)))
            return None
        return walk(back, OPT)

    def check_old(self):
        for oid, want in self.old:
            got = self.restored(oid)
            if got is not None and differences(want, got):
                self.fault("the older snapshot %s differs\n    %s" % (
                    oid, "\n    ".join(differences(want, got)[:5])))
        r = self.h.recover("verify", "--all", check=False)
        if r.returncode:
            self.fault("verify: exit %d: %s" % (r.returncode, os.fsdecode(r.stdout + r.stderr)))
        try:
            got = self.restored(self.h.once())
            if got is not None and differences(self.now, got):
                self.fault("the next snapshot differs\n    %s" % "\n    ".join(differences(self.now, got)[:5]))
        except hf.Failed as e:
            self.fault("the next snapshot: %s" % e)
        r = self.h.recover("verify", "--all", check=False)
        if r.returncode:
            self.fault("verify after the next: exit %d: %s" % (r.returncode, os.fsdecode(r.stdout + r.stderr)))


def daemon_scene(o):
    """A running daemon on a disk that is full for a while: refuses, goes on when there is room."""
    d = os.path.join(os.path.abspath(o.dir), "daemon")
    shutil.rmtree(d, ignore_errors=True)
    w, store, full = (os.path.join(d, n) for n in ("workspace", "store", "full"))
    os.makedirs(w)
    with open(os.path.join(w, "a"), "w") as f:
        f.write("one\n")
    h, bad = hf.Holdfast(w, store, "100ms"), []
    h.start(env={"LD_PRELOAD": PRELOAD, "FAULT_CALLS": WRITES,
                 "FAULT_ERR": "ENOSPC", "FAULT_AT": "1", "FAULT_COUNT": "-1", "FAULT_PATH": store + "/log",
                 "FAULT_WHEN": full})
    first, want = h.once(), walk(w, OPT)
    for _ in range(3):
        open(full, "w").close()
        with open(os.path.join(w, "a"), "a") as f:
            f.write("more\n" * 1000)
        r = h.once(check=False)
        if r.returncode != 4 or r.stdout.strip() or not r.stderr.strip():
            bad.append("full disk: exit %d, id %r, %r" % (r.returncode, r.stdout, r.stderr))
        time.sleep(0.3)                 # let an interval pass on the full disk
        if h.proc.poll() is not None:
            bad.append("the daemon ended with %d" % h.proc.returncode)
            break
        os.unlink(full)
        oid = h.once()
        h.restore_to(oid, d + "/back")
        bad += differences(walk(w, OPT), walk(d + "/back", OPT))
    h.stop()
    h.restore_to(first, d + "/back")
    bad += differences(want, walk(d + "/back", OPT))
    r = h.recover("verify", "--all", check=False)
    if r.returncode:
        bad.append("verify: %s" % os.fsdecode(r.stdout + r.stderr))
    for b in bad:
        print("FAULT daemon on a full disk: %s" % b)
    print("%-26s %d faults" % ("daemon on a full disk", len(bad)))
    return len(bad)


def main():
    ap = argparse.ArgumentParser(usage=__doc__)
    ap.add_argument("dir")
    ap.add_argument("--each", type=int, default=6)
    ap.add_argument("--seed")
    ap.add_argument("--only", default="")
    o = ap.parse_args()
    rng, failed = random.Random(hf.seed_from(o.seed)), 0
    for scene in SCENES:
        if o.only in scene[0]:
            bad = Scene(o, rng, *scene).run()
            failed += bad
            print("%s %s" % ("not ok" if bad else "ok", scene[0]))
    if o.only in "daemon on a full disk":
        bad = daemon_scene(o)
        failed += bad
        print("%s daemon on a full disk" % ("not ok" if bad else "ok"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
