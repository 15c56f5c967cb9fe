#!/usr/bin/env python3
"""The Nth call of a command fails, or the command is killed at its Nth system call, for N = 1, 2, 3 ...

    nth.py DIR [--each N] [--seed S] [--only WORD]

Commands: snapshot, prune, tidy, repair --switch, restore, export, import. After each: no crash; all snapshots there were are
listed, the newest comes back byte for byte, verify --all is clean; and the command, given once more as a user would,
does what it is for, with nothing left over. What lies beside the snapshots (what editors never saved, the restore that can be
taken back) is whole in whatever store has the name. --each N takes N of the calls of each scene, by chance; 0 all of them.
Calls that leave every byte as another one left it are looked at once: what follows is the same.
fault.py and prune.py look closer at what a snapshot and a prune under faults have written.
"""
import argparse
import ctypes
import hashlib
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "oracle"))
import hf                                           # noqa: E402
from treewalk import Options, differences, walk     # noqa: E402

OPT = Options(special=False)
LIBC = ctypes.CDLL(None, use_errno=True)
PRELOAD = os.environ.get("FAULT_PRELOAD") or os.path.join(hf.BUILD, "tests", "preload_fault.so")
WRITES = "write,pwrite,writev,pwritev"
SYNCS, OPENS = "fsync,fdatasync,syncfs", "open,openat,openat2"
SCENES = [("no space", WRITES, "ENOSPC"), ("write error", WRITES, "EIO"), ("short write", WRITES, "short"),
          ("interrupted", WRITES + "," + SYNCS + "," + OPENS, "EINTR"), ("sync error", SYNCS, "EIO"),
          ("rename error", "rename,renameat,renameat2", "EIO"), ("open error", OPENS, "EIO"),
          ("out of descriptors", OPENS, "EMFILE"), ("truncate error", "ftruncate", "EIO"),
          ("no room to map", "mmap", "ENOMEM"), ("out of memory", "malloc", "ENOMEM"), ("killed", "", "trace")]
T = 1_790_000_000


def traced(argv, env, at, out):
    """Run it; at the at-th entry or exit of a system call of its main thread, SIGKILL. (exit code, their number)"""
    pid = os.fork()
    if pid == 0:
        for fd in (1, 2):
            os.dup2(out, fd)
        LIBC.ptrace(0, 0, None, None)
        os.execve(argv[0], argv, env)
    n = 0
    os.waitpid(pid, 0)                                          # the exec
    LIBC.ptrace(0x4200, pid, None, ctypes.c_void_p(1 | 1 << 20))    # SETOPTIONS: TRACESYSGOOD, EXITKILL
    sig = 0
    while True:
        LIBC.ptrace(24, pid, None, ctypes.c_void_p(sig))        # SYSCALL
        _, st = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(st):
            return os.waitstatus_to_exitcode(st), n
        sig = os.WSTOPSIG(st)
        if sig == signal.SIGTRAP | 0x80:
            n, sig = n + 1, 0
            if n == at:
                os.kill(pid, signal.SIGKILL)
        elif sig == signal.SIGTRAP:
            sig = 0


class Nth:
    def __init__(self, o):
        self.o, self.rng, self.bad, self.before = o, random.Random(hf.seed_from(o.seed)), 0, None
        self.d = os.path.abspath(o.dir)
        self.w, self.store, self.good = self.d + "/workspace", self.d + "/store", self.d + "/good"
        os.makedirs(self.d)
        with open(self.d + "/config", "w") as f:
            f.write("[store]\n\tquota = 1G\n\tfreeFloor = 0\n[prune]\n\tall = 1h\n\ttenMinutes = 1h\n\thourly = 1d\n"
                    "\tgrace = 0\n\tevery = 0\n")
        self.own = {"HOLDFAST_CONFIG": self.d + "/config", "HOLDFAST_STATE": self.d + "/state", "TZ": "UTC",
                    "HOLDFAST_NOW": str(T), "HOLDFAST_AUTOSTART": "0"}
        self.env = dict(os.environ, **self.own)
        self.env["LC_ALL"] = "C.UTF-8"
        self.build()

    def build(self):
        """Ten snapshots ten minutes apart, and a restore; a folder of two backups; a workspace that has gone on since."""
        rng = random.Random(1)
        os.makedirs(self.w + "/a/b")
        h = hf.Holdfast(self.w, self.store, env=self.own)
        for i in range(10):
            h.env["HOLDFAST_NOW"] = str(T - 20000 + i * 600)
            for k in range(4):
                with open(self.w + "/a/f%d" % ((i + k) % 6), "wb") as f:
                    f.write(rng.randbytes(3000) + b"text %d\n" % i * 50)
            h.once()
        h.env["HOLDFAST_NOW"] = str(T)
        h.recover("restore", "@~1", "--yes", "--", "a/f3")
        h.once()
        self.saved = walk(self.w, OPT)
        for n in ("unsaved", "unsaved.old"):
            h.run("tests/tool_put", self.store + "/" + n, self.w + "/a")
        with open(self.store + "/restore.last", "rb") as f:
            self.last = f.read()
        self.beside = walk(self.w + "/a", OPT)
        for i in (1, 2):
            os.makedirs(self.d + "/backups/20200101_12000%d" % i)
            with open(self.d + "/backups/20200101_12000%d/old" % i, "wb") as f:
                f.write(rng.randbytes(2000))
        with open(self.w + "/a/f1", "wb") as f:
            f.write(b"since then\n")
        os.unlink(self.w + "/a/f2")
        os.rename(self.store, self.good)
        shutil.copytree(self.w, self.d + "/work", symlinks=True)
        self.ids = [r["id"] for r in self.rows(hf.Holdfast(self.w, self.good, env=self.own))]

    @staticmethod
    def rows(h):
        return [json.loads(x) for x in h.recover("list", "--json").stdout.splitlines()]

    @staticmethod
    def copy(a, b):
        """The reserve is 32 MiB that nobody reads: room, and no bytes."""
        if os.path.basename(a) != "reserve":
            return shutil.copy2(a, b)
        fd = os.open(b, os.O_WRONLY | os.O_CREAT, 0o600)
        os.posix_fallocate(fd, 0, os.path.getsize(a))
        os.close(fd)
        return b

    def fresh(self):
        """The workspace only where something was changed: what the catalogue knows of its files stays so, and with it the bytes."""
        now = self.stats()
        for n in os.listdir(self.d):
            if n.startswith("store") or n == "out.git" or (n == "workspace" and now != self.before):
                shutil.rmtree(os.path.join(self.d, n)) if os.path.isdir(os.path.join(self.d, n)) else \
                    os.unlink(os.path.join(self.d, n))
        shutil.copytree(self.good, self.store, ignore=shutil.ignore_patterns("control"), copy_function=self.copy)
        if now != self.before:
            shutil.copytree(self.d + "/work", self.w, symlinks=True)
            self.before = self.stats()
        self.h = hf.Holdfast(self.w, self.store, env=self.own)
        self.now = walk(self.w, OPT)

    COMMANDS = {
        "snapshot": ("snapd", "--once"), "prune": ("recover", "prune"), "tidy": ("recover", "tidy"),
        "repair": ("recover", "repair", "--switch", "--yes"), "restore": ("recover", "restore", "SAVED", "--yes"),
        "export": ("recover", "export", "OUT"), "import": ("recover", "import", "BACKUPS"),
    }

    def stats(self):
        found = []
        for at, folders, files in os.walk(self.w):
            for n in ["."] + folders + files:
                st = os.lstat(os.path.join(at, n))
                found.append((at, n, st.st_ino, st.st_mode, st.st_size, st.st_mtime_ns, st.st_ctime_ns))
        return sorted(found)

    def state(self):
        """All that is left, as one word: names, kinds, modes, bytes; but for those that whoever opens a store writes anew: the
        number of the process that had it locked, and SQLite's index of its log (unixShmOpen: truncated by the first)."""
        h = hashlib.sha256()
        for n in sorted(os.listdir(self.d)):
            if n.startswith("store") or n in ("out.git", "workspace"):
                self.hash(h, os.path.join(self.d, n))
        return h.digest()

    def hash(self, h, path):
        st = os.lstat(path)
        h.update(b"%s\0%o\0" % (os.fsencode(path), st.st_mode))
        if stat.S_ISDIR(st.st_mode):
            for n in sorted(os.listdir(path)):
                self.hash(h, os.path.join(path, n))
        elif stat.S_ISLNK(st.st_mode):
            h.update(os.fsencode(os.readlink(path)) + b"\0")
        elif stat.S_ISREG(st.st_mode) and path.endswith("/reserve"):
            h.update(b"%d\0" % st.st_size)
        elif stat.S_ISREG(st.st_mode) and not path.endswith(("/lock", ".db-shm")):
            with open(path, "rb") as f:
                h.update(b"%d\0" % st.st_size + f.read())

    def argv(self, name):
        prog, *args = self.COMMANDS[name]
        args = [{"SAVED": self.ids[0], "OUT": self.d + "/out.git", "BACKUPS": self.d + "/backups"}.get(a, a) for a in args]
        return [hf.program(prog), "--workspace", self.w, "--store", self.store, *args]

    def run(self, name, calls="", err="", at=0):
        """(exit code, output, number of calls where none fails)"""
        log, out = self.d + "/calls", self.d + "/output"
        preload = {"LD_PRELOAD": PRELOAD, "FAULT_RANDOM": "1"}
        open(log, "w").close()
        with open(out, "w+b") as f:
            if err == "trace":
                rc, n = traced(self.argv(name), dict(self.env, **preload), at, f.fileno())
            else:
                env = dict(self.env, FAULT_CALLS=calls, FAULT_ERR=err, FAULT_AT=str(at), FAULT_LOG="" if at else log, **preload,
                           FAULT_PATH=self.d if calls not in ("mmap", "malloc") else "") if err else self.env
                rc = subprocess.run(self.argv(name), stdin=subprocess.DEVNULL, stdout=f, stderr=f, env=env,
                                    timeout=300).returncode
                n = os.path.getsize(log)
            f.seek(0)
            return rc, os.fsdecode(f.read()), n

    def fault(self, what):
        self.bad += 1
        print("FAULT %s, %s, call %d: %s" % (self.name, self.scene, self.at, what), flush=True)

    def all(self):
        self.fresh()
        self.run("prune")
        self.pruned = {r["id"] for r in self.rows(self.h)}      # what it keeps
        for self.name in self.COMMANDS:
            was, tried, codes, seen = self.bad, 0, {}, set()
            for self.scene, calls, err in SCENES:
                if self.o.only not in self.name + " " + self.scene:
                    continue
                self.fresh()
                self.at = 0
                rc, text, n = self.run(self.name, calls, err)
                if rc:
                    self.fault("without any: exit %d: %s" % (rc, text))
                    continue
                picks = range(1, n + 1)
                if 0 < self.o.each < n:
                    picks = sorted(self.rng.sample(picks, self.o.each))
                self.fresh()
                begun = now = self.state()
                for self.at in picks:
                    tried += 1
                    if now != begun:
                        self.fresh()
                    rc, text, _ = self.run(self.name, calls, err, self.at)
                    codes[rc] = codes.get(rc, 0) + 1
                    if rc not in (0, 1, 3, 4, 127) and not (rc == -9 and err == "trace"):
                        self.fault("exit %d: %s" % (rc, text))
                    elif rc not in (0, -9) and not text:
                        self.fault("exit %d without a word" % rc)
                    now = self.state()
                    if now not in seen:
                        was_bad = self.bad
                        self.check()
                        if self.bad == was_bad:
                            seen.add(now)
                        now = None                      # the check has used it
            if tried:
                print("%-9s %5d tried, %d states, exits %s" % (self.name, tried, len(seen), codes))
                print("%s nth call of %s" % ("not ok" if self.bad > was else "ok", self.name), flush=True)
        return 1 if self.bad else 0

    def check(self):
        try:
            self.whole()
            again, text, _ = self.run(self.name)
            if again and (self.name, again) != ("restore", 1):      # 1: it was done
                self.fault("once more: exit %d: %s" % (again, text))
            self.whole()
            self.done()
        except hf.Failed as e:
            self.fault(str(e))
        left = [n for n in os.listdir(self.d) if n.endswith((".unfinished", ".old"))]
        left += [n for n in os.listdir(self.store + "/log") if n == "rewrite" or n.startswith("tidy")]
        if left:
            self.fault("left over: %s" % left)

    def whole(self):
        """Nothing of what was acknowledged is gone."""
        ids = [r["id"] for r in self.rows(self.h)]
        # A disk that seems full is made room on, as prune would.
        may_go = set(self.ids) - self.pruned if (self.name, self.scene) == ("snapshot", "no space") else set()
        if self.name not in ("prune", "repair") and set(self.ids) - set(ids) - may_go:
            self.fault("%d snapshots are gone" % len(set(self.ids) - set(ids)))
        if self.name == "repair" and ids != self.ids:
            self.fault("%d snapshots of %d, or others" % (len(ids), len(self.ids)))
        if self.name == "prune" and ids[:1] != self.ids[:1]:
            self.fault("the newest is gone")
        self.h.restore_to(self.ids[0], self.d + "/back")
        diff = differences(self.saved, walk(self.d + "/back", OPT))
        if diff:
            self.fault("the newest differs\n    %s" % "\n    ".join(diff[:5]))
        self.h.recover("verify", "--all")
        if self.name == "repair":
            self.beside_whole()

    def beside_whole(self):
        for n in ("unsaved", "unsaved.old"):
            h = hf.Holdfast(self.w, self.store + "/" + n, env=self.own)
            h.recover("verify", "--all")
            h.restore_to("@", self.d + "/back")
            diff = differences(self.beside, walk(self.d + "/back", OPT))
            if diff:
                self.fault("%s differs\n    %s" % (n, "\n    ".join(diff[:5])))
        with open(self.store + "/restore.last", "rb") as f:
            if f.read() != self.last:
                self.fault("restore.last differs")

    def done(self):
        rows = self.rows(self.h)
        if self.name == "tidy" and b"nothing to tidy" not in self.h.recover("tidy", "--dry-run").stdout:
            self.fault("not tidied")
        if self.name == "restore" and differences(self.saved, walk(self.w, OPT)):
            self.fault("not restored\n    %s" % "\n    ".join(differences(self.saved, walk(self.w, OPT))[:5]))
        if self.name == "import" and sum(r["reason"] == "import" for r in rows) != 2:
            self.fault("%d copies are in" % sum(r["reason"] == "import" for r in rows))
        if self.name == "export":
            p = subprocess.run(["git", "-C", self.d + "/out.git", "fsck", "--full", "--strict"], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
            if p.returncode:
                self.fault("git fsck: %s" % os.fsdecode(p.stdout))
        if self.name == "snapshot":
            self.h.restore_to("@", self.d + "/back")
            if differences(self.now, walk(self.d + "/back", OPT)):
                self.fault("the next snapshot differs")


def main():
    ap = argparse.ArgumentParser(usage=__doc__)
    ap.add_argument("dir")
    ap.add_argument("--each", type=int, default=1)
    ap.add_argument("--seed")
    ap.add_argument("--only", default="")
    return Nth(ap.parse_args()).all()


if __name__ == "__main__":
    sys.exit(main())
