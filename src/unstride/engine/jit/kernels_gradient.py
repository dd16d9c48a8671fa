"""The gradient of the weights: a matrix product summed over positions, one for each tap.

Tap ``t`` joins small channel ``s`` and large channel ``l`` by ``Σ small[k][s] · large[k + t][l]`` over batch and
positions ``k``. A tile holds ``P`` rows × ``V`` vectors of those sums in registers: rows are the channels of one side,
lanes those of the other. Which positions meet is a table of pairs (small, large), so that a tile knows nothing of
axes, strides or borders. Where the large side's channels are few, its taps along the last axis lie side by side in
memory and count as channels.

A depthwise layer has its channels in the lanes of both sides, and its taps as rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import partial

from llvmlite import ir

from .emit import FLOATS, INT, Code
from .records import WORD, size
from .target import Target
from .transpose import emit_pack

INDEX = ir.IntType(32)
PAIR = 8
"""bytes of a pair of positions"""
LATENCY = 8
"""multiply-adds that must be under way at once to keep the units busy"""


class Call(IntEnum):
    """One call: addresses."""

    PLAN = 0
    SMALL = 1
    LARGE = 2
    GRADIENT = 3
    SCRATCH = 4


class Plan(IntEnum):
    """What all calls share: addresses of tables, offsets in a worker's scratch, strides in bytes."""

    TASKS = 0
    CHUNKS = 1
    PARTS = 2
    PAIRS = 3
    SCRATCH = 4
    """bytes of one worker's scratch"""
    SMALL_TILE = 5
    LARGE_TILE = 6
    SMALL_PANELS = 7
    LARGE_PANELS = 8
    SMALL_FIRST = 9
    """whether the small side's array is channels first, and is packed through its tile"""
    LARGE_FIRST = 10
    SMALL_ROW = 11
    """bytes from position to position of a channels-last array"""
    LARGE_ROW = 12
    SMALL_CHANNEL = 13
    """bytes from channel to channel of a channels-first array"""
    LARGE_CHANNEL = 14
    SMALL_IMAGE = 15
    LARGE_IMAGE = 16
    LARGE_LEADS = 17
    """per axis before the one that is cut, two fields"""
    PANELS = 19
    """whether the small side's positions are gathered in panels"""
    GRADIENT_ROW = 20
    DILATION = 21
    """along the last axis"""


class Task(IntEnum):
    """A range of chunks, and a range of channels of each side."""

    FIRST = 0
    LAST = 1
    SMALL = 2
    """bytes before its small channels"""
    SMALL_COUNT = 3
    LARGE = 4
    LARGE_COUNT = 5
    GRADIENT = 6
    FRESH = 7
    """whether its first chunk meets every tap, and so may write where later ones add"""


class Chunk(IntEnum):
    """A block of small positions, and the window of large ones that they meet."""

    SMALL = 0
    """bytes before it"""
    LARGE = 1
    IMAGES = 2
    POSITIONS = 3
    """small positions of an image"""
    LEADS = 4
    """large indices on each of two axes before the one that is cut, two fields"""
    WINDOW = 6
    """large positions from there on: side by side in a channels-first array"""
    FIRST = 7
    """its parts"""
    LAST = 8


class Part(IntEnum):
    """A tap, or taps side by side, with the positions of a chunk at which they meet the large side."""

    PAIRS = 0
    """bytes before its table"""
    COUNT = 1
    SMALL = 2
    """positions before its first"""
    LARGE = 3
    GRADIENT = 4
    """bytes before its sums"""
    TAPS = 5
    WHOLE = 6
    """whether no part before it wrote to its sums, and it writes all of them"""


@dataclass(frozen=True, slots=True)
class Form:
    """What the code depends on."""

    dtype: str
    rows: int
    vectors: int
    small_lanes: bool
    """lanes are small channels and rows large ones, rather than the other way"""
    gathered: bool = False
    """a part's large positions are gathered in panels before its tiles"""
    lanewise: bool = False
    """lanes are channels of both sides, and rows taps"""

    @property
    def key(self) -> str:
        """Tells its code from any other's."""
        return f"gradient {self}"

    @property
    def item(self) -> int:
        """Bytes of an element."""
        return 8 if self.dtype == "float64" else 4


def emit(form: Form, target: Target) -> ir.Module:
    """The module with the ``task``."""
    module = ir.Module("gradient")
    kind = ir.VectorType(FLOATS[form.dtype], target.lanes(form.item))
    tiles = {rows: _tile(module, form, kind, target, rows) for rows in range(1, form.rows + 1)}
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

    def body(masked: bool) -> None:
        lanes = kind.count
        masks = [c.within(0, high, v * lanes, lanes) if masked else None for v in range(form.vectors)]
        values = _sums(c, form, kind, rows, sets, masks)

        def write(add: bool) -> None:
            for p in range(rows):
                at = c.add(sums, c.mul(row, p)) if p else sums
                for v, mask in enumerate(masks):
                    value = values[p * form.vectors + v]
                    _put(c, value, c.add(at, v * lanes * form.item), mask, add)

        c.either(c.builder.icmp_signed("!=", fresh, c.constant(0)), partial(write, add=False), partial(write, add=True))

    c.either(c.less(high, form.vectors * kind.count), partial(body, masked=True), partial(body, masked=False))
    return c.done()


def _put(c: Code, value: ir.Value, at: ir.Value, mask: ir.Value | None, add: bool) -> None:
    kind = value.type
    if add:
        value = c.builder.fadd(value, c.load(at, kind) if mask is None else c.masked_load(at, mask, kind))
    if mask is None:
        c.store(value, at)
    else:
        c.masked_store(value, at, mask)


def _sums(
    c: Code, form: Form, kind: ir.VectorType, rows: int, sets: int, masks: list[ir.Value | None]
) -> list[ir.Value]:
    """The sums over a part's positions, ``sets`` of them side by side."""
    pairs, count, small, small_row, large, large_row, step, *_ = c.arguments
    width = form.vectors * rows
    panel = (form.rows if form.small_lanes else form.vectors * kind.count) * form.item

    def at(pair: ir.Value, panel_at: ir.Value, turn: int) -> tuple[ir.Value, ir.Value]:
        here = c.add(small, c.mul(_index(c, pair, turn * PAIR), small_row))
        if form.gathered:
            return here, c.add(panel_at, turn * panel)
        return here, c.add(large, c.mul(_index(c, pair, turn * PAIR + 4), large_row))

    def turn(loop_values: list[ir.Value], turns: int) -> list[ir.Value]:
        pair, panel_at, *values = loop_values
        for number in range(turns):
            here = at(pair, panel_at, number)
            held = slice(number * width, (number + 1) * width)
            values[held] = _products(c, form, kind, rows, *here, step, masks, values[held])
        return [c.add(pair, turns * PAIR), c.add(panel_at, turns * panel), *values]

    zeros = [ir.Constant(kind, None)] * (sets * width)
    whole = c.mul(c.div(count, sets), sets)
    with c.loop(whole, [pairs, large, *zeros], step=sets) as loop:
        loop.next = turn(loop.values, sets)
    carried = loop.values
    if sets > 1:
        with c.loop(count, carried, whole) as rest:
            rest.next = turn(rest.values, 1)
        carried = rest.values
    values = carried[2:]
    found = values[:width]
    for number in range(1, sets):
        found = [c.builder.fadd(a, b) for a, b in zip(found, values[number * width :], strict=False)]
    return found


def _index(c: Code, pair: ir.Value, offset: int) -> ir.Value:
    return c.builder.sext(c.load(pair, INDEX, offset), INT)


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
    if form.gathered and not form.small_lanes:
        masks = [None] * form.vectors  # panels hold whole vectors

    def vectors(address: ir.Value) -> list[ir.Value]:
        places = [c.add(address, v * span) for v in range(form.vectors)]
        return [c.load(p, kind) if m is None else c.masked_load(p, m, kind) for p, m in zip(places, masks, strict=True)]

    if form.lanewise:
        factors, found = vectors(small), []
        for p in range(rows):
            met = vectors(c.add(large, c.mul(step, p)) if p else large)
            found += [c.fma(a, b, sums[p * form.vectors + v]) for v, (a, b) in enumerate(zip(met, factors, strict=True))]
        return found
    one, many = (large, small) if form.small_lanes else (small, large)
    factors, found = vectors(many), []
    for p in range(rows):
        value = c.splat(c.load(one, kind.element, p * form.item), kind)
        found += [c.fma(value, factor, sums[p * form.vectors + v]) for v, factor in enumerate(factors)]
    return found


def _gather(module: ir.Module, name: str, kind: ir.VectorType, width: int, item: int, *, paired: bool) -> ir.Function:
    """``gather(source, row, pairs, count, items, target)``: positions' elements in panels of ``width``.

    Each position is written as whole vectors: what is too much, the next position or panel overwrites.
    """
    c = Code(module, name, 6, internal=True)
    source, row, pairs, count, items, target = c.arguments
    lanes = kind.count
    with c.loop(items, [source, target], step=width) as block:
        origin, panel = block.values
        left = c.minimum(c.sub(items, block.index), width)
        masks = [c.within(0, left, v, lanes) for v in range(0, width, lanes)]

        def move(whole: bool, origin: ir.Value = origin, panel: ir.Value = panel) -> None:
            with c.loop(count, [panel]) as loop:
                number = _index(c, c.add(pairs, c.mul(loop.index, PAIR)), 4) if paired else loop.index
                here = c.add(origin, c.mul(number, row))
                for v, mask in enumerate(masks):
                    place = c.add(here, v * lanes * item)
                    value = c.load(place, kind) if whole else c.masked_load(place, mask, kind)
                    c.store(value, loop.values[0], v * lanes * item)
                loop.next = [c.add(loop.values[0], width * item)]

        if width % lanes:
            move(whole=False)
        else:
            c.either(c.less(left, width), partial(move, whole=False), partial(move, whole=True))
        block.next = [c.add(origin, width * item), c.add(panel, c.mul(count, width * item))]
    return c.done()


def _blocks(module: ir.Module, form: Form, kind: ir.VectorType, tiles: dict[int, ir.Function]) -> ir.Function:
    """``blocks(pairs, count, small, small_row, small_block, large, large_row, large_block, step, sums, row, rows,
    columns, fresh)``: all tiles of a part.
    """
    c = Code(module, "blocks", 14, internal=True)
    (pairs, count, small, small_row, small_block, large, large_row, large_block, step, sums, row, rows, columns, fresh) = (
        c.arguments
    )
    width = form.vectors * kind.count
    many_block, one_block = (small_block, large_block) if form.small_lanes else (large_block, small_block)
    if form.lanewise:
        one_block = c.mul(step, form.rows)
    many, one = (small, large) if form.small_lanes else (large, small)
    whole = c.div(rows, form.rows)
    rest = c.sub(rows, c.mul(whole, form.rows))

    with c.loop(columns, [many, sums], step=width) as block:
        at, to = block.values
        high = c.sub(columns, block.index)
        beside = c.add(large, c.mul(c.div(block.index, width), large_block)) if form.lanewise else one

        def tile(function: ir.Function, row_at: ir.Value, put: ir.Value, at: ir.Value = at, high: ir.Value = high) -> None:
            s, l = (at, row_at) if form.small_lanes else (row_at, at)  # noqa: E741 - small and large
            c.call(function, pairs, count, s, small_row, l, large_row, step, put, row, high, fresh)

        with c.loop(whole, [beside, to]) as loop:
            row_at, put = loop.values
            tile(tiles[form.rows], row_at, put)
            loop.next = [c.add(row_at, one_block), c.add(put, c.mul(row, form.rows))]
        row_at, put = loop.values
        cases = {size: partial(tile, function, row_at, put) for size, function in tiles.items() if size < form.rows}
        c.choose(rest, {0: lambda: None, **cases})
        block.next = [c.add(at, many_block), c.add(to, width * form.item)]
    return c.done()


class _Reader:
    """Fields of records, loaded where they are asked for."""

    def __init__(self, c: Code, address: ir.Value) -> None:
        self.c, self.address = c, address

    def __getitem__(self, field: int) -> ir.Value:
        return self.c.load(self.address, INT, field * WORD)


def _task(module: ir.Module, form: Form, kind: ir.VectorType, blocks: ir.Function) -> None:
    """One task: all parts of its chunks, for its channels."""
    part = _part(module, form, kind, blocks)
    pack = emit_pack(module, kind)
    lanes = form.vectors * kind.count
    width = lanes if form.small_lanes or form.lanewise else form.rows
    gather = _gather(module, "gather", kind, width, form.item, paired=False)
    enter_small, enter_large = _enter_small(module, form, pack, gather), _enter_large(module, form, pack)
    c = Code(module, "task", 3)
    call = _Reader(c, c.arguments[0])
    plan = _Reader(c, call[Call.PLAN])
    task = _Reader(c, c.add(plan[Plan.TASKS], c.mul(c.arguments[1], size(Task))))
    scratch = c.add(call[Call.SCRATCH], c.mul(c.arguments[2], plan[Plan.SCRATCH]))
    first = task[Task.FIRST]
    with c.loop(task[Task.LAST], start=first) as loop:
        chunk = _Reader(c, c.add(plan[Plan.CHUNKS], c.mul(loop.index, size(Chunk))))
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


def _enter_small(module: ir.Module, form: Form, pack: ir.Function, gather: ir.Function) -> ir.Function:
    """A chunk's small side: its channels side by side, then in panels."""
    c = Code(module, "small", 5, internal=True)
    call, plan, task, chunk = (_Reader(c, address) for address in c.arguments[:4])
    scratch = c.arguments[4]
    source = c.add(call[Call.SMALL], task[Task.SMALL], chunk[Chunk.SMALL])
    count, positions, images = task[Task.SMALL_COUNT], chunk[Chunk.POSITIONS], chunk[Chunk.IMAGES]
    tile, panels = c.add(scratch, plan[Plan.SMALL_TILE]), c.add(scratch, plan[Plan.SMALL_PANELS])
    row = c.mul(count, form.item)

    def gathered(source: ir.Value, row: ir.Value) -> None:
        with c.builder.if_then(_true(c, plan[Plan.PANELS])):
            c.call(gather, source, row, 0, c.mul(images, positions), count, panels)

    def packed() -> None:
        with c.loop(images, [source, tile]) as loop:
            at, to = loop.values
            c.call(pack, at, to, positions, count, plan[Plan.SMALL_CHANNEL])
            loop.next = [c.add(at, plan[Plan.SMALL_IMAGE]), c.add(to, c.mul(positions, row))]
        gathered(tile, row)

    c.either(_true(c, plan[Plan.SMALL_FIRST]), packed, lambda: gathered(source, plan[Plan.SMALL_ROW]))
    return c.done()


def _enter_large(module: ir.Module, form: Form, pack: ir.Function) -> ir.Function:
    """A chunk's window of the large side, its channels side by side."""
    c = Code(module, "large", 5, internal=True)
    call, plan, task, chunk = (_Reader(c, address) for address in c.arguments[:4])
    window, count = chunk[Chunk.WINDOW], task[Task.LARGE_COUNT]
    row = c.mul(c.mul(window, count), form.item)
    source = c.add(call[Call.LARGE], task[Task.LARGE], chunk[Chunk.LARGE])
    counts = [chunk[Chunk.IMAGES], chunk[Chunk.LEADS], chunk[Chunk.LEADS + 1]]
    steps = [plan[Plan.LARGE_IMAGE], plan[Plan.LARGE_LEADS], plan[Plan.LARGE_LEADS + 1]]

    def walk(axis: int, at: ir.Value, to: ir.Value) -> ir.Value:
        if axis == len(counts):
            c.call(pack, at, to, window, count, plan[Plan.LARGE_CHANNEL])
            return c.add(to, row)
        with c.loop(counts[axis], [at, to]) as loop:
            here, there = loop.values
            loop.next = [c.add(here, steps[axis]), walk(axis + 1, here, there)]
        return loop.values[1]

    with c.builder.if_then(_true(c, plan[Plan.LARGE_FIRST])):
        walk(0, source, c.add(c.arguments[4], plan[Plan.LARGE_TILE]))
    return c.done()


def _part(module: ir.Module, form: Form, kind: ir.VectorType, blocks: ir.Function) -> ir.Function:
    """``part(call, plan, task, chunk, scratch, part, fresh)``: gather its large positions, then all its tiles."""
    lanes, item = form.vectors * kind.count, form.item
    small_width, large_width = (lanes, form.rows) if form.small_lanes else (form.rows, lanes)
    if form.lanewise:
        small_width = large_width = lanes
    gather = _gather(module, "gather_pairs", kind, large_width, item, paired=True) if form.gathered else None
    c = Code(module, "part", 7, internal=True)
    call, plan, task, chunk, _, part = (_Reader(c, address) for address in c.arguments[:6])
    scratch, fresh = c.arguments[4], c.builder.and_(c.arguments[6], part[Part.WHOLE])
    pairs, count = c.add(plan[Plan.PAIRS], part[Part.PAIRS]), part[Part.COUNT]
    smalls, larges = task[Task.SMALL_COUNT], task[Task.LARGE_COUNT]
    in_panels, packed, large_packed = (_true(c, plan[f]) for f in (Plan.PANELS, Plan.SMALL_FIRST, Plan.LARGE_FIRST))
    select = c.builder.select
    panel_bytes = c.mul(c.mul(chunk[Chunk.IMAGES], chunk[Chunk.POSITIONS]), small_width * item)
    tile = c.add(scratch, plan[Plan.SMALL_TILE])
    small = select(packed, tile, c.add(call[Call.SMALL], task[Task.SMALL], chunk[Chunk.SMALL]))
    small = select(in_panels, c.add(scratch, plan[Plan.SMALL_PANELS]), small)
    small_row = select(packed, c.mul(smalls, item), plan[Plan.SMALL_ROW])
    small_row = select(in_panels, c.constant(small_width * item), small_row)
    small_block = select(in_panels, panel_bytes, c.constant(small_width * item))
    small = c.add(small, c.mul(part[Part.SMALL], small_row))
    large = c.add(call[Call.LARGE], task[Task.LARGE], chunk[Chunk.LARGE])
    large = select(large_packed, c.add(scratch, plan[Plan.LARGE_TILE]), large)
    large_row = select(large_packed, c.mul(larges, item), plan[Plan.LARGE_ROW])
    large = c.add(large, c.mul(part[Part.LARGE], large_row))
    large_block, step = c.constant(large_width * item), c.mul(plan[Plan.DILATION], large_row)
    taps = part[Part.TAPS]
    wide = c.mul(larges, taps)
    if gather:
        panels = c.add(scratch, plan[Plan.LARGE_PANELS])
        c.call(gather, large, large_row, pairs, count, wide, panels)
        large, large_block = panels, c.mul(count, large_width * item)
    rows, columns = (taps, smalls) if form.lanewise else (wide, smalls) if form.small_lanes else (smalls, wide)
    sums = c.add(call[Call.GRADIENT], task[Task.GRADIENT], part[Part.GRADIENT])
    sides = (small, small_row, small_block, large, large_row, large_block)
    c.call(blocks, pairs, count, *sides, step, sums, plan[Plan.GRADIENT_ROW], rows, columns, fresh)
    return c.done()


def _true(c: Code, value: ir.Value) -> ir.Value:
    return c.builder.icmp_signed("!=", value, c.constant(0))

