#!/usr/bin/env python3
"""Reads a Holdfast store with nothing but docs/format.md, this standard library and
the zstd command. It shares no line with the programs: what it extracts is what the
format says, and a difference is a fault of one of the two.

    hfread.py STORE list                 seq, commit, time, reason, entries, message
    hfread.py STORE extract SEQ DIR      a snapshot into a new folder, byte-exact
    hfread.py STORE cat SEQ PATH         one file to stdout
    hfread.py STORE check                every checksum and every id computed again

SEQ is a number or "last". Exit: 0 whole, 1 damage was named on stderr, 2 usage, 4 no store.
"""
import hashlib
import mmap
import os
import stat
import struct
import subprocess
import sys
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor

MAGIC = bytes.fromhex("8948465345470d0a")
ZSTD_MAGIC = bytes.fromhex("28b52ffd")
DROPPED_MAGIC = bytes.fromhex("8948464452 0d0a01")
BLOB, TREE, LARGE, SNAPSHOT, MANIFEST, MARK, DROPPED = 1, 2, 3, 4, 5, 6, 7
TYPES = {1: "blob", 2: "tree", 3: "large", 4: "snapshot", 5: "manifest", 6: "mark",
         7: "dropped"}
NEAR = 4096             # of what is the same, on either side of a zdelta's middle
RAW, ZSTD, ZDELTA, SPLICE, ZIDS = 0, 1, 2, 3, 4
GONE, FILE, LINK, FOLDER, SKIPPED = 0, 1, 2, 3, 4
KEPT = 16
REASONS = {1: "interval", 2: "launch", 3: "risk", 4: "exit", 5: "manual", 6: "restore",
           7: "start", 8: "stop", 9: "import"}
BATCH = 64 << 20        # decompressed bytes asked of one zstd
BODY_MAX = 1 << 30


class Bad(Exception):
    """The bytes do not say what the format says they must."""


class Cur:
    """A cursor over bytes; a read past the end is Bad."""

    def __init__(self, data, at=0, end=None):
        self.d, self.at, self.end = data, at, len(data) if end is None else end

    def u8(self):
        return self.take(1)[0]

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def u64(self):
        return struct.unpack("<Q", self.take(8))[0]

    def take(self, n):
        if n < 0 or n > self.end - self.at:
            raise Bad("cut short")
        self.at += n
        return bytes(self.d[self.at - n:self.at])

    def varint(self):
        v = 0
        for i in range(10):
            b = self.u8()
            v |= (b & 0x7f) << (7 * i)
            if not b & 0x80:
                if v >> 64:
                    raise Bad("number too large")
                return v
        raise Bad("number too long")

    def zigzag(self):
        v = self.varint()
        return (v >> 1) ^ -(v & 1)

    def more(self):
        return self.at < self.end


# ---- segments and records ------------------------------------------------------

class Frame:
    __slots__ = ("rec", "type", "enc", "solid", "at", "size", "crc", "dist", "index", "depth",
                 "lens", "first")


class Record:
    __slots__ = ("seg", "at", "end", "frames", "ids", "objs", "tx")

    def ends_transaction(self):
        return self.frames[-1].type in (SNAPSHOT, MARK, DROPPED)


class Segment:
    def __init__(self, path, number):
        self.path, self.number = path, number
        self.name = os.path.basename(path)
        self.copied = False     # its header is the one in log/headers
        self.holes = []         # [from, to): bytes that are no record
        self.records = []
        self.by_at = {}
        with open(path, "rb") as f:
            size = os.fstat(f.fileno()).st_size
            self.data = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        self.size = size

    def header(self, copy):
        """The salt. A header with one bit wrong is told by its own crc32 which; else log/headers has it."""
        if self.size < 64:
            raise Bad("no whole header")
        head = bytearray(self.data[:64])
        good = self.header_good(head)
        if not good:
            self.holes.append((0, 64))
            for bit in range(512):
                head[bit >> 3] ^= 1 << (bit & 7)
                if self.header_good(head):
                    good = True
                    break
                head[bit >> 3] ^= 1 << (bit & 7)
        if not good and len(copy) == 64 and self.header_good(copy):
            head, good, self.copied = copy, True, True
        if not good:
            raise Bad("the header is damaged")
        version, _flags, number = struct.unpack_from("<HHI", head, 8)
        if version != 1:
            raise Bad("version %d is not known" % version)
        if number != self.number:
            raise Bad("its header says number %d" % number)
        self.store_id, self.salt = bytes(head[16:32]), bytes(head[32:48])

    @staticmethod
    def header_good(head):
        return head[:8] == MAGIC and zlib.crc32(head[:60]) == struct.unpack_from("<I", head, 60)[0]

    def scan(self):
        at = 64
        while at < self.size:
            rec = self.record(at)
            if rec:
                self.records.append(rec)
                self.by_at[at] = rec
                at = rec.end
                continue
            start, at = at, self.next_record(at + 1)
            self.holes.append((start, at))

    def next_record(self, at):
        """After damage: the next offset where a head check is right."""
        while True:
            at = self.data.find(b"\xd7", at)
            if at < 0:
                return self.size
            if self.record(at):
                return at
            at += 1

    def record(self, at):
        """The record at this offset, or None. Its frames may lie past the end of the file."""
        c = Cur(self.data, at, self.size)
        try:
            if c.u8() != 0xd7:
                return None
            n = c.varint()
            if n > BODY_MAX:
                return None
            body_at = c.at
            c.take(n)
            head = self.data[at:c.at]
            seed = zlib.crc32(self.salt + struct.pack("<Q", at))
            if zlib.crc32(head, seed) != c.u32():
                return None
            return self.body(at, Cur(self.data, body_at, body_at + n), c.at)
        except Bad:
            return None

    def body(self, at, c, frames_at):
        rec = Record()
        rec.seg, rec.at, rec.frames, rec.objs = self, at, [], []
        nframes = c.varint()
        if nframes < 1:
            raise Bad("no frame")
        for _ in range(nframes):
            f = Frame()
            b = c.u8()
            f.rec, f.type, f.enc, f.solid = rec, b >> 4, b & 7, bool(b & 8)
            f.size, f.crc = c.varint(), c.u32()
            f.dist = f.index = f.depth = 0
            if f.enc in (ZDELTA, SPLICE):
                f.dist, f.index, f.depth = c.varint(), c.varint(), c.varint()
            m = c.varint() if f.solid else 1
            if m < 1 or m > n_left(c):
                raise Bad("a solid frame of nothing")
            f.lens = [c.varint() for _ in range(m)]
            f.at, frames_at = frames_at, frames_at + f.size
            f.first = len(rec.objs)
            rec.objs += [(f, i) for i in range(m)]
            rec.frames.append(f)
        rec.ids = [c.take(20) for _ in rec.objs]
        if c.more():
            raise Bad("the body is not used up")
        rec.end = frames_at
        return rec

    def stored(self, f):
        """A frame's stored bytes, its crc32 checked."""
        p = self.data[f.at:f.at + f.size]
        if len(p) != f.size:
            raise Bad("%s at %d: cut short" % (self.name, f.at))
        if zlib.crc32(p) != f.crc:
            raise Bad("%s at %d: checksum mismatch" % (self.name, f.at))
        return p


def n_left(c):
    return c.end - c.at


# ---- the store -----------------------------------------------------------------

class Store:
    def __init__(self, path):
        self.damage = []        # what is wrong, in words
        self.torn = 0           # bytes of an unacknowledged tail
        self.log = log = os.path.join(path, "log")
        try:
            names = sorted(n for n in os.listdir(log) if len(n) == 12 and n.endswith(".seg")
                           and n[:8].isdigit())
        except OSError as e:
            raise SystemExit("hfread: %s: %s" % (log, e.strerror))
        self.segments = []
        self.no_tear = (0, 0)   # the end of the last segment whose header is not right by itself
        for n in names:
            seg = Segment(os.path.join(log, n), int(n[:8]))
            try:
                seg.header(self.header_copy(seg.number))
                seg.scan()
            except Bad as e:
                # The newest may just have been begun.
                if not (n == names[-1] and seg.size <= 64):
                    self.damage.append("%s: %s" % (n, e))
                    self.no_tear = seg.number, seg.size
                else:
                    self.torn += seg.size
                continue
            if seg.copied:
                self.no_tear = seg.number, seg.size
            self.segments.append(seg)
        self.cut_tail()
        self.locs = {}          # id -> records' objects that hold it
        for seg in self.segments:
            for a, b in seg.holes:
                self.damage.append("%s: bytes %d..%d are no record" % (seg.name, a, b - 1))
            for rec in seg.records:
                for i, oid in enumerate(rec.ids):
                    self.locs.setdefault(oid, []).append((rec, i))
        self.cache = {}
        self.read_snapshots()

    def header_copy(self, number):
        try:
            with open(os.path.join(self.log, "headers"), "rb") as f:
                f.seek((number - 1) * 64)
                return f.read(64)
        except OSError:
            return b""

    def cut_tail(self):
        """Drop what follows the last whole transaction; only the last can be torn."""
        recs = [r for s in self.segments for r in s.records]
        ends = [i for i, r in enumerate(recs) if r.ends_transaction()]
        last = recs[ends[-1]] if ends else None
        before = recs[ends[-2]] if len(ends) > 1 else None
        acked = max(self.acked(recs) or (0, 0), self.no_tear)
        followed = ends and ends[-1] + 1 < len(recs)
        if last and acked >= (last.seg.number, last.end):
            return self.cut_after(acked)
        if last and not followed and not self.whole(recs[(ends[-2] + 1 if before else 0):ends[-1] + 1], before):
            last = before
        at = (last.seg.number, last.end) if last else (0, 64)
        self.cut_after(max(at, acked))

    def acked(self, recs):
        """(segment, offset) up to which the log was acknowledged, or None if nothing says so."""
        try:
            with open(os.path.join(self.log, "acked"), "rb") as f:
                p = f.read(17)
        except OSError:
            return None
        if len(p) != 16:
            return None
        number, off, crc = struct.unpack("<IQI", p)
        seg = next((s for s in self.segments if s.number == number), None)
        if not seg or zlib.crc32(seg.salt + p[:12]) != crc or seg.size < off:
            return None
        if any(r.seg is seg and r.at < off < r.end for r in recs):
            return None
        return number, off

    def cut_after(self, end):
        """Drop what stands behind (segment, offset); a hole that reaches over it ends there."""
        for s in self.segments:
            if s.number < end[0]:
                continue
            limit = end[1] if s.number == end[0] else 64
            s.holes = [p for a, b in s.holes for p in ([(a, limit), (limit, b)] if a < limit < b else [(a, b)])]
            self.torn += sum(r.end - r.at for r in s.records if r.at >= limit)
            self.torn += sum(b - a for a, b in s.holes if a >= limit)
            s.records = [r for r in s.records if r.at < limit]
            s.by_at = {r.at: r for r in s.records}
            s.holes = [h for h in s.holes if h[0] < limit]

    def whole(self, recs, before):
        """Are all frames of this transaction there, with no hole between its records?"""
        for r in recs:
            for f in r.frames:
                try:
                    r.seg.stored(f)
                except Bad:
                    return False
        number, end = (before.seg.number, before.end) if before else (0, 64)
        for s in self.segments:
            if s.number < number or s.number > recs[-1].seg.number:
                continue
            a = end if s.number == number else 64
            b = recs[-1].at if s.number == recs[-1].seg.number else s.size
            if any(a <= h[0] < b for h in s.holes):
                return False
        return True

    # ---- objects

    def decode(self, wanted):
        """{(record, index): bytes or Bad} for these objects: plain frames many at a time, then the deltas."""
        frames, todo = {}, [rec.objs[i][0] for rec, i in wanted]
        while todo:                             # with the bases of bases
            f = todo.pop()
            if id(f) in frames or id(f) in self.cache:
                continue
            frames[id(f)] = f
            if f.enc in (ZDELTA, SPLICE):
                base = self.base_of(f)
                if base:
                    todo.append(base[0].objs[base[1]][0])
        plain = [f for f in frames.values() if f.enc == ZSTD]
        self.decode_plain(plain)
        rest = sorted((f for f in frames.values() if f.enc != ZSTD), key=lambda f: f.depth)
        with ThreadPoolExecutor(2) as pool:
            depth = 0
            while rest:
                now = [f for f in rest if f.depth <= depth]
                rest = [f for f in rest if f.depth > depth]
                for f, got in zip(now, pool.map(self.decode_one, now)):
                    self.cache[id(f)] = got
                depth = rest[0].depth if rest else 0
        out = {}
        for rec, i in wanted:
            f, k = rec.objs[i]
            got = self.cache[id(f)]
            out[rec, i] = got if isinstance(got, Bad) else got[k]
        return out

    def base_of(self, f):
        rec = f.rec.seg.by_at.get(f.rec.at - f.dist) if f.dist else None
        return (rec, f.index) if rec and f.index < len(rec.objs) else None

    def decode_plain(self, frames):
        good = []
        for f in frames:
            try:
                good.append((f, ZSTD_MAGIC + f.rec.seg.stored(f)))
            except Bad as e:
                self.cache[id(f)] = e
        while good:
            total, n = 0, 0
            while n < len(good) and (not n or total + sum(good[n][0].lens) <= BATCH):
                total += sum(good[n][0].lens)
                n += 1
            self.decode_batch(good[:n])
            good = good[n:]

    def decode_batch(self, batch):
        want = sum(sum(f.lens) for f, _ in batch)
        try:
            raw = unzstd(b"".join(p for _, p in batch))
            if len(raw) != want:
                raise Bad("%d bytes instead of %d" % (len(raw), want))
        except Bad as e:
            if len(batch) > 1:                  # one of them is wrong: halve
                self.decode_batch(batch[:len(batch) // 2])
                self.decode_batch(batch[len(batch) // 2:])
            else:
                f = batch[0][0]
                self.cache[id(f)] = Bad("%s at %d: %s" % (f.rec.seg.name, f.at, e))
            return
        at = 0
        for f, _ in batch:
            n = sum(f.lens)
            self.cache[id(f)] = split(raw[at:at + n], f.lens)
            at += n

    def decode_one(self, f):
        try:
            p = f.rec.seg.stored(f)
            if f.enc == RAW:
                raw = p
            elif f.enc == ZIDS:
                raw = unzstd(ZSTD_MAGIC + p, b"".join(f.rec.ids))
            elif f.enc in (ZDELTA, SPLICE):
                raw = self.delta(f, p)
            else:
                raise Bad("encoding %d is not known" % f.enc)
            if len(raw) != sum(f.lens):
                raise Bad("%d bytes instead of %d" % (len(raw), sum(f.lens)))
            return split(raw, f.lens)
        except Bad as e:
            return Bad("%s at %d: %s" % (f.rec.seg.name, f.at, e))

    def delta(self, f, p):
        where = self.base_of(f)
        if not where:
            raise Bad("its base is not there")
        bf, k = where[0].objs[where[1]]
        base = self.cache.get(id(bf))
        if base is None:
            raise Bad("its base is deeper than itself")
        if isinstance(base, Bad):
            raise Bad("its base: %s" % base)
        base = base[k]
        if f.depth != bf.depth + 1:
            raise Bad("depth %d on a base of depth %d" % (f.depth, bf.depth))
        return zdelta(base, p, f.lens[0]) if f.enc == ZDELTA else splice(base, p, f.rec.ids)

    def get(self, oid, types):
        """The bytes of an object by id: any copy of it that is right."""
        why = Bad("%s is not there" % oid.hex())
        for rec, i in reversed(self.locs.get(oid, [])):
            if rec.objs[i][0].type not in types:
                continue
            got = self.decode([(rec, i)])[rec, i]
            if isinstance(got, Bad):
                why = got
                continue
            if LARGE in types and rec.objs[i][0].type == LARGE:
                got = self.large(got)
            return got
        raise why

    def prefetch(self, oids, types):
        want = []
        for oid in oids:
            for rec, i in reversed(self.locs.get(oid, [])):
                if rec.objs[i][0].type in types:
                    want.append((rec, i))
                    break
        self.decode(want)

    def large(self, p):
        c = Cur(p)
        size, parts = c.varint(), []
        while c.more():
            n, oid = c.varint(), c.take(20)
            parts.append((n, oid))
        self.prefetch([o for _, o in parts], (BLOB,))
        out = []
        for n, oid in parts:
            chunk = self.get(oid, (BLOB,))
            if len(chunk) != n:
                raise Bad("chunk %s has another length" % oid.hex())
            out.append(chunk)
        out = b"".join(out)
        if len(out) != size:
            raise Bad("the chunks of a large file do not add up")
        return out

    # ---- snapshots

    def read_dropped(self):
        """The seqs that count no more."""
        try:
            with open(os.path.join(self.log, "dropped"), "rb") as f:
                p = f.read()
        except FileNotFoundError:
            return set()
        try:
            if len(p) < 37 or p[:8] != DROPPED_MAGIC or zlib.crc32(p[:-4]) != struct.unpack("<I", p[-4:])[0]:
                raise Bad("checksum mismatch")
            if self.segments and p[8:24] != self.segments[0].store_id:
                raise Bad("of another store")
            c, out, seq = Cur(p, 32, len(p) - 4), set(), 0
            for _ in range(c.varint()):
                seq += c.varint()
                out.add(seq)
            if c.more():
                raise Bad("bytes too many")
            return out
        except Bad as e:
            self.damage.append("dropped: %s" % e)
            return set()

    def read_snapshots(self):
        self.snapshots, self.marks = {}, {}
        self.dropped, gone = {}, self.read_dropped()
        want = [(r, i) for s in self.segments for r in s.records
                for i in range(len(r.objs)) if r.objs[i][0].type in (SNAPSHOT, MARK, DROPPED)]
        got = self.decode(want)
        for rec, i in want:
            try:
                if isinstance(got[rec, i], Bad):
                    raise got[rec, i]
                if rec.objs[i][0].type == MARK:
                    self.read_mark(got[rec, i])
                else:
                    sn = Snapshot(got[rec, i], rec, i)
                    away = rec.objs[i][0].type == DROPPED or sn.seq in gone
                    (self.dropped if away else self.snapshots)[sn.seq] = sn
            except Bad as e:
                self.damage.append("%s at %d: %s: %s" % (
                    rec.seg.name, rec.at, TYPES[rec.objs[i][0].type], e))

    def read_mark(self, p):
        c = Cur(p)
        seq = c.varint()
        name = c.take(n_left(c))
        if seq:
            self.marks[name] = seq
        else:
            self.marks.pop(name, None)

    def own_manifest(self, sn):
        """The entries of one record, in order."""
        out = []
        for dist, number, off, index in sn.manifests:
            seg = sn.rec.seg if dist else next((s for s in self.segments if s.number == number), None)
            rec = seg and seg.by_at.get(sn.rec.at - dist if dist else off)
            if not rec or index >= len(rec.objs) or rec.objs[index][0].type != MANIFEST:
                raise Bad("snapshot %d: a manifest object is not there" % sn.seq)
            got = self.decode([(rec, index)])[rec, index]
            if isinstance(got, Bad):
                raise got
            c, prev = Cur(got), b""
            while c.more():
                e = Entry(c, prev, 0)
                prev = e.path
                out.append(e)
        return out + sn.entries

    def manifest(self, sn):
        """The same with what happened in dropped ones between the kept one before it and itself."""
        before = max((n for n in self.snapshots if n < sn.seq), default=0)
        run = [self.dropped[n] for n in sorted(self.dropped) if before < n < sn.seq]
        if not run:
            return self.own_manifest(sn)
        last = {e.path: e for d in run + [sn] for e in self.own_manifest(d)}
        was = self.state(before)
        return [e for _, e in sorted(last.items()) if e.kind != GONE or e.path in was]

    def state(self, seq):
        """Every path's last entry up to a snapshot, what is gone left out."""
        paths = {}
        kids = {}               # folder -> its names, to drop what lay below
        told = {**self.snapshots, **self.dropped}
        for n in sorted(told):
            if n > seq:
                break
            for e in self.own_manifest(told[n]):
                if e.kind != FOLDER and not (e.flags & KEPT):
                    drop_below(paths, kids, e.path)
                if e.kind == GONE:
                    paths.pop(e.path, None)
                else:
                    paths[e.path] = e
                    note_kid(kids, e.path)
        return paths

    def tree_files(self, oid, base=b"", out=None):
        out = {} if out is None else out
        subs = []
        for mode, name, child in tree_entries(self.get(oid, (TREE,))):
            path = base + b"/" + name if base else name
            if mode == 0o40000:
                subs.append((child, path))
            else:
                out[path] = (mode, child)
        self.prefetch([c for c, _ in subs], (TREE,))
        for child, path in subs:
            self.tree_files(child, path, out)
        return out

    def snapshot(self, word):
        if word == "last" and self.snapshots:
            return self.snapshots[max(self.snapshots)]
        if not word.isdigit() or int(word) not in self.snapshots:
            raise Bad("there is no snapshot %s" % word)
        return self.snapshots[int(word)]


def split(raw, lens):
    if len(lens) == 1:
        return [raw]
    out, at = [], 0
    for n in lens:
        out.append(raw[at:at + n])
        at += n
    return out


def unzstd(frames, prefix=None):
    args = ["zstd", "-q", "-d", "-c", "--long=31", "--memory=2048MB"]
    if prefix is None:
        return run(args, frames)
    with tempfile.NamedTemporaryFile(prefix="hfread-") as f:
        f.write(prefix)
        f.flush()
        return run(args + ["--patch-from=" + f.name], frames)


def run(args, data):
    p = subprocess.run(args, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if p.returncode:
        raise Bad("zstd: " + p.stderr.decode("utf-8", "replace").strip())
    return p.stdout


def zdelta(base, p, want):
    c = Cur(p)
    head, tail = c.varint(), c.varint()
    if head + tail > want or head + tail > len(base):
        raise Bad("a delta longer than its base")
    part = base[max(0, head - NEAR):len(base) - max(0, tail - NEAR)]
    middle = unzstd(ZSTD_MAGIC + c.take(n_left(c)), part) if head + tail != want else b""
    if head + tail == want and c.more():
        raise Bad("a delta with bytes too many")
    return base[:head] + middle + (base[len(base) - tail:] if tail else b"")


def splice(base, p, ids):
    c, at, out = Cur(p), 0, []
    while c.more():
        v = c.varint()
        n, op = v >> 2, v & 3
        if op == 0:
            if n > len(base) - at:
                raise Bad("a copy past the base")
            out.append(base[at:at + n])
            at += n
        elif op == 1:
            at += n
            if at > len(base):
                raise Bad("a skip past the base")
        elif op == 2:
            out.append(c.take(n))
        else:
            if n >= len(ids):
                raise Bad("an id that is not there")
            out.append(ids[n])
    return b"".join(out)


def tree_entries(p):
    at = 0
    while at < len(p):
        sp, nul = p.find(b" ", at), p.find(b"\0", at)
        if sp < 0 or nul < sp or nul + 21 > len(p):
            raise Bad("a tree that is none")
        name = p[sp + 1:nul]
        if name in (b"", b".", b"..") or b"/" in name or name.lower() == b".git":
            raise Bad("a tree with the name %r" % name)
        yield int(p[at:sp], 8), name, p[nul + 1:nul + 21]
        at = nul + 21


def note_kid(kids, path):
    while path:
        parent = path.rpartition(b"/")[0]
        have = kids.setdefault(parent, set())
        if path in have:
            return
        have.add(path)
        path = parent


def drop_below(paths, kids, path):
    if not path:
        return
    for kid in kids.pop(path, ()):
        drop_below(paths, kids, kid)
        paths.pop(kid, None)


class Entry:
    __slots__ = ("kind", "path", "mode", "mtime", "flags", "size", "why")

    def __init__(self, c, prev, time):
        self.kind = c.u8()
        shared = c.varint()
        if shared > len(prev) or self.kind > SKIPPED:
            raise Bad("an entry that is none")
        self.path = prev[:shared] + c.take(c.varint())
        self.mode = self.mtime = self.flags = self.size = self.why = 0
        if self.kind == GONE:
            return
        self.mode = c.varint()
        self.mtime = (c.zigzag() + time + 2**63) % 2**64 - 2**63
        self.flags = c.varint()
        if self.kind in (FILE, LINK, SKIPPED):
            self.size = c.varint()
        if self.kind == SKIPPED or self.flags & KEPT:
            self.why = c.u8()


class Snapshot:
    def __init__(self, p, rec, index):
        c = Cur(p)
        if c.u8() != 1:
            raise Bad("a snapshot of another kind")
        self.rec, self.id = rec, rec.ids[index]
        self.seq, self.tree = c.varint(), c.take(20)
        self.parent = c.take(20) if c.u8() else None
        self.time, self.reason, self.flags = c.u64(), c.u8(), c.varint()
        self.message = c.take(c.varint())
        self.manifests = []
        for _ in range(c.varint()):
            dist = c.varint()
            number, off = (c.varint(), c.varint()) if not dist else (0, 0)
            self.manifests.append((dist, number, off, c.varint()))
        self.entries, prev = [], b""
        for _ in range(c.varint()):
            e = Entry(c, prev, self.time)
            prev = e.path
            self.entries.append(e)
        if c.more():
            raise Bad("a snapshot with bytes too many")

    def commit(self):
        who = "Holdfast <holdfast@localhost> %d +0000\n" % (self.time // 10**9)
        t = "tree %s\n" % self.tree.hex()
        if self.parent:
            t += "parent %s\n" % self.parent.hex()
        t += "author %scommitter %s\n" % (who, who)
        t = t.encode() + REASONS.get(self.reason, "?").encode()
        return t + (b": " + self.message if self.message else b"") + b"\n"


def git_id(kind, p):
    return hashlib.sha1(b"%s %d\0" % (kind, len(p)) + p).digest()


# ---- commands ------------------------------------------------------------------

def cmd_list(st):
    names = {}
    for name, seq in st.marks.items():
        names.setdefault(seq, []).append(os.fsdecode(name))
    for seq in sorted(st.snapshots, reverse=True):
        sn = st.snapshots[seq]
        print(seq, sn.id.hex(), sn.time, REASONS.get(sn.reason, sn.reason), len(st.manifest(sn)),
              ",".join(sorted(names.get(seq, []))) or "-", sn.message.decode("utf-8", "backslashreplace"))


def cmd_cat(st, word, path):
    files = st.tree_files(st.snapshot(word).tree)
    path = os.fsencode(path)
    if path not in files:
        raise Bad("%r is not in snapshot %s" % (path, word))
    sys.stdout.buffer.write(content(st, files[path][1]))


def content(st, oid):
    p = st.get(oid, (BLOB, LARGE))
    if git_id(b"blob", p) != oid:
        raise Bad("blob %s: the bytes are not its own" % oid.hex())
    return p


def cmd_extract(st, word, dest):
    """Content from the tree, the rest from the manifest; folders' times last."""
    sn = st.snapshot(word)
    files, state = st.tree_files(sn.tree), st.state(sn.seq)
    compare(sn, files, state)
    os.mkdir(dest)
    root = os.fsencode(dest)
    folders = sorted((p for p in state if state[p].kind == FOLDER), key=lambda p: (p.count(b"/"), p))
    for p in folders:
        if p:
            os.mkdir(root + b"/" + safe(p))
    st.prefetch([oid for _, oid in files.values()], (BLOB, LARGE))
    for p, (mode, oid) in sorted(files.items()):
        full, e = root + b"/" + safe(p), state[p]
        if mode == 0o120000:
            os.symlink(content(st, oid), full)
        else:
            with open(full, "xb") as f:
                f.write(content(st, oid))
            os.chmod(full, stat.S_IMODE(e.mode))
        os.utime(full, ns=(e.mtime, e.mtime), follow_symlinks=False)
    for p in reversed(folders):
        full, e = root + (b"/" + p if p else b""), state[p]
        os.chmod(full, stat.S_IMODE(e.mode))
        os.utime(full, ns=(e.mtime, e.mtime))


def safe(path):
    for part in path.split(b"/"):
        if part in (b"", b".", b"..") or part.lower() == b".git" or b"\0" in part:
            raise Bad("a path that must not be: %r" % path)
    return path


def compare(sn, files, state):
    """Tree and manifest must tell of the same files."""
    told = {p: e for p, e in state.items() if e.kind in (FILE, LINK)}
    for p in sorted(set(files) ^ set(told)):
        raise Bad("snapshot %d: %r is in the %s only" % (sn.seq, p, "tree" if p in files else "manifest"))
    for p, (mode, _) in files.items():
        if (mode == 0o120000) != (told[p].kind == LINK):
            raise Bad("snapshot %d: %r is of two kinds" % (sn.seq, p))
        if mode != 0o120000 and mode != (0o100755 if told[p].mode & 0o100 else 0o100644):
            raise Bad("snapshot %d: %r is %o in the tree, %o in the manifest" % (
                sn.seq, p, mode, told[p].mode))
        parent = p.rpartition(b"/")[0]
        if parent and (parent not in state or state[parent].kind != FOLDER):
            raise Bad("snapshot %d: no entry for the folder of %r" % (sn.seq, p))


def cmd_check(st):
    bad = []
    everything = [(r, i) for s in st.segments for r in s.records for i in range(len(r.objs))]
    got = st.decode(everything)
    for rec, i in everything:
        f, p, oid = rec.objs[i][0], got[rec, i], rec.ids[i]
        what = "%s %s (%s at %d)" % (TYPES.get(f.type, "type %d" % f.type), oid.hex(), rec.seg.name, rec.at)
        if f.type not in TYPES:
            continue
        try:
            if isinstance(p, Bad):
                raise p
            if own_id(st, f.type, p, rec, i) != oid:
                raise Bad("the bytes are not its own")
        except Bad as e:
            bad.append("%s: %s" % (what, e))
    prev, seen = None, {}
    told = {**st.snapshots, **st.dropped}
    for seq in sorted(told):
        sn = told[seq]
        try:
            if sn.parent != (prev.id if prev else None):
                raise Bad("its parent is another")
            if seq in st.snapshots:
                check_tree(st, sn.tree, seen)
        except Bad as e:
            bad.append("snapshot %d: %s" % (seq, e))
        prev = sn
    bad += check_states(st)
    for b in bad:
        print("hfread: " + b, file=sys.stderr)
    print("%d objects, %d snapshots, %d bytes of torn tail, %d faults" % (
        len(everything), len(st.snapshots), st.torn, len(bad) + len(st.damage)))
    return not bad


def own_id(st, kind, p, rec, i):
    if kind == BLOB:
        return git_id(b"blob", p)
    if kind == TREE:
        return git_id(b"tree", p)
    if kind == LARGE:
        return git_id(b"blob", st.large(p))
    if kind == DROPPED:         # nobody can compute it any more
        Snapshot(p, rec, i)
        return rec.ids[i]
    if kind == SNAPSHOT:
        return git_id(b"commit", Snapshot(p, rec, i).commit())
    return hashlib.sha1(p).digest()


def check_tree(st, oid, seen):
    if oid in seen:
        if seen[oid]:
            raise seen[oid]
        return
    seen[oid] = None
    try:
        for mode, _, child in tree_entries(st.get(oid, (TREE,))):
            if mode == 0o40000:
                check_tree(st, child, seen)
            elif not any(r.objs[i][0].type in (BLOB, LARGE) for r, i in st.locs.get(child, [])):
                raise Bad("blob %s is not there" % child.hex())
    except Bad as e:
        seen[oid] = e
        raise


def check_states(st):
    """Tree and manifest of the newest, the oldest and some in between."""
    seqs = sorted(st.snapshots)
    for seq in sorted({seqs[i * (len(seqs) - 1) // 4] for i in range(5)} if seqs else ()):
        try:
            sn = st.snapshots[seq]
            compare(sn, st.tree_files(sn.tree), st.state(seq))
        except Bad as e:
            yield "snapshot %d: %s" % (seq, e)


def main(argv):
    commands = {"list": (cmd_list, 0), "extract": (cmd_extract, 2), "cat": (cmd_cat, 2), "check": (cmd_check, 0)}
    if len(argv) < 3 or argv[2] not in commands or len(argv) - 3 != commands[argv[2]][1]:
        print(__doc__, file=sys.stderr)
        return 2
    if not os.path.isdir(os.path.join(argv[1], "log")):
        print("hfread: %s: no store" % argv[1], file=sys.stderr)
        return 4
    try:
        st = Store(argv[1])
        whole = commands[argv[2]][0](st, *argv[3:]) is not False
    except Bad as e:
        print("hfread: %s" % e, file=sys.stderr)
        return 1
    for d in st.damage:
        print("hfread: " + d, file=sys.stderr)
    return 0 if whole and not st.damage else 1


if __name__ == "__main__":
    sys.setrecursionlimit(1 << 20)      # folders may be nested by the thousand
    sys.exit(main(sys.argv))
