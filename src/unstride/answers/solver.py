"""``solve``: every parameter set that gives a wanted size, in every dialect, ranked; and why there is none.

The relation on an axis has four unknowns: kernel, stride, dilation, before. All of them within the bounds are listed,
and each dialect is asked for its ways to say the layer; a line stays where it reads back as exactly that layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias

from ..dialects import registry
from ..dialects.refusal import ways
from ..dialects.registry import Dialect
from ..dialects.spec import Spec, checked_shape
from ..dialects.windows import signed
from ..errors import Reason, UnstrideError
from ..geometry import Axis, Layer
from ..geometry.wire import axis_to_wire
from .coverage import is_even

Given: TypeAlias = int | tuple[int, ...] | None
"""One number for every axis, one per axis, or None: left open."""

CANDIDATE_LIMIT = 20_000
"""Most parameter sets that one search tries."""

NEAREST_LIMIT = 1_000
"""How far from the wanted size the nearest reachable ones are looked for."""


@dataclass(frozen=True, slots=True)
class Solution:
    """One line of one dialect that gives the wanted size."""

    dialect: str
    spec: Spec
    code: str
    axes: tuple[Axis, ...]
    even: bool
    """whether coverage is equal in all phases: no checkerboard from overlap"""
    extra: bool
    """whether the line needs an argument that selects among the sizes, such as output_padding"""

    @property
    def why(self) -> str:
        """What decides its rank."""
        coverage = "even coverage" if self.even else "uneven coverage"
        return f"{coverage}, {'needs' if self.extra else 'no'} output_padding or output size"

    def as_json(self) -> dict[str, Any]:
        """The solution as JSON values."""
        return {
            "dialect": self.dialect,
            "code": self.code,
            "even_coverage": self.even,
            "needs_extra_argument": self.extra,
            "why": self.why,
            "axes": [axis_to_wire(axis) for axis in self.axes],
        }


@dataclass(frozen=True, slots=True)
class Bounds:
    """Within which the search is complete."""

    kernel: tuple[range, ...]
    stride: tuple[range, ...]
    dilation: tuple[range, ...]

    def lines(self) -> tuple[str, ...]:
        """The bounds in words."""
        spans = ((name, getattr(self, name)) for name in ("kernel", "stride", "dilation"))
        return (
            ", ".join(f"{name} {_spans(ranges)}" for name, ranges in spans),
            "the same arguments on every axis, unless given per axis; axes with the same sizes are cropped alike",
            "every input element reaches the output; less than one stride (or dilation) lies beyond the last stamp",
        )


@dataclass(frozen=True, slots=True)
class Solutions:
    """All lines within the bounds, best first."""

    small: tuple[int, ...]
    large: tuple[int, ...]
    transposed: bool
    found: tuple[Solution, ...]
    bounds: Bounds
    nearest: tuple[int, ...] = ()
    """where nothing is found: the nearest large sizes that some line reaches, on every axis"""

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Solution]:
        return iter(self.found)

    def text(self, *, limit: int = 30) -> str:
        """The solutions in lines of text, at most ``limit`` lines of code; lines of one layer stand together."""
        sides = (self.small, self.large) if self.transposed else (self.large, self.small)
        lines = [f"{_times(sides[0])} → {_times(sides[1])}: {len(self.found):,} lines of code, best first"]
        width = max((len(s.dialect) for s in self.found[:limit]), default=0)
        axes: tuple[Axis, ...] = ()
        for solution in self.found[:limit]:
            if solution.axes != axes:
                axes = solution.axes
                lines += ["", _head(solution, transposed=self.transposed)]
            lines.append(f"  {solution.dialect:<{width}}  {solution.code}")
        if len(self.found) > limit:
            lines += ["", f"and {len(self.found) - limit:,} more"]
        if not self.found:
            lines += ["", self._reason()]
        return "\n".join([*lines, "", "searched:", *(f"  {line}" for line in self.bounds.lines())])

    def _reason(self) -> str:
        if not self.nearest:
            return f"no line reaches it within the bounds, nor any size within {NEAREST_LIMIT} of it; widen the bounds"
        reached = " and ".join(map(str, self.nearest))
        return f"no line reaches it within the bounds; the nearest large sizes that can be reached: {reached}"

    def as_json(self) -> dict[str, Any]:
        """The solutions as JSON values."""
        bounds = {
            name: [[r.start, r.stop - 1] for r in getattr(self.bounds, name)]
            for name in ("kernel", "stride", "dilation")
        }
        return {
            "small": list(self.small),
            "large": list(self.large),
            "transposed": self.transposed,
            "bounds": bounds | {"words": list(self.bounds.lines())},
            "nearest": list(self.nearest),
            "solutions": [solution.as_json() for solution in self.found],
        }


def solve(
    *,
    small: int | tuple[int, ...],
    large: int | tuple[int, ...],
    kernel: Given = None,
    stride: Given = None,
    dilation: Given = None,
    dialects: Iterable[str] | None = None,
    transposed: bool = True,
    rank: int = 2,
    max_kernel: int = 7,
    max_stride: int | None = None,
    max_dilation: int = 1,
) -> Solutions:
    """Every line that turns ``small`` into ``large`` (``transposed=False``: ``large`` into ``small``), best first.

    One size stands for each of ``rank`` axes. What is left open runs from 1 to its bound; the stride's bound is, if
    not given, as far as the sizes allow. Raises UnstrideError for sizes or arguments that no axis can have.

    >>> solve(small=2, large=4, kernel=3, stride=2, dialects=["torch"]).found[0].code
    'torch.nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=1)'
    """
    smalls, larges = _sides(small, large, rank)
    widest = max(larges) if max_stride is None else max_stride
    bounds = Bounds(
        _spread(kernel, max_kernel, len(smalls), "kernel", Reason.KERNEL),
        _spread(stride, widest, len(smalls), "stride", Reason.STRIDE),
        _spread(dilation, max_dilation, len(smalls), "dilation", Reason.DILATION),
    )
    asked = registry.DIALECTS if dialects is None else tuple(map(registry.named, dialects))
    found = _found(smalls, larges, bounds, asked, transposed=transposed)
    order = {dialect.name: place for place, dialect in enumerate(asked)}
    ranked = tuple(sorted(found, key=lambda solution: _rank(solution, order)))
    nearest = () if ranked else _nearest(smalls, larges, bounds, asked, transposed=transposed)
    return Solutions(smalls, larges, transposed, ranked, bounds, nearest)


def _sides(small: object, large: object, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    sides = {}
    for name, value in (("small", small), ("large", large)):
        sizes = checked_shape((value,) if isinstance(value, int) else value, name)
        if not sizes or min(sizes) < 1:
            raise UnstrideError(Reason.SIZE, "must be at least 1 on every axis", argument=name, value=value)
        sides[name] = sizes
    length = max(map(len, sides.values()))
    length = rank if length == 1 else length
    for name, sizes in sides.items():
        if len(sizes) not in (1, length):
            rule = f"must be one size, or {length} of them, one per axis"
            raise UnstrideError(Reason.RANK, rule, argument=name, value=sizes)
    small_sizes, large_sizes = (sizes * (length // len(sizes)) for sizes in sides.values())
    return small_sizes, large_sizes


def _spread(value: Given, most: int, rank: int, name: str, reason: Reason) -> tuple[range, ...]:
    """For each axis the values to try; a single range where the same value goes on every axis."""
    if value is None:
        if type(most) is not int or most < 1:
            raise UnstrideError(reason, "must be at least 1", argument=f"max_{name}", value=most)
        return (range(1, most + 1),)
    entries = value if isinstance(value, tuple) else (value,)
    if len(entries) not in (1, rank) or any(type(entry) is not int or entry < 1 for entry in entries):
        rule = f"must be a positive integer, or {rank} of them, one per axis"
        raise UnstrideError(reason, rule, argument=name, value=value)
    return tuple(range(entry, entry + 1) for entry in entries)


# --- the search -----------------------------------------------------------------------------------------------


def _found(
    smalls: tuple[int, ...],
    larges: tuple[int, ...],
    bounds: Bounds,
    dialects: tuple[Dialect, ...],
    *,
    transposed: bool,
) -> Iterator[Solution]:
    for axes in _candidates(smalls, larges, bounds):
        for dialect in dialects:
            yield from _lines(axes, dialect, transposed=transposed)


def _candidates(smalls: tuple[int, ...], larges: tuple[int, ...], bounds: Bounds) -> Iterator[tuple[Axis, ...]]:
    """Every choice of axes within the bounds."""
    rank, tried = len(smalls), 0
    for kernels in product(*bounds.kernel):
        for dilations in product(*bounds.dilation):
            taps = tuple(zip(_whole(kernels, rank), _whole(dilations, rank), strict=True))
            for strides in product(*_strides(bounds.stride, smalls, larges, taps)):
                sizes = tuple(zip(smalls, larges, taps, _whole(strides, rank), strict=True))
                distinct = tuple(dict.fromkeys(sizes))
                for befores in product(*(_befores(*numbers) for numbers in distinct)):
                    tried += 1
                    if tried > CANDIDATE_LIMIT:
                        rule = f"more than {CANDIDATE_LIMIT} parameter sets lie within these bounds"
                        hint = "give kernel or stride, or lower max_kernel, max_stride, max_dilation"
                        raise UnstrideError(Reason.TOO_LARGE, rule, argument="bounds", hint=hint)
                    chosen = dict(zip(distinct, befores, strict=True))
                    yield tuple(
                        Axis(small, large, kernel, step, spread, chosen[numbers])
                        for numbers in sizes
                        for small, large, (kernel, spread), step in (numbers,)
                    )


def _whole(values: tuple[int, ...], rank: int) -> tuple[int, ...]:
    return values * rank if len(values) == 1 else values


def _strides(
    asked: tuple[range, ...], smalls: tuple[int, ...], larges: tuple[int, ...], taps: tuple[tuple[int, int], ...]
) -> tuple[range, ...]:
    """The asked strides that can join the sizes at all: ``_befores`` is empty for the others."""
    narrowed = []
    for index, (small, large, (kernel, dilation)) in enumerate(zip(smalls, larges, taps, strict=True)):
        span = dilation * (kernel - 1) + 1
        # −(max(stride, dilation) − 1) ≤ (small − 1)·stride + span − large ≤ 2·(span − 1)
        least = -(-(large - span - max(0, dilation - 1)) // max(1, small - 1))
        least = min(least, -(-(large - span + 1) // small))
        most = (large + span - 2) // (small - 1) if small > 1 else asked[-1].stop - 1
        own = asked[index % len(asked)]
        narrowed.append(range(max(own.start, least), min(own.stop, most + 1)))
    if len(asked) == len(smalls):
        return tuple(narrowed)
    start, stop = max(r.start for r in narrowed), min(r.stop for r in narrowed)
    return (range(start, max(start, stop)),)


def _befores(small: int, large: int, taps: tuple[int, int], stride: int) -> range:
    """The crops with which every small element reaches the large side, and no stride lies beyond the last stamp."""
    kernel, dilation = taps
    span = dilation * (kernel - 1) + 1
    total = (small - 1) * stride + span - large
    beyond = max(stride, dilation) - 1
    # 0 ≤ before ≤ span − 1 and −beyond ≤ after = total − before ≤ span − 1
    return range(max(0, total - span + 1), max(0, min(span - 1, total + beyond) + 1))


def _lines(axes: tuple[Axis, ...], dialect: Dialect, *, transposed: bool) -> Iterator[Solution]:
    """The dialect's lines for these axes: layers as they are by default, with a bias, functions without one."""
    even, calls, codes = all(map(is_even, axes)), set(), set()
    for bias in (True, False):
        layer = Layer(axes, 1, 1, transposed=transposed, bias=bias)
        for spec in ways(layer, dialect.module().propose):
            code = spec.code()
            if code in codes or (spec.call in calls and not bias):
                continue
            calls.add(spec.call)
            codes.add(code)
            yield Solution(dialect.name, spec, code, axes, even, _needs_extra(spec))


def _needs_extra(spec: Spec) -> bool:
    """Whether the line selects among the sizes: an output padding, or an output size."""
    for name in ("output_padding", "adj", "output_shape", "output_size", "target_shape"):
        value = getattr(spec, name, None)
        if value is not None and value != 0 and f"{name}=" in spec.code():
            return True
    return False


def _rank(solution: Solution, order: dict[str, int]) -> tuple[object, ...]:
    """Even coverage, then the plainest parameter set; its lines together, layers before functions."""
    axes = solution.axes
    unusual = any(axis.dilation > 1 for axis in axes)
    lopsided = sum(abs(axis.before - axis.after) for axis in axes)
    numbers = tuple((axis.kernel, axis.stride, axis.dilation, axis.before) for axis in axes)
    return (not solution.even, unusual, lopsided, numbers, solution.extra, order[solution.dialect], len(solution.code))


def _nearest(
    smalls: tuple[int, ...],
    larges: tuple[int, ...],
    bounds: Bounds,
    dialects: tuple[Dialect, ...],
    *,
    transposed: bool,
) -> tuple[int, ...]:
    """The nearest reachable large sizes below and above, all axes moved alike."""
    reached = []
    for direction in (-1, 1):
        for distance in range(1, NEAREST_LIMIT + 1):
            moved = tuple(large + direction * distance for large in larges)
            if min(moved) < 1:
                break
            if next(_found(smalls, moved, bounds, dialects, transposed=transposed), None) is not None:
                reached.append(moved[0])
                break
    return tuple(reached)


# --- words ----------------------------------------------------------------------------------------------------


def _head(solution: Solution, *, transposed: bool) -> str:
    parts = []
    verb = "crop" if transposed else "pad"
    for axis in dict.fromkeys(solution.axes):
        dilated = f", dilation {axis.dilation}" if axis.dilation > 1 else ""
        parts.append(
            f"kernel {axis.kernel}, stride {axis.stride}{dilated}, "
            f"{verb} {signed(axis.before)} before and {signed(axis.after)} after"
        )
    return " × ".join(parts) + (": even coverage" if solution.even else ": uneven coverage")


def _spans(ranges: tuple[range, ...]) -> str:
    return " × ".join(str(r.start) if len(r) == 1 else f"{r.start}…{r.stop - 1}" for r in ranges)


def _times(sizes: tuple[int, ...]) -> str:
    return " × ".join(map(str, sizes))
