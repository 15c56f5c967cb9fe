#!/bin/sh
# tests/t_recover_kill.sh at 300 points of the restore instead of 12.
POINTS=${POINTS:-300} exec "$(dirname "$0")/t_recover_kill.sh"
