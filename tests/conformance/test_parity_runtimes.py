"""Every runtime over the whole suite: exactly the recorded verdicts, which are facts about its version.

``pytest --update-golden`` records them in ``verdicts/``: cases that agree without more, and those a framework is not
asked, are left out. It asks about all cases; otherwise frameworks that compile each layer are asked every third one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from unstride.conformance.cases import suite
from unstride.conformance.judging import Judged, Verdict
from unstride.conformance.running import Column, ask_all
from unstride.conformance.runtimes import RUNTIMES, Runtime

pytestmark = pytest.mark.parity

RECORDS = Path(__file__).parent / "verdicts"
SUITE = suite()


def told(cell: Judged) -> str | None:
    """What is recorded of a case; None for nothing."""
    if cell.verdict is Verdict.AGREES:
        return f"agrees: {cell.reading}" if cell.reading else None
    if cell.verdict is Verdict.DIFFERS:
        return f"differs: {cell.how}"
    return None if cell.verdict is Verdict.NOT_ASKED else cell.verdict.value


def record(column: Column) -> dict[str, Any]:
    cells = {cell.case: text for cell in column.cells if (text := told(cell))}
    return {"runtime": column.runtime, "version": column.version, "cases": len(column.cells), "told": cells}


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.name)
def test_the_verdicts_are_those_recorded(runtime: Runtime, request: pytest.FixtureRequest) -> None:
    if not runtime.installed:
        pytest.skip(f"{runtime.name} is not installed")
    update = bool(request.config.getoption("--update-golden")) and not os.environ.get("CI")
    cases = SUITE.cases if update or runtime.dialect is None else SUITE.cases[::3]
    (column,) = ask_all(SUITE, cases, [runtime], seconds=120).columns
    assert column.unable is None, column.unable
    found, path = record(column), RECORDS / f"{runtime.name}.json"
    if update:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    recorded = json.loads(path.read_text(encoding="utf-8"))
    assert found["cases"] == len(cases)
    assert recorded["cases"] == len(SUITE.cases)
    asked = {case.name for case in cases}
    expected = {name: text for name, text in recorded["told"].items() if name in asked}
    assert found["told"] == expected, f"recorded of {recorded['version']}, installed {found['version']}"


@pytest.mark.parametrize("runtime", [each for each in RUNTIMES if each.dialect], ids=lambda runtime: runtime.name)
def test_no_framework_that_gets_our_lines_differs(runtime: Runtime) -> None:
    recorded = json.loads((RECORDS / f"{runtime.name}.json").read_text(encoding="utf-8"))
    assert set(recorded["told"].values()) <= {"refuses"}
