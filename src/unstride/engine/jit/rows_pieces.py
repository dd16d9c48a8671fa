"""The outputs of one image in pieces: ranges of rows and of places, with the inputs that they need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod

from ...geometry import Axis
from .memory import ALIGNMENT
from .records import HEADER
from .rows_shape import Shape
from .tables import AGAIN, CACHED, LARGEST, LEAST_TASKS, Strides

OFTEN = 1.4
"""times that inputs are packed, in the mean, beyond which pieces are made twice as large"""
TASKS = 32
"""tasks that a layer is cut into where it has the rows: enough to share evenly among a few workers"""
SMALLEST = 16
"""vectors of a piece of a row that is worth a task"""


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows side by side, and places in each."""

    rows: range
    places: range
    inputs: tuple[range, ...]
    """the input window"""


@dataclass(frozen=True)
class Pieces:
    """A layer's pieces, and how their inputs lie where the code reads them."""

    shape: Shape
    scale: int = 1
    """how much larger than a cache that is near they may be, and how many fewer"""

    @classmethod
    def of(cls, shape: Shape) -> Pieces:
        """Pieces larger than that cache where their windows would otherwise be packed again and again."""
        found, inputs = cls(shape), prod(shape.layer.input_size)
        while (
            shape.packs
            and found.packed > inputs * (OFTEN if found.scale == 1 else AGAIN)
            and CACHED * found.scale < LARGEST
        ):
            larger = cls(shape, 2 * found.scale)
            if len(larger.all) * larger.units < LEAST_TASKS:
                break
            found = larger
        return found

    @property
    def packed(self) -> int:
        """Input positions of an image that are packed for all pieces."""
        return sum(prod(map(len, piece.inputs)) for piece in self.all)

    @property
    def units(self) -> int:
        """Tasks of each piece."""
        return self.shape.batch * self.shape.layer.groups * self.shape.blocks

    @cached_property
    def all(self) -> tuple[Piece, ...]:
        """The pieces: small enough for their inputs to stay in cache, and enough of them to share."""
        shape = self.shape
        wanted = -(-TASKS // max(1, self.scale * self.units))
        outer = list(self._outer(wanted))
        wanted = -(-wanted // max(1, prod(map(len, outer))))
        windows = [
            [window(axis, shape.layer.transposed, each) for each in own]
            for axis, own in zip(shape.layer.axes, outer, strict=False)
        ]
        deep = prod(max(map(len, own), default=0) for own in windows)
        places = list(self._places(wanted, deep))
        ranges = product(
            *(list(zip(own, their, strict=True)) for own, their in zip(outer, windows, strict=True)), places
        )
        return tuple(self._piece(choice) for choice in ranges)

    def _outer(self, wanted: int) -> Iterator[list[range]]:
        """For each axis before the last, ranges of outputs; those behind one of several are whole."""
        layer, whole = self.shape.layer, False
        for number, axis in enumerate(layer.axes[:-1]):
            outputs, inputs = layer.output_size[number], layer.input_size[number]
            fits = self._fits(prod(layer.input_size[number + 1 : -1]) * self._whole_row)
            halo = len(window(axis, layer.transposed, range(outputs // 2, outputs // 2 + 1)))
            needed = 1 if fits >= inputs else -(-inputs // (fits - halo + 1)) if fits > halo else outputs
            # pieces have as many rows that meet the same taps as a tile
            least = self.shape.tile.rows * self._apart(axis) if number == layer.rank - 2 else 1
            count = 1 if whole else max(1, min(outputs, max(min(wanted, outputs // least), needed)))
            yield list(cuts(outputs, count))
            wanted = -(-wanted // count)
            whole = whole or count < outputs

    @property
    def _whole_row(self) -> int:
        """Elements of a packed row that is not cut, and of the zeros behind it."""
        shape, (low, high) = self.shape, self.shifts
        left, places = (-(-count // shape.lanes) * shape.lanes for count in (max(0, -low), shape.places))
        needed = max(places + high, shape.layer.input_size[-1] + left)
        return -(-needed // shape.lanes) * shape.lanes

    def _apart(self, axis: Axis) -> int:
        """Outputs from one to the next that meets the same taps."""
        return axis.stride if self.shape.layer.transposed else 1

    def _places(self, wanted: int, deep: int) -> Iterator[tuple[range, range]]:
        """Ranges of places, with the inputs that they need; ``deep`` rows are packed for each."""
        shape = self.shape
        least = SMALLEST * shape.lanes
        needed = -(-shape.places // max(least, self._fits(deep)))
        low, high = self.shifts
        for places in cuts(shape.places, max(1, needed, min(wanted, shape.places // least))):
            first, last = (
                min(max(end, 0), shape.layer.input_size[-1]) for end in (places.start + low, places.stop + high)
            )
            yield places, range(first, max(first, last))

    def _fits(self, elements: int) -> int:
        """How often so many inputs of all channels of a group fit the cache, where they are packed or have one axis."""
        shape = self.shape
        if not shape.packs and shape.layer.rank > 1:
            return CACHED
        # those that are packed are there twice, as they were given, too
        return CACHED * (self.scale if shape.packs else 2) // max(1, elements * shape.group_inputs * shape.item)

    def _piece(self, choice: tuple[tuple[range, range], ...]) -> Piece:
        first, last = 0, 0
        for size, (outputs, _) in zip(self.shape.layer.output_size, choice[:-1], strict=False):
            first, last = first * size + outputs.start, last * size + outputs.stop - 1
        return Piece(range(first, last + 1), choice[-1][0], tuple(inputs for _, inputs in choice))

    @cached_property
    def shifts(self) -> tuple[int, int]:
        """The least and the greatest shift of a tap."""
        met = [each.shift + shift for each in self.shape.passes for phase in each.shifts for shift in phase]
        return min(met, default=0), max(met, default=0)

    @cached_property
    def left(self) -> int:
        """Zeros before the first packed row, and at least so many between two: whole vectors."""
        lanes, least = self.shape.lanes, self.shifts[0]
        missing = (each.inputs[-1].start - each.places.start - least for each in self.all)
        return -(-max([0, *missing]) // lanes) * lanes

    @cached_property
    def length(self) -> int:
        """Elements of a packed row and of the zeros behind it, which are also those before the next."""
        lanes, most = self.shape.lanes, self.shifts[1]
        needed = [0]
        for each in self.all:
            read = each.places.start + -(-len(each.places) // lanes) * lanes + most - each.inputs[-1].start
            needed += [read, len(each.inputs[-1]) + self.left]
        return -(-max(needed) // lanes) * lanes

    @cached_property
    def strides(self) -> Strides:
        """Bytes between neighbouring inputs where the code reads them."""
        shape = self.shape
        size, item = shape.layer.input_size, shape.item
        if not shape.packs:
            return Strides.packed(size, item)
        rows = max((len(each.inputs[-2]) for each in self.all), default=0) if len(size) > 1 else 1
        return Strides(0, (rows * self._row, self._row, item)[-len(size) :])

    @property
    def _row(self) -> int:
        """Bytes of a packed row of all channels, and a cache line: rows one behind the other do not share its place."""
        return self.length * self.shape.group_inputs * self.shape.item + ALIGNMENT

    @property
    def scratch(self) -> int:
        """Bytes of the packed inputs of any piece."""
        outer = self.strides.axes[:-1]
        if not self.shape.packs:
            return HEADER
        most = max((len(each.inputs[0]) for each in self.all), default=0) if outer else 1
        size = self.left * self.shape.item + most * (outer[0] if outer else self._row)
        return -(-(HEADER + size) // ALIGNMENT) * ALIGNMENT


def cuts(size: int, count: int) -> Iterator[range]:
    """A size in ranges that differ by one at most."""
    for number in range(count):
        yield range(number * size // count, (number + 1) * size // count)


def window(axis: Axis, transposed: bool, outputs: range) -> range:
    """The least range of inputs that a range of outputs needs."""
    if transposed:
        return axis.small_window(outputs.start, outputs.stop)
    first = axis.stride * outputs.start - axis.before
    last = axis.stride * (outputs.stop - 1) + axis.span - axis.before
    begin = min(max(first, 0), axis.large)
    return range(begin, max(begin, min(last, axis.large)))
