#!/usr/bin/env python3
"""The reader against stores written by hand from docs/format.md."""
import os
import subprocess
import sys
import tempfile
import traceback

sys.dont_write_bytecode = True
from hfwrite import Segment, entry, frame, git_id, snapshot, varint, zip_   # noqa: E402
import hashlib                                                              # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
T0 = 1_700_000_000_123_456_789


def reader(store, *args):
    p = subprocess.run([sys.executable, "-B", HERE + "/hfread.py", store, *args],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return p.returncode, p.stdout, p.stderr.decode()


def tree(*entries):
    return b"".join(b"%s %s\0" % (m, n) + i for m, n, i in entries)


def two_snapshots(store):
    """Every encoding once: raw, solid zstd, zdelta, splice, zids, chunks, a manifest object."""
    seg = Segment()
    old = b"".join(b"line %d\n" % i for i in range(1500)) + b"one\n" + b"".join(b"rest %d\n" % i for i in range(1500))
    at = old.index(b"one\n")
    middle = b"two and three\n" + old[at - 4000:at - 3800] + old[at + 3800:at + 4000]
    new = old.replace(b"one\n", middle)
    chunks = [b"A" * 70000, b"B" * 5000]
    big = b"".join(chunks)
    big_id = git_id(b"blob", big)
    list_ = varint(len(big)) + b"".join(varint(len(c)) + git_id(b"blob", c) for c in chunks)
    link = b"../else where"
    sub = tree((b"100644", b"big", big_id), (b"100755", b"run", git_id(b"blob", b"#!x\n")))
    top = tree((b"120000", b"l\xff", git_id(b"blob", link)), (b"100644", b"old", git_id(b"blob", old)),
               (b"40000", b"sub", git_id(b"tree", sub)))
    a = seg.record([
        frame(1, 0, b"#!x\n", [4]),
        frame(1, 1, zip_(old + link), [len(old), len(link)], solid=True),
        frame(1, 1, zip_(big), [len(c) for c in chunks], solid=True),
        frame(3, 0, list_, [len(list_)]),
    ], [git_id(b"blob", p) for p in (b"#!x\n", old, link, *chunks)] + [big_id])
    sub_id, top_id = git_id(b"tree", sub), git_id(b"tree", top)
    ids = [big_id, sub_id, top_id]          # the tree frame's prefix is the record's ids
    t = seg.record([frame(1, 1, zip_(big), [len(big)]),
                    frame(2, 4, zip_(sub + top, b"".join(ids)), [len(sub), len(top)], solid=True)], ids)
    man = entry(3, b"", 0o40700, T0 - 5) + entry(3, b"empty", 0o40755, T0 - 10**9)
    m = seg.record([frame(5, 0, man, [len(man)])], [hashlib.sha1(man).digest()])
    s, c1 = snapshot(1, top_id, None, T0, [
        entry(2, b"l\xff", 0o120777, 0, 0, len(link)),
        entry(1, b"old", 0o100600, -7 * 10**9 - 1, 0, len(old)),
        entry(3, b"sub", 0o40750, 3),
        entry(1, b"sub/big", 0o100644, 4, 0, len(big), shared=3),
        entry(1, b"sub/run", 0o100755, 5, 0, 4, shared=4),
        entry(4, b"zoo", 0o140755, 0, 0, 0, 2)], b"hello",
        manifests=b"\1" + varint(len(seg.out) - m) + b"\0")
    seg.record([frame(4, 1, zip_(s), [len(s)])], [c1])
    end1 = len(seg.out)
    # The second: old changed (zdelta), sub gone (splice of the tree).
    tail = len(old) - at - 4
    part = old[at - 4096:at + 4 + 4096]
    delta = varint(at) + varint(tail) + zip_(middle, part)
    assert len(delta) < 100                 # it does refer to the part
    top2 = tree((b"120000", b"l\xff", git_id(b"blob", link)), (b"100644", b"old", git_id(b"blob", new)))
    keep = len(top2) - 20
    cut = len(top) - keep - 20
    here = len(seg.out)
    sp = varint(keep << 2 | 0) + varint(20 << 2 | 1) + varint(0 << 2 | 3) + varint((cut) << 2 | 1)
    s2, c2 = snapshot(2, git_id(b"tree", top2), c1, T0 + 10**9,
                      [entry(1, b"old", 0o100600, 0, 0, len(new)), entry(0, b"sub")], reason=1)
    seg.record([frame(1, 2, delta, [len(new)], (here - a, 1, 1)),
                frame(2, 3, sp, [len(top2)], (here - t, 2, 1)),
                frame(4, 0, s2, [len(s2)])],
               [git_id(b"blob", new), git_id(b"tree", top2), c2])
    seg.record([frame(6, 0, varint(1) + b"good", [5])], [hashlib.sha1(varint(1) + b"good").digest()])
    seg.save(store)
    return seg, end1, {"old": old, "new": new, "big": big}


def test_list_and_check(d):
    two_snapshots(d)
    rc, out, err = reader(d, "check")
    assert rc == 0 and b"2 snapshots" in out and b" 0 faults" in out, (rc, out, err)
    rc, out, err = reader(d, "list")
    lines = out.decode().splitlines()
    assert rc == 0 and lines[0].startswith("2 ") and " good hello" in lines[1], (out, err)


def test_extract_is_exact(d):
    _, _, b = two_snapshots(d)
    rc, _, err = reader(d, "extract", "1", d + "/x")
    assert rc == 0, err
    x = os.fsencode(d + "/x")
    assert open(x + b"/old", "rb").read() == b["old"]
    assert open(x + b"/sub/big", "rb").read() == b["big"]
    assert os.readlink(x + b"/l\xff") == b"../else where"
    assert os.stat(x + b"/old").st_mode == 0o100600
    assert os.stat(x + b"/old").st_mtime_ns == T0 - 7 * 10**9 - 1
    assert os.stat(x + b"/empty").st_mtime_ns == T0 - 10**9
    assert os.stat(x).st_mode == 0o40700 and os.stat(x).st_mtime_ns == T0 - 5
    assert os.stat(x + b"/sub").st_mode == 0o40750 and os.stat(x + b"/sub").st_mtime_ns == T0 + 3
    assert not os.path.lexists(x + b"/zoo")
    rc, _, err = reader(d, "extract", "2", d + "/y")
    assert rc == 0, err
    assert open(d + "/y/old", "rb").read() == b["new"]
    assert sorted(os.listdir(d + "/y")) == sorted(["empty", "l\udcff", "old"])


def test_torn_tail_is_ignored(d):
    seg, end1, _ = two_snapshots(d)
    whole = len(seg.out)
    for cut in list(range(end1, whole, 17)) + [whole - 1]:
        with open(d + "/log/00000001.seg", "r+b") as f:
            f.truncate(0)
            f.write(seg.out[:cut])
        rc, out, err = reader(d, "list")
        assert rc == 0 and out.decode().splitlines()[-1].startswith("1 "), (cut, out, err)


def test_torn_frame_in_the_last_transaction(d):
    seg, _, _ = two_snapshots(d)
    data = bytearray(seg.out)
    data[-1] ^= 1               # the mark's name: its own transaction is torn, no other
    with open(d + "/log/00000001.seg", "wb") as f:
        f.write(data)
    rc, out, err = reader(d, "list")
    assert rc == 0 and len(out.splitlines()) == 2 and b"good" not in out, (out, err)


def test_a_flip_is_never_a_wrong_byte(d):
    seg, end1, b = two_snapshots(d)
    for at in range(0, end1, 97):
        data = bytearray(seg.out)
        data[at] ^= 4
        with open(d + "/log/00000001.seg", "wb") as f:
            f.write(data)
        for name, want in ((("old"), b["new"]), (("l\udcff"), b"../else where")):
            rc, out, err = reader(d, "cat", "2", name)
            assert (rc == 0 and out == want) or (out in (b"", want) and rc == 1 and err), (at, rc, err)


def test_damage_in_the_middle_does_not_stop_it(d):
    seg, end1, b = two_snapshots(d)
    data = bytearray(seg.out)
    data[64] ^= 0xff            # the first record's mark
    with open(d + "/log/00000001.seg", "wb") as f:
        f.write(data)
    rc, out, err = reader(d, "list")
    assert rc == 1 and len(out.splitlines()) == 2 and "are no record" in err, (out, err)


def test_a_lost_header_is_no_tear(d):
    seg, _, _ = two_snapshots(d)
    data = bytearray(seg.out)
    with open(d + "/log/headers", "wb") as f:
        f.write(data[:64])
    data[:64] = bytes(64)
    with open(d + "/log/00000001.seg", "wb") as f:
        f.write(data)
    rc, out, err = reader(d, "list")
    assert rc == 1 and len(out.splitlines()) == 2 and "0..63" in err, (rc, out, err)
    os.unlink(d + "/log/headers")
    rc, out, err = reader(d, "list")
    assert rc == 1 and not out and "header" in err, (rc, out, err)


def test_a_flip_in_the_header_is_mended(d):
    seg, _, b = two_snapshots(d)
    data = bytearray(seg.out)
    data[40] ^= 0x10            # the salt: every record hangs on it
    with open(d + "/log/00000001.seg", "wb") as f:
        f.write(data)
    rc, out, err = reader(d, "cat", "2", "old")
    assert rc == 1 and out == b["new"] and "0..63" in err, (rc, err)


def main():
    failed = 0
    for name, fn in sorted(globals().items()):
        if not name.startswith("test_"):
            continue
        with tempfile.TemporaryDirectory() as d:
            try:
                fn(d)
                print("ok", name)
            except Exception:
                failed += 1
                print("not ok", name)
                traceback.print_exc(file=sys.stdout)
    return failed != 0


sys.exit(main())
