"""detect top in tmux: what it shows, what it does to a training of the test's own, how it leaves."""
import os
import random
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from terminal import begin, check, finish, fits, keys, killed, left, resize, screen, shows, start_at, tmux

build = os.environ.get("BUILD_DIR", os.path.abspath("build"))
d = tempfile.mkdtemp()
begin(d, dict(os.environ, HOME=d, HOLDFAST_STATE=d + "/state", HOLDFAST_AUTOSTART="0", LC_ALL="C.UTF-8", TERM="screen-256color", TZ="UTC",
              ASAN_OPTIONS="log_path=%s/asan" % d))
name = "train_%d.py" % os.getpid()
with open(os.path.join(d, name), "w") as f:
    f.write("import os, signal, sys, time\n"
            "signal.signal(signal.SIGUSR2, lambda *a: open(sys.argv[1], 'w').close())\n"
            "if os.fork() == 0:\n    signal.signal(signal.SIGUSR2, signal.SIG_DFL)\n"
            "keep = bytearray(40 << 20)\nwhile True:\n    time.sleep(0.1)\n")
training = subprocess.Popen([sys.executable, os.path.join(d, name), d + "/asked"], start_new_session=True)


def start(columns=80, rows=24, command="detect top --interval 200ms", **more):
    start_at(columns, rows, "cd %s; %s/%s" % (d, build, command), **more)


def chosen():
    """Is the cursor on our training? Others may run here too."""
    lines = tmux("capture-pane", "-e", "-p", "-t", "t").split("\n")
    return any("\x1b[" in x and "7m" in x and name in x for x in lines)


def choose():
    """Keys are taken in their own time: it counts when it has stayed there for a while."""
    keys("Home")
    for _ in range(200):
        time.sleep(0.05)
        if chosen():
            time.sleep(0.5)
            if chosen():
                return
        keys("j")
    raise AssertionError(screen())


def order(key, question):
    """Asked of ours, and only then answered."""
    for _ in range(20):
        choose()
        keys(key)
        if (name + ", process") in shows("[y/N]"):
            shows("%s %s, process %d" % (question, name, training.pid))
            keys("y")
            return
        keys("n")
    raise AssertionError(screen())


def states():
    out = subprocess.run(["ps", "-o", "stat=", "-g", str(training.pid)], stdout=subprocess.PIPE, text=True).stdout.split()
    return [x[0] for x in out]


def until(what, wanted):
    end = time.time() + 20
    while not what():
        assert time.time() < end, wanted
        time.sleep(0.03)


@check("it shows the risk, graphs, and the training with its worker")
def _():
    start()
    text = shows("detect top   risk ", "memory ", "EDITORS AND TRAININGS", name + ", 2 processes", "f freeze")
    assert all(len(x) <= 80 for x in text.split("\n")), text


@check("frozen and let go on, all of it, and only after a yes")
def _():
    choose()
    keys("f")
    shows("freeze %s, process %d and its workers? [y/N]" % (name, training.pid))
    keys("n")
    shows("nothing was done")
    assert "T" not in states()
    order("f", "freeze")
    until(lambda: states() == ["T", "T"], "both are stopped")
    shows("FROZEN", "frozen; r lets it go on")
    order("r", "let go on")
    until(lambda: "T" not in states(), "both go on")


@check("asked: only the process that listens")
def _():
    order("a", "ask for a checkpoint and less memory:")
    until(lambda: os.path.exists(d + "/asked"), "the handler ran")
    assert len(states()) == 2


@check("folds, help, events, the command line of the gate")
def _():
    choose()
    keys("Enter")
    shows("+ " + name)
    keys("Enter", "?")
    shows("let a frozen one go on")
    keys("q", "e")
    shows("WHAT ENDED")
    keys("q", "g")
    shows("is there room for which command?")
    keys("python3 x.py --n 1", "Enter")
    shows("$ detect gate --no-snapshot -- python3 x.py --n 1", "Enter: back")
    keys("Enter")
    shows("EDITORS AND TRAININGS")
    keys("c")
    shows("$ detect clean --dry-run", "Enter: back")
    keys("Enter")
    shows("EDITORS AND TRAININGS")


@check("sizes: down to 20x5 and up to 200x60, while it runs")
def _():
    for x, y in ((40, 8), (120, 40), (200, 60), (20, 5), (80, 24)):
        resize(x, y)
        fits(x, y, "detect top")
    for _ in range(60):
        resize(random.randint(2, 220), random.randint(1, 70))
    resize(80, 24)
    fits(80, 24, "detect top")


@check("ended, with a line in the ledger; what is gone leaves the list")
def _():
    order("x", "end")
    assert training.wait(60) == -15
    text = open(d + "/state/ledger").read()
    assert "\t%d\t" % training.pid in text and "\tterm\tdetect top\n" in text, text
    until(lambda: name not in screen(), "it left the list")


@check("q, Ctrl-C and SIGTERM leave the terminal as it was")
def _():
    keys("q")
    left(0)
    start()
    shows("EDITORS AND TRAININGS")
    keys("C-c")
    left(130)
    start_at(80, 24, "sh -c 'echo $$ >%s/pid; exec %s/detect top --interval 60s'" % (d, build))
    shows("EDITORS AND TRAININGS")
    os.kill(int(open(d + "/pid").read()), 15)
    left(143)
    killed("detect-top", "EDITORS AND TRAININGS", start)


@check("no terminal: a page and out; a dumb one: numbers; NO_COLOR: none")
def _():
    p = subprocess.run([build + "/detect", "top"], stdout=subprocess.PIPE, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert p.returncode == 0 and "risk " in p.stdout and "EDITORS" in p.stdout and "\x1b" not in p.stdout, p
    p = subprocess.run(["script", "-qec", "env TERM=dumb HOLDFAST_STATE=%s/state %s/detect top" % (d, build), "/dev/null"], input="7\nn\n2\n1\n9\n",
                       stdout=subprocess.PIPE, text=True, timeout=60)
    assert max(len(x.rstrip("\r")) for x in p.stdout.split("\n")) <= 80, p.stdout
    assert "1 again" in p.stdout and "$ detect clean --dry-run" in p.stdout and "none of the processes" in p.stdout, p.stdout
    assert p.returncode == 0 and "\x1b" not in p.stdout, p
    start(NO_COLOR="1")
    shows("EDITORS AND TRAININGS")
    text = tmux("capture-pane", "-e", "-p", "-t", "t")
    assert not re.search("\x1b\\[([0-9]*;)*[34][0-7]m", text), text
    keys("q")
    left(0)


training.kill()
subprocess.run(["pkill", "-9", "-s", str(training.pid)])
finish(d)
