"""Both pages in a headless Chromium, full of what there can be: nothing overflows, nothing is fetched, text can be read in the dark and
in the light, wide and narrow. SHOTS=DIR keeps pictures to look at."""
import base64
import http.server
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cdp                          # noqa: E402
from put_fact import line           # noqa: E402

here = os.path.dirname(os.path.abspath(__file__))
build = os.environ.get("BUILD_DIR", os.path.abspath("build"))
chromium = next((p for p in ("/usr/lib/chromium/chromium", shutil.which("chromium"), shutil.which("google-chrome")) if p and os.path.exists(p)), None)
if not chromium:
    print("skip pages: no chromium")
    sys.exit(77)
d = tempfile.mkdtemp()
w = d + "/w"
env = dict(os.environ, HOME=d + "/home", HOLDFAST_STATE=d + "/state", XDG_DATA_HOME=d + "/data", HOLDFAST_STORE=d + "/store", LC_ALL="C.UTF-8",
           HOLDFAST_AUTOSTART="0", TZ="UTC")
for p in "home", "state", "data", "w":
    os.mkdir(os.path.join(d, p), 0o700)
evil = '<script>document.title="x"</script>&"\'' + "long-word-" * 30
bad = 0


def check(name):
    def run(fn):
        global bad
        try:
            fn()
            print("ok", name, flush=True)
        except Exception as e:
            bad += 1
            print("not ok", name, e, flush=True)
    return run


# ---- what there is to show ----

def put_samples(end, n=1500):
    """Memory and GPU fill up, swap follows; a gap of three minutes."""
    boot = open("/proc/sys/kernel/random/boot_id").read().strip().encode()

    def seal(body, magic):
        body += magic
        h = 2166136261
        for b in body:
            h = (h ^ b) * 16777619 & 0xffffffff
        return body + struct.pack("<I", h)
    out = [seal(struct.pack("<Q36sB11x", n + 1, boot, 1), b"HFh1")]
    place = {}
    for i in range(1, n + 1):
        t = i / n
        ms = int(end - 600000 + 600000 * t)
        if 240000 < end - ms < 420000:
            continue
        used, swap, gpu = 0.35 + 0.6 * t ** 3 + 0.02 * (i % 7) / 7, 0.05 + 0.9 * max(0, t - 0.7) ** 2, min(0.97, 0.2 + t)
        u = 16 << 14
        place[1 + i % 8191] = seal(struct.pack("<QQIIIIIIIIHHBBBB", i, ms, u, int(u * (1 - min(used, 0.99))), u // 2, int(u // 2 * (1 - swap)), u,
                                               int(u * gpu), u // 8, u // 2, 1200, 9000, 2 if t > 0.8 else 0, 0, 90, 70), b"HFs1")
    with open(d + "/state/samples", "wb") as f:
        f.truncate(8192 * 64)
        f.write(out[0])
        for at, record in place.items():
            f.seek(at * 64)
            f.write(record)


def fact(**fields):
    with open(d + "/state/spool", "ab") as f:
        f.write(("\n%s\n" % line(fields)).encode("utf-8", "surrogateescape"))


def run(*words, **kw):
    return subprocess.run([build + "/" + words[0]] + list(words[1:]), env=env, check=True, stdout=subprocess.PIPE, text=True, **kw).stdout


now = int(time.time() * 1000)
then = now - 40000
for i in range(60):
    with open(w + "/file %d.py" % i, "w") as f:
        f.write("%d\n" % i)
    run("tests/tool_snap", w, "step %d %s" % (i, evil[:60] if i % 9 == 0 else ""), "interval" if i % 3 else "risk", str((then - 9 * 60000 + i * 9000) // 1000))
put_samples(then)
for i in range(12):
    fact(kind="exit", id="w%031x" % i, real=then - 500000 + i * 40000, role="worker", of_kind="training", pid=5000 + i, start=5, ppid=4711, comm="python3",
         status="signaled", signal=9, argv="python3 train.py --worker %d %s" % (i, evil[:40]))
for i in range(6):
    fact(kind="risk", id="r%031x" % i, real=then - 300000 + i * 50000, was=1, risk=2, reasons="memory: 91 % in use")
fact(kind="exit", id="crash" + "0" * 27, real=then, role="main", of_kind="editor", family="VSCode", pid=4711, start=5, ppid=1, comm="code", status="signaled",
     signal=9, oom0=0, oom1=1, argv="code " + evil, cwd=w, peak=5000000000, **{"m.real": then, "m.total": 16 << 30, "m.available": 1 << 28,
                                                                              "m.mem_total": 16 << 30, "m.mem_available": 1 << 28})
run("detect-core", "judge", "--once", stderr=subprocess.DEVNULL)
for i in range(80):
    with open(w + "/a rather long name of a file that somebody wrote in the dark %d %s.md" % (i, "x" * (i % 90)), "w") as f:
        f.write("new\n")
subprocess.run([sys.executable, here + "/put_runs.py", d + "/state", "120", evil], check=True)
run("recover", "--workspace", w, "--no-pager", "report", "--html", d + "/report.html")
run("detect", "runs", "--html", d + "/runs.html")
one = dict(env, HOLDFAST_STATE=d + "/one")
os.mkdir(d + "/one", 0o700)
subprocess.run([sys.executable, here + "/put_runs.py", d + "/one", "1"], check=True)
subprocess.run([build + "/detect", "runs", "--html", d + "/one.html"], env=one, check=True)

# ---- the browser ----

asked = []


class Files(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.path)
        super().do_GET()

    def log_message(self, *a):
        pass


os.chdir(d)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
threading.Thread(target=server.serve_forever, daemon=True).start()
browser = subprocess.Popen([chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-port=0", "--no-first-run",
                            "--user-data-dir=" + d + "/profile", "about:blank"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=env)
port = None
for text in browser.stderr:
    m = re.search(r"ws://127.0.0.1:(\d+)/", text)
    if m:
        port = int(m.group(1))
        break
threading.Thread(target=browser.stderr.read, daemon=True).start()
page = cdp.Page(cdp.new_page(port), 120)

# Overflow, contrast of every text (WCAG), labels upon each other, marks outside of their lane. Answers with what is wrong.
LOOK = r"""
(() => {
  const bad = [], doc = document.documentElement;
  if (doc.scrollWidth > innerWidth) bad.push("the page is " + doc.scrollWidth + " wide, the window " + innerWidth);
  const rgb = s => (s.match(/[\d.]+/g) || []).map(Number);
  const light = c => { const f = c.slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
                       return .2126 * f[0] + .7152 * f[1] + .0722 * f[2]; };
  const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length == 3 || c[3] > .5) return c; }
                        return [255, 255, 255]; };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  for (let n; (n = walk.nextNode());) {
    const e = n.parentElement;
    if (!n.data.trim() || !e.getClientRects().length) continue;
    const s = getComputedStyle(e), a = light(rgb(s.color)), b = light(behind(e)), r = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (r < 4.5 && !seen.has(e.className)) { seen.add(e.className); bad.push("contrast " + r.toFixed(1) + ": " + n.data.trim().slice(0, 30)); }
    if (parseFloat(s.fontSize) < 11.5) bad.push("small: " + n.data.slice(0, 30));
  }
  const apart = (what, list) => { const r = [...list].map(e => e.getBoundingClientRect());
    for (let i = 0; i < r.length; i++) for (let j = 0; j < i; j++)
      if (r[i].left < r[j].right && r[j].left < r[i].right && r[i].top < r[j].bottom - 1 && r[j].top < r[i].bottom - 1) { bad.push(what + " upon each other"); return; } };
  document.querySelectorAll(".bars").forEach(b => apart("labels", b.querySelectorAll("span")));
  document.querySelectorAll(".lane").forEach(l => { const name = l.querySelector("b"), box = l.getBoundingClientRect();
    for (const i of l.querySelectorAll("i")) { const r = i.getBoundingClientRect(), n = name.getBoundingClientRect();
      if (r.left < box.left - 8 || r.right > box.right + 8) bad.push("a mark outside");
      if (r.left < n.right && r.right > n.left && r.top < n.bottom && r.bottom > n.top) { bad.push("a mark on " + name.textContent); break; } } });
  document.querySelectorAll(".lane b, .scale b").forEach(b => { if (b.offsetHeight > 30) bad.push("a name of " + b.offsetHeight + " px: " + b.textContent); });
  document.querySelectorAll("th").forEach(t => { if (t.getClientRects().length && t.offsetHeight > 90) bad.push("a head of " + t.offsetHeight + " px: " + t.textContent); });
  return JSON.stringify(bad);
})()
"""


def show(name, width, height, scheme):
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.call("Page.navigate", url="http://127.0.0.1:%d/%s.html" % (server.server_port, name))
    for _ in range(600):
        if page.evaluate("document.readyState") == "complete" and page.evaluate("location.pathname") == "/%s.html" % name:
            break
        time.sleep(0.05)
    if os.environ.get("SHOTS"):
        shot = page.call("Page.captureScreenshot", captureBeyondViewport=True,
                         clip={"x": 0, "y": 0, "width": width, "height": min(int(os.environ.get("SHOT_ROWS", "6000")), page.evaluate("document.documentElement.scrollHeight")), "scale": 1})
        with open("%s/%s-%d-%s.png" % (os.environ["SHOTS"], name, width, scheme), "wb") as f:
            f.write(base64.b64decode(shot["result"]["data"]))
    return page.evaluate(LOOK)


page.call("Page.enable")
grounds = {}
for name in "report", "runs", "one":
    for width in 340, 800, 1500:
        for scheme in "light", "dark":
            @check("%s, %d wide, %s" % (name, width, scheme))
            def _():
                said = show(name, width, 900, scheme)
                assert said == "[]", said
                grounds[name, scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
                assert page.evaluate("document.title") in ("Training runs",) or "x" != page.evaluate("document.title")


@check("dark is dark, light is light")
def _():
    for name in "report", "runs":
        assert grounds[name, "dark"] != grounds[name, "light"], grounds


@check("all on one axis: curves, snapshots, ends, risk")
def _():
    show("report", 1500, 900, "light")
    n = page.evaluate("JSON.stringify([...document.querySelectorAll('.lane')].map(l => l.querySelectorAll('i').length))")
    print("#", n)
    lanes = dict(zip(("snapshots", "launches", "guard", "risk", "ends"), __import__("json").loads(n)))
    assert lanes["snapshots"] >= 55 and lanes["ends"] >= 12 and lanes["risk"] == 6, lanes
    curves = __import__("json").loads(page.evaluate("JSON.stringify([...document.querySelectorAll('.chart path')].map(p => (p.getAttribute('d').match(/M/g) || []).length))"))
    assert curves.count(2) >= 3, "three curves, each broken by the gap: %s" % curves


@check("nothing was fetched but the pages")
def _():
    assert set(asked) <= {"/report.html", "/runs.html", "/one.html", "/favicon.ico"}, set(asked)


browser.kill()
browser.wait()
server.shutdown()
os.chdir("/")
shutil.rmtree(d, ignore_errors=True)
sys.exit(1 if bad else 0)
