#!/usr/bin/env python3
"""Damage at random places of a small store: never a wrong byte out.

    flip.py DIR [--flips N] [--seed S] [--large] [--hit bit|zero|eio]

bit: one bit is flipped. zero: a sector (512 bytes) of zeroes. eio: a sector of the log that the disk
cannot read. For each flip, in a copy of the store: `recover cat` of some versions gives the right bytes or fails
with words and with no wrong byte before; `recover restore --to` likewise for each file; `recover
verify --all` names every flip of a segment's bytes; and after one more snapshot by a writer, what
restored before still does.
"""
import argparse
import os
import random
import shutil
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "oracle"))
import hf                                           # noqa: E402
from randops import Ops                             # noqa: E402
from treewalk import Options, differences, escape, walk     # noqa: E402

OPT = Options(special=False)


class Flip:
    def __init__(self, o):
        self.o, self.d = o, os.path.abspath(o.dir)
        self.seed = hf.seed_from(o.seed)
        self.rng = random.Random(self.seed)
        self.w = os.path.join(self.d, "workspace")
        os.makedirs(self.w)
        self.good = os.path.join(self.d, "good")
        self.failed, self.silent, self.tally = 0, 0, {}

    def fault(self, what):
        self.failed += 1
        print("FAULT (seed %d, flip %d, %s): %s" % (self.seed, self.n, self.where, what), flush=True)

    def count(self, what):
        self.tally[what] = self.tally.get(what, 0) + 1

    def build(self):
        """Twenty snapshots; contents of every version kept aside."""
        ops = Ops(random.Random(self.seed + 1), [self.w])
        h = hf.Holdfast(self.w, self.good)
        self.taken = []
        if self.o.large:
            with open(os.path.join(self.w, "large.bin"), "wb") as f:
                f.write(random.Random(5).randbytes(12 << 20))
        for i in range(20):
            for _ in range(60 if i == 0 else 12):
                ops.one()
            oid = h.once()
            files = {p: open(os.path.join(os.fsencode(self.w), p), "rb").read()
                     for p, k in ops.kind.items() if k == "f"}
            self.taken.append((oid, walk(self.w, OPT), files))

    def flip(self, store):
        files = []
        for base, _, names in os.walk(store):
            files += [os.path.join(base, n) for n in names if os.path.isfile(os.path.join(base, n))]
        files = sorted(f for f in files if os.path.getsize(f))
        # Half the flips in the log by size, the rest wherever.
        logs = [f for f in files if f.endswith(".seg")]
        pool = logs if self.rng.random() < 0.6 else files
        f = self.rng.choice(pool)
        at, bit = self.rng.randrange(os.path.getsize(f)), self.rng.randrange(8)
        if self.rng.random() < 0.15:
            at = min(at, self.rng.randrange(120))
        with open(f, "r+b") as o:
            o.seek(at)
            b = o.read(1)[0]
            o.seek(at)
            o.write(bytes([b ^ 1 << bit]))
        in_log = f.endswith(".seg")
        self.where = "%s byte %d bit %d" % (os.path.relpath(f, store), at, bit)
        return in_log

    def sector(self, store):
        """One of the log is lost; a third of them have a header. True: there was something in it."""
        log = os.path.join(store, "log")
        f = os.path.join(log, self.rng.choice(sorted(n for n in os.listdir(log) if n.endswith(".seg"))))
        at = 0 if self.rng.random() < 0.33 else self.rng.randrange(os.path.getsize(f)) // 512 * 512
        self.where = "%s sector at %d" % (os.path.relpath(f, store), at)
        if self.rng.random() < 0.5:         # with what else would tell
            for n in ("catalogue.db", "catalogue.db-wal", "catalogue.db-shm", "log/acked"):
                if os.path.exists(os.path.join(store, n)):
                    os.unlink(os.path.join(store, n))
            self.where += ", no catalogue"
            if self.rng.random() < 0.5:
                os.unlink(os.path.join(log, "headers"))
                self.where += ", no copy of the header"
        if self.o.hit == "eio":
            self.h.env.update(LD_PRELOAD=os.environ.get("FAULT_PRELOAD") or os.path.join(hf.BUILD, "tests", "preload_fault.so"),
                              FAULT_CALLS="pread",
                              FAULT_AT="1", FAULT_COUNT="-1", FAULT_PATH=os.path.basename(f), FAULT_SECTOR=str(at),
                              FAULT_LOG=os.path.join(self.d, "hits"))
            return True
        with open(f, "r+b") as o:
            o.seek(at)
            had = o.read(512)
            o.seek(at)
            o.write(bytes(len(had)))
        return had.strip(b"\0") != b""

    def kept(self, store, before):
        """Whoever wrote: no byte of the log that was there is gone, but for what was mended."""
        for n, size in before.items():
            if not os.path.exists(os.path.join(store, "log", n)) or os.path.getsize(os.path.join(store, "log", n)) < size:
                self.fault("%s was cut" % n)

    def one(self):
        store = os.path.join(self.d, "bad")
        shutil.rmtree(store, ignore_errors=True)
        shutil.copytree(self.good, store, ignore=shutil.ignore_patterns("control"))
        self.h = hf.Holdfast(self.w, store)
        log = os.path.join(store, "log")
        before = {n: os.path.getsize(os.path.join(log, n)) for n in os.listdir(log) if n.endswith(".seg")}
        in_log = self.flip(store) if self.o.hit == "bit" else self.sector(store)
        self.cats()
        fine = self.restores()
        self.verify(in_log)
        if self.o.hit != "bit" or self.rng.random() < 0.3:
            self.write_on(fine)
        if self.o.hit != "bit":
            self.kept(store, before)

    def cats(self):
        for oid, _, files in self.rng.sample(self.taken, 2):
            for p in self.rng.sample(sorted(files), min(2, len(files))):
                r = self.h.recover("cat", oid + ":" + os.fsdecode(p), check=False)
                if r.returncode == 0 and r.stdout != files[p]:
                    self.fault("cat gave wrong bytes of %s, exit 0" % escape(p))
                elif not files[p].startswith(r.stdout):
                    self.fault("cat gave wrong bytes of %s before it failed" % escape(p))
                elif r.returncode and not r.stderr.strip():
                    self.fault("cat: exit %d without a word" % r.returncode)
                elif r.returncode not in (0, 1, 3, 4):
                    self.fault("cat: exit %d: %s" % (r.returncode, os.fsdecode(r.stderr)))
                self.count("cat ok" if r.returncode == 0 else "cat refused")

    def restores(self):
        """Snapshots that came back whole."""
        fine = []
        for oid, want, _ in self.rng.sample(self.taken, 2):
            back = os.path.join(self.d, "back")
            r = self.h.restore_to(oid, back, check=False)
            got = walk(back, OPT) if os.path.isdir(back) else {}
            diff = differences(want, got)
            if r.returncode == 0 and diff:
                self.fault("restore of %s, exit 0:\n    %s" % (oid, "\n    ".join(diff[:6])))
            if r.returncode and not r.stderr.strip():
                self.fault("restore: exit %d without a word" % r.returncode)
            if r.returncode not in (0, 1, 3, 4):
                self.fault("restore: exit %d: %s" % (r.returncode, os.fsdecode(r.stderr)))
            for p, line in got.items():         # what did come back must be right
                if p in want and line.split(" ")[3:] != want[p].split(" ")[3:]:
                    self.fault("restore of %s wrote wrong bytes: %s" % (oid, escape(p)))
                if p not in want:
                    self.fault("restore of %s wrote %s, which it never had" % (oid, escape(p)))
            if not r.returncode:
                fine.append((oid, want))
            self.count("restore ok" if r.returncode == 0 else "restore refused")
        return fine

    def verify(self, in_log):
        r = self.h.recover("verify", "--all", check=False)
        if r.returncode not in (0, 1, 3, 4):
            self.fault("verify: exit %d: %s" % (r.returncode, os.fsdecode(r.stderr)))
        if in_log and r.returncode == 0:
            self.fault("verify --all does not see it")
        if r.returncode and not (r.stdout + r.stderr).strip():
            self.fault("verify: exit %d without a word" % r.returncode)
        self.count("verify ok" if r.returncode == 0 else "verify names it")

    def write_on(self, fine):
        with open(os.path.join(self.w, "after"), "ab") as f:
            f.write(b"%d\n" % self.n)
        r = self.h.once(check=False)
        if r.returncode not in (0, 3, 4):
            self.fault("a snapshot after it: exit %d: %s" % (r.returncode, os.fsdecode(r.stderr)))
        back = os.path.join(self.d, "back")
        for oid, want in fine:
            b = self.h.restore_to(oid, back, check=False)
            if b.returncode or differences(want, walk(back, OPT)):
                self.fault("after one more snapshot %s does not come back: exit %d %s" % (
                    oid, b.returncode, os.fsdecode(b.stderr)))
        if r.returncode == 0:           # it may stand on what was hit: right bytes, or words
            b = self.h.restore_to(r.stdout.decode().strip(), back, check=False)
            want, got = walk(self.w, OPT), walk(back, OPT) if os.path.isdir(back) else {}
            wrong = [p for p in got if got[p].split(" ")[3:] != want.get(p, "").split(" ")[3:]]
            if wrong or (b.returncode == 0 and differences(want, got)) or (b.returncode and not b.stderr.strip()):
                self.fault("the snapshot after it: exit %d, wrong: %s" % (b.returncode, wrong[:5]))
        self.count("written on")

    def run(self):
        self.n, self.where = 0, "none"
        self.build()
        for self.n in range(self.o.flips):
            self.one()
        print(", ".join("%s %d" % kv for kv in sorted(self.tally.items())))
        if self.o.hit == "eio" and not os.path.getsize(os.path.join(self.d, "hits")):
            self.fault("no sector was ever read")
        print("%d flips, %d faults, seed %d" % (self.o.flips, self.failed, self.seed))
        return 1 if self.failed else 0


def main():
    ap = argparse.ArgumentParser(usage=__doc__)
    ap.add_argument("dir")
    ap.add_argument("--flips", type=int, default=40)
    ap.add_argument("--seed")
    ap.add_argument("--large", action="store_true", help="with a file stored as chunks")
    ap.add_argument("--hit", choices=("bit", "zero", "eio"), default="bit")
    return Flip(ap.parse_args()).run()


if __name__ == "__main__":
    sys.exit(main())
