"""What the benches share: measuring, peers, the machine, the table.

CPU is user + system of every process that took part, the daemon's included (its scheduler time,
which the kernel keeps in ns, before and after). Walls are CLOCK_MONOTONIC. Each table also goes to OUT/NAME.tsv
(OUT: $BENCH_OUT, default the current folder's bench-out)."""
import atexit
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "oracle"))
import hf                       # noqa: E402

median = statistics.median

if not os.path.exists(hf.program("tests")):
    raise SystemExit("%s: not built; make tests builds what the benches need" % hf.program("tests"))


def alone():
    """Nothing of the caller's is read, nothing started or left in it: no monitor, no state, no settings. The folder."""
    d = tempfile.mkdtemp(prefix="holdfast-bench-home-")
    os.environ["HOLDFAST_AUTOSTART"] = "0"
    for name in ("STATE_HOME", "DATA_HOME", "CONFIG_HOME", "RUNTIME_DIR"):
        os.mkdir(os.path.join(d, name), 0o700)
        os.environ["XDG_" + name] = os.path.join(d, name)
    for name in ("STATE", "STORE", "CONFIG"):
        os.environ.pop("HOLDFAST_" + name, None)
    atexit.register(shutil.rmtree, d, ignore_errors=True)
    return d


HOME = alone()


def env_int(name, default):
    return int(os.environ.get(name, default))


def env_list(name, default):
    return [int(x) for x in os.environ.get(name, default).replace(",", " ").split()]


def have(program):
    return shutil.which(program) is not None and program not in os.environ.get("SKIP", "").split()


class Spent:
    """One finished child: cpu and wall in seconds, peak memory in bytes."""

    def __init__(self, cpu, wall, rss, out=b""):
        self.cpu, self.wall, self.rss, self.out = cpu, wall, rss, out

    def __add__(self, o):
        return Spent(self.cpu + o.cpu, self.wall + o.wall, max(self.rss, o.rss), o.out)


def spend(args, cwd=None, env=None, ok=(0,)):
    """Run it, output to a file of its own; what it and its children took."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        t = time.monotonic()
        p = subprocess.Popen(args, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        _, status, ru = os.wait4(p.pid, 0)
        wall = time.monotonic() - t
        p.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        if p.returncode not in ok:
            err.seek(0)
            raise SystemExit("%s: exit %d: %s" % (" ".join(args[:6]), p.returncode, err.read().decode()[-2000:]))
        return Spent(ru.ru_utime + ru.ru_stime, wall, ru.ru_maxrss * 1024, out.read())


class Git:
    """A repository of its own beside the workspace; nothing of the user's configuration."""

    name = "git"

    def __init__(self, d, w, name="git"):
        self.dir, self.w = os.path.join(d, name), w
        self.env = dict(os.environ, GIT_DIR=self.dir, GIT_WORK_TREE=w, GIT_CONFIG_NOSYSTEM="1",
                        GIT_CONFIG_GLOBAL="/dev/null", LC_ALL="C.UTF-8",
                        GIT_AUTHOR_NAME="b", GIT_AUTHOR_EMAIL="b@localhost",
                        GIT_COMMITTER_NAME="b", GIT_COMMITTER_EMAIL="b@localhost")
        self.run("init", "-q")
        for k, v in (("gc.auto", "0"), ("core.autocrlf", "false"), ("maintenance.auto", "false")):
            self.run("config", k, v)

    def run(self, *args, ok=(0,)):
        return spend(["git", *args], cwd=self.w, env=self.env, ok=ok)

    def snapshot(self):
        return self.run("add", "-A", "-f") + self.run("commit", "-q", "--allow-empty", "-m", "x")


class Restic:
    name = "restic"

    def __init__(self, d, w):
        self.dir, self.w = os.path.join(d, "restic"), w
        self.env = dict(os.environ, RESTIC_REPOSITORY=self.dir, RESTIC_PASSWORD="x",
                        RESTIC_CACHE_DIR=os.path.join(d, "restic-cache"))
        spend(["restic", "-q", "init"], env=self.env)

    def snapshot(self):
        return spend(["restic", "-q", "backup", "."], cwd=self.w, env=self.env)


class Workdir:
    """A folder of our own, gone at the end. With the configuration a bench wants and no other."""

    def __init__(self, config=""):
        self.d = tempfile.mkdtemp(prefix="holdfast-bench-", dir=os.environ.get("BENCH_DIR"))
        conf = os.path.join(self.d, "conf", "holdfast")
        os.makedirs(conf)
        with open(os.path.join(conf, "config"), "w") as f:
            f.write(config)
        os.environ["XDG_CONFIG_HOME"] = os.path.dirname(conf)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.d, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.d, *names)

    def tree(self, n, name="w", nbytes=None):
        w = self.path(name)
        args = [sys.executable, "-B", os.path.join(HERE, "mktree"), w, str(n)]
        subprocess.run(args + (["--bytes", str(nbytes)] if nbytes else []), check=True, stdout=subprocess.DEVNULL)
        return w


def holdfast(wd, w, name="store", interval="3600s"):
    return hf.Holdfast(w, wd.path(name), interval)


def once_args(h):
    return [hf.program("snapd"), "--workspace", h.w, "--store", h.store, "--once"]


def snap_alone(h):
    """A snapshot without a daemon: one process does it all."""
    return spend(once_args(h))


def settle(pid):
    """Until the daemon spends nothing more: what comes after the acknowledgement counts too."""
    last, quiet = hf.cpu_of(pid), 0
    while quiet < 3:
        time.sleep(0.02)
        now = hf.cpu_of(pid)
        quiet = quiet + 1 if now == last else 0
        last = now
    return last


def size_of(path, only=None):
    total = 0
    for base, _, names in os.walk(path):
        for n in names:
            if only is None or only(os.path.join(base, n)):
                total += os.lstat(os.path.join(base, n)).st_size
    return total


def machine():
    model = next((li.split(":")[1].strip() for li in open("/proc/cpuinfo") if li.startswith("model name")), "?")
    mem = int(open("/proc/meminfo").readline().split()[1]) // 1048576
    return "%d cores %s, %d GiB, %s, load %.1f" % (os.cpu_count(), model, mem, platform.release(), os.getloadavg()[0])


class Table:
    def __init__(self, name, *columns):
        self.name, self.rows = name, [columns]

    def add(self, *cells):
        self.rows.append(tuple(cells))
        print("  " + "  ".join(map(show, cells)), file=sys.stderr, flush=True)

    def print(self, *notes):
        rows = [[show(c) for c in r] for r in self.rows]
        width = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
        print("\n%s: %s" % (self.name, machine()))
        for r in rows:
            print("  ".join(c.ljust(width[i]) if i == 0 else c.rjust(width[i]) for i, c in enumerate(r)).rstrip())
        for n in notes:
            print("  " + n)
        out = os.environ.get("BENCH_OUT", "bench-out")
        os.makedirs(out, exist_ok=True)
        with open(os.path.join(out, self.name + ".tsv"), "w") as f:
            for r in self.rows:
                f.write("\t".join(map(str, r)) + "\n")


def show(c):
    if isinstance(c, float):
        return "%.3g" % c if abs(c) < 1000 else "%.0f" % c
    return str(c)


def own_cpu():
    r = resource.getrusage(resource.RUSAGE_SELF)
    return r.ru_utime + r.ru_stime


def list_files(w):
    return sorted(os.path.join(b, n) for b, _, names in os.walk(w) for n in names)


def edit_line(path, n):
    """One line more in the middle, written in place as editors do."""
    with open(path, "r+b") as f:
        p = f.read()
        at = p.find(b"\n", len(p) // 2) + 1
        f.seek(0)
        f.write(p[:at] + b"    edited_line_%d = value\n" % n + p[at:])


def peak_of(pid):
    """Peak resident memory of a living process, MiB."""
    with open("/proc/%d/status" % pid) as f:
        return next(int(li.split()[1]) for li in f if li.startswith("VmHWM")) / 1024


def private_of(pid):
    """Private memory of a living process, MiB."""
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return sum(int(li.split()[1]) for li in f if li.startswith("Private_")) / 1024
