#!/usr/bin/env python3
"""hurt.py STORE: two bits of a byte flipped in the stored bytes of every frame that holds files or trees."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reader"))
import hfread                                       # noqa: E402

for seg in hfread.Store(sys.argv[1]).segments:
    with open(os.path.join(sys.argv[1], "log", seg.name), "r+b") as f:
        for frame in (fr for rec in seg.records for fr in rec.frames if fr.type in (1, 2, 3)):
            at = frame.at + frame.size // 2
            f.seek(at)
            byte = f.read(1)[0]
            f.seek(at)
            f.write(bytes([byte ^ 5]))
