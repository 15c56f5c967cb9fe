"""Every page of detect top and detect menu at 80x24, 120x40 and 200x60, as it was agreed to look: tests/golden/detect/. Time, size, locale,
machine (tests/machines/desktop with processes of ours), the monitor's samples and the journal are pinned. UPDATE=1 writes them anew: look
at them before you commit."""
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, ".."))
sys.path.insert(0, here)
from put_fact import line                                                            # noqa: E402
from terminal import begin, check, finish, is_golden, keys, keys_do, left, screen, shows, start_at, tmux   # noqa: E402

build = os.environ.get("BUILD_DIR", os.path.abspath("build"))
golden = os.path.join(here, "..", "golden", "detect")
try:
    d = tempfile.mkdtemp(prefix="hf-", dir="/tmp")
except OSError as e:
    print("skip golden screens: %s" % e)
    sys.exit(0)
NOW = 1795876200 - 20 * 86400   # 2026-11-08 14:30:00 UTC
TOTAL = 16303428                # kB, of the recorded machine: no multiple of 64
env = dict(os.environ, HOME=d + "/home", HOLDFAST_STATE=d + "/state", HOLDFAST_AUTOSTART="0", LC_ALL="C.UTF-8", TERM="screen-256color", TZ="UTC",
           HOLDFAST_NOW=str(NOW), HOLDFAST_MACHINE=d + "/machine", HOLDFAST_NVML="/nonexistent", XDG_DATA_HOME=d + "/data")
for p in "home", "state", "data":
    os.makedirs(os.path.join(d, p), mode=0o700)
shutil.copytree(os.path.join(here, "..", "machines", "desktop"), d + "/machine")
begin(d, env)


def memory(used_percent, swap_free=7340028):
    with open(d + "/machine/proc/meminfo", "w") as f:
        f.write("MemTotal: %d kB\nMemFree: 203316 kB\nMemAvailable: %d kB\nSwapTotal: 8388604 kB\nSwapFree: %d kB\n"
                % (TOTAL, TOTAL * (100 - used_percent) // 100, swap_free))


def process(pid, ppid, state, exe, args, mib):
    p = "%s/machine/proc/%d" % (d, pid)
    os.makedirs(p, exist_ok=True)
    with open(p + "/stat", "w") as f:
        f.write("%d (x) %s %d 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 %d 0 %d 0\n"
                % (pid, state, ppid, pid * 10, (mib << 20) // os.sysconf("SC_PAGESIZE")))
    with open(p + "/cmdline", "wb") as f:
        f.write(b"\0".join(x.encode("utf-8", "surrogateescape") for x in args) + b"\0")
    if not os.path.islink(p + "/exe"):
        os.symlink(exe, p + "/exe")


CODE, PYTHON = "/usr/share/code/code", "/usr/bin/python3.11"
process(100, 1, "S", CODE, [CODE], 300)
process(110, 100, "S", CODE, [CODE, "--type=renderer"], 700)
process(120, 100, "S", CODE, [CODE, "--type=gpu-process"], 100)
process(200, 1, "R", PYTHON, ["python3", "train.py"], 2048)
for pid in 210, 220:
    process(pid, 200, "S", PYTHON, ["python3", "train.py"], 512)
process(300, 1, "T", PYTHON, ["python3", "train_\x1b[31m\u4e2d\u6587.py"], 100)


def samples(used_percent, swap_free=7340028):
    """What the monitor noted before: always the same, so that another look changes nothing."""
    def seal(body, magic):
        body += magic
        h = 2166136261
        for c in body:
            h = ((h ^ c) * 16777619) & 0xffffffff
        return body + struct.pack("<I", h)
    n, unit, none = 120, 64, 0xffffffff
    with open(d + "/state/samples", "wb") as f:
        f.write(seal(struct.pack("<Q36sB11x", n + 1, b"0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", 1), b"HFh1"))
        for seq in range(1, 8192):
            if seq > n:
                f.write(b"\0" * 64)
                continue
            f.seek((1 + seq % 8191) * 64)
            f.write(seal(struct.pack("<QQ8IHHBBBB", seq, (NOW - (n - seq) * 10) * 1000, TOTAL // unit,
                                     TOTAL * (100 - used_percent) // 100 // unit, 8388604 // unit, swap_free // unit, none, none, none, none,
                                     17, 2500, 0, 0, 0, 0), b"HFs1"))


def fact(**fields):
    with open(d + "/state/spool", "ab") as f:
        f.write(("\n%s\n" % line(fields)).encode())


fact(kind="risk", id="r" * 32, real=(NOW - 25) * 1000, was=1, risk=2, reasons="memory: 93 % in use")
for i, role in enumerate(("main", "renderer")):
    fact(kind="exit", id="crash%d" % i + "0" * 26, real=(NOW - 10 - i) * 1000, role=role, of_kind="editor", family="VSCode", pid=4711 + i, start=5,
         ppid=1, comm="code", status="signaled", signal=9, oom0=0, oom1=1, argv="code", cwd="/home/me/project",
         **{"m.real": (NOW - 10) * 1000, "m.total": 16 << 30, "m.available": 1 << 28, "m.mem_total": 16 << 30, "m.mem_available": 1 << 28})
subprocess.run([build + "/detect-core", "judge", "--once"], env={k: v for k, v in env.items() if k != "HOLDFAST_NOW"}, stderr=subprocess.DEVNULL,
               check=True, timeout=60)


def plain():
    return screen().replace(d, "/tmp/hf-golden00"[:len(d)])


def page(name, columns, rows):
    is_golden(golden, "%s-%dx%d" % (name, columns, rows), plain)


for columns, rows in (80, 24), (120, 40), (200, 60):
    size = "%dx%d" % (columns, rows)

    @check("top, calm and critical, folded, its events, help, question and answers, %s" % size)
    def _():
        memory(45)
        samples(45)
        start_at(columns, rows, "cd %s; %s/detect top" % (d, build))
        shows("EDITORS AND TRAININGS")
        keys("C-l")         # another look: then growth is known
        page("top", columns, rows)
        keys("Enter")
        shows("+ train.py")
        page("top-folded", columns, rows)
        keys("Enter")
        shows("  210 ")
        for key, word, name in (("e", "WHAT ENDED", "top-events"), ("?", " keys", "top-help")):
            keys(key)
            shows(word)
            page(name, columns, rows)
            keys("q")
            shows("EDITORS AND TRAININGS")
        keys("f")
        shows("[y/N]")
        page("top-question", columns, rows)
        keys("n")
        shows("nothing was done")
        keys("f", "y")      # on this machine there is no such process, or it is another
        shows("process 200 is gone")
        keys("a")
        shows("does not listen")
        keys("G", "x")
        shows("end ", "process 300", "[y/N]")
        page("top-end", columns, rows)
        keys("n", "Home", "j", "j", "j", "f")
        shows("an editor: nothing is done to it from here")
        page("top-editor", columns, rows)
        keys("g")
        shows("is there room for which command?")
        page("top-gate", columns, rows)
        keys("Escape", "q")
        left(0)

    @check("top under pressure, %s" % size)
    def _():
        memory(93, 400000)
        samples(93, 400000)
        start_at(columns, rows, "cd %s; %s/detect top" % (d, build))
        shows("EDITORS AND TRAININGS")
        keys("C-l")
        page("top-critical", columns, rows)
        keys("q")
        left(0)

    for used, name in (45, "excellent"), (65, "good"), (75, "caution"), (85, "critical"):
        @check("menu, %s, %s" % (name, size))
        def _():
            memory(used)
            samples(used)
            start_at(columns, rows, "cd %s; %s/detect menu" % (d, build))
            shows("\n>\n")
            page("menu-" + name, columns, rows)
            keys("q", "Enter")
            left(0)

    @check("menu: what is typed wrong, a conservative training, the report, cleaning, the help, %s" % size)
    def _():
        memory(65)
        samples(65)

        def fresh():
            start_at(columns, rows, "cd %s; %s/detect menu" % (d, build))
            shows("\n>\n")

        def answer(*words):
            for word, then in words:
                keys("-l", word)
                keys("Enter")
                shows(then)
        fresh()
        answer(("frob", "a number from 1 to 9"))
        page("menu-wrong", columns, rows)
        fresh()
        answer(("4", "epochs ["), ("x", "x: not a number"))
        page("menu-epochs", columns, rows)
        fresh()
        answer(("4", "epochs ["), ("3", "validation batches ["), ("", "command (like"), ("sh 'x", "a quote is not closed"))
        page("menu-quote", columns, rows)
        answer(("q", "\n>\n"))
        keys("9", "Enter")
        left(0)


# ---- the keys of the help, one by one ----

def row():
    """The row at the cursor of top's list."""
    lines = tmux("capture-pane", "-e", "-p", "-t", "t").split("\n")[1:-2]
    return next((x for x in lines if "\x1b[" in x and "7m" in x), "")


def until(what):
    end = time.time() + 60
    while not what():
        assert time.time() < end, "at %r of\n%s" % (row(), screen())
        time.sleep(0.03)


TMUX = {"PgDn": "NPage", "PgUp": "PPage", "Esc": "Escape", "Backspace": "BSpace"}


def press(name):
    keys(TMUX.get(name, "C-" + name[5:].lower() if name.startswith("Ctrl-") else name))


def fresh():
    start_at(80, 24, "cd %s; sh -c 'set -m; %s/detect top; r=$?; case $r in 14[78]) echo suspended; sleep 1; fg; r=$?;; esac; exit $r'" % (d, build))
    shows("EDITORS AND TRAININGS", "train.py, 3 processes")


def at(key, first, then):
    """From the row with `first`, the key leads to the one with `then`."""
    keys("Home")
    until(lambda: "  200 " in row())
    for _ in range(10):
        if first in row():
            break
        keys("j")
        time.sleep(0.3)
    until(lambda: first in row())
    press(key)
    until(lambda: then in row())


def asks(key, what, pid="  200 "):
    at("Home", pid, "  200 ")
    press(key)
    shows(what)
    keys("n")
    shows("nothing was done" if "[y/N]" in what else "f freeze")


def leaves(key, code):
    press(key)
    left(code)
    fresh()


def from_both(key):
    for page_key, word in ("?", " keys   "), ("e", "WHAT ENDED"):
        keys(page_key)
        shows(word)
        press(key)
        shows("EDITORS AND TRAININGS", "f freeze")


def command(key, first, shown):
    press(key)
    if first:
        shows(first)
        keys("true", "Enter")
    shows(shown, "Enter: back")
    keys("Enter")
    if not first:
        shows("[y/N]")
        keys("n")
    shows("EDITORS AND TRAININGS")


def says(key, words):
    press(key)
    shows(words)


def opens(key, words):
    press(key)
    shows(words)
    keys("q")
    shows("EDITORS AND TRAININGS")


def folds(key):
    at("Home", "  200 ", "  200 ")
    press(key)
    shows("+ train.py")
    press(key)
    shows("  210 ")


def anew(key):
    """What came from elsewhere goes."""
    tty = tmux("display-message", "-p", "-t", "t", "#{pane_tty}").strip()
    with open(tty, "w") as f:
        f.write("\x1b[15;20HRUBBISH")
    shows("RUBBISH")
    press(key)
    until(lambda: "RUBBISH" not in screen())


def suspends(key):
    press(key)
    shows("suspended")
    shows("EDITORS AND TRAININGS", "f freeze")


DOES = {
    "freeze the training": lambda k: asks(k, "freeze train.py, process 200 and its workers? [y/N]"),
    "let a frozen one go on": lambda k: asks(k, "let go on train.py, process 200 and its workers? [y/N]"),
    "ask it for a checkpoint": lambda k: says(k, "does not listen to SIGUSR2"),
    "end it: SIGTERM": lambda k: asks(k, "end train.py, process 200 and its workers? [y/N]"),
    "kill it: SIGKILL": lambda k: asks(k, "KILL, nothing more is saved: train.py, process 200 and its workers? [y/N]"),
    "detect clean": lambda k: command(k, None, "$ detect clean --dry-run"),
    "is there room": lambda k: command(k, "is there room for which command?", "$ detect gate --no-snapshot -- true"),
    "what ended, and why": lambda k: opens(k, "WHAT ENDED, AND WHY"),
    "this help": lambda k: opens(k, " keys   "),
    "leave": lambda k: leaves(k, 130 if k == "Ctrl-C" else 0),
    "from help and events: back": from_both,
    "fold the editor": folds,
    "down": lambda k: at(k, "  200 ", "  210 "),
    "up": lambda k: at(k, "  210 ", "  200 "),
    "half a screen down": lambda k: at(k, "  200 ", "  300 "),
    "half a screen up": lambda k: at(k, "  300 ", "  200 "),
    "to the first": lambda k: at(k, "  210 ", "  200 "),
    "to the last": lambda k: at(k, "  210 ", "  300 "),
    "look less often": lambda k: says(k, "a look every 2.0 s"),
    "look more often": lambda k: (keys("+"), shows("a look every 2.0 s"), says(k, "a look every 1.0 s")),
    "look now, draw anew": anew,
    "suspend": suspends,
}


@check("every key of top's help does what it says there")
def _():
    memory(45)
    samples(45)
    fresh()
    keys("?")
    text = shows(" keys   ", "Ctrl-Z")
    table = [re.match(" (.{26}) (.*)", x).groups() for x in text.split("\n")[1:23]]
    keys("q")
    shows("EDITORS AND TRAININGS")
    keys_do(table, DOES, lambda what: fresh() if what in ("look less often", "look more often") else None)
    keys("C-t")
    shows("? shows all keys")
    keys("q")
    left(0)


finish(d)
