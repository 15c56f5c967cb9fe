#!/bin/sh
# The confusion matrix: what ended real programs, and what the journal says. RUNS=20 each; CASES='oom term' narrows. As root
# everything but the cgroups and the guard is still done as an ordinary user. What is not there (chromium, node, earlyoom, a
# memory cgroup) is skipped.
exec python3 -B "$(dirname "$0")/detect/causes.py"
