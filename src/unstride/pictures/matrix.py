"""The layer as a matrix, one row for each output element and one column for each input element, and its transpose.

The entry for a large and a small index is the tap with dilation·tap = large + before − stride·small, if there is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from . import captions
from .example import Example, Index
from .numerals import number
from .panels import elided, shown_text
from .ruler import Ruler
from .scene import Cell, Grid, Line, Panel, Role, Scene, Sign, View

COUNT_LIMIT = 100_000
"""Longest kernel whose entries are counted"""
ENTRY_LIMIT = 20
"""Most rows or columns drawn before the middle is left out"""


def matrix(example: Example) -> Scene:
    """Output = M · input; the layer of the other direction multiplies by Mᵀ."""
    layer = example.layer
    outputs, inputs = Side.of(layer.output_size), Side.of(layer.input_size)
    vectors = _column(example, outputs, of_output=True), _column(example, inputs, of_output=False)
    other = "convolution" if layer.transposed else "transposed convolution"
    sizes = (
        f"{prod(layer.output_size)} × {prod(layer.input_size)}",
        f"{prod(layer.input_size)} × {prod(layer.output_size)}",
    )
    first: tuple[Panel | Sign, ...] = (
        Panel("output", (vectors[0],)),
        Sign("="),
        Panel(f"M: {sizes[0]}", (_entries(example, outputs, inputs),)),
        Sign("×"),
        Panel("input", (vectors[1],)),
    )
    second = Panel(f"Mᵀ: {sizes[1]}", (_entries(example, inputs, outputs, turned=True),))
    entries = prod(layer.output_size) * prod(layer.input_size)
    sides = ("output", "input") if layer.transposed else ("input", "output")
    ahead = "crop" if layer.transposed else "padding"
    where = f"w[k] stands where {sides[0]} index + {ahead} = stride · {sides[1]} index + dilation · k, on every axis"
    counted = all(axis.kernel <= COUNT_LIMIT for axis in layer.axes)
    note = f"{products(example)} of the {entries} entries hold a weight of the kernel; {where}" if counted else where
    return Scene(
        View.MATRIX,
        example.label or captions.named(example),
        captions.SUBTITLES[View.MATRIX, layer.transposed],
        captions.described(example),
        (Line(first), Line((second,), f"the transpose belongs to the {other} with the same kernel")),
        (note, *captions.channel_notes(example)),
        captions.legend(example, View.MATRIX),
    )


@dataclass(frozen=True, slots=True)
class Side:
    """A side's elements in one row: row by row, as memory holds them."""

    sizes: Index
    ruler: Ruler

    @classmethod
    def of(cls, sizes: Index) -> Side:
        """Its first and last elements where there are too many."""
        return cls(sizes, Ruler.of(0, prod(sizes), limit=ENTRY_LIMIT))

    def index(self, position: int) -> Index:
        """The index on every axis.

        >>> Side.of((2, 3)).index(4)
        (1, 1)
        """
        found = []
        for size in reversed(self.sizes):
            position, place = divmod(position, size)
            found.append(place)
        return tuple(reversed(found))

    @property
    def heads(self) -> tuple[str, ...]:
        """The indices by position, empty at the gap."""
        known = {self.ruler.position(at): captions.place(self.index(at)) for at in self.ruler.shown}
        return tuple(known.get(position, "") for position in range(len(self.ruler)))


def products(example: Example) -> int:
    """How many entries hold a tap."""
    return prod(axis.products for axis in example.layer.axes)


def tap_between(example: Example, output: Index, source: Index) -> Index | None:
    """The tap that joins an output to an input element, None where there is none."""
    small, large = (source, output) if example.transposed else (output, source)
    found = []
    for axis, i, j in zip(example.layer.axes, small, large, strict=True):
        tap, rest = divmod(j + axis.before - axis.stride * i, axis.dilation)
        if rest or not 0 <= tap < axis.kernel:
            return None
        found.append(tap)
    return tuple(found)


def _entries(example: Example, rows: Side, columns: Side, *, turned: bool = False) -> Grid:
    cells = list(elided(rows.ruler, columns.ruler))
    for row in rows.ruler.shown:
        for column in columns.ruler.shown:
            output, source = rows.index(row), columns.index(column)
            tap = tap_between(example, source, output) if turned else tap_between(example, output, source)
            at = (rows.ruler.position(row), columns.ruler.position(column))
            if tap is None:
                cells.append(Cell(at, (*output, *source), Role.ZERO, "", 0))
            else:
                value = example.weight(tap)
                text = captions.place(tap) if value is None else number(value)
                cells.append(Cell(at, (*output, *source), Role.KERNEL, text, value, tip=f"w[{captions.place(tap)}]"))
    return Grid(rows.ruler, columns.ruler, tuple(cells), heads=(rows.heads, columns.heads))


def _column(example: Example, side: Side, *, of_output: bool) -> Grid:
    """The input or the output as a column."""
    single, role = Ruler.of(0, 1, limit=1), Role.LARGE if of_output == example.transposed else Role.SMALL
    cells = list(elided(side.ruler, single))
    for element in side.ruler.shown:
        index = side.index(element)
        value = example.output_at(index) if of_output else example.input_at(index)
        at = (side.ruler.position(element), 0)
        cells.append(Cell(at, index, role, shown_text(value, index), value))
    return Grid(side.ruler, single, tuple(cells))
