"""The cases of ``unstride bench`` under pytest-benchmark, each competitor in this process on one thread.

    UNSTRIDE_NUM_THREADS=1 pytest benchmarks --benchmark-group-by=param:name,param:direction -k unet-64

``unstride bench`` is what the project's figures come from: it takes the competitors in turn, each in its own process.
This suite is for looking into one of them with pytest-benchmark's own tools (history, comparison, profiles).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from unstride.bench.cases import CASES
from unstride.bench.jobs import DIRECTIONS, LAYOUTS, Arrays, Expected, Job, UnsupportedError
from unstride.bench.peers import ENTRIES, Competitor, Entry, competitor

pytest.importorskip("pytest_benchmark")


@cache
def started(name: str) -> Competitor:
    """The competitor, its threads set once."""
    found = competitor(name)
    found.start(1)
    return found


def ways() -> Iterator[Any]:
    """Every competitor's calls, by name."""
    for entry in ENTRIES:
        for direction in DIRECTIONS:
            for call in ("functional", "prepared"):
                for variant in entry.variants(direction, call):
                    for layout in LAYOUTS:
                        name = f"{direction}-{call}-{entry.name}-{variant}-{layout}"
                        yield pytest.param(entry, direction, call, variant, layout, id=name)


@pytest.mark.filterwarnings("ignore")  # the frameworks' own
@pytest.mark.parametrize("name", [case.name for case in CASES])
@pytest.mark.parametrize(("entry", "direction", "call", "variant", "layout"), list(ways()))
def test_call(benchmark: Any, name: str, entry: Entry, direction: str, call: str, variant: str, layout: str) -> None:
    """One call, its values compared before it is timed."""
    case = next(case for case in CASES if case.name == name)
    if entry.version is None:
        pytest.skip(f"{entry.name} is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            job = Job(case, direction, layout, call, variant=variant)
            runner = started(entry.name).build(job, Arrays.of(case, "float32"))
        except UnsupportedError as reason:
            pytest.skip(str(reason))
    fault = Expected.of(case, direction, "float32").fault(runner.fetch(runner.call()))
    if fault:
        pytest.fail(fault)
    benchmark.extra_info["multiply_accumulates"] = case.multiply_accumulates
    benchmark(runner.call)
