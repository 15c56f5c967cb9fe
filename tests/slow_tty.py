"""A slow terminal in a storm of sizes, for what runs in it: slow_tty.py SEED N READY COMMAND...

The command gets a terminal of its own, of which 1 KB is read every 10 ms and passed on. When READY has come, N sizes from 10x3 to 300x80
are set while keys from the variable KEYS (words between blanks, in Python's escapes) are typed; then the size of our own terminal, and the
keys of LAST. From there on it only passes on, as fast as it can."""
import fcntl
import os
import pty
import random
import select
import struct
import sys
import termios
import time
import tty

seed, n, ready, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode(), sys.argv[4:]


def words(name):
    return [x.encode().decode("unicode_escape").encode("latin-1") for x in os.environ.get(name, "").split(" ") if x]


typed, last = words("KEYS"), words("LAST")
rng = random.Random(seed)
pid, fd = pty.fork()
if pid == 0:
    time.sleep(0.1)     # until it has its size
    os.execvp(command[0], command)


def size(rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def outer():
    return struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8))[:2]


def leave():
    termios.tcsetattr(0, termios.TCSADRAIN, was)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    sys.exit(code if code >= 0 else 128 - code)


def turn(most, seconds):
    """What came is passed on; b"" when nothing did."""
    if not select.select([fd], [], [], seconds)[0]:
        return b""
    try:
        data = os.read(fd, most)
    except OSError:
        data = b""
    if not data:
        leave()
    got = data
    while data:
        data = data[os.write(1, data):]
    return got


was = termios.tcgetattr(0)
tty.setraw(0)
size(*outer())
seen = b""
while ready not in seen:
    seen = seen[-4096:] + turn(1024, 1)
for i in range(n):
    size(rng.randint(3, 80), rng.randint(10, 300))
    if typed and rng.random() < 0.5:
        os.write(fd, rng.choice(typed))
    for _ in range(rng.randint(1, 2)):
        turn(1024, 0)
        time.sleep(0.01)
size(*outer())
for k in last:
    for _ in range(20):
        turn(1024, 0.01)
        time.sleep(0.01)
    os.write(fd, k)
while True:
    got = select.select([0, fd], [], [])[0]
    if 0 in got:
        os.write(fd, os.read(0, 4096))
    if fd in got:
        turn(65536, 0)
