"""Weights into the order in which the product kernels read them, from an array in any strides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from llvmlite import ir

from .emit import FLOATS, INT, Code, Number
from .records import WORD
from .transpose import transposed


class Packing(IntEnum):
    """What one packing of weights needs: addresses, strides in bytes, counts. A task is one block of columns."""

    SOURCE = 0
    TARGET = 1
    TAPS = 2
    """address of the taps' offsets in the source, in the order in which they are packed"""
    TAP_COUNT = 3
    INPUTS = 4
    """input channels that a column sums over"""
    INPUT_STEP = 5
    COLUMNS = 6
    """address of the columns' offsets in the source"""
    COLUMN_COUNT = 7
    """columns of a group"""
    GROUP_STEP = 8
    BLOCKS = 9
    """blocks of columns in a group"""
    PLACES = 10
    """address of where each tap is packed, in the order of the source"""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of columns in the making: addresses, steps in bytes."""

    width: int
    kind: ir.VectorType
    item: int
    source: ir.Value
    columns: ir.Value
    """address of its columns' offsets"""
    count: ir.Value
    """columns that exist"""
    step: ir.Value
    """between input channels in the source"""

    @property
    def row(self) -> int:
        """Bytes of one input channel's columns."""
        return self.width * self.item


Pack = Callable[[Code, Block, ir.Value, ir.Value], None]
"""writes rows of columns: from an offset in the source to an address"""


def emit(dtype: str, width: int, lanes: int, beside: str) -> ir.Module:
    """The module whose ``task`` packs one block of ``width`` columns.

    ``beside`` says what lies side by side in the source: ``inputs``, ``taps``, ``columns``, or nothing.
    """
    module = ir.Module("weights")
    kind, item = ir.VectorType(FLOATS[dtype], lanes), 8 if dtype == "float64" else 4
    c = Code(module, "task", 3)
    record, index, _ = c.arguments

    def field(number: int) -> ir.Value:
        return c.load(record, INT, number * WORD)

    blocks, inputs, taps = field(Packing.BLOCKS), field(Packing.INPUTS), field(Packing.TAP_COUNT)
    first = c.mul(c.builder.urem(index, blocks), width)
    source = c.add(field(Packing.SOURCE), c.mul(c.div(index, blocks), field(Packing.GROUP_STEP)))
    count = c.minimum(width, c.sub(field(Packing.COLUMN_COUNT), first))
    columns = c.add(field(Packing.COLUMNS), c.mul(first, WORD))
    block = Block(width, kind, item, source, columns, count, field(Packing.INPUT_STEP))
    step = c.mul(inputs, block.row)
    target, offsets = c.add(field(Packing.TARGET), c.mul(index, c.mul(taps, step))), field(Packing.TAPS)

    def by_tap(pack: Pack, start: Number, stop: Number, channels: int = 1) -> None:
        """Pack so many channels at a time, each with all its taps."""
        with c.loop(stop, start=start, step=channels) as channel:
            at = c.mul(channel.index, block.step)
            with c.loop(taps, [c.add(target, c.mul(channel.index, block.row))]) as tap:
                pack(c, block, c.add(at, c.load(c.add(offsets, c.mul(tap.index, WORD)))), tap.values[0])
                tap.next = [c.add(tap.values[0], step)]

    def whole() -> None:
        if beside == "taps":
            _by_taps(c, block, target, inputs, taps, offsets, field(Packing.PLACES))
        elif beside == "inputs":
            squares = c.builder.and_(inputs, c.constant(-lanes))
            by_tap(_square, 0, squares, lanes)
            by_tap(_row, squares, inputs)
        else:
            by_tap(_vectors if beside == "columns" else _row, 0, inputs)

    c.either(c.builder.icmp_signed("==", count, c.constant(width)), whole, lambda: by_tap(_some, 0, inputs))
    c.done()
    return module


def _by_taps(
    c: Code,
    block: Block,
    target: ir.Value,
    inputs: ir.Value,
    taps: ir.Value,
    offsets: ir.Value,
    places: ir.Value,
) -> None:
    """As many taps at a time as a vector has lanes; each goes to its place."""
    lanes = block.kind.count
    # where the source lies backwards, the tap of the lowest address is not the first one
    source = c.add(block.source, c.load(c.add(offsets, c.mul(c.load(places), WORD))))
    with c.loop(inputs) as channel, c.loop(taps, step=lanes) as tap:
        count = c.minimum(lanes, c.sub(taps, tap.index))
        mask = c.within(0, count, 0, lanes)
        offset = c.add(c.mul(channel.index, block.step), c.mul(tap.index, block.item))
        to = c.add(target, c.mul(channel.index, block.row))
        for first in range(0, block.width, lanes):
            starts = (c.load(block.columns, INT, (first + column) * WORD) for column in range(lanes))
            rows = [c.masked_load(c.add(source, offset, start), mask, block.kind) for start in starts]
            for number, row in enumerate(transposed(c, rows)):
                with c.builder.if_then(c.less(number, count)):
                    place = c.load(c.add(places, c.mul(tap.index, WORD)), INT, number * WORD)
                    c.store(row, c.add(to, c.mul(place, c.mul(inputs, block.row))), first * block.item)


def _square(c: Code, block: Block, offset: ir.Value, target: ir.Value) -> None:
    """As many input channels, side by side in the source, as a vector has lanes."""
    lanes = block.kind.count
    for first in range(0, block.width, lanes):
        starts = (c.load(block.columns, INT, (first + column) * WORD) for column in range(lanes))
        columns = [c.load(c.add(block.source, offset, start), block.kind) for start in starts]
        for channel, row in enumerate(transposed(c, columns)):
            c.store(row, target, channel * block.row + first * block.item)


def _vectors(c: Code, block: Block, offset: ir.Value, target: ir.Value) -> None:
    """One input channel's columns, which lie side by side in the source."""
    start = c.add(block.source, offset, c.load(block.columns))
    for first in range(0, block.width, block.kind.count):
        c.store(c.load(start, block.kind, first * block.item), target, first * block.item)


def _row(c: Code, block: Block, offset: ir.Value, target: ir.Value) -> None:
    """One input channel's columns, all of which exist."""
    for column in range(block.width):
        at = c.add(block.source, offset, c.load(block.columns, INT, column * WORD))
        c.store(c.load(at, block.kind.element), target, column * block.item)


def _some(c: Code, block: Block, offset: ir.Value, target: ir.Value) -> None:
    """One input channel's columns, and zeros where there is none."""
    element = block.kind.element
    with c.loop(block.count) as column:
        at = c.add(block.source, offset, c.load(c.add(block.columns, c.mul(column.index, WORD))))
        c.store(c.load(at, element), c.add(target, c.mul(column.index, block.item)))
    with c.loop(block.width, start=block.count) as column:
        c.store(ir.Constant(element, None), c.add(target, c.mul(column.index, block.item)))
