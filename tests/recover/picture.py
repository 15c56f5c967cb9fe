"""The picture of the screen in README.md is a real one: the golden screen of the first view at 80x24. `--write` puts it there anew;
without, exit 1 when it is another."""
import os
import re
import sys

top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
with open(os.path.join(top, "tests", "golden", "screen", "snapshots-80x24"), encoding="utf-8") as f:
    lines = f.read().replace("/tmp/hf-golden00/proj", "/home/me/project").split("\n")
# As many empty rows in the middle as anybody wants to look at: one.
picture = re.sub(r"\n{4,}", "\n\n", "\n".join("    " + x if x else "" for x in lines)).rstrip() + "\n"
readme = os.path.join(top, "README.md")
with open(readme, encoding="utf-8") as f:
    text = f.read()
begin = text.index("\n", text.index("The screen, ")) + 2
end = text.index("\nWider, what a row is about")
if text[begin:end] == picture:
    sys.exit(0)
if "--write" not in sys.argv:
    sys.exit("README.md: the picture of the screen is not what it shows: python3 tests/recover/picture.py --write")
with open(readme, "w", encoding="utf-8") as f:
    f.write(text[:begin] + picture + text[end:])
