"""The screen of recover in tmux."""
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from terminal import begin, check, finish, fits, given_back, keys, keys_do, killed, left, process, resize, screen, shows, start_at, tmux

build = os.environ.get("BUILD_DIR", os.path.abspath("build"))
d = tempfile.mkdtemp()
w, s = d + "/w", d + "/s"
env = dict(os.environ, HOME=d + "/home", XDG_DATA_HOME=d + "/data", HOLDFAST_STATE=d + "/state", HOLDFAST_AUTOSTART="0",
           LC_ALL="C.UTF-8", TERM="screen-256color", PS1="$ ", HOLDFAST_STORE=s, TZ="UTC", ASAN_OPTIONS="log_path=%s/asan" % d)
for p in "home", "data", "state", "w", "w/src", "w/docs":
    os.makedirs(os.path.join(d, p), mode=0o700)
begin(d, env)


def snap(message):
    subprocess.run([build + "/snapd", "-w", w, "--once", "-q", "-m", message], env=env, stdout=subprocess.DEVNULL, check=True)


def write(path, text):
    with open(os.path.join(w, path), "w") as f:
        f.write(text)


def read(path):
    with open(os.path.join(w, path)) as f:
        return f.read()


def marked():
    """The row at the cursor: the first in reverse below the title. What a row ends with goes on in the next."""
    reverse = False
    for i, row in enumerate(tmux("capture-pane", "-e", "-p", "-t", "t").split("\n")):
        began = re.match("(\x1b\\[[0-9;]*m)*", row).group(0)
        for codes in re.findall("\x1b\\[([0-9;]*)m", began):
            reverse = "7" in codes.split(";") or (reverse and not {"", "0", "27"} & set(codes.split(";")))
        if reverse and i > 0:
            return row
        for codes in re.findall("\x1b\\[([0-9;]*)m", row[len(began):]):
            reverse = "7" in codes.split(";") or (reverse and not {"", "0", "27"} & set(codes.split(";")))
    return ""


def start(columns=80, rows=24, command="recover", **more):
    start_at(columns, rows, "cd %s/src; %s/%s" % (w, build, command), **more)


for i in range(1, 9):
    with open(w + "/src/train.py", "a") as f:
        f.write("line %d\n" % i)
    write("docs/note %d.md" % i, "note %d\n" % i)
    write("docs/odd\nname\u00e4\u4e2d", "odd\n")
    if i == 5:
        os.unlink(w + "/docs/note 2.md")
    if i == 6:
        write("src/train.py", "")
    snap("step %d" % i)


def until(what, seconds=60):
    end = time.time() + seconds
    while not what():
        assert time.time() < end, "at %s of\n%s" % (marked(), screen())
        time.sleep(0.03)


@check("it opens on the snapshots, the newest first, below what happened")
def _():
    start()
    text = shows("step 8", "step 1", "8 snapshots", "1/8", "Enter open")
    lines = text.split("\n")
    first = lines.index("") + 1
    assert lines[0].startswith(" Holdfast") and 5 <= first <= 7 and "step 8" in lines[first] and "step 7" in lines[first + 1], text
    assert "not running" in " ".join(lines[1:first]), text
    assert "!emptied" in next(x for x in lines if "step 6" in x), text
    assert all(len(x) <= 80 for x in lines), text


@check("what changed in a snapshot, its diff, every version of a file, the tree; and back")
def _():
    keys("Enter")
    shows("what changed in it", "M  src/train.py", "A  docs/note 8.md", "odd?name\u00e4\u4e2d")
    keys("G", "Enter")
    shows("against the one before", "+line 8", "@@ -1 +1,2 @@")
    keys("q")
    shows("what changed in it", "4/4")
    keys("h")
    shows("every version", "added", "!emptied", "1/8")
    keys("q", "t")
    shows(":/ ", "docs/", "src/")
    keys("Enter")
    shows(":/docs", "note 1.md", "note 8.md")
    assert "note 2.md" not in screen()
    keys("Enter")
    shows("note 1")
    keys("q", "q", "q", "q")
    shows("step 8", "1/8")


@check("files that are gone, a path found over all time, a search, the help, the command for it")
def _():
    keys("D")
    shows("files that are gone", "docs/note 2.md")
    keys("Enter")
    shows("note 2")
    keys("q", "q", "f")
    shows("find paths")
    keys("*.py", "Enter")
    shows("paths that match *.py", "src/train.py")
    keys("q", "f")
    shows("find paths")
    keys("rai", "Enter")
    shows("paths that match *rai*", "src/train.py")
    keys("q")
    shows("1/8")
    keys("/")
    keys("step 3", "Enter")
    shows("6/8")
    keys("?")
    shows("take the last restore back")
    keys("q", "d", ":")
    until(lambda: re.search("recover diff ([0-9a-f]{8})~1 \\1\n", screen()))
    keys("q", "g")
    shows("1/8")


@check("a file is restored: the plan first, then asked; and undone")
def _():
    write("src/train.py", "broken\n")
    keys("w")
    shows("-line 7", "+broken")
    keys("q", "Enter")
    shows("what changed in it", "M  src/train.py")
    keys("G", "r")
    shows("replace 1 file", "[y/N]")
    assert read("src/train.py") == "broken\n"
    keys("y", "Enter")
    shows("done; ", "Enter: back")
    assert read("src/train.py") == "line 7\nline 8\n"
    keys("Enter")
    shows("what changed in it", "M  src/train.py", "4/4", "restored; u takes it back")
    keys("q")
    text = shows("before the restore", "3/10")
    assert "step 8" in marked(), text
    keys("u")
    shows("take back the restore", "[y/N]")
    keys("y", "Enter")
    shows("undo again")
    assert read("src/train.py") == "broken\n"
    keys("Enter")
    shows("after the undo", "step 1\n", "taken back")
    assert "step 8" in marked()


@check("several paths are chosen with the space bar")
def _():
    write("docs/note 8.md", "x")
    keys("/")
    keys("step 8", "Enter", "Enter")
    shows("what changed in it", "M  src/train.py")
    keys("j", "Space", "G", "Space")
    shows("*")
    keys("r")
    shows("replace 2 files", "docs/note 8.md", "src/train.py", "[y/N]")
    keys("n", "Enter")
    shows("Enter: back")
    assert read("docs/note 8.md") == "x"
    keys("Enter")
    text = shows("what changed in it", "nothing was changed")
    assert sum(x.startswith("*") for x in text.split("\n")) == 2, text
    keys("q")
    shows("step 1\n")


@check("the place is kept when rows come anew: a mark, L, another width with changes chosen")
def _():
    keys("/")
    keys("step 5", "Enter", "m")
    shows("a name for this snapshot")
    keys("five", "Enter")
    shows("@five")
    until(lambda: "step 5" in marked() and "@five" in marked())
    keys("L")
    until(lambda: "step 5" in marked())
    keys("L", "Enter")      # typed before the row is there again
    shows("what changed in it", "D  docs/note 2.md")
    keys("/")
    keys("note 2", "Enter", "Space", "L")
    until(lambda: re.search("^[*].*note 2.md", screen(), re.M))
    keys("q")
    write("docs/much.md", "".join("line %d\n" % i for i in range(1, 400)))
    snap("much")
    write("docs/much.md", "".join("line %d%s\n" % (i, ", changed" if i % 40 == 0 else "") for i in range(1, 400)))
    keys("g", "L")
    shows("much")
    keys("g", "Enter")
    shows("what changed in it", "docs/much.md")
    keys("/")
    keys("much.md", "Enter", "w")
    shows("against the workspace now", "line 40, changed")
    keys("/")
    keys("line 200, changed", "Enter", "Space", "k")
    at = marked()
    assert "line 203" in at, at
    for x, y in ((130, 40), (80, 24), (200, 60), (80, 24)):
        resize(x, y)
        fits(x, y, "against the workspace now")
        until(lambda: "line 203" in marked())
    keys("r")
    shows("--hunk 5 ", "restore 1 of 9 changes", "[y/N]")
    keys("n", "Enter")
    shows("Enter: back")
    resize(90, 24)          # is no answer
    end = time.time() + 60
    while tmux("display-message", "-p", "-t", "t", "#{pane_width}").strip() != "90" and time.time() < end:
        time.sleep(0.03)
    time.sleep(0.3)
    assert "Enter: back" in screen()
    resize(80, 24)
    keys("Enter")
    shows("nothing was changed")
    keys("q", "q")
    os.unlink(w + "/docs/much.md")


@check("two snapshots are compared, one gets a name")
def _():
    keys("/")
    keys("step 3", "Enter", "c")
    shows("now c on the other")
    keys("k", "c")
    shows("against", "+line 4")
    keys("q", "m")
    shows("a name for this snapshot")
    keys("good", "Enter")
    shows("@good")
    keys("m")
    shows("a name for this snapshot")
    keys("@x", "Enter")
    shows("@x: is no name for a mark")
    keys("j", "m")
    shows("a name for this snapshot")
    keys("good", "Enter")
    shows("good was at ", "which has it no more")
    keys("k", "m")
    shows("a name for this snapshot")
    keys("good", "Enter")
    shows("good was at ")


@check("sizes: 40x8, 120x40, 200x60, while it runs")
def _():
    for x, y in ((40, 8), (120, 40), (200, 60), (80, 24), (20, 5), (80, 24)):
        resize(x, y)
        fits(x, y, "Holdfast")


@check("in a window that was small and grows again the rows before come back")
def _():
    keys("G")
    until(lambda: "step 1" in marked())
    resize(80, 5)
    fits(80, 5, "Holdfast")
    resize(80, 24)
    fits(80, 24, "Holdfast")
    until(lambda: "step 1" in marked() and "step 8" in screen())
    keys("g")


@check("q leaves the terminal as it was; so do SIGTERM and Ctrl-C")
def _():
    keys("q")
    left(0)
    start()
    shows("step 8")
    os.kill(process("recover-screen"), 15)
    left(143)
    start()
    shows("step 8")
    keys("C-c")
    left(130)


@check("Ctrl-Z gives the terminal back, fg the screen; SIGHUP ends it in order")
def _():
    start_at(80, 24, "cd %s/src; sh -c 'set -m; %s/recover; echo stopped with $?; stty -a | grep -o \".echo \"; sleep 1; fg'" % (w, build))
    shows("step 8")
    keys("C-z")
    text = shows("stopped with ", "\n echo")
    shows("Holdfast: snapshots", "step 8")
    keys("j")
    shows("2/")
    keys("q")
    left(0)
    start_at(80, 24, "cd %s/src; sh -c 'echo $$ >%s/pid; exec %s/recover'" % (w, d, build))
    shows("step 8")
    os.kill(int(open(d + "/pid").read()), 1)
    left(129)


@check("kill -9 and crashes leave the terminal right, with the mouse on too; so does a kill while it is suspended")
def _():
    def with_mouse():
        start()
        shows("step 8")
        keys("M")
    killed("recover-screen", "a click chooses", with_mouse)
    start_at(80, 24, "cd %s/src; sh -c 'set -m; %s/recover; echo stopped; cat; fg'" % (w, build))
    shows("step 8")
    keys("C-z")
    shows("stopped")
    given_back()
    os.kill(process("recover-screen"), 9)
    keys("C-d")
    left(137)
    given_back()


@check("a prompt of wide characters: the cursor stands behind them, the end is seen")
def _():
    start()
    shows("step 8")
    keys("/")
    keys("-l", "\u4e2d\u6587")
    shows("/\u4e2d\u6587")
    assert tmux("display-message", "-p", "-t", "t", "#{cursor_x}").strip() == "5", tmux("display-message", "-p", "-t", "t", "#{cursor_x}")
    keys("-l", "x" * 100 + "END")
    shows("xxEND")
    keys("C-u", "Escape")
    shows("Enter open")
    keys("q")
    left(0)


@check("the mouse, where it is wanted: a click chooses, another opens")
def _():
    start()
    shows("step 8", "\nnow ")      # rows stand where they will
    keys("M")
    shows("a click chooses")

    def click(row):
        for button in 32, 35:       # pressed, let go
            tmux("send-keys", "-t", "t", "-l", "\x1b[M" + chr(button) + chr(32 + 10) + chr(32 + row))
    lines = screen().split("\n")
    row = next(i for i, x in enumerate(lines) if "step 6" in x) + 1
    click(row)
    shows(" %d/" % (row - lines.index("", 2) - 1) if "" in lines[2:] else "step 6")
    click(row)
    shows("what changed in it")
    keys("Q")
    left(0)


@check("no colours with NO_COLOR")
def _():
    start(NO_COLOR="1")
    shows("step 8")
    text = tmux("capture-pane", "-e", "-p", "-t", "t")
    assert not re.search("\x1b\\[([0-9]*;)*[34][0-7]m", text), text
    keys("Q")
    left(0)


@check("a dumb terminal gets numbers, and so does one that this machine does not know, which is said")
def _():
    def numbers(term, typed):
        return subprocess.run(["script", "-qec", "env TERM=%s %s/recover -w %s" % (term, build, w), "/dev/null"], env=env, input=typed,
                              stdout=subprocess.PIPE, text=True, timeout=60).stdout
    out = numbers("dumb", "3\n8\n9\nnote*\n10\nline 7\n11\nsrc/train.py\n13\n12\n")
    for word in "1 restore the latest snapshot", "step 3", "no editor holds a text", "$ recover find 'note*'", "docs/note 8.md", "line 7", \
            "$ recover history src/train.py", "a number from 1 to 12":
        assert word in out, (word, out)
    out = numbers("no-such-terminal", "q\n")
    assert out.count("TERM=no-such-terminal is not known on this machine") == 1 and "1 restore the latest snapshot" in out, out


@check("single changes of a diff are chosen and taken back")
def _():
    before = ["line %d\n" % i for i in range(1, 41)]
    write("docs/long.md", "".join(before))
    snap("long")
    after = ["line 3, changed\n" if x == "line 3\n" else x for x in before if x != "line 35\n"]
    write("docs/long.md", "".join(after))
    start()
    shows("long")
    keys("Enter")
    shows("what changed in it", "docs/long.md")
    keys("q", "w")
    shows("against the workspace now", "+line 3, changed")
    keys("r")
    shows("the diff of one file: q, Enter, choose it, w")
    keys("q", "Enter")
    shows("what changed in it", "docs/long.md")
    keys("/")
    keys("long.md", "Enter", "w")
    shows("+line 3, changed", "-line 35")
    keys("g", "r")
    shows("no change stands here: go to one")
    keys("G", "r")
    shows("restore 1 of 2 changes of docs/long.md", "[y/N]")
    keys("y", "Enter")
    shows("undo takes it back")
    after.insert(34, "line 35\n")
    assert read("docs/long.md") == "".join(after)
    keys("Enter")
    shows("against the workspace now", "+line 3, changed", "restored; u takes it back")
    assert "line 35" not in screen()
    keys("q", "q")
    shows("before the restore of ")
    keys("Q")
    left(0)


@check("names in a diff are readable, what could drive the terminal is not")
def _():
    names = "\u00e4\u4e2d.md", "\u00e4 \x1b[31m.md", "\u202e.md"
    for name in names:
        write("docs/" + name, "one\n")
    snap("names")
    for name in names:
        write("docs/" + name, "two\n")
    start()
    shows("names", "\nnow ")
    keys("g", "w")
    text = shows("+++ b/docs/\u00e4\u4e2d.md", "diff --git a/docs/\u00e4\u4e2d.md b/docs/\u00e4\u4e2d.md", '--- "a/docs/\u00e4 \\033[31m.md"',
                 '--- "a/docs/\\342\\200\\256.md"')
    assert "\u202e" not in text, text
    keys("Q")
    left(0)
    for name in names:
        os.unlink(os.path.join(w, "docs", name))
    start(LC_ALL="C")
    shows("names", "\nnow ")
    keys("g", "w")
    shows('--- "a/docs/\\303\\244\\344\\270\\255.md"')
    keys("Q")
    left(0)


# ---- the keys of the help, one by one ----

TMUX = {"PgDn": "NPage", "PgUp": "PPage", "Esc": "Escape", "Backspace": "BSpace"}
FIRST = " Holdfast: snapshots"


def start_tall():
    """The help fits; who is suspended is told so, and goes on."""
    start_at(80, 60, "cd %s/src; sh -c 'set -m; %s/recover; r=$?; case $r in 14[78]) echo suspended; sleep 1; fg; r=$?;; esac; exit $r'"
             % (w, build))
    shows("step 1\n")


def press(name):
    keys(TMUX.get(name, "C-" + name[5:].lower() if name.startswith("Ctrl-") else name))


def title(word):
    until(lambda: word in screen().split("\n", 1)[0])


def home(word="train"):
    """The first view, at the snapshot with that message."""
    while not (text := screen()).startswith(FIRST):
        keys("q")
        until(lambda: screen()[:60] != text[:60])      # one more would leave the first view
    keys("g", "/")
    keys("-l", word)
    keys("Enter")
    until(lambda: word in marked())


def view(*what):
    """From the first view into another: "changes", "diff" or a key."""
    home()
    for k in what:
        keys(*{"changes": ["Enter"], "diff": ["G", "w"]}.get(k, [k]))
        title({"changes": "what changed", "diff": "against the workspace now", "t": ":/ ", "U": "only an editor", "?": " keys, first"}[k])
        until(lambda: not screen().split("\n", 1)[0].rstrip().endswith("..."))


def opens(word, *where):
    def does(key):
        view(*where)
        if where == ("changes",):
            keys("G")
            until(lambda: "train.py" in marked())
        press(key)
        title(word)
    return does


def says(word, *where):
    def does(key):
        view(*where)
        press(key)
        shows(word)
        if "Enter: back" in word or "[y/N]" in word:
            keys("n", "Enter")
            shows("Enter: back")
            keys("Enter")
            title("")
    return does


def asks(word):
    def does(key):
        home()
        press(key)
        shows(word)
        keys("Escape")
        shows("q leave")
    return does


def moves(first, then, *where):
    """From the row with one word to that with the other."""
    def does(key):
        view(*where)
        keys("g", "/")
        keys("-l", first)
        keys("Enter")
        until(lambda: first in marked())
        press(key)
        until(lambda: then in marked())
    return does


def away(first, key):
    """From the first row of the help to one below the middle."""
    moves(first, "", "?")(key)
    until(lambda: first not in marked() and int(re.search(r"(\d+)/", screen()).group(1)) > 20)


def leaves(key):
    home()
    press(key)
    left(130 if key == "Ctrl-C" else 0)
    start_tall()


def goes_back(key):
    view("changes")
    press(key)
    title(FIRST)


def marks(key):
    home()
    press(key)
    shows("a name for this snapshot")
    keys("-l", "by-key")
    keys("Enter")
    shows("@by-key")


def compares(key):
    home()
    press(key)
    shows("now c on the other")
    keys("k", key)
    title(" against ")


def anew(key):
    home()
    with open(tmux("display-message", "-p", "-t", "t", "#{pane_tty}").strip(), "w") as f:
        f.write("\x1b[3;20HRUBBISH")
    shows("RUBBISH")
    press(key)
    until(lambda: "RUBBISH" not in screen())


def looks_again(key):
    home()
    snap("by another")
    press(key)
    shows("by another")


def suspends(key):
    home()
    press(key)
    shows("suspended")
    title(FIRST)
    shows("q leave")


DOES = {
    "look into it": opens("what changed in it"),
    "this help": opens(" keys, first"),
    "back": goes_back,
    "restore it": says("[y/N]"),
    "choose this path": lambda key: (view("changes"), keys("G"), press(key), until(lambda: re.search("^[*]", screen(), re.M)),
                                     view("changes", "diff"), keys("G"), press(key), until(lambda: re.search("^[*]@@", screen(), re.M))),
    "take the last restore back": says("[y/N]"),
    "what changed from the snapshot before": opens("against the one before"),
    "what differs in the workspace now": opens("against the workspace now"),
    "compare two": compares,
    "all files of the snapshot": opens(":/ "),
    "the file as it was": opens(":src/train.py", "changes"),
    "every version of this path": opens("every version", "changes"),
    "give the snapshot a name": marks,
    "files that are gone": opens("files that are gone"),
    "texts that were never saved": opens("only an editor"),
    "find a path over all time": asks("find paths"),
    "find a text over all time": asks("find a text"),
    "what happened": opens("what happened"),
    "how well this workspace": opens("how well"),
    "down": lambda key: moves("look into it", "this help", "?")(key) if key == "Enter" else moves("step 8", "step 7")(key),
    "up": moves("step 7", "step 8"),
    "a screen down": lambda key: away("look into it", key),
    "a screen up": moves("Ctrl-Z", "look into it", "?"),
    "back; first to the left": goes_back,
    "half a screen to the right": says("no line here goes on to the right", "changes", "diff"),
    "half a screen to the left": lambda key: (view("?"), press(key), title(" keys, first")),
    "to the first": moves("Ctrl-Z", "look into it", "?"),
    "to the last": lambda key: away("look into it", key),
    "search in this view": asks("/"),
    "the next hit of /": lambda key: moves("step 8", "step ")(key),
    "the hit before": lambda key: moves("step 1", "step ")(key),
    "the command that shows the same": says("recover list --json --events"),
    "a diff in two halves": lambda key: (says("there is no room for two halves")(key), says("there is no room for two halves")(key)),
    "what a row is about": lambda key: (says("the list alone")(key), says("what a row is about stands with it")(key)),
    "the mouse": lambda key: (says("a click chooses")(key), says("the mouse is the terminal's")(key)),
    "look again": looks_again,
    "draw anew": anew,
    "leave": leaves,
    "leave, from any view": leaves,
    "suspend": suspends,
}


@check("every key of the help does what it says there")
def _():
    undone = read("src/train.py")
    write("src/train.py", "line 1\ntrain\n")
    snap("train")
    write("src/train.py", "line 1\n")
    subprocess.run([build + "/recover", "-w", w, "restore", "--yes", "@~1", "--", "docs"], env=env, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    start_tall()
    keys("?")
    title(" keys, first")
    text = shows("suspend; fg", "choose this path")
    table = [re.match(" (.{24}) (.*)", x).groups() for x in text.split("\n")[1:] if re.match(" (?! ).{24} \\S", x)]
    keys("q")
    assert len(table) > 38, text
    keys_do(table, DOES)
    home()
    keys("C-t")
    shows("? shows all keys")
    keys("Space")
    shows("that key does nothing here; ? shows all")
    keys("Q")
    left(0)
    write("src/train.py", undone)


@check("new snapshots come by themselves, and the cursor stays where it was")
def _():
    start()
    first = shows("step 8")
    assert "later" not in first
    keys("Down")
    was = marked()
    write("docs/later.md", "1")
    snap("later")
    shows("later", seconds=90)
    until(lambda: marked() == was)
    keys("Q")
    left(0)


@check("what was typed before it was asked is no answer")
def _():
    write("src/train.py", "typed\n")
    start_at(80, 24, "cd %s/src; sleep 2; %s/recover restore @ -- train.py" % (w, build))
    keys("y", "Enter")
    shows("[y/N]")
    time.sleep(0.5)
    assert "Enter" not in screen() and read("src/train.py") == "typed\n"
    keys("n", "Enter")
    left(1)
    assert read("src/train.py") == "typed\n"


@check("flags and marks are seen whatever the message, with a side pane too")
def _():
    write("docs/model.md", "much\n")
    snap("filled")
    write("docs/model.md", "")
    snap("before the big refactoring of all that there is")
    subprocess.run([build + "/recover", "-w", w, "mark", "@", "big"], env=env, check=True)
    start()
    shows("snapshots", "\nnow ")
    for x, y in ((80, 24), (120, 40), (200, 60)):
        resize(x, y)
        fits(x, y, "Holdfast")
        until(lambda: re.search("[0-9] changed .*  !emptied  @big", screen()))
    keys("Q")
    left(0)


@check("a wide character at the edge is cut whole")
def _():
    write("docs/wide.md", "once more\n")
    snap("x" + "日本語の長いメッセージ" * 12)
    start()
    for x in (79, 80, 81):
        resize(x, 24)
        fits(x, 24, "Holdfast")
        until(lambda: re.search("日本.*>$", screen(), re.M))
        assert not re.search("^>", screen(), re.M), screen()
    keys("Q")
    left(0)


@check("long lines are cut with a mark, and Right moves along them; Left comes back")
def _():
    write("docs/wide.md", "x" * 300 + "OLD" + "y" * 20 + "\n\tshort\n")
    snap("wide")
    write("docs/wide.md", "x" * 300 + "NEW" + "y" * 20 + "\n\tshort\n")
    start()
    for x, there, back in (80, 6, 7), (120, 10, 10):
        resize(x, 24)
        fits(x, 24, "")
        home("wide")
        keys("Enter")
        shows("what changed in it", "wide.md")
        keys("/")
        keys("wide.md", "Enter", "w")
        shows("against the workspace now", "xx>", "short")
        assert "NEW" not in screen()
        keys(*["Right"] * there)
        shows("OLD", "NEW", "<xx")
        assert "short" not in screen()
        keys("Right", "Right", "Right", ">")
        shows("no line here goes on to the right")
        keys("<")
        until(lambda: "no line here" not in screen())
        keys("/")
        keys("short", "Enter")
        shows("short", "xx>")
        keys("/")
        keys("NEW", "Enter")
        shows("OLD", "NEW", "<xx")
        keys(*["Left"] * back)
        shows("against the workspace now", "xx>", "short")
        keys("Left")
        shows("what changed in it")
    resize(40, 24)
    fits(40, 24, "")
    keys("S")
    shows("how well", ">\n")
    keys("Q")
    left(0)
    os.unlink(w + "/docs/wide.md")


@check("a text that was never saved comes back beside its file, and no undo is offered for that")
def _():
    backups = "%s/home/.config/Code/Backups/%s/file" % (d, hashlib.md5(w.encode()).hexdigest())
    os.makedirs(backups)
    with open(backups + "/-1", "w") as f:
        f.write('file://%s/src/train.py {"mtime":1,"size":6,"orphaned":false,"typeId":""}\nnever saved\n' % w)
    start()
    shows("snapshots", "\nnow ")
    keys("U")
    shows("src/train.py", "1/1")
    for said in "written to", "holds it":
        keys("r")
        shows(said, "Enter: back")
        keys("Enter")
        text = shows("only an editor has them", "nothing was replaced")
        assert "u takes" not in text, text
        until(lambda: screen().split("\n", 1)[0].rstrip().endswith("1/1"))     # before that a key is not meant for the row
    keys("Q")
    left(0)
    shutil.rmtree(d + "/home/.config/Code")
    for name in os.listdir(w + "/src"):
        if ".unsaved-" in name:
            os.unlink(os.path.join(w, "src", name))


@check("after the folder was deleted it opens from elsewhere, and r brings all back")
def _():
    shutil.rmtree(w)
    start(command="recover -w %s" % w)
    shows("workspace is gone", "snapshots")
    keys("/")
    keys("step 8", "Enter", "r")
    shows("[y/N]")
    keys("y", "Enter")
    shows("Enter: back")
    assert read("src/train.py") == "line 7\nline 8\n"
    keys("Enter")
    shows("step 8")
    keys("Q")
    left(0)


finish(d)
