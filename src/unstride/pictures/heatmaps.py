"""The two causes of a checkerboard, drawn: how many products meet at each element, and what their weights add to."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import gcd, prod

from ..geometry import Axis, Layer
from . import captions
from .example import Example, Index, Period, element, met, taps_meeting
from .numerals import exact, number, percent
from .panels import Extents, framed, limits, short_ruler
from .ruler import Ruler
from .scene import Cell, Line, Number, Panel, Role, Scene, Sign, View

HEAT_LEAST = 4
"""Fewest products for the strongest colour"""
REPEATS, REPEATED_LIMIT = (4, 3, 2), 14
"""How often a period is drawn side by side: as often as fits into so many elements"""


_ALTERNATION = (
    "Away from the borders the pattern repeats every stride. Alternation says how strong it is: the share of a map's"
    " mean square that is left when its mean is taken away. 0: no checkerboard; 100 %: nothing else."
)
_APART = (
    "The first map follows from kernel, stride and dilation alone. The second adds up the weights that meet there: were"
    " all weights 1, it would be the first."
)


def coverage(example: Example) -> Scene:
    """How many products meet at each element of the large side."""
    layer, extents = example.layer, Extents.of(example.layer)
    pairs = zip(layer.axes, extents.large, strict=True)
    most = prod(max((len(taps_meeting(axis, at)) for at in ruler.shown), default=0) for axis, ruler in pairs)

    def paint(index: Index, at: tuple[int, int]) -> Cell:
        count = met(layer, index)
        return Cell(
            at, index, Role.HEAT if count else Role.BARE, str(count), count, level=count / max(most, HEAT_LEAST)
        )

    things, where = ("stamps", "at each output") if layer.transposed else ("outputs", "that read each input")
    title = f"{things} {where}: {captions.size(ruler.stop for ruler in extents.large)}"
    parts = (Panel(title, framed(extents.large, paint)),)
    return Scene(
        View.COVERAGE,
        example.label or captions.named(example),
        captions.SUBTITLES[View.COVERAGE, layer.transposed],
        captions.described(example),
        (Line(parts),),
        tuple(dict.fromkeys(_verdict(axis, transposed=layer.transposed) for axis in layer.axes)),
        (
            ("heat", f"1 to {most} {things}" if most > 1 else f"1 {things.removesuffix('s')}"),
            ("bare", "none" if layer.transposed else "never read"),
        ),
    )


def _verdict(axis: Axis, *, transposed: bool) -> str:
    """Whether the coverage alternates away from the borders, and why."""
    never = "some outputs get nothing" if transposed else "some inputs are never read"
    if axis.kernel < axis.stride:
        return f"kernel {axis.kernel} is shorter than stride {axis.stride}: {never}"
    if (shared := gcd(axis.stride, axis.dilation)) > 1:
        return f"stride {axis.stride} and dilation {axis.dilation} are both multiples of {shared}: {never}"
    if axis.kernel % axis.stride == 0:
        even = f"kernel {axis.kernel} is a multiple of stride {axis.stride}: away from the borders all counts are equal"
        return f"{even}; weights of uneven strength can still draw a checkerboard" if transposed else even
    uneven = f"kernel {axis.kernel} is no multiple of stride {axis.stride}: the counts alternate"
    return f"{uneven}, which tends to draw a checkerboard" if transposed else f"{uneven}, and so does the gradient"


def gain(example: Example) -> Scene:
    """Both causes over one period of the stride, away from the borders: the counts, and what constant input becomes."""
    layer, period = example.layer, example.period
    assert period is not None  # noqa: S101 - a Picture of gains has been checked for it
    things, met_where, becomes = (
        ("stamps", "how many stamps meet at an output", "what an input of ones comes out as")
        if layer.transposed
        else ("reads", "how many outputs read an input", "what a gradient of ones comes back as")
    )

    def count(phase: Index) -> Number:
        return prod(taps[at] for taps, at in zip(period.stamps, phase, strict=True))

    def total(phase: Index) -> Number:
        found: Number = element(period.gains, phase)
        return found

    lines = (
        Line(_maps(layer, things, count), f"1. Coverage: {met_where} — {_judged(period.coverage)}"),
        Line(_maps(layer, "gains", total), f"2. Weights: {becomes} — {_judged(period.weights)}"),
    )
    return Scene(
        View.GAIN,
        example.label or captions.named(example),
        captions.SUBTITLES[View.GAIN, layer.transposed],
        f"{captions.described(example)} {' '.join(f'{line.heading}.' for line in lines)}",
        lines,
        (*_told(layer, period), *captions.channel_notes(example)),
        (
            ("heat", "from 0 to the largest of each map"),
            ("negative", "below zero"),
            ("bare", "nothing arrives"),
            ("box", "one period: one stride along each axis"),
        ),
    )


def _judged(alternation: float) -> str:
    return f"uneven, alternation {percent(alternation)}" if alternation else "even, alternation 0"


def _told(layer: Layer, period: Period) -> tuple[str, ...]:
    """What the number means, what the picture leaves out, and the channels it does not show."""
    notes = [
        _ALTERNATION,
        _APART,
    ]
    if period.layer is not None:
        notes.append(f"All channels together: the weights' alternation is {percent(period.layer)}.")
    if period.worst is not None:
        source, target = period.worst
        notes.append(f"The weights alternate most from input channel {source} to output channel {target}.")
    if max(layer.stride) == 1:
        notes.append("With stride 1 all elements are alike: nothing can alternate.")
    return tuple(notes)


def _maps(layer: Layer, things: str, value: Callable[[Index], Number]) -> tuple[Panel | Sign, ...]:
    """One period with its numbers, and the same side by side without them."""
    whole = tuple(short_ruler(0, step, limit) for step, limit in zip(layer.stride, limits(layer.rank), strict=True))
    repeats = tuple(_repeats(step) if axis >= layer.rank - 2 else 1 for axis, step in enumerate(layer.stride))
    most = max(abs(value(phase)) for phase in product(*(ruler.shown for ruler in whole)))

    def paint(index: Index, at: tuple[int, int]) -> Cell:
        found = value(index)
        if not found:
            return Cell(at, index, Role.BARE, "0", 0)
        return Cell(at, index, Role.HEAT, number(found), found, level=_level(found, most), tip=exact(found))

    def repeated(index: Index, at: tuple[int, int]) -> Cell:
        cell = paint(tuple(place % step for place, step in zip(index, layer.stride, strict=True)), at)
        return Cell(at, index, cell.role, "", cell.value, level=cell.level, tip=cell.tip)

    numbers = Panel(things, framed(whole, paint))
    if max(repeats) == 1 or not all(ruler.whole for ruler in whole):
        return (numbers,)
    sizes = tuple(step * times for step, times in zip(layer.stride, repeats, strict=True))
    rulers = tuple(Ruler.of(0, size, limit=size) for size in sizes)
    one = ("", (0,) * layer.rank, layer.stride)
    return numbers, Sign("→"), Panel("repeated", framed(rulers, repeated, one, headed=False))


def _repeats(step: int) -> int:
    return next((times for times in REPEATS if times * step <= REPEATED_LIMIT), 1)


def _level(value: Number, most: float) -> float:
    """−1…1: how strong a value is, and its sign; of a complex one, its magnitude."""
    strength = float(abs(value) / most)
    return -strength if not isinstance(value, complex) and value < 0 else strength
