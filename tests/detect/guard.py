"""The guard: what it does to trainings, and to nobody else. Its lines are drawn so high that any machine is short of
memory: above what is left (the ladder's first rung), or above all there is (the last)."""
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(__file__))
from monitor import Monitor, stand_in    # noqa: E402

signal.alarm(240)
where = tempfile.mkdtemp()
os.environ["HOLDFAST_WATCH_BELOW"] = where     # other tests have trainings and editors of their own
python, code, other = stand_in(where, "bin/python3"), stand_in(where, "share/code/code"), stand_in(where, "bin/other")
HUGE = 1 << 60
# Short of memory, but not so that anything must end: less than all is left, and more than the lower lines.
ON = ["guard=on", "guard_min=1", "guard_most=%d" % HUGE, "guard_hold=300", "guard_ask=0"]
FREEZE = ON + ["guard_freeze=9990"]
END = ON + ["guard_freeze=45000"]     # the last line lies above all there is, the one for no grace below what is left
bad, monitors, procs = 0, [], []


def check(name):
    def run(fn):
        global bad
        try:
            fn()
            print("ok", name, flush=True)
        except Exception:
            bad += 1
            traceback.print_exc(file=sys.stdout)
            print("not ok", name, flush=True)
        finally:
            while monitors:
                monitors.pop().end(signal.SIGKILL)
            while procs:
                p = procs.pop()
                try:
                    os.killpg(p.pid, signal.SIGKILL)    # its workers hold the pipes too
                except ProcessLookupError:
                    pass
                p.wait()
    return run


def monitor(name, settings, **kw):
    m = Monitor(os.path.join(where, name), ["look_ms=200"] + settings, **kw)
    monitors.append(m)
    return m


def run(exe, script, *words, cwd=None):
    p = subprocess.Popen([exe, script, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd,
                         start_new_session=True)
    procs.append(p)
    return p


def state(pid):
    with open("/proc/%d/stat" % pid) as f:
        return f.read().rpartition(")")[2].split()[0]


def until(test, what, seconds=20):
    end = time.time() + seconds
    while not test():
        assert time.time() < end, what
        time.sleep(0.005)


def ledger(m):
    try:
        with open(m.state + "/ledger") as f:
            return [x.rstrip("\n").split("\t") for x in f]
    except FileNotFoundError:
        return []


def did(m, pid, action):
    return any(x[1] == str(pid) and x[3] == action for x in ledger(m))


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return [int(x) for x in f.read().split()]


@check("a training is frozen, looked at again, and goes on; the ledger and the events say so")
def _():
    m = monitor("freeze", FREEZE)
    p = run(python, "train.py", "pause")
    until(lambda: did(m, p.pid, "freeze"), "not frozen")
    until(lambda: did(m, p.pid, "thaw"), "not thawed")
    until(lambda: state(p.pid) == "S", "still stopped")
    f = m.wait_for(lambda f: f["kind"] == "guard" and f["action"] == "thaw" and f["pid"] == str(p.pid))
    assert f and f["role"] == "run" and "left0" in f and "left1" in f and "MiB of memory left" in f["reasons"], f
    assert not did(m, p.pid, "term")


@check("it is really stopped, with the workers it forks meanwhile, and nobody else is")
def _():
    m = monitor("tree", FREEZE[:-1] + ["guard_freeze=9990", "guard_hold=60000"])
    o, e = run(other, "train.py", "pause"), run(code, "train.py", "pause")
    p = run(python, "train.py", "fork", "fork", "pause", "end", "pause", "end", "pause")
    until(lambda: did(m, p.pid, "freeze"), "not frozen")
    # Forked after the freeze of its parent it cannot be; before, it is found.
    time.sleep(0.1)
    tree = [p.pid]
    for pid in tree:
        tree += children(pid)
    for pid in tree:
        until(lambda pid=pid: state(pid) == "T", "%d is not stopped" % pid)
    assert state(o.pid) == "S" and state(e.pid) == "S"
    m.end()
    for pid in tree:
        until(lambda pid=pid: state(pid) == "S", "%d does not go on when the monitor ends" % pid)
    assert ledger(m)[-1][3] == "thaw"


@check("what a killed monitor froze goes on with the next one")
def _():
    m = monitor("killed", FREEZE[:-1] + ["guard_freeze=9990", "guard_hold=60000"])
    p = run(python, "train.py", "pause")
    until(lambda: did(m, p.pid, "freeze"), "not frozen")
    until(lambda: state(p.pid) == "T", "not stopped")
    m.end(signal.SIGKILL)
    assert state(p.pid) == "T"
    m.settings = ["guard=on"]
    m.start()
    until(lambda: state(p.pid) == "S", "still stopped")
    assert ledger(m)[-1][3] == "thaw" and "gone" in ledger(m)[-1][4], ledger(m)


@check("stopped by its user it stays so")
def _():
    p = run(python, "train.py", "ready", "pause")
    p.stdout.readline()
    os.kill(p.pid, signal.SIGSTOP)
    until(lambda: state(p.pid) == "T", "not stopped")
    m = monitor("user", FREEZE)
    until(lambda: did(m, p.pid, "thaw"), "no thaw")
    assert state(p.pid) == "T"


@check("at the last line it ends: asked, at once, with its workers; a bystander lives")
def _():
    m = monitor("end", END + ["guard_grace=60000"])
    o, e = run(other, "train.py", "pause"), run(code, "train.py", "pause")
    # One worker as they are, one that is deaf.
    p = run(python, "train.py", "fork", "fork", "catch", "15", "pause", "end", "pause", "end", "pause")
    until(lambda: did(m, p.pid, "term"), "not ended")
    assert p.wait(20) == -signal.SIGTERM
    f = m.wait_for(lambda f: f["kind"] == "guard" and f["action"] == "term")
    assert f and f["pid"] == str(p.pid), f
    until(lambda: any(x[3] == "kill" and "main process has ended" in x[4] for x in ledger(m)), "its worker lives", 40)
    p.stdout.read()     # to its end: nobody of them holds the pipe any more
    x = m.wait_for(lambda f: f["kind"] == "exit" and f["pid"] == str(p.pid))
    assert x["signal"] == "15", x
    assert o.poll() is None and e.poll() is None and state(o.pid) == "S" and state(e.pid) == "S"


@check("deaf to SIGTERM it is killed after the grace")
def _():
    m = monitor("deaf", END + ["guard_grace=150"])
    p = run(python, "train.py", "catch", "15", "pause")
    assert p.wait(20) == -signal.SIGKILL
    acts = [x for x in ledger(m) if x[1] == str(p.pid)]
    assert [x[3] for x in acts[:3]] == ["freeze", "term", "kill"], acts


@check("who handles SIGUSR2 is asked, who does not lives")
def _():
    m = monitor("ask", ON[:-1] + ["guard_freeze=0", "guard_ask=10000"])
    p, q = run(python, "train.py", "catch", "12", "pause"), run(python, "train.py", "pause")
    assert select.select([p.stdout], [], [], 20)[0] and p.stdout.readline() == b"12\n"
    until(lambda: did(m, p.pid, "ask"), "no word in the ledger")
    time.sleep(0.3)
    assert q.poll() is None and not any(x[1] == str(q.pid) for x in ledger(m)), ledger(m)


@check("small ones, those in a spared folder, and all of them in a dry run are left alone")
def _():
    spared = os.path.join(where, "spared folder")
    os.mkdir(spared)
    for name, settings, cwd in (("min", ["guard_min=%d" % HUGE], None), ("spare", ["guard_spare=" + spared], spared),
                                ("dry", ["guard=dry-run"], None), ("off", ["guard=off"], None)):
        # An eighth of the memory bounds the size: the stand-in is far below that, too.
        m = monitor(name, END + settings)
        p = run(python, "train.py", "pause", cwd=cwd)
        start = m.wait_for(lambda f, p=p: f["kind"] == "start" and f["pid"] == str(p.pid))
        assert start, name
        if name == "dry":
            f = m.wait_for(lambda f: f["kind"] == "guard")
            assert f and f["dry"] == "1" and f["action"] == "freeze", f
        # Some turns.
        n = json.loads(m.ask("status").splitlines()[1])["wakeups"]
        until(lambda: json.loads(m.ask("status").splitlines()[1])["wakeups"] >= n + 10, "no turns")
        assert p.poll() is None and state(p.pid) == "S" and not ledger(m), (name, ledger(m))
        m.end()


@check("the kernel, too, shall take training first")
def _():
    m = monitor("adj", ON + ["guard_freeze=0"])
    p, o = run(python, "train.py", "pause"), run(other, "train.py", "pause")
    assert m.wait_for(lambda f: f["kind"] == "start" and f["pid"] == str(p.pid))
    assert open("/proc/%d/oom_score_adj" % p.pid).read() == "900\n"
    assert open("/proc/%d/oom_score_adj" % o.pid).read() == open("/proc/self/oom_score_adj").read()


subprocess.run(["rm", "-rf", where])
sys.exit(1 if bad else 0)
