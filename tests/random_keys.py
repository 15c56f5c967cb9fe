"""Random keys and sizes at a screen, on a terminal that the test holds itself: what `Storm` starts must live through them, write nothing
that a hostile name or text put in its mouth, leave the terminal's modes as they were and no process behind, however it ends."""
import errno
import fcntl
import os
import pty
import random
import select
import signal
import struct
import termios
import time

SIZES = ((24, 80), (40, 120), (60, 200), (5, 20), (80, 300), (3, 10), (1, 1), (24, 80))


class Storm:
    def __init__(self, command, env, cwd, size=(24, 80), ready=b"", slow=False):
        """ready: what must have been written before the first key."""
        self.env, self.cwd, self.command, self.slow = env, cwd, command, slow
        self.master, self.slave = pty.openpty()
        self.modes = termios.tcgetattr(self.slave)
        self.size(*size)
        self.pid = os.fork()
        if self.pid == 0:
            os.login_tty(self.slave) if hasattr(os, "login_tty") else self.login()
            os.chdir(cwd)
            os.execve(command[0], command, env)
        self.seen, self.code = b"", None
        self.until(lambda: ready in self.seen, "%r is written" % ready)

    def login(self):
        os.setsid()
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
        for fd in 0, 1, 2:
            os.dup2(self.slave, fd)
        os.closerange(3, 64)

    def size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def turn(self, seconds):
        """What it has written, as fast as this terminal takes it; False: nothing came."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 1024 if self.slow else 65536)
        except OSError as e:
            assert e.errno == errno.EIO
            return False
        self.seen = self.seen[-65536:] + data
        if self.slow:
            time.sleep(0.01)
        for word in b"\x1b]0;", b"\x1b[99m", b"title\x07":
            at = self.seen.find(word)
            assert at < 0, "this reached the terminal: %r" % self.seen[max(0, at - 60):at + 60]
        return True

    def type(self, keys):
        at = 0
        while at < len(keys):
            self.turn(0)
            if select.select([], [self.master], [], 60)[1]:
                at += os.write(self.master, keys[at:])

    def ended(self):
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is not None

    def until(self, what, wanted, seconds=120):
        end = time.time() + seconds
        while not what():
            if not self.turn(0.02) and self.ended() and not what():
                raise AssertionError("it ended with %s before %s: %r" % (self.code, wanted, self.seen[-2000:]))
            assert time.time() < end, "not seen: %s; last %r" % (wanted, self.seen[-2000:])

    def is_done(self, seconds=60):
        """Until it has ended; its code."""
        end = time.time() + seconds
        while not self.ended():
            self.turn(0.02)
            assert time.time() < end, "it does not end: %r" % self.seen[-2000:]
        while self.turn(0):
            pass
        return self.code

    def left_right(self, code):
        """It has ended with that code, the modes are as they were, nobody of its session is left."""
        got = self.is_done()
        assert got in (code if isinstance(code, tuple) else (code,)), "it ended with %s: %r" % (got, self.seen[-2000:])
        now = termios.tcgetattr(self.slave)
        assert now[:4] == self.modes[:4], "modes %r, not %r" % (now[:4], self.modes[:4])
        self.nobody()

    def nobody(self, seconds=60):
        end = time.time() + seconds
        while (them := session(self.pid)):
            assert time.time() < end, "left behind: %r" % them
            time.sleep(0.02)

    def hang_up(self):
        """The terminal goes away, as with ssh."""
        os.close(self.slave)
        os.close(self.master)
        self.master = self.slave = -1
        end = time.time() + 60
        while not self.ended():
            assert time.time() < end, "it outlives its terminal"
            time.sleep(0.02)
        self.nobody()

    def close(self):
        for fd in self.master, self.slave:
            if fd >= 0:
                os.close(fd)
        self.master = self.slave = -1


def session(sid):
    """The processes of a session, zombies aside."""
    them = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name) as f:
                comm, rest = f.read().rsplit(")", 1)
        except OSError:
            continue
        fields = rest.split()
        if int(fields[3]) == sid and fields[0] not in "ZX":
            them.append(comm.split("(", 1)[1] + " " + name)
    return them


def storm(start, keys, n, rng, codes=(0,), most_idle=0.002):
    """n keys, each a byte string, at what start(size) gives; it may leave in order, and is started again. Sizes change among them."""
    size, run = rng.choice(SIZES), None
    for i in range(n):
        if run is None:
            run = start(size)
        run.type(rng.choice(keys))
        if rng.random() < 0.02:
            size = rng.choice(SIZES) if rng.random() < 0.5 else (rng.randint(1, 80), rng.randint(1, 300))
            run.size(*size)
        run.turn(rng.random() * most_idle)
        if run.ended():
            run.left_right(codes)
            run.close()
            run = None
    if run is not None and not run.ended():
        os.kill(run.pid, signal.SIGTERM)
        run.left_right((*codes, -15, 143))
    if run is not None:
        run.close()
