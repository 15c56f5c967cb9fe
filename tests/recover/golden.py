"""Every view of the screen at 80x24, 120x40 and 200x60, as it was agreed to look: tests/golden/screen/. Time, size, locale, store and
journal are pinned. UPDATE=1 writes them anew: look at them before you commit."""
import os
import re
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, ".."))
sys.path.insert(0, os.path.join(here, "..", "detect"))
from put_fact import line                                                       # noqa: E402
from terminal import begin, check, finish, is_golden, keys, left, screen, start_at   # noqa: E402

build = os.environ.get("BUILD_DIR", os.path.abspath("build"))
golden = os.path.join(here, "..", "golden", "screen")
# Of one length everywhere: it stands in titles.
try:
    d = tempfile.mkdtemp(prefix="hf-", dir="/tmp")
except OSError as e:
    print("skip golden screens: %s" % e)
    sys.exit(0)
w, s = d + "/proj", d + "/store"
NOW = 1795876200 - 20 * 86400   # 2026-11-08 14:30:00 UTC: of what is still to come the judge would wait for the end
env = dict(os.environ, HOME=d + "/home", XDG_DATA_HOME=d + "/data", HOLDFAST_STATE=d + "/state", HOLDFAST_AUTOSTART="0", LC_ALL="C.UTF-8",
           TERM="screen-256color", HOLDFAST_STORE=s, TZ="UTC", HOLDFAST_NOW=str(NOW))
for p in "home", "data", "state", "proj", "proj/src", "proj/docs", "proj/data":
    os.makedirs(os.path.join(d, p), mode=0o755)
os.chmod(d + "/state", 0o700)
begin(d, env)


def write(path, text, at):
    full = os.path.join(w, path)
    with open(full, "w") as f:
        f.write(text)
    os.chmod(full, 0o644)
    os.utime(full, (at, at))
    os.utime(os.path.dirname(full), (at, at))


def snap(at, message="", reason="interval"):
    for folder in "", "src", "docs", "data":
        os.utime(os.path.join(w, folder), (NOW - 90000, NOW - 90000))
    return subprocess.run([build + "/tests/tool_snap", w, message, reason, str(at)], env=env, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def fact(**fields):
    with open(d + "/state/spool", "ab") as f:
        f.write(("\n%s\n" % line(fields)).encode())


TRAIN = "import torch\n\n\ndef train(model, data, epochs=5):\n    for epoch in range(epochs):\n        for batch in data:\n" \
        "            loss = model(batch).mean()\n            loss.backward()\n        print(epoch, float(loss))\n\n\ntrain(build(), load())\n"
write("src/train.py", TRAIN, NOW - 86400)
write("src/model.py", "def build():\n    return Net(width=64)\n", NOW - 86400)
write("docs/note \u4e2d\u6587 \u00e4.md", "wide \u4e2d\u6587 text\n", NOW - 86400)
write("docs/gone.md", "soon gone\n", NOW - 86400)
write("data/odd\x1bname\n", "odd\n", NOW - 86400)
snap(NOW - 86000, "begin", "manual")
write("src/train.py", TRAIN.replace("epochs=5", "epochs=50").replace("            loss.backward()\n", "            loss.backward()\n            step(model)\n"), NOW - 7200)
os.unlink(w + "/docs/gone.md")
snap(NOW - 7170)
write("src/model.py", "def build():\n    return Net(width=128, depth=4)\n", NOW - 3600)
snap(NOW - 3590, "wider", "manual")
write("src/model.py", "", NOW - 600)
snap(NOW - 590)
subprocess.run([build + "/recover", "-w", w, "--no-pager", "mark", "@~1", "good"], env=env, stdout=subprocess.DEVNULL, check=True)
with open(w + "/src/train.py") as f:
    newest = f.read()
write("src/train.py", newest.replace("epochs=50", "epochs=500"), NOW - 60)
snap(NOW - 30, "", "launch")
write("src/train.py", newest.replace("epochs=50", "epochs=7").replace("import torch\n", "import torch\nimport wandb\n"), NOW - 8)
fact(kind="risk", id="r" * 32, real=(NOW - 25) * 1000, was=1, risk=2, reasons="memory: 93 % in use")
fact(kind="exit", id="crash" + "0" * 27, real=(NOW - 10) * 1000, role="main", of_kind="editor", family="VSCode", pid=4711, start=5, ppid=1, comm="code",
     status="signaled", signal=9, oom0=0, oom1=1, argv="code " + w, cwd=w, peak=5000000000, **{"m.real": (NOW - 10) * 1000, "m.total": 16 << 30,
                                                                                             "m.available": 1 << 28, "m.mem_total": 16 << 30,
                                                                                             "m.mem_available": 1 << 28})
# The judge waits for what may still come: its clock must go.
subprocess.run([build + "/detect-core", "judge", "--once"], env={k: v for k, v in env.items() if k != "HOLDFAST_NOW"}, stderr=subprocess.DEVNULL,
               check=True, timeout=60)
b = d + "/home/.config/Code/Backups/0123456789abcdef0123456789abcdef"
for name, uri, text in (("file/-1", "file://%s/src/model.py" % w, "def build():\n    return Net(width=256, depth=8)\n"),
                        ("untitled/-7f9c1a2e", "untitled:Untitled-1", "a thought nobody saved\n")):
    os.makedirs(os.path.dirname(os.path.join(b, name)), exist_ok=True)
    with open(os.path.join(b, name), "w") as f:
        f.write('%s {"mtime":%d,"size":6,"orphaned":false,"typeId":""}\n%s' % (uri, (NOW - 20) * 1000, text))
    os.utime(os.path.join(b, name), (NOW - 20, NOW - 20))


def plain():
    """What changes from run to run is masked by as many characters."""
    text = screen()
    text = text.replace(d, "/tmp/hf-golden00"[:len(d)])
    text = re.sub(r"[0-9a-f]{8}(?=  (?:src/model.py|Untitled-1), )", "########", text)
    text = re.sub(r"[0-9a-f]{8}(?=  .{19}  unsaved )", "########", text)
    return re.sub(r"(unsaved (?:cat|diff) )[0-9a-f]+", lambda m: m.group(1) + "#" * (len(m.group(0)) - len(m.group(1))), text)


def loaded(word, seconds=60):
    """Until the word is in the first line and all rows have come."""
    end = time.time() + seconds
    while True:
        text = plain()
        first = text.split("\n", 1)[0].rstrip()
        if word in first and first and not first.endswith("..."):
            return text
        assert time.time() < end, "%r is not there:\n%s" % (word, text)
        time.sleep(0.02)


FIRST = ["/", "launch\n"]       # to the newest snapshot
VIEWS = [       # name; keys from the first view, ">word" waits for it in the title; how many q back
    ("snapshots", [], 0),
    ("event", ["/", "was killed\n", "Enter", ">was killed"], 1),
    ("changes", FIRST + ["Enter", ">what changed in it"], 1),
    ("diff", FIRST + ["Enter", ">what changed in it", "G", "Enter", ">against the one before"], 2),
    ("hunks", FIRST + ["Enter", ">what changed in it", "G", "w", ">against the workspace now", "G", "Space"], 2),
    ("tree", FIRST + ["t", ">:/ "], 1),
    ("folder", FIRST + ["t", ">:/ ", "j", "Enter", ">:/docs"], 2),
    ("file", FIRST + ["t", ">:/ ", "j", "Enter", ">:/docs", "G", "Enter", ">.md"], 3),
    ("history", FIRST + ["Enter", ">what changed in it", "G", "h", ">every version"], 2),
    ("emptied", ["/", "emptied\n", "Enter", ">what changed in it", "G"], 1),
    ("deleted", ["D", ">files that are gone"], 1),
    ("found", ["f", "*.py\n", ">paths that match"], 1),
    ("text", ["F", "width\n", ">hold or held"], 1),
    ("unsaved", ["U", ">never saved"], 1),
    ("buffer", ["U", ">only an editor", "Enter", ">never saved: "], 2),
    ("report", ["R", ">what happened"], 1),
    ("status", ["S", ">how well"], 1),
    ("compare", FIRST + ["c", "G", "c", ">against"], 1),
    ("help", ["?", "> keys, first"], 1),
]

for columns, rows in (80, 24), (120, 40), (200, 60):
    began = []

    @check("it opens at %dx%d" % (columns, rows))
    def _():
        start_at(columns, rows, "cd %s; %s/recover" % (w, build))
        loaded("Holdfast")
        began.append(True)
    for name, press, back in VIEWS if began else []:
        @check("%s at %dx%d" % (name, columns, rows))
        def _():
            keys("g")
            for k in press:
                if k[0] == ">":
                    loaded(k[1:])
                elif k.endswith("\n"):
                    keys("-l", k[:-1])
                    keys("Enter")
                else:
                    keys(k)
            try:
                is_golden(golden, "%s-%dx%d" % (name, columns, rows), plain)
            finally:
                keys(*["q"] * back)
                loaded("Holdfast: snapshots")
    if began:
        @check("and leaves, %dx%d" % (columns, rows))
        def _():
            keys("q")
            left(0)

finish(d)
