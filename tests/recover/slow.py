"""The screens on a terminal that takes 1 KB every 10 ms, in a storm of 500 sizes among keys (tests/slow_tty.py, in tmux): they live, do
not turn in circles, and at the end show what a fresh one shows."""
import os
import random
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, ".."))
from terminal import begin, check, finish, keys, left, process, screen, settled, shows, start_at   # noqa: E402

build = os.environ.get("BUILD_DIR", os.path.abspath("build"))
seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
print("# SEED=%d" % seed, flush=True)
try:
    d = tempfile.mkdtemp(prefix="hf-", dir="/tmp")
except OSError as e:
    print("skip slow terminals: %s" % e)
    sys.exit(0)
NOW = 1795876200 - 20 * 86400
w = d + "/w"
env = dict(os.environ, HOME=d + "/home", XDG_DATA_HOME=d + "/data", HOLDFAST_STATE=d + "/state", HOLDFAST_AUTOSTART="0", LC_ALL="C.UTF-8",
           TERM="screen-256color", HOLDFAST_STORE=d + "/s", TZ="UTC", HOLDFAST_NOW=str(NOW), HOLDFAST_NVML="/nonexistent",
           HOLDFAST_MACHINE=os.path.join(here, "..", "machines", "desktop"))
for p in "home", "data", "state", "w", "w/src":
    os.makedirs(os.path.join(d, p), mode=0o700)
begin(d, env)
for i in range(1, 60):
    with open(w + "/src/train.py", "a") as f:
        f.write("line %d \u4e2d\u6587 of a file that is wide enough to be cut at eighty columns, and wrapped by who does not\n" % i)
    with open(w + "/\u4e2d\u6587 %d.md" % i, "w") as f:
        f.write("%d\n" % i)
    subprocess.run([build + "/tests/tool_snap", w, "step %d \u4e2d\u6587" % i, "manual", str(NOW - 7200 + i * 60)], env=env, stdout=subprocess.DEVNULL, check=True)


def slow(n, ready, command, typed, last):
    start_at(300, 80, "cd %s; KEYS='%s' LAST='%s' python3 %s/../slow_tty.py %d %d '%s' %s" % (d, typed, last, here, seed, n, ready, command))


def settles_as(wanted, seconds=120):
    """Until it shows that."""
    end = time.time() + seconds
    while (text := screen()) != wanted:
        if time.time() > end:
            for a, b in zip(wanted.split("\n"), text.split("\n")):
                if a != b:
                    raise AssertionError("SEED=%d: this row is\n%s\nnot\n%s" % (seed, b, a))
        time.sleep(0.05)


def stands_still(program):
    """It waits for us: of twenty looks it is asleep at most."""
    pid, asleep = process(program), 0
    for _ in range(20):
        with open("/proc/%d/stat" % pid) as f:
            asleep += f.read().rsplit(")", 1)[1].split()[0] == "S"
        time.sleep(0.05)
    assert asleep >= 10, "%s was asleep at %d of 20 looks" % (program, asleep)


def fresh(command, *words):
    start_at(300, 80, "cd %s; %s" % (d, command))
    shows(*words)
    return settled(screen, 10, 0.1)


@check("recover's screen: 500 sizes among keys, read slowly; then all is as in a fresh one")
def _():
    command = "%s/recover -w %s" % (build, w)
    wanted = fresh(command, "step 59", "not running", "Enter open", "A  ")
    slow(500, "step 59", command, r"j k G g \x06 \x02 ?q \rq Dq Rq tq pp || /step\r :", r"g \x0e \x10")
    settles_as(wanted)
    stands_still("recover-screen")
    keys("q")
    left(0)


@check("detect top: the same")
def _():
    command = "%s/detect top --interval 60s" % build
    fresh(command, "EDITORS AND TRAININGS", "none runs")
    slow(500, "EDITORS AND", command, r"j k G \x06 \x02 ?q eq + - \x0c", r"e q")
    end = time.time() + 120
    while True:
        rows = screen().split("\n")
        if all(rows[i].startswith(word) for i, word in ((0, " detect top "), (79, " ? help  q leave"))) and sum("f freeze" in x for x in rows) == 1 \
                and sum("EDITORS AND TRAININGS" in x for x in rows) == 1 and sum("none runs" in x for x in rows) == 1:
            break
        assert time.time() < end, "SEED=%d\n%s" % (seed, "\n".join(rows))
        time.sleep(0.05)
    stands_still("detect-top")
    keys("q")
    left(0)


@check("detect menu: the same")
def _():
    slow(100, "leave", "%s/detect menu" % build, r"frob\r 8\r", r"8\r")
    shows("usage: detect", "9  leave", "\n>", seconds=120)
    keys("9", "Enter")
    left(0)


finish(d)
