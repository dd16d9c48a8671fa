#!/usr/bin/env bash
# A browser for the tests of the explorer: Debian's Chromium, where none is installed yet.
set -euo pipefail
if command -v chromium chromium-browser google-chrome > /dev/null; then
  exit 0
fi
run=()
if [ "$(id -u)" != 0 ]; then
  run=(sudo)
fi
"${run[@]}" apt-get update
"${run[@]}" apt-get install -y --no-install-recommends chromium
