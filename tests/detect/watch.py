"""The monitor: what it finds, how it tells the ends, what it says it cannot know."""
import fcntl
import json
import os
import re
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(__file__))
from monitor import BUILD, Monitor, fact, stand_in    # noqa: E402

signal.alarm(240)
where = tempfile.mkdtemp()
os.environ["HOLDFAST_WATCH_BELOW"] = where     # other tests have trainings and editors of their own
python, code = stand_in(where, "bin/python3"), stand_in(where, "share/code/code")
quick = ["look_ms=200", "hang_ms=600", "sample_ms=600"]
bad = 0
monitors = []


def check(name):
    def run(fn):
        global bad
        if not re.search(os.environ.get("CHECKS", ""), name):
            return
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
    return run


def monitor(name, *settings, **kw):
    m = Monitor(os.path.join(where, name), quick + list(settings), **kw)
    monitors.append(m)
    return m


def mine(f):
    return f.get("exe", "").startswith(where)


def run(exe, script, *words):
    return subprocess.Popen([exe, script, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def started(m, p):
    f = m.wait_for(lambda f: f["kind"] == "start" and f["pid"] == str(p.pid))
    assert f, "not found"
    return f


def go(p):
    """Behind "hear": it does the rest, and is reaped."""
    p.communicate(b"\n")


def watched(m, n):
    until = time.time() + 20
    while json.loads(m.ask("status").splitlines()[1])["training"] < n:
        assert time.time() < until, "not %d" % n
        time.sleep(0.01)


WAYS = [(["exit", "0"], "exited", 0), (["exit", "3"], "exited", 3), (["nocore", "raise", "11"], "signaled", 11),
        (["nocore", "raise", "6"], "signaled", 6), (["raise", "15"], "signaled", 15), (["raise", "9"], "signaled", 9)]


def ends(m, unknown=False):
    for words, status, number in WAYS:
        p = run(python, "train.py", "hear", *words)
        start = started(m, p)
        go(p)
        f = m.wait_for(lambda f: f["kind"] == "exit" and f["pid"] == str(p.pid))
        assert f, words
        if unknown:
            assert f["status"] == "unknown" and "code" not in f and "signal" not in f, f
            continue
        assert f["status"] == status, (words, f)
        assert int(f.get("code" if status == "exited" else "signal", 0)) == number, (words, f)
        assert f["role"] == "run" and f["of_kind"] == "training" and "core" not in f, f
        assert "train.py hear" in f["argv"] and f["exe"] == python and f["cwd"] == os.getcwd(), f
        assert start["id"] == f["run"] == start["run"], (start, f)
        assert "oom0" in f and "oom1" in f and "m.available" in f, f


@check("each way to end is told, with the run it belongs to")
def _():
    m = monitor("plain")
    s = json.loads(m.ask("status").splitlines()[1])
    assert s["pid"] == m.p.pid and s["unknown"], s
    ends(m)
    assert all(m.spooled()), "a line with a wrong sum"
    assert stat.S_IMODE(os.stat(m.state + "/spool").st_mode) == 0o600


@check("without the connector new processes are found by scanning")
def _():
    m = monitor("scan", "without=connector", "sample_ms=100")
    s = json.loads(m.ask("status").splitlines()[1])
    assert s["found_by"] == "scan" and "scanning" in s["unknown"][0], s
    ends(m)


@check("without exit information of the pidfd: the zombie, or the connector")
def _():
    m = monitor("old", "without=exit-info")
    ends(m)


@check("what no kernel interface tells is unknown, and said")
def _():
    m = monitor("blind", "without=exit-info", "without=zombie", "without=connector", "sample_ms=100")
    assert any("status" in x for x in json.loads(m.ask("status").splitlines()[1])["unknown"])
    ends(m, unknown=True)


@check("a zombie is told before it is reaped")
def _():
    m = monitor("zombie")
    p = run(python, "train.py", "hear", "exit", "7")
    started(m, p)
    p.stdin.close()
    p.stdout.read()     # ends with the process
    seen = time.time()
    f = m.wait_for(lambda f: f["kind"] == "exit" and f["pid"] == str(p.pid))
    told = time.time() - seen
    assert open("/proc/%d/stat" % p.pid).read().split(")")[-1].split()[0] == "Z"
    p.wait()
    assert f["code"] == "7" and told < 5, (f, told)


@check("workers belong to their run; a child that becomes something else is none")
def _():
    m = monitor("worker")
    p = run(python, "train.py", "fork", "ready", "hear", "raise", "9", "end", "exit", "1")
    child = p.stdout.readline().decode().strip()
    watched(m, 2)
    go(p)
    f = m.wait_for(lambda f: f["kind"] == "exit" and f["pid"] == child)
    g = m.wait_for(lambda f: f["kind"] == "exit" and f["pid"] == str(p.pid))
    assert f and g and f["role"] == "worker" and f["signal"] == "9" and f["run"] == g["run"] and g["code"] == "1", (f, g)
    other = stand_in(where, "bin/other")
    p = run(python, "train.py", "fork", "ready", "exec", other, "x", "hear", "exit", "4", "end", "exit", "0")
    child = p.stdout.readline().decode().strip()
    started(m, p)
    go(p)
    assert m.wait_for(lambda f: f["kind"] == "exit" and f["pid"] == str(p.pid))
    assert not [f for f in m.spooled() if f.get("pid") == child and f.get("code") == "4"]


@check("what a training calls is no worker of it")
def _():
    m = monitor("calls")
    p = run(python, "train.py", "hear", "calls", stand_in(where, "bin/false"), "exit", "1")
    started(m, p)
    go(p)
    assert m.wait_for(lambda f: f["kind"] == "exit" and f["pid"] == str(p.pid))["code"] == "1"
    assert not [f for f in m.spooled() if f.get("ppid") == str(p.pid)]


def role_of(m, pid):
    """As the monitor has it now."""
    for line in m.ask("watched").splitlines()[1:]:
        f = line.split("\t")
        if f[0] == str(pid):
            return f[5]
    return None


def wait_role(m, pid, role):
    until = time.time() + 20
    while role_of(m, pid) != role:
        assert time.time() < until, (role_of(m, pid), role)
        time.sleep(0.01)


def zygote(m):
    """A child of a child: both forked, neither exec'd; the title is written later than the fork is told."""
    p = run(code, "--type=zygote", "hear", "fork", "ready", "sleep", "300", "title", "--type=renderer", "fork", "title",
            "--type=utility --utility-sub-type=node.mojom.NodeService --inspect-port=0", "ready", "raise", "11", "end", "pause", "end", "pause")
    wait_role(m, p.pid, "zygote")
    p.stdin.write(b"\n"), p.stdin.flush()
    child, grandchild = p.stdout.readline().decode().strip(), p.stdout.readline().decode().strip()
    wait_role(m, child, "renderer")
    os.kill(int(child), signal.SIGKILL)
    f = m.wait_for(lambda f: f["kind"] == "exit" and f["pid"] == child)
    assert f["role"] == "renderer" and f["family"] == "VSCode" and f["signal"] == "9" and f["ppid"] == str(p.pid), f
    p.kill(), p.wait()
    return child, grandchild


@check("what a zygote forks is found, with the role it takes on later")
def _():
    m = monitor("zygote")
    child, grandchild = zygote(m)
    # The child is no zygote: what it forks itself is not asked for.
    assert not [f for f in m.spooled() if f["pid"] == grandchild]


@check("... and without the connector")
def _():
    zygote(monitor("zygote-scan", "without=connector", "sample_ms=100"))


@check("... also those it had before the monitor came")
def _():
    p = run(code, "--type=zygote", "fork", "title", "--type=renderer", "ready", "pause", "end", "pause")
    child = p.stdout.readline().decode().strip()
    m = monitor("zygote-before")
    wait_role(m, child, "renderer")
    os.kill(int(child), signal.SIGKILL)
    assert m.wait_for(lambda f: f["kind"] == "exit" and f["pid"] == child)["role"] == "renderer"
    p.kill(), p.wait()


@check("those that run already are found at the start")
def _():
    p = run(code, "--unity-launch", "ready", "pause")
    p.stdout.readline()
    q = run(python, "-m", "nothing", "pause")
    m = monitor("early")
    start = m.wait_for(lambda f: f["kind"] == "start" and f["pid"] == str(p.pid))
    assert start["role"] == "main" and start["family"] == "VSCode", start
    p.kill(), p.wait(), q.kill(), q.wait()
    f = m.wait_for(lambda f: f["kind"] == "exit" and f["pid"] == str(p.pid))
    assert f["signal"] == "9" and f["family"] == "VSCode", f
    assert not [f for f in m.spooled() if f.get("pid") == str(q.pid)]


@check("a hang is told once while it lasts, and again the next time")
def _():
    m = monitor("hang")
    p = run(python, "train.py", "ready", "pause")
    p.stdout.readline()
    assert m.wait_for(lambda f: f["kind"] == "start" and f["pid"] == str(p.pid))

    def hangs():
        return [f for f in m.spooled() if f["kind"] == "hang" and f["pid"] == str(p.pid)]
    for n in 1, 2:
        p.send_signal(signal.SIGSTOP)
        m.wait_until(lambda all: len(hangs()) == n)
        assert len(hangs()) == n
        time.sleep(2.5)     # it has looked again
        assert len(hangs()) == n and hangs()[-1]["state"] == "T", hangs()
        p.send_signal(signal.SIGCONT)
        time.sleep(2.5)     # longer than the slowest reading: it is seen to move
    p.kill(), p.wait()


@check("who waits for a slow disk and gets on does not hang; who waits for one thing does")
def _():
    m = monitor("slow")
    slow, held = run(python, "train.py", "vforks", "300"), run(python, "train.py", "vforks", "100000")
    assert m.wait_for(lambda f: f["kind"] == "hang" and f["pid"] == str(held.pid))["state"] == "D"
    time.sleep(2)
    assert not [f for f in m.spooled() if f["kind"] == "hang" and f["pid"] == str(slow.pid)]
    for p in slow, held:
        children = subprocess.run(["pgrep", "-P", str(p.pid)], stdout=subprocess.PIPE).stdout.split()
        p.kill(), p.wait()
        for pid in children:
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass


@check("a spool that is held or full is waited for, not lost")
def _():
    m = monitor("spool")
    with open(m.state + "/spool", "r+b") as f:
        fcntl.flock(f, fcntl.LOCK_EX)       # as a judge that was stopped
        p = run(python, "train.py", "hear", "exit", "1")
        wait_role(m, p.pid, "run")
        go(p)
        newest, facts = m.events(1)
        while facts[-1]["kind"] != "exit":
            newest, facts = m.events(newest)
        assert not [f for f in m.spooled() if f.get("pid") == str(p.pid)]
    assert m.wait_for(lambda f: f["kind"] == "exit" and f["pid"] == str(p.pid)), "not written when it was free"
    os.truncate(m.state + "/spool", 33 << 20)
    p = run(python, "train.py", "hear", "exit", "2")
    wait_role(m, p.pid, "run")
    go(p)
    until = time.time() + 20
    while not any("wait to be kept" in x for x in json.loads(m.ask("status").splitlines()[1])["unknown"]):
        assert time.time() < until
        time.sleep(0.01)
    os.truncate(m.state + "/spool", 0)
    assert m.wait_for(lambda f: f["kind"] == "exit" and f["pid"] == str(p.pid)), "not written when there was room"


@check("a storm: every training of it is told, with its code")
def _():
    m = monitor("storm")
    n = 1000     # bench/watch has one of shorter lives, for a machine that does nothing else
    subprocess.run([python, "storm.py", "storm", str(n), "32", "300"], check=True)
    facts = m.wait_until(lambda all: sum(x["kind"] == "exit" and mine(x) for x in all) >= n // 2, 40)
    got = [f for f in facts if f["kind"] == "exit" and mine(f) and "train.py" in f["argv"]]
    starts = {f["pid"]: f for f in facts if f["kind"] == "start" and mine(f)}
    assert len(starts) == len(got), (len(starts), len(got), [f for p, f in starts.items() if p not in {g["pid"] for g in got}])
    assert len(got) >= n // 2 - 5, len(got)     # the first may end before the storm is noticed
    for f in got:
        assert f["status"] == "exited" and f.get("code", "0") == f["argv"].split()[-1], f
    assert len({f["id"] for f in facts}) == len(facts)


@check("those who wait are told; those who come late, too")
def _():
    m = monitor("wait")
    p = run(python, "train.py", "ready", "pause")
    start = m.wait_for(lambda f: f["kind"] == "start" and f["pid"] == str(p.pid))
    s = m.connect()
    s.sendall(b"wait\t0\n")
    m.ask("status")
    p.kill(), p.wait()
    got = b"".join(iter(lambda: s.recv(65536), b"")).decode().splitlines()
    assert got[0].startswith("ok\t") and "kind=exit" in got[1], got
    newest, late = m.events(1)
    assert start in late and late[-1]["kind"] == "exit" and newest == int(got[0].split("\t")[1]), late
    assert m.events(newest - 1)[1] == late[-1:]


@check("requests of any shape are refused, not followed")
def _():
    m = monitor("hostile")
    for req in ["", "wait", "wait\t", "wait\tx", "wait\t-1x", "link", "link\t", "link\tkind=exit\tid=a", "link\t" + "x" * 60000,
                "register", "register\t1", "register\tx\ty\tz", "register\t1\t1\t" + "r" * 40, "nonsense", "\t\t\t", "status\\"]:
        assert m.ask(req).startswith("error\t"), req
    assert m.ask("register\t1\t1\trun").startswith("error\t")
    assert m.ask("status").startswith("ok\t")


@check("a link goes to the spool as it came")
def _():
    m = monitor("link")
    body = "kind=link\tid=abc-1\tof=abc\tworkspace=/w\\tx\tstore=/s\tbefore=0123"
    h = 14695981039346656037
    for b in body.encode():
        h = (h ^ b) * 1099511628211 & (1 << 64) - 1
    assert m.ask("link\t%s\tsum=%016x" % (body, h)) == "ok\n"
    f = m.wait_for(lambda f: f["kind"] == "link")
    assert f["of"] == "abc" and f["workspace"] == "/w\tx", f


@check("a command that is not found is told by its name, not by that of who started it")
def _():
    m = monitor("nosuch")
    r = subprocess.run([os.path.join(BUILD, "detect"), "run", "--need", "1M", "--no-snapshot", "--", "./no-such-one"],
                       env=dict(m.env, HOLDFAST_AUTOSTART="0"), stdin=subprocess.DEVNULL, capture_output=True)
    assert r.returncode == 127, r
    f = m.wait_for(lambda f: f["kind"] == "exit" and f.get("code") == "127")
    assert f and f["role"] == "run" and f["comm"] == "no-such-one", f


@check("a registered process is a run whatever it is called")
def _():
    m = monitor("register")
    other = stand_in(where, "bin/other")
    # It becomes another program behind the runner's back, and stays the run.
    p = run(other, "x", "ready", "hear", "exec", stand_in(where, "bin/next"), "next", "x", "ready",
            "pause")
    p.stdout.readline()
    start = open("/proc/%d/stat" % p.pid).read().rpartition(")")[2].split()[19]
    assert m.ask("register\t%d\t%d\tmy-run" % (p.pid, int(start) + 1)).startswith("error")
    assert m.ask("register\t%d\t%s\tmy-run" % (p.pid, start)) == "ok\n"
    p.stdin.write(b"\n")
    p.stdin.flush()
    p.stdout.readline()
    n = json.loads(m.ask("status").splitlines()[1])["wakeups"]
    until = time.time() + 30
    while json.loads(m.ask("status").splitlines()[1])["wakeups"] < n + 5 and time.time() < until:
        time.sleep(0.05)
    p.kill(), p.wait()
    f = m.wait_for(lambda f: f["kind"] == "exit" and f["pid"] == str(p.pid))
    assert f and f["run"] == "my-run" and f["role"] == "run" and f["signal"] == "9", f


@check("what is no file in the state folder is refused, not waited for")
def _():
    for name in "spool", "samples":
        state = os.path.join(where, "fifo-" + name)
        os.makedirs(state, mode=0o700)
        os.mkfifo(os.path.join(state, name), 0o600)
        r, w = os.pipe()
        os.close(w)
        assert subprocess.run([os.path.join(BUILD, "detect-watch"), "--settings-fd", str(r)], pass_fds=[r], timeout=20,
                              env=dict(os.environ, HOLDFAST_STATE=state), stderr=subprocess.DEVNULL).returncode == 4


@check("one monitor; the second says who runs it")
def _():
    m = monitor("two")
    r, w = os.pipe()
    os.close(w)
    p = subprocess.run([m.program, "--settings-fd", str(r)], pass_fds=[r], env=m.env, stderr=subprocess.PIPE)
    assert p.returncode == 4 and str(m.p.pid).encode() in p.stderr, p
    assert m.ask("stop") == "ok\n" and m.p.wait(10) == 0


def seal(record):
    h = 2166136261
    for b in record[:60]:
        h = (h ^ b) * 16777619 & 0xffffffff
    return record[:60] + struct.pack("<I", h)


@check("how the monitor before ended: in order, without a word, with its machine")
def _():
    m = monitor("again")
    assert m.end() == 0
    m.start()
    assert not [f for f in m.spooled() if f["kind"] in ("stop", "machine")], m.spooled()
    m.end(signal.SIGKILL)
    m.start()
    stop = [f for f in m.spooled() if f["kind"] == "stop"]
    assert len(stop) == 1, stop
    m.end(signal.SIGKILL)
    with open(m.state + "/samples", "r+b") as f:
        head = f.read(64)
        f.seek(0)
        f.write(seal(head[:8] + b"00000000-0000-0000-0000-000000000000" + head[44:64]))
    m.start()
    lost = [f for f in m.spooled() if f["kind"] == "machine"]
    # A mark that was torn: the times tell that it was this boot.
    m.end(signal.SIGKILL)
    with open(m.state + "/samples", "r+b") as f:
        f.write(bytes(64))
    m.start()
    assert sum(f["kind"] == "stop" for f in m.spooled()) == 2, m.spooled()
    assert len(lost) == 1 and abs(int(lost[0]["real"]) / 1000 - time.time()) < 60, lost


@check("the judge is started when there is something to judge, one at a time")
def _():
    judge = os.path.join(where, "judge.sh")
    with open(judge, "w") as f:
        f.write('#!/bin/sh\nmkdir "$0.busy" || echo twice >>"$0.log"\necho "$1" >>"$0.log"\nsleep 0.2\nrmdir "$0.busy"\n')
    os.chmod(judge, 0o700)
    m = monitor("judge", env={"HOLDFAST_JUDGE": judge})
    ps = [run(python, "train.py", "hear", "exit", "1") for i in range(8)]
    for p in ps:
        started(m, p)
    for p in ps:
        go(p)
    for p in ps:
        assert m.wait_for(lambda f: f["kind"] == "exit" and f["pid"] == str(p.pid))
    until = time.time() + 20
    last = max(os.path.getmtime(m.state + "/spool"), 0)
    open(judge + ".log", "a").close()
    while time.time() < until:
        st = os.stat(judge + ".log")
        if st.st_size and st.st_mtime >= last:
            break
        time.sleep(0.05)
    log = open(judge + ".log").read().split()
    assert set(log) == {"judge"} and 1 <= len(log) <= 16, log
    while os.path.exists(judge + ".busy"):
        time.sleep(0.05)


@check("settings that cannot be used end no monitor; those that can are taken")
def _():
    core = os.path.join(where, "core.sh")
    with open(core, "w") as f:
        f.write('#!/bin/sh\necho "$@" >>"$0.log"\n[ ! -e "$0.bad" ] || exit 2\n')
    os.chmod(core, 0o700)
    open(core + ".bad", "w").close()
    m = monitor("hup", "core=" + core, env={"HOLDFAST_JUDGE": "/bin/true"})
    m.p.send_signal(signal.SIGHUP)
    until = time.time() + 20
    while not os.path.exists(core + ".log") and time.time() < until:
        time.sleep(0.01)
    time.sleep(0.3)
    assert m.ask("status").startswith("ok\t") and open(core + ".log").read() == "watch --check\n"
    os.unlink(core + ".bad")
    m.p.send_signal(signal.SIGHUP)
    assert m.p.wait(20) == 0
    assert open(core + ".log").read().splitlines()[1:] == ["watch --check", "watch"]


nvml = {"HOLDFAST_NVML": os.path.join(os.path.abspath(BUILD), "tests/preload_nvml.so")}


def wait_status(m, test):
    until = time.time() + 20
    while True:
        s = json.loads(m.ask("status").splitlines()[1])
        if test(s):
            return s
        assert time.time() < until, s
        time.sleep(0.02)


@check("GPUs are read by a process of their own: in the samples, the risk, the ends")
def _():
    p = run(python, "train.py", "hear", "exit", "1")
    log = os.path.join(where, "gpu-log")
    m = monitor("gpu", "log_dir=" + log, "sample_ms=100", env=dict(nvml, FAKE_NVML="full pid=%d" % p.pid))
    f = m.wait_for(lambda f: f["kind"] == "risk")
    assert f["risk"] == "1" and "GPU" in f["reasons"], f
    assert wait_status(m, lambda s: s["gpu"])["risk"] == "MEDIUM"
    assert "nvidia-ml" not in open("/proc/%d/maps" % m.p.pid).read() and "preload" not in open("/proc/%d/maps" % m.p.pid).read()
    go(p)
    f = m.wait_for(lambda f: f["kind"] == "exit" and f["pid"] == str(p.pid))
    assert f["gpuheld"] == str(3 << 30) and f["gpuused"] == str(15900 << 20) and f["gpucelsius"] == "71" and f["gpubusy"] == "8700", f
    helper = int(subprocess.run(["pgrep", "-P", str(m.p.pid)], stdout=subprocess.PIPE).stdout.split()[0])
    m.end(signal.SIGKILL)
    until = time.time() + 20
    while os.path.exists("/proc/%d" % helper):
        assert time.time() < until, "it outlived its monitor"
        time.sleep(0.01)
    samples = [json.loads(x) for x in open(log + "/samples.jsonl")]
    assert {"gpu_total": 16384 << 20, "gpu_used": 15900 << 20, "gpu_busy_percent": 87, "gpu_celsius": 71}.items() <= samples[-1].items(), samples[-1]


@check("a driver's library that crashes or hangs takes nobody along")
def _():
    m = monitor("gpu-crash", env=dict(nvml, FAKE_NVML="crash"))
    wait_status(m, lambda s: not s["gpu"] and any("crashed" in x for x in s["unknown"]))
    p = run(python, "train.py", "hear", "exit", "4")
    started(m, p)
    go(p)
    assert m.wait_for(lambda f: f["kind"] == "exit" and f["pid"] == str(p.pid))["code"] == "4"
    m = monitor("gpu-hang", env=dict(nvml, FAKE_NVML="hang"))
    wait_status(m, lambda s: any("does not answer" in x for x in s["unknown"]))
    m = monitor("gpu-none", env=dict(nvml, FAKE_NVML="gpus=0"))
    wait_status(m, lambda s: any("finds none" in x for x in s["unknown"]))


@check("the log: JSON lines, whole ones, within their bound")
def _():
    log = os.path.join(where, "log/deep")
    m = monitor("log", "log_dir=" + log, "log_bytes=4000")
    odd = os.path.join(where, "bin/q\"\\\n\udcff/python3")
    stand = stand_in(where, os.path.relpath(odd, where))
    for i in range(12):
        p = run(stand, "train.py", "hear", "exit", "5")
        started(m, p)
        go(p)
        assert m.wait_for(lambda f: f["kind"] == "exit" and f["pid"] == str(p.pid))
    m.end()
    for name in "samples.jsonl", "events.jsonl", "events.jsonl.1":
        text = open(os.path.join(log, name), "rb").read()
        assert text.endswith(b"\n") and len(text) <= 4000 + 4096, (name, len(text))
        for line in text.decode("utf-8").splitlines():
            assert json.loads(line)["time"], line
    assert '"code":5' in text.decode()


def tells_of_pressure():
    try:
        fd = os.open("/proc/pressure/memory", os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return os.write(fd, b"some 150000 2000000\0") > 0
    except OSError:
        return False
    finally:
        os.close(fd)


@check("the kernel is asked to tell of pressure, where it does, for a guard")
def _():
    for guard, wanted in ("on", tells_of_pressure()), ("off", False):
        m = monitor("pressure-" + guard, "guard=" + guard)
        s = json.loads(m.ask("status").splitlines()[1])
        assert (s["told_of_pressure"] is not None) == wanted, s


@check("the risk is told when it changes, with its reasons")
def _():
    m = monitor("risk", "mem_medium=1", "mem_critical=1")
    f = m.wait_for(lambda f: f["kind"] == "risk")
    assert f["risk"] == "2" and f["reasons"], f


subprocess.run(["rm", "-rf", where])
sys.exit(1 if bad else 0)
