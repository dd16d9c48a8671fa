"""Lanes are neighbouring channels of a depthwise layer: a vector of inputs meets a vector of weights.

Output ``phases·m + p`` of a row meets input ``along·m + q`` for each tap's shift ``q``, the same for all *places*
``m``. A tile sums some neighbouring places and vectors of channels at once: each input is loaded once for all the sums,
of several places and phases, that it adds to. A sum takes its taps by growing shift, wherever its tile begins.

Tiles at the ends of a row test which of their inputs exist; what does not adds nothing. The last tile of a row reaches
back, and computes some outputs again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from . import ir
from .depthwise_records import Form, Row, Shared, Task
from .emit import FLOATS, INT, Code
from .memory import ALIGNMENT
from .records import WORD, Call, size
from .rows_records import field
from .target import Target

AHEAD = 2048
"""bytes that inputs, of all blocks, are asked for before they are needed"""


def emit(form: Form, target: Target) -> ir.Module:
    """The module with the layer's ``task``."""
    module = ir.Module("depthwise")
    kind = ir.VectorType(FLOATS[form.dtype], target.lanes(form.item))
    walks = {number: _walk(module, form, kind, number) for number in range(len(form.widths))}
    c = Code(module, "task", 3)
    call, index, _ = c.arguments
    plan = field(c, call, Call.PLAN)
    task = c.add(field(c, plan, Shared.TASKS), c.mul(index, size(Task)))
    with c.loop(field(c, task, Task.ROW_END), start=field(c, task, Task.ROW)) as rows:
        row = c.add(field(c, plan, Shared.ROWS), c.mul(rows.index, size(Row)))
        with c.loop(field(c, task, Task.BLOCK_END), start=field(c, task, Task.BLOCK)) as blocks:
            whole = c.less(c.add(blocks.index, 1), field(c, plan, Shared.BLOCKS))
            cases: dict[int, Callable[[], None]] = {
                number: partial(c.call, walk, call, task, row, blocks.index) for number, walk in walks.items()
            }
            c.choose(c.builder.select(whole, c.constant(0), c.constant(len(walks) - 1)), cases)
    c.done()
    return module


def _walk(module: ir.Module, form: Form, kind: ir.VectorType, number: int) -> ir.Function:
    """``walk(call, task, row, block)``: a row's places in tiles, one behind the other."""
    c = Code(module, f"walk{number}", 4, internal=True)
    tile = Tile(c, form, kind, form.widths[number])
    call, task, *_ = c.arguments
    plan, end = field(c, call, Call.PLAN), field(c, task, Task.PLACE_END)
    first, last = field(c, plan, Shared.INNER), c.sub(field(c, plan, Shared.INNER_END), form.places)
    with c.loop(end, start=field(c, task, Task.PLACE), step=form.places) as loop:
        here = c.minimum(loop.index, c.sub(end, form.places))
        outside = c.builder.or_(c.less(here, first), c.less(last, here))
        c.either(outside, partial(tile.computed, here, tests=True), partial(tile.computed, here, tests=False))
    return c.done()


class Tile:
    """The code of a tile of a row, for a block of so many channels."""

    def __init__(self, c: Code, form: Form, kind: ir.VectorType, channels: int) -> None:
        self.c, self.form, self.kind, self.span = c, form, kind, kind.count * form.item
        left = [channels - first for first in range(0, channels, kind.count)]
        self.kept = [None if some >= kind.count else some for some in left]
        """for each vector the lanes that have a channel; all, where there is no number"""
        call, task, row, block = c.arguments
        plan = field(c, call, Call.PLAN)
        shared = (Shared.STEP, Shared.INPUTS, Shared.OUTPUTS, Shared.OUTER_TAP, Shared.SHIFT)
        self.step, self.inputs, self.outputs, self.outer_tap, self.shift = (field(c, plan, each) for each in shared)
        channel = c.mul(block, field(c, plan, Shared.WIDTH))
        self.x = c.add(field(c, call, Call.X), field(c, task, Task.X), field(c, row, Row.X), channel)
        self.weights = c.add(field(c, call, Call.WEIGHTS), c.mul(channel, field(c, plan, Shared.TAPS)))
        self.bias = c.add(field(c, call, Call.BIAS), channel)
        at = c.add(field(c, task, Task.Y), field(c, row, Row.Y), channel)
        self.y, self.residual = (c.add(field(c, call, each), at) for each in (Call.Y, Call.RESIDUAL))
        self.runs = c.add(field(c, plan, Shared.RUNS), field(c, row, Row.RUNS))
        self.run_count = field(c, row, Row.RUN_COUNT)
        first = c.builder.icmp_signed("==", block, field(c, task, Task.BLOCK))
        self.asked = c.builder.select(first, c.mul(self.step, form.places), c.constant(0))
        """bytes of the channels of a tile's places, for the first block"""

    def computed(self, here: ir.Value, *, tests: bool) -> None:
        """Sum a tile and write it; with ``tests``, only what exists."""
        c, form = self.c, self.form
        first = c.add(c.mul(here, form.along), self.shift)
        start = c.add(self.x, c.mul(first, self.step))
        if form.asks_outputs:
            to = c.add(self.y, c.mul(here, c.mul(self.step, form.phases)))
            self._ask(to, form.phases, write=True)
        zeros = [ir.Constant(self.kind, None)] * (form.places * form.phases * len(self.kept))
        with c.loop(self.run_count, zeros) as loop:
            run = c.add(self.runs, c.mul(loop.index, 2 * WORD))
            x = c.add(start, c.load(run))
            weights = c.add(self.weights, c.mul(self.outer_tap, c.load(run, INT, WORD)))
            if form.asks:
                self._ask(c.add(x, AHEAD), form.along)
            loop.next = self._summed(x, weights, loop.values, first if tests else None)
        self._write(here, loop.values, tests=tests)

    def _ask(self, at: ir.Value, positions: int, *, write: bool = False) -> None:
        """Ask for so many positions for each place of the tile, once for all blocks."""
        c = self.c
        with c.loop(c.mul(self.asked, positions), step=ALIGNMENT) as lines:
            c.prefetch(c.add(at, lines.index), write=write)

    def _summed(self, x: ir.Value, weights: ir.Value, sums: list[ir.Value], first: ir.Value | None) -> list[ir.Value]:
        """The sums with the products of a row of taps; inputs that may not exist are counted from the ``first``."""
        c, found, at, before = self.c, list(sums), x, 0
        for offset, pairs in sorted(self._met().items()):
            at, before = c.add(at, c.mul(self.step, offset - before)), offset
            slots = [slot for slot, _ in pairs]
            added = partial(self._added, at, weights, pairs, [found[slot] for slot in slots])
            if first is None:
                values = added()
            else:
                place = c.add(first, offset)
                exists = c.builder.and_(c.less(-1, place), c.less(place, self.inputs))
                values = c.chosen(exists, added, partial(list, [found[slot] for slot in slots]))
            for slot, value in zip(slots, values, strict=True):
                found[slot] = value
        return found

    def _met(self) -> dict[int, list[tuple[int, int]]]:
        """For each input, counted from that of the tile's first place, the sums that it adds to and their weights."""
        form, vectors = self.form, len(self.kept)
        met: dict[int, list[tuple[int, int]]] = {}
        for place in range(form.places):
            for number, tap in enumerate(form.taps):
                slot, weight = (place * form.phases + tap.phase) * vectors, number * form.vectors
                pairs = [(slot + v, weight + v) for v in range(vectors)]
                met.setdefault(form.along * place + tap.shift, []).extend(pairs)
        return met

    def _added(
        self, at: ir.Value, weights: ir.Value, pairs: list[tuple[int, int]], sums: list[ir.Value]
    ) -> list[ir.Value]:
        """Sums with the products of one input."""
        c, vectors = self.c, len(self.kept)
        inputs = [self._input(c.add(at, v * self.span), kept) for v, kept in enumerate(self.kept)]
        return [
            c.fma(inputs[slot % vectors], c.load(weights, self.kind, number * self.span), value)
            for (slot, number), value in zip(pairs, sums, strict=True)
        ]

    def _input(self, at: ir.Value, kept: int | None) -> ir.Value:
        c = self.c
        return (
            c.load(at, self.kind)
            if kept is None
            else c.masked_load(at, c.within(0, kept, 0, self.kind.count), self.kind)
        )

    def _write(self, here: ir.Value, sums: list[ir.Value], *, tests: bool) -> None:
        """Finish and store a tile; with ``tests``, of its last place only the outputs that exist."""
        c, form, vectors = self.c, self.form, len(self.kept)
        first = c.mul(here, form.phases)
        at = c.mul(first, self.step)
        biases = [c.load(self.bias, self.kind, v * self.span) if form.end.bias else None for v in range(vectors)]
        for output in range(form.places * form.phases):
            write = partial(self._store, at, sums[output * vectors : (output + 1) * vectors], biases)
            if tests and output > (form.places - 1) * form.phases:
                c.either(c.less(c.add(first, output), self.outputs), write)
            else:
                write()
            at = c.add(at, self.step)

    def _store(self, at: ir.Value, values: list[ir.Value], biases: list[ir.Value | None]) -> None:
        """Finish and store an output's channels."""
        c = self.c
        for v, (value, kept, bias) in enumerate(zip(values, self.kept, biases, strict=True)):
            here = c.add(at, v * self.span)
            self.form.end.store(c, value, c.add(self.y, here), c.add(self.residual, here), bias, kept)
