"""Coverage: how many stamps meet at each large index, where they are fewer, and whether they alternate.

A transposed convolution whose neighbouring outputs sum different numbers of products tends to draw a checkerboard.
Source: the coverage argument of Odena, Dumoulin and Olah, "Deconvolution and Checkerboard Artifacts", 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import groupby
from math import gcd, prod
from typing import Any

from ..errors import Reason, UnstrideError
from ..geometry import Axis, Layer

TAP_LIMIT = 1 << 14
"""Largest kernel or stride whose coverage is listed phase by phase."""


@dataclass(frozen=True, slots=True)
class Run:
    """Large indices ``first, first + step, …``, ``count`` of them, at which the same number of taps meet."""

    first: int
    step: int
    count: int
    taps: int
    complete: bool
    """whether all taps of the phase meet here; False at a border"""

    @property
    def last(self) -> int:
        """The run's last large index."""
        return self.first + (self.count - 1) * self.step


@dataclass(frozen=True)
class AxisCoverage:
    """Taps per large index of one axis, in runs: the list is never as long as the axis."""

    axis: Axis
    runs: tuple[Run, ...]
    pattern: tuple[int, ...]
    """taps at large index 0, 1, …, stride − 1 if no border were near; it repeats every stride"""

    @cached_property
    def least(self) -> int:
        """Fewest taps at a large index; 0 for an empty axis."""
        return min((run.taps for run in self.runs), default=0)

    @cached_property
    def most(self) -> int:
        """Most taps at a large index; 0 for an empty axis."""
        return max((run.taps for run in self.runs), default=0)

    @property
    def uniform(self) -> bool:
        """Whether every large index, borders included, meets equally many taps."""
        return self.least == self.most

    @property
    def alternation(self) -> Fraction:
        """How unevenly the phases have taps: 1 − mean² / mean of squares of ``pattern``, from 0 (even) to below 1."""
        squares = len(self.pattern) * sum(taps * taps for taps in self.pattern)
        return Fraction(squares - sum(self.pattern) ** 2, squares)

    @cached_property
    def total(self) -> int:
        """Sum over the axis: ``Axis.products``."""
        return sum(run.count * run.taps for run in self.runs)

    @cached_property
    def interior(self) -> range:
        """The large indices between the borders: all taps of their phase meet there."""
        start, stop = 0, self.axis.large
        for _, phase in groupby(self.runs, key=lambda run: (run.first + self.axis.before) % run.step):
            runs = list(phase)
            whole = [run for run in runs if run.complete]
            if not whole:
                return range(0)
            start = max([start, *(run.last + 1 for run in runs if run.last < whole[0].first)])
            stop = min([stop, *(run.first for run in runs if run.first > whole[-1].last)])
        return range(start, max(start, stop))

    def as_json(self) -> dict[str, Any]:
        """The coverage as JSON values."""
        return {
            "least": self.least,
            "most": self.most,
            "uniform": self.uniform,
            "total": self.total,
            "pattern": list(self.pattern),
            "alternation": float(self.alternation),
            "interior": [self.interior.start, self.interior.stop],
            "runs": [{"first": r.first, "step": r.step, "count": r.count, "taps": r.taps} for r in self.runs],
        }


@dataclass(frozen=True, slots=True)
class Coverage:
    """The axes' coverage and their product: stamps per large element of the whole layer."""

    axes: tuple[AxisCoverage, ...]

    @property
    def least(self) -> int:
        """Fewest stamps at an element of the large side."""
        return prod(axis.least for axis in self.axes)

    @property
    def most(self) -> int:
        """Most stamps at an element of the large side."""
        return prod(axis.most for axis in self.axes)

    @property
    def uniform(self) -> bool:
        """Whether every element of the large side gets equally many stamps, borders included."""
        return self.least == self.most

    @property
    def phase_range(self) -> tuple[int, int]:
        """Fewest and most stamps at an element away from the borders."""
        return prod(min(axis.pattern) for axis in self.axes), prod(max(axis.pattern) for axis in self.axes)

    @property
    def alternation(self) -> Fraction:
        """The layer's one number: the share of the stamps' energy that alternates between phases, borders aside.

        1 − mean² / mean of squares of the stamps per element: 0 where all phases get equally many. The mean and the
        mean of squares of the whole are the products of the axes', so the even shares multiply.

        >>> measure_coverage(Layer((Axis(2, 4, kernel=3, stride=2),) * 2, 1, 1)).alternation
        Fraction(19, 100)
        """
        return 1 - prod((1 - axis.alternation for axis in self.axes), start=Fraction(1))

    def as_json(self) -> dict[str, Any]:
        """The coverage as JSON values."""
        return {
            "least": self.least,
            "most": self.most,
            "phase_range": list(self.phase_range),
            "alternation": float(self.alternation),
            "axes": [axis.as_json() for axis in self.axes],
        }


def is_even(axis: Axis) -> bool:
    """Whether all phases have equally many taps, so that coverage does not alternate away from the borders.

    With stride and dilation coprime, phase ``r`` has every stride-th tap: equal exactly where the stride divides the
    kernel. With a common divisor, some phases have no tap at all.

    >>> is_even(Axis(2, 4, kernel=3, stride=2)), is_even(Axis(2, 4, kernel=4, stride=2, before=1))
    (False, True)
    """
    return gcd(axis.stride, axis.dilation) == 1 and axis.kernel % axis.stride == 0


def measure_coverage(layer: Layer) -> Coverage:
    """The coverage of every axis.

    Raises UnstrideError where a kernel or stride is too long to list phase by phase.

    >>> measure_coverage(Layer((Axis(2, 4, kernel=3, stride=2),), 1, 1)).axes[0].pattern
    (2, 1)
    """
    distinct = {axis: _cover(axis) for axis in dict.fromkeys(layer.axes)}
    return Coverage(tuple(distinct[axis] for axis in layer.axes))


def _cover(axis: Axis) -> AxisCoverage:
    if max(axis.kernel, axis.stride) > TAP_LIMIT:
        name = "kernel" if axis.kernel > TAP_LIMIT else "stride"
        rule = f"coverage is listed for kernels and strides up to {TAP_LIMIT}"
        hint = "the size and the costs of the layer are still exact"
        raise UnstrideError(Reason.TOO_LARGE, rule, argument=name, value=getattr(axis, name), hint=hint)
    pattern = tuple(_phase_taps(axis, large) for large in range(axis.stride))
    return AxisCoverage(axis, tuple(_runs(axis)), pattern)


def _phase_taps(axis: Axis, large: int) -> int:
    """How many taps the phase of a large index has: the solutions of dilation·tap ≡ large + before (mod stride)."""
    divisor = gcd(axis.stride, axis.dilation)
    remainder = (large + axis.before) % axis.stride
    if remainder % divisor:
        return 0
    period = axis.stride // divisor
    root = remainder // divisor * pow(axis.dilation // divisor, -1, period) % period
    return max(0, -(-(axis.kernel - root) // period))


def _runs(axis: Axis) -> list[Run]:
    """The segments, neighbours of one phase with equally many taps joined."""
    runs: list[Run] = []
    for segment in axis.segments():
        taps, complete = len(segment.taps), len(segment.taps) == len(segment.phase.taps)
        previous = runs[-1] if runs else None
        joins = previous is not None and (previous.taps, previous.complete) == (taps, complete)
        if previous is not None and joins and previous.last + axis.stride == segment.first:
            runs[-1] = Run(previous.first, axis.stride, previous.count + segment.count, taps, complete)
        else:
            runs.append(Run(segment.first, axis.stride, segment.count, taps, complete))
    return runs
