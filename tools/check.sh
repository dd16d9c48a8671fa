#!/usr/bin/env bash
# The one list of checks; CONTRIBUTING.md names it, CI runs it.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "== lint";       ruff check .
echo "== format";     ruff format --check .
echo "== types";      mypy
echo "== deep laws";  UNSTRIDE_DEEP=1 pytest -n auto -q -m "not parity" tests/laws
echo "== tests";      pytest -n auto -q
