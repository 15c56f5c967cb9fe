"""Editor against training in a machine of 1.5 GiB: a memory cgroup (version 1), headless Chromium with its oom scores
and a Python helper as the editor, trainings that do not fit and trainings that do, the monitor's guard between them.

    guard_box.py [--runs N] [--patterns leak,spike,workers,crawl,torch,saw,deep,cache] [--guard on|off] [--seed S] [--tsv FILE]

Prints a row a run and a table at the end; exits 1 when an editor process or the helper was lost under the guard, the
kernel had to kill, a training that fits was ended, or the editor stood still for over a second.

How late a freeze is, is measured from outside: the training stamps what it holds, chunk by chunk; what is left when it
stands tells how much less it held when the line was crossed, and its stamps when that was."""
import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import struct
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cdp                          # noqa: E402
from monitor import BUILD, Monitor    # noqa: E402

MIB = 1 << 20
RAM = 1536 * MIB
CGROUP = "/sys/fs/cgroup/memory"
CHROMIUM = "/usr/lib/chromium"
FITS = ("saw", "deep", "cache")
STAMPED = ("leak", "spike")
LINES = (0.10, 0.07, 0.05, 0.025)  # of the memory left: where the guard freezes, the first time and the next (guard.c)
STAMPS = 16 * 8192
HEAPS = (90, 60, 30)
HERE = os.path.dirname(os.path.abspath(__file__))


def read(path):
    with open(path) as f:
        return f.read()


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


class Box:
    def __init__(self):
        self.d = tempfile.mkdtemp(prefix="holdfast-guard-")
        self.group = os.path.join(CGROUP, os.path.basename(self.d))
        os.mkdir(self.group)
        write(self.group + "/memory.limit_in_bytes", str(RAM))
        self.python = self.d + "/python3"
        shutil.copy(os.path.realpath("/usr/bin/python3"), self.python)
        for name in ("train_box.py", "train_torch.py"):
            shutil.copy(HERE + "/" + name, self.d + "/" + name)
        subprocess.run(["cp", "-r", CHROMIUM, self.d + "/chromium"], check=True)
        with open(self.d + "/data", "wb") as f:
            for _ in range(RAM * 3 // 2 // MIB):
                f.write(os.urandom(4096) * 256)
        self.inside("sync")

    def inside(self, *args, **kw):
        """Runs in the group, so that its page cache is charged there."""
        return subprocess.run(self.prefix() + list(args), check=True, **kw)

    def prefix(self):
        return ["/bin/sh", "-c", "echo $$ >%s/cgroup.procs; exec \"$@\"" % self.group, "sh"]

    def popen(self, *args, **kw):
        return subprocess.Popen(self.prefix() + list(args), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                start_new_session=True, **kw)

    def pids(self):
        return [int(x) for x in read(self.group + "/cgroup.procs").split()]

    def left(self):
        stat = dict(x.split() for x in read(self.group + "/memory.stat").splitlines())
        used = int(read(self.group + "/memory.usage_in_bytes"))
        return RAM - used + int(stat["total_inactive_file"]) + int(stat["total_active_file"])

    def oom_kills(self):
        return int([x for x in read(self.group + "/memory.oom_control").splitlines() if x.startswith("oom_kill ")][0].split()[1])

    def close(self):
        end = time.time() + 20
        while time.time() < end and self.pids():
            for p in self.pids():
                try:
                    os.kill(p, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.05)
        for _ in range(100):
            try:
                os.rmdir(self.group)
                break
            except OSError:
                time.sleep(0.1)
        shutil.rmtree(self.d, ignore_errors=True)


class Editor:
    """Chromium with three pages that hold something, and a helper that holds more."""

    def __init__(self, box, rng):
        self.box = box
        profile = tempfile.mkdtemp(dir=box.d)
        self.p = box.popen(box.d + "/chromium/chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                           "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
                           "--disable-sync", "--disable-quic", "--user-data-dir=" + profile, "--remote-debugging-port=0",
                           "about:blank")
        share = rng.uniform(0.08, 0.16)
        self.helper = box.popen(box.python, "-c", "import time\nx = bytearray(%d)\nfor i in range(0, len(x), 4096): x[i] = 1\n"
                                "while True: time.sleep(60)" % int(RAM * share))
        end = time.time() + 90
        while True:
            try:
                port = int(read(profile + "/DevToolsActivePort").split()[0])
                break
            except (OSError, IndexError):
                if time.time() > end or self.p.poll() is not None:
                    raise RuntimeError("Chromium does not start")
                time.sleep(0.1)
        urls = cdp.pages(port)
        while len(urls) < len(HEAPS):
            urls.append(cdp.new_page(port))
        self.pages = [cdp.Page(u) for u in urls[:len(HEAPS)]]
        for page, mib in zip(self.pages, HEAPS):
            page.evaluate("window.h = []; for (let i = 0; i < %d; i++) window.h.push(new Float64Array(131072).fill(i)); 1" % mib)
        self.pids = self.tree()

    def tree(self):
        out = [self.p.pid]
        for pid in out:
            try:
                for t in os.listdir("/proc/%d/task" % pid):
                    out += [int(x) for x in read("/proc/%d/task/%s/children" % (pid, t)).split()]
            except OSError:
                pass
        return out

    def ping(self, page):
        """Seconds until one page has touched its heap and laid itself out."""
        t = time.monotonic()
        page.s.settimeout(60)
        page.evaluate("let s = 0; for (const a of window.h) s += a[0] + a[65536]; document.body.offsetHeight + s")
        return time.monotonic() - t

    def lost(self):
        def dead(pid):
            try:
                return read("/proc/%d/stat" % pid).rpartition(")")[2].split()[0] == "Z"
            except OSError:
                return True
        return [p for p in self.pids if dead(p)]


class Pinger(threading.Thread):
    def __init__(self, editor):
        super().__init__(daemon=True)
        self.editor, self.worst, self.failed, self.on = editor, 0.0, False, True
        self.start()

    def run(self):
        i = 0
        try:
            while self.on:
                self.worst = max(self.worst, self.editor.ping(self.editor.pages[i % len(HEAPS)]))
                i += 1
                time.sleep(0.05)
        except OSError:
            self.failed = True


def runs(pid, exe):
    try:
        return os.readlink("/proc/%d/exe" % pid) == exe
    except OSError:
        return False


def command(pattern, box, editor, rng):
    # What was killed last may still be giving its memory back.
    end, mine = time.time() + 20, set(editor.pids) | {editor.helper.pid}
    while time.time() < end and lives(box, mine):
        time.sleep(0.02)
    left = box.left()
    if pattern == "leak":
        return ["grow", box.d + "/data", 2 * RAM, int(RAM * rng.uniform(0.05, 0.12))]
    if pattern == "spike":
        return ["grow", box.d + "/data", 2 * RAM, int(RAM * rng.uniform(0.20, 0.80))]
    if pattern == "workers":
        n = rng.randint(4, 8)
        return ["workers", box.d + "/data", n, 2 * RAM // n, int(RAM * rng.uniform(0.06, 0.25) / n)]
    if pattern == "crawl":
        return ["crawl", box.d + "/data", int(left - RAM * 0.08), 2 * RAM, int(RAM * rng.uniform(0.006, 0.02))]
    if pattern in ("saw", "deep"):
        lowest = 0.80 if pattern == "saw" else 0.93
        return ["saw", box.d + "/data", int(RAM * rng.uniform(0.2, 0.5))] + [
            int(left - RAM * (1 - rng.uniform(lowest, 0.95))) for _ in range(3)]
    if pattern == "torch":
        return ["torch", rng.randint(2, 6)]
    return ["cache", box.d + "/data"]


def ledger(m):
    try:
        return [x.split("\t") for x in read(m.state + "/ledger").splitlines()]
    except OSError:
        return []


def stamps(path):
    with open(path, "rb") as f:
        n = struct.unpack("Q", f.read(16)[:8])[0]
        return list(struct.iter_unpack("QQ", f.read(n * 16)))


def lateness(taken, seen):
    """(ms, points of the memory) for each freeze: taken are the training's stamps, seen what was left and when."""
    out, level = [], 0
    for (t, held), (later, _) in zip(taken, taken[1:]):
        quiet = sorted(left for at, left in seen if t + 15e6 < at < min(later, t + 150e6))
        if later - t < 200e6 or not quiet or level >= len(LINES):
            continue
        line = RAM * LINES[level]
        after = quiet[len(quiet) // 2]
        level += 1
        crossed = [at for at, h in taken if at <= t and h >= held - (line - after)]
        if after < line:
            out.append(((t - crossed[0]) / 1e6 if crossed else 0.0, (line - after) * 100 / RAM))
    return out


def trainings(box, mine):
    return {p for p in box.pids() if p not in mine and runs(p, box.python)}


def lives(box, mine):
    return bool(trainings(box, mine))


def one(box, m, editor, pattern, rng):
    before, ooms = len(ledger(m)), box.oom_kills()
    words = [str(x) for x in command(pattern, box, editor, rng)]
    program = "train_torch.py" if pattern == "torch" else "train_box.py"
    env, seen, gone = dict(os.environ), [], 0
    stamped = "/dev/shm/" + os.path.basename(box.d)
    if pattern in STAMPED:
        with open(stamped, "wb") as f:
            f.truncate(STAMPS)
        env["STAMPS"] = stamped
    pinger = Pinger(editor)
    p = box.popen(box.python, box.d + "/" + program, *words, env=env)
    start, mine, all_of_it = time.monotonic(), set(editor.pids) | {editor.helper.pid}, {p.pid}
    while p.poll() is None and time.monotonic() - start < 180:
        seen.append((time.monotonic_ns(), box.left()))
        if len(seen) % 32 == 0:
            all_of_it |= trainings(box, mine)
        time.sleep(0.005)
    seconds = time.monotonic() - start
    stuck = p.poll() is None
    end = time.monotonic() + 2
    # Out of its group a process is when its memory is free; what it runs cannot be asked so late.
    while not stuck and all_of_it & set(box.pids()) and time.monotonic() < end:
        time.sleep(0.002)
    gone = time.time() * 1000
    lowest = min(x for _, x in seen)
    try:
        os.killpg(p.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    p.wait()
    pinger.on = False
    pinger.join(70)
    did = ledger(m)[before:]
    acts = [x[3] for x in did]
    begun = [int(x[0]) for x in did if x[3] in ("term", "kill")]
    late = lateness(stamps(stamped), seen) if pattern in STAMPED else []
    if p.returncode and pattern in FITS:
        print("\n".join("\t".join(x) for x in did), flush=True)
    return {"pattern": pattern, "code": "stuck" if stuck else p.returncode, "s": round(seconds, 1),
            "editor_lost": len(editor.lost()), "helper_lost": int(editor.helper.poll() is not None),
            "oom": box.oom_kills() - ooms, "lowest_pct": round(lowest * 100 / RAM, 2),
            "stall_s": 99.0 if pinger.failed else round(pinger.worst, 2),
            "freezes": acts.count("freeze"), "terms": acts.count("term"), "kills": acts.count("kill"),
            "gone_ms": int(gone) - begun[0] if begun and not stuck else -1,
            "load": round(os.getloadavg()[0], 1), "late": " ".join("%.1f/%.2f" % x for x in late), "args": " ".join(words[1:])}


def trial(args):
    rng = random.Random(args.seed)
    box = Box()
    os.environ["HOLDFAST_WATCH_BELOW"] = box.d
    rows = []
    m = editor = None
    try:
        m = Monitor(os.path.join(box.d, "state"), ["editor=chromium", "guard=" + args.guard, "sample_ms=1000"], 
                    prefix=box.prefix() + ["setpriv", "--bounding-set", "-sys_nice"])  # as an ordinary user
        patterns = args.patterns.split(",")
        for i in range(args.runs):
            if editor is None or editor.lost() or editor.helper.poll() is not None:
                if editor:
                    for pid in editor.pids + [editor.helper.pid]:
                        try:
                            os.kill(pid, signal.SIGKILL)
                        except ProcessLookupError:
                            pass
                    editor.p.wait(), editor.helper.wait()
                editor = Editor(box, rng)
            r = one(box, m, editor, patterns[i % len(patterns)], rng)
            rows.append(r)
            print("%4d  " % i + "  ".join("%s %s" % x for x in r.items()), flush=True)
            if args.tsv:
                with open(args.tsv, "a") as f:
                    if f.tell() == 0:
                        f.write("\t".join(r) + "\n")
                    f.write("\t".join(str(x) for x in r.values()) + "\n")
            time.sleep(0.3)
    finally:
        if m:
            m.end(signal.SIGKILL)
        box.close()
        try:
            os.unlink("/dev/shm/" + os.path.basename(box.d))
        except FileNotFoundError:
            pass
    return rows


def at(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def table(rows):
    bad = False
    print("\n%-8s %4s %11s %11s %9s %10s %9s %10s %9s" % ("pattern", "n", "editor lost", "helper lost", "oom kills", "stall > 1s",
                                                       "worst s", "ended", "lowest %"))
    for pattern in sorted({r["pattern"] for r in rows}):
        x = [r for r in rows if r["pattern"] == pattern]
        fits = pattern in FITS
        ended = sum(r["code"] != 0 for r in x)
        n = (sum(r["editor_lost"] > 0 for r in x), sum(r["helper_lost"] for r in x), sum(r["oom"] > 0 for r in x),
             sum(r["stall_s"] > 1 for r in x))
        print("%-8s %4d %11d %11d %9d %10d %9.2f %10d %9.2f" % (
            pattern, len(x), n[0], n[1], n[2], n[3], max(r["stall_s"] for r in x), ended, min(r["lowest_pct"] for r in x)))
        bad = bad or n[0] or n[1] or n[2] or (fits and ended) or (pattern == "crawl" and n[3])
    late = [tuple(float(v) for v in x.split("/")) for r in rows for x in r["late"].split()]
    gone = [r["gone_ms"] for r in rows if r["gone_ms"] >= 0]
    if late:
        ms, points = zip(*late)
        print("line to freeze, %d: median %.1f, p99 %.1f, worst %.1f ms; %.2f, %.2f, %.2f points of the memory" % (
            len(late), at(ms, 0.5), at(ms, 0.99), max(ms), at(points, 0.5), at(points, 0.99), max(points)))
    if gone:
        print("first signal to the last process gone, %d: median %d, p99 %d, worst %d ms" % (
            len(gone), at(gone, 0.5), at(gone, 0.99), max(gone)))
    return bad


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--runs", type=int, default=12)
    a.add_argument("--patterns", default="leak,spike,workers,crawl,saw,cache")
    a.add_argument("--guard", default="on")
    a.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    a.add_argument("--tsv")
    args = a.parse_args()
    print("seed %d, build %s, guard %s" % (args.seed, BUILD, args.guard), flush=True)
    sys.exit(1 if table(trial(args)) else 0)


main()
