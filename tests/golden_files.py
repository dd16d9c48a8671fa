"""Golden files: what a command prints, kept under ``tests/golden/`` and compared exactly.

``pytest --update-golden`` writes them; look at the difference before it is committed. Continuous integration, which
sets CI, may only compare.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write tests/golden/ instead of comparing")


def check_golden(path: Path, text: str, *, update: bool) -> None:
    """Compare ``text`` with the file, or write it."""
    if update:
        if os.environ.get("CI"):
            pytest.fail("--update-golden is refused where CI is set")
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{text}\n", encoding="utf-8")
    assert path.exists(), f"{path.name} is missing; run pytest --update-golden and look at it"
    assert path.read_text(encoding="utf-8") == f"{text}\n"


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """``golden(name, text)`` compares ``text`` with ``tests/golden/<name>.txt``."""
    update = bool(request.config.getoption("--update-golden"))
    return lambda name, text: check_golden(GOLDEN / f"{name}.txt", text, update=update)
