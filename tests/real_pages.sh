#!/bin/sh
# recover report --html and detect runs --html in a headless Chromium. SHOTS=DIR keeps the pictures.
exec python3 -B "$(dirname "$0")/detect/pages.py"
