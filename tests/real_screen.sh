#!/bin/sh
# Random keys and sizes at the three screens, 10,000 each (KEYS, SEED); with `make asan` first, BUILD=build-asan, under the sanitizers.
here=$(cd "$(dirname "$0")" && pwd)
BUILD_DIR=${BUILD_DIR:-$here/../${BUILD:-build}} exec python3 -B "$here/recover/storm.py" --keys "${KEYS:-10000}"
