"""The verdict in words and shades: one cell for each phase, darker where more comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import product
from math import ceil, prod
from typing import Any

from ..answers.coverage import Coverage
from ..dialects.arguments import compact
from ..dialects.spec import Spec
from ..geometry import Layer
from .gain import Gain, Map
from .remedies import Remedy

_SHADES = " ░▒▓█"
_SHOWN = 8
"""most phases shown along one axis"""
_WORST = 5
"""most channels named"""


def lines(
    spec: Spec, layer: Layer, coverage: Coverage, gain: Gain | None, remedies: tuple[Remedy, ...]
) -> Iterator[str]:
    """The whole report."""
    kernel, stride = compact(layer.kernel), compact(layer.stride)
    yield spec.code()
    yield f"{layer.rank}-D, kernel {kernel}, stride {stride}: {_phases(layer)}"
    yield "alternation: the share of the energy that is not the same in every phase; 0 is no checkerboard"
    yield ""
    yield from _coverage(layer, coverage)
    yield ""
    yield from _weights(layer, gain)
    if gain is not None and (coverage.alternation == 0) is not (gain.alternation == 0):
        told = "coverage is" if gain.alternation == 0 else "weights are"
        yield f"Both numbers must be 0 for no checkerboard: here {told} still uneven"
    if remedies:
        yield ""
        yield "What to do"
    for remedy in remedies:
        yield f"  {remedy.says}"
        yield from (f"    {line}" for line in remedy.lines)


def _phases(layer: Layer) -> str:
    side, count = ("output" if layer.transposed else "input"), prod(layer.stride)
    if count == 1:
        return f"one phase, so that nothing alternates in its {side}"
    return f"{count} phases, the positions in the {side} modulo the stride"


def _coverage(layer: Layer, coverage: Coverage) -> Iterator[str]:
    least, most = coverage.phase_range
    what = "stamps per output" if layer.transposed else "reads per input"
    if least == most:
        yield f"1. Coverage is even: {least} {what} in every phase, away from the borders; alternation 0"
        return
    yield f"1. Coverage is uneven: {least} to {most} {what}, away from the borders; {_said(coverage.alternation)}"
    yield from draw_map(_multiplied(coverage), str)


def _weights(layer: Layer, gain: Gain | None) -> Iterator[str]:
    if gain is None:
        yield "2. Weights: not given; they tell how evenly a constant input comes out"
        return
    effect = "a constant input comes out" if layer.transposed else "a constant gradient comes back"
    if gain.alternation == 0:
        yield f"2. Weights are even: {effect} equal in all phases; alternation 0"
    else:
        yield f"2. Weights are uneven: {effect} different in each phase; {_said(gain.alternation)}"
        phases = prod(layer.stride)
        usual = _percent(Fraction(phases - 1, phases))
        yield f"   independent random weights alternate by 1 − 1/{phases} = {usual}: a layer that has just begun"
        yield from _pair(layer, gain)
    yield f"   noise comes out with a variance whose alternation is {_percent(gain.energy_alternation)}"


def _pair(layer: Layer, gain: Gain) -> Iterator[str]:
    """The gains of the two channels that alternate most, and the channels by their numbers."""
    yield from draw_map(gain.pair(*gain.worst), _number)
    if gain.values.size > prod(layer.stride):
        source, target = gain.worst_channels
        yield f"   these are from input channel {source} to output channel {target}, the pair whose gains differ most"
    if len(gain.channels) > 1:
        worst = sorted(enumerate(gain.channels), key=lambda each: -each[1])[:_WORST]
        named = ", ".join(f"{channel} ({_percent(value)})" for channel, value in worst)
        side = "output" if layer.transposed else "input"
        yield f"   {side} channels by the share of their own energy that alternates, all their pairs together: {named}"


def _number(value: Any) -> str:
    text = f"{value:.3g}" if isinstance(value, complex) else f"{float(value):.3g}"
    return text.replace("-", "−")


def _said(alternation: Fraction | float) -> str:
    return f"alternation {_percent(alternation)}"


def _percent(value: Fraction | float) -> str:
    return f"{100 * float(value):.3g} %"


def _multiplied(coverage: Coverage) -> Map:
    """Stamps per element of every phase: the product of the axes' patterns, as far as they are shown."""

    def nested(factor: int, patterns: list[tuple[int, ...]]) -> Any:
        return tuple(nested(factor * taps, patterns[1:]) for taps in patterns[0]) if patterns else factor

    found: Map = nested(1, [axis.pattern[: _SHOWN + 1] for axis in coverage.axes])
    return found


def draw_map(values: Map, write: Callable[[Any], str]) -> Iterator[str]:
    """The phases as shaded cells: the last axis along the line, the one before it down, others one map each.

    A minus before the shade marks what is below zero.

    >>> [line.strip() for line in draw_map(((4, 2), (2, 1)), str)]
    ['██ 4  ▒▒ 2', '▒▒ 2  ░░ 1']
    >>> [line.strip() for line in draw_map((-4, 2), str)]
    ['−██ -4   ▒▒ 2']
    """
    rank, inner = _rank(values), values
    if rank == 1:
        inner = (values,)
    most = max((abs(value) for value in _flat(values)), default=0)
    signed = any(map(_negative, _flat(values)))
    outer = [range(len(level)) for level in _levels(values)][: max(0, rank - 2)]
    for place in product(*(places[:_SHOWN] for places in outer)):
        grid = inner
        for index in place:
            grid = grid[index]
        if place:
            yield f"   phase {', '.join(map(str, place))} of the first {'axis' if len(place) == 1 else 'axes'}:"
        yield from _grid(grid, most, write, signed=signed)


def _grid(grid: Map, most: Any, write: Callable[[Any], str], *, signed: bool) -> Iterator[str]:
    def cell(value: Any) -> str:
        sign = ("−" if _negative(value) else " ") if signed else ""
        return f"{sign}{_shade(value, most) * 2} {write(value)}"

    cells = [[cell(value) for value in row[:_SHOWN]] for row in grid[:_SHOWN]]
    width = max(len(cell) for row in cells for cell in row)
    for cut, row in zip(grid, cells, strict=False):
        line = "  ".join(cell.ljust(width) for cell in row)
        yield f"   {line}{'  …' if len(cut) > _SHOWN else ''}".rstrip()
    if len(grid) > _SHOWN:
        yield "   …"


def _shade(value: Any, most: Any) -> str:
    return _SHADES[ceil(float(abs(value) * (len(_SHADES) - 1) / most))] if most else _SHADES[0]


def _negative(value: Any) -> bool:
    """Whether a real number is below zero."""
    return not isinstance(value, complex) and bool(value < 0)


def _rank(values: Any) -> int:
    return 1 + _rank(values[0]) if isinstance(values, tuple) else 0


def _levels(values: Any) -> Iterator[Map]:
    while isinstance(values, tuple):
        yield values
        values = values[0]


def _flat(values: Any) -> Iterator[Any]:
    if isinstance(values, tuple):
        for value in values:
            yield from _flat(value)
    else:
        yield values
