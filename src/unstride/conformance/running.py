"""The matrix: every chosen case put to every chosen runtime, the runtimes side by side."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from .cases import Case, Suite
from .judging import Judged, Verdict, crashed, judge
from .processes import Holder, LostError
from .runtimes import Runtime

AT_ONCE = 3
"""runtimes asked at the same time, at most: each may take a gigabyte"""


@dataclass(frozen=True, slots=True)
class Column:
    """One runtime's answers."""

    runtime: str
    version: str | None
    cells: tuple[Judged, ...]
    unable: str | None = None
    """why it could not start; there are no cells then"""
    layers: bool = False
    """whether it gets the layer in its own words; it takes the ONNX file otherwise"""

    def count(self, verdict: Verdict, names: Sequence[str] | None = None) -> int:
        """Cells of that verdict, among the named cases or all."""
        return sum(cell.verdict is verdict and (names is None or cell.case in names) for cell in self.cells)

    def cell(self, case: str) -> Judged:
        """The cell of that case."""
        return next(cell for cell in self.cells if cell.case == case)


@dataclass(frozen=True, slots=True)
class Matrix:
    """Cases by runtimes."""

    suite: Suite
    cases: tuple[Case, ...]
    columns: tuple[Column, ...]

    @property
    def asked(self) -> tuple[Column, ...]:
        """The runtimes that could start."""
        return tuple(column for column in self.columns if column.unable is None)

    def themes(self) -> dict[str, tuple[str, ...]]:
        """Theme -> its cases' names, in the suite's order."""
        found = {theme: tuple(case.name for case in self.cases if case.theme == theme) for theme in self.suite.themes}
        return {theme: names for theme, names in found.items() if names}

    def as_json(self) -> dict[str, Any]:
        """The matrix as JSON values."""
        return {
            "themes": {theme: len(names) for theme, names in self.themes().items()},
            "runtimes": [
                {
                    "runtime": column.runtime,
                    "version": column.version,
                    "unable": column.unable,
                    "counts": dict(Counter(cell.verdict.value for cell in column.cells)),
                    "cells": [cell.as_json() for cell in column.cells],
                }
                for column in self.columns
            ],
        }


def ask_all(
    suite: Suite,
    cases: Sequence[Case],
    runtimes: Sequence[Runtime],
    *,
    seconds: float = 60.0,
    tell: Callable[[str, float], object] = lambda _what, _part: None,
) -> Matrix:
    """The verdicts; ``seconds`` is how long one case may take, ``tell`` hears how much is done, from 0 to 1."""
    total, done, stop = len(cases) * len(runtimes), Counter[str](), Event()

    def column(runtime: Runtime) -> Column:
        def count(amount: int) -> None:
            done[runtime.name] += amount
            tell(runtime.name, sum(done.values()) / max(total, 1))

        return _column(suite.path, cases, runtime, seconds, count, stop)

    workers = max(1, min(AT_ONCE, os.cpu_count() or 1, len(runtimes)))
    with ThreadPoolExecutor(workers) as pool:
        try:
            return Matrix(suite, tuple(cases), tuple(pool.map(column, runtimes)))
        finally:
            stop.set()  # an interrupt ends every runtime after its case


def _column(
    folder: Path, cases: Sequence[Case], runtime: Runtime, seconds: float, count: Callable[[int], None], stop: Event
) -> Column:
    layers = runtime.dialect is not None
    with Holder(runtime, folder, seconds) as holder:
        unable = "interrupted" if stop.is_set() else holder.start()
        if unable is not None:
            count(len(cases))
            return Column(runtime.name, None, (), unable, layers)
        cells = []
        for case in cases:
            if stop.is_set():
                break
            try:
                cells.append(judge(case, holder.ask(case.name)))
            except LostError as error:
                cells.append(crashed(case, str(error)))
            count(1)
        return Column(runtime.name, holder.version, tuple(cells), None, layers)
