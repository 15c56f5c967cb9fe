#!/bin/sh
# recover report --html: whole, offline, and nothing of a name in it but as text.
. "$(dirname "$0")/detect/lib.sh"
export HOLDFAST_STORE="$d/store"
w=$d/w
mkdir "$w"
snap() { "$bin/snapd" --workspace "$w" --once "$@"; }
recover() { "$bin/recover" --workspace "$w" --no-pager "$@"; }
evil='<script>alert(1)</script>&"'"'"

echo one >"$w/train.py"
first=$(snap -m "before $evil")
gives 1 "no crash: no page" recover report --html "$d/none.html"
check "and no file" [ ! -e "$d/none.html" ]
now=$(($(ago 0) + 1))
fact id=crash0000001 real="$now" pid=4711 status=signaled signal=9 oom0=1 oom1=2 cgoom0=0 cgoom1=1 \
	m.real="$now" m.total=16000000000 m.available=1000000000 m.mem_total=16000000000 m.mem_available=1000000000 beforeavail=200000000 \
	argv="python3 train.py $evil $(printf '\377\033[31m')" peak=5000000000
judge
echo two >"$w/train.py"
echo x >"$w/$(printf 'a<script>\377\342\200\256b')"

gives 0 "report --html" recover report --html "$d/r.html"
check "only its owner reads it" [ "$(stat -c %a "$d/r.html")" = 600 ]
gives 0 "- is standard output" recover report --html -
check "a page is well formed, offline, and holds names as text only" python3 -B - "$d/r.html" "$d/out" "$first" <<'PY'
import html.parser, re, sys

void = {"meta", "br", "path"}


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.text, self.attrs = [], set(), "", []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attrs += [(tag, k, v) for k, v in attrs]
        if tag not in void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attrs += [(tag, k, v) for k, v in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data


for name in sys.argv[1:3]:
    raw = open(name, "rb").read()
    source = raw.decode("utf-8")        # strictly
    page = Page()
    page.feed(source)
    page.close()
    assert not page.open, page.open
    assert page.tags <= {"html", "head", "meta", "title", "style", "body", "h1", "h2", "dl", "dt", "dd", "pre", "p", "div", "span", "i",
                         "b", "svg", "path", "table", "tr", "td"}, page.tags
    for tag, key, value in page.attrs:
        assert not key.startswith("on") and key not in ("src", "href", "xlink:href"), (tag, key, value)
    assert not re.search(r"url\(|@import|https?:", source), "it would fetch something"
    assert "<script" not in source.lower() and "\x1b" not in source and "\u202e" not in source
    assert "default-src 'none'" in source and "prefers-color-scheme:dark" in source
    for want in ("<script>alert(1)</script>&\"'", "a<script>\ufffd", "the machine's oom_kill went from 1 to 2", "out-of-memory (kernel), likely",
                 "snapshot " + sys.argv[3][:8] + " (manual)", "train.py", "memory: at most 94 %", "recover diff"):
        assert want in page.text, want
    assert re.search(r'<path class="mem" d="M[0-9.]+ [0-9.]+', source)
    # Each mark stands on the axis.
    lefts = [float(x) for x in re.findall(r'style="left:([0-9.]+)%"', source)]
    assert len(lefts) >= 2 and all(0 <= x <= 100 for x in lefts), lefts
PY
gives 4 "a folder that is not there" recover report --html "$d/nosuch/r.html"
says "is named" "$d/err" "nosuch/r.html: no such file or folder"
gives 4 "no name" recover report --html "$d/"
gives 2 "without a file" recover report --html
mkdir "$d/x.html"
gives 4 "a folder in its place" recover report --html "$d/x.html"
check "nothing is left beside it" [ -z "$(find "$d" -maxdepth 1 -name '.*tmp*')" ]
