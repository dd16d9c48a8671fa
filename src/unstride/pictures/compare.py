"""Several layers on the same input: their boxes on one extent where they share the stamps, and their outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from . import captions
from .example import Example, Index, met
from .panels import Extents, Sides, framed, limits, short_ruler, shown_text
from .scene import Box, Cell, Grid, Line, Panel, Role, Scene, Sign, View

LETTERS = "ABCD"
"""What the layers are called on the picture, and so how many can be compared"""


def compare(examples: Sequence[Example]) -> Scene:
    """The layers one below the other; where stamps are the same, all boxes on the one full extent."""
    first = examples[0]
    shared = first.transposed and all(_stamps(example) == _stamps(first) for example in examples)
    lines = _on_one_extent(examples) if shared else _one_each(examples)
    words = captions.legend(first, View.COMPARE)
    alike = len({example.layer.kernel for example in examples}) == 1
    names = [f"{LETTERS[i]}: {captions.crop(each.layer)} — {_name(each)}" for i, each in enumerate(examples)]
    others = (note for example in examples for note in captions.channel_notes(example))
    return Scene(
        View.COMPARE,
        f"one input, {'one kernel, ' if alike else ''}{len(examples)} layers",
        captions.SUBTITLES[View.COMPARE, first.transposed],
        " ".join(f"{LETTERS[order]}: {captions.described(example)}" for order, example in enumerate(examples)),
        lines,
        (*names, *_shifts(examples), *dict.fromkeys(others)),
        tuple((role, "kept by none" if role == "cropped" else word) for role, word in words),
    )


def _stamps(example: Example) -> object:
    """What makes the stamps: everything but the crop."""
    return example.transposed, tuple((a.small, a.kernel, a.stride, a.dilation) for a in example.layer.axes)


def _name(example: Example) -> str:
    return example.label or captions.named(example)


def _shifts(examples: Sequence[Example]) -> tuple[str, ...]:
    """How far the boxes of equal size lie apart."""
    first, notes = examples[0], []
    for letter, other in zip(LETTERS[1:], examples[1:], strict=False):
        if other.layer.output_size != first.layer.output_size or _stamps(other) != _stamps(first):
            continue
        offsets = [b - a for a, b in zip(first.layer.before, other.layer.before, strict=True)]
        if any(offsets):
            axes = zip(captions.axis_names(first.layer.rank), offsets, strict=True)
            text = " and ".join(_shift(name, offset) for name, offset in axes if offset)
            notes.append(f"the outputs have one size, but {letter} begins {text} than A: other numbers")
        else:
            notes.append(f"{letter} keeps the same elements as A: the same numbers")
    return tuple(notes)


def _shift(name: str, offset: int) -> str:
    many = abs(offset)
    return f"{many} {name if many > 1 else name.removesuffix('s')} {'later' if offset > 0 else 'earlier'}"


def _on_one_extent(examples: Sequence[Example]) -> tuple[Line, ...]:
    """All boxes on the stamps' sum, then what each box keeps."""
    first = examples[0]
    axes = tuple(replace(axis, large=max(0, axis.full), before=0) for axis in first.layer.axes)
    whole = replace(first, layer=replace(first.layer, axes=axes))
    sides = Sides(whole, Extents.of(whole.layer))
    extent = Panel(f"all stamps {captions.size(whole.layer.output_size)}", _boxed(examples, whole))
    given = (
        Panel(f"input {captions.size(first.layer.input_size)}", sides.small()),
        Sign("×"),
        Panel(f"kernel {captions.size(first.layer.kernel)}", sides.kernel()),
        Sign("="),
        extent,
    )
    return Line(given), Line(tuple(_output(order, example) for order, example in enumerate(examples)))


def _boxed(examples: Sequence[Example], whole: Example) -> tuple[Grid, ...]:
    """The full extent, elements counted from its first, with each layer's box."""
    boxes = [(tuple(a.before for a in e.layer.axes), tuple(a.before + a.large for a in e.layer.axes)) for e in examples]
    rulers = []
    for axis, limit in enumerate(limits(whole.layer.rank)):
        marks = tuple(end for start, stop in boxes for end in (start[axis], stop[axis]))
        last = max(whole.layer.axes[axis].full, *marks)
        rulers.append(short_ruler(min(0, *marks), last, limit, marks))

    def paint(index: Index, at: tuple[int, int]) -> Cell:
        keepers = sum(all(a <= i < b for a, i, b in zip(start, index, stop, strict=True)) for start, stop in boxes)
        count = met(whole.layer, index)
        if not count:
            text = "0" if keepers and whole.numbered else ""
            return Cell(at, index, Role.BARE if keepers else Role.OUTSIDE, text, 0 if text else None)
        value = whole.output_at(index)
        role = Role.CROPPED if not keepers else Role.OVERLAP if count > 1 else Role.LARGE
        return Cell(at, index, role, shown_text(value, index), value)

    drawn = [(LETTERS[order], start, stop) for order, (start, stop) in enumerate(boxes)]
    return framed(tuple(rulers), paint, *drawn)


def _output(order: int, example: Example) -> Panel:
    sides = Sides(example, Extents.of(example.layer))
    grids = sides.large() if example.transposed else sides.small()
    size = example.layer.output_size
    framing = [replace(grid, boxes=_frame(order, grid)) for grid in grids]
    return Panel(f"{LETTERS[order]}: output {captions.size(size)}", tuple(framing))


def _frame(order: int, grid: Grid) -> tuple[Box, ...]:
    return (Box(LETTERS[order], (grid.rows.start, grid.columns.start), (grid.rows.stop, grid.columns.stop), order + 1),)


def _one_each(examples: Sequence[Example]) -> tuple[Line, ...]:
    """A line for each layer: its large side in its box, and its output."""
    lines = []
    for order, example in enumerate(examples):
        sides = Sides(example, Extents.of(example.layer))
        canvas = [
            replace(grid, boxes=tuple(replace(box, name=LETTERS[order], order=order + 1) for box in grid.boxes))
            for grid in sides.canvas()
        ]
        extent = captions.size(axis.full for axis in example.layer.axes)
        what = "all stamps" if example.transposed else "all windows"
        parts = (Panel(f"{LETTERS[order]}: {what} {extent}", tuple(canvas)), Sign("→"), _output(order, example))
        lines.append(Line(parts, f"{LETTERS[order]}: {_name(example)}"))
    return tuple(lines)
