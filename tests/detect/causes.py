"""Real programs end in known ways; the journal must name each cause or say that it does not know. See tests/real_causes.sh."""
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("BUILD_DIR", os.path.join(os.path.dirname(__file__), "..", "..", "build"))
RUNS = int(os.environ.get("RUNS", "20"))
ONLY = os.environ.get("CASES", "").split()
ROOT = os.geteuid() == 0
NOBODY = 65534
bad = 0

PROGRAM = r'''
import multiprocessing, os, signal, sys, time
def grow():
    hold = []
    while True:
        hold.append(bytearray(os.urandom(1 << 16)) * 16)
def loader(i):
    while True:
        if i == 0:
            grow()
        time.sleep(1)
what = sys.argv[1]
sys.stdout.write("up\n"); sys.stdout.flush()
if what == "workers":
    sys.stdin.readline()
    multiprocessing.set_start_method("fork")
    all = [multiprocessing.Process(target=loader, args=(i,)) for i in range(4)]
    for p in all:
        p.start()
    sys.stdout.write(" ".join(str(p.pid) for p in all) + "\n"); sys.stdout.flush()
    while all[0].is_alive():
        time.sleep(0.05)
    for p in all[1:]:
        p.terminate()
        p.join()
    sys.exit("RuntimeError: DataLoader worker (pid %d) is killed by signal: %d." % (all[0].pid, -all[0].exitcode))
sys.stdin.readline()
if what == "grow":
    grow()
if what.startswith("exit"):
    os._exit(int(what[4:]))
if what.startswith("sig"):
    os.kill(os.getpid(), int(what[3:]))
time.sleep(3600)
'''

ENTRY = r'''
// As code-server: the parent ends with 0 whatever its child died of.
const { spawn } = require("child_process");
const child = spawn(process.execPath, [__dirname + "/entry"], { stdio: "inherit" });
child.on("exit", () => process.exit(0));
process.on("SIGTERM", () => { child.kill(); process.exit(0); });
'''
CHILD = r'''
const { spawn } = require("child_process");
const fork = require("path").resolve(__dirname, "../../lib/vscode/out/bootstrap-fork");
const host = spawn(process.execPath, ["--dns-result-order=ipv4first", fork, "--type=extensionHost", "--transformURIs"],
	{ stdio: ["ignore", "ignore", "ignore"] });
console.log(process.pid + " " + host.pid);
const parent = process.ppid;
setInterval(() => { if (process.ppid !== parent) process.exit(0); }, 5000);	// serves on for a while
'''
HOST = r'''
const parent = process.ppid;
setInterval(() => { try { process.kill(parent, 0); if (process.ppid !== parent) process.exit(0); } catch (e) { process.exit(0); } }, 200);
'''


def say(word, text):
    global bad
    if word == "not ok":
        bad = 1
    print(word, text, flush=True)


class Box:
    """A monitor with a state, a home and programs of its own, all of an ordinary user."""

    def __init__(self):
        self.started = []
        # Of an ordinary user, where the folder of the tests is root's alone.
        self.d = tempfile.mkdtemp(prefix="holdfast-causes-", dir="/tmp" if ROOT else None)
        self.bin = os.path.join(self.d, "bin")
        self.home = os.path.join(self.d, "home")
        self.state = os.path.join(self.d, "state")
        for p in (self.bin, self.home, self.state, os.path.join(self.home, ".config", "holdfast")):
            os.makedirs(p, mode=0o700)
        for p in ("detect-core", "detect-watch", "detect"):
            shutil.copy(os.path.join(BUILD, p), self.bin)
        self.guard_log = os.path.join(self.d, "earlyoom.log")
        with open(os.path.join(self.home, ".config", "holdfast", "config"), "w") as f:
            f.write("[detect]\n\teditor = chromium\n\tguardLog = %s\n\tnotify = false\n\tterminal = false\n" % self.guard_log)
        with open(os.path.join(self.d, "train.py"), "w") as f:
            f.write(PROGRAM)
        for path, text in (("code-server/out/node/entry.js", ENTRY), ("code-server/out/node/entry", CHILD),
                           ("code-server/lib/vscode/out/bootstrap-fork", HOST)):
            path = os.path.join(self.d, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as f:
                f.write(text)
        if ROOT:
            for where, dirs, files in os.walk(self.d):
                for name in ["."] + files:
                    os.chown(os.path.join(where, name), NOBODY, NOBODY)
        self.env = dict(os.environ, HOME=self.home, TMPDIR=self.d, HOLDFAST_STATE=self.state, LC_ALL="C.UTF-8", HOLDFAST_AUTOSTART="0")
        for name in ("HOLDFAST_CONFIG", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"):
            self.env.pop(name, None)
        self.python = os.path.realpath("/usr/bin/python3")
        self.start()

    def user(self, cgroup=None):
        def now():
            if cgroup:
                with open(os.path.join(cgroup, "cgroup.procs"), "w") as f:
                    f.write(str(os.getpid()))
            os.chdir(self.d)
            if ROOT:
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
        return now

    def popen(self, argv, cgroup=None, **more):
        p = subprocess.Popen(argv, env=self.env, preexec_fn=self.user(cgroup), start_new_session=True, **more)
        self.started.append(p)
        return p

    def start(self):
        self.monitor = self.popen([os.path.join(self.bin, "detect-core"), "watch"], stderr=subprocess.DEVNULL)
        for _ in range(2000):
            try:
                self.ask("status")
                return
            except OSError:
                time.sleep(0.01)
        raise SystemExit("the monitor does not answer")

    def ask(self, req):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(20)
        with s:
            if ROOT:		# it answers its own user only
                os.seteuid(NOBODY)
            try:
                s.connect(os.path.join(self.state, "detect"))
            finally:
                if ROOT:
                    os.seteuid(0)
            s.sendall(req.encode() + b"\n")
            got = b""
            while True:
                k = s.recv(65536)
                if not k:
                    return got.decode("utf-8", "replace")
                got += k

    def status(self):
        return json.loads(self.ask("status").split("\n", 1)[1])

    def rows(self):
        """Of the journal, by pid; only those whose verdict is final."""
        try:
            db = sqlite3.connect("file:%s/journal.db?mode=ro" % self.state, uri=True, timeout=20)
            with db:
                return [dict(zip(("pid", "kind", "cause", "final", "text", "evidence", "confidence", "id", "time"), r)) for r in db.execute(
                    "SELECT pid, kind, cause, fact IS NULL, text, evidence, confidence, id, time FROM event")]
        except sqlite3.OperationalError:
            return []

    def is_there(self, pid):
        try:
            db = sqlite3.connect("file:%s/journal.db?mode=ro" % self.state, uri=True, timeout=20)
            return db.execute("SELECT count(*) FROM event WHERE pid=? AND kind=0", (pid,)).fetchone()[0] > 0
        except sqlite3.OperationalError:
            return False

    def close(self):
        for p in self.started:		# each leads a session of its own
            if p.poll() is None:
                os.killpg(p.pid, signal.SIGKILL)
                p.wait()
        shutil.rmtree(self.d, ignore_errors=True)


class Noted(dict):
    """Knows when each was put in: a number is given again in a long run, to another program."""

    def __init__(self):
        super().__init__()
        self.when = {}

    def __setitem__(self, key, value):
        self.when[key] = time.time()
        super().__setitem__(key, value)


class Case:
    def __init__(self, name):
        self.name = name
        self.wanted = Noted()		# pid -> the causes that are right


def train(box, what, **more):
    p = box.popen([box.python, "train.py", what], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **more)
    p.stdout.readline()
    # Not by their number: this user may have trainings of another's besides.
    until_true(lambda: p.pid in roles(box))
    return p


def go(p):
    p.stdin.write(b"\n")
    p.stdin.flush()


latency = []


def simple(box, name, what, causes, sig=None):
    c = Case(name)
    for _ in range(RUNS):
        p = train(box, what)
        c.wanted[p.pid] = causes
        if sig:
            os.kill(p.pid, sig)
        else:
            go(p)
        p.wait()
        died = time.time()
        while not box.is_there(p.pid) and time.time() < died + 10:
            time.sleep(0.002)
        latency.append(time.time() - died)
    return c


def own_cgroup():
    """A memory cgroup below our own, version 1 or 2; None."""
    if not ROOT:
        return None
    with open("/proc/self/cgroup") as f:
        for line in f:
            n, names, path = line.rstrip("\n").split(":", 2)
            top = "/sys/fs/cgroup/memory" if "memory" in names.split(",") else "/sys/fs/cgroup" if n == "0" else None
            if not top or not os.path.isdir(top + path):
                continue
            g = os.path.join(top + path, "holdfast-causes-%d" % os.getpid())
            try:
                os.mkdir(g)
            except OSError:
                continue
            for name in ("memory.limit_in_bytes", "memory.max"):
                if os.path.exists(os.path.join(g, name)):
                    with open(os.path.join(g, name), "w") as w:
                        w.write(str(96 << 20))
                    return g
            os.rmdir(g)
    return None


def oom(box):
    g = own_cgroup()
    if not g:
        say("skip", "cgroup OOM: no memory cgroup can be made here")
        return []
    c, w, r = Case("cgroup OOM"), Case("worker OOM-killed"), Case("... its run")
    for _ in range(RUNS):
        p = train(box, "grow", cgroup=g)
        c.wanted[p.pid] = {"out-of-memory (cgroup)"}
        go(p)
        p.wait()
    for _ in range(RUNS):
        p = train(box, "workers", cgroup=g)
        go(p)
        pids = [int(x) for x in p.stdout.readline().split()]
        w.wanted[pids[0]] = {"out-of-memory (cgroup)"}
        r.wanted[p.pid] = {"out-of-memory (cgroup)"}
        p.wait()
    k = near(box, g)
    for _ in range(100):
        try:
            os.rmdir(g)
            break
        except OSError:
            time.sleep(0.1)
    return [c, w, r, k]


def near(box, g):
    """A kill -9 by hand, in a group that has just lost another to its limit: a training (told at once), or a program that
    nobody watches (seen at the next reading, a second later at most)."""
    c = Case("kill -9 after another's OOM")
    for i in range(RUNS):
        p = train(box, "wait", cgroup=g)
        c.wanted[p.pid] = {"killed"}
        if i % 2:
            q = train(box, "grow", cgroup=g)
            go(q)
            q.wait()
            until_true(lambda: box.is_there(q.pid), 10)
        else:
            hog = box.popen([box.python, "-c", "a = bytearray(400 << 20)"], cgroup=g, stderr=subprocess.DEVNULL)
            hog.wait()
            time.sleep(1.3)
        os.kill(p.pid, signal.SIGKILL)
        p.wait()
    return c


def guard(box):
    earlyoom = shutil.which("earlyoom")
    if not earlyoom or not ROOT:
        say("skip", "earlyoom: not installed, or no user of our own to let it loose on")
        return []
    c = Case("earlyoom")
    # At 99 % every moment is too late; as an ordinary user it can reach only what is ours, and the victim stands first.
    with open(box.guard_log, "wb") as log:
        for _ in range(RUNS):
            p = train(box, "wait")
            c.wanted[p.pid] = {"out-of-memory (guard)"}
            with open("/proc/%d/oom_score_adj" % p.pid, "w") as f:
                f.write("1000")
            e = box.popen([earlyoom, "-m", "99,1", "-s", "100,1", "-r", "0"], stdout=log, stderr=log)
            try:
                p.wait(30)
            except subprocess.TimeoutExpired:
                p.kill()
                del c.wanted[p.pid]
            e.kill()
            e.wait()
            box.rows()
    if len(c.wanted) < RUNS:
        say("skip", "earlyoom did not act in %d runs" % (RUNS - len(c.wanted)))
    return [c]


def children(pid):
    out = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], stdout=subprocess.PIPE, text=True).stdout
    table = [(int(a), int(b), c) for a, b, c in (x.split(None, 2) for x in out.splitlines() if len(x.split(None, 2)) == 3)]
    found = {pid}
    while True:
        more = {a for a, b, _ in table if b in found} - found
        if not more:
            return [(a, c) for a, b, c in table if a in found]
        found |= more


def browser(box):
    exe = "/usr/lib/chromium/chromium"
    if not os.path.exists(exe):
        say("skip", "renderer killed: no chromium")
        return []
    k, q = Case("renderer killed"), Case("main quit")
    for i in range(RUNS):
        p = box.popen([exe, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                       "--user-data-dir=%s/chrome-%d" % (box.d, i), "--remote-debugging-port=0", "about:blank"],
                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        renderers, until = [], time.time() + 60
        while not renderers and time.time() < until:
            renderers = [a for a, args in children(p.pid) if "--type=renderer" in args]
            time.sleep(0.1)
        # Until all of them are watched: the tree must stand still for a moment.
        was = -1
        while time.time() < until:
            n = box.status()["editors"]
            if n == was and renderers:
                break
            was = n
            time.sleep(0.3)
        if renderers:
            k.wanted[renderers[0]] = {"killed"}
            os.kill(renderers[0], signal.SIGKILL)
            time.sleep(2.4)		# longer than a quit takes its helpers along
        q.wanted[p.pid] = {"quit", "terminated"}
        os.kill(p.pid, signal.SIGTERM)
        p.wait()
        shutil.rmtree("%s/chrome-%d" % (box.d, i), ignore_errors=True)
    return [k, q]


def start_server(box, node):
    """Once node could not start the host, and its number was "undefined"."""
    for _ in range(5):
        p = box.popen([node, box.d + "/code-server/out/node/entry.js", "--auth", "none"], stdout=subprocess.PIPE,
                      stderr=subprocess.DEVNULL)
        words = p.stdout.readline().split()
        if len(words) == 2 and all(x.isdigit() for x in words):
            return p, int(words[0]), int(words[1])
        print("# the server did not start: %s" % words, flush=True)
        os.killpg(p.pid, signal.SIGKILL)
        p.wait()
    raise RuntimeError("node cannot start a child")


def server(box):
    node = shutil.which("node")
    if not node:
        say("skip", "code-server: no node")
        return []
    a, b, h, t = (Case(x) for x in ("code-server child killed", "... its parent (exit 0)", "extension host killed", "server asked to end"))
    for i in range(RUNS):
        for what in ("child", "host", "term"):
            p, child, host = start_server(box, node)
            until_true(lambda: {p.pid, child, host} <= set(roles(box)), 20)
            if what == "child":
                a.wanted[child] = {"killed"}
                b.wanted[p.pid] = {"killed"}
                os.kill(child, signal.SIGKILL)
            elif what == "host":
                h.wanted[host] = {"killed"}
                os.kill(host, signal.SIGKILL)
                time.sleep(0.1)
            else:
                t.wanted[p.pid] = {"quit", "terminated"}
                os.kill(p.pid, signal.SIGTERM)
            if what == "host":
                time.sleep(2.4)
                os.kill(p.pid, signal.SIGTERM)
            p.wait()
            for _ in range(200):
                if box.status()["editors"] == 0:
                    break
                time.sleep(0.05)
    return [a, b, h, t]


def roles(box):
    """pid -> role, of what the monitor holds."""
    return {int(f[0]): f[5] for f in (x.split("\t") for x in box.ask("watched").splitlines()[1:])}


def until_true(test, seconds=60):
    until = time.time() + seconds
    while time.time() < until:
        got = test()
        if got:
            return got
        time.sleep(0.05)
    return None


def answers(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def window(box, port, i):
    """A browser that has the server's window open."""
    return box.popen(["/usr/lib/chromium/chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                      "--user-data-dir=%s/window-%d" % (box.d, i), "http://127.0.0.1:%d/?folder=%s" % (port, box.home)],
                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def real_server(box):
    """CODE_SERVER=DIR: an installed code-server (DIR/out/node/entry.js); Chromium opens its window, which brings the extension host."""
    entry, node = os.path.join(os.environ.get("CODE_SERVER", "/nonexistent"), "out/node/entry.js"), shutil.which("node")
    if not os.path.exists(entry) or not node:
        say("skip", "a real code-server: CODE_SERVER does not name one")
        return []
    a, b, h, t = (Case("real " + x) for x in ("code-server child killed", "... its parent (exit 0)", "extension host killed", "server asked to end"))
    for i in range(RUNS):
        for what in ("child", "host", "term"):
            port, browser = free_port(), None
            p = box.popen([node, entry, "--auth", "none", "--bind-addr", "127.0.0.1:%d" % port, "--user-data-dir", "%s/cs-%d" % (box.d, i),
                           "--disable-telemetry", "--disable-update-check"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            child = until_true(lambda: answers(port) and [x for x, args in children(p.pid) if args.endswith("/out/node/entry")])
            held = child and until_true(lambda: {p.pid, child[0]} <= set(roles(box)))
            if not held:
                print("# code-server did not come up", flush=True)
                os.killpg(p.pid, signal.SIGKILL)
                p.wait()
                continue
            if what == "host":
                browser = window(box, port, i)
                host = until_true(lambda: [x for x, r in roles(box).items() if r == "extension-host" and
                                           x in {y for y, _ in children(p.pid)}])
                if host:
                    h.wanted[host[0]] = {"killed"}
                    os.kill(host[0], signal.SIGKILL)
                    time.sleep(2.4)
                else:
                    print("# no extension host was started", flush=True)
            elif what == "child":
                a.wanted[child[0]] = {"killed"}
                b.wanted[p.pid] = {"killed"}
                os.kill(child[0], signal.SIGKILL)
            else:
                t.wanted[p.pid] = {"quit", "terminated"}
            if what != "child":
                os.kill(p.pid, signal.SIGTERM)
            p.wait()
            if browser:
                os.killpg(browser.pid, signal.SIGKILL)
                browser.wait()
            until_true(lambda: not roles(box), 20)
        shutil.rmtree("%s/cs-%d" % (box.d, i), ignore_errors=True)
        shutil.rmtree("%s/window-%d" % (box.d, i), ignore_errors=True)
    return [a, b, h, t]


def stopped(box):
    c = Case("stopped (SIGSTOP)")
    all = [train(box, "wait") for _ in range(RUNS)]
    for p in all:
        os.kill(p.pid, signal.SIGSTOP)
        c.wanted[p.pid] = {"hang"}
    until = time.time() + 90
    while time.time() < until and sum(r["kind"] == 6 for r in box.rows()) < RUNS:
        time.sleep(0.5)
    for p in all:
        p.kill()
        p.wait()
    return [c]


def lost(box):
    """The monitor is gone, and the samples are of another boot."""
    c = Case("machine lost")
    for i in range(RUNS):
        box.monitor.kill()
        box.monitor.wait()
        path = os.path.join(box.state, "samples")
        with open(path, "r+b") as f:
            head = bytearray(f.read(64))
            head[8:44] = b"%08x-0000-4000-8000-000000000000" % i
            h = 2166136261
            for x in head[:60]:
                h = (h ^ x) * 16777619 & 0xffffffff
            head[60:] = struct.pack("<I", h)
            f.seek(0)
            f.write(head)
        was = sum(r["kind"] == 5 and r["cause"] is not None for r in box.rows())
        box.start()
        for _ in range(500):
            rows = [r for r in box.rows() if r["kind"] == 5 and r["final"]]
            if len(rows) > was:
                break
            time.sleep(0.02)
        c.wanted["machine-%d" % i] = {"machine-lost"}
    return [c]


def verdict(box, c, pid):
    rows = box.rows()
    if c.name.startswith("machine"):
        of = sorted((r for r in rows if r["kind"] == 5 and "monitor" not in (r["text"] or "")), key=lambda r: r["id"])
        i = int(pid.split("-")[1])
        return of[i] if i < len(of) else None
    kind = 6 if c.name.startswith("stopped") else 0
    # The first end from then on: hangs and ends come later than what causes them.
    mine = [r for r in rows if r["pid"] == pid and r["kind"] == kind and r["time"] / 1000 > c.wanted.when[pid] - 5]
    r = min(mine, key=lambda r: r["time"]) if mine else None
    return r if r and r["final"] else None


def collect(box, cases):
    until = time.time() + 40
    matrix = {}
    for c in cases:
        for pid in c.wanted:
            r = verdict(box, c, pid)
            while r is None and time.time() < until:
                time.sleep(0.1)
                r = verdict(box, c, pid)
            said = "(no row)" if r is None else "hang" if r["kind"] == 6 else r["cause"] or "unknown"
            row = matrix.setdefault(c.name, {})
            row[said] = row.get(said, 0) + 1
            if said not in c.wanted[pid] and said != "unknown":
                print("# %s, process %s: %s: %s [%s]" % (c.name, pid, said, r and r["text"], r and (r["evidence"] or "").replace("\n", "; ")))
    return matrix


def total(cases, matrix):
    right = wrong = unknown = 0
    for c in cases:
        ok = next(iter(c.wanted.values()), set())
        for k, n in matrix.get(c.name, {}).items():
            right += n if k in ok else 0
            unknown += n if k == "unknown" else 0
            wrong += n if k not in ok and k != "unknown" else 0
    print("# %d right, %d unknown, %d wrong" % (right, unknown, wrong))


def show(cases, matrix):
    for c in cases:
        row = matrix.get(c.name, {})
        ok = next(iter(c.wanted.values()), set())
        print("# %-26s %s" % (c.name, ", ".join("%s %d%s" % (k, n, "" if k in ok else " ?" if k == "unknown" else " WRONG")
                                                for k, n in sorted(row.items()))))
        say("not ok" if any(k not in ok and k != "unknown" for k in row) or not row else "ok", "%s: no cause is wrong" % c.name)


def main():
    box = Box()
    print("# status of an end by %s, as uid %d" % (box.status()["status_by"], NOBODY if ROOT else os.geteuid()), flush=True)
    makers = {
        "exit0": lambda: [simple(box, "exit 0", "exit0", {"exited"})],
        "exit3": lambda: [simple(box, "exit 3", "exit3", {"failed"})],
        "segv": lambda: [simple(box, "SIGSEGV", "sig11", {"crashed"})],
        "abrt": lambda: [simple(box, "SIGABRT", "sig6", {"crashed"})],
        "kill": lambda: [simple(box, "kill -9", "wait", {"killed"}, signal.SIGKILL)],
        "term": lambda: [simple(box, "kill -TERM", "wait", {"terminated"}, signal.SIGTERM)],
        "oom": lambda: oom(box), "earlyoom": lambda: guard(box), "stopped": lambda: stopped(box), "lost": lambda: lost(box),
        "server": lambda: server(box), "codeserver": lambda: real_server(box), "browser": lambda: browser(box),
    }
    cases, matrix = [], {}
    try:
        for name, make in makers.items():
            if ONLY and name not in ONLY:
                continue
            made = make()
            got = collect(box, made)
            show(made, got)
            matrix.update(got)
            cases += made
        total(cases, matrix)
        if latency:
            latency.sort()
            print("# from death to row: median %.0f ms, p90 %.0f ms, worst %.0f ms of %d" % (
                latency[len(latency) // 2] * 1e3, latency[len(latency) * 9 // 10] * 1e3, latency[-1] * 1e3, len(latency)))
    finally:
        box.close()
    sys.exit(bad)


main()
