#!/usr/bin/env python3
"""settings.py DIR: a program that reads settings, once for every third of its allocations, which fails; ALL=1 for each."""
import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "oracle"))
import hf                                           # noqa: E402

PRELOAD = os.environ.get("FAULT_PRELOAD") or os.path.join(hf.BUILD, "tests", "preload_fault.so")
SETTINGS = """[store]
\tquota = 1G
\tquta = 1
[snapshot]
\tinclude = "a b" # of it
\tinclude = c
[alias "x"]
\ty
"""


def main(d):
    config, log, w = d + "/config", d + "/calls", d + "/workspace"
    os.makedirs(w)
    for name in (config, w + "/.holdfast"):
        with open(name, "w") as f:
            f.write(SETTINGS)
    env = dict(os.environ, HOLDFAST_CONFIG=config, HOLDFAST_AUTOSTART="0", LD_PRELOAD=PRELOAD, FAULT_CALLS="malloc",
               FAULT_ERR="ENOMEM", FAULT_PATH="", FAULT_LOG=log)
    argv = [hf.program("recover"), "--workspace", w, "--store", d + "/store", "list"]

    def run(at):
        open(log, "w").close()
        p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                           env=dict(env, FAULT_AT=str(at)), timeout=120)
        return p.returncode, p.stderr, os.path.getsize(log)

    n, bad, codes, step = run(0)[2], 0, {}, 1 if os.environ.get("ALL") else 3
    for at in range(1 + hf.seed_from(os.environ.get("SEED")) % step, n + 1, step):
        rc, said, _ = run(at)
        codes[rc] = codes.get(rc, 0) + 1
        if rc not in (1, 4, 127) or not said:       # 127: the loader had no memory
            bad += 1
            print("allocation %d of %d: exit %d: %s" % (at, n, rc, os.fsdecode(said)))
    print("%s settings without memory: %d allocations, exits %s" % ("not ok" if bad else "ok", n, codes))
    return 1 if bad or n < 500 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
