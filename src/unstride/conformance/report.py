"""The matrix for a person: counts by theme, how the open questions are read, and every case that differs."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from .cases import Suite
from .judging import Judged, Verdict
from .running import Column, Matrix

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

WIDTH = 116
"""characters in a line of explanation"""

_NUMBERS = re.compile(r"'[^']*'|[\d\s,()\[\]×-]+")

SIGNS = {
    Verdict.AGREES: ("✓", "green"),
    Verdict.DIFFERS: ("≠", "bold red"),
    Verdict.REFUSES: ("⊘", "yellow"),
    Verdict.CRASHES: ("†", "bold magenta"),
    Verdict.NOT_ASKED: ("–", "dim"),
}
"""sign and style of each verdict"""

LEGEND = "✓ agrees   ≠ differs   ⊘ refuses (raises an error)   † crashes (ends its process, or hangs)"


def listing(suite: Suite) -> str:
    """Themes and cases in lines of text."""
    lines = []
    for theme, title in suite.themes.items():
        cases = [case for case in suite.cases if case.theme == theme]
        lines.append(f"{theme}: {title} ({len(cases)})")
        lines += [f"  {case.name:42} {case.covers}" for case in cases]
    return "\n".join(lines)


def report(matrix: Matrix) -> RenderableType:
    """The whole report."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    models = tuple(column for column in matrix.asked if not column.layers)
    layers = tuple(column for column in matrix.asked if column.layers)
    if models:
        parts += [Text("The ONNX file", style="bold"), _counts(matrix, models), Text()]
    if layers:
        parts += [Text("The same layer in the framework's own words", style="bold"), _counts(matrix, layers), Text()]
    parts += [Text(LEGEND, style="dim")]
    parts += [Text(f"{column.runtime} could not start: {column.unable}") for column in matrix.columns if column.unable]
    open_questions = readings_taken(matrix)
    if open_questions:
        parts += [Text(), *_readings(matrix, open_questions)]
    parts += list(_others(matrix))
    return Group(*parts)


def _counts(matrix: Matrix, columns: tuple[Column, ...]) -> RenderableType:
    """Cases that were asked, by theme; frameworks that get the layer are not asked about ONNX's own words."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("theme", no_wrap=True)
    table.add_column("cases", justify="right")
    for column in columns:
        table.add_column(f"{column.runtime}\n{(column.version or '').replace(', ', chr(10))}", no_wrap=True)
    skipped = {cell.case for cell in columns[0].cells if cell.verdict is Verdict.NOT_ASKED}
    rows = {theme: [name for name in names if name not in skipped] for theme, names in matrix.themes().items()}
    for theme, names in rows.items():
        if names:
            table.add_row(theme, str(len(names)), *(_tally(column, names) for column in columns))
    if len(rows) > 1:
        every = [name for names in rows.values() for name in names]
        table.add_row("all", str(len(every)), *(_tally(column, every) for column in columns), style="bold")
    if any(cell.steps for column in columns for cell in column.cells):
        for label, composed in (("in one call", False), ("composed", True)):
            told = (str(_agreeing(column, composed=composed)) for column in columns)
            table.add_row(label, "", *told, style="dim")
    return table


def _agreeing(column: Column, *, composed: bool) -> int:
    """Cases that agree in one call, or with a pad, a crop, a bias or a split around it."""
    return sum(cell.verdict is Verdict.AGREES and bool(cell.steps) is composed for cell in column.cells)


def _tally(column: Column, names: Sequence[str]) -> Text:
    from rich.text import Text

    counts = {verdict: column.count(verdict, names) for verdict in Verdict}
    parts = [(f"{sign}{counts[verdict]}", style) for verdict, (sign, style) in SIGNS.items() if counts[verdict]]
    return Text(" ").join(Text(text, style=style) for text, style in parts)


def readings_taken(matrix: Matrix) -> dict[tuple[str, ...], dict[str, Counter[str]]]:
    """The open questions, as the readings they allow -> runtime -> how often each reading was taken."""
    found: dict[tuple[str, ...], dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for case in matrix.cases:
        if not case.ambiguous:
            continue
        question = (case.theme, question_of(tuple(name for each in case.readings for name in (each.name, *each.also))))
        for column in matrix.asked:
            cell = column.cell(case.name)
            if cell.verdict is not Verdict.NOT_ASKED:
                found[question][column.runtime][cell.reading or cell.verdict.value] += 1
    return {question: dict(taken) for question, taken in found.items()}


QUESTIONS = {
    "natural-size": "SAME, kernel shorter than stride",
    "padding-counts": "SAME with output_padding",
    "below-dilation": "stride ≤ output_padding < dilation",
    "empty": "0 output elements",
    "as-written": "opset 1: side of an odd crop",
    "input-size": "opset 1: size of SAME",
    "clamped": "output_shape beyond the stamps",
}
"""a reading that only this question has -> the question"""


def question_of(readings: tuple[str, ...]) -> str:
    """What the readings disagree about."""
    return next((question for name, question in QUESTIONS.items() if name in readings), ", ".join(readings))


def reasons(matrix: Matrix, *, taken: bool = True) -> dict[str, str]:
    """Reading -> the words of the text on which it rests; of those that a runtime takes, or of all."""
    used = {cell.reading for column in matrix.asked for cell in column.cells}
    every = {each.name: each.why for case in matrix.cases for each in case.readings if case.ambiguous}
    return {name: why for name, why in every.items() if name in used or not taken}


def _readings(matrix: Matrix, questions: dict[tuple[str, ...], dict[str, Counter[str]]]) -> Iterator[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    asked = [column.runtime for column in matrix.asked if any(column.runtime in taken for taken in questions.values())]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("where the text is open", no_wrap=True)
    for runtime in asked:
        table.add_column(runtime)
    for (_, question), taken in questions.items():
        told = (taken.get(runtime, Counter()) for runtime in asked)
        table.add_row(question, *("\n".join(f"{name} {count}" for name, count in each.items()) for each in told))
    yield table
    yield Text()
    for name, why in reasons(matrix).items():
        yield Text(_folded(f"{name}: {why}", 2), style="dim")


def _others(matrix: Matrix) -> Iterator[Text]:
    """Every case that does not agree, one kind of message once."""
    from rich.text import Text

    for column in matrix.asked:
        groups = grouped(column)
        if not groups:
            continue
        yield Text()
        yield Text(f"{column.runtime} {column.version}", style="bold")
        for verdict, how, names in groups:
            sign, style = SIGNS[verdict]
            yield Text.assemble((f"  {sign} ", style), _folded(f"{verdict.value}: {how}", 4))
            yield Text(" " * 6 + _folded(", ".join(names), 6), style="dim")


def _folded(text: str, indent: int) -> str:
    """The text in lines of at most ``WIDTH`` characters, all but the first indented."""
    lines = wrap(text, WIDTH - indent, break_on_hyphens=False)
    return f"\n{' ' * indent}".join(lines)


def grouped(column: Column) -> list[tuple[Verdict, str, list[str]]]:
    """Verdict, explanation and cases of what does not agree; explanations that differ in numbers only stand together.

    Crashes come first, then what differs, then what is refused.
    """
    found: dict[tuple[Verdict, str], list[Judged]] = defaultdict(list)
    for verdict in (Verdict.CRASHES, Verdict.DIFFERS, Verdict.REFUSES):
        for cell in column.cells:
            if cell.verdict is verdict:
                found[verdict, _NUMBERS.sub("#", cell.how)].append(cell)
    return [(verdict, _shared(cells), [cell.case for cell in cells]) for (verdict, _), cells in found.items()]


def _shared(cells: list[Judged]) -> str:
    """The explanation that the cells share, or the first one where their numbers differ."""
    how = cells[0].how
    return how if all(cell.how == how for cell in cells) else f"{how} (first of {len(cells)}: the numbers vary)"
