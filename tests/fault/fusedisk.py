"""A disk whose every write and flush is seen: one file, "disk", on a FUSE file system served by a thread here,
for a loop device to lie on. Needs root (mount) and /dev/fuse; no library.

    disk = Disk(folder, size); disk.events is what happened, in order:
        ("w", offset, bytes)    written
        ("f",)                  a flush was done: what is before it is on the disk, whatever happens
    and whatever else the caller appends.

What is before a flush counts as kept, so that the recorder may not answer a flush before it has seen the writes
before it: one thread answers one request after the other. A request that is not known is refused by name (ENOSYS).
"""
import ctypes
import errno
import os
import stat
import struct
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE, STATFS, RELEASE, FSYNC = 1, 2, 3, 4, 14, 15, 16, 17, 18, 20
FLUSH, INIT, OPENDIR, RELEASEDIR, FSYNCDIR, INTERRUPT, DESTROY, BATCH_FORGET, FALLOCATE = 25, 26, 27, 29, 30, 36, 38, 42, 43
BIG_WRITES, MAX_PAGES = 1 << 5, 1 << 22
MAX_WRITE = 1 << 20
ROOT, FILE = 1, 2
NOSUID, NODEV, BIND, PRIVATE = 2, 4, 4096, 16384 | 1 << 18
NEWNS = 0x20000
ZERO = bytes(4096)


def mount(source, target, kind, options="", flags=NOSUID | NODEV):
    if LIBC.mount(source.encode(), os.fsencode(target), kind.encode(), flags, options.encode()):
        raise OSError(ctypes.get_errno(), "mount of %s: %s" % (kind, os.strerror(ctypes.get_errno())))


def umount(target):
    if LIBC.umount2(os.fsencode(target), 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def alone():
    """Mounts of this process from now on are nobody else's, and go with it."""
    if LIBC.unshare(NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    mount("none", "/", "none", flags=PRIVATE)


class Disk:
    def __init__(self, where, size):
        self.where, self.size, self.events, self.data = where, size, [], {}
        self.path = os.path.join(where, "disk")
        os.makedirs(where, exist_ok=True)
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        mount("disk", where, "fuse", "fd=%d,rootmode=40000,user_id=0,group_id=0" % self.fd)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def close(self):
        umount(self.where)
        self.thread.join(30)
        os.close(self.fd)

    # ---- the bytes, in pages; a page that is not there is zeroes

    def read(self, at, n):
        out = b"".join(self.data.get(p, ZERO) for p in range(at // 4096, (at + n + 4095) // 4096))
        return out[at % 4096:at % 4096 + n]

    def write(self, at, data):
        self.events.append(("w", at, data))
        end, pos = at + len(data), at
        while pos < end:
            page, off = divmod(pos, 4096)
            part = data[pos - at:pos - at + 4096 - off]
            if len(part) < 4096:
                was = self.data.get(page, ZERO)
                part = was[:off] + part + was[off + len(part):]
            self.data[page] = part
            pos = (page + 1) * 4096

    # ---- the protocol: linux/fuse.h

    def attr(self, node):
        mode = stat.S_IFDIR | 0o700 if node == ROOT else stat.S_IFREG | 0o600
        size = 0 if node == ROOT else self.size
        return struct.pack("<6Q10I", node, size, size // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def serve(self):
        while True:
            try:
                req = os.read(self.fd, MAX_WRITE + 65536)
            except OSError as e:
                if e.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                return                                          # unmounted
            _, op, unique, node = struct.unpack_from("<IIQQ", req)
            if op in (FORGET, BATCH_FORGET, INTERRUPT):
                continue
            err, out = 0, b""
            try:
                out = self.answer(op, node, req[40:])
            except OSError as e:
                err = -e.errno
            try:
                os.write(self.fd, struct.pack("<IiQ", 16 + len(out), err, unique) + out)
            except OSError as e:
                if e.errno not in (errno.ENOENT, errno.EINTR):
                    return
            if op == DESTROY:
                return

    def answer(self, op, node, a):
        if op == INIT:
            return struct.pack("<4I2H2I2H8I", 7, 31, 0, BIG_WRITES | MAX_PAGES, 16, 12, MAX_WRITE, 1,
                               MAX_WRITE // 4096, 0, *[0] * 8)
        if op == LOOKUP:
            if a != b"disk\0":
                raise OSError(errno.ENOENT, "")
            return struct.pack("<4Q2I", FILE, 0, 3600, 3600, 0, 0) + self.attr(FILE)
        if op in (GETATTR, SETATTR):
            return struct.pack("<Q2I", 3600, 0, 0) + self.attr(node)
        if op in (OPEN, OPENDIR):
            return struct.pack("<Q2I", 1, 0, 0)
        if op == READ:
            _, at, n = struct.unpack_from("<QQI", a)
            return self.read(at, max(0, min(n, self.size - at)))
        if op == WRITE:
            _, at, n = struct.unpack_from("<QQI", a)
            self.write(at, a[40:40 + n])
            return struct.pack("<2I", n, 0)
        if op == FALLOCATE:
            _, at, n, mode = struct.unpack_from("<QQQI", a)
            if mode & ~(1 | 2 | 16):                            # keep size, punch hole, zero range
                raise OSError(errno.EOPNOTSUPP, "")
            self.write(at, bytes(n))
            return b""
        if op == FSYNC:
            self.events.append(("f",))
            return b""
        if op == STATFS:
            return struct.pack("<5Q4I6I", 1 << 20, 1 << 20, 1 << 20, 1, 1, 4096, 255, 4096, 0, *[0] * 6)
        if op in (RELEASE, RELEASEDIR, FLUSH, FSYNCDIR, DESTROY):
            return b""
        raise OSError(errno.ENOSYS, "")
