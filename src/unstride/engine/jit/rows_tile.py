"""One tile of ``kernels_rows``: its sums, the masks of idle lanes, its store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TypeAlias

from . import ir
from .emit import FLOATS, INT, Code
from .memory import ALIGNMENT
from .records import WORD
from .rows_records import At, Form, Frame, Row, field
from .target import Target

AHEAD = 2048
"""bytes that inputs are asked for before they are needed: in rows farther down, which the CPU does not foresee"""

Masks: TypeAlias = dict[tuple[int, int], ir.Value]
"""for a shift and a vector, where the mask of its lanes lies"""


class Tile:
    """The code of a tile, for one shape of passes."""

    def __init__(self, form: Form, target: Target, number: int) -> None:
        self.form, self.shifts = form, form.shapes[number]
        self.item = form.item
        self.lanes = target.lanes(self.item)
        self.kind = ir.VectorType(FLOATS[form.dtype], self.lanes)
        self.met = sorted({shift for phase in self.shifts for shift in phase})
        self.farthest = max(self.met, default=0)
        self.loaded = self.met[(len(self.met) - 1) // 2] if self.met else 0
        """the shift whose inputs are loaded, where those at others are taken from them"""
        self.shuffles = not form.packs and target.vector_bytes == ALIGNMENT
        """whether they are: a vector is a cache line, so that each at another shift lies in two, and loads are most"""

    def masks(self, c: Code, frame: ir.Value, place: ir.Value, vectors: set[int]) -> Masks:
        """Masks of the lanes whose inputs exist; kept in memory, for the loop has other use for registers."""
        bits = ir.IntType(8 * self.item)
        kind = ir.VectorType(bits, self.lanes)
        lane = ir.Constant(kind, list(range(self.lanes)))
        low, high = (c.sub(field(c, frame, limit), place) for limit in (Frame.LOW, Frame.HIGH))
        found: Masks = {}
        size = self.lanes * self.item
        for vector in sorted(vectors):
            for shift in self.met:
                ends = []
                for limit in (low, high):
                    first = c.minimum(c.maximum(c.sub(limit, vector * self.lanes + shift), 0), self.lanes)
                    ends.append(c.splat(first if bits.width == 64 else c.builder.trunc(first, bits), kind))
                mask = c.builder.and_(
                    c.builder.icmp_signed(">=", lane, ends[0]), c.builder.icmp_signed("<", lane, ends[1])
                )
                at = c.builder.alloca(kind, size)
                c.builder.store(c.builder.sext(mask, kind), at, size)
                found[shift, vector] = at
        return found

    def sums(self, c: Code, at: At, count: int, masks: Masks, *, careful: bool) -> list[ir.Value]:
        """The sums of a tile: by channels, then phases, then rows, then vectors."""
        frame, record, place = at
        fields = (Frame.X, Frame.WEIGHTS, Frame.RUNS, Frame.TAP, Frame.CHANNELS, Frame.X_CHANNEL)
        x, weights, runs, tap, channels, step = (field(c, frame, number) for number in fields)
        runs, run_count = c.add(runs, field(c, record, Row.RUNS)), field(c, record, Row.RUN_COUNT)
        first, *others = (field(c, record, Row.X + 2 * row) for row in range(self.form.rows))
        start, apart = c.add(x, first, c.mul(place, self.item)), [c.sub(other, first) for other in others]
        row = sum(map(len, self.shifts)) * self.form.channels * self.item
        zeros = [ir.Constant(self.kind, None)] * (self.form.channels * len(self.shifts) * self.form.rows * count)
        if not self.form.single and not self.form.beside:
            self._ask_outputs(c, at, count)
        if not self.met:
            return list(zeros)
        with c.loop(run_count, zeros) as outer:
            run = c.add(runs, c.mul(outer.index, 2 * WORD))
            x, first = c.add(start, c.load(run)), c.add(weights, c.mul(tap, c.load(run, INT, WORD)))
            if self.form.single:
                rows = [x, *(c.add(x, other) for other in apart)]
                outer.next = self._products(c, rows, first, outer.values, masks, careful=careful)
            else:
                line, apart_channels = self._next_line(c, frame), field(c, frame, Frame.SOURCE)
                with c.loop(channels, [x, first, line, *outer.values]) as inner:
                    here, factors, line, *sums = inner.values
                    rows = [here, *(c.add(here, other) for other in apart)]
                    self._ask(c, rows, line, count)
                    sums = self._products(c, rows, factors, sums, masks, careful=careful)
                    inner.next = [c.add(here, step), c.add(factors, row), c.add(line, apart_channels), *sums]
                outer.next = inner.values[3:]
        return outer.values

    def _ask_outputs(self, c: Code, at: At, count: int) -> None:
        """Ask for the lines that the tile will be written to: its sums take long enough for them to come."""
        frame, record, place = at
        y, step = (field(c, frame, number) for number in (Frame.Y, Frame.Y_CHANNEL))
        start = c.add(y, c.mul(place, self.form.stride * self.item))
        width = self.lanes * count * self.form.stride * self.item
        for row in range(self.form.rows):
            here = c.add(start, field(c, record, Row.Y + 2 * row))
            for channel in range(self.form.channels):
                for line in range(0, width, ALIGNMENT):
                    c.prefetch(c.add(here, c.mul(step, channel), line), write=True)

    def _next_line(self, c: Code, frame: ir.Value) -> ir.Value:
        """The next line of the inputs that will be packed next, of the first channel."""
        line = field(c, frame, Frame.NEXT)
        if self.form.asks:
            c.store(c.minimum(c.add(line, ALIGNMENT), field(c, frame, Frame.NEXT_END)), frame, Frame.NEXT * WORD)
        return line

    def _ask(self, c: Code, rows: list[ir.Value], line: ir.Value, count: int) -> None:
        """Ask for inputs of rows farther down; where these are packed and near, for those that will be packed."""
        if self.form.asks:
            c.prefetch(line)
        for x, vector in product(() if self.form.packs else rows, range(count)):
            c.prefetch(c.add(x, AHEAD + vector * self.lanes * self.item))

    def _products(
        self, c: Code, rows: list[ir.Value], weights: ir.Value, sums: list[ir.Value], masks: Masks, *, careful: bool
    ) -> list[ir.Value]:
        """The sums with the products of an input row for each output row: inputs at each shift, and its taps."""
        found, entry = list(sums), 0
        count = len(sums) // (self.form.channels * len(self.shifts) * len(rows))
        loaded = [self._loaded(c, x, count, masks) if self.shuffles else [] for x in rows]
        for shift in self.met:
            kept = self._kept(c, shift, count, masks)
            inputs = [
                each for x, own in zip(rows, loaded, strict=True) for each in self._inputs(c, x, shift, kept, own)
            ]
            for phase in (number for number, taps in enumerate(self.shifts) if shift in taps):
                for channel in range(self.form.channels):
                    factor = c.splat(c.load(weights, self.kind.element, entry * self.item), self.kind)
                    entry += 1
                    for number, value in enumerate(inputs):
                        slot = (channel * len(self.shifts) + phase) * len(inputs) + number
                        total, mask = c.fma(value, factor, found[slot]), kept[number % count]
                        found[slot] = c.builder.select(mask, total, found[slot]) if careful and mask else total
        return found

    def _loaded(self, c: Code, x: ir.Value, count: int, masks: Masks) -> list[ir.Value]:
        kept = self._kept(c, self.loaded, count, masks)
        return [self._input(c, x, self.loaded + v * self.lanes, kept[v]) for v in range(count)]

    def _inputs(
        self, c: Code, x: ir.Value, shift: int, kept: list[ir.Value | None], loaded: list[ir.Value]
    ) -> Iterator[ir.Value]:
        """A row's inputs at a shift: from neighbours among those that are loaded at another, where there are two."""
        apart, lanes = shift - self.loaded, self.lanes
        for v, mask in enumerate(kept):
            first = v + min(apart, 0) // lanes
            if loaded and apart == 0:
                yield loaded[v]
            elif loaded and abs(apart) < lanes and 0 <= first < len(loaded) - 1:
                yield c.shuffle(loaded[first], loaded[first + 1], range(apart % lanes, apart % lanes + lanes))
            else:
                yield self._input(c, x, shift + v * lanes, mask)

    def _kept(self, c: Code, shift: int, count: int, masks: Masks) -> list[ir.Value | None]:
        """For each vector of inputs the lanes that exist; all, where there is no mask."""
        return [self._mask(c, masks[shift, v]) if (shift, v) in masks else None for v in range(count)]

    def _mask(self, c: Code, at: ir.Value) -> ir.Value:
        kind = ir.VectorType(ir.IntType(8 * self.item), self.lanes)
        value = c.builder.load(at, kind, self.lanes * self.item)
        return c.builder.icmp_signed("<", value, ir.Constant(kind, None))

    def _input(self, c: Code, x: ir.Value, element: int, mask: ir.Value | None) -> ir.Value:
        if mask is None:
            return c.load(x, self.kind, element * self.item)
        return c.masked_load(c.add(x, element * self.item), mask, self.kind)

    def store(self, c: Code, at: At, sums: list[ir.Value], *, masked: bool) -> None:
        """Write a tile row by row."""
        frame, record, place = at
        count = len(sums) // (self.form.channels * len(self.shifts) * self.form.rows)
        for row in range(self.form.rows):
            own = [value for number, value in enumerate(sums) if number // count % self.form.rows == row]
            here = (frame, field(c, record, Row.Y + 2 * row), place)
            (self._store_beside if self.form.beside else self._store)(c, here, own, masked=masked)

    def _store(self, c: Code, at: At, sums: list[ir.Value], *, masked: bool) -> None:
        """Write a row of a tile, given by the bytes before it: channel by channel, its phases interleaved."""
        frame, row, place = at
        fields = (Frame.Y, Frame.RESIDUAL, Frame.BIAS, Frame.COUNT, Frame.Y_CHANNEL, Frame.OUTPUTS)
        y, residual, bias, count, step, outputs = (field(c, frame, number) for number in fields)
        before = c.mul(place, self.form.stride)
        left = c.sub(outputs, before) if masked else None
        own = len(sums) // self.form.channels
        for channel in range(self.form.channels):
            offset = c.add(row, c.mul(before, self.item), c.mul(step, channel))
            to = (c.add(y, offset), c.add(residual, offset))
            each = sums[channel * own : (channel + 1) * own]

            def write(to: tuple[ir.Value, ir.Value] = to, each: list[ir.Value] = each, channel: int = channel) -> None:
                addend = c.load(bias, self.kind.element, channel * self.item) if self.form.end.bias else None
                for first, value in self._pieces(c, each):
                    self._finish(c, value, first, to, addend, left)

            if channel:
                c.either(c.less(channel, count), write)
            else:
                write()

    def _store_beside(self, c: Code, at: At, sums: list[ir.Value], *, masked: bool) -> None:
        """Write such a row whose channels lie side by side: phases and channels interleaved."""
        frame, row, place = at
        y, residual, bias, outputs = (field(c, frame, n) for n in (Frame.Y, Frame.RESIDUAL, Frame.BIAS, Frame.OUTPUTS))
        channels, phases = self.form.channels, self.form.stride
        before, count = c.mul(place, phases), len(sums) // (channels * phases)
        left = c.mul(c.sub(outputs, before), channels) if masked else None
        offset = c.add(row, c.mul(before, channels * self.item))
        to = (c.add(y, offset), c.add(residual, offset))
        if self.form.end.bias:
            addends = [c.splat(c.load(bias, self.kind.element, n * self.item), self.kind) for n in range(channels)]
            sums = [c.builder.fadd(each, addends[number // (phases * count)]) for number, each in enumerate(sums)]
        for vector in range(count):
            own = [sums[number * count + vector] for number in range(channels * phases)]
            own = [own[channel * phases + phase] for phase in range(phases) for channel in range(channels)]
            first = vector * channels * phases * self.lanes
            for number, value in enumerate(interleaved(c, own)):
                self._finish(c, value, first + number * self.lanes, to, None, left)

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
    sources = [divmod(element, count) for element in range(count * lanes)]
    wanted = [vector * lanes + lane for lane, vector in sources]
    return [c.picked(vectors, wanted[first : first + lanes]) for first in range(0, count * lanes, lanes)]
