"""Lanes are neighbouring outputs of one phase in a channels-first row: each input vector meets scalar weights.

Output ``stride·m + p`` of a row meets input ``m + q`` for each tap's *shift* ``q``, the same for all ``m``: a vector
holds the sums of consecutive ``m`` for one output channel and one phase ``p``. A tile sums some channels, phases and
vectors of ``m`` at once, so that they share the inputs they load; at the store its phases are interleaved, and so
written as they lie.

Where ``m + q`` leaves the row, lanes have no product: they are loaded as zeros, which add nothing to a sum as long as
all weights are finite. Weights say whether they are; where they are not, such lanes keep their sums as they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from llvmlite import ir

from .emit import FLOATS, INT, Code, Number
from .ends import End
from .records import WORD, Call, size
from .target import Target

Shifts: TypeAlias = tuple[tuple[int, ...], ...]
"""for each phase of a pass, its taps' shifts, the least of all phases' being 0"""
Masks: TypeAlias = dict[tuple[int, int], ir.Value]
"""for a shift and a vector, where the mask of its lanes lies"""


_INNER, _CAREFUL = 0, -1
"""kinds of tiles; others are known by their vectors"""


class Rows(IntEnum):
    """What all calls of a layer share: addresses of tables, sizes, strides in bytes."""

    TASKS = 0
    ROWS = 1
    RUNS = 2
    PASSES = 3
    CHANNELS = 4
    """input channels of a group"""
    X_CHANNEL = 5
    Y_CHANNEL = 6
    INPUTS = 7
    """elements of an input row"""
    OUTPUTS = 8
    """elements of an output row"""


class Task(IntEnum):
    """A block of channels of one image; ranges of rows, of places in a row, of passes."""

    X = 0
    Y = 1
    WEIGHTS = 2
    BIAS = 3
    COUNT = 4
    """channels that exist"""
    ROW = 5
    ROW_END = 6
    PLACE = 7
    PLACE_END = 8
    PASS = 9
    PASS_END = 10


class Row(IntEnum):
    """An output row."""

    X = 0
    Y = 1
    RUNS = 2
    """bytes before its runs: for each tap of the axes before the last, bytes before its inputs and its weights"""
    RUN_COUNT = 3


class Pass(IntEnum):
    """Phases that are computed together."""

    FIRST = 0
    """the first one"""
    SHIFT = 1
    """its least shift"""
    WEIGHTS = 2
    TAP = 3
    """bytes of the weights of one tap of the axes before the last"""
    SHAPE = 4


class Frame(IntEnum):
    """What the tiles of one pass of a row share, in the task's stack frame."""

    X = 0
    WEIGHTS = 1
    RUNS = 2
    RUN_COUNT = 3
    TAP = 4
    Y = 5
    RESIDUAL = 6
    BIAS = 7
    COUNT = 8
    LOW = 9
    """inputs exist from here …"""
    HIGH = 10
    """… up to here, counted like the places"""
    OUTPUTS = 11
    """outputs from the pass's first phase on"""
    FINITE = 12
    CHANNELS = 13
    X_CHANNEL = 14
    Y_CHANNEL = 15


@dataclass(frozen=True, slots=True)
class Form:
    """What the code of a layer depends on."""

    dtype: str
    channels: int
    """output channels of a tile"""
    vectors: int
    """vectors of places of a tile"""
    stride: int
    """outputs from one place to the next"""
    shapes: tuple[Shifts, ...]
    """the passes that differ"""
    single: bool
    """groups have one input channel"""
    end: End

    @property
    def key(self) -> str:
        """Tells its code from any other's."""
        return f"rows {self}"


def emit(form: Form, target: Target) -> ir.Module:
    """The module with the layer's ``task``."""
    module = ir.Module("rows")
    kind = ir.VectorType(FLOATS[form.dtype], target.lanes(_item(form)))
    walks = {number: _Pass(module, form, kind, number).walk() for number in range(len(form.shapes))}
    _task(module, form, walks)
    return module


def _item(form: Form) -> int:
    return 8 if form.dtype == "float64" else 4


def _field(c: Code, record: Number, number: int) -> ir.Value:
    return c.load(record, INT, number * WORD)


def _task(module: ir.Module, form: Form, walks: dict[int, ir.Function]) -> None:
    """One task: its rows, and for each its passes."""
    c = Code(module, "task", 3)
    call, index, _ = c.arguments
    plan = _field(c, call, Call.PLAN)
    task = c.add(_field(c, plan, Rows.TASKS), c.mul(index, size(Task)))
    frame = c.builder.ptrtoint(c.builder.alloca(ir.ArrayType(INT, size(Frame) // WORD)), INT)
    header = _field(c, call, Call.WEIGHTS)
    x, y, residual, weights, bias = (
        c.add(_field(c, call, whole), _field(c, task, part))
        for whole, part in (
            *((Call.X, Task.X), (Call.Y, Task.Y), (Call.RESIDUAL, Task.Y)),
            *((Call.WEIGHTS, Task.WEIGHTS), (Call.BIAS, Task.BIAS)),
        )
    )
    inputs, outputs = _field(c, plan, Rows.INPUTS), _field(c, plan, Rows.OUTPUTS)
    shared = {
        Frame.BIAS: bias, Frame.COUNT: _field(c, task, Task.COUNT), Frame.FINITE: c.load(header),
        **{to: _field(c, plan, Rows[to.name]) for to in (Frame.CHANNELS, Frame.X_CHANNEL, Frame.Y_CHANNEL)},
    }
    _keep(c, frame, shared)
    with c.loop(_field(c, task, Task.ROW_END), start=_field(c, task, Task.ROW)) as rows:
        row = c.add(_field(c, plan, Rows.ROWS), c.mul(rows.index, size(Row)))
        runs = c.add(_field(c, plan, Rows.RUNS), _field(c, row, Row.RUNS))
        x_row, to = c.add(x, _field(c, row, Row.X)), _field(c, row, Row.Y)
        _keep(c, frame, {Frame.RUNS: runs, Frame.RUN_COUNT: _field(c, row, Row.RUN_COUNT)})
        with c.loop(_field(c, task, Task.PASS_END), start=_field(c, task, Task.PASS)) as passes:
            each = c.add(_field(c, plan, Rows.PASSES), c.mul(passes.index, size(Pass)))
            first, shift = _field(c, each, Pass.FIRST), _field(c, each, Pass.SHIFT)
            at = c.add(to, c.mul(first, _item(form)))
            own = {
                Frame.X: c.add(x_row, c.mul(shift, _item(form))), Frame.TAP: _field(c, each, Pass.TAP),
                Frame.WEIGHTS: c.add(weights, _field(c, each, Pass.WEIGHTS)),
                Frame.Y: c.add(y, at), Frame.RESIDUAL: c.add(residual, at), Frame.OUTPUTS: c.sub(outputs, first),
                Frame.LOW: c.sub(0, shift), Frame.HIGH: c.sub(inputs, shift),
            }
            _keep(c, frame, own)
            places = (_field(c, task, Task.PLACE), _field(c, task, Task.PLACE_END))
            c.choose(_field(c, each, Pass.SHAPE), {n: lambda f=f: c.call(f, frame, *places) for n, f in walks.items()})
    c.done()


def _keep(c: Code, frame: ir.Value, values: dict[Frame, ir.Value]) -> None:
    for number, value in values.items():
        c.store(value, frame, number * WORD)


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


class _Pass:
    """The code of one shape of passes."""

    def __init__(self, module: ir.Module, form: Form, kind: ir.VectorType, number: int) -> None:
        self.module, self.form, self.kind, self.number = module, form, kind, number
        self.shifts = form.shapes[number]
        self.item, self.lanes = _item(form), kind.count
        self.met = sorted({shift for phase in self.shifts for shift in phase})
        self.farthest = max(self.met, default=0)

    def walk(self) -> ir.Function:
        """``walk(frame, place, end)``: all places of a row, whole tiles where every lane has its products."""
        most, lanes = self.form.vectors, self.lanes
        inner, careful = self._inner(), self._edge(1, careful=True)
        edges = {count: self._edge(count) for count in sorted({1, min(2, most), most})}
        c = Code(self.module, f"walk{self.number}", 3, internal=True)
        frame, place, end = c.arguments
        low, high, outputs = (_field(c, frame, field) for field in (Frame.LOW, Frame.HIGH, Frame.OUTPUTS))
        stride = self.form.stride
        complete = c.div(c.maximum(c.add(outputs, stride - len(self.shifts)), 0), stride)
        begin, reached = (low, c.sub(high, self.farthest)) if self.met else (place, end)
        stop = c.minimum(c.minimum(end, reached), complete)
        finite = c.builder.icmp_signed("!=", _field(c, frame, Frame.FINITE), c.constant(0))
        with _until(c, end, place) as at:
            here = at[0]
            room = c.builder.select(c.less(here, begin), c.constant(0), c.maximum(c.sub(stop, here), 0))
            tiles = c.div(room, most * lanes)
            count = self._count(c, here, end, begin, reached)
            cases = {size: lambda edge=edge: c.call(edge, frame, here) for size, edge in edges.items()}
            cases[_INNER] = lambda: c.call(inner, frame, here, tiles)
            cases[_CAREFUL] = lambda: c.call(careful, frame, here)
            case = c.builder.select(finite, count, c.constant(_CAREFUL))
            c.choose(c.builder.select(c.less(0, tiles), c.constant(_INNER), case), cases)
            taken = c.builder.select(finite, count, c.constant(1))
            taken = c.builder.select(c.less(0, tiles), c.mul(tiles, most), taken)
            at.append(c.add(here, c.mul(taken, lanes)))
        return c.done()

    def _count(self, c: Code, here: ir.Value, end: ir.Value, begin: ir.Value, reached: ir.Value) -> ir.Value:
        """Vectors of the next tile with masks, which are on its first and its last vector."""
        most, lanes, left = self.form.vectors, self.lanes, c.sub(end, here)
        count = c.builder.select(c.less(lanes, left), c.constant(min(2, most)), c.constant(1))
        if most < 3:
            return count
        between = c.builder.and_(
            c.less(begin, c.add(here, lanes + 1)), c.less(c.add(here, (most - 1) * lanes - 1), reached)
        )
        full = c.builder.and_(between, c.less((most - 1) * lanes, left))
        return c.builder.select(full, c.constant(most), count)

    def _inner(self) -> ir.Function:
        """``inner(frame, place, tiles)``: tiles side by side, no lane of which is idle."""
        c = Code(self.module, f"inner{self.number}", 3, internal=True)
        frame, place, tiles = c.arguments
        span = self.form.vectors * self.lanes
        with c.loop(tiles, [place]) as loop:
            here = loop.values[0]
            sums = self._sums(c, frame, here, self.form.vectors, {}, careful=False)
            self._store(c, frame, here, sums, masked=False)
            loop.next = [c.add(here, span)]
        return c.done()

    def _edge(self, count: int, *, careful: bool = False) -> ir.Function:
        """``edge(frame, place)``: one tile, whose first and last vectors may have idle lanes."""
        c = Code(self.module, f"{'careful' if careful else 'edge'}{self.number}.{count}", 2, internal=True)
        frame, place = c.arguments
        masks = self._masks(c, frame, place, {0, count - 1})
        sums = self._sums(c, frame, place, count, masks, careful=careful)
        self._store(c, frame, place, sums, masked=True)
        return c.done()

    def _masks(self, c: Code, frame: ir.Value, place: ir.Value, vectors: set[int]) -> Masks:
        """Masks of the lanes whose inputs exist; kept in memory, for the loop has other use for registers."""
        bits = ir.IntType(8 * self.item)
        kind = ir.VectorType(bits, self.lanes)
        lane = ir.Constant(kind, list(range(self.lanes)))
        low, high = (c.sub(_field(c, frame, field), place) for field in (Frame.LOW, Frame.HIGH))
        found: Masks = {}
        for vector in sorted(vectors):
            for shift in self.met:
                ends = []
                for limit in (low, high):
                    first = c.minimum(c.maximum(c.sub(limit, vector * self.lanes + shift), 0), self.lanes)
                    ends.append(c.splat(first if bits.width == 64 else c.builder.trunc(first, bits), kind))
                mask = c.builder.and_(
                    c.builder.icmp_signed(">=", lane, ends[0]), c.builder.icmp_signed("<", lane, ends[1])
                )
                at = c.builder.alloca(kind)
                at.align = self.lanes * self.item
                c.builder.store(c.builder.sext(mask, kind), at)
                found[shift, vector] = at
        return found

    def _sums(
        self, c: Code, frame: ir.Value, place: ir.Value, count: int, masks: Masks, *, careful: bool
    ) -> list[ir.Value]:
        """The sums of a tile: by channels, then phases, then vectors."""
        fields = (Frame.X, Frame.WEIGHTS, Frame.RUNS, Frame.RUN_COUNT, Frame.TAP, Frame.CHANNELS, Frame.X_CHANNEL)
        x, weights, runs, run_count, tap, channels, step = (_field(c, frame, field) for field in fields)
        start = c.add(x, c.mul(place, self.item))
        row = sum(map(len, self.shifts)) * self.form.channels * self.item
        zeros = [ir.Constant(self.kind, None)] * (self.form.channels * len(self.shifts) * count)
        if not self.met:
            return list(zeros)
        with c.loop(run_count, zeros) as outer:
            run = c.add(runs, c.mul(outer.index, 2 * WORD))
            at, first = c.add(start, c.load(run)), c.add(weights, c.mul(tap, c.load(run, INT, WORD)))
            if self.form.single:
                outer.next = self._products(c, at, first, outer.values, masks, careful=careful)
            else:
                with c.loop(channels, [at, first, *outer.values]) as inner:
                    here, factors, *sums = inner.values
                    sums = self._products(c, here, factors, sums, masks, careful=careful)
                    inner.next = [c.add(here, step), c.add(factors, row), *sums]
                outer.next = inner.values[2:]
        return outer.values

    def _products(
        self, c: Code, x: ir.Value, weights: ir.Value, sums: list[ir.Value], masks: Masks, *, careful: bool
    ) -> list[ir.Value]:
        """The sums with the products of one input row added: inputs at each shift, with the taps that meet them."""
        found, entry = list(sums), 0
        count = len(sums) // (self.form.channels * len(self.shifts))
        for shift in self.met:
            kept = {vector: self._mask(c, masks[shift, vector]) for vector in range(count) if (shift, vector) in masks}
            inputs = [self._input(c, x, shift + v * self.lanes, kept.get(v)) for v in range(count)]
            for phase in (number for number, taps in enumerate(self.shifts) if shift in taps):
                for channel in range(self.form.channels):
                    factor = c.splat(c.load(weights, self.kind.element, entry * self.item), self.kind)
                    entry += 1
                    for vector, value in enumerate(inputs):
                        at = (channel * len(self.shifts) + phase) * count + vector
                        total = c.fma(value, factor, found[at])
                        found[at] = c.builder.select(kept[vector], total, found[at]) if careful else total
        return found

    def _mask(self, c: Code, at: ir.Value) -> ir.Value:
        kind = ir.VectorType(ir.IntType(8 * self.item), self.lanes)
        value = c.builder.load(at, align=self.lanes * self.item, typ=kind)
        return c.builder.icmp_signed("<", value, ir.Constant(kind, None))

    def _input(self, c: Code, x: ir.Value, element: int, mask: ir.Value | None) -> ir.Value:
        if mask is None:
            return c.load(x, self.kind, element * self.item)
        return c.masked_load(c.add(x, element * self.item), mask, self.kind)

    def _store(self, c: Code, frame: ir.Value, place: ir.Value, sums: list[ir.Value], *, masked: bool) -> None:
        """Write a tile: channel by channel, its phases interleaved."""
        fields = (Frame.Y, Frame.RESIDUAL, Frame.BIAS, Frame.COUNT, Frame.Y_CHANNEL, Frame.OUTPUTS)
        y, residual, bias, count, step, outputs = (_field(c, frame, field) for field in fields)
        first = c.mul(place, self.form.stride)
        left = c.sub(outputs, first) if masked else None
        own = len(sums) // self.form.channels
        for channel in range(self.form.channels):
            offset = c.add(c.mul(first, self.item), c.mul(step, channel))
            to = (c.add(y, offset), c.add(residual, offset))
            each = sums[channel * own : (channel + 1) * own]

            def write(to: tuple[ir.Value, ir.Value] = to, each: list[ir.Value] = each, channel: int = channel) -> None:
                addend = c.load(bias, self.kind.element, channel * self.item) if self.form.end.bias else None
                for at, value in self._pieces(c, each):
                    self._finish(c, value, at, to, addend, left)

            if channel:
                c.either(c.less(channel, count), write)
            else:
                write()

    def _pieces(self, c: Code, sums: list[ir.Value]) -> Iterator[tuple[int, ir.Value]]:
        """What lies together in the output, each with the number of outputs before it."""
        phases, count = len(self.shifts), len(sums) // len(self.shifts)
        for vector in range(count):
            whole = interleaved(c, [sums[phase * count + vector] for phase in range(phases)])
            first = vector * self.lanes
            if phases == self.form.stride:
                yield from ((first * phases + number * self.lanes, value) for number, value in enumerate(whole))
                continue
            for lane in range(self.lanes):
                begin, end = lane * phases, (lane + 1) * phases - 1
                a, b = whole[begin // self.lanes], whole[end // self.lanes]
                base = begin // self.lanes * self.lanes
                yield (first + lane) * self.form.stride, c.shuffle(a, b, range(begin - base, end - base + 1))

    def _finish(
        self,
        c: Code,
        value: ir.Value,
        at: int,
        to: tuple[ir.Value, ir.Value],
        addend: ir.Value | None,
        left: ir.Value | None,
    ) -> None:
        """End a piece and write as much of it as is left of the row."""
        bias = None if addend is None else c.splat(addend, value.type)
        y, residual = (c.add(base, at * self.item) for base in to)

        def write(mask: ir.Value | None = None) -> None:
            self.form.end.store(c, value, y, residual, bias, mask)

        if left is None:
            write()
            return
        size = value.type.count

        def part() -> None:
            c.either(c.less(at, left), lambda: write(c.within(0, c.sub(left, at), 0, size)))

        c.either(c.less(at + size - 1, left), write, part)


def interleaved(c: Code, vectors: Sequence[ir.Value]) -> list[ir.Value]:
    """All first lanes, then all second ones, …: as many vectors as were given.

    An even number is interleaved by its halves; an odd one vector by vector.
    """
    count, lanes = len(vectors), vectors[0].type.count
    if count == 1:
        return list(vectors)
    if count % 2 == 0:
        found = []
        for a, b in zip(interleaved(c, vectors[::2]), interleaved(c, vectors[1::2]), strict=True):
            pairs = [lane // 2 + lane % 2 * lanes for lane in range(2 * lanes)]
            found += [c.shuffle(a, b, pairs[:lanes]), c.shuffle(a, b, pairs[lanes:])]
        return found
    found = []
    for number in range(count):
        sources = [divmod(number * lanes + lane, count) for lane in range(lanes)]
        value = vectors[0]
        for phase in range(1, count):
            # what is not yet there may be anything: the first vector's lane, where it is wanted, or its own
            first = [at if of == 0 else lane for lane, (at, of) in enumerate(sources)] if phase == 1 else range(lanes)
            picked = [lanes + at if of == phase else first[lane] for lane, (at, of) in enumerate(sources)]
            value = c.shuffle(value, vectors[phase], picked)
        found.append(value)
    return found
