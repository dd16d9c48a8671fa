"""How ``kernels_rows`` cuts a layer: passes over a row's phases, and tiles of channels, phases and places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from ...geometry import Axis, Layer
from ..boxes import by_output
from .ends import End
from .memory import ALIGNMENT
from .rows_records import Form, Shifts
from .target import FEW_REGISTERS, Target
from .transpose import SHUFFLED

WIDEST = 8
"""vectors of inputs of a tile at one shift"""
PACKED_INPUTS, PACKED_PRODUCTS = 4, 16
"""input channels of a group, and products of each input, from which on packing them pays"""
PAGES = 192
"""input channels, each in its own page, up to which it never does along a single axis, if a vector is a cache line"""


@dataclass(frozen=True, slots=True)
class Pass:
    """Neighbouring phases of the last axis that one tile computes, with their taps."""

    first: int
    shift: int
    """the least of their taps' shifts"""
    shifts: Shifts
    taps: tuple[int, ...]
    """the taps in the order of the code: by shift, then by phase"""

    @property
    def tapped(self) -> int:
        """Phases that have taps."""
        return sum(1 for taps in self.shifts if taps)

    @classmethod
    def of(cls, first: int, phases: list[tuple[tuple[int, int], ...]]) -> Pass:
        """From each phase's pairs of shift and tap."""
        least = min((shift for pairs in phases for shift, _ in pairs), default=0)
        order = sorted((shift, number, tap) for number, pairs in enumerate(phases) for shift, tap in pairs)
        shifts = tuple(tuple(sorted(shift - least for shift, _ in pairs)) for pairs in phases)
        return cls(first, least, shifts, tuple(tap for _, _, tap in order))


def phases(axis: Axis, transposed: bool) -> dict[int, tuple[tuple[int, int], ...]]:
    """For each phase ``p`` that has taps their pairs ``(q, tap)``: output ``stride·m + p`` meets it at input ``m + q``.

    >>> phases(Axis(small=4, large=8, kernel=4, stride=2, before=1), transposed=True)
    {1: ((1, 0), (0, 2)), 0: ((0, 1), (-1, 3))}
    """
    if not transposed:
        return {0: tuple((axis.dilation * tap - axis.before, tap) for tap in range(axis.kernel))}
    return {
        phase.first: tuple((phase.start - offset, tap) for tap, offset in zip(phase.taps, phase.offsets, strict=True))
        for phase in axis.tapped_phases()
    }


def alike(layer: Layer) -> tuple[tuple[int, int], ...]:
    """Along the axis before the last: how many rows meet the same taps, and how many taps these are."""
    if layer.rank == 1:
        return ((1, 1),)
    strips = by_output(layer.axes[-2], layer.transposed)
    return tuple((len(strip.output), len(strip.taps)) for strip in strips if strip.taps)


def again(layer: Layer, rows: int) -> float:
    """How many products tiles of so many rows compute for each one that is wanted.

    >>> again(Layer((Axis(small=4, large=8, kernel=4, stride=2, before=1),) * 2, 8, 8), 2)
    1.4285714285714286
    """
    wanted = sum(count * taps for count, taps in alike(layer))
    return sum(-(-count // rows) * rows * taps for count, taps in alike(layer)) / wanted if wanted else 1.0


def free(registers: int) -> tuple[int, int]:
    """Registers for sums, inputs and weights; and the sums that there may be."""
    # where there are many, LLVM is free with some
    usable = registers - (4 if registers > FEW_REGISTERS else 0)
    return usable, usable - 4


@dataclass(frozen=True)
class Block:
    """Channels, phases, vectors and rows whose sums are in registers at once."""

    channels: int
    phases: int
    vectors: int
    rows: int = 1

    @property
    def inputs(self) -> int:
        """Vectors of inputs at one shift."""
        return self.vectors * self.rows

    def sums(self, phases: int) -> int:
        """Vectors of sums, of so many phases that have taps."""
        return self.channels * phases * self.inputs


@dataclass(frozen=True)
class Shape:
    """How a layer is cut into tiles."""

    layer: Layer
    batch: int
    dtype: str
    end: End
    target: Target
    last: bool = False
    """whether a position's channels lie side by side"""

    @property
    def beside(self) -> tuple[int, int]:
        """Input and output channels that lie between neighbours of a row."""
        return (self.layer.in_channels, self.layer.out_channels) if self.last else (1, 1)

    @property
    def item(self) -> int:
        return np.dtype(self.dtype).itemsize

    @property
    def lanes(self) -> int:
        return self.target.lanes(self.item)

    @property
    def stride(self) -> int:
        """Outputs from one place of a row to the next."""
        return self.layer.axes[-1].stride if self.layer.transposed else 1

    @property
    def row(self) -> int:
        """Outputs of a row."""
        return self.layer.output_size[-1]

    @property
    def places(self) -> int:
        """Places of a row."""
        return -(-self.row // self.stride)

    @property
    def group_inputs(self) -> int:
        return self.layer.in_channels // self.layer.groups

    @property
    def group_outputs(self) -> int:
        return self.layer.out_channels // self.layer.groups

    @property
    def outer_taps(self) -> int:
        """Taps of the axes before the last."""
        return prod(self.layer.kernel[:-1])

    @cached_property
    def tile(self) -> Block:
        """The tile of the least estimated cost."""
        tiles = list(self._tiles())
        passes = {together: self._passes(together) for together in {tile.phases for tile in tiles}}
        return min(tiles, key=lambda tile: self.cost(tile, passes[tile.phases]))

    def _tiles(self) -> Iterator[Block]:
        registers, most = free(self.target.registers)
        needed = max(1, -(-self.places // self.lanes))
        # fewer phases than there are lie in pieces, each within a vector
        some = {min(few, self.lanes) for few in (4, 6, 8)}
        whole = [self.stride] if self.stride <= most else []
        for together in whole + sorted(few for few in some if few < self.stride and not self.last):
            tapped = max((each.tapped for each in self._passes(together)), default=0)
            for channels in range(self.group_outputs if self.last else 1, min(self.group_outputs, registers) + 1):
                for vectors, rows in self._beside(needed):
                    tile = Block(channels, together, vectors, rows)
                    # beside the sums: the inputs at one shift, and one weight
                    if tile.sums(tapped) <= min(most, registers - tile.inputs - 1):
                        yield tile

    def _beside(self, needed: int) -> Iterator[tuple[int, int]]:
        """Vectors of a row, and rows, that meet the same weights: several rows where one tile has all of each."""
        most = max((count for count, _ in alike(self.layer)), default=0)
        yield from ((vectors, 1) for vectors in range(1, min(WIDEST, needed) + 1))
        yield from ((needed, rows) for rows in range(2, min(WIDEST // needed, most) + 1))

    def cost(self, tile: Block, passes: tuple[Pass, ...]) -> float:
        """Estimated half cycles for one row of one image and group: loads, multiply-adds, stores of all its tiles."""
        whole, left = divmod(self.row // self.stride, tile.vectors * self.lanes)
        left = -(-(left + (self.row % self.stride > 0)) // self.lanes)
        # what is left of a row takes one tile, or tiles of two vectors and of one
        widths = {tile.vectors: whole + (left == tile.vectors)}
        if left < tile.vectors:
            for width in (2, 1):
                widths[width] = widths.get(width, 0) + left // width
                left %= width
        blocks = -(-self.group_outputs // tile.channels)
        rows = again(self.layer, tile.rows) / tile.rows
        return rows * sum(
            blocks * count * self._tile_cost(Block(tile.channels, tile.phases, width, tile.rows), each)
            for each in passes
            for width, count in widths.items()
        )

    def _tile_cost(self, tile: Block, each: Pass) -> float:
        """Estimated half cycles of one tile of one pass."""
        rows = self.group_inputs * self.outer_taps / prod(self.stride_before)
        taps, met = len(each.taps) * tile.channels, len({q for phase in each.shifts for q in phase})
        # few sums wait for one another
        few = self.target.registers <= FEW_REGISTERS
        products = taps * tile.inputs * max(1.0, (8 if few else 11) / max(1, tile.sums(each.tapped)))
        # each block of channels reads the inputs anew
        step = 0.5 * tile.inputs + 2 if few else 0.2 * tile.inputs + 0.5
        work = max(products, 1.1 * (taps + met * tile.inputs)) + step
        pieces = 0 if len(each.shifts) == self.stride else 2 * tile.channels * tile.inputs * self.lanes
        return rows * work + 3 * tile.sums(len(each.shifts)) + pieces + 20

    @property
    def stride_before(self) -> tuple[int, ...]:
        """Strides of the axes before the last, of which an output meets one phase."""
        return self.layer.stride[:-1] if self.layer.transposed else (1,)

    @cached_property
    def passes(self) -> tuple[Pass, ...]:
        """The passes over a row."""
        return self._passes(self.tile.phases)

    def _passes(self, together: int) -> tuple[Pass, ...]:
        met = phases(self.layer.axes[-1], self.layer.transposed)
        firsts = range(0, min(self.stride, self.row), together)
        ends = (min(first + together, self.stride) for first in firsts)
        return tuple(
            Pass.of(first, [met.get(phase, ()) for phase in range(first, end)])
            for first, end in zip(firsts, ends, strict=True)
        )

    @cached_property
    def form(self) -> Form:
        """What its code depends on."""
        shapes = tuple(dict.fromkeys(each.shifts for each in self.passes))
        single = self.group_inputs == 1
        block = self.tile
        beside, few = (block.channels, self.group_inputs) if self.last else (0, 0)
        return Form(
            self.dtype,
            block.channels,
            block.vectors,
            block.rows,
            self.stride,
            shapes,
            single,
            self.packs,
            self.end,
            beside,
            few if few <= SHUFFLED else 0,
        )

    @property
    def packs(self) -> bool:
        """Whether inputs are packed: where channels lie between them, or they are read often and lie far apart."""
        if self.last:
            return True
        if self.layer.rank == 1 and self.target.vector_bytes == ALIGNMENT and self.group_inputs <= PAGES:
            return False
        products = (
            prod(self.layer.kernel) * self.group_outputs / (prod(self.layer.stride) if not self.layer.transposed else 1)
        )
        return self.group_inputs >= PACKED_INPUTS and products >= PACKED_PRODUCTS

    @property
    def blocks(self) -> int:
        """Blocks of output channels in a group."""
        return -(-self.group_outputs // self.tile.channels)

    def pass_bytes(self, each: Pass) -> int:
        """Bytes of a pass's weights for one tap of the axes before the last, and one block of channels."""
        return self.group_inputs * len(each.taps) * self.tile.channels * self.item

    @property
    def block_bytes(self) -> int:
        """Bytes of the weights of a block of channels."""
        return self.outer_taps * sum(map(self.pass_bytes, self.passes))
