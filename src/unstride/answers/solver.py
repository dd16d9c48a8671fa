"""``solve``: every parameter set that gives a wanted size, in every dialect, ranked; and why there is none.

The relation on an axis has four unknowns: kernel, stride, dilation, before. All of them within the bounds are listed,
and each dialect is asked for its ways to say the layer; a line stays where it reads back as exactly that layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import islice, product, takewhile, zip_longest
from math import prod
from typing import Any, TypeAlias

from ..dialects import registry
from ..dialects.refusal import ways
from ..dialects.registry import Dialect
from ..dialects.spec import Spec, checked_shape
from ..dialects.windows import signed
from ..errors import Reason, UnstrideError
from ..geometry import Axis, Layer
from ..geometry.wire import axis_to_wire
from .ambiguity import asking_arguments
from .coverage import is_even

Given: TypeAlias = int | tuple[int, ...] | None
"""One number for every axis, one per axis, or None: left open."""

CANDIDATE_LIMIT = 10_000
"""Most parameter sets that one search tries."""

EFFORT_LIMIT = 200_000
"""Most choices of kernel, dilation and stride that one search looks at."""

NEAREST_LIMIT = 1_000
"""How far from the wanted size the nearest reachable ones are looked for."""

NEAREST_SETS = 200
"""Most parameter sets that are asked for in that search, in each direction."""


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
    def kernel_shape(self) -> tuple[int, ...]:
        """The kernel array's shape for one input and one output channel, in the dialect's own weight layout."""
        kernel = tuple(axis.kernel for axis in self.axes)
        return self.spec.weight_layout(len(self.axes)).shape_of(kernel, small=1, large=1)

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
            "kernel_shape": list(self.kernel_shape),
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
            "axes with the same sizes have the same arguments and are cropped alike",
            "before and after shorter than the kernel's extent; less than a stride (or dilation) beyond the last stamp",
        )


@dataclass(frozen=True)
class Solutions:
    """All lines within the bounds, best first; each dialect is asked for a parameter set when it is reached."""

    small: tuple[int, ...]
    large: tuple[int, ...]
    transposed: bool
    bounds: Bounds
    dialects: tuple[Dialect, ...]
    sets: tuple[tuple[Axis, ...], ...]
    """the parameter sets that give the size, best first, sayable or not"""

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Solution]:
        for axes in self.sets:
            yield from _lines(axes, self.dialects, transposed=self.transposed)

    @cached_property
    def found(self) -> tuple[Solution, ...]:
        """Every line, best first."""
        return tuple(iter(self))

    @cached_property
    def nearest(self) -> tuple[int, ...]:
        """Where nothing is found: the nearest large sizes that some line reaches; none where the axes differ."""
        if len(set(zip(self.small, self.large, strict=True))) > 1 or next(iter(self), None) is not None:
            return ()
        return tuple(_nearest(self))

    def __str__(self) -> str:
        return self.text()

    def text(self, *, limit: int = 30) -> str:
        """The solutions in lines of text, at most ``limit`` lines of code; lines of one layer stand together."""
        given, wanted = (self.small, self.large) if self.transposed else (self.large, self.small)
        shown = list(islice(self, limit + 1))
        more = len(shown) > limit
        count = f"the first {limit}" if more else f"{len(shown)} line{'' if len(shown) == 1 else 's'}"
        lines = [f"{_times(given)} → {_times(wanted)}: {count}, best first"] if shown else [self._reason()]
        width = max((len(solution.dialect) for solution in shown), default=0)
        axes: tuple[Axis, ...] = ()
        for solution in shown[:limit]:
            if solution.axes != axes:
                axes = solution.axes
                lines += ["", _head(solution, transposed=self.transposed)]
            lines.append(f"  {solution.dialect:<{width}}  {solution.code}")
        return "\n".join([*lines, "", "searched:", *(f"  {line}" for line in self.bounds.lines())])

    def _reason(self) -> str:
        given, wanted = (self.small, self.large) if self.transposed else (self.large, self.small)
        said = f"{_times(given)} → {_times(wanted)}: no line within the bounds"
        if not self.nearest:
            return f"{said}; widen the bounds"
        return f"{said}; the nearest large sizes that can be reached: {' and '.join(map(str, self.nearest))}"

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
    alike = len(set(zip(smalls, larges, strict=True))) == 1
    bounds = Bounds(
        _spread(kernel, max_kernel, len(smalls), "kernel", Reason.KERNEL, alike=alike),
        _spread(stride, widest, len(smalls), "stride", Reason.STRIDE, alike=alike),
        _spread(dilation, max_dilation, len(smalls), "dilation", Reason.DILATION, alike=alike),
    )
    asked = registry.DIALECTS if dialects is None else tuple(map(registry.named, dialects))
    sets = list(islice(_candidates(smalls, larges, bounds), CANDIDATE_LIMIT + 1))
    if len(sets) > CANDIDATE_LIMIT:
        raise _too_many()
    return Solutions(smalls, larges, transposed, bounds, asked, tuple(sorted(sets, key=_rank)))


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


def _spread(value: Given, most: int, rank: int, name: str, reason: Reason, *, alike: bool) -> tuple[range, ...]:
    """For each axis the values to try; a single range where the same value goes on every axis."""
    if value is None:
        if type(most) is not int or most < 1:
            raise UnstrideError(reason, "must be at least 1", argument=f"max_{name}", value=most)
        return (range(1, most + 1),) * (1 if alike else rank)
    entries = value if isinstance(value, tuple) else (value,)
    if len(entries) not in (1, rank) or any(type(entry) is not int or entry < 1 for entry in entries):
        rule = f"must be a positive integer, or {rank} of them, one per axis"
        raise UnstrideError(reason, rule, argument=name, value=value)
    return tuple(range(entry, entry + 1) for entry in entries)


# --- the search -----------------------------------------------------------------------------------------------


def _candidates(smalls: tuple[int, ...], larges: tuple[int, ...], bounds: Bounds) -> Iterator[tuple[Axis, ...]]:
    """Every choice of axes within the bounds."""
    rank, looked = len(smalls), 0
    for numbers in _all((*bounds.kernel, *bounds.dilation)):
        kernels, dilations = numbers[: len(bounds.kernel)], numbers[len(bounds.kernel) :]
        taps = tuple(zip(_whole(kernels, rank), _whole(dilations, rank), strict=True))
        for strides in _all(_strides(bounds.stride, smalls, larges, taps)):
            looked += 1
            if looked > EFFORT_LIMIT:
                raise _too_many()
            sizes = tuple(zip(smalls, larges, taps, _whole(strides, rank), strict=True))
            distinct = tuple(dict.fromkeys(sizes))
            for befores in _all(tuple(_befores(*each) for each in distinct)):
                chosen = dict(zip(distinct, befores, strict=True))
                yield tuple(
                    Axis(small, large, kernel, stride, dilation, chosen[numbers])
                    for numbers in sizes
                    for small, large, (kernel, dilation), stride in (numbers,)
                )


def _all(ranges: tuple[range, ...]) -> Iterable[tuple[int, ...]]:
    """One number of each range, in every combination; UnstrideError where they are too many to try."""
    if prod(map(len, ranges)) > CANDIDATE_LIMIT:
        raise _too_many()
    return product(*ranges) if all(ranges) else ()


def _too_many() -> UnstrideError:
    rule = "there are too many parameter sets within these bounds"
    hint = "give kernel or stride, or lower max_kernel, max_stride, max_dilation"
    return UnstrideError(Reason.TOO_LARGE, rule, argument="bounds", value="open", hint=hint)


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
    """The crops shorter than the kernel's extent, with less than one stride or dilation beyond the last stamp."""
    kernel, dilation = taps
    span = dilation * (kernel - 1) + 1
    total = (small - 1) * stride + span - large
    beyond = max(stride, dilation) - 1
    # 0 ≤ before ≤ span − 1 and −beyond ≤ after = total − before ≤ span − 1
    return range(max(0, total - span + 1), max(0, min(span - 1, total + beyond) + 1))


def _rank(axes: tuple[Axis, ...]) -> tuple[object, ...]:
    """Even coverage, no dilation, crops alike (so no output padding), then the smaller numbers."""
    uneven = not all(map(is_even, axes))
    dilated = any(axis.dilation > 1 for axis in axes)
    lopsided = sum(abs(axis.before - axis.after) for axis in axes)
    numbers = tuple((axis.kernel, axis.stride, axis.dilation, axis.before) for axis in axes)
    return (uneven, dilated, lopsided, numbers)


def _lines(axes: tuple[Axis, ...], dialects: tuple[Dialect, ...], *, transposed: bool) -> Iterator[Solution]:
    """The lines for these axes: each dialect's best way, then the second ways, and so on."""
    even = all(map(is_even, axes))
    columns = [_ways(axes, dialect, transposed=transposed) for dialect in dialects]
    for row in zip_longest(*columns):
        for dialect, spec in zip(dialects, row, strict=True):
            if spec is not None:
                yield Solution(dialect.name, spec, spec.code(), axes, even, bool(asking_arguments(spec)))


def _ways(axes: tuple[Axis, ...], dialect: Dialect, *, transposed: bool) -> tuple[Spec, ...]:
    """The dialect's ways to say it: as a layer is by default, with a bias; without one where that cannot be said."""
    for bias in _biases(dialect.name, len(axes), transposed=transposed):
        layer = Layer(axes, 1, 1, transposed=transposed, bias=bias)
        found = tuple(ways(layer, dialect.module().propose))
        if found:
            return found
    return ()


@cache
def _biases(dialect: str, rank: int, *, transposed: bool) -> tuple[bool, ...]:
    """The biases worth asking for: those with which the dialect says the plainest layer of that rank."""
    plain = Layer((Axis(2, 2, 1),) * rank, 1, 1, transposed=transposed)
    propose = registry.named(dialect).module().propose
    asked = (replace(plain, bias=bias) for bias in (True, False))
    return tuple(layer.bias for layer in asked if next(ways(layer, propose), None) is not None)


def _nearest(solutions: Solutions) -> Iterator[int]:
    bounds = solutions.bounds
    farthest = min(NEAREST_LIMIT, EFFORT_LIMIT // prod(map(len, (*bounds.kernel, *bounds.dilation))))
    for direction in (-1, 1):
        moved = (tuple(large + direction * d for large in solutions.large) for d in range(1, farthest + 1))
        sets = (
            (larges, axes)
            for larges in takewhile(lambda larges: min(larges) > 0, moved)
            for axes in _candidates(solutions.small, larges, solutions.bounds)
        )
        reached = (larges for larges, axes in islice(sets, NEAREST_SETS) if _sayable(axes, solutions))
        yield from (larges[0] for larges in islice(reached, 1))


def _sayable(axes: tuple[Axis, ...], solutions: Solutions) -> bool:
    return any(_ways(axes, dialect, transposed=solutions.transposed) for dialect in solutions.dialects)


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
