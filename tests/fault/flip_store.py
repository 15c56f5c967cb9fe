#!/usr/bin/env python3
"""As flip.py, below the programs: store.h through tests/tool_put.c and tool_get.c.

    flip_store.py DIR [--flips N] [--seed S]
"""
import argparse
import os
import random
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "oracle"))
import hf                                           # noqa: E402
from randops import Ops                             # noqa: E402

SNAPSHOTS = 15


def tool(name, *args):
    p = subprocess.run([os.path.join(hf.BUILD, "tests", name), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return p.returncode, p.stdout.decode("latin-1"), p.stderr.decode("latin-1")


def dumps(store):
    return {n: tool("tool_get", store, "dump", str(n)) for n in (1, SNAPSHOTS // 2, SNAPSHOTS - 1, SNAPSHOTS)}


def wrong(good, got):
    """What a damaged store says that is neither right nor an error."""
    rc, out, err = got
    if rc not in (0, 1, 4):
        return ["exit %d %s" % (rc, err)]
    want, bad = {li.split(" ", 5)[5]: li for li in good[1].splitlines()}, []
    seen = set()
    for li in out.splitlines():
        if "!" in li.split(" ", 5)[4]:
            name = [n for n in want if li.endswith(" " + n)]
            seen.update(name)
            if not name:
                bad.append("+ " + li)
            continue
        p = li.split(" ", 5)[5]
        seen.add(p)
        if want.get(p) != li:
            bad.append("- %s\n      + %s" % (want.get(p), li))
    if rc == 0 and set(want) - seen:
        bad.append("missing, exit 0: %s" % sorted(set(want) - seen)[:5])
    if rc and not err.strip():
        bad.append("exit %d without a word" % rc)
    return bad


def main():
    ap = argparse.ArgumentParser(usage=__doc__)
    ap.add_argument("dir")
    ap.add_argument("--flips", type=int, default=60)
    ap.add_argument("--seed")
    ap.add_argument("--file", default="", help="flip only in files whose name contains this")
    o = ap.parse_args()
    seed = hf.seed_from(o.seed)
    rng, d = random.Random(seed), os.path.abspath(o.dir)
    w, good, bad = (os.path.join(d, n) for n in ("workspace", "good", "bad"))
    os.makedirs(w)
    ops = Ops(random.Random(seed + 1), [w])
    for i in range(SNAPSHOTS):
        for _ in range(80 if i == 0 else 12):
            ops.one()
        rc, _, err = tool("tool_put", good, w)
        if rc:
            raise SystemExit("tool_put: %s" % err)
    right, failed = dumps(good), 0
    for n in range(o.flips):
        shutil.rmtree(bad, ignore_errors=True)
        shutil.copytree(good, bad)
        files = sorted(os.path.join(b, x) for b, _, names in os.walk(bad) for x in names)
        files = [f for f in files if os.path.getsize(f) and o.file in f]
        f = rng.choice(files)
        at, bit = rng.randrange(os.path.getsize(f)), rng.randrange(8)
        with open(f, "r+b") as x:
            x.seek(at)
            b = x.read(1)[0]
            x.seek(at)
            x.write(bytes([b ^ 1 << bit]))
        faults = []
        for seq, got in dumps(bad).items():
            faults += ["snapshot %d:\n      %s" % (seq, li) for li in wrong(right[seq], got)]
        rc, out, err = tool("tool_get", bad, "verify")
        if rc not in (0, 1, 4) or (f.endswith(".seg") and rc == 0):
            faults.append("verify: exit %d %s" % (rc, err))
        # A writer goes on; what reads right now must read right after it.
        before = {k: g for k, g in dumps(bad).items() if g[:2] == right[k][:2]}
        rc, out, err = tool("tool_put", bad, w)
        if rc not in (0, 4):
            faults.append("tool_put: exit %d %s" % (rc, err))
        after = dumps(bad)
        faults += ["snapshot %d is gone after the next write: %s" % (k, after[k][2]) for k in before
                   if after[k][:2] != right[k][:2]]
        for x in faults[:4]:
            print("FAULT flip %d, %s byte %d bit %d: %s" % (n, os.path.relpath(f, bad), at, bit, x), flush=True)
        failed += bool(faults)
    print("%d flips, %d faults, seed %d" % (o.flips, failed, seed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
