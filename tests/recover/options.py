#!/usr/bin/env python3
"""options.py RECOVER MANUAL: the options of each command, as --help and as the manual name them."""
import re
import subprocess
import sys

recover, manual = sys.argv[1], open(sys.argv[2]).read()


def help_of(*command):
    return subprocess.run([recover, *command, "--help" if command else "--help-all"], stdout=subprocess.PIPE, text=True, check=True).stdout


def options_of_help(text):
    out = set()
    for line in text.splitlines():
        m = re.match(r"    (?:-(\w)|   )(?:,)? ?(?:--([\w-]+))?", line)
        if m and line.startswith("    ") and (m.group(1) or m.group(2)) and line[4] in "- ":
            out |= {"-" + m.group(1)} if m.group(1) else set()
            out |= {"--" + m.group(2)} if m.group(2) else set()
    return out


def options_of_manual(text):
    out, flags = set(), False
    for line in text.splitlines():
        if not line.startswith("."):
            continue
        flags = False
        for word in line[1:].split():
            if word == "Fl":
                flags = True
            elif re.fullmatch(r"[A-Z][a-z]", word):
                flags = False
            elif flags and re.fullmatch(r"-?\w[\w-]*", word):
                out.add("-" + word)
    return out


def sections():
    """Of the list in COMMANDS: each .It with what follows it."""
    body = re.search(r"^\.Sh COMMANDS\n(.*?)^\.Sh ", manual, re.S | re.M).group(1)
    for part in re.split(r"^\.It Ic ", body, flags=re.M)[1:]:
        yield part.split()[0], "." + part


bad = False
named = {}
for name, text in sections():
    named[name] = options_of_manual(text)
overall = options_of_manual(re.search(r"^\.Sh DESCRIPTION\n(.*?)^\.Sh ", manual, re.S | re.M).group(1))
listed = re.findall(r"^    (\w+) {2,}", help_of().split("options:")[0], re.M)
if set(listed) != set(named):
    print("commands differ:", set(listed) ^ set(named))
    bad = True
for name, want in [(n, options_of_help(help_of(n))) for n in listed] + [("", options_of_help(help_of().split("options:")[1].split("\nrevisions")[0]))]:
    have = named.get(name, overall) if name else overall
    if want != have:
        print("recover %s: only in the help %s, only in the manual %s" % (name, sorted(want - have), sorted(have - want)))
        bad = True
sys.exit(bad)
