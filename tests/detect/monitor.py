"""A detect-watch under test: started with settings of its own, asked over its socket. Also used by bench/watch."""
import functools
import os
import re
import shutil
import signal
import socket
import subprocess
import time

BUILD = os.environ.get("BUILD_DIR", os.path.join(os.path.dirname(__file__), "..", "..", "build"))


@functools.lru_cache(maxsize=100000)
def fact(line):
    """The fields of a line of the spool or the socket; None when its sum is wrong."""
    body, _, tail = line.rpartition("\t")
    h = 14695981039346656037
    for b in body.encode("utf-8", "surrogateescape"):
        h = (h ^ b) * 1099511628211 & (1 << 64) - 1
    if tail != "sum=%016x" % h:
        return None
    out = {}
    for field in body.split("\t"):
        name, _, value = field.partition("=")
        out[name] = re.sub(r"\\(.)", lambda m: {"t": "\t", "n": "\n"}.get(m[1], m[1]), value)
    return out


def stand_in(where, name):
    """tool_end under another name."""
    path = os.path.join(where, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    shutil.copy(os.path.join(BUILD, "tests", "tool_end"), path)
    return path


class Monitor:
    def __init__(self, state, settings=(), env=None, prefix=(), program=None):
        self.state = state
        os.makedirs(state, mode=0o700, exist_ok=True)
        self.env = dict(os.environ, HOLDFAST_STATE=state, **(env or {}))
        self.program = program or os.path.join(BUILD, "detect-watch")
        self.settings = settings
        self.prefix = list(prefix)
        self.start()

    def start(self, stderr=None):
        r, w = os.pipe()
        os.write(w, "".join(s + "\n" for s in self.settings).encode())
        os.close(w)
        self.p = subprocess.Popen(self.prefix + [self.program, "--settings-fd", str(r)], pass_fds=[r], env=self.env,
                                  stderr=stderr, start_new_session=True)
        os.close(r)
        until = time.time() + 20
        while self.p.poll() is None and time.time() < until:
            try:
                self.ask("status")
                return
            except OSError:
                time.sleep(0.01)
        self.p.kill()
        raise RuntimeError("detect-watch does not answer, %s" % self.p.poll())

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        here = os.open(self.state, os.O_PATH)
        try:
            s.connect("/proc/self/fd/%d/detect" % here)
        finally:
            os.close(here)
        return s

    def ask(self, req, timeout=30):
        s = self.connect()
        s.settimeout(timeout)
        with s:
            s.sendall(req.encode("utf-8", "surrogateescape") + b"\n")
            got = b""
            while True:
                k = s.recv(65536)
                if not k:
                    return got.decode("utf-8", "surrogateescape")
                got += k

    def events(self, seq, timeout=30):
        """(newest, [facts])"""
        lines = self.ask("wait\t%d" % seq, timeout).splitlines()
        assert lines[0].startswith("ok\t"), lines
        return int(lines[0].split("\t")[1]), [fact(x.partition("\t")[2]) for x in lines[1:]]

    def spooled(self):
        try:
            with open(os.path.join(self.state, "spool"), encoding="utf-8", errors="surrogateescape", newline="\n") as f:
                return [fact(x) for x in f.read().split("\n") if x and not x.startswith("#")]
        except FileNotFoundError:
            return []

    def wait_for(self, test, seconds=20):
        """The first spooled fact that passes the test."""
        until = time.time() + seconds
        while True:
            for f in self.spooled():
                if f and test(f):
                    return f
            if time.time() > until:
                return None
            time.sleep(0.01)

    def wait_until(self, test, seconds=20):
        """Until the list of spooled facts passes the test; the list."""
        until = time.time() + seconds
        while not test(self.spooled()) and time.time() < until:
            time.sleep(0.05)
        return self.spooled()

    def end(self, sig=signal.SIGTERM):
        if self.p.poll() is None:
            os.kill(self.p.pid, sig)
        return self.p.wait(20)
