#!/usr/bin/env python3
"""kill -9 of snapd at random moments under load.

    kill.py DIR [--kills N] [--seed S] [--ops-between N]

A noise thread writes below noise/ all the time while random operations go on beside it and
`snapd --once` is asked again and again; every id it printed is recorded with the listing
of that moment (noise/ left out). A timer kills the daemon at a random moment of that. Then: every
recorded id restores exactly, `recover verify --all` and the stranger's reader find nothing.
"""
import argparse
import os
import random
import signal
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "oracle"))
import hf                                           # noqa: E402
from randops import Ops                             # noqa: E402
from treewalk import Options, differences, walk     # noqa: E402

OPT = Options(special=False, skip=["noise"])


class Noise(threading.Thread):
    def __init__(self, root, seed):
        super().__init__(daemon=True)
        self.root, self.rng, self.quit = root, random.Random(seed), False
        os.mkdir(root)

    def run(self):
        n = 0
        while not self.quit:
            n += 1
            p = os.path.join(self.root, "f%d" % self.rng.randint(0, 40))
            if self.rng.random() < 0.2 and os.path.exists(p):
                os.unlink(p)
            else:
                with open(p, "ab" if self.rng.random() < 0.5 else "wb") as f:
                    f.write(self.rng.randbytes(self.rng.randint(0, 20000)))
            time.sleep(self.rng.random() * 0.004)


def main():
    ap = argparse.ArgumentParser(usage=__doc__)
    ap.add_argument("dir")
    ap.add_argument("--kills", type=int, default=25)
    ap.add_argument("--seed")
    ap.add_argument("--ops-between", type=int, default=8)
    ap.add_argument("--within", type=float, default=0.25, help="a daemon lives up to so many seconds")
    ap.add_argument("--without", default="", help="operations to leave out, with commas")
    o = ap.parse_args()
    d = os.path.abspath(o.dir)
    w = os.path.join(d, "workspace")
    os.makedirs(w)
    seed = hf.seed_from(o.seed)
    rng = random.Random(seed)
    ops = Ops(random.Random(seed + 1), [w], o.without)
    h = hf.Holdfast(w, os.path.join(d, "store"), "100ms")
    for _ in range(150):
        ops.one()
    noise = Noise(os.path.join(w, "noise"), seed + 2)
    noise.start()
    acked, kills, failed, refused = [], 0, 0, 0
    while kills < o.kills:
        h.start(wait=rng.random() < 0.8)        # some die while they start
        proc = h.proc
        timer = threading.Timer(rng.random() * o.within, lambda p=proc: p.send_signal(signal.SIGKILL))
        timer.start()
        while proc.poll() is None:
            for _ in range(rng.randint(1, o.ops_between)):
                ops.one()
            want = walk(w, OPT)
            p = h.once(check=False)
            if p.returncode == 0:
                acked.append((p.stdout.decode().strip(), want))
            elif p.returncode not in (1, 3, 4):
                failed += 1
                print("FAULT: --once exit %d: %s" % (p.returncode, os.fsdecode(p.stderr)))
            else:
                refused += 1
        timer.join()
        h.proc = None
        kills += 1
        if acked:
            failed += compare(h, d, *acked[-1])
    noise.quit = True
    noise.join()
    # Restart after the last kill: what the writer cuts must not be acknowledged.
    h.start()
    final = walk(w, OPT)
    acked.append((h.once(), final))
    h.stop()
    for oid, want in acked:
        failed += compare(h, d, oid, want)
    for who, p in (("recover verify", h.recover("verify", "--all", check=False)),
                   ("reader check", h.hfread("check", check=False))):
        if p.returncode:
            failed += 1
            print("FAULT: %s: exit %d: %s" % (who, p.returncode, os.fsdecode(p.stdout + p.stderr)))
    print("%d kills, %d acknowledged, %d not, %d faults, seed %d" % (kills, len(acked), refused, failed, seed))
    return 1 if failed else 0


def compare(h, d, oid, want):
    back = os.path.join(d, "back")
    try:
        h.restore_to(oid, back)
        diff = differences(want, walk(back, OPT))
    except hf.Failed as e:
        diff = [str(e)]
    if diff:
        print("FAULT: acknowledged %s (- was, + restored)\n    %s" % (oid, "\n    ".join(diff[:20])), flush=True)
    return 1 if diff else 0


if __name__ == "__main__":
    sys.exit(main())
