"""A real terminal for the tests of screens: tmux, one session on a socket of the test's own."""
import os
import shutil
import subprocess
import sys
import time

env, sock = {}, []


def begin(folder, environment):
    """Once; without tmux the test ends here, as skipped."""
    if not shutil.which("tmux"):
        print("skip the screen: no tmux")
        sys.exit(0)
    env.update(environment)
    for name in "TMUX", "NO_COLOR", "HOLDFAST_CONFIG", "PAGER", "GIT_PAGER":
        env.pop(name, None)
    sock.extend(["tmux", "-f", "/dev/null", "-S", os.path.join(folder, "tmux")])


def tmux(*args):
    return subprocess.run(sock + list(args), env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


def screen():
    return tmux("capture-pane", "-p", "-t", "t")


def shows(*words, seconds=60):
    """Until all of it stands on the screen."""
    end = time.time() + seconds
    while True:
        text = screen()
        if all(x in text for x in words):
            return text
        if time.time() > end:
            raise AssertionError("%r is not on the screen:\n%s" % ([x for x in words if x not in text], text))
        time.sleep(0.03)


def keys(*names):
    tmux("send-keys", "-t", "t", *names)


def start_at(columns, rows, command, **more):
    """A shell line in a new session; then how it left, and whether the terminal echoes."""
    tmux("kill-server")
    line = "trap : INT; %s; echo \"left with $?\"; stty -a | grep -o '.echo '; exec sleep 1000" % command
    for _ in range(200):
        p = subprocess.run(sock + ["new-session", "-d", "-x", str(columns), "-y", str(rows), "-s", "t", line],
                           env=dict(env, **more), stderr=subprocess.DEVNULL)
        if p.returncode == 0:
            return
        time.sleep(0.05)     # the server before is still ending
    raise AssertionError("tmux does not start")


def left(code):
    text = shows("left with %s" % code)
    shows("\n echo")
    return text


def below(pid):
    """The processes that pid started, and those they did."""
    try:
        with open("/proc/%s/task/%s/children" % (pid, pid)) as f:
            children = f.read().split()
    except OSError:
        return []
    return [x for c in children for x in [int(c)] + below(c)]


def process(name, seconds=60):
    """The pid of the one so called (its comm) in the session."""
    end = time.time() + seconds
    while True:
        found = []
        for pid in below(tmux("display-message", "-p", "-t", "t", "#{pane_pid}").strip()):
            try:
                with open("/proc/%d/comm" % pid) as f:
                    if f.read().strip() == name:
                        found.append(pid)
            except OSError:
                pass
        if len(found) == 1:
            return found[0]
        assert time.time() < end, "processes called %s: %r" % (name, found)
        time.sleep(0.03)


def given_back():
    """Until the terminal is as a shell wants it: the other screen gone, the cursor seen, no mouse reports."""
    end = time.time() + 60
    while True:
        is_ = tmux("display-message", "-p", "-t", "t", "#{alternate_on} #{cursor_flag} #{mouse_any_flag} #{keypad_cursor_flag}").strip()
        if is_ == "0 1 0 0":
            return
        assert time.time() < end, "alternate screen, cursor, mouse, keypad: " + is_
        time.sleep(0.03)


def echoes():
    tty = tmux("display-message", "-p", "-t", "t", "#{pane_tty}").strip()
    end = time.time() + 60
    while " echo " not in subprocess.run(["stty", "-a", "-F", tty], stdout=subprocess.PIPE, text=True).stdout:
        assert time.time() < end, "no echo"
        time.sleep(0.03)


def killed(program, word, began):
    """Whatever is sent to the screen, or to the process that waits beside it, the terminal is right afterwards. began starts it."""
    for name, signo, code in ((program, 9, 137), (program, 11, 139), (program, 6, 134), ("holdfast-tty", 15, 143), ("holdfast-tty", 1, 129),
                              ("holdfast-tty", 9, 137), ("holdfast-tty", 10, 138), (program, 3, 131)):
        began()
        shows(word)
        process(program)
        os.kill(process(name), signo)
        # Nobody makes the shell wait when the one it waits for is killed: what it says may go with the other screen.
        if (name, signo) != ("holdfast-tty", 9):
            left(code)
        given_back()
        echoes()


def resize(columns, rows):
    tmux("resize-window", "-t", "t", "-x", str(columns), "-y", str(rows))


def fits(columns, rows, word, seconds=60):
    """Until the page is as large as the window and says the word in its first line."""
    end = time.time() + seconds
    while True:
        text = screen()
        lines = text.rstrip("\n").split("\n")
        if len(lines) <= rows and text.strip() and max(len(x) for x in lines) <= columns and word in lines[0]:
            return text
        assert time.time() < end, text
        time.sleep(0.05)


def settled(plain, looks, pause):
    """The screen, as plain() gives it, when it has been the same at so many looks."""
    last, same = None, 0
    while same < looks:
        text = plain()
        same = same + 1 if text == last else 0
        last = text
        time.sleep(pause)
    return last


def is_golden(folder, name, plain, seconds=30):
    """Until the screen, as plain() gives it, is the one agreed: folder/name. UPDATE=1 writes that when nothing has moved for more than half a second."""
    path = os.path.join(folder, name)
    if os.environ.get("UPDATE"):
        last = settled(plain, 12, 0.05)
        os.makedirs(folder, exist_ok=True)
        with open(path, "w") as f:
            f.write(last)
        return
    with open(path) as f:
        wanted = f.read()
    end = time.time() + seconds
    while (text := plain()) != wanted:
        if time.time() > end:
            diff = subprocess.run(["diff", "-u", path, "-"], input=text, stdout=subprocess.PIPE, text=True).stdout
            raise AssertionError("%s is not as agreed:\n%s" % (name, diff))
        time.sleep(0.03)


def keys_do(table, does, before=lambda what: None):
    """Each key of a help's rows (names, words) does what the words say: does has a function of the key for each beginning of them."""
    seen = set()
    for names, words in table:
        what = max((x for x in does if words.startswith(x)), key=len, default=None)
        assert what, "no test for: " + words
        seen.add(what)
        for name in names.strip().split(", "):
            try:
                before(what)
                does[what](name)
            except AssertionError as e:
                raise AssertionError("%s: %s: %s" % (name, words, e))
    assert seen == set(does), set(does) - seen


bad = 0


def check(name):
    def run(fn):
        global bad
        try:
            fn()
            print("ok", name, flush=True)
        except Exception as e:
            bad += 1
            print("not ok", name, flush=True)
            print(e, flush=True)
    return run


def finish(folder):
    tmux("kill-server")
    shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if bad else 0)
