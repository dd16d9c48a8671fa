"""Lanes are neighbouring outputs of one phase in a channels-first row: each input vector meets scalar weights.

Output ``stride·m + p`` of a row meets input ``m + q`` for each tap's *shift* ``q``, the same for all *places* ``m``: a
vector holds the sums of consecutive places for one output channel and one phase ``p``. A tile sums some channels,
phases and vectors of places at once, so that they share the inputs they load; at the store its phases are interleaved,
and so written as they lie.

Where ``m + q`` leaves the row, lanes have no product: they are loaded as zeros, which add nothing to a sum as long as
all weights are finite. Weights say whether they are; where they are not, such lanes keep their sums as they were.

Inputs that many products read are packed first, the rows of all channels side by side with zeros around them: then
they come from few pages in the order in which they are read, and lanes without products need no masks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from llvmlite import ir

from .emit import FLOATS, INT, Code
from .records import HEADER, WORD, Call, size
from .rows_records import Form, Frame, Pass, Row, Rows, Task, field
from .rows_tile import Tile
from .target import Target

_INNER, _CAREFUL = 0, -1
"""kinds of tiles; others are known by their vectors"""
_ANYWHERE = 1 << 40
"""beyond any place: packed inputs have zeros where a row has none"""


def emit(form: Form, target: Target) -> ir.Module:
    """The module with the layer's ``task``."""
    module = ir.Module("rows")
    walks = {number: _walk(module, Tile(form, target, number), number) for number in range(len(form.shapes))}
    pack = _pack(module, ir.VectorType(FLOATS[form.dtype], target.lanes(form.item)), form.item) if form.packs else None
    _task(module, form, walks, pack)
    return module


def _task(module: ir.Module, form: Form, walks: dict[int, ir.Function], pack: ir.Function | None) -> None:
    """One task: its rows, and for each its passes."""
    c = Code(module, "task", 3)
    call, index, worker = c.arguments
    plan = field(c, call, Call.PLAN)
    task = c.add(field(c, plan, Rows.TASKS), c.mul(index, size(Task)))
    frame = c.builder.ptrtoint(c.builder.alloca(ir.ArrayType(INT, size(Frame) // WORD)), INT)
    x = _packed(c, plan, task, pack) if pack else c.add(field(c, call, Call.X), field(c, task, Task.X))
    places = [field(c, task, Task.PLACE), field(c, task, Task.PLACE_END)]
    shared = {
        **{Frame.BIAS: c.add(field(c, call, Call.BIAS), field(c, task, Task.BIAS))},
        **{Frame.COUNT: field(c, task, Task.COUNT), Frame.FINITE: c.load(field(c, call, Call.WEIGHTS))},
        **{to: field(c, plan, Rows[to.name]) for to in (Frame.CHANNELS, Frame.X_CHANNEL, Frame.Y_CHANNEL)},
    }
    _keep(c, frame, shared)
    with c.loop(field(c, task, Task.ROW_END), start=field(c, task, Task.ROW)) as rows:
        row = c.add(field(c, plan, Rows.ROWS), c.mul(rows.index, size(Row)))
        runs = c.add(field(c, plan, Rows.RUNS), field(c, row, Row.RUNS))
        _keep(c, frame, {Frame.RUNS: runs, Frame.RUN_COUNT: field(c, row, Row.RUN_COUNT)})
        x_row = c.add(x, field(c, row, Row.X))
        with c.loop(field(c, task, Task.PASS_END), start=field(c, task, Task.PASS)) as passes:
            each = c.add(field(c, plan, Rows.PASSES), c.mul(passes.index, size(Pass)))
            _keep_pass(c, form, frame, task, row, each, x_row)
            cases = {number: lambda walk=walk: c.call(walk, frame, *places) for number, walk in walks.items()}
            c.choose(field(c, each, Pass.SHAPE), cases)
    c.done()


def _keep_pass(
    c: Code, form: Form, frame: ir.Value, task: ir.Value, row: ir.Value, each: ir.Value, x_row: ir.Value
) -> None:
    """Write what a pass's tiles need to the frame."""
    call, plan = c.arguments[0], field(c, c.arguments[0], Call.PLAN)
    first, shift = field(c, each, Pass.FIRST), field(c, each, Pass.SHIFT)
    at = c.add(field(c, task, Task.Y), field(c, row, Row.Y), c.mul(first, form.item))
    weights = c.add(field(c, call, Call.WEIGHTS), field(c, task, Task.WEIGHTS), field(c, each, Pass.WEIGHTS))
    # no output beyond the task's places
    outputs = c.minimum(field(c, plan, Rows.OUTPUTS), c.mul(field(c, task, Task.PLACE_END), form.stride))
    low, high = c.sub(0, shift), c.sub(field(c, plan, Rows.INPUTS), shift)
    if form.packs:
        finite = c.builder.icmp_signed("!=", field(c, frame, Frame.FINITE), c.constant(0))
        low, high = (
            c.builder.select(finite, c.constant(bound), own)
            for bound, own in ((-_ANYWHERE, low), (_ANYWHERE, high))
        )
    own = {
        **{Frame.X: c.add(x_row, c.mul(shift, form.item)), Frame.TAP: field(c, each, Pass.TAP)},
        **{Frame.WEIGHTS: weights, Frame.OUTPUTS: c.sub(outputs, first), Frame.LOW: low, Frame.HIGH: high},
        **{Frame.Y: c.add(field(c, call, Call.Y), at), Frame.RESIDUAL: c.add(field(c, call, Call.RESIDUAL), at)},
    }
    _keep(c, frame, own)


def _keep(c: Code, frame: ir.Value, values: dict[Frame, ir.Value]) -> None:
    for number, value in values.items():
        c.store(value, frame, number * WORD)


def _packed(c: Code, plan: ir.Value, task: ir.Value, pack: ir.Function) -> ir.Value:
    """Pack the task's inputs, unless the worker did so before; where the row of index 0 would lie."""
    call, _, worker = c.arguments
    scratch = c.add(field(c, call, Call.SCRATCH), c.mul(worker, field(c, plan, Rows.SCRATCH)))
    held = c.add(field(c, call, Call.SERIAL), field(c, task, Task.WINDOW))
    tile = c.add(scratch, HEADER)

    def begin() -> None:
        c.store(held, scratch)
        c.call(pack, plan, task, c.add(field(c, call, Call.X), field(c, task, Task.FROM)), tile)

    c.either(c.builder.icmp_signed("!=", c.load(scratch), held), begin)
    return c.sub(tile, field(c, task, Task.BACK))


def _pack(module: ir.Module, kind: ir.VectorType, item: int) -> ir.Function:
    """``pack(plan, task, source, tile)``: rows of all channels side by side, zeros before and behind each."""
    c = Code(module, "pack", 4, internal=True)
    plan, task, source, tile = c.arguments
    fields = (Rows.CHANNELS, Rows.SOURCE, Rows.LEADS, Rows.LEADS + 1, Rows.PLANE, Rows.LEFT, Rows.X_CHANNEL)
    channels, step, *leads, plane, left, row = (field(c, plan, number) for number in fields)
    length = c.mul(field(c, task, Task.LENGTH), item)
    span = kind.count * item
    whole = c.mul(c.div(length, span), span)
    rest = c.within(0, c.div(c.sub(length, whole), item), 0, kind.count)
    zero = ir.Constant(kind, None)

    def copy(to: ir.Value, at: ir.Value) -> None:
        with c.loop(left, step=span) as loop:
            c.store(zero, c.add(to, loop.index))
        data = c.add(to, left)
        with c.loop(whole, step=span) as loop:
            c.store(c.load(c.add(at, loop.index), kind), c.add(data, loop.index))
        c.store(c.masked_load(c.add(at, whole), rest, kind), c.add(data, whole))
        with c.loop(row, start=c.add(left, whole, span), step=span) as loop:
            c.store(zero, c.add(to, loop.index))

    with c.loop(field(c, task, Task.ROWS)) as outer:
        to = c.add(tile, c.mul(outer.index, plane))
        with c.loop(field(c, task, Task.ROWS + 1), [to]) as inner:
            at = c.add(source, c.mul(outer.index, leads[0]), c.mul(inner.index, leads[1]))
            with c.loop(channels, [inner.values[0], at]) as each:
                copy(*each.values)
                each.next = [c.add(each.values[0], row), c.add(each.values[1], step)]
            inner.next = [each.values[0]]
    return c.done()


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
    state = [at]
    yield state
    at.add_incoming(state[1], b.block)
    b.branch(head)
    b.position_at_end(end)


def _walk(module: ir.Module, tile: Tile, number: int) -> ir.Function:
    """``walk(frame, place, end)``: all places of a row, whole tiles where every lane has its products."""
    form, lanes, most = tile.form, tile.lanes, tile.form.vectors
    inner, careful = _inner(module, tile, number), _edge(module, tile, number, 1, careful=True)
    edges = {count: _edge(module, tile, number, count) for count in sorted({1, min(2, most), _widest(form)})}
    c = Code(module, f"walk{number}", 3, internal=True)
    frame, place, end = c.arguments
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
        cases = {size: lambda edge=edge: c.call(edge, frame, here) for size, edge in edges.items()}
        cases[_INNER] = lambda: c.call(inner, frame, here, tiles)
        cases[_CAREFUL] = lambda: c.call(careful, frame, here)
        case = c.builder.select(finite, count, c.constant(_CAREFUL))
        c.choose(c.builder.select(c.less(0, tiles), c.constant(_INNER), case), cases)
        taken = c.builder.select(finite, count, c.constant(1))
        taken = c.builder.select(c.less(0, tiles), c.mul(tiles, most), taken)
        at.append(c.add(here, c.mul(taken, lanes)))
    return c.done()


def _widest(form: Form) -> int:
    """Vectors of the largest tile with masks."""
    return min(2, form.vectors) if form.packs else form.vectors


def _count(c: Code, tile: Tile, here: ir.Value, end: ir.Value, exist: tuple[ir.Value, ir.Value]) -> ir.Value:
    """Vectors of the next tile with masks, which are on its first and its last vector."""
    most, lanes, left = _widest(tile.form), tile.lanes, c.sub(end, here)
    count = c.builder.select(c.less(lanes, left), c.constant(min(2, most)), c.constant(1))
    if most < 3:
        return count
    begin, reached = exist
    behind = (most - 1) * lanes
    between = c.builder.and_(c.less(begin, c.add(here, lanes + 1)), c.less(c.add(here, behind - 1), reached))
    return c.builder.select(c.builder.and_(between, c.less(behind, left)), c.constant(most), count)


def _inner(module: ir.Module, tile: Tile, number: int) -> ir.Function:
    """``inner(frame, place, tiles)``: tiles side by side, no lane of which is idle."""
    c = Code(module, f"inner{number}", 3, internal=True)
    frame, place, tiles = c.arguments
    with c.loop(tiles, [place]) as loop:
        here = loop.values[0]
        sums = tile.sums(c, frame, here, tile.form.vectors, {}, careful=False)
        tile.store(c, frame, here, sums, masked=False)
        loop.next = [c.add(here, tile.form.vectors * tile.lanes)]
    return c.done()


def _edge(module: ir.Module, tile: Tile, number: int, count: int, *, careful: bool = False) -> ir.Function:
    """``edge(frame, place)``: one tile, whose first and last vectors may have idle lanes."""
    c = Code(module, f"{'careful' if careful else 'edge'}{number}.{count}", 2, internal=True)
    frame, place = c.arguments
    masks = tile.masks(c, frame, place, {0, count - 1}) if careful or not tile.form.packs else {}
    sums = tile.sums(c, frame, place, count, masks, careful=careful)
    tile.store(c, frame, place, sums, masked=True)
    return c.done()
