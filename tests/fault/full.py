#!/usr/bin/env python3
"""Fill a small file system under a store: refusal, then work again once there is room.

    full.py WORKSPACE FILESYSTEM
"""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "oracle"))
import hf                                           # noqa: E402
from treewalk import Options, differences, walk     # noqa: E402

OPT = Options(special=False)


def main(w, fs):
    conf = os.path.join(w, "..", "conf")
    os.makedirs(os.path.join(conf, "holdfast"), exist_ok=True)
    with open(os.path.join(conf, "holdfast", "config"), "w") as f:
        f.write("[store]\n\tfreeFloor = 0\n\tquota = 1G\n")
    h = hf.Holdfast(w, os.path.join(fs, "store"), "200ms", env={"XDG_CONFIG_HOME": conf})
    acked, refused, bad = [], 0, []
    for daemon in (False, True):
        filler = os.path.join(fs, "filler")
        if os.path.exists(filler):
            os.unlink(filler)
        if daemon:
            h.start()
        for n in range(400):
            with open(os.path.join(w, "f%d" % (n % 7)), "wb") as f:
                f.write(os.urandom(60000))
            if n == 20:
                room = os.statvfs(fs)
                with open(filler, "wb") as f:           # nearly full at once
                    f.write(b"x" * max(0, room.f_bavail * room.f_frsize - 300000))
            r = h.once(check=False)
            if r.returncode == 0:
                acked.append((r.stdout.decode().strip(), walk(w, OPT)))
                continue
            refused += 1
            if r.returncode != 4 or r.stdout.strip() or not r.stderr.strip():
                bad.append("exit %d, id %r, %r" % (r.returncode, r.stdout, r.stderr))
            if refused % 3 == 0:
                break
        if daemon and h.proc.poll() is not None:
            bad.append("the daemon ended with %d" % h.proc.returncode)
        # Reading works on the full disk.
        bad += check(h, acked[-3:])
        if os.path.exists(filler):
            os.unlink(filler)
        oid = h.once()
        acked.append((oid, walk(w, OPT)))
        if daemon:
            h.stop()
    bad += check(h, acked)
    r = h.recover("verify", "--all", check=False)
    if r.returncode:
        bad.append("verify: %s" % os.fsdecode(r.stdout + r.stderr))
    for b in bad:
        print("FAULT", b)
    print("%d acknowledged, %d refused, %d faults" % (len(acked), refused, len(bad)))
    return 1 if bad or not refused else 0


def check(h, taken):
    bad, back = [], os.path.join(h.w, "..", "back")
    for oid, want in taken:
        r = h.restore_to(oid, back, check=False)
        if r.returncode:
            bad.append("restore of %s: exit %d: %s" % (oid, r.returncode, os.fsdecode(r.stderr)))
        else:
            bad += differences(want, walk(back, OPT))
    return bad


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])))
