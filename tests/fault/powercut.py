#!/usr/bin/env python3
"""Power cuts: what a disk may hold after one, thousands of times. Root, loop devices and /dev/fuse.

    powercut.py DIR [--fs ext4|xfs|btrfs] [--states N] [--rounds N] [--seed S] [--jobs N] [--break] [--keep]

A store on a file system of its own, on a disk that notes every write and flush (fusedisk.py), is worked with: snapd alone
and as a daemon, small segments, marks, prune, tidy, a lost catalogue, repair; another program syncs beside it. Then the power
is cut at N moments: what was written before the last finished flush is on the disk; of what came after it nothing, all, all but
one, one alone, some writes, some of their pages or sectors, or a torn beginning. Each state is mounted as it is, and the
programs are used as their user would:

    lost        a snapshot (or mark) that had been acknowledged is not listed, or does not come back byte for byte
    ghost       a snapshot is listed that nobody took
    silent      bytes came back that are not those of the snapshot, and nobody said so
    by hand     a command refuses until somebody does something about it
    damaged     recover verify --all finds something

--break leaves every fsync and fdatasync out of the programs: then these must be found (exit 0 if they are).
"""
import argparse
import collections
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "oracle"))
sys.path.insert(0, HERE)
import hf                                           # noqa: E402
from fusedisk import BIND, Disk, alone, mount, umount       # noqa: E402
from randops import Ops                             # noqa: E402
from treewalk import Options, differences, walk     # noqa: E402

OPT = Options(special=False)
SIZE = {"ext4": 96 << 20, "xfs": 320 << 20, "btrfs": 256 << 20}
MKFS = {"ext4": ["-q", "-F", "-b", "4096", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"],
        "xfs": ["-q", "-f", "-K"], "btrfs": ["-q", "-f", "-K"]}
MOUNT = {"ext4": "", "xfs": "nouuid", "btrfs": ""}
START = 1_790_000_000
CONFIG = """[store]
	quota = 1G
	freeFloor = 0
[prune]
	all = 20m
	tenMinutes = 1h
	hourly = 4h
	grace = 0
	every = 0
[verify]
	share = 0
"""


def world(d):
    """An environment of our own: nothing of the user's is read or written."""
    os.makedirs(d + "/world", exist_ok=True)
    with open(d + "/config", "w") as f:
        f.write(CONFIG)
    e = {n: d + "/world" for n in ("HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")}
    os.environ.update(e, HOLDFAST_CONFIG=d + "/config", HOLDFAST_STATE=d + "/state", HOLDFAST_AUTOSTART="0", TZ="UTC")


def loop_of(path):
    return subprocess.run(["losetup", "-f", "--show", path], stdout=subprocess.PIPE, check=True,
                          timeout=60).stdout.decode().strip()


def retry(what, *args):
    """What a process that just ended may still hold for a moment."""
    end = time.monotonic() + 60
    while True:
        try:
            return what(*args)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


class Promise:
    """What must be there from a moment on: snapshots by id, and marks."""

    def __init__(self, ids=(), marks=()):
        self.ids, self.marks = set(ids), dict(marks)
        self.beside = None              # what STORE/unsaved holds, or that was not promised yet
        self.other = {}                 # the same snapshot, as repair numbers them anew: either is right

    def has(self, oid, ids):
        return oid if oid in ids else self.other.get(oid) if self.other.get(oid) in ids else None


class Work:
    """The recording."""

    def __init__(self, o, rng):
        self.o, self.rng, self.d = o, rng, os.path.abspath(o.dir)
        self.w, self.m = self.d + "/workspace", self.d + "/mount"
        self.now, self.ids, self.marks, self.want, self.ever = START, set(), {}, {}, set()
        self.names, self.quit = 0, threading.Event()
        self.beside = None

    def run(self):
        for p in (self.w, self.m):
            os.mkdir(p)
        self.disk = Disk(self.d + "/fuse", SIZE[self.o.fs])
        self.dev = loop_of(self.disk.path)
        try:
            subprocess.run(["mkfs." + self.o.fs, *MKFS[self.o.fs], self.dev], check=True, timeout=120,
                           stdout=subprocess.DEVNULL)
            mount(self.dev, self.m, self.o.fs)
            try:
                self.work()
            finally:
                self.quit.set()
                self.h.stop()
                retry(umount, self.m)
        finally:
            subprocess.run(["losetup", "-d", self.dev], check=True)
            retry(self.disk.close)
        return self.disk.events

    def promise(self):
        self.promised(Promise(self.ids, self.marks))

    def promised(self, p):
        p.beside = self.beside
        self.disk.events.append(("a", p))

    def unsaved(self):
        """As snapd keeps what editors never saved: a store in the store."""
        texts = self.d + "/texts"
        os.mkdir(texts)
        for i in range(4):
            with open("%s/%d" % (texts, i), "wb") as f:
                f.write(self.rng.randbytes(5000))
        self.h.run("tests/tool_put", self.h.store + "/unsaved", texts)
        self.beside = walk(texts, OPT)
        self.promise()

    def other(self):
        """Another program, so that the file system's journal is written at moments that the store did not choose."""
        rng, n = random.Random(self.o.seed + 9), 0
        while not self.quit.wait(0.2 + rng.random()):
            with open(self.m + "/other", "wb") as f:
                f.write(b"%d" % n)
                f.flush()
                os.fsync(f.fileno())
            n += 1

    def work(self):
        env = {}
        if getattr(self.o, "break"):
            env = {"LD_PRELOAD": os.path.join(hf.BUILD, "tests", "preload_fault.so"), "FAULT_AT": "1",
                   "FAULT_CALLS": "fsync,fdatasync,syncfs", "FAULT_COUNT": "-1", "FAULT_ERR": "lie"}
        self.h = hf.Holdfast(self.w, self.m + "/store", env=env)
        self.h.log = self.d + "/snapd.log"
        ops = Ops(random.Random(self.o.seed + 1), [self.w], "fifo,mkdir_race")
        for _ in range(80):
            ops.one()
        beside = threading.Thread(target=self.other, daemon=True)
        beside.start()
        for n in range(self.o.rounds):
            self.now += 120
            self.h.env["HOLDFAST_NOW"] = str(self.now)
            for _ in range(self.rng.choice((1, 4, 12))):
                ops.one()
            if n % 5 == 0:
                with open(self.w + "/noise", "wb") as f:
                    f.write(self.rng.randbytes(300000))
            self.round(n)
        beside.join(0)

    def round(self, n):
        if n % 12 == 4:
            self.h.start()
            self.listed()
        if n % 12 == 9:
            self.h.stop()
            self.listed()
        daemon = self.h.proc is not None
        if n and not daemon and self.rng.random() < 0.3:      # many small segments
            self.taken(self.h.run("tests/tool_put", self.h.store, self.w, "65536").stdout.decode().strip(), None)
        else:
            want = walk(self.w, OPT)
            self.taken(self.h.once(), want)
        if n == 2:
            self.unsaved()
        if self.rng.random() < 0.15:
            name = "m%d" % len(self.marks)
            self.h.recover("mark", "@", name)
            self.marks[name] = self.newest
            self.promise()
        if n % 9 == 8:
            self.thinned(lambda: self.h.recover("prune"))
        if n % 6 == 5:          # with the daemon, and without
            self.h.recover("tidy")
        if n % 20 == 15 and not daemon:
            for x in ("catalogue.db", "catalogue.db-wal", "catalogue.db-shm"):
                if os.path.exists(self.h.store + "/" + x):
                    os.unlink(self.h.store + "/" + x)
            self.h.recover("list")
        if n % 20 == 19 and not daemon:
            self.repaired()

    def taken(self, oid, want):
        self.ids.add(oid)
        self.ever.add(oid)
        self.newest = oid
        if want is not None:
            self.want[oid] = want
        self.promise()

    def thinned(self, what):
        """While it works, what will be left must be there; what goes may."""
        p = Promise((), self.marks)
        left = set(self.marks.values()) | {self.newest}
        p.ids = left                    # known when it is over; nobody looks before
        self.promised(p)
        what()
        left |= self.listed()
        self.ids &= left

    def repaired(self):
        """A commit's parent may have been pruned, and the new store has none for it: ids change, nothing else."""
        before, p = rows(self.h), Promise(self.ids, self.marks)
        self.promised(p)
        # A whole store has nothing to repair, unless it is said where to.
        self.h.recover("repair", "--switch", "--yes", self.h.store + ".repaired")
        after = rows(self.h)
        if [(r["time"], r["reason"], r["marks"]) for r in before] != [(r["time"], r["reason"], r["marks"]) for r in after]:
            raise hf.Failed("repair: %s, was %s" % (after, before))
        new = {a["id"]: b["id"] for a, b in zip(before, after)}
        p.other = new
        self.ever |= set(new.values())
        self.want.update({new[k]: v for k, v in self.want.items() if k in new})
        self.ids, self.newest = {new[k] for k in self.ids}, new[self.newest]
        self.marks = {m: new[k] for m, k in self.marks.items()}
        self.promise()
        shutil.rmtree(self.h.store + ".damaged")

    def listed(self):
        """What the store has by its own word, that of the daemon's start and stop among it."""
        ids = {r["id"] for r in rows(self.h)}
        self.ever |= ids
        return ids


def rows(h):
    return [json.loads(line) for line in h.recover("list", "--json").stdout.splitlines()]


# ---- the states

def pick(rng, events, n):
    """n of (moment, last flush before it), sorted: half right after an acknowledgement, the rest anywhere."""
    first = next(i for i, e in enumerate(events) if e[0] == "a" and e[1].ids)
    acks = [i + 1 for i, e in enumerate(events) if e[0] == "a" and i >= first]
    writes = [i + 1 for i, e in enumerate(events) if e[0] == "w" and i > first]
    cuts = [rng.choice(acks) if rng.random() < 0.3 else rng.choice(writes) for _ in range(n)]
    return sorted(cuts)


def survivors(rng, pending):
    """(how, writes) of the writes a cut found unflushed."""
    how = rng.choice(("none", "all", "all but one", "one", "some", "some", "pages", "pages", "sectors", "sectors", "torn"))
    if how == "none" or not pending:
        return "none", []
    if how == "all":
        return how, pending
    i = rng.randrange(len(pending))
    if how == "all but one":
        return how, pending[:i] + pending[i + 1:]
    if how == "one":
        return how, [pending[i]]
    share = rng.choice((0.1, 0.5, 0.9))
    if how == "some":
        return how, [w for w in pending if rng.random() < share]
    if how == "torn":
        at, data = pending[i]
        return how, pending[:i] + [(at, data[:rng.randrange(len(data) // 512 + 1) * 512])]
    grain = 4096 if how == "pages" else 512
    return how, [(at + k, data[k:k + grain]) for at, data in pending for k in range(0, len(data), grain)
                 if rng.random() < share]


class Image:
    """The disk as it was at one flush, moved on from flush to flush, and a copy for each state."""

    def __init__(self, d, size):
        self.base, self.size, self.done = os.open(d + "/base", os.O_RDWR | os.O_CREAT, 0o600), size, 0
        os.truncate(self.base, size)
        self.path = d + "/cut"
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        os.truncate(self.fd, size)

    def advance(self, events, to):
        for e in events[self.done:to]:
            if e[0] == "w":
                put(self.base, e[1], e[2])
        self.done = to

    def copy(self, writes):
        os.truncate(self.fd, 0)
        os.truncate(self.fd, self.size)
        at = 0
        while True:
            try:
                at = os.lseek(self.base, at, os.SEEK_DATA)
            except OSError:
                break                   # only a hole is left
            end = os.lseek(self.base, at, os.SEEK_HOLE)
            while at < end:
                at += os.pwrite(self.fd, os.pread(self.base, min(1 << 20, end - at), at), at)
        for off, data in writes:
            put(self.fd, off, data)


def put(fd, at, data):
    """Zeroes on zeroes stay a hole."""
    for k in range(0, len(data), 65536):
        part = data[k:k + 65536]
        if part.count(0) != len(part) or os.pread(fd, len(part), at + k).count(0) != len(part):
            os.pwrite(fd, part, at + k)


class Check:
    def __init__(self, o, work, me):
        self.o, self.work, self.me = o, work, me
        self.d = "%s/job%d" % (os.path.abspath(o.dir), me)
        os.makedirs(self.d + "/mount")
        world(self.d)
        # The workspace where it was, and each job has its own.
        alone()
        self.w = work.w
        shutil.copytree(work.w, self.d + "/workspace", symlinks=True)
        mount(self.d + "/workspace", self.w, "none", flags=BIND)
        self.tally, self.kept = collections.Counter(), 0

    def run(self, cuts):
        events = self.work.disk.events
        image = Image(self.d, SIZE[self.o.fs])
        dev = loop_of(image.path)
        try:
            for n, cut in cuts:
                flush = last_flush(events, cut)
                image.advance(events, flush)
                rng = random.Random("%d %d" % (self.o.seed, n))
                how, writes = survivors(rng, [e[1:] for e in events[flush:cut] if e[0] == "w"])
                image.copy(writes)
                promise = next(e[1] for e in reversed(events[:cut]) if e[0] == "a")
                self.state(dev, rng, "state %d: cut after event %d, %s" % (n, cut, how), promise, image, writes)
        finally:
            subprocess.run(["losetup", "-d", dev], check=True)
        return self.tally

    def state(self, dev, rng, name, promise, image, writes):
        self.tally["states"] += 1
        try:
            mount(dev, self.d + "/mount", self.o.fs, MOUNT[self.o.fs])
        except OSError as e:
            # What the file system itself does not survive (ext4's superblock, torn) is not the store's.
            self.tally["the file system's own"] += 1
            print("%s: %s" % (name, e), flush=True)
            return
        try:
            bad = list(self.look(rng, promise))
        finally:
            retry(umount, self.d + "/mount")
        for kind in {k for k, _ in bad}:
            self.tally[kind] += 1
        for kind, what in bad[:4]:
            print("%s %s: %s: %s" % ("found" if getattr(self.o, "break") else "FAULT", name, kind, what), flush=True)
        if bad and self.o.keep and self.kept < 3:
            self.kept += 1
            image.copy(writes)
            print("    kept: %s/cut%d" % (self.d, self.kept))
            subprocess.run(["cp", "--sparse=always", image.path, "%s/cut%d" % (self.d, self.kept)], check=True)

    def look(self, rng, promise):
        h = hf.Holdfast(self.w, self.d + "/mount/store", env={"HOLDFAST_NOW": str(self.work.now + 86400)})
        r = h.recover("list", "--json", check=False)
        if r.returncode:
            yield "by hand", "list: exit %d: %s" % (r.returncode, os.fsdecode(r.stderr).strip())
            return
        lines = [json.loads(x) for x in r.stdout.splitlines()]
        ids = [x["id"] for x in lines]
        for oid in promise.ids:
            if not promise.has(oid, ids):
                yield "lost", "%s is not listed" % oid
        marks = {m: x["id"] for x in lines for m in x["marks"]}
        for m, oid in promise.marks.items():
            if m not in marks or promise.has(oid, [marks[m]]) is None:
                yield "lost", "the mark %s is at %s, not %s" % (m, marks.get(m), oid)
        for oid in set(ids) - self.work.ever:
            yield "ghost", oid
        yield from self.come_back(h, rng, promise, ids)
        if promise.beside:
            yield from self.come_back_beside(promise)
        yield from self.go_on(h, rng, promise)

    def come_back_beside(self, promise):
        h = hf.Holdfast(self.w, self.d + "/mount/store/unsaved")
        r = h.restore_to("@", self.d + "/back", check=False)
        diff = [] if r.returncode else differences(promise.beside, walk(self.d + "/back", OPT))
        if r.returncode or diff:
            yield "silent" if diff else "lost", "what was never saved: %s" % (diff[:5] or os.fsdecode(r.stderr).strip())

    def come_back(self, h, rng, promise, ids):
        sure = {promise.has(x, ids) for x in promise.ids}
        have = [x for x in ids if x in self.work.want and x in sure]
        for oid in have[:1] + rng.sample(have[1:], min(1, len(have[1:]))):
            back = self.d + "/back"
            r = h.restore_to(oid, back, check=False)
            diff = [] if r.returncode else differences(self.work.want[oid], walk(back, OPT))
            if r.returncode:
                yield "lost", "restore of %s: exit %d: %s" % (oid, r.returncode, os.fsdecode(r.stderr).strip())
            elif diff:
                yield "silent", "%s\n    %s" % (oid, "\n    ".join(diff[:5]))
        r = h.recover("verify", "--all", check=False)
        if r.returncode:
            yield "damaged", "verify: exit %d: %s" % (r.returncode, os.fsdecode(r.stdout + r.stderr).strip()[:600])

    def go_on(self, h, rng, promise):
        """One more snapshot, and sometimes a prune or a repair, as one would the next morning."""
        with open(self.w + "/after", "w") as f:
            f.write("%d\n" % rng.getrandbits(60))
        want = walk(self.w, OPT)
        r = h.once(check=False)
        if r.returncode:
            yield "by hand", "the next snapshot: exit %d: %s" % (r.returncode, os.fsdecode(r.stderr).strip())
            return
        what = rng.choice(("", "", "prune", "tidy", "repair"))
        if what:
            r = h.recover(*(("repair", "--switch", "--yes", h.store + ".next") if what == "repair" else (what,)), check=False)
            if r.returncode:
                yield "by hand", "%s: exit %d: %s" % (what, r.returncode, os.fsdecode(r.stderr).strip())
            elif what == "repair" and promise.beside:
                yield from self.come_back_beside(promise)
        if rng.random() < 0.5:
            r = h.restore_to("@", self.d + "/back", check=False)
            diff = [] if r.returncode else differences(want, walk(self.d + "/back", OPT))
            if r.returncode or diff:
                yield "silent" if diff else "lost", "the next snapshot: %s" % (diff[:5] or os.fsdecode(r.stderr))
        r = h.recover("verify", "--all", check=False)
        if r.returncode:
            yield "damaged", "verify after the next: exit %d: %s" % (
                r.returncode, os.fsdecode(r.stdout + r.stderr).strip()[:600])


def last_flush(events, cut):
    for i in range(cut - 1, -1, -1):
        if events[i][0] == "f":
            return i + 1
    return 0


def check_all(o, work, cuts):
    """In as many processes as asked; each prints its own faults, and its tally to a file."""
    pids, total = [], collections.Counter()
    for me in range(o.jobs):
        pid = os.fork()
        if pid == 0:
            rc = 1
            try:
                tally = Check(o, work, me).run(cuts[me::o.jobs])
                with open("%s/tally%d" % (o.dir, me), "w") as f:
                    json.dump(tally, f)
                rc = 0
            finally:
                sys.stdout.flush()
                os._exit(rc)
        pids.append(pid)
    broken = sum(os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]) != 0 for p in pids)
    for me in range(o.jobs - broken):
        with open("%s/tally%d" % (o.dir, me)) as f:
            total.update(json.load(f))
    return total, broken


def main():
    ap = argparse.ArgumentParser(usage=__doc__)
    ap.add_argument("dir")
    ap.add_argument("--fs", default="ext4", choices=sorted(SIZE))
    ap.add_argument("--states", type=int, default=200)
    ap.add_argument("--rounds", type=int, default=80)
    ap.add_argument("--jobs", type=int, default=1)
    ap.add_argument("--seed")
    ap.add_argument("--break", action="store_true")
    ap.add_argument("--keep", action="store_true")
    o = ap.parse_args()
    o.seed = hf.seed_from(o.seed)
    if o.fs == "btrfs":
        o.jobs = 1                      # two devices with one id are one to it
    os.makedirs(o.dir, exist_ok=True)
    world(os.path.abspath(o.dir))
    rng = random.Random(o.seed)
    work = Work(o, rng)
    events = work.run()
    count = collections.Counter(e[0] for e in events)
    print("%s: %d snapshots taken, %d left, %d writes (%.1f MiB), %d flushes" % (
        o.fs, len(work.ever), len(work.ids), count["w"], sum(len(e[2]) for e in events if e[0] == "w") / 2**20,
        count["f"]), flush=True)
    if not getattr(o, "break") and count["f"] < len(work.ever):
        print("FAULT: fewer flushes than snapshots: this disk drops them, the recording is worth nothing")
        return 1
    cuts = list(enumerate(pick(rng, events, o.states)))
    total, broken = check_all(o, work, cuts)
    own = total.pop("the file system's own", 0)
    states = total.pop("states", 0)
    bad = sum(total.values())
    print("%s: %d states%s; %s; %d did not mount; seed %d" % (
        o.fs, states, ", fdatasync left out" if getattr(o, "break") else "",
        ", ".join("%s %d" % (k, total[k]) for k in ("lost", "ghost", "silent", "by hand", "damaged")), own, o.seed))
    if broken or own * 20 > states:
        return 1
    return (bad == 0) if getattr(o, "break") else (bad != 0)


if __name__ == "__main__":
    sys.exit(main())
