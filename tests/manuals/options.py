#!/usr/bin/env python3
"""options.py snapd|detect PROGRAM MANUAL: the options --help names and those the manual names."""
import re
import subprocess
import sys

kind, program, manual = sys.argv[1], sys.argv[2], open(sys.argv[3]).read()


def say(*args):
    return subprocess.run([program, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                          text=True, timeout=60)


def of_help(text):
    """-x and --xxx, not inside a word; what stands behind `--` as a quoted command is another program's."""
    text = re.sub(r"`[^`]*`", "", text)
    return set(re.findall(r"(?<![\w-])(--?[A-Za-z][\w-]*)", text))


def of_manual(text):
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
                # -qv is two letters
                out |= {"-" + word} if word[0] == "-" else {"-" + c for c in word}
    return out


def differ(what, help_, man):
    if help_ != man:
        print("%s %s: only in the help %s, only in the manual %s" % (kind, what, sorted(help_ - man), sorted(man - help_)))
    return help_ != man


bad = False
if kind == "snapd":
    rows = "\n".join(line for line in say("--help-all").stdout.splitlines() if re.match(r"  (-|    --)", line))
    listed = of_help("\n".join(line[:26] for line in rows.splitlines()))
    bad |= differ("", listed, of_manual(manual.split(".Sh SEE ALSO")[0]) - {"--"})
    assert len(listed) > 20
else:
    synopsis = re.search(r"^\.Sh SYNOPSIS\n(.*?)^\.Sh ", manual, re.S | re.M).group(1)
    commands = re.search(r"^\.Ss Commands\n(.*?)^\.Ss ", manual, re.S | re.M).group(1)
    named = {part.split()[0]: "." + part for part in re.split(r"^\.It Ic ", commands, flags=re.M)[1:]}
    used = {re.search(r"Cm (\w+)", part).group(1): part for part in re.split(r"^\.Nm\n", synopsis, flags=re.M)[1:]
            if re.search(r"Cm (\w+)", part)}
    listed = re.findall(r"^  (\w+) {2,}", say("--help").stdout, re.M)
    assert len(listed) > 8
    gate = of_help(say("gate", "--help").stdout)
    if set(listed) != set(named):
        print("commands differ:", set(listed) ^ set(named))
        bad = True
    for name in listed:
        text = say(name, "--help")
        bad |= text.returncode != 0
        man = of_manual(named.get(name, "")) | of_manual(used.get(name, ""))
        man = {o for o in man if o not in ("--help", "--help-all", "--version", "-V", "-h") and o != "-"}
        if name == "run":       # it takes the gate's, "options of gate"
            man |= gate - {"--json"}
        bad |= differ(name, of_help(text.stdout), man)
sys.exit(bad)
