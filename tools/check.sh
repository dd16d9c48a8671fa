#!/usr/bin/env bash
# The checks beside the tests; CONTRIBUTING.md names them, CI runs them.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "== lint";       ruff check .
echo "== format";     ruff format --check .
echo "== types";      mypy
echo "== deep laws";  pytest -n auto -q -m deep
