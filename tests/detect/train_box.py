"""A training of the trials: takes memory in one of several ways. PATTERN, then numbers: bytes, bytes a second.
STAMPS names a file of pairs of 64-bit numbers, the first of which is how many follow: when (CLOCK_MONOTONIC, ns), what it held."""
import mmap
import os
import struct
import sys
import time

CHUNK = 1 << 20
ONES = b"\1" * CHUNK


class Stamps:
    def __init__(self, path):
        with open(path, "r+b") as f:
            self.m, self.n = mmap.mmap(f.fileno(), 0), 0

    def add(self, held):
        if (self.n + 2) * 16 <= len(self.m):
            struct.pack_into("QQ", self.m, (self.n + 1) * 16, time.monotonic_ns(), held)
            self.n += 1
            struct.pack_into("Q", self.m, 0, self.n)


class Memory:
    def __init__(self, most):
        self.m, self.n = mmap.mmap(-1, most, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), 0
        self.stamps = Stamps(os.environ["STAMPS"]) if "STAMPS" in os.environ else None

    def take(self, n):
        while n >= CHUNK:
            self.m[self.n:self.n + CHUNK] = ONES
            self.n += CHUNK
            n -= CHUNK
            if self.stamps:
                self.stamps.add(self.n)
        return n


def grow(memory, until, rate):
    """At that many bytes a second, up to that many; what the clock owes is caught up, but not what a freeze took."""
    owed, last = 0.0, time.monotonic()
    while memory.n < until:
        now = time.monotonic()
        owed += min(now - last, 0.05) * rate
        last = now
        owed = memory.take(min(owed, until - memory.n + CHUNK))
        time.sleep(0.002)


def read_all(path):
    with open(path, "rb", buffering=0) as f:
        while f.read(CHUNK):
            pass


def main():
    pattern, a = sys.argv[1], [int(x) for x in sys.argv[3:]]
    data = sys.argv[2]
    if pattern == "grow":           # leak, spike: MOST, RATE
        grow(Memory(a[0]), a[0], a[1])
    elif pattern == "workers":      # COUNT, MOST of each, RATE of each
        for _ in range(a[0]):
            if os.fork() == 0:
                grow(Memory(a[1]), a[1], a[2])
                time.sleep(2)
                os._exit(0)
        for _ in range(a[0]):
            if os.wait()[1]:
                sys.exit(1)
    elif pattern == "crawl":        # FAST, MOST, RATE
        m = Memory(a[1])
        grow(m, a[0], 400 << 20)
        if os.fork() == 0:
            while os.getppid() != 1:
                read_all(data)
            os._exit(0)
        grow(m, a[1], a[2])
    elif pattern == "saw":          # RATE, peaks
        for peak in a[1:]:
            m = Memory(peak + CHUNK)
            grow(m, peak, a[0])
            time.sleep(0.7)
            m.m.close()
            time.sleep(0.3)
    elif pattern == "cache":
        for _ in range(2):
            read_all(data)


main()
