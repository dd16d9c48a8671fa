"""Lanes are output columns: a tile of positions × columns, one input element broadcast against a row of weights.

A *column* is an output channel or, where the stride's phases lie side by side in the output and meet the same
inputs, a phase's output channel. Each product of a tile reads ``V`` vectors of weights and one input for each
of ``P`` positions, for ``P·V`` multiply-adds; sums stay in registers from the first tap to the last.

A depthwise layer is the same tile with a vector of inputs, one for each column, instead of a broadcast. Where
columns are few, lanes are products instead: ``kernels_dot``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial, reduce

from . import ir, kernels_dot
from .emit import FLOATS, INT, TASK, Code
from .ends import End, Kept
from .records import HEADER, WORD, Call, Chunk, Column, Part, Plan, Task, size
from .storage import SIZES
from .target import Target
from .transpose import emit_interleave, emit_pack, emit_unpack, emit_widen

POINTERS = 8
"""positions whose addresses fit the integer registers beside those of the loop"""
UNROLL = {1: 4}
"""products of a run between two tests of its length, by vectors: one vector leaves little to do beside the test"""


@dataclass(frozen=True, slots=True)
class Form:
    """What the code of a layer depends on."""

    dtype: str
    vectors: int
    """vectors of columns in a block"""
    end: End
    packs: bool = False
    """inputs are channels-first, or stored in half precision: packed in a worker's scratch"""
    unpacks: bool = False
    """outputs are channels-first: unpacked from a worker's scratch"""
    transposes: bool = False
    """whether packing inputs exchanges positions and channels"""
    few: int = 0
    """input channels, where these are few"""
    flavour: str = "broadcast"
    """what lanes are: columns (``broadcast``), columns with an input channel each (``lanewise``), products (``dot``)"""
    last: int = 0
    """columns of the last block of a group"""
    cropped: bool = False
    """whether some positions lack columns"""
    chains: int = 1
    """sums of each output that take products in turn, and are added up at the end"""

    @property
    def key(self) -> str:
        """Tells its code from any other's."""
        return f"product {self}"

    def positions(self, target: Target) -> int:
        """Positions of a tile: what the registers hold beside the weights and one input."""
        if self.flavour == "dot":
            return min(POINTERS, kernels_dot.positions(self.last, target.registers))
        return max(1, min(POINTERS, (target.registers - 1 - self.vectors) // self.vectors))


def emit(form: Form, target: Target) -> ir.Module:
    """The module with the layer's ``task``."""
    module = ir.Module("product")
    kind = ir.VectorType(FLOATS[form.dtype], target.lanes(_item(form)))
    tiles = {count: _tile(module, form, kind, count) for count in range(1, form.positions(target) + 1)}
    enter = _enter(module, form, kind)
    leave = emit_unpack(module, kind, form) if form.unpacks else None
    _task(module, form, tiles, enter, leave)
    return module


def _item(form: Form) -> int:
    return 8 if form.dtype == "float64" else 4


@dataclass(frozen=True, slots=True)
class Tile:
    """The arguments of a tile's function, in their order."""

    x: ir.Value
    weights: ir.Value
    positions: ir.Value
    """address of the positions' offsets, input and output"""
    runs: ir.Value
    run_count: ir.Value
    length: ir.Value
    y: ir.Value
    bias: ir.Value
    residual: ir.Value
    low: ir.Value
    """the first column that is written"""
    high: ir.Value
    step: ir.Value
    """bytes between the weights of two columns of which each has its own, in a dot product"""


def _tile(module: ir.Module, form: Form, kind: ir.VectorType, count: int) -> ir.Function:
    """The sums of ``count`` positions over all runs, finished."""
    c = Code(module, f"tile{count}", len(fields(Tile)), internal=True)
    tile = Tile(*c.arguments)
    lanes, width = kind.count, form.vectors * kind.count
    if form.flavour == "broadcast" and not form.unpacks:
        # the sums take long enough for the lines to come that they are written to
        for p in range(count):
            c.prefetch(c.add(tile.y, c.load(tile.positions, INT, 16 * p + 8)), write=True)
    shared = None if form.flavour == "lanewise" else _sums(c, form, kind, tile, count, [None] * form.vectors)

    def branch(kept: list[Kept]) -> None:
        _write(c, form, tile, shared or _sums(c, form, kind, tile, count, kept), kept)

    def last() -> None:
        vectors = [form.last - v * lanes for v in range(form.vectors)]
        branch([None if some >= lanes else max(0, some) for some in vectors])

    def edge() -> None:
        branch([c.within(tile.low, tile.high, v * lanes, lanes) for v in range(form.vectors)])

    def cut() -> None:
        # a block that is not the last may be cut, too: anywhere
        ends = c.builder.and_(c.less(tile.low, 1), c.builder.icmp_signed("==", tile.high, c.constant(form.last)))
        c.either(ends, last, edge) if form.cropped else last()

    if (form.unpacks and form.flavour != "lanewise") or (form.last == width and not form.cropped):
        branch([None] * form.vectors)
    elif form.flavour == "dot":
        cut()
    else:
        whole = c.builder.and_(c.less(tile.low, 1), c.less(width - 1, tile.high))
        c.either(whole, lambda: branch([None] * form.vectors), cut)
    return c.done()


def _sums(c: Code, form: Form, kind: ir.VectorType, tile: Tile, count: int, kept: list[Kept]) -> list[ir.Value]:
    """The sums of each position's vectors over all runs."""
    starts = [c.add(tile.x, c.load(tile.positions, INT, 16 * p)) for p in range(count)]
    each = form.last if form.flavour == "dot" else form.vectors
    zeros = [ir.Constant(kind, None)] * (count * each * form.chains)
    with c.loop(tile.run_count, zeros) as loop:
        run = c.add(tile.runs, c.mul(loop.index, 16))
        offset, weights = c.load(run), c.add(tile.weights, c.load(run, INT, 8))
        inputs = [c.add(start, offset) for start in starts]
        if form.flavour == "dot":
            columns = [c.add(weights, c.mul(tile.step, column)) for column in range(each)]
            loop.next = kernels_dot.products(c, kind, inputs, columns, tile.length, loop.values)
        elif form.flavour == "lanewise":
            loop.next = _lanewise(c, kind, inputs, weights, loop.values, kept)
        else:
            loop.next = _products(c, kind, form, inputs, weights, tile.length, loop.values)
    if form.flavour == "dot":
        return kernels_dot.added(c, kind, loop.values, each)
    chains = (loop.values[chain :: form.chains] for chain in range(form.chains))
    return [reduce(c.builder.fadd, sums) for sums in zip(*chains, strict=True)]


def _write(c: Code, form: Form, tile: Tile, sums: list[ir.Value], kept: list[Kept]) -> None:
    """Finish the sums, and store what is kept of each vector of columns."""
    for number, value in enumerate(sums):
        p, v = divmod(number, form.vectors)
        offset, lane = c.load(tile.positions, INT, 16 * p + 8), v * value.type.count
        if form.unpacks:
            c.store(value, c.add(tile.y, offset, lane * _item(form)))
        else:
            at = lane * SIZES[form.end.stored or form.dtype]
            y, bias = c.add(tile.y, offset, at), None
            if form.end.bias:
                bias = c.load(tile.bias, value.type, lane * _item(form))
            form.end.store(c, value, y, c.add(tile.residual, offset, at), bias, kept[v])


def _products(
    c: Code,
    kind: ir.VectorType,
    form: Form,
    inputs: list[ir.Value],
    weights: ir.Value,
    length: ir.Value,
    sums: list[ir.Value],
) -> list[ir.Value]:
    """The sums with one run's products added, some at a time."""
    vectors, chains, item = form.vectors, form.chains, _item(form)
    row, turns = vectors * kind.count * item, UNROLL.get(vectors, 2)

    def step(at: ir.Value, row_at: ir.Value, turn: int, sums: list[ir.Value]) -> list[ir.Value]:
        factors = [c.load(row_at, kind, turn * row + v * row // vectors) for v in range(vectors)]
        found = list(sums)
        for p, start in enumerate(inputs):
            value = c.splat(c.load(c.add(start, at), kind.element, turn * item), kind)
            for v, factor in enumerate(factors):
                number = (p * vectors + v) * chains + turn % chains
                found[number] = c.fma(value, factor, sums[number])
        return found

    whole = c.builder.and_(length, c.constant(-turns))
    end = c.mul(whole, item)
    with c.loop(end, [weights, *sums], step=turns * item) as loop:
        row_at, *values = loop.values
        # addresses are as good as can be: LLVM would take longer over them than over all else
        index, row_now = c.builder.opaque(loop.index), c.builder.opaque(row_at)
        for turn in range(turns):
            values = step(index, row_now, turn, values)
        loop.next = [c.add(row_at, turns * row), *values]
    with c.loop(c.mul(length, item), loop.values, end, item) as rest:
        row_at, *values = rest.values
        index, row_now = c.builder.opaque(rest.index), c.builder.opaque(row_at)
        rest.next = [c.add(row_at, row), *step(index, row_now, 0, values)]
    return rest.values[1:]


def _lanewise(
    c: Code,
    kind: ir.VectorType,
    inputs: list[ir.Value],
    weights: ir.Value,
    sums: list[ir.Value],
    kept: Sequence[Kept],
) -> list[ir.Value]:
    """The sums with one tap's products added: vectors of inputs, only those channels that exist."""
    span = kind.count * kernels_dot.size(kind)
    found: list[ir.Value] = []
    factors = [c.load(weights, kind, v * span) for v in range(len(kept))]
    masks = [c.within(0, some, 0, kind.count) if isinstance(some, int) else some for some in kept]
    for start in inputs:
        c.prefetch(c.add(start, kernels_dot.AHEAD))
        for v, (factor, mask) in enumerate(zip(factors, masks, strict=True)):
            at = c.add(start, v * span)
            value = c.load(at, kind) if mask is None else c.masked_load(at, mask, kind)
            found.append(c.fma(value, factor, sums[len(found)]))
    return found


def _emit_pack(module: ir.Module, form: Form, kind: ir.VectorType) -> ir.Function:
    stored = form.end.stored or ""
    if form.few:
        return emit_interleave(module, kind, form.few, _item(form))
    return emit_pack(module, kind, stored) if form.transposes else emit_widen(module, kind, stored)


def _enter(module: ir.Module, form: Form, kind: ir.VectorType) -> ir.Function:
    """Before a chunk's first tile: its positions' offsets, and its inputs packed."""
    pack = _emit_pack(module, form, kind) if form.packs else None
    c = Code(module, "enter", 4, internal=True)
    plan, chunk, scratch, _ = c.arguments
    images = c.load(chunk, INT, Chunk.IMAGES * WORD)
    if pack:
        _emit_packing(c, pack, images, _item(form))
    parts = c.load(plan, INT, Plan.PARTS * WORD)
    first, last = (c.load(chunk, INT, field * WORD) for field in (Chunk.FIRST, Chunk.LAST))
    with c.loop(last, [c.add(scratch, HEADER)], first) as loop:
        part = c.add(parts, c.mul(loop.index, size(Part)))
        loop.next = [_write_positions(c, part, images, loop.values[0])]
    return c.done()


def _emit_packing(c: Code, pack: ir.Function, images: ir.Value, item: int) -> None:
    """Pack a chunk's inputs: image by image, and by the indices before the axis that is cut."""
    plan, chunk, scratch, x = c.arguments
    fields = (Plan.CHANNELS, Plan.X_CHANNEL, Plan.X_IMAGE, Plan.X_LEADS, Plan.X_LEADS + 1)
    channels, channel, image, *leads = (c.load(plan, INT, field * WORD) for field in fields)
    tile = c.add(scratch, c.load(plan, INT, Plan.X_TILE * WORD))
    window = c.load(chunk, INT, Chunk.WINDOW * WORD)
    counts = [c.load(chunk, INT, (Chunk.LEADS + axis) * WORD) for axis in range(2)]
    row = c.mul(c.mul(window, channels), item)
    with c.loop(images, [tile]) as each:
        with c.loop(counts[0], each.values) as outer:
            with c.loop(counts[1], outer.values) as inner:
                indices = (each.index, outer.index, inner.index)
                at = c.add(x, *(c.mul(index, step) for index, step in zip(indices, (image, *leads), strict=True)))
                c.call(pack, at, inner.values[0], window, channels, channel)
                inner.next = [c.add(inner.values[0], row)]
            outer.next = inner.values
        each.next = outer.values


def _write_positions(c: Code, part: ir.Value, images: ir.Value, table: ir.Value) -> ir.Value:
    """The offsets of a part's positions, inputs and outputs; returns where the table ends."""
    counts = [images, *(c.load(part, INT, (Part.COUNT + axis) * WORD) for axis in range(3))]
    steps = [
        (c.load(part, INT, (Part.X_STEP + axis) * WORD), c.load(part, INT, (Part.Y_STEP + axis) * WORD))
        for axis in range(4)
    ]

    def walk(axis: int, x: ir.Value, y: ir.Value, table: ir.Value) -> ir.Value:
        if axis == len(counts):
            c.store(x, table)
            c.store(y, table, 8)
            return c.add(table, 16)
        with c.loop(counts[axis], [x, y, table]) as loop:
            here = loop.values
            loop.next = [*(c.add(at, step) for at, step in zip(here, steps[axis], strict=False)), walk(axis + 1, *here)]
        return loop.values[2]

    return walk(0, c.load(part, INT, Part.X * WORD), c.load(part, INT, Part.Y * WORD), table)


def _task(
    module: ir.Module,
    form: Form,
    tiles: dict[int, ir.Function],
    enter: ir.Function,
    leave: ir.Function | None,
) -> None:
    """One task: a chunk's parts for a range of column blocks."""
    c = Code(module, "task", 3)
    call, index, worker = c.arguments
    plan = c.load(call, INT, Call.PLAN * WORD)
    task = c.add(c.load(plan, INT, Plan.TASKS * WORD), c.mul(index, size(Task)))
    number = c.load(task, INT, Task.CHUNK * WORD)
    chunk = c.add(c.load(plan, INT, Plan.CHUNKS * WORD), c.mul(number, size(Chunk)))
    scratch = c.add(c.load(call, INT, Call.SCRATCH * WORD), c.mul(worker, c.load(plan, INT, Plan.SCRATCH * WORD)))
    x = c.add(c.load(call, INT, Call.X * WORD), c.load(chunk, INT, Chunk.X * WORD))
    held = c.add(number, 1)

    def begin() -> None:
        c.store(held, scratch)
        c.call(enter, plan, chunk, scratch, x)

    c.either(c.builder.icmp_signed("!=", c.load(scratch), held), begin)
    if form.packs:
        x = c.add(scratch, c.load(plan, INT, Plan.X_TILE * WORD))
    columns = c.load(plan, INT, Plan.COLUMNS * WORD)
    blocks = _blocks(module, form, tiles)
    with c.loop(c.load(task, INT, Task.LAST * WORD), start=c.load(task, INT, Task.FIRST * WORD)) as loop:
        column = c.add(columns, c.mul(loop.index, size(Column)))
        c.call(blocks, call, plan, chunk, scratch, x, column, _weights(c, plan, column, loop.index))
        if leave:
            c.call(leave, call, plan, chunk, scratch, column)
        loop.next = []
    c.done()


def _weights(c: Code, plan: ir.Value, column: ir.Value, number: ir.Value) -> ir.Value:
    """Where a block's weights lie: packed before the call or, just now, by the worker that needs them."""
    call, _, worker = c.arguments
    given, pack, packed = (c.load(call, INT, field * WORD) for field in (Call.WEIGHTS, Call.PACK, Call.PACKED))
    late = c.builder.icmp_signed("!=", pack, c.constant(0))
    tile = c.add(packed, c.mul(worker, c.load(plan, INT, Plan.STEP * WORD)))
    with c.builder.if_then(late):
        c.builder.call(c.builder.inttoptr(pack, TASK.as_pointer()), [given, number, tile])
    return c.builder.select(late, tile, c.add(given, c.load(column, INT, Column.WEIGHTS * WORD)))


def _blocks(module: ir.Module, form: Form, tiles: dict[int, ir.Function]) -> ir.Function:
    """One block of columns of all parts of a chunk."""
    c = Code(module, "block", 7, internal=True)
    call, plan, chunk, scratch, x, column, weights = c.arguments

    def field(record: ir.Value, number: int) -> ir.Value:
        return c.load(record, INT, number * WORD)

    y = c.add(field(call, Call.Y), field(chunk, Chunk.Y), field(column, Column.Y))
    residual = c.add(field(call, Call.RESIDUAL), field(chunk, Chunk.Y), field(column, Column.Y))
    if form.unpacks:
        y = c.add(scratch, field(plan, Plan.Y_TILE))
    group = c.add(x, field(column, Column.X))
    bias = c.add(field(call, Call.BIAS), field(column, Column.BIAS))
    parts, runs = field(plan, Plan.PARTS), field(plan, Plan.RUNS)
    first, columns, step = field(column, Column.FIRST), field(column, Column.COUNT), field(plan, Plan.STEP)
    images = field(chunk, Chunk.IMAGES)
    table = c.add(scratch, HEADER)
    with c.loop(field(chunk, Chunk.LAST), [table], field(chunk, Chunk.FIRST)) as loop:
        part = c.add(parts, c.mul(loop.index, size(Part)))
        count = images
        for axis in range(3):
            count = c.mul(count, field(part, Part.COUNT + axis))
        work = (c.add(runs, field(part, Part.RUNS)), field(part, Part.RUN_COUNT), field(part, Part.LENGTH))
        low = c.sub(field(part, Part.LOW), first)
        high = c.minimum(columns, c.sub(field(part, Part.HIGH), first))

        def tile(function: ir.Function, at: ir.Value, work: tuple[ir.Value, ...] = work) -> None:
            c.call(function, group, weights, at, *work, y, bias, residual, low, high, step)

        with c.builder.if_then(c.builder.and_(c.less(low, columns), c.less(0, high))):
            _tiled(c, count, loop.values[0], tiles, tile)
        loop.next = [c.add(loop.values[0], c.mul(count, 16))]
    return c.done()


def _tiled(
    c: Code,
    count: ir.Value,
    table: ir.Value,
    tiles: dict[int, ir.Function],
    tile: Callable[[ir.Function, ir.Value], None],
) -> None:
    """``count`` positions in as few tiles as there can be, of sizes that differ by one at most."""
    most = max(tiles)
    number = c.div(c.add(count, most - 1), most)
    least = c.div(count, c.maximum(number, 1))
    larger = c.sub(count, c.mul(least, number))
    with c.loop(number, [table]) as loop:
        taken = c.add(least, c.builder.zext(c.less(loop.index, larger), INT))
        c.choose(taken, {size: partial(tile, function, loop.values[0]) for size, function in tiles.items()})
        loop.next = [c.add(loop.values[0], c.mul(taken, 16))]
