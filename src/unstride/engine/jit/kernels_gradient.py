"""The gradient of the weights: a matrix product summed over positions, one for each tap.

Tap ``t`` joins small channel ``s`` and large channel ``l`` by ``Σ small[k][s] · large[k + t][l]`` over batch and
positions ``k``. A tile holds ``P`` rows × ``V`` vectors of those sums in registers: rows are the channels of one side,
lanes those of the other. Which positions meet is a table of pairs (small, large), so that a tile knows nothing of
axes, strides or borders. Where the large side's channels are few, its taps along the last axis lie side by side in
memory and count as channels.

A depthwise layer has its channels in the lanes of both sides, and its taps as rows.
"""

from __future__ import annotations

from functools import partial

from . import ir
from .emit import FLOATS, INT, Code
from .gradient_records import PAIR, Call, Chunk, Part, Plan, Task
from .kernels_panels import (
    Form,
    Reader,
    emit_enter_large,
    emit_enter_small,
    emit_gather,
    index,
    panel_bytes,
    true,
)
from .records import size
from .target import Target
from .transpose import emit_interleave, emit_pack

UNROLL = 4
"""positions between two tests of their number"""
LATENCY = 12
"""multiply-adds that must be under way at once to keep the units busy"""


def emit(form: Form, target: Target) -> ir.Module:
    """The module with the ``task``."""
    module = ir.Module("gradient")
    kind = ir.VectorType(FLOATS[form.dtype], target.lanes(form.item))
    tiles = {rows: _tile(module, form, kind, target, rows) for rows in (*form.rests, form.rows)}
    blocks = _blocks(module, form, kind, tiles)
    _task(module, form, kind, blocks)
    return module


def _tile(module: ir.Module, form: Form, kind: ir.VectorType, target: Target, rows: int) -> ir.Function:
    """``tile(pairs, count, small, small_row, large, large_row, step, sums, row, high, fresh)``: a part's sums.

    ``step`` is how far a row's large element lies behind that of the row before, where it is not the next.
    """
    c = Code(module, f"tile{rows}", 11, internal=True)
    *_, sums, row, high, fresh = c.arguments
    free = (target.registers - 1 - form.vectors) // (rows * form.vectors)
    sets = max(1, min(free, -(-LATENCY // (rows * form.vectors))))
    firsts = range(0, form.vectors * kind.count, kind.count)
    masks = [c.within(0, high, first, kind.count) if form.masked else None for first in firsts]
    values = _sums(c, form, kind, rows, sets, masks)

    def write(add: bool) -> None:
        for p in range(rows):
            at = c.add(sums, c.mul(row, p)) if p else sums
            for v, first in enumerate(firsts):
                value = values[p * form.vectors + v]
                if add:
                    value = c.builder.fadd(value, c.load(at, kind, first * form.item))
                c.store(value, at, first * form.item)

    c.either(true(c, fresh), partial(write, add=False), partial(write, add=True))
    return c.done()


def _leave(module: ir.Module, form: Form, kind: ir.VectorType) -> ir.Function:
    """``leave(tile, sums, row, rows, columns, fresh)``: the columns that exist of a tile, to where they belong."""
    c = Code(module, "leave", 6, internal=True)
    tile, sums, row, rows, columns, fresh = c.arguments
    kept = true(c, fresh)
    firsts = range(0, form.vectors * kind.count, kind.count)
    masks = [c.within(0, columns, first, kind.count) for first in firsts]

    def write(at: ir.Value, to: ir.Value, mask: ir.Value | None = None) -> None:
        before = c.load(to, kind) if mask is None else c.masked_load(to, mask, kind)
        # a sum that is new may lie in memory never written
        before = c.builder.select(kept, ir.Constant(kind, None), before)
        value = c.builder.fadd(c.load(at, kind), before)
        c.store(value, to) if mask is None else c.masked_store(value, to, mask)

    with c.loop(rows, [tile, sums]) as each:
        source, target = each.values
        for first, mask in zip(firsts, masks, strict=True):
            whole = partial(write, c.add(source, first * form.item), c.add(target, first * form.item))
            part = partial(c.either, c.less(first, columns), partial(whole, mask))
            c.either(c.less(first + kind.count - 1, columns), whole, part)
        each.next = [c.add(source, form.vectors * kind.count * form.item), c.add(target, row)]
    return c.done()


def _sums(
    c: Code, form: Form, kind: ir.VectorType, rows: int, sets: int, masks: list[ir.Value | None]
) -> list[ir.Value]:
    """The sums over a part's positions, ``sets`` of them side by side."""
    pairs, count, small, small_row, large, large_row, step, *_ = c.arguments
    width = form.vectors * rows
    panel = (form.rows if form.small_lanes else form.vectors * kind.count) * form.item

    def at(pair: ir.Value, panel_at: ir.Value, turn: int) -> tuple[ir.Value, ir.Value]:
        here = c.add(small, c.mul(index(c, pair, turn * PAIR), small_row))
        if form.large == "part":
            return here, c.add(panel_at, turn * panel)
        return here, c.add(large, c.mul(index(c, pair, turn * PAIR + 4), large_row))

    def turn(loop_values: list[ir.Value], turns: int) -> list[ir.Value]:
        pair, panel_at, *values = loop_values
        for number in range(turns):
            here = at(pair, panel_at, number)
            first = number % sets * width
            held = slice(first, first + width)
            values[held] = _products(c, form, kind, rows, *here, step, masks, values[held])
        return [c.add(pair, turns * PAIR), c.add(panel_at, turns * panel), *values]

    zeros = [ir.Constant(kind, None)] * (sets * width)
    turns = sets * -(-UNROLL // sets)
    whole = c.mul(c.div(count, turns), turns)
    with c.loop(whole, [pairs, large, *zeros], step=turns) as loop:
        loop.next = turn(loop.values, turns)
    with c.loop(count, loop.values, whole) as rest:
        rest.next = turn(rest.values, 1)
    values = rest.values[2:]
    found = values[:width]
    for number in range(1, sets):
        found = [c.builder.fadd(a, b) for a, b in zip(found, values[number * width :], strict=False)]
    return found


def _products(
    c: Code,
    form: Form,
    kind: ir.VectorType,
    rows: int,
    small: ir.Value,
    large: ir.Value,
    step: ir.Value,
    masks: list[ir.Value | None],
    sums: list[ir.Value],
) -> list[ir.Value]:
    """The sums with one position's products added."""
    span = kind.count * form.item

    def vectors(address: ir.Value) -> list[ir.Value]:
        places = [c.add(address, v * span) for v in range(form.vectors)]
        return [c.load(p, kind) if m is None else c.masked_load(p, m, kind) for p, m in zip(places, masks, strict=True)]

    if form.lanewise:
        factors, found = vectors(small), []
        for p in range(rows):
            met = vectors(c.add(large, c.mul(step, p)) if p else large)
            found += [
                c.fma(a, b, sums[p * form.vectors + v]) for v, (a, b) in enumerate(zip(met, factors, strict=True))
            ]
        return found
    one, many = (large, small) if form.small_lanes else (small, large)
    factors, found = vectors(many), []
    for p in range(rows):
        value = c.splat(c.load(one, kind.element, p * form.item), kind)
        found += [c.fma(value, factor, sums[p * form.vectors + v]) for v, factor in enumerate(factors)]
    return found


def _blocks(module: ir.Module, form: Form, kind: ir.VectorType, tiles: dict[int, ir.Function]) -> ir.Function:
    """All tiles of a part; one whose columns do not all exist passes through ``edge``."""
    leave = _leave(module, form, kind)
    c = Code(module, "blocks", 15, internal=True)
    pairs, count, small, small_row, small_block, large, large_row, large_block, *rest = c.arguments
    step, sums, row, rows, columns, fresh, edge = rest
    width = form.vectors * kind.count
    many_block, one_block = (small_block, large_block) if form.small_lanes else (large_block, small_block)
    if form.lanewise:
        one_block = c.mul(step, form.rows)
    many, one = (small, large) if form.small_lanes else (large, small)
    whole = c.div(rows, form.rows)
    left = c.sub(rows, c.mul(whole, form.rows))
    span = width * form.item

    with c.loop(columns, [many, sums], step=width) as block:
        at, to = block.values
        high = c.sub(columns, block.index)
        beside = c.add(large, c.mul(c.div(block.index, width), large_block)) if form.lanewise else one

        def tile(number: int, row_at: ir.Value, put: ir.Value, at: ir.Value = at, high: ir.Value = high) -> None:
            sides = (at, small_row, row_at, large_row) if form.small_lanes else (row_at, small_row, at, large_row)

            def part() -> None:
                c.call(tiles[number], pairs, count, *sides, step, edge, span, high, 1)
                c.call(leave, edge, put, row, number, high, fresh)

            def whole() -> None:
                c.call(tiles[number], pairs, count, *sides, step, put, row, high, fresh)

            c.either(c.less(high, width), part, whole)

        with c.loop(whole, [beside, to]) as loop:
            row_at, put = loop.values
            tile(form.rows, row_at, put)
            loop.next = [c.add(row_at, one_block), c.add(put, c.mul(row, form.rows))]
        row_at, put = loop.values
        c.choose(left, {0: lambda: None, **{number: partial(tile, number, row_at, put) for number in form.rests}})
        block.next = [c.add(at, many_block), c.add(to, width * form.item)]
    return c.done()


def _task(module: ir.Module, form: Form, kind: ir.VectorType, blocks: ir.Function) -> None:
    """One task: all parts of its chunks, for its channels."""
    general = [] if all(form.few) else [emit_pack(module, kind)]
    packs = [emit_interleave(module, kind, few, form.item) if few else general[0] for few in form.few]
    gather = emit_gather(module, "gather_pairs", kind, form.widths(kind)[1], form.item, paired=True)
    part = _part(module, form, kind, blocks, gather)
    enter_small, enter_large = (
        emit_enter_small(module, form, kind, packs[0]),
        emit_enter_large(module, form, packs[1], gather),
    )
    c = Code(module, "task", 3)
    call = Reader(c, c.arguments[0])
    plan = Reader(c, call[Call.PLAN])
    task = Reader(c, c.add(plan[Plan.TASKS], c.mul(c.arguments[1], size(Task))))
    scratch = c.add(call[Call.SCRATCH], c.mul(c.arguments[2], plan[Plan.SCRATCH]))
    first = task[Task.FIRST]
    with c.loop(task[Task.LAST], start=first) as loop:
        chunk = Reader(c, c.add(plan[Plan.CHUNKS], c.mul(loop.index, size(Chunk))))
        given = (call.address, plan.address, task.address, chunk.address, scratch)
        c.call(enter_small, *given)
        c.call(enter_large, *given)
        begins = c.builder.zext(c.builder.icmp_signed("==", loop.index, first), INT)
        fresh = c.builder.and_(begins, task[Task.FRESH])
        with c.loop(chunk[Chunk.LAST], start=chunk[Chunk.FIRST]) as parts:
            at = c.add(plan[Plan.PARTS], c.mul(parts.index, size(Part)))
            c.call(part, *given, at, fresh)
            parts.next = []
        loop.next = []
    c.done()


def _part(module: ir.Module, form: Form, kind: ir.VectorType, blocks: ir.Function, gather: ir.Function) -> ir.Function:
    """``part(call, plan, task, chunk, scratch, part, fresh)``: all tiles of a part."""
    item, (small_width, large_width) = form.item, form.widths(kind)
    c = Code(module, "part", 7, internal=True)
    call, plan, task, chunk, _, part = (Reader(c, address) for address in c.arguments[:6])
    scratch, fresh = c.arguments[4], c.builder.and_(c.arguments[6], part[Part.WHOLE])
    pairs, count = c.add(plan[Plan.PAIRS], part[Part.PAIRS]), part[Part.COUNT]
    smalls, larges = task[Task.SMALL_COUNT], task[Task.LARGE_COUNT]
    in_panels, packed, large_packed = (true(c, plan[f]) for f in (Plan.PANELS, Plan.SMALL_FIRST, Plan.LARGE_FIRST))
    select = c.builder.select
    panel = panel_bytes(c, c.mul(chunk[Chunk.IMAGES], chunk[Chunk.POSITIONS]), small_width * item)
    tile = c.add(scratch, plan[Plan.SMALL_TILE])
    small = select(packed, tile, c.add(call[Call.SMALL], task[Task.SMALL], chunk[Chunk.SMALL]))
    small = select(in_panels, c.add(scratch, plan[Plan.SMALL_PANELS]), small)
    small_row = select(packed, c.mul(smalls, item), plan[Plan.SMALL_ROW])
    small_row = select(in_panels, c.constant(small_width * item), small_row)
    small_block = select(in_panels, panel, c.constant(small_width * item))
    small = c.add(small, c.mul(part[Part.SMALL], small_row))
    large = c.add(call[Call.LARGE], task[Task.LARGE], chunk[Chunk.LARGE])
    large = select(large_packed, c.add(scratch, plan[Plan.LARGE_TILE]), large)
    large_row = select(large_packed, c.mul(larges, item), plan[Plan.LARGE_ROW])
    large_block, panels = c.constant(large_width * item), c.add(scratch, plan[Plan.LARGE_PANELS])
    if form.large == "chunk":
        large, large_row = panels, c.constant(large_width * item)
        large_block = panel_bytes(c, chunk[Chunk.SLOT_COUNT], large_width * item)
    large, wide = c.add(large, c.mul(part[Part.LARGE], large_row)), c.mul(larges, part[Part.TAPS])
    if form.large == "part":
        c.call(gather, large, large_row, pairs, count, wide, panels)
        large, large_block = panels, panel_bytes(c, count, large_width * item)
    step = c.mul(plan[Plan.DILATION], large_row)
    rows, columns = (wide, smalls) if form.small_lanes else (smalls, wide)
    if form.lanewise:
        rows = part[Part.TAPS]
    sums = c.add(call[Call.GRADIENT], task[Task.GRADIENT], part[Part.GRADIENT])
    sides = (small, small_row, small_block, large, large_row, large_block)
    edge = c.add(scratch, plan[Plan.EDGE])
    c.call(blocks, pairs, count, *sides, step, sums, plan[Plan.GRADIENT_ROW], rows, columns, fresh, edge)
    return c.done()
