"""The figures for a person: a table for each number of threads, direction and call, and what they come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from . import compare, machine
from .compare import Row, Summary, Table
from .peers import OURS
from .results import SCHEMA, Absence, Group

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table as Grid

    from .measure import Settings

_COLUMNS = ("case", "layout", "ms", "GFLOP/s", "% peak", "% copy", "% memory", "best peer", "× best", "× torch")
_NOTES = (
    "ms: median. × best, × torch: how many times as long the peer takes, median of the rounds; above 1 we are faster.",
    "% peak: of the multiply-adds a second measured in the same rounds.",
    "% copy: of the bytes a second of a copy that reads and writes as many bytes, measured in the same rounds.",
    "% memory: of those of large copies, which no cache holds; above 100 where a layer's arrays stay in cache.",
)


def document(groups: Sequence[Group], settings: Settings, versions: dict[str, Any], missing: dict[str, str]) -> Any:
    """Everything as plain values, versioned."""
    return {
        "schema": SCHEMA,
        "machine": machine.describe(),
        "versions": versions,
        "missing": missing,
        "settings": {
            "threads": settings.threads,
            "layouts": settings.layouts,
            "directions": settings.directions,
            "calls": settings.calls,
            "dtype": settings.dtype,
            "rounds": settings.rounds,
            "seconds": settings.seconds,
            "seed": settings.seed,
        },
        "groups": [group.as_json() for group in groups],
        "comparison": compare.as_json(groups),
    }


def report(groups: Sequence[Group], versions: dict[str, Any], missing: dict[str, str]) -> RenderableType:
    """The report for a terminal."""
    from rich.console import Group as Stack
    from rich.text import Text

    parts: list[RenderableType] = [Text(line) for line in _head(groups, versions, missing)]
    for table in compare.tables(groups):
        parts += [Text(), grid(groups, table), *(Text(line) for line in lines(compare.summarize(groups, table)))]
    parts += [Text(), *(Text(line) for line in (*_scaling(groups), *_absences(groups), *_NOTES))]
    return Stack(*parts)


def grid(groups: Sequence[Group], table: Table) -> Grid:
    """One table."""
    from rich import box
    from rich.table import Table as Grid

    call = f", {table.call}" if table.direction == "forward" else ""
    made = Grid(
        title=f"{table.direction.replace('_', ' ')}{call}, {_threads(table.threads)}",
        box=box.SIMPLE_HEAD,
        title_justify="left",
    )
    found = list(compare.rows(groups, table))
    longest = max((len(row.case) for row in found), default=0)
    for name in _COLUMNS:
        # a narrow terminal may cut anything but what the row is about
        least = longest if name == "case" else None
        worded = name in {"case", "layout", "best peer"}
        made.add_column(name, justify="left" if worded else "right", no_wrap=True, min_width=least)
    last = None
    for row in found:
        made.add_row(*_cells(row, again=row.case == last))
        last = row.case
    return made


def _cells(row: Row, *, again: bool) -> Iterator[RenderableType]:
    from rich.text import Text

    yield "" if again else row.case
    yield row.layout
    yield f"{row.milliseconds:.3f}" if row.milliseconds < 100 else f"{row.milliseconds:.1f}"
    yield f"{row.gflops:.1f}"
    for share in (row.peak_share, row.copy_share, row.memory_share):
        yield "–" if share is None else f"{100 * share:.0f}"
    yield row.best_peer or "–"
    for value in (row.best_ratio, row.torch_ratio):
        yield "–" if value is None else Text(_times(value), style="" if value >= 1 else "red")


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _times(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def lines(summary: Summary) -> Iterator[str]:
    """A summary in words."""
    if summary.best is not None:
        worst = ", ".join(f"{name} {_times(value)}" for name, value in summary.worst)
        mean = f"{_times(summary.best)} geometric mean, faster on {summary.faster} of {summary.cases}"
        yield f"best layout against the best peer: {mean}; least: {worst}"
    if summary.torch_first is not None:
        yield f"against PyTorch, both channels first: {_times(summary.torch_first)} geometric mean"
    if summary.torch_least is not None:
        name, value = summary.torch_least
        yield f"against PyTorch in the same layout, least: {name} {_times(value)}"


def _head(groups: Sequence[Group], versions: dict[str, Any], missing: dict[str, str]) -> Iterator[str]:
    about = machine.describe()
    cache = f"{about['last_level_cache'] / 2**20:.0f} MiB last-level cache"
    yield f"{about['cpu']}, {about['cores']} cores, {cache}, {about['system']}"
    yield ", ".join(f"{name} {version}" for name, version in versions.items())
    for limit in compare.overall_limits(groups):
        unit, what = ("GFLOP/s", "multiply-adds") if limit["kind"] == machine.PEAK else ("GB/s", "large copies")
        yield f"{what} on {_threads(limit['threads'])}: {limit['giga_per_second']:.1f} {unit}"
    for name, reason in missing.items():
        yield f"without {name}: {reason}"


def _scaling(groups: Sequence[Group]) -> Iterator[str]:
    for each in compare.scalings(groups):
        worst = ", ".join(f"{name} {_times(value)}" for name, value in each.worst)
        what = f"{each.direction.replace('_', ' ')}{', ' + each.call if each.direction == 'forward' else ''}"
        mean = f"{_times(each.mean)} geometric mean of {each.calls} calls ≥ 1 ms"
        yield f"{_threads(each.threads)} against 1, {what}: {mean}; least: {worst}"


def _absences(groups: Sequence[Group]) -> Iterator[str]:
    """Each reason once, the serious ones first."""
    counted: Counter[tuple[str, str, str]] = Counter()
    examples: dict[tuple[str, str, str], str] = {}
    for group in groups:
        for absence in group.absences:
            reason = (absence.kind, absence.key.competitor, absence.reason)
            counted[reason] += 1
            examples.setdefault(reason, f"{group.case.name}, {group.direction.replace('_', ' ')}, {_who(absence)}")
    order = ("wrong", "lost", "failed", "unsupported")
    for found in sorted(counted, key=lambda each: (order.index(each[0]), each)):
        more = f" (and {counted[found] - 1} more)" if counted[found] > 1 else ""
        yield f"{': '.join(found)}: {examples[found]}{more}"


def _who(absence: Absence) -> str:
    key = absence.key
    return " ".join(filter(None, (key.variant, key.layout, key.call, _threads(key.threads))))


def faults(groups: Sequence[Group]) -> list[str]:
    """Wrong values of anybody, and every call of our own that gave none."""
    return [
        f"{group.case.name}, {group.direction}, {absence.key.competitor} {_who(absence)}: {_said(absence)}"
        for group in groups
        for absence in group.absences
        if _serious(absence)
    ]


def _said(absence: Absence) -> str:
    return f"{absence.kind}: {absence.reason}"


def _serious(absence: Absence) -> bool:
    return absence.kind == "wrong" or (absence.key.competitor == OURS and absence.kind != "unsupported")


def listing() -> RenderableType:
    """The cases by name and group."""
    from rich.table import Table as Grid

    from .cases import CASES

    made = Grid.grid(padding=(0, 3))
    made.add_row("CASE", "GROUP", "LAYER", "10⁶ MULTIPLY-ADDS", style="bold")
    for case in CASES:
        made.add_row(case.name, case.group, case.shown, f"{case.multiply_accumulates / 1e6:,.1f}")
    return made
