"""How many products meet at each element of the large side: where they alternate, a checkerboard is drawn."""

from __future__ import annotations

from math import gcd, prod

from ..geometry import Axis
from . import captions
from .example import Example, Index, met, taps_meeting
from .panels import Extents, framed
from .scene import Cell, Line, Panel, Role, Scene, View

HEAT_LEAST = 4
"""Fewest products for the strongest colour"""


def coverage(example: Example) -> Scene:
    """The heat map of the large side."""
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
    if axis.kernel < axis.stride:
        return f"kernel {axis.kernel} is shorter than stride {axis.stride}: some elements are never met"
    if gcd(axis.stride, axis.dilation) > 1:
        return f"stride {axis.stride} and dilation {axis.dilation} share a divisor: some elements are never met"
    if axis.kernel % axis.stride == 0:
        even = f"kernel {axis.kernel} is a multiple of stride {axis.stride}: away from the borders all counts are equal"
        return f"{even}; weights of uneven strength can still draw a checkerboard" if transposed else even
    uneven = f"kernel {axis.kernel} is no multiple of stride {axis.stride}: the counts alternate"
    return f"{uneven}, which tends to draw a checkerboard" if transposed else f"{uneven}, and so does the gradient"
