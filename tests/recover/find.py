"""find --text: how far it is, when the pager starts, what Ctrl-C leaves; and the same in the screen. Each search is held up
by who reads what it found: it cannot be over before the test goes on."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from terminal import begin, check, finish, keys, left, shows, start_at

FILES = 1200
SMALL = 4096        # of a pipe: far less than what is found
build = os.environ.get("BUILD_DIR", os.path.abspath("build"))
d = tempfile.mkdtemp()
w, s, go = d + "/w", d + "/s", d + "/go"
env = dict(os.environ, HOME=d + "/home", XDG_DATA_HOME=d + "/data", HOLDFAST_STATE=d + "/state", HOLDFAST_AUTOSTART="0",
           LC_ALL="C.UTF-8", TERM="screen-256color", HOLDFAST_STORE=s, TZ="UTC")
for name in "GIT_PAGER", "PAGER", "XDG_CONFIG_HOME":
    env.pop(name, None)
for p in "home", "data", "state", "w":
    os.makedirs(os.path.join(d, p), mode=0o700)
for i in range(FILES):
    with open("%s/f%04d" % (w, i), "w") as f:
        f.write("needle %s\n" % ("x" * 150))
subprocess.run([build + "/snapd", "-w", w, "--once", "-q", "-m", "one"], env=env, stdout=subprocess.DEVNULL, check=True)
with open(w + "/f0000", "a") as f:
    f.write("more\n")
subprocess.run([build + "/snapd", "-w", w, "--once", "-q", "-m", "two"], env=env, stdout=subprocess.DEVNULL, check=True)
VERSIONS = FILES + 1


def script(name, text):
    path = os.path.join(d, name)
    with open(path, "w") as f:
        f.write("#!/bin/sh\n" + text)
    os.chmod(path, stat.S_IRWXU)
    return path


class Held:
    """find with a terminal for stderr, and a small pipe for what it finds."""

    def __init__(self, *words):
        self.master, slave = pty.openpty()
        out, into = os.pipe()
        fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, SMALL)
        self.p = subprocess.Popen([build + "/recover", "-w", w, "find", *words], env=env, stdin=subprocess.DEVNULL, stdout=into,
                                  stderr=slave)
        os.close(into)
        os.close(slave)
        self.out = os.fdopen(out, "rb")
        self.said = b""
        self.hearer = threading.Thread(target=self.hear)
        self.hearer.start()
        assert select.select([self.out], [], [], 60)[0], "nothing comes"

    def hear(self):
        try:
            while True:
                self.said += os.read(self.master, 65536)
        except OSError:
            os.close(self.master)

    def end(self):
        lines = self.out.read().decode().splitlines()
        code = self.p.wait(60)
        self.hearer.join(60)
        return code, lines, self.said.decode()


def stopped(text):
    m = re.search(r"stopped: ([\d,]+) of ([\d,]+) versions looked into; ([\d,]+|none) found", text)
    assert m, text
    return [0 if x == "none" else int(x.replace(",", "")) for x in m.groups()]


@check("on a terminal a line says how far it is, and is gone at the end")
def _():
    h = Held("--text", "needle")
    time.sleep(0.6)      # nothing is shown before half a second
    code, lines, said = h.end()
    assert code == 0 and len(lines) == FILES, (code, len(lines), said)
    assert re.search(r"looking into +\d+ %% [\d,]+/%s,%03d versions" % (VERSIONS // 1000, VERSIONS % 1000), said), said
    assert said.endswith("\r\x1b[K"), said[-100:]


@check("with -q there is none")
def _():
    h = Held("-q", "--text", "needle")
    time.sleep(0.6)
    code, lines, said = h.end()
    assert code == 0 and len(lines) == FILES and said == "", (code, len(lines), said)


@check("all is of the files that a pattern names")
def _():
    h = Held("--text", "needle", "f0*")
    h.p.send_signal(signal.SIGINT)
    code, lines, said = h.end()
    looked, of, found = stopped(said)
    assert code == 3 and of == 1001 and found == len(lines) < 1000 and found <= looked < of, (code, len(lines), said)


@check("Ctrl-C: what was found stays printed, a line says how far it looked, exit 3")
def _():
    h = Held("--text", "needle")
    h.p.send_signal(signal.SIGINT)
    code, lines, said = h.end()
    looked, of, found = stopped(said)
    assert code == 3 and of == VERSIONS and 0 < found == len(lines) < FILES, (code, len(lines), said)
    assert found <= looked < of and all(re.search(r"  f\d{4}:1: needle x+$", x) for x in lines), (said, lines[-1])


@check("for programs: how far it is, and that it was stopped")
def _():
    h = Held("--json", "--progress", "--text", "needle")
    h.p.send_signal(signal.SIGINT)
    code, lines, said = h.end()
    rows = [json.loads(x) for x in lines]
    far = [x for x in rows if "looked_into" in x]
    assert code == 3 and far[0]["of"] == VERSIONS and "stopped" not in far[0] and far[-1] == rows[-1], (code, far)
    assert far[-1]["stopped"] is True and far[-1]["found"] == len(rows) - len(far), far[-1]
    p = subprocess.run([build + "/recover", "-w", w, "find", "--json", "--progress", "--text", "needle"], env=env,
                       stdout=subprocess.PIPE, check=True)
    assert json.loads(p.stdout.splitlines()[-1]) == {"looked_into": VERSIONS, "of": VERSIONS, "found": FILES, "stopped": False}
    for words in ["--progress", "f*"], ["--progress", "--text", "x"]:
        assert subprocess.run([build + "/recover", "-w", w, "find", *words], env=env, stderr=subprocess.PIPE).returncode == 2


def on_terminal(pager, *words, until=None):
    """All that the terminal shows, its exit code; Ctrl-C once `until` is shown, then the pager may go on."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(build + "/recover", ["recover", "-w", w, "find", *words], dict(env, PAGER=pager))
    seen = b""
    while True:
        try:
            piece = os.read(fd, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
        if until and until in seen:
            until = None
            os.write(fd, b"\x03")
        if b"^C" in seen and not os.path.exists(go):
            open(go, "w").close()
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode()


@check("nothing found: a line, and no pager")
def _():
    pager = script("pager", "echo '<paged>'; cat\n")
    for words, says in (("--text", "not there"), "not there: no version of any file holds it"), (("nope*",), "no path of any snapshot"):
        code, seen = on_terminal(pager, *words)
        assert code == 1 and "<paged>" not in seen and seen.count("\n") == 1 and says in seen, (code, seen)
    for words in ("--text", "needle"), ("f*",):
        code, seen = on_terminal(pager, *words)
        assert code == 0 and seen.startswith("<paged>") and seen.count("<paged>") == 1, (code, seen[:200])


@check("Ctrl-C while a pager shows the first hits: it shows what was found, and the line")
def _():
    pager = script("waits", "trap '' INT; echo '<paged>'; until [ -e %s ]; do sleep 0.05; done; cat\n" % go)
    code, seen = on_terminal(pager, "--text", "needle", until=b"<paged>")
    looked, of, found = stopped(seen)
    assert code == 3 and of == VERSIONS and 0 < found == seen.count(": needle x") < FILES, (code, found, seen[-300:])
    os.unlink(go)


# ---- the screen: what find prints comes through a pipe that stops after the first lines ----------------------------------

begin(d, env)
program = script("recover", """case "$*" in *--progress*) ;; *) exec %s/recover "$@" ;; esac
f=%s/pipe.$$
mkfifo "$f"
{ n=0; while [ $n -lt 4 ] && IFS= read -r line; do printf '%%s\\n' "$line"; n=$((n + 1)); done
until [ -e %s ]; do sleep 0.05; done; cat; } <"$f" &
exec %s/recover "$@" >"$f" 2>&1
""" % (build, d, go, build))


def search():
    start_at(80, 24, "cd %s; %s/recover-screen --recover %s --workspace %s" % (w, build, program, w))
    shows("two", "1/2")
    keys("F")
    shows("find a text")
    keys("needle", "Enter")
    shows("files that hold or held: needle", "%, Esc stops", "f0000")


def is_stopped():
    """What was found before it stopped has come: more than the first lines, less than all."""
    shows("stopped at")
    open(go, "w").close()
    end = time.time() + 60
    while True:
        n = int(re.search(r"\d/(\d+) stopped at \d+ %", shows("stopped at")).group(1))
        if n > 4:
            break
        assert time.time() < end, "no more rows"
        time.sleep(0.03)
    assert n < FILES, n
    os.unlink(go)


@check("the screen says how far a search by text is, answers keys meanwhile, and Esc stops it")
def _():
    search()
    keys("j")
    shows("2/")
    keys("?")
    shows("first those of the view you came from")
    keys("q")
    shows("Esc stops")
    keys("Escape")
    is_stopped()
    keys("Escape")
    shows("1/2", "two")
    keys("q")
    left(0)


@check("and so does Ctrl-C; another leaves")
def _():
    search()
    keys("C-c")
    is_stopped()
    keys("C-c")
    left(130)


finish(d)
