"""From times to figures: rates, shares of the machine's limits, ratios to the peers, and what they come to together.

A ratio is how many times as long as ours the other takes: above 1, ours is faster. A functional call is compared with
functional calls, a prepared one with the faster of a peer's prepared and functional calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from math import exp, log
from statistics import median
from typing import Any

from .jobs import CALLS
from .machine import COPY, COPY_LARGE, PEAK
from .peers import OURS
from .results import Group, Timing, ratio

TORCH = "torch"
WORST = 3
"""cases named as the worst"""
LONG_NS = 1_000_000
"""a call this long on one thread counts for the scaling with threads"""


@dataclass(frozen=True, slots=True)
class Table:
    """What one table of the report is about."""

    threads: int
    direction: str
    call: str


@dataclass(frozen=True, slots=True)
class Row:
    """Our time of one case in one layout, and what it is held against."""

    case: str
    layout: str
    milliseconds: float
    gflops: float
    """2 · multiply-accumulates of the relation, a second"""
    peak_share: float | None
    copy_share: float | None
    """input, weights and output once, a second, over what a copy of as many bytes reaches"""
    memory_share: float | None
    """the same over what a copy of arrays that no cache holds reaches: more than 1 where they stay in cache"""
    best_peer: str | None
    """the fastest peer in any layout"""
    best_ratio: float | None
    torch_ratio: float | None
    """in the same layout"""


@dataclass(frozen=True, slots=True)
class Summary:
    """All cases of a table together; ratios of our best layout to the peers' best, unless said otherwise."""

    cases: int
    best: float | None
    """geometric mean"""
    faster: int
    """cases faster than the best peer"""
    worst: tuple[tuple[str, float], ...]
    torch_first: float | None
    """geometric mean against PyTorch, both channels first"""
    torch_least: tuple[str, float] | None
    """case and layout with the least ratio to PyTorch in the same layout"""


def tables(groups: Iterable[Group]) -> Iterator[Table]:
    """Every kind of table that has a row, in order."""
    seen = {
        (group.direction, timing.key.threads, CALLS.index(timing.key.call)): None
        for group in groups
        for timing in group.ours()
    }
    for direction, threads, call in seen:
        yield Table(threads, direction, CALLS[call])


def rows(groups: Iterable[Group], table: Table) -> Iterator[Row]:
    """One for each case and layout."""
    for group in groups:
        for timing in _ours(group, table):
            yield _row(group, table, timing)


def _row(group: Group, table: Table, ours: Timing) -> Row:
    best = fastest(_peers(group, table))
    torch = fastest(
        timing
        for timing in _peers(group, table)
        if timing.key.competitor == TORCH and timing.key.layout == ours.key.layout
    )
    gflops = 2 * group.case.multiply_accumulates / ours.median
    moved = group.case.elements * {"float32": 4, "float64": 8}[group.dtype] / ours.median
    return Row(
        group.case.name,
        ours.key.layout,
        ours.median / 1e6,
        gflops,
        _share(group, PEAK, table.threads, gflops),
        _share(group, COPY, table.threads, moved),
        _share(group, COPY_LARGE, table.threads, moved),
        shown(best) if best else None,
        ratio(ours, best) if best else None,
        ratio(ours, torch) if torch else None,
    )


def shown(timing: Timing) -> str:
    """Who, and in which layout."""
    return f"{timing.key.competitor} {timing.key.layout}"


def _share(group: Group, kind: str, threads: int, rate: float) -> float | None:
    limit = group.limit(kind, threads)
    return rate / limit.median if limit else None


def _ours(group: Group, table: Table) -> list[Timing]:
    if group.direction != table.direction:
        return []
    return [timing for timing in group.ours() if (timing.key.threads, timing.key.call) == (table.threads, table.call)]


def _peers(group: Group, table: Table) -> list[Timing]:
    """The times that ours of this table are compared with."""
    allowed = CALLS[: CALLS.index(table.call) + 1]
    return [
        timing
        for timing in group.timings
        if timing.key.competitor != OURS and timing.key.threads == table.threads and timing.key.call in allowed
    ]


def fastest(timings: Iterable[Timing]) -> Timing | None:
    """The one with the least median."""
    return min(timings, key=lambda timing: timing.median, default=None)


def best_ratios(groups: Iterable[Group], table: Table, peer: str | None = None) -> dict[str, float]:
    """For each case, our best layout against the best of the peers, or of one peer, in any layout."""
    found = {}
    for group in groups:
        ours = fastest(_ours(group, table))
        theirs = fastest(t for t in _peers(group, table) if peer in (None, t.key.competitor))
        if ours and theirs:
            found[group.case.name] = ratio(ours, theirs)
    return found


def summarize(groups: Sequence[Group], table: Table) -> Summary:
    """The figures of one table together."""
    best = best_ratios(groups, table)
    listed = list(rows(groups, table))
    same = {f"{row.case} {row.layout}": row.torch_ratio for row in listed if row.torch_ratio is not None}
    first = [row.torch_ratio for row in listed if row.torch_ratio is not None and row.layout == "first"]
    return Summary(
        len({row.case for row in listed}),
        geometric_mean(best.values()),
        sum(value > 1 for value in best.values()),
        tuple(sorted(best.items(), key=lambda item: item[1])[:WORST]),
        geometric_mean(first),
        min(same.items(), key=lambda item: item[1], default=None),
    )


@dataclass(frozen=True, slots=True)
class Scaling:
    """How many times as fast our calls are on several threads as on one."""

    threads: int
    direction: str
    call: str
    calls: int
    """calls of a millisecond and more on one thread"""
    mean: float
    """geometric"""
    worst: tuple[tuple[str, float], ...]


def scalings(groups: Sequence[Group]) -> Iterator[Scaling]:
    """For each table beyond one thread whose calls were timed on one thread in the same rounds."""
    for table in tables(groups):
        if table.threads == 1:
            continue
        found = {}
        for group in groups:
            alone = {t.key.layout: t for t in _ours(group, Table(1, table.direction, table.call))}
            for timing in _ours(group, table):
                single = alone.get(timing.key.layout)
                if single and single.median >= LONG_NS:
                    found[f"{group.case.name} {timing.key.layout}"] = ratio(timing, single)
        mean = geometric_mean(found.values())
        if mean is not None:
            worst = tuple(sorted(found.items(), key=lambda item: item[1])[:WORST])
            yield Scaling(table.threads, table.direction, table.call, len(found), mean, worst)


def geometric_mean(values: Iterable[float]) -> float | None:
    """None of nothing.

    >>> geometric_mean([1, 1])
    1.0
    """
    known = [log(value) for value in values]
    return exp(sum(known) / len(known)) if known else None


def overall_limits(groups: Iterable[Group]) -> list[dict[str, Any]]:
    """The machine's limits over the whole run: the medians of the groups' medians."""
    found: dict[tuple[str, int], list[float]] = {}
    for group in groups:
        for limit in group.limits:
            if limit.kind != COPY:  # its size is each case's own
                found.setdefault((limit.kind, limit.threads), []).append(limit.median)
    return [
        {"kind": kind, "threads": threads, "giga_per_second": median(rates)} for (kind, threads), rates in found.items()
    ]


def as_json(groups: Sequence[Group]) -> dict[str, Any]:
    """All figures as plain values."""
    return {
        "limits": overall_limits(groups),
        "tables": [
            {
                **asdict(table),
                "rows": [asdict(row) for row in rows(groups, table)],
                "summary": asdict(summarize(groups, table)),
            }
            for table in tables(groups)
        ],
        "scaling": [asdict(each) for each in scalings(groups)],
    }
