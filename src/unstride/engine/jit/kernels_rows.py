"""Lanes are neighbouring outputs of one phase in a channels-first row: each input vector meets scalar weights.

Output ``stride·m + p`` of a row meets input ``m + q`` for each tap's *shift* ``q``, the same for all *places* ``m``: a
vector holds the sums of consecutive places for one output channel and one phase ``p``. A tile sums some channels,
phases, rows and vectors of places at once, so that they share the inputs and the weights they load; at the store its
phases are interleaved, and so written as they lie.

Where ``m + q`` leaves the row, lanes have no product: they are loaded as zeros, which add nothing to a sum as long as
all weights are finite. Weights say whether they are; where they are not, such lanes keep their sums as they were.

Inputs that many products read are packed first, the rows of all channels side by side with zeros around them: then
they come from few pages in the order in which they are read, and lanes without products need no masks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeAlias

from . import ir, kernels_dot
from .emit import FLOATS, INT, Code, Number
from .records import HEADER, WORD, Call, size
from .rows_records import Form, Frame, Pass, Rows, Task, field
from .rows_tile import Tile
from .target import Target

Cases: TypeAlias = dict[int, Callable[[], None]]
_INNER, _CAREFUL = 0, -1
"""kinds of tiles; others are known by their vectors"""
BAND = 16
"""rows that a tile takes one after the other: what depends on its place is found once for all"""
AHEAD = 4
"""channels that inputs are asked for before they are packed: they lie in other pages, which no CPU foresees"""
_ANYWHERE = 1 << 40
"""beyond any place: packed inputs have zeros where a row has none"""


def emit(form: Form, target: Target) -> ir.Module:
    """The module with the layer's ``task``."""
    module = ir.Module("rows")
    walks = {number: _walk(module, Tile(form, target, number), number) for number in range(len(form.shapes))}
    kind = ir.VectorType(FLOATS[form.dtype], target.lanes(form.item))
    packing = (_pack(module, form, kind), _blank(module, form, kind)) if form.packs else None
    _task(module, form, walks, packing)
    return module


def _task(
    module: ir.Module, form: Form, walks: dict[int, ir.Function], packing: tuple[ir.Function, ir.Function] | None
) -> None:
    """One task: bands of rows, and for each its passes."""
    c = Code(module, "task", 3)
    call, index, _ = c.arguments
    plan = field(c, call, Call.PLAN)
    task = c.add(field(c, plan, Rows.TASKS), c.mul(index, size(Task)))
    frame = c.builder.ptrtoint(c.builder.alloca(ir.ArrayType(INT, size(Frame) // WORD)), INT)
    x = _packed(c, plan, task, *packing) if packing else c.add(field(c, call, Call.X), field(c, task, Task.X))
    places = [field(c, task, Task.PLACE), field(c, task, Task.PLACE_END)]
    _keep(c, frame, {Frame.BIAS: c.add(field(c, call, Call.BIAS), field(c, task, Task.BIAS))})
    _keep(c, frame, {Frame.COUNT: field(c, task, Task.COUNT), Frame.FINITE: c.load(field(c, call, Call.WEIGHTS))})
    _keep(
        c,
        frame,
        {to: c.add(field(c, call, Call.X), field(c, task, Task[to.name])) for to in (Frame.NEXT, Frame.NEXT_END)},
    )
    plain = (Frame.RUNS, Frame.CHANNELS, Frame.X_CHANNEL, Frame.Y_CHANNEL, Frame.SOURCE)
    _keep(c, frame, {to: field(c, plan, Rows[to.name]) for to in plain})
    first, last = (c.mul(field(c, task, number), form.record) for number in (Task.ROW, Task.ROW_END))
    table, band = field(c, plan, Rows.ROWS), BAND // form.rows * form.record
    with c.loop(last, start=first, step=band) as bands:
        rows = [c.add(table, bands.index), c.add(table, c.minimum(last, c.add(bands.index, band)))]
        with c.loop(field(c, task, Task.PASS_END), start=field(c, task, Task.PASS)) as passes:
            each = c.add(field(c, plan, Rows.PASSES), c.mul(passes.index, size(Pass)))
            _keep_pass(c, form, frame, task, each, x)
            cases: Cases = {number: partial(c.call, walk, frame, *places, *rows) for number, walk in walks.items()}
            c.choose(field(c, each, Pass.SHAPE), cases)
    c.done()


def _keep_pass(c: Code, form: Form, frame: ir.Value, task: ir.Value, each: ir.Value, x: ir.Value) -> None:
    """Write what a pass's tiles need to the frame."""
    call, plan = c.arguments[0], field(c, c.arguments[0], Call.PLAN)
    first, shift = field(c, each, Pass.FIRST), field(c, each, Pass.SHIFT)
    at = c.add(field(c, task, Task.Y), c.mul(first, form.item))
    weights = c.add(field(c, call, Call.WEIGHTS), field(c, task, Task.WEIGHTS), field(c, each, Pass.WEIGHTS))
    # no output beyond the task's places
    outputs = c.minimum(field(c, plan, Rows.OUTPUTS), c.mul(field(c, task, Task.PLACE_END), form.stride))
    low, high = c.sub(0, shift), c.sub(field(c, plan, Rows.INPUTS), shift)
    if form.packs:
        finite = c.builder.icmp_signed("!=", field(c, frame, Frame.FINITE), c.constant(0))
        low = c.builder.select(finite, c.constant(-_ANYWHERE), low)
        high = c.builder.select(finite, c.constant(_ANYWHERE), high)
    _keep(c, frame, {Frame.X: c.add(x, c.mul(shift, form.item)), Frame.LOW: low, Frame.HIGH: high})
    _keep(c, frame, {Frame.WEIGHTS: weights, Frame.TAP: field(c, each, Pass.TAP), Frame.OUTPUTS: c.sub(outputs, first)})
    _keep(c, frame, {to: c.add(field(c, call, Call[to.name]), at) for to in (Frame.Y, Frame.RESIDUAL)})


def _keep(c: Code, frame: ir.Value, values: dict[Frame, ir.Value]) -> None:
    for number, value in values.items():
        c.store(value, frame, number * WORD)


def _packed(c: Code, plan: ir.Value, task: ir.Value, pack: ir.Function, blank: ir.Function) -> ir.Value:
    """Pack the task's inputs, unless the worker did so before; where the row of index 0 would lie."""
    call, _, worker = c.arguments
    scratch = c.add(field(c, call, Call.SCRATCH), c.mul(worker, field(c, plan, Rows.SCRATCH)))
    held = field(c, task, Task.WINDOW)
    tile, before = c.add(scratch, HEADER), c.load(scratch)

    def begin() -> None:
        c.store(held, scratch)
        # zeros are where they were for the window before, if rows of all have as many inputs
        other = c.less(0, field(c, plan, Rows.DIFFER))
        with c.builder.if_then(c.builder.or_(c.builder.icmp_signed("==", before, c.constant(0)), other)):
            c.call(blank, plan, task, tile)
        c.call(pack, plan, task, c.add(field(c, call, Call.X), field(c, task, Task.FROM)), tile)

    c.either(c.builder.icmp_signed("!=", before, held), begin)
    return c.sub(c.add(tile, field(c, plan, Rows.LEFT)), field(c, task, Task.BACK))


def _blank(module: ir.Module, form: Form, kind: ir.VectorType) -> ir.Function:
    """``blank(plan, task, tile)``: zeros before and behind each row that windows have."""
    c, span = Code(module, "blank", 3, internal=True), kind.count * form.item
    plan, task, tile = c.arguments
    fields = (Rows.CHANNELS, Rows.MOST, Rows.MOST + 1, Rows.PLANE, Rows.LEFT, Rows.X_CHANNEL, Rows.APART)
    channels, *most, plane, left, row, apart = (field(c, plan, number) for number in fields)
    written = c.mul(c.div(c.add(c.mul(field(c, task, Task.LENGTH), form.item), span - form.item), span), span)
    with c.loop(most[0]) as outer:
        to = c.add(tile, c.mul(outer.index, plane))
        _clear(c, kind, to, 0, left)
        with c.loop(most[1], [c.add(to, left)]) as inner:
            with c.loop(channels, inner.values) as each:
                _clear(c, kind, each.values[0], written, row)
                each.next = [c.add(each.values[0], row)]
            _clear(c, kind, each.values[0], 0, c.sub(apart, c.mul(channels, row)))
            inner.next = [c.add(inner.values[0], apart)]
    return c.done()


def _pack(module: ir.Module, form: Form, kind: ir.VectorType) -> ir.Function:
    """``pack(plan, task, source, tile)``: rows of all channels side by side."""
    copy = _split if form.few else _gathered if form.beside else _copied
    c = Code(module, "pack", 4, internal=True)
    plan, task, source, tile = c.arguments
    fields = (Rows.CHANNELS, Rows.SOURCE, Rows.LEADS, Rows.LEADS + 1, Rows.PLANE, Rows.LEFT, Rows.X_CHANNEL, Rows.APART)
    channels, step, *leads, plane, left, row, apart = (field(c, plan, number) for number in fields)
    length = c.mul(field(c, task, Task.LENGTH), form.item)
    with c.loop(field(c, task, Task.ROWS)) as outer:
        to = c.add(tile, left, c.mul(outer.index, plane))
        at = c.add(source, c.mul(outer.index, leads[0]))
        # a channel's rows follow one another in the array
        with c.loop(channels, [to, at], step=form.few or 1) as each:
            with c.loop(field(c, task, Task.ROWS + 1), each.values) as inner:
                to, at = inner.values
                copy(c, form, kind, plan, (to, at, length))
                inner.next = [c.add(to, apart), c.add(at, leads[1])]
            each.next = [c.add(each.values[0], row), c.add(each.values[1], step)]
    return c.done()


Row: TypeAlias = tuple[ir.Value, ir.Value, ir.Value]
"""where a packed row lies, where its elements come from, their bytes"""


def _copied(c: Code, form: Form, kind: ir.VectorType, plan: ir.Value, row: Row) -> None:
    """A row's elements as whole vectors, zeros behind the last one; those of channels behind are asked for."""
    to, at, length = row
    span, ahead = kind.count * form.item, c.mul(field(c, plan, Rows.SOURCE), AHEAD)
    whole = c.mul(c.div(length, span), span)
    with c.loop(whole, step=span) as loop:
        c.prefetch(c.add(at, loop.index, ahead))
        c.store(c.load(c.add(at, loop.index), kind), c.add(to, loop.index))
    with c.builder.if_then(c.less(whole, length)):
        rest = c.within(0, c.div(c.sub(length, whole), form.item), 0, kind.count)
        c.store(c.masked_load(c.add(at, whole), rest, kind), c.add(to, whole))


def _gathered(c: Code, form: Form, kind: ir.VectorType, plan: ir.Value, row: Row) -> None:
    """The same of one of many channels of a position, which lie side by side."""
    to, at, length = row
    span, step = kind.count * form.item, field(c, plan, Rows.STEP)
    whole = c.mul(c.div(length, span), span)
    with c.builder.if_then(c.less(whole, length)):
        c.store(ir.Constant(kind, None), c.add(to, whole))
    with c.loop(length, [at], step=form.item) as loop:
        c.store(c.load(loop.values[0], kind.element), c.add(to, loop.index))
        loop.next = [c.add(loop.values[0], step)]


def _split(c: Code, form: Form, kind: ir.VectorType, plan: ir.Value, row: Row) -> None:
    """The same of the few channels of a position, which lie side by side: all at once."""
    to, at, length = row
    span, count, step = kind.count * form.item, form.few, field(c, plan, Rows.X_CHANNEL)
    whole = c.mul(c.div(length, span), span)

    def write(place: ir.Value, vectors: list[ir.Value]) -> None:
        for channel in range(count):
            value = c.picked(vectors, [lane * count + channel for lane in range(kind.count)])
            c.store(value, c.add(to, c.mul(step, channel), place))

    with c.loop(whole, step=span) as loop:
        here = c.add(at, c.mul(loop.index, count))
        write(loop.index, [c.load(here, kind, number * span) for number in range(count)])
    with c.builder.if_then(c.less(whole, length)):
        here, left = c.add(at, c.mul(whole, count)), c.mul(c.div(c.sub(length, whole), form.item), count)
        masks = [c.within(0, left, number * kind.count, kind.count) for number in range(count)]
        write(whole, [c.masked_load(c.add(here, n * span), mask, kind) for n, mask in enumerate(masks)])


def _clear(c: Code, kind: ir.VectorType, to: ir.Value, start: Number, stop: ir.Value) -> None:
    """Zeros between two offsets, whole vectors."""
    with c.loop(stop, start=start, step=kind.count * kernels_dot.size(kind)) as loop:
        c.store(ir.Constant(kind, None), c.add(to, loop.index))


@contextmanager
def _until(c: Code, stop: ir.Value, start: ir.Value) -> Iterator[list[ir.Value]]:
    """``while at < stop``; the body is given ``at`` and appends the next one."""
    b, before = c.builder, c.builder.block
    head, body, end = (c.function.append_basic_block() for _ in range(3))
    b.branch(head)
    b.position_at_end(head)
    at = b.phi(INT)
    at.add_incoming(start, before)
    b.cbranch(c.less(at, stop), body, end)
    b.position_at_end(body)
    state: list[ir.Value] = [at]
    yield state
    at.add_incoming(state[1], b.block)
    b.branch(head)
    b.position_at_end(end)


def _walk(module: ir.Module, tile: Tile, number: int) -> ir.Function:
    """``walk(frame, place, end, row, row_end)``: a band's places, whole tiles where every lane has its products."""
    form, lanes, most = tile.form, tile.lanes, tile.form.vectors
    inner, careful = _inner(module, tile, number), _edge(module, tile, number, 1, careful=True)
    edges = {count: _edge(module, tile, number, count) for count in sorted({1, min(2, most), most})}
    c = Code(module, f"walk{number}", 5, internal=True)
    frame, place, end, *rows = c.arguments
    low, high, outputs = (field(c, frame, each) for each in (Frame.LOW, Frame.HIGH, Frame.OUTPUTS))
    complete = c.div(c.maximum(c.add(outputs, form.stride - len(tile.shifts)), 0), form.stride)
    begin, reached = (low, c.sub(high, tile.farthest)) if tile.met else (place, end)
    stop = c.minimum(c.minimum(end, reached), complete)
    finite = c.builder.icmp_signed("!=", field(c, frame, Frame.FINITE), c.constant(0))
    with _until(c, end, place) as at:
        here = at[0]
        room = c.builder.select(c.less(here, begin), c.constant(0), c.maximum(c.sub(stop, here), 0))
        tiles = c.div(room, most * lanes)
        count = _count(c, tile, here, end, (begin, reached))
        cases: Cases = {size: partial(c.call, edge, frame, here, *rows) for size, edge in edges.items()}
        cases[_INNER] = partial(c.call, inner, frame, here, *rows, tiles)
        cases[_CAREFUL] = partial(c.call, careful, frame, here, *rows)
        case = c.builder.select(finite, count, c.constant(_CAREFUL))
        c.choose(c.builder.select(c.less(0, tiles), c.constant(_INNER), case), cases)
        taken = c.builder.select(finite, count, c.constant(1))
        taken = c.builder.select(c.less(0, tiles), c.mul(tiles, most), taken)
        at.append(c.add(here, c.mul(taken, lanes)))
    return c.done()


def _count(c: Code, tile: Tile, here: ir.Value, end: ir.Value, exist: tuple[ir.Value, ir.Value]) -> ir.Value:
    """Vectors of the next tile with masks, which are on its first and its last vector."""
    most, lanes, left = tile.form.vectors, tile.lanes, c.sub(end, here)
    count = c.builder.select(c.less(lanes, left), c.constant(min(2, most)), c.constant(1))
    if most < 3:
        return count
    begin, reached = exist
    behind = (most - 1) * lanes
    between = c.builder.and_(c.less(begin, c.add(here, lanes + 1)), c.less(c.add(here, behind - 1), reached))
    return c.builder.select(c.builder.and_(between, c.less(behind, left)), c.constant(most), count)


def _inner(module: ir.Module, tile: Tile, number: int) -> ir.Function:
    """``inner(frame, place, row, row_end, tiles)``: tiles side by side, no lane of which is idle."""
    c = Code(module, f"inner{number}", 5, internal=True)
    frame, place, first, last, tiles = c.arguments
    with c.loop(last, start=first, step=tile.form.record) as rows, c.loop(tiles, [place]) as loop:
        here = loop.values[0]
        sums = tile.sums(c, (frame, rows.index, here), tile.form.vectors, {}, careful=False)
        tile.store(c, (frame, rows.index, here), sums, masked=False)
        loop.next = [c.add(here, tile.form.vectors * tile.lanes)]
    return c.done()


def _edge(module: ir.Module, tile: Tile, number: int, count: int, *, careful: bool = False) -> ir.Function:
    """``edge(frame, place, row, row_end)``: one tile, whose first and last vectors may have idle lanes."""
    c = Code(module, f"{'careful' if careful else 'edge'}{number}.{count}", 4, internal=True)
    frame, place, first, last = c.arguments
    masks = tile.masks(c, frame, place, {0, count - 1}) if careful or not tile.form.packs else {}
    with c.loop(last, start=first, step=tile.form.record) as rows:
        sums = tile.sums(c, (frame, rows.index, place), count, masks, careful=careful)
        tile.store(c, (frame, rows.index, place), sums, masked=True)
    return c.done()
