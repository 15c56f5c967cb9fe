"""Real processes in a memory-limited cgroup: limits read back and kept, training taken before the editor, and the
gate over recorded runs of varied size. N=50, SEED (printed)."""
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("BUILD_DIR", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build"))
DETECT = os.path.join(BUILD, "detect")
N = int(os.environ.get("N", "50"))
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
MIB = 1 << 20
BOX = 1024 * MIB
bad = 0


def own_group():
    for line in open("/proc/self/cgroup"):
        _, names, path = line.rstrip("\n").split(":", 2)
        if "memory" in names.split(","):
            return "/sys/fs/cgroup/memory" + path.rstrip("/")
    return None


def skip(why):
    print("skip", why)
    sys.exit(0)


top = own_group()
if os.geteuid() != 0 or not top or not os.access(top, os.W_OK):
    skip("no memory cgroup of version 1 that we may make groups in")
box = "%s/holdfast-box-%d" % (top, os.getpid())
try:
    os.mkdir(box)
except OSError as e:
    skip("cannot make %s: %s" % (box, e))
with open(box + "/memory.limit_in_bytes", "w") as f:
    f.write(str(BOX))
where = tempfile.mkdtemp()
env = dict(os.environ, HOLDFAST_STATE=where + "/state", HOME=where, XDG_DATA_HOME=where + "/data",
           HOLDFAST_NVML="/nowhere")
for name in ("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "HOLDFAST_CONFIG"):
    env.pop(name, None)
os.chdir(where)
with open("train.py", "w") as f:
    f.write("""
import os, sys, time
mib, workers, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
def hold(n):
    b = bytearray(n << 20)
    for i in range(0, len(b), 4096):
        b[i] = 1
    time.sleep(seconds)
    return b
kids = []
for i in range(workers):
    pid = os.fork()
    if pid == 0:
        hold(mib // (workers + 1))
        os._exit(0)
    kids.append(pid)
b = hold(mib // (workers + 1))
bad = [s for s in (os.waitpid(k, 0)[1] for k in kids) if s]
sys.exit(1 if bad else 0)
""")
left = []


def enter():
    with open(box + "/cgroup.procs", "w") as g:
        g.write("0")


def hold_in_box(mib, adj=None):
    """A process of the box that holds so much."""
    code = "import time\nb = bytearray(%d << 20)\nfor i in range(0, len(b), 4096): b[i] = 1\nprint('up', flush=True)\n" \
           "time.sleep(600)" % mib

    def prepare():
        enter()
        if adj is not None:
            with open("/proc/self/oom_score_adj", "w") as g:
                g.write(str(adj))
    p = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, preexec_fn=prepare)
    assert p.stdout.readline() == b"up\n"
    left.append(p)
    return p


def let_go(p):
    p.kill()
    p.wait()
    left.remove(p)


def detect(*words, inside=True):
    return subprocess.run([DETECT, *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, preexec_fn=enter if inside else None, check=False, timeout=120)


def newest():
    return json.loads(detect("runs", "--json", "-n", "1").stdout)


def check(name, ok, more=""):
    global bad
    bad |= not ok
    print("%s %s%s" % ("ok" if ok else "not ok", name, "" if ok else ": %s" % (more,)), flush=True)


def limits():
    p = detect("run", "--need", "1M", "--limit", "100M", "--", "python3", "train.py", "50", "0", "0.3")
    r = newest()
    check("a limit of the kernel's, read back", p.returncode == 0 and r["limit_in_force"] == 100 * MIB, (p, r))
    p = detect("run", "--need", "1M", "--limit", "100M", "--", "python3", "train.py", "240", "3", "5")
    r = newest()
    check("four workers over it together", p.returncode != 0 and r["cause"] == "out-of-memory (cgroup)", (p, r))
    check("none of its groups stays", not [x for x in os.listdir(box) if x.startswith("holdfast-")], os.listdir(box))


def editor_is_spared():
    """Each worker is far smaller than the editor's renderer and its 300 points: without oom_score_adj it would go."""
    for i in range(3):
        editor = hold_in_box(200, adj=300)
        p = detect("run", "--need", "1M", "--", "python3", "train.py", "1200", "7", "5")
        r = newest()
        check("the kernel takes the training, %d" % i, editor.poll() is None and p.returncode != 0 and
              r["cause"] == "out-of-memory (cgroup)", (p, r, editor.poll()))
        let_go(editor)
    editor = hold_in_box(200, adj=300)
    p = subprocess.run([sys.executable, "train.py", "1200", "7", "5"], preexec_fn=enter, check=False)
    check("(bare it takes the editor)" if editor.poll() is not None else "(bare it took the training this time)", True)
    let_go(editor)


def gate_over_recorded_runs():
    rng = random.Random(SEED)
    out = {"allowed": 0, "allowed, ran out": 0, "refused": 0, "refused, 10 % to spare": 0, "refused, really too large": 0}
    worst = 0
    for i in range(N):
        mib, workers, used = rng.randrange(60, 1000), rng.choice((0, 0, 1, 3)), rng.randrange(20, 500)
        words = ["python3", "train.py", str(mib), str(workers), "0.4"]
        p = detect("run", "-q", "--need", "1M", "--", *words, inside=False)      # where there is room: it is recorded
        peak = newest()["peak_bytes"]
        if p.returncode != 0 or not peak:
            check("run %d could be recorded" % i, False, p)
            continue
        other = hold_in_box(used)
        p = detect("gate", "--json", "--", *words)
        a = json.loads(p.stdout)
        assert a["need_from"] == "recorded", a
        q = detect("run", "-q", "--need", "1M", "--force", "--", *words)
        ran_out = q.returncode != 0 or other.poll() is not None
        if a["allowed"]:
            out["allowed"] += 1
            out["allowed, ran out"] += ran_out
            worst = max(worst, a["need"]["ram"] / max(1, a["room"]["ram"]))
        else:
            out["refused"] += 1
            out["refused, really too large"] += ran_out
            if peak * 1.1 <= a["room"]["ram"]:
                out["refused, 10 % to spare"] += 1
                print("# refused: %s peak %d room %d need %d" % (words, peak, a["room"]["ram"], a["need"]["ram"]))
        let_go(other)
    print("# gate over %d recorded runs, seed %d: %s; tightest yes: need %.0f %% of room" % (N, SEED, out, worst * 100))
    check("no launch was allowed that then ran out", out["allowed"] and not out["allowed, ran out"], out)
    check("none was refused that fits with 10 % to spare", out["refused"] and not out["refused, 10 % to spare"], out)


def end():
    for p in list(left):
        let_go(p)
    for _ in range(100):
        try:
            for x in os.listdir(box):
                if os.path.isdir(box + "/" + x):
                    os.rmdir(box + "/" + x)
            os.rmdir(box)
            break
        except OSError:
            time.sleep(0.1)
    subprocess.run(["rm", "-rf", where], check=False)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
try:
    print("# seed", SEED)
    limits()
    editor_is_spared()
    gate_over_recorded_runs()
finally:
    end()
sys.exit(bad)
