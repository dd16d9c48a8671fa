"""How much faster all threads are than one: prepared calls of every layer that ``unstride bench`` knows, in turn.

python benchmarks/threads.py [--threads 2] [--seconds 2] [CASE...]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unstride.bench.cases import CASES, Case
from unstride.engine import execute, threads

LEAST = 5
"""rounds, however long a call takes"""
TIMED = 1e-3
"""seconds of one thread from which on a ratio counts"""


def calls(case: Case) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The layer on data of either layout."""
    layer, source = case.layer, np.random.default_rng(0)

    def drawn(*shape: int) -> NDArray[np.float32]:
        return source.standard_normal(shape, np.float32)

    weights = drawn(layer.small_channels, layer.large_channels // layer.groups, *layer.kernel)
    prepared = execute.prepare(layer, weights, drawn(layer.out_channels))
    first = drawn(case.batch, layer.in_channels, *layer.input_size)
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(first, 1, -1)), -1, 1)
    for layout, x in (("first", first), ("last", last)):
        yield layout, partial(prepared, x)


def timed(call: Callable[[], Any], counts: tuple[int, ...], seconds: float) -> list[float]:
    """Median seconds with each number of threads, taken in turn; after a change one call is not timed."""
    taken: list[list[float]] = [[] for _ in counts]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken[0]) < LEAST:
        for times, count in zip(taken, counts, strict=True):
            threads.set_num_threads(count)
            call()
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
    return [statistics.median(times) for times in taken]


def main() -> None:
    """Print a table, and the geometric mean of the calls that take long enough."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("case", nargs="*")
    parser.add_argument("--threads", type=int, default=threads.num_threads())
    parser.add_argument("--seconds", type=float, default=2)
    given = parser.parse_args()
    ratios = []
    for case in CASES:
        for layout, call in calls(case) if not given.case or case.name in given.case else ():
            one, all_ = timed(call, (1, given.threads), given.seconds)
            ratios += [one / all_] if one >= TIMED else []
            sys.stdout.write(f"{case.name:13} {layout:5} {1e3 * one:8.2f} ms  {one / all_:5.2f} times as fast\n")
            sys.stdout.flush()
    if ratios:
        enough = sum(ratio >= 0.9 * given.threads for ratio in ratios)
        mean = statistics.geometric_mean(ratios)
        sys.stdout.write(f"of {1e3 * TIMED:.0f} ms and more: {mean:.2f} in the mean, least {min(ratios):.2f}, ")
        sys.stdout.write(f"{enough} of {len(ratios)} at {0.9 * given.threads:.1f} or more\n")


if __name__ == "__main__":
    main()
