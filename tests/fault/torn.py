#!/usr/bin/env python3
"""What a power cut may leave of a transaction that was never acknowledged, byte pattern by byte pattern.

    torn.py DIR [--cuts N] [--seed S]

The log before and after one more snapshot is kept. In between lie: any prefix, the full length with
512-byte sectors or 4 KiB pages missing (zeroes), the end without the start, rubbish after it; with the catalogue of
before, or none, or (the log cut by somebody) that of after. The older snapshots must read right, the torn one right or not at all, the next
writer must go on, and the stranger's reader must agree with the store.
"""
import argparse
import os
import random
import shutil
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "oracle"))
import hf                                           # noqa: E402
from flip_store import tool                         # noqa: E402
from randops import Ops                             # noqa: E402


def tear(rng, old, new):
    """(name, bytes) of a log cut while new was being written after old."""
    tail = new[len(old):]
    how = rng.randrange(5)
    if how == 0:
        return "prefix", old + tail[:rng.randrange(len(tail))]
    if how == 1:                        # sectors that never came, whole file
        grain, out, lost = rng.choice((512, 4096)), bytearray(new), 0
        for at in range(len(old) // grain * grain, len(new), grain):
            if rng.random() < 0.4:
                a = max(at, len(old))
                out[a:at + grain] = bytes(len(out[a:at + grain]))
                lost += 1
        return "%d of %d-byte blocks zero" % (lost, grain), bytes(out)
    if how == 2:
        at = rng.randrange(1, len(tail))
        return "start zero", old + bytes(at) + tail[at:]
    if how == 3:
        at = rng.randrange(len(tail))
        return "end zero", old + tail[:at] + bytes(len(tail) - at)
    return "rubbish", old + tail[:rng.randrange(len(tail))] + rng.randbytes(rng.randrange(1, 300))


def main():
    ap = argparse.ArgumentParser(usage=__doc__)
    ap.add_argument("dir")
    ap.add_argument("--cuts", type=int, default=60)
    ap.add_argument("--seed")
    o = ap.parse_args()
    seed = hf.seed_from(o.seed)
    rng, d = random.Random(seed), os.path.abspath(o.dir)
    w, good, cut = (os.path.join(d, n) for n in ("workspace", "good", "cut"))
    os.makedirs(w)
    ops = Ops(random.Random(seed + 1), [w])
    failed = n = torn = kept = 0
    snapshots = 0
    while n < o.cuts:
        for _ in range(rng.choice((3, 60))):
            ops.one()
        tool("tool_put", good, w)
        snapshots += 1
        before = os.path.join(d, "before")
        shutil.rmtree(before, ignore_errors=True)
        shutil.copytree(good, before)
        for _ in range(rng.choice((1, 20, 150))):
            ops.one()
        tool("tool_put", good, w)
        snapshots += 1
        logs = [open(os.path.join(x, "log", "00000001.seg"), "rb").read() for x in (before, good)]
        if len(logs[0]) == len(logs[1]):
            snapshots -= 1
            continue
        right = {k: tool("tool_get", good, "dump", str(k)) for k in (1, snapshots - 1, snapshots)}
        for _ in range(6):
            n += 1
            shutil.rmtree(cut, ignore_errors=True)
            name, data = tear(rng, *logs)
            # The catalogue follows the fdatasync, so that of after goes with a log cut from outside only.
            which = rng.choice((before, before, None) + ((good,) if name == "prefix" else ()))
            shutil.copytree(which or before, cut)
            if which is None:
                for x in os.listdir(cut):
                    if x.startswith("catalogue"):
                        os.unlink(os.path.join(cut, x))
            with open(os.path.join(cut, "log", "00000001.seg"), "wb") as f:
                f.write(data)
            bad = check(cut, w, right, snapshots)
            whole = bad.pop()
            kept, torn = kept + whole, torn + (not whole)
            for b in bad:
                failed += 1
                print("FAULT cut %d (%s, catalogue of %s, %d snapshots): %s" % (
                    n, name, os.path.basename(which) if which else "nobody", snapshots,
                    "\n    ".join(b.splitlines()[:4])), flush=True)
        for _ in range(3):
            for b in rotten(rng, good, cut, w, len(logs[0]), snapshots):
                failed += 1
                print("FAULT %s" % b, flush=True)
    print("%d cuts, %d torn, %d whole, %d faults, seed %d" % (n, torn, kept, failed, seed))
    return 1 if failed else 0


def rotten(rng, good, cut, w, start, last):
    """A flipped bit in the last transaction, which log/acked says was acknowledged: nothing is cut."""
    shutil.rmtree(cut, ignore_errors=True)
    shutil.copytree(good, cut, ignore=shutil.ignore_patterns("catalogue*"))
    name = os.path.join(cut, "log", "00000001.seg")
    data = bytearray(open(name, "rb").read())
    at, bit = rng.randrange(start, len(data)), rng.randrange(8)
    data[at] ^= 1 << bit
    with open(name, "wb") as f:
        f.write(data)
    where = "byte %d bit %d of %d..%d: " % (at, bit, start, len(data))
    rc, out, err = tool("tool_get", cut, "count")
    count = int(out) if rc == 0 else -1
    lines = len(hf.Holdfast(w, cut).hfread("list", check=False).stdout.splitlines())
    if count not in (last - 1, last) or lines not in (count, count - 1):
        yield where + "%d snapshots of %d, the reader has %d" % (count, last, lines)
    rc, out, err = tool("tool_get", cut, "verify")
    if rc != 1:
        yield where + "verify: exit %d %s" % (rc, err)
    rc, out, err = tool("tool_put", cut, w)
    if rc or os.path.getsize(name) < len(data) or os.path.exists(os.path.join(cut, "log", "torn")):
        yield where + "the next writer: exit %d, %d bytes %s" % (rc, os.path.getsize(name), err)


def check(cut, w, right, last):
    bad = []
    rc, out, err = tool("tool_get", cut, "count")
    count = int(out) if rc == 0 else -1
    if count not in (last - 1, last):
        bad.append("%d snapshots instead of %d or %d: %s" % (count, last - 1, last, err))
    h = hf.Holdfast(w, cut)
    lines = len(h.hfread("list", check=False).stdout.splitlines())
    if lines != count:
        bad.append("the store tells of %d snapshots, the reader of %d" % (count, lines))
    for k, want in right.items():
        if k <= count and tool("tool_get", cut, "dump", str(k))[:2] != want[:2]:
            bad.append("snapshot %d does not read right" % k)
    rc, out, err = tool("tool_put", cut, w)
    if rc:
        bad.append("the next writer: exit %d %s" % (rc, err))
    r = h.hfread("check", check=False)
    if r.returncode:
        bad.append("the reader after it: %s" % os.fsdecode(r.stderr))
    rc, out, err = tool("tool_get", cut, "verify")
    if rc:
        bad.append("verify after it: exit %d %s %s" % (rc, out, err))
    # Its number is another where a catalogue knew of the one that was lost: none is given twice.
    newest = h.hfread("list", check=False).stdout.split(b" ", 1)[0].decode()
    if newest not in (str(last), str(last + 1)) or tool("tool_get", cut, "dump", newest)[:2] != right[last][:2]:
        bad.append("snapshot %d, taken again, is another" % last)
    return bad + [count == last]


if __name__ == "__main__":
    sys.exit(main())
