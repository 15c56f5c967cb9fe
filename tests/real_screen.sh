#!/bin/sh
# Random keys and sizes at the screen, 10,000 of them (KEYS); with `make asan` first, BUILD=build-asan, under the sanitizers.
exec python3 -B "$(dirname "$0")/recover/screen.py" --random "${KEYS:-10000}"
