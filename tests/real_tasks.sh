#!/bin/sh
# Ten tasks of a newcomer in a terminal of 80x24: each done with what is on the screen and in the help, keys counted.
exec python3 -B "$(dirname "$0")/recover/tasks.py"
