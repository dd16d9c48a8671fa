"""Run the command in this process and look at what it printed and how it ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest

from unstride.cli import main


@dataclass(frozen=True)
class Ended:
    """What one command left behind."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


Unstride: TypeAlias = Callable[..., Ended]


@pytest.fixture
def unstride(capsys: pytest.CaptureFixture[str]) -> Unstride:
    def run(*arguments: str) -> Ended:
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        captured = capsys.readouterr()
        status = stopped.value.code
        return Ended(status if isinstance(status, int) else int(status is not None), captured.out, captured.err)

    return run
