"""recover's screen, detect top and detect menu under random keys and sizes, --keys N each (300), and every way a terminal can be lost.
SEED repeats a run. With BUILD_DIR=build-asan under the sanitizers; what they say is shown."""
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, ".."))
from random_keys import Storm, session, storm         # noqa: E402

build = os.environ.get("BUILD_DIR", os.path.abspath("build"))
n_keys = int(sys.argv[sys.argv.index("--keys") + 1]) if "--keys" in sys.argv else 300
seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
print("# SEED=%d" % seed, flush=True)
d = tempfile.mkdtemp()
w = d + "/w"
NOW = 1795876200 - 20 * 86400
says = "log_path=%s/says:abort_on_error=0" % d
env = dict(os.environ, HOME=d + "/home", XDG_DATA_HOME=d + "/data", HOLDFAST_STATE=d + "/state", HOLDFAST_AUTOSTART="0", LC_ALL="C.UTF-8",
           TERM="xterm-256color", TZ="UTC", HOLDFAST_STORE=d + "/s", HOLDFAST_MACHINE=d + "/machine", HOLDFAST_NVML="/nonexistent",
           ASAN_OPTIONS=says, LSAN_OPTIONS="suppressions=%s/curses:print_suppressions=0" % d, UBSAN_OPTIONS=says + ":print_stacktrace=1")
for name in "NO_COLOR", "HOLDFAST_CONFIG", "PAGER", "GIT_PAGER", "LINES", "COLUMNS", "HOLDFAST_NOW":
    env.pop(name, None)
for p in "home", "data", "state", "w", "w/src":
    os.makedirs(os.path.join(d, p), mode=0o700)
shutil.copytree(os.path.join(here, "..", "machines", "desktop"), d + "/machine")
with open(d + "/curses", "w") as f:
    f.write("leak:libtinfo\nleak:libncurses\n")     # what it keeps until the end
HOSTILE = "\x1b]0;title\x07\x1b[99mred \u009b31m \u202e back \u4e2d\u6587 e\u0301 \U0001f600\t|"
bad = 0


def check(name):
    def run(fn):
        global bad
        try:
            fn()
            heard = ""
            for name_ in [x for x in os.listdir(d) if x.startswith("says")]:
                with open(os.path.join(d, name_)) as f:
                    heard += f.read()
                os.unlink(os.path.join(d, name_))
            assert not heard, heard[:4000]
            print("ok", name, flush=True)
        except Exception as e:
            bad += 1
            print("not ok", name, flush=True)
            print("SEED=%d: %s: %s" % (seed, type(e).__name__, e), flush=True)
    return run


def write(path, text):
    with open(os.path.join(w, path), "w") as f:
        f.write(text)


def process(pid, ppid, state, args, mib):
    """One more on the recorded machine; here nobody has such a pid, or it began at another time."""
    p = "%s/machine/proc/%d" % (d, pid)
    os.makedirs(p, exist_ok=True)
    with open(p + "/stat", "w") as f:
        f.write("%d (x) %s %d 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 %d 0 %d 0\n" % (pid, state, ppid, pid * 10, (mib << 20) // 4096))
    with open(p + "/cmdline", "wb") as f:
        f.write(b"\0".join(x.encode("utf-8", "surrogateescape") for x in args) + b"\0")
    os.symlink("/usr/bin/python3.11", p + "/exe")


for i in range(1, 9):
    with open(w + "/src/train.py", "a") as f:
        f.write("".join("line %d of %d %s\n" % (k, i, HOSTILE if k % 7 == 0 else "") for k in range(60)))
    write("src/odd \u4e2d\u6587 \x1b]0;x\x07 %d\n.md" % (i % 3), HOSTILE * i + "\n")
    with open(os.path.join(os.fsencode(w), b"raw \xff\x9b31m\xc3"), "wb") as f:
        f.write(os.urandom(9))
    if i == 6:
        write("src/train.py", "")
    subprocess.run([build + "/tests/tool_snap", w, "step %d \u4e2d\u6587" % i, "manual", str(NOW - 7200 + i * 60)], env=env,
                   stdout=subprocess.DEVNULL, check=True)
process(900001, 1, "R", ["python3", "train.py"], 2048)
process(900002, 900001, "S", ["python3", "train.py"], 512)
process(900003, 1, "T", ["python3", "train_%s.py" % HOSTILE], 100)

MOVES = [x.encode() for x in "jjjjkkgG"] + [b"\r", b"\x1b", b"\x1b[A", b"\x1b[B", b"\x1bOC", b"\x1bOD", b"\x1b[5~", b"\x1b[6~", b"\x1bOH", b"\x1bOF",
                                          b" ", b"\x7f", b"\x0c", b"\x0e", b"\x10", b"\x06", b"\x02", b"\x1bOP", b"\x1b[15~", b"\t",
                                          "\u00e4\u4e2d".encode(), b"\xff", b"\x00", b"/line\r", b"?", b"n", b"N"]
RECOVER = MOVES + [x.encode() for x in "qdwtvhDfFURSpM|L:cmruyyQ%x"] + [b"/step\r", b"/\x1b", b"f*\r", b"Fline\r", b"\x1b[M !!", b"\x1b[M#!!", b"\x1b[M `$",
                                                                    b"\x1b[<0;5;5M", b"m" + "x\u4e2d".encode() + b"\r", b"\x15"]
# Nothing is freed on this machine: no c.
TOP = MOVES + [x.encode() for x in "qfraxKyyeg+-"] + [b"gtrue\r\r", b"\x1bg"]
MENU = [b"1\r", b"3\r", b"4\r", b"5\r", b"7\r", b"8\r", b"q\r", b"9\r", b"\r", b"frob\r", b"2 \r", b"'\r", b"true {epochs}\r", b"3\r0\r", b"\xff\x1b[A\r",
        b"\x03", b"12345678901234567890\r"]


def recover(size, **more):
    return Storm([build + "/recover", "-w", w], dict(env, HOLDFAST_STATE=d + "/none"), w, size, b"\x1b[?1049h", **more)


def top(size, **more):
    return Storm([build + "/detect", "top", "--interval", "200ms"], env, d, size, b"\x1b[?1049h", **more)


def menu(size, **more):
    return Storm([build + "/detect", "menu"], env, d, size, b"> ", **more)


for name, start, keys, codes in (("recover", recover, RECOVER, (0,)), ("detect top", top, TOP, (0,)), ("detect menu", menu, MENU, (0, -2, 130))):
    @check("%s: %d random keys and sizes" % (name, n_keys))
    def _():
        storm(start, keys, n_keys, random.Random(seed), codes)

    @check("%s: the same on a slow terminal" % name)
    def _():
        storm(lambda size: start(size, slow=True), keys, n_keys // 10, random.Random(seed + 1), codes)


def at_question():
    """recover asks on the terminal, the screen waits beside it."""
    run = recover((24, 80))
    run.until(lambda: b"step 1 " in run.seen, "the snapshots")
    write("src/train.py", "broken\n")
    run.type(b"gr")
    run.until(lambda: b"[y/N]" in run.seen, "the question")
    return run


def shown(start, word):
    run = start((24, 80))
    run.until(lambda: word in run.seen, word)
    return run


def prompt():
    run = shown(recover, b"step 8")
    run.type(b"F")
    run.until(lambda: b"find a text" in run.seen, "the prompt")
    return run


PLACES = (("recover", lambda: shown(recover, b"step 8")), ("recover's prompt", prompt), ("recover's question", at_question),
          ("detect top", lambda: shown(top, b"EDITORS")), ("detect menu", lambda: shown(menu, b"> ")))
for name, start in PLACES:
    @check("%s: the terminal is closed: nothing is left of it" % name)
    def _():
        run = start()
        run.hang_up()

    @check("%s: SIGTERM, and the modes are as they were" % name)
    def _():
        run = start()
        os.killpg(run.pid, signal.SIGTERM)
        run.left_right((-15, 143, 1))
        run.close()

    @check("%s: stopped and continued, then it goes on" % name)
    def _():
        run = start()
        for _ in range(3):
            os.killpg(run.pid, signal.SIGSTOP)
            os.killpg(run.pid, signal.SIGCONT)
        os.killpg(run.pid, signal.SIGTERM)
        run.left_right((-15, 143, 1))
        run.close()


shutil.rmtree(d, ignore_errors=True)
sys.exit(1 if bad else 0)
