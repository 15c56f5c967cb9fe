"""Ten tasks of somebody who has never used Holdfast, in a terminal of 80x24, with what the screens and the help say; the keys they take.
Each begins in a shell in the workspace. `#` lines are a table: task, keys, what was typed."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, ".."))
sys.path.insert(0, os.path.join(here, "..", "detect"))
from put_fact import line                                                       # noqa: E402
from terminal import begin, check, env as world, finish, keys, screen, shows, sock, tmux   # noqa: E402

build = os.environ.get("BUILD_DIR", os.path.abspath("build"))
d = tempfile.mkdtemp()
w = d + "/w"
env = dict(os.environ, HOME=d + "/home", XDG_DATA_HOME=d + "/data", HOLDFAST_STATE=d + "/state", HOLDFAST_AUTOSTART="0", LC_ALL="C.UTF-8", TERM="screen-256color",
           TZ="UTC", PS1="$ ", ENV="/dev/null", PATH=build + ":" + os.environ["PATH"])
for name in "HOLDFAST_STORE", "XDG_CONFIG_HOME":
    env.pop(name, None)
for p in "home", "data", "state", "w", "w/src", "w/notes":
    os.makedirs(os.path.join(d, p), mode=0o700)
begin(d, env)
now = int(time.time())


def write(path, text):
    with open(os.path.join(w, path), "w") as f:
        f.write(text)


def read(path):
    with open(os.path.join(w, path)) as f:
        return f.read()


def snap(at, message=""):
    subprocess.run([build + "/tests/tool_snap", w, message, "manual", str(at)], env=env, stdout=subprocess.DEVNULL, check=True)


OLD = "".join("line %d\n" % i for i in range(40))
write("src/train.py", OLD)
write("notes/a.md", "a\n")
write("notes/b.md", "b\n")
snap(now - 86400 - 600, "yesterday")
write("src/train.py", OLD.replace("line 3\n", "line three\n").replace("line 35\n", "line thirty-five\n"))
snap(now - 60)
with open(d + "/state/spool", "ab") as f:
    f.write(("\n%s\n" % line(dict(kind="exit", id="crash" + "0" * 27, real=(now - 50) * 1000, role="main", of_kind="editor", family="VSCode", pid=4711, start=5, ppid=1,
                                  comm="code", status="signaled", signal=9, oom0=0, oom1=1, argv="code " + w, cwd=w))).encode())
subprocess.run([build + "/detect-core", "judge", "--once"], env=env, stderr=subprocess.DEVNULL, check=True, timeout=120)
b = d + "/home/.config/Code/Backups/0123456789abcdef0123456789abcdef"
for name, uri in ("untitled/-7f9c1a2e", "untitled:Untitled-1"), ("file/-1", "file://%s/src/train.py" % w):
    os.makedirs(os.path.dirname(os.path.join(b, name)))
    with open(os.path.join(b, name), "w") as f:
        f.write('%s {"mtime":%d,"size":6,"orphaned":false,"typeId":""}\na thought nobody saved\n' % (uri, (now - 55) * 1000))

typed = []


def shell():
    tmux("kill-server")
    for _ in range(200):
        if subprocess.run(sock + ["new-session", "-d", "-x", "80", "-y", "24", "-s", "t", "-c", w, "sh"], env=dict(world), stderr=subprocess.DEVNULL).returncode == 0:
            break
        time.sleep(0.05)
    end = time.time() + 20
    while not screen().strip():
        assert time.time() < end, "no shell"
        time.sleep(0.03)
    typed.clear()


def line_(text):
    """A line at a prompt; its keys count, with Enter."""
    keys("-l", text)
    keys("Enter")
    typed.append((text + " Enter", len(text) + 1))


def press(*names):
    for k in names:
        keys(k)
        typed.append((k, 1))


def task(name):
    def run(fn):
        def counted():
            shell()
            fn()
            print("# %-34s %3d keys: %s" % (name, sum(n for _, n in typed), " ".join(k for k, _ in typed)), flush=True)
        check(name)(counted)
    return run


@task("find what died")
def _():
    line_("recover")
    shows("crash ", "VSCode main (4711) was killed", "Enter open")
    press("R")
    shows("what happened", "the machine was out of memory")


@task("get yesterday's train.py")
def _():
    line_("recover")
    shows("yesterday", "Enter open")
    press("G", "t")
    shows(":/ ", "src/")
    press("G", "Enter")
    shows(":/src", "train.py")
    press("r")
    shows("replace 1 file", "[y/N]")
    press("y", "Enter")
    shows("Enter: back")
    assert read("src/train.py") == OLD


@task("undo a restore")
def _():
    line_("recover")
    shows("Enter open")
    press("?")
    shows("take the last restore back")
    press("u")
    shows("[y/N]")
    press("y", "Enter")
    shows("Enter: back")
    assert "line three" in read("src/train.py")


@task("bring back a deleted folder")
def _():
    shutil.rmtree(w + "/notes")
    snap(now - 20)
    line_("recover")
    shows("Enter open", "D deleted")
    press("D")
    shows("files that are gone", "notes/  (2 files)")
    press("r")
    shows("[y/N]")
    press("y", "Enter")
    shows("Enter: back")
    assert read("notes/a.md") == "a\n" and read("notes/b.md") == "b\n"


@task("only one change of a file")
def _():
    line_("recover")
    shows("yesterday", "Enter open")
    press("/")
    line_("yesterday")
    press("t")
    shows(":/ ", "src/")
    press("G", "Enter")
    shows(":/src", "train.py")
    press("w")
    shows("against the workspace now", "line thirty-five")
    press("G", "r")
    shows("restore 1 of 2 changes", "[y/N]")
    press("y", "Enter")
    shows("Enter: back")
    assert "line 35\n" in read("src/train.py") and "line three\n" in read("src/train.py")


@task("the unsaved text")
def _():
    line_("recover")
    shows("unsaved ", "Enter open")
    press("?")
    shows("texts that were never saved")
    press("U")
    shows("Untitled-1")
    press("Enter")
    shows("a thought nobody saved")


@task("free memory")
def _():
    line_("detect menu")
    shows("free what comes back by itself", "\n>\n")
    line_("2")
    shows("[y/N]", seconds=60)
    line_("n")      # it is this machine's
    shows("recommended at")


@task("start a safe training")
def _():
    line_("detect menu")
    shows("train, conservative", "\n>\n")
    line_("4")
    shows("epochs [")
    line_("")
    shows("validation batches [")
    line_("")
    shows("command (like")
    line_("echo trained {epochs}")
    shows("trained 2", seconds=60)


@task("see why a launch was refused")
def _():
    # yesterday's, in a terminal that is closed: not the task's keys
    subprocess.run([build + "/detect", "gate", "--need", "900G", "--", "python", "train.py"], env=env, stdout=subprocess.DEVNULL, timeout=120)
    line_("detect help")
    shows("events ", "refused launches")
    line_("detect events")
    shows("refused", seconds=60)


@task("uninstall")
def _():
    line_("snapd --help")
    shows("--uninstall")
    line_("snapd --uninstall")
    keys("-l", "echo left with $?")     # is ours, not the task's
    keys("Enter")
    shows("left with 0", seconds=60)


finish(d)
