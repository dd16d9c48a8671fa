"""Between channels-first arrays and a worker's tiles, in which the channels of a position lie side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import ir, storage
from .emit import INT, Code, Number
from .records import WORD, Call, Chunk, Column, Plan
from .storage import SIZES

if TYPE_CHECKING:
    from .kernels_product import Form

SHUFFLED = 4
"""channels up to which packing them is a shuffle"""


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


def emit_pack(module: ir.Module, kind: ir.Type, stored: str = "") -> ir.Function:
    """``pack(source, target, positions, channels, step)``: channels ``step`` bytes apart become neighbours."""
    c = Code(module, "pack", 5, internal=True)
    source, target, positions, channels, step = c.arguments
    lanes, item = kind.count, _item(kind)
    row, source_item = c.mul(channels, item), SIZES.get(stored, item)

    def places(at: ir.Value, first: ir.Value) -> tuple[ir.Value, ir.Value]:
        source_at = c.add(source, c.mul(first, step), c.mul(at, source_item))
        return source_at, c.add(target, c.mul(at, row), c.mul(first, item))

    def square(at: ir.Value, first: ir.Value) -> None:
        origin, to = places(at, first)
        rows = [storage.load(c, c.add(origin, c.mul(step, k)), kind, stored) for k in range(lanes)]
        for k, value in enumerate(transposed(c, rows)):
            c.store(value, c.add(to, c.mul(row, k)))

    def single(at: ir.Value, first: ir.Value) -> None:
        origin, to = places(at, first)
        c.store(storage.load(c, origin, kind.element, stored), to)

    def squares() -> None:
        with c.loop(channels, step=lanes) as block, c.loop(positions, step=lanes) as loop:
            square(_within(c, loop.index, lanes, positions), _within(c, block.index, lanes, channels))

    def singles(begin: Number = 0) -> None:
        with c.loop(positions, start=begin) as position, c.loop(channels) as channel:
            single(position.index, channel.index)

    def narrow() -> None:
        # whole vectors are written: what is too much lies in the next position, which is written later
        whole = c.builder.and_(c.sub(positions, lanes), c.constant(-lanes))
        with c.loop(whole, step=lanes) as loop:
            origin, to = places(loop.index, c.constant(0))
            starts = (c.add(origin, c.mul(step, c.minimum(c.sub(channels, 1), k))) for k in range(lanes))
            rows = [storage.load(c, start, kind, stored) for start in starts]
            for k, value in enumerate(transposed(c, rows)):
                c.store(value, c.add(to, c.mul(row, k)))
        singles(whole)

    c.either(c.less(positions, lanes), singles, lambda: c.either(c.less(channels, lanes), narrow, squares))
    return c.done()


def _within(c: Code, first: ir.Value, lanes: int, count: ir.Value) -> ir.Value:
    """Where a vector begins that is to hold ``first``: the last one reaches back, and does some again."""
    return c.minimum(first, c.sub(count, lanes))


def emit_interleave(module: ir.Module, kind: ir.Type, channels: int, item: int) -> ir.Function:
    """``pack`` of ``emit_pack`` for this number of channels, which all are to be packed."""
    known = module.globals.get(f"interleave{channels}")
    if known is not None:
        return known
    c = Code(module, f"interleave{channels}", 5, internal=True)
    source, target, positions, _, step = c.arguments
    lanes = kind.count
    starts = [c.add(source, c.mul(step, channel)) for channel in range(channels)]
    whole = c.builder.and_(positions, c.constant(-lanes))
    with c.loop(c.mul(whole, item), [target], step=lanes * item) as loop:
        rows = [c.load(c.add(start, loop.index), kind) for start in starts]
        for number in range(channels):
            wanted = [divmod(number * lanes + lane, channels) for lane in range(lanes)]
            value = c.picked(rows, [channel * lanes + position for position, channel in wanted])
            c.store(value, loop.values[0], number * lanes * item)
        loop.next = [c.add(loop.values[0], lanes * channels * item)]
    with c.loop(c.mul(positions, item), loop.values, c.mul(whole, item), item) as rest:
        for channel, start in enumerate(starts):
            c.store(c.load(c.add(start, rest.index), kind.element), rest.values[0], channel * item)
        rest.next = [c.add(rest.values[0], channels * item)]
    return c.done()


def emit_widen(module: ir.Module, kind: ir.Type, stored: str) -> ir.Function:
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


def emit_unpack(module: ir.Module, kind: ir.Type, form: Form) -> ir.Function:
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


def _emit_unpack_rows(module: ir.Module, kind: ir.Type, form: Form) -> ir.Function:
    """``unpack(tile, y, residual, bias, positions, columns, step)``: neighbours become channels, a step apart."""
    c = Code(module, "unpack", 7, internal=True)
    tile, y, residual, bias, positions, columns, step = c.arguments
    lanes, item = kind.count, _item(kind)
    row, stored = form.vectors * lanes * item, SIZES.get(form.end.stored or "", item)

    def write(value: ir.Value, at: ir.Value, column: ir.Value) -> None:
        here = c.add(c.mul(column, step), c.mul(at, stored))
        addend = c.splat(c.load(c.add(bias, c.mul(column, item)), kind.element), value.type) if form.end.bias else None
        form.end.store(c, value, c.add(y, here), c.add(residual, here), addend, None)

    def square(at: ir.Value, first: ir.Value) -> None:
        origin = c.add(tile, c.mul(at, row), c.mul(first, item))
        for k, value in enumerate(transposed(c, [c.load(origin, kind, k * row) for k in range(lanes)])):
            with c.builder.if_then(c.less(k, c.sub(columns, first))):
                write(value, at, c.add(first, k))

    def squares() -> None:
        with c.loop(columns, step=lanes) as block, c.loop(positions, step=lanes) as loop:
            square(_within(c, loop.index, lanes, positions), block.index)

    def singles() -> None:
        with c.loop(columns) as column, c.loop(positions) as position:
            origin = c.add(tile, c.mul(position.index, row), c.mul(column.index, item))
            write(c.load(origin, kind.element), position.index, column.index)

    c.either(c.less(lanes - 1, positions), squares, singles)
    return c.done()


def _item(kind: ir.Type) -> int:
    return 8 if isinstance(kind.element, ir.DoubleType) else 4
