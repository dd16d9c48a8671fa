"""Weights into the order in which the product kernels read them, from an array in any strides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import partial

from . import ir
from .emit import FLOATS, INT, Code
from .records import WORD
from .transpose import transposed

AHEAD = 8
"""input channels that are asked for before they are needed: they may lie in other pages, which no CPU foresees"""


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
    step: ir.Value
    """between input channels in the source"""
    count: ir.Value
    """columns of its group from its first one on: fewer than its width, if it is the last"""

    @property
    def row(self) -> int:
        """Bytes of one input channel's columns."""
        return self.width * self.item


Pack = Callable[[Code, Block, ir.Value, ir.Value], None]
"""writes rows of columns: from an offset in the source to an address"""


def emit(dtype: str, width: int, lanes: int, beside: str) -> ir.Module:
    """The module whose ``block(record, index, target)`` packs a block of ``width`` columns, and ``task`` in its place.

    ``beside`` says what lies side by side in the source: ``inputs``, ``taps``, ``columns``, or nothing. For columns
    there is ``row`` as well, which packs those of one input channel for all blocks; of lone ones ``tap`` alone.
    """
    module = ir.Module("weights")
    kind, item = ir.VectorType(FLOATS[dtype], lanes), 8 if dtype == "float64" else 4
    if beside == "columns" and width == 1:
        return _whole_taps(module, kind, item)
    c = Code(module, "block", 3)
    record, index, target = c.arguments

    def field(number: int) -> ir.Value:
        return c.load(record, INT, number * WORD)

    blocks, inputs, taps = field(Packing.BLOCKS), field(Packing.INPUTS), field(Packing.TAP_COUNT)
    first = c.mul(c.builder.urem(index, blocks), width)
    left = c.sub(field(Packing.COLUMN_COUNT), first)
    source = c.add(field(Packing.SOURCE), c.mul(c.div(index, blocks), field(Packing.GROUP_STEP)))
    columns = c.add(field(Packing.COLUMNS), c.mul(first, WORD))
    block = Block(width, kind, item, source, columns, field(Packing.INPUT_STEP), left)
    step, offsets = c.mul(inputs, block.row), field(Packing.TAPS)

    def by_tap(pack: Pack, channels: int = 1) -> None:
        """Pack so many channels at a time, each with all its taps; the last ones reach back."""
        with c.loop(inputs, step=channels) as channel:
            first = c.minimum(channel.index, c.sub(inputs, channels))
            at = c.mul(first, block.step)
            with c.loop(taps, [c.add(target, c.mul(first, block.row))]) as tap:
                pack(c, block, c.add(at, c.load(c.add(offsets, c.mul(tap.index, WORD)))), tap.values[0])
                tap.next = [c.add(tap.values[0], step)]

    if beside == "taps":
        (_by_inputs if width == 1 else _by_taps)(c, block, target, inputs, taps, offsets, field(Packing.PLACES))
    elif beside == "inputs":
        c.either(c.less(lanes - 1, inputs), lambda: by_tap(_square, lanes), lambda: by_tap(_row))
    elif beside == "columns":
        c.either(c.less(width - 1, left), lambda: by_tap(_vectors), lambda: by_tap(_first))
    else:
        by_tap(_row)
    _task(module, c.done(), block.row)
    return _whole_rows(module, kind, width, item) if beside == "columns" else module


def _whole_rows(module: ir.Module, kind: ir.VectorType, width: int, item: int) -> ir.Module:
    """``row(record, index, worker)``: an input channel of a group, all its columns.

    In large weights each row of columns has a page of its own, and pages are slow to find: it is read once.
    """
    c = Code(module, "row", 3)
    record, index, _ = c.arguments

    def field(number: int) -> ir.Value:
        return c.load(record, INT, number * WORD)

    inputs, taps, blocks, count = map(field, (Packing.INPUTS, Packing.TAP_COUNT, Packing.BLOCKS, Packing.COLUMN_COUNT))
    group, channel, whole = c.div(index, inputs), c.builder.urem(index, inputs), c.div(count, width)
    source = c.add(field(Packing.SOURCE), c.mul(group, field(Packing.GROUP_STEP)))
    first = c.mul(channel, field(Packing.INPUT_STEP))
    row, left = width * item, c.sub(count, c.mul(whole, width))
    tap_step = c.mul(inputs, row)
    step = c.mul(taps, tap_step)
    target = c.add(field(Packing.TARGET), c.mul(c.mul(group, blocks), step), c.mul(channel, row))
    with c.loop(taps, [target]) as tap:
        at = c.add(first, c.load(c.add(field(Packing.TAPS), c.mul(tap.index, WORD))))
        with c.loop(whole, [tap.values[0], field(Packing.COLUMNS)]) as each:
            to, columns = each.values
            _vectors(c, Block(width, kind, item, source, columns, field(Packing.INPUT_STEP), c.constant(width)), at, to)
            each.next = [c.add(to, step), c.add(columns, width * WORD)]
        with c.builder.if_then(c.less(whole, blocks)):
            _first(c, Block(width, kind, item, source, columns, field(Packing.INPUT_STEP), left), at, to)
        tap.next = [c.add(tap.values[0], tap_step)]
    c.done()
    return module


def _whole_taps(module: ir.Module, kind: ir.VectorType, item: int) -> ir.Module:
    """``tap(record, index, worker)``: a tap of a group's lone columns, no more than a vector has lanes."""
    c, lanes = Code(module, "tap", 3), kind.count
    record, index, _ = c.arguments

    def field(number: int) -> ir.Value:
        return c.load(record, INT, number * WORD)

    inputs, taps, columns, step = map(
        field, (Packing.INPUTS, Packing.TAP_COUNT, Packing.COLUMN_COUNT, Packing.INPUT_STEP)
    )
    group, tap, row = c.div(index, taps), c.builder.urem(index, taps), c.mul(inputs, item)
    source = c.add(field(Packing.SOURCE), c.mul(group, field(Packing.GROUP_STEP)), c.load(field(Packing.COLUMNS)))
    source = c.add(source, c.load(c.add(field(Packing.TAPS), c.mul(tap, WORD))))
    apart = c.mul(taps, row)
    target = c.add(field(Packing.TARGET), c.mul(c.mul(group, columns), apart), c.mul(tap, row))
    mask = c.within(0, columns, 0, lanes)

    def square(first: ir.Value) -> None:
        starts = [c.add(source, c.mul(c.add(first, number), step)) for number in range(lanes)]
        rows = [c.masked_load(start, mask, kind) for start in starts]
        to = c.add(target, c.mul(first, item))
        for column, values in enumerate(transposed(c, rows)):
            write = partial(c.store, values, c.add(to, c.mul(apart, column)))
            c.either(c.less(column, columns), write)

    def squares() -> None:
        with c.loop(inputs, step=lanes) as loop:
            square(c.minimum(loop.index, c.sub(inputs, lanes)))

    def singles() -> None:
        with c.loop(inputs) as channel, c.loop(columns) as column:
            value = c.load(c.add(source, c.mul(channel.index, step), c.mul(column.index, item)), kind.element)
            c.store(value, c.add(target, c.mul(column.index, apart), c.mul(channel.index, item)))

    c.either(c.less(lanes - 1, inputs), squares, singles)
    c.done()
    return module


def _task(module: ir.Module, block: ir.Function, row: int) -> None:
    """``task(record, index, worker)``: a block at its place in the target."""
    c = Code(module, "task", 3)
    record, index, _ = c.arguments
    first, *sizes = (
        c.load(record, INT, number * WORD) for number in (Packing.TARGET, Packing.INPUTS, Packing.TAP_COUNT)
    )
    c.call(block, record, index, c.add(first, c.mul(c.mul(index, row), c.mul(*sizes))))
    c.done()


def _by_taps(
    c: Code,
    block: Block,
    target: ir.Value,
    inputs: ir.Value,
    taps: ir.Value,
    offsets: ir.Value,
    places: ir.Value,
) -> None:
    """As many taps at a time as a vector has lanes, the rest one by one; each goes to its place."""
    lanes, size = block.kind.count, block.item
    # where the source lies backwards, the tap of the lowest address is not the first one
    source = c.add(block.source, c.load(c.add(offsets, c.mul(c.load(places), WORD))))
    whole, step = c.builder.and_(taps, c.constant(-lanes)), c.mul(inputs, block.row)

    def row(tap: ir.Value, to: ir.Value) -> ir.Value:
        return c.add(to, c.mul(c.load(c.add(places, c.mul(tap, WORD))), step))

    with c.loop(block.width, step=lanes) as first:
        table = c.add(block.columns, c.mul(first.index, WORD))
        columns = [c.add(source, c.load(table, INT, number * WORD)) for number in range(lanes)]
        put = c.add(target, c.mul(first.index, size))
        with c.loop(inputs) as channel:
            at, to = c.mul(channel.index, block.step), c.add(put, c.mul(channel.index, block.row))
            ahead = c.mul(block.step, AHEAD)
            with c.loop(whole, step=lanes) as tap:
                starts = [c.add(column, at, c.mul(tap.index, size)) for column in columns]
                for start in starts:
                    c.prefetch(c.add(start, ahead))
                for number, values in enumerate(transposed(c, [c.load(start, block.kind) for start in starts])):
                    c.store(values, row(c.add(tap.index, number), to))
            starts = [c.add(column, at) for column in columns]
            for start in starts:
                c.prefetch(c.add(start, ahead, c.mul(whole, size)))
            with c.loop(taps, start=whole) as tap:
                offset, values = c.mul(tap.index, size), ir.Constant(block.kind, None)
                for number, start in enumerate(starts):
                    single = c.load(c.add(start, offset), block.kind.element)
                    values = c.builder.insert_element(values, single, number)
                c.store(values, row(tap.index, to))


def _by_inputs(
    c: Code,
    block: Block,
    target: ir.Value,
    inputs: ir.Value,
    taps: ir.Value,
    offsets: ir.Value,
    places: ir.Value,
) -> None:
    """A lone column: as many inputs and taps at a time as a vector has lanes; the last inputs reach back."""
    lanes, size = block.kind.count, block.item
    # where the source lies backwards, the tap of the lowest address is not the first one
    lowest = c.load(c.add(offsets, c.mul(c.load(places), WORD)))
    source, step = c.add(block.source, c.load(block.columns), lowest), c.mul(inputs, size)

    def put(tap: ir.Value, channel: ir.Value, value: ir.Value) -> None:
        place = c.load(c.add(places, c.mul(tap, WORD)))
        c.store(value, c.add(target, c.mul(channel, size), c.mul(place, step)))

    def single(tap: ir.Value) -> None:
        with c.loop(inputs) as channel:
            at = c.add(source, c.mul(channel.index, block.step), c.mul(tap, size))
            put(tap, channel.index, c.load(at, block.kind.element))

    def squares() -> None:
        whole = c.builder.and_(taps, c.constant(-lanes))
        with c.loop(inputs, step=lanes) as loop:
            first = c.minimum(loop.index, c.sub(inputs, lanes))
            starts = [c.add(source, c.mul(c.add(first, number), block.step)) for number in range(lanes)]
            with c.loop(whole, step=lanes) as tap:
                rows = [c.load(c.add(start, c.mul(tap.index, size)), block.kind) for start in starts]
                for number, values in enumerate(transposed(c, rows)):
                    put(c.add(tap.index, number), first, values)
        with c.loop(taps, start=whole) as tap:
            single(tap.index)

    def singles() -> None:
        with c.loop(taps) as tap:
            single(tap.index)

    c.either(c.less(lanes - 1, inputs), squares, singles)


def _square(c: Code, block: Block, offset: ir.Value, target: ir.Value) -> None:
    """As many input channels, side by side in the source, as a vector has lanes; zeros for vectors without columns."""
    lanes = block.kind.count

    def write(first: int, rows: Sequence[ir.Value]) -> None:
        for channel, row in enumerate(rows):
            c.store(row, target, channel * block.row + first * block.item)

    def square(first: int) -> None:
        starts = (c.load(block.columns, INT, (first + column) * WORD) for column in range(lanes))
        write(first, transposed(c, [c.load(c.add(block.source, offset, start), block.kind) for start in starts]))

    square(0)
    blank = [ir.Constant(block.kind, None)] * lanes
    for first in range(lanes, block.width, lanes):
        c.either(c.less(first, block.count), partial(square, first), partial(write, first, blank))


def _vectors(c: Code, block: Block, offset: ir.Value, target: ir.Value) -> None:
    """One input channel's columns, which lie side by side in the source."""
    start = c.add(block.source, offset, c.load(block.columns))
    for first in range(0, block.width, block.kind.count):
        c.store(c.load(start, block.kind, first * block.item), target, first * block.item)


def _first(c: Code, block: Block, offset: ir.Value, target: ir.Value) -> None:
    """The same of the first columns, where no more exist; zeros for the others."""
    start = c.add(block.source, offset, c.load(block.columns))
    for first in range(0, block.width, block.kind.count):
        mask = c.within(0, block.count, first, block.kind.count)
        value = c.masked_load(c.add(start, first * block.item), mask, block.kind)
        c.store(value, target, first * block.item)


def _row(c: Code, block: Block, offset: ir.Value, target: ir.Value) -> None:
    """One input channel's columns, one by one."""
    for column in range(block.width):
        at = c.add(block.source, offset, c.load(block.columns, INT, column * WORD))
        c.store(c.load(at, block.kind.element), target, column * block.item)
