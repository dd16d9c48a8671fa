"""Weights into the order in which the product kernels read them, from an array in any strides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import partial

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


def emit(dtype: str, width: int, lanes: int) -> ir.Module:
    """The module whose ``task`` packs one block of ``width`` columns."""
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
    target = c.add(field(Packing.TARGET), c.mul(index, c.mul(taps, c.mul(inputs, block.row))))
    offsets = field(Packing.TAPS)
    whole = c.builder.icmp_signed("==", count, c.constant(width))
    beside = c.builder.icmp_signed("==", block.step, c.constant(item))
    squares = c.builder.select(c.builder.and_(whole, beside), c.builder.and_(inputs, c.constant(-lanes)), c.constant(0))

    def walk(start: Number, stop: ir.Value, step: int, pack: Callable[[ir.Value, ir.Value], None]) -> None:
        """Pack so many channels at a time, each with all its taps."""
        with c.loop(stop, start=start, step=step) as channel:
            at = c.mul(channel.index, block.step)
            with c.loop(taps, [c.add(target, c.mul(channel.index, block.row))]) as tap:
                pack(c.add(at, c.load(c.add(offsets, c.mul(tap.index, WORD)))), tap.values[0])
                tap.next = [c.add(tap.values[0], c.mul(inputs, block.row))]

    walk(0, squares, lanes, partial(_square, c, block))
    row, some = partial(_row, c, block), partial(_some, c, block)
    c.either(whole, lambda: walk(squares, inputs, 1, row), lambda: walk(0, inputs, 1, some))
    c.done()
    return module


def _square(c: Code, block: Block, offset: ir.Value, target: ir.Value) -> None:
    """As many input channels, side by side in the source, as a vector has lanes."""
    lanes = block.kind.count
    for first in range(0, block.width, lanes):
        starts = (c.load(block.columns, INT, (first + column) * WORD) for column in range(lanes))
        columns = [c.load(c.add(block.source, offset, start), block.kind) for start in starts]
        for channel, row in enumerate(transposed(c, columns)):
            c.store(row, target, channel * block.row + first * block.item)


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
