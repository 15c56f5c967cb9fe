#!/bin/sh
# detect runs --html: whole, offline, and nothing of a command in it but as text. In a browser: tests/real_pages.sh.
. "$(dirname "$0")/detect/lib.sh"
evil='<script>alert(1)</script>&"'"'"
detect=$bin/detect
gives 1 "no runs: no page" "$detect" runs --html "$d/none.html"
says "and it is said" "$d/err" 'none yet'
check "and no file" [ ! -e "$d/none.html" ]
python3 -B "$here/detect/put_runs.py" "$HOLDFAST_STATE" 40 "$evil$(printf '\033[31m\377')"
gives 0 "a page" "$detect" runs --html "$d/r.html"
check "only its owner reads it" [ "$(stat -c %a "$d/r.html")" = 600 ]
gives 0 "- is standard output" "$detect" runs --html -
cp "$d/out" "$d/all"
gives 0 "of the newest 3" "$detect" runs -n 3 --html -
check "all, the newest first, as text; 3 where 3 are wanted" python3 -B - "$d/r.html" "$d/all" "$d/out" "$HOLDFAST_STATE" <<'PY'
import html.parser, os, re, sys

void = {"meta", "br"}


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.text, self.attrs = [], set(), "", []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attrs += [(tag, k, v) for k, v in attrs]
        if tag not in void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data


def read(name):
    source = open(name, "rb").read().decode("utf-8")        # strictly
    page = Page()
    page.feed(source)
    page.close()
    assert not page.open, page.open
    assert page.tags <= {"html", "head", "meta", "title", "style", "body", "h1", "h2", "dl", "dt", "dd", "p", "div", "span", "i", "b", "table", "tr", "th",
                         "td", "code", "br"}, page.tags
    for tag, key, value in page.attrs:
        assert not key.startswith("on") and key not in ("src", "href"), (tag, key, value)
    assert not re.search(r"url\(|@import|https?:", source), "it would fetch something"
    assert "<script" not in source.lower() and "\x1b" not in source
    return source, page.text


records = []
for name in os.listdir(sys.argv[4] + "/runs"):
    fields = dict(x.rstrip("\n").split("\t", 1) for x in open(sys.argv[4] + "/runs/" + name + "/run", errors="replace"))
    records.append((int(fields["began_ms"]), name, fields))
records.sort(reverse=True)
for path, n in (sys.argv[1], 40), (sys.argv[2], 40), (sys.argv[3], 3):
    source, text = read(path)
    assert "%d training runs" % n in text, text[:300]
    at = [text.find(" " + name) for _, name, _ in records]
    assert all(x >= 0 for x in at[:n]) and at[:n] == sorted(at[:n]) and all(x < 0 for x in at[n:]), at
    bars = re.findall(r'<i class="(\w+)" title="([^"]*)" style="height:([0-9.]+)%"', source)
    ram = bars[:n]
    assert len(ram) == n and all(0 <= float(h) <= 100 for _, _, h in bars), bars
    # The oldest at the left; heights as the peaks are.
    peaks = [int(f["peak.ram"]) for _, _, f in reversed(records[:n])]
    most = max(range(n), key=lambda i: peaks[i])
    assert all(abs(float(ram[i][2]) / float(ram[most][2]) - peaks[i] / peaks[most]) < 0.01 for i in range(n)), (ram, peaks)
    for (kind, _, _), (_, _, f) in zip(ram, reversed(records[:n])):
        wanted = "oom" if "cause" in f and f["cause"].startswith("out-of") else "gone" if f["state"] == "running" else "good" if f["code"] == "0" else "fail"
        assert kind == wanted, (kind, f)
    assert "<script>alert(1)</script>&\"'\ufffd[31m\ufffd" in text, "the command as text"
source, text = read(sys.argv[1])
for tier in "ultra-light", "low", "standard", "high", "cpu":
    mine = [f for _, _, f in records if f.get("tier") == tier]
    row = re.search(r'<tr><td class="n">%s</td>(.*?)</tr>' % tier, source).group(1)
    cells = re.findall(r"<td[^>]*>(.*?)</td>", row)
    assert cells[4] == str(len(mine)) and cells[5] == str(len([f for f in mine if f.get("cause", "").startswith("out-of")])), (tier, cells)
PY
gives 4 "a folder that is not there" "$detect" runs --html "$d/nosuch/r.html"
says "is named" "$d/err" "nosuch/r.html: no such file or folder"
gives 2 "without a file" "$detect" runs --html
gives 2 "with --json" "$detect" runs --json --html "$d/x"
gives 2 "of a single run" "$detect" runs --html "$d/x" abc
check "nothing was written" [ ! -e "$d/x" ]
