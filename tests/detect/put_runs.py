"""Records of runs, as `detect run` leaves them: put_runs.py STATE N [WORD]. WORD goes into commands and ends. The same N gives the
same runs but for the time: the last began an hour ago."""
import os
import random
import sys
import time

state, n = sys.argv[1], int(sys.argv[2])
word = sys.argv[3] if len(sys.argv) > 3 else ""
rng = random.Random(n)
TIERS = [("ultra-light", 2.5, 2.2), ("low", 4.4, 4.1), ("standard", 9.3, 8.6), ("high", 19.5, 17.2), ("cpu", 7.1, 0)]
now = int(time.time() * 1000) - 3600 * 1000


def field(s):
    return s.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


os.makedirs(state + "/runs", mode=0o700, exist_ok=True)
for i in range(n):
    tier, ram, gpu = rng.choice(TIERS)
    end = rng.choice(["ok"] * 6 + ["oom", "oom", "fail", "kill", "lost"])
    began = now - (n - i) * 5 * 3600 * 1000 + rng.randrange(3600 * 1000)
    took = rng.randrange(30, 4 * 3600) * 1000
    ram = int(ram * rng.uniform(0.6, 1.05) * 2**30) if rng.random() < 0.95 else 0
    lines = {"state": "running" if end == "lost" else "ended", "command": "python3 train.py --config config/%s.json --lr 3e-%d %s"
             % (tier, rng.randrange(1, 5), word), "cwd": "/home/me/project-%d" % rng.randrange(3), "tier": tier, "began_ms": began,
             "ended_ms": began + took, "peak.ram": ram, "peak.gpu": int(gpu * rng.uniform(0.5, 1) * 2**30), "attempt": 1,
             "pid": 0, "super": 0, "code": {"ok": 0, "fail": 1}.get(end, -1), "signal": 9 if end in ("oom", "kill") else -1}
    if end == "oom":
        lines.update(cause="out-of-memory (cgroup)", how="its limit of 12 GiB was reached, the kernel ended it %s" % word)
    elif end == "fail":
        lines.update(cause="failed", how="exit code 1")
    elif end == "kill":
        lines.update(cause="killed", how="signal 9 from somebody")
    if i % 7 == 3:
        del lines["tier"]
    folder = "%s/runs/%08x" % (state, rng.randrange(1 << 32))
    os.mkdir(folder, 0o700)
    with open(folder + "/run", "w", encoding="utf-8", errors="surrogateescape") as f:
        f.write("".join("%s\t%s\n" % (k, field(str(v))) for k, v in lines.items()))
    os.utime(folder, ns=(began * 1000000, began * 1000000))
