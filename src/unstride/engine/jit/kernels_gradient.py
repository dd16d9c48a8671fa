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
from .memory import ALIGNMENT
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
    EDGE = 22
    """where in the scratch a tile lies whose columns do not all exist"""


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
    SLOTS = 9
    """bytes before the table of large positions in the order of their panels"""
    SLOT_COUNT = 10


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
    large: str = "direct"
    """where tiles read the large side: ``direct``, or in panels gathered for each ``chunk`` or each ``part``"""
    lanewise: bool = False
    """lanes are channels of both sides, and rows taps"""
    masked: bool = False
    """vectors may reach beyond what can be read"""
    rests: tuple[int, ...] = ()
    """rows of the tiles that have fewer"""
    few: tuple[int, int] = (0, 0)
    """channels of the small and of the large side, where they are so few that packing is a shuffle; else 0"""

    @property
    def key(self) -> str:
        """Tells its code from any other's."""
        return f"gradient {self}"

    @property
    def item(self) -> int:
        """Bytes of an element."""
        return 8 if self.dtype == "float64" else 4

    def widths(self, kind: ir.VectorType) -> tuple[int, int]:
        """Channels in a block of the small and of the large side."""
        lanes = self.vectors * kind.count
        if self.lanewise:
            return lanes, lanes
        return (lanes, self.rows) if self.small_lanes else (self.rows, lanes)


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

    c.either(_true(c, fresh), partial(write, add=False), partial(write, add=True))
    return c.done()


def _leave(module: ir.Module, form: Form, kind: ir.VectorType) -> ir.Function:
    """``leave(tile, sums, row, rows, columns, fresh)``: a tile of which only some columns exist, to where it belongs."""
    c = Code(module, "leave", 6, internal=True)
    tile, sums, row, rows, columns, fresh = c.arguments
    kept, element = _true(c, fresh), kind.element
    with c.loop(rows, [tile, sums]) as each:
        source, target = each.values
        with c.loop(c.mul(columns, form.item), step=form.item) as loop:
            value, to = c.load(c.add(source, loop.index), element), c.add(target, loop.index)
            # a sum that is new may lie in memory never written
            before = c.builder.select(kept, ir.Constant(element, 0.0), c.load(to, element))
            c.store(c.builder.fadd(value, before), to)
            loop.next = []
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
        here = c.add(small, c.mul(_index(c, pair, turn * PAIR), small_row))
        if form.large == "part":
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

    A block is read and written as whole vectors: what is too much belongs to the same position, and the next position
    overwrites it.
    """
    c = Code(module, name, 6, internal=True)
    source, row, pairs, count, items, target = c.arguments
    lanes = kind.count
    starts = range(0, width, lanes)
    whole = c.mul(c.div(c.maximum(c.sub(items, len(starts) * lanes - width), 0), width), width)
    panel = _panel(c, count, width * item)
    left = c.sub(items, whole)
    # in the last blocks a vector would reach beyond the items
    rests = [c.minimum(c.sub(left, first), width) for first in range(0, len(starts) * lanes, width)]
    masks = [[c.within(0, rest, v, lanes) for v in starts] for rest in rests]
    with c.loop(count, [target]) as loop:
        number = _index(c, c.add(pairs, c.mul(loop.index, PAIR)), 4) if paired else loop.index
        with c.loop(whole, [c.add(source, c.mul(number, row)), loop.values[0]], step=width) as block:
            at, to = block.values
            for v in starts:
                c.store(c.load(at, kind, v * item), to, v * item)
            block.next = [c.add(at, width * item), c.add(to, panel)]

        at, to = block.values
        for number, mask in enumerate(masks):
            with c.builder.if_then(c.less(number * width, left)):
                here, there = c.add(at, number * width * item), c.add(to, c.mul(panel, number))
                for v, kept in zip(starts, mask, strict=True):
                    c.store(c.masked_load(c.add(here, v * item), kept, kind), there, v * item)
        loop.next = [c.add(loop.values[0], width * item)]
    return c.done()


def _interleave(module: ir.Module, kind: ir.VectorType, channels: int, item: int) -> ir.Function:
    """``pack`` of ``transpose.emit_pack`` for this number of channels, which all are to be packed."""
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
            value = c.shuffle(rows[0], rows[0], [position for position, _ in wanted])
            for channel, row in enumerate(rows[1:], 1):
                pick = [lanes + at if met == channel else lane for lane, (at, met) in enumerate(wanted)]
                value = c.shuffle(value, row, pick)
            c.store(value, loop.values[0], number * lanes * item)
        loop.next = [c.add(loop.values[0], lanes * channels * item)]
    with c.loop(c.mul(positions, item), loop.values, c.mul(whole, item), item) as rest:
        for channel, start in enumerate(starts):
            c.store(c.load(c.add(start, rest.index), kind.element), rest.values[0], channel * item)
        rest.next = [c.add(rest.values[0], channels * item)]
    return c.done()


def _panel(c: Code, count: ir.Value, position: int) -> ir.Value:
    """Bytes from panel to panel: an odd number of cache lines, that neighbours share no set of the cache."""
    lines = c.div(c.add(c.mul(count, position), 2 * ALIGNMENT - 1), ALIGNMENT)
    return c.mul(c.builder.or_(lines, c.constant(1)), ALIGNMENT)


def _blocks(module: ir.Module, form: Form, kind: ir.VectorType, tiles: dict[int, ir.Function]) -> ir.Function:
    """``blocks(pairs, count, small, small_row, small_block, large, large_row, large_block, step, sums, row, rows,
    columns, fresh, edge)``: all tiles of a part; one whose columns do not all exist passes through ``edge``.
    """
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


class _Reader:
    """Fields of records, loaded where they are asked for."""

    def __init__(self, c: Code, address: ir.Value) -> None:
        self.c, self.address = c, address

    def __getitem__(self, field: int) -> ir.Value:
        return self.c.load(self.address, INT, field * WORD)


def _task(module: ir.Module, form: Form, kind: ir.VectorType, blocks: ir.Function) -> None:
    """One task: all parts of its chunks, for its channels."""
    general = None if all(form.few) else emit_pack(module, kind)
    pack_small, pack_large = (_interleave(module, kind, few, form.item) if few else general for few in form.few)
    gather = _gather(module, "gather_pairs", kind, form.widths(kind)[1], form.item, paired=True)
    part = _part(module, form, kind, blocks, gather)
    enter_small, enter_large = _enter_small(module, form, kind, pack_small), _enter_large(module, form, pack_large, gather)
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


def _enter_small(module: ir.Module, form: Form, kind: ir.VectorType, pack: ir.Function) -> ir.Function:
    """A chunk's small side: its channels side by side, then in panels."""
    gather = _gather(module, "gather", kind, form.widths(kind)[0], form.item, paired=False)
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


def _enter_large(module: ir.Module, form: Form, pack: ir.Function, gather: ir.Function) -> ir.Function:
    """A chunk's window of the large side: its channels side by side, then in panels."""
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

    tile, first = c.add(c.arguments[4], plan[Plan.LARGE_TILE]), _true(c, plan[Plan.LARGE_FIRST])
    with c.builder.if_then(first):
        walk(0, source, tile)
    if form.large == "chunk":
        source = c.builder.select(first, tile, source)
        large_row = c.builder.select(first, c.mul(count, form.item), plan[Plan.LARGE_ROW])
        slots = c.add(plan[Plan.PAIRS], chunk[Chunk.SLOTS])
        panels = c.add(c.arguments[4], plan[Plan.LARGE_PANELS])
        c.call(gather, source, large_row, slots, chunk[Chunk.SLOT_COUNT], count, panels)
    return c.done()


def _part(module: ir.Module, form: Form, kind: ir.VectorType, blocks: ir.Function, gather: ir.Function) -> ir.Function:
    """``part(call, plan, task, chunk, scratch, part, fresh)``: all tiles of a part."""
    item, (small_width, large_width) = form.item, form.widths(kind)
    c = Code(module, "part", 7, internal=True)
    call, plan, task, chunk, _, part = (_Reader(c, address) for address in c.arguments[:6])
    scratch, fresh = c.arguments[4], c.builder.and_(c.arguments[6], part[Part.WHOLE])
    pairs, count = c.add(plan[Plan.PAIRS], part[Part.PAIRS]), part[Part.COUNT]
    smalls, larges = task[Task.SMALL_COUNT], task[Task.LARGE_COUNT]
    in_panels, packed, large_packed = (_true(c, plan[f]) for f in (Plan.PANELS, Plan.SMALL_FIRST, Plan.LARGE_FIRST))
    select = c.builder.select
    panel = _panel(c, c.mul(chunk[Chunk.IMAGES], chunk[Chunk.POSITIONS]), small_width * item)
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
        large_block = _panel(c, chunk[Chunk.SLOT_COUNT], large_width * item)
    large, wide = c.add(large, c.mul(part[Part.LARGE], large_row)), c.mul(larges, part[Part.TAPS])
    if form.large == "part":
        c.call(gather, large, large_row, pairs, count, wide, panels)
        large, large_block = panels, _panel(c, count, large_width * item)
    step = c.mul(plan[Plan.DILATION], large_row)
    rows, columns = (wide, smalls) if form.small_lanes else (smalls, wide)
    if form.lanewise:
        rows = part[Part.TAPS]
    sums = c.add(call[Call.GRADIENT], task[Task.GRADIENT], part[Part.GRADIENT])
    sides = (small, small_row, small_block, large, large_row, large_block)
    edge = c.add(scratch, plan[Plan.EDGE])
    c.call(blocks, pairs, count, *sides, step, sums, plan[Plan.GRADIENT_ROW], rows, columns, fresh, edge)
    return c.done()


def _true(c: Code, value: ir.Value) -> ir.Value:
    return c.builder.icmp_signed("!=", value, c.constant(0))

