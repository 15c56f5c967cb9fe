"""Drives the real programs for tests and benches: one workspace, its store, its daemon."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD_DIR") or os.path.join(ROOT, "build")
HFREAD = os.path.join(ROOT, "tests", "reader", "hfread.py")


def program(name):
    return os.path.join(BUILD, name)


class Failed(Exception):
    pass


class Holdfast:
    """w: the workspace; store: its store. The daemon's messages go to LOG beside the store."""

    def __init__(self, w, store, interval="3600s", env=None):
        self.w, self.store, self.interval = w, store, interval
        self.env = dict(os.environ, LC_ALL="C.UTF-8", **(env or {}))
        self.log = store.rstrip("/") + ".log"
        self.proc = None

    # ---- the daemon

    def start(self, env=None, wait=True, timeout=120):
        with open(self.log, "ab") as log:
            self.proc = subprocess.Popen(
                [program("snapd"), "--workspace", self.w, "--store", self.store, "--interval", self.interval],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(self.env, **(env or {})))
        if wait:
            self.wait_ready(timeout)

    def wait_ready(self, timeout=120):
        """Until it answers on its control socket."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.proc.poll() is not None:
                raise Failed("snapd ended with %d; see %s" % (self.proc.returncode, self.log))
            if self.answers():
                return
            time.sleep(0.005)
        raise Failed("snapd does not answer")

    def answers(self):
        try:
            self.ask("status")
            return True
        except OSError:
            return False

    def ask(self, *fields, timeout=120):
        """One request over the control socket: the lines of the answer as lists of fields."""
        line = "\t".join(f.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n") for f in fields)
        fd = os.open(self.store, os.O_PATH | os.O_DIRECTORY)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
                s.settimeout(timeout)
                s.connect("/proc/self/fd/%d/control" % fd)
                s.sendall(os.fsencode(line) + b"\n")
                got = b""
                while True:
                    p = s.recv(65536)
                    if not p:
                        break
                    got += p
        finally:
            os.close(fd)
        return [li.split("\t") for li in os.fsdecode(got).splitlines()]

    def stop(self, how=signal.SIGTERM):
        if self.proc and self.proc.poll() is None:
            self.proc.send_signal(how)
            self.proc.wait(60)
        rc, self.proc = (self.proc.returncode if self.proc else None), None
        return rc

    # ---- commands

    def run(self, name, *args, check=True, env=None):
        p = subprocess.run([program(name), *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, env=dict(self.env, **(env or {})))
        if check and p.returncode:
            raise Failed("%s %s: exit %d: %s" % (name, " ".join(map(repr, args)), p.returncode,
                                                 os.fsdecode(p.stderr).strip()))
        return p

    def once(self, *args, check=True, env=None):
        p = self.run("snapd", "--workspace", self.w, "--store", self.store, "--once", *args,
                     check=check, env=env)
        return p.stdout.decode().strip() if check else p

    def recover(self, *args, check=True, env=None):
        return self.run("recover", "--workspace", self.w, "--store", self.store, *args, check=check, env=env)

    def restore_to(self, rev, dest, check=True):
        shutil.rmtree(dest, ignore_errors=True)
        return self.recover("restore", rev, "--to", dest, "--yes", check=check)

    def hfread(self, *args, check=True):
        p = subprocess.run([sys.executable, "-B", HFREAD, self.store, *args], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
        if check and p.returncode:
            raise Failed("hfread %s: %s" % (args, os.fsdecode(p.stderr)))
        return p

    def seq_of(self, commit):
        for line in self.hfread("list").stdout.decode().splitlines():
            seq, oid = line.split(" ")[:2]
            if oid.startswith(commit):
                return seq
        raise Failed("hfread does not know %s" % commit)


def cpu_of(pid):
    """Seconds of user and system time of a living process, all its threads; in ns where the kernel tells."""
    total = 0
    try:
        for t in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/schedstat" % (pid, t)) as f:
                total += int(f.read().split()[0])
    except (OSError, ValueError, IndexError):
        total = 0
    with open("/proc/%d/stat" % pid, "rb") as f:
        f = f.read().rpartition(b")")[2].split()
    ticks = (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")
    # A thread that ended is in the ticks only.
    return max(total / 1e9, ticks - 0.02) if total else ticks


def seed_from(argv_seed):
    seed = int(argv_seed) if argv_seed else int.from_bytes(os.urandom(4), "little")
    print("seed", seed, flush=True)
    return seed
