"""The zero-stuffed convolution: zeros between and around the inputs, the kernel turned, stride 1.

With u[stride·i] = x[i] and zeros elsewhere, output[j] = Σ w[t]·u[j + before − dilation·t]: the same sum as the stamps,
with stride − 1 of every stride factors zero. The window begins span − 1 − before elements ahead of the input.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from math import prod

from . import captions
from .convolving import gather, typical
from .example import TERM_LIMIT, Example, Index
from .panels import Extents, Rulers, Sides, Step, framed, limits, short_ruler, shown_text
from .scene import Cell, Grid, Line, Panel, Role, Scene, Sign, View


def zeros(example: Example, step: Step | None = None) -> Scene:
    """The textbook's picture; a convolution has no zeros between its inputs, and is shown on its padded input."""
    if not example.transposed:
        subtitle = captions.SUBTITLES[View.ZEROS, False]
        return replace(gather(example, step), view=View.ZEROS, subtitle=subtitle)
    layer, extents = example.layer, Extents.of(example.layer)
    shown = step or _typical(example, extents)
    sides = Sides(example, extents, shown)
    parts = (
        Panel(f"input {captions.size(layer.input_size)} with zeros between (box) and around", _stuffed(example, shown)),
        Sign("×"),
        Panel("kernel, turned", _turned(example, sides)),
        Sign("="),
        Panel(f"output {captions.size(layer.output_size)}", sides.large()),
    )
    return Scene(
        View.ZEROS,
        example.label or captions.named(example),
        captions.SUBTITLES[View.ZEROS, True],
        captions.described(example),
        (Line(parts),),
        (*_told(example, shown), *captions.channel_notes(example)),
        captions.legend(example, View.ZEROS),
    )


def _typical(example: Example, extents: Extents) -> Step | None:
    """The step of a still picture: inputs between their zeros, and taps, that are drawn, as many as there are."""
    stuffed = [set(ruler.shown) for ruler in _rulers(example)]
    taps = [set(ruler.shown) for ruler in extents.kernel]

    def drawn(large: Index) -> int:
        axes, count = example.layer.axes, 0
        for term in islice(example.terms_at_large(large), TERM_LIMIT):
            inputs = zip(axes, term.small, stuffed, strict=True)
            # the kernel is turned: its place shows another tap
            turned = zip(axes, term.tap, taps, strict=True)
            seen = all(axis.stride * at in shown for axis, at, shown in inputs)
            count += seen and all(axis.kernel - 1 - at in shown for axis, at, shown in turned)
        return count

    return typical(example, extents, scatters=False, drawn=drawn)


def _stuffed_sizes(example: Example) -> tuple[int, ...]:
    return tuple(max(0, (axis.small - 1) * axis.stride + 1) for axis in example.layer.axes)


def padding(example: Example) -> tuple[tuple[int, int], ...]:
    """Zeros before and after the stuffed input that the windows of a stride-free convolution need, per axis.

    Negative where a window never begins or ends so far out.
    """
    return tuple((axis.span - 1 - axis.before, axis.span - 1 - axis.after) for axis in example.layer.axes)


def _rulers(example: Example) -> Rulers:
    """The stuffed input and all windows over it."""
    rulers = []
    parts = zip(padding(example), _stuffed_sizes(example), limits(example.layer.rank), strict=True)
    for (ahead, behind), stuffed, limit in parts:
        start, stop = min(0, -ahead), stuffed + max(0, behind)
        rulers.append(short_ruler(start, max(start, stop), limit, (0, stuffed)))
    return tuple(rulers)


def _stuffed(example: Example, step: Step | None) -> tuple[Grid, ...]:
    layer, sizes, pads = example.layer, _stuffed_sizes(example), padding(example)
    ends = [(-ahead, stuffed + behind) for (ahead, behind), stuffed in zip(pads, sizes, strict=True)]

    def paint(index: Index, at: tuple[int, int]) -> Cell:
        active = step is not None and _in_window(example, step.at, index)
        if not all(low <= place < high for place, (low, high) in zip(index, ends, strict=True)):
            role = Role.CROPPED
        elif not all(0 <= place < stuffed for place, stuffed in zip(index, sizes, strict=True)):
            return Cell(at, index, Role.PADDED, "0", 0, active)
        else:
            role = Role.SMALL
        if any(place % axis.stride for place, axis in zip(index, layer.axes, strict=True)):
            return Cell(at, index, Role.ZERO if role is Role.SMALL else role, "0", 0, active)
        small = tuple(place // axis.stride for place, axis in zip(index, layer.axes, strict=True))
        if not all(0 <= i < axis.small for i, axis in zip(small, layer.axes, strict=True)):
            return Cell(at, index, role)
        value = example.input_at(small)
        return Cell(at, index, role, shown_text(value, small), value, active)

    return framed(_rulers(example), paint, ("", (0,) * layer.rank, sizes))


def _in_window(example: Example, large: Index, index: Index) -> bool:
    """Whether a tap of output ``large`` looks at a place of the stuffed input."""
    for axis, j, place in zip(example.layer.axes, large, index, strict=True):
        tap, rest = divmod(j + axis.before - place, axis.dilation)
        if rest or not 0 <= tap < axis.kernel:
            return False
    return True


def _turned(example: Example, sides: Sides) -> tuple[Grid, ...]:
    layer = example.layer

    def paint(index: Index, at: tuple[int, int]) -> Cell:
        tap = tuple(axis.kernel - 1 - i for axis, i in zip(layer.axes, index, strict=True))
        value = example.weight(tap)
        return Cell(at, tap, Role.KERNEL, shown_text(value, tap), value, tap in sides.taps)

    return framed(sides.extents.kernel, paint, headed=False)


def _told(example: Example, step: Step | None) -> tuple[str, ...]:
    layer = example.layer
    between = captions.size(dict.fromkeys(axis.stride - 1 for axis in layer.axes))
    around = "; ".join(f"{ahead} before and {behind} after" for ahead, behind in dict.fromkeys(padding(example)))
    text = f"zeros between neighbours: {between}; around, dilated kernel − 1 − crop: {around}"
    if step is None:
        return (text,)
    value, count = example.sum(example.output_terms(step.at)), example.count(step.at)
    sum_text = captions.sum_text(example, example.terms_at_large(step.at), value)
    places = f"{count} of the window's {prod(layer.kernel)} places are inputs"
    return (f"output[{captions.place(step.at)}] = {sum_text}; {places}", text)
