/* detect/clean.h - `detect clean`: frees what can be had again for nothing.
 *
 * Bytecode and tool caches, inside the workspace alone (the one snapd keeps, else the current folder;
 * not / and not $HOME): __pycache__ with nothing in it but bytecode, .pytest_cache, .mypy_cache,
 * .ruff_cache. Virtual environments and .git are left. What Python and PyTorch leave behind in
 * /dev/shm and in the temporary folder when they are killed (torch_*, psm_*, sem.mp-*, pymp-*,
 * torchelastic_*): ours, older than an hour, and open in no process. Runs beyond run.keep. Logs that
 * were turned over (logs/monitoring in the workspace, after a day) and what lies useless in the state
 * folder (a damaged journal that was replaced, an old ledger, half of a file, after a week). As root
 * the kernel's clean caches. No link is followed, no file system boundary crossed. */
#ifndef DETECT_CLEAN_H
#define DETECT_CLEAN_H

#include "detect/settings.h"

int cmd_clean(int argc, char **argv, const struct detect_settings *set);

#endif
