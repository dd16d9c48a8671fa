"""Weights into the order in which the product kernels read them, from an array in any strides."""

from __future__ import annotations

from enum import IntEnum

from llvmlite import ir

from .emit import FLOATS, INT, Code
from .records import WORD


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


def emit(dtype: str, width: int) -> ir.Module:
    """The module whose ``task`` packs one block of ``width`` columns."""
    module = ir.Module("weights")
    element, item = FLOATS[dtype], 8 if dtype == "float64" else 4
    c = Code(module, "task", 3)
    record, index, _ = c.arguments

    def field(number: int) -> ir.Value:
        return c.load(record, INT, number * WORD)

    blocks, inputs, taps = field(Packing.BLOCKS), field(Packing.INPUTS), field(Packing.TAP_COUNT)
    group, block = c.div(index, blocks), c.builder.urem(index, blocks)
    first = c.mul(block, width)
    columns = c.add(field(Packing.COLUMNS), c.mul(first, WORD))
    source = c.add(field(Packing.SOURCE), c.mul(group, field(Packing.GROUP_STEP)))
    row = width * item
    tap_bytes = c.mul(inputs, row)
    target = c.add(field(Packing.TARGET), c.mul(index, c.mul(taps, tap_bytes)))
    count = c.minimum(width, c.sub(field(Packing.COLUMN_COUNT), first))
    offsets, input_step = field(Packing.TAPS), field(Packing.INPUT_STEP)
    zero = ir.Constant(element, None)

    with c.loop(inputs) as channel:
        from_channel = c.add(source, c.mul(channel.index, input_step))
        to_channel = c.add(target, c.mul(channel.index, row))
        with c.loop(taps, [to_channel]) as tap:
            at, to = c.add(from_channel, c.load(c.add(offsets, c.mul(tap.index, WORD)))), tap.values[0]
            whole = c.builder.icmp_signed("==", count, c.constant(width))

            def copy_all(at: ir.Value = at, to: ir.Value = to) -> None:
                for column in range(width):
                    c.store(c.load(c.add(at, c.load(columns, INT, column * WORD)), element), to, column * item)

            def copy_some(at: ir.Value = at, to: ir.Value = to) -> None:
                with c.loop(count) as column:
                    offset = c.load(c.add(columns, c.mul(column.index, WORD)))
                    c.store(c.load(c.add(at, offset), element), c.add(to, c.mul(column.index, item)))
                with c.loop(width, start=count) as column:
                    c.store(zero, c.add(to, c.mul(column.index, item)))

            c.either(whole, copy_all, copy_some)
            tap.next = [c.add(to, tap_bytes)]
    c.done()
    return module
