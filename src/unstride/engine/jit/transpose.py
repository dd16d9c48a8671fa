"""Between channels-first arrays and a worker's tiles, in which the channels of a position lie side by side."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from llvmlite import ir

from . import storage
from .emit import INT, Code
from .records import WORD, Call, Chunk, Column, Plan
from .storage import SIZES

if TYPE_CHECKING:
    from .kernels_product import Form


def transposed(c: Code, rows: list[ir.Value]) -> list[ir.Value]:
    """The square matrix of the rows, its columns as rows: halves exchanged at distances 1, 2, 4 and so on."""
    count, rows = len(rows), list(rows)
    distance = 1
    while distance < count:
        low = [lane + count - distance if lane & distance else lane for lane in range(count)]
        high = [lane + count if lane & distance else lane + distance for lane in range(count)]
        for first in range(count):
            if first & distance == 0:
                a, b = rows[first], rows[first + distance]
                rows[first], rows[first + distance] = c.shuffle(a, b, low), c.shuffle(a, b, high)
        distance *= 2
    return rows


def emit_pack(module: ir.Module, kind: ir.VectorType, stored: str = "") -> ir.Function:
    """``pack(source, target, positions, channels, step)``: channels ``step`` bytes apart become neighbours.

    Whole vectors are written: what goes beyond a position's last channel is overwritten by what is written later,
    at the end of the target by nothing.
    """
    c = Code(module, "pack", 5, internal=True)
    source, target, positions, channels, step = c.arguments
    lanes, item = kind.count, _item(kind)
    row, source_item = c.mul(channels, item), SIZES.get(stored, item)

    def square(at: ir.Value, first: ir.Value, width: ir.Value | None, height: ir.Value | None) -> None:
        """One square; where a width or height is given, only so many positions or channels exist."""
        mask = None if width is None else c.within(0, width, 0, lanes)
        origin = c.add(source, c.mul(first, step), c.mul(at, source_item))
        # the last channel again where there is none: a load of nothing that lies in no page takes hundreds of cycles
        numbers = [k if height is None else c.minimum(k, c.sub(height, 1)) for k in range(lanes)]
        rows = [storage.load(c, c.add(origin, c.mul(step, k)), kind, stored, mask) for k in numbers]
        to = c.add(target, c.mul(at, row), c.mul(first, item))
        for k, value in enumerate(transposed(c, rows)):
            if width is None:
                c.store(value, c.add(to, c.mul(row, k)))
            else:
                with c.builder.if_then(c.less(k, width)):
                    c.store(value, c.add(to, c.mul(row, k)))

    _squares(c, positions, channels, lanes, square)
    return c.done()


def emit_widen(module: ir.Module, kind: ir.VectorType, stored: str) -> ir.Function:
    """``pack(source, target, positions, channels, step)``: positions already side by side, as numbers."""
    c = Code(module, "pack", 5, internal=True)
    source, target, positions, channels, _ = c.arguments
    count, item, size = c.mul(positions, channels), _item(kind), SIZES[stored]
    whole = c.builder.and_(count, c.constant(-kind.count))

    def copy(at: ir.Value, unit: ir.Type, held: ir.Type) -> None:
        value = storage.widened(c, c.load(c.add(source, c.mul(at, size)), held), unit)
        c.store(value, c.add(target, c.mul(at, item)))

    single = ir.HalfType() if stored == "float16" else ir.IntType(16)
    with c.loop(whole, step=kind.count) as loop:
        copy(loop.index, kind, ir.VectorType(single, kind.count))
    with c.loop(count, start=whole) as loop:
        copy(loop.index, kind.element, single)
    return c.done()


def emit_unpack(module: ir.Module, kind: ir.VectorType, form: Form) -> ir.Function:
    """``unpack(call, plan, chunk, scratch, column)``: one block of columns of a chunk, finished, to its channels."""
    rows = _emit_unpack_rows(module, kind, form)
    c = Code(module, "leave", 5, internal=True)
    call, plan, chunk, scratch, column = c.arguments

    def field(record: ir.Value, number: int) -> ir.Value:
        return c.load(record, INT, number * WORD)

    offset = c.add(field(chunk, Chunk.Y), field(column, Column.Y))
    y, residual = c.add(field(call, Call.Y), offset), c.add(field(call, Call.RESIDUAL), offset)
    bias = c.add(field(call, Call.BIAS), field(column, Column.BIAS))
    tile = c.add(scratch, field(plan, Plan.Y_TILE))
    positions, image = field(chunk, Chunk.POSITIONS), field(plan, Plan.Y_IMAGE)
    size = c.mul(positions, form.vectors * kind.count * _item(kind))
    with c.loop(field(chunk, Chunk.IMAGES)) as loop:
        moved = c.mul(loop.index, image)
        source = c.add(tile, c.mul(loop.index, size))
        step, count = field(plan, Plan.Y_CHANNEL), field(column, Column.COUNT)
        c.call(rows, source, c.add(y, moved), c.add(residual, moved), bias, positions, count, step)
    return c.done()


def _emit_unpack_rows(module: ir.Module, kind: ir.VectorType, form: Form) -> ir.Function:
    """``unpack(tile, y, residual, bias, positions, columns, step)``: neighbours become channels, a step apart."""
    c = Code(module, "unpack", 7, internal=True)
    tile, y, residual, bias, positions, columns, step = c.arguments
    lanes, item = kind.count, _item(kind)
    row, stored = form.vectors * lanes * item, SIZES.get(form.end.stored or "", item)

    def square(at: ir.Value, first: ir.Value, width: ir.Value | None, height: ir.Value | None) -> None:
        mask = None if width is None else c.within(0, width, 0, lanes)
        origin = c.add(tile, c.mul(at, row), c.mul(first, item))
        values = transposed(c, [c.load(origin, kind, k * row) for k in range(lanes)])
        to = c.add(c.mul(first, step), c.mul(at, stored))

        def write(k: int) -> None:
            here = c.add(to, c.mul(step, k))
            addend = c.splat(c.load(c.add(bias, c.mul(first, item)), kind.element, k * item), kind)
            form.end.store(c, values[k], c.add(y, here), c.add(residual, here), addend, mask)

        for k in range(lanes):
            if height is None:
                write(k)
            else:
                with c.builder.if_then(c.less(k, height)):
                    write(k)

    _squares(c, positions, columns, lanes, square)
    return c.done()


Square = Callable[[ir.Value, ir.Value, ir.Value | None, ir.Value | None], None]


def _squares(c: Code, positions: ir.Value, channels: ir.Value, lanes: int, square: Square) -> None:
    """All squares of a matrix, the last channels first; at its edges the width and height that exist are given."""
    with c.loop(c.div(c.add(channels, lanes - 1), lanes)) as block:
        first = c.mul(c.sub(c.div(c.sub(channels, 1), lanes), block.index), lanes)
        height = c.minimum(lanes, c.sub(channels, first))
        with c.loop(positions, step=lanes) as loop:
            at = loop.index
            width = c.minimum(lanes, c.sub(positions, at))
            whole = c.builder.icmp_signed("==", c.builder.and_(width, height), c.constant(lanes))
            c.either(whole, partial(square, at, first, None, None), partial(square, at, first, width, height))


def _item(kind: ir.VectorType) -> int:
    return 8 if isinstance(kind.element, ir.DoubleType) else 4
