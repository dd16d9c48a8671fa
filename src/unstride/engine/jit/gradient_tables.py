"""Where the sums of a weight gradient lie, as tables of integers that compiled code walks: tasks, chunks, parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from math import prod

import numpy as np
from numpy.typing import NDArray

from ..boxes import Strip
from .gradient_records import PAIR
from .gradient_shape import Piece, Shape, Slots, pieces, ranges, strips, sums
from .memory import ALIGNMENT, Array, Table, table
from .tables import AGAIN, LEAST_TASKS, Strides, clipped

PANEL = {16: 16 * 1024, 32: 16 * 1024, 64: 64 * 1024}
"""bytes of a vector -> of a panel: half of a common first-level cache, more where vectors make few positions of that"""
WINDOW = 1024 * 1024
"""bytes of a packed window, where a chunk can be that small"""
WIDEST = 2**26
"""bytes of one beyond which none is made larger"""
CHANNELS = (256, 128)
"""channels of the small and of the large side in one task: their panels of a chunk share a second-level cache"""
FEWEST = 64
"""channels of a side below which a task is not cut: it would pack more than it sums"""
TASKS = 8
"""tasks wanted, to be shared among a few workers"""
PARTIAL = 4 * 1024 * 1024
"""bytes that all partial sums may take"""


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """What a call needs beside its arrays."""

    plan: Table
    task_count: int
    scratch: int
    """bytes for each worker"""
    splits: int
    """partial sums to add"""
    fresh: bool
    """whether every sum is written before it is added to"""
    kept: tuple[Array, ...]
    """the tables that the plan points to"""


def tables(shape: Shape, *, shared: bool) -> Tables:
    """The tables of a layer, and the plan that points to them; its tasks are shared by threads, or one does all."""
    writer = _Writer(shape)
    limit = _enlarged(shape, writer, _limit(shape))
    for piece in pieces(shape.small_size, shape.batch, limit):
        writer.add(piece)
    smalls, larges, splits = _sharing(shape, len(writer.chunks), shared=shared)
    cuts = [number * len(writer.chunks) // splits for number in range(splits + 1)]
    fresh = bool(writer.chunks) and all(writer.complete[cut] for cut in cuts[:-1])
    tasks = list(_tasks(shape, smalls, larges, cuts, fresh))
    (*offsets, edge), scratch = _scratch(shape, writer, limit, max(map(len, smalls)), max(map(len, larges)))
    pairs = np.concatenate(writer.pairs) if writer.pairs else np.zeros((0, 2), np.int32)
    kept: tuple[Array, ...] = (*(table(rows) for rows in (tasks, writer.chunks, writer.parts)), pairs)
    item, layer = shape.item, shape.layer
    small_plane, large_plane = prod(shape.small_size) * item, prod(shape.large_size) * item
    plan = np.array(
        [
            *(part.ctypes.data for part in kept),
            scratch,
            *offsets,
            shape.small_first,
            shape.large_first,
            layer.small_channels * item,
            layer.large_channels * item,
            small_plane,
            large_plane,
            small_plane * layer.small_channels,
            large_plane * layer.large_channels,
            *(*Strides.packed(shape.large_size, item).axes, 0, 0)[:2],
            _in_panels(shape),
            _row(shape),
            layer.axes[-1].dilation,
            edge,
        ],
        np.int64,
    )
    return Tables(plan, len(tasks), scratch, splits, fresh, kept)


def _row(shape: Shape) -> int:
    """Bytes of the gradient between the rows of a tile."""
    small, large, taps = shape.steps
    if shape.form.lanewise:
        return taps[-1]
    return large if shape.form.small_lanes else small


def _limit(shape: Shape) -> int:
    """Small positions in a chunk."""
    form = shape.form
    vector = shape.lanes * form.item
    most = max(1, PANEL[vector] // (form.vectors * vector))
    if form.large == "direct":
        most *= 2
    if shape.large_first or form.large == "chunk":
        # each small position brings about a stride's worth of large ones
        window = prod(shape.layer.stride) * min(shape.larges, CHANNELS[1]) * form.item
        most = min(most, max(1, WINDOW // window))
    return most


def _enlarged(shape: Shape, writer: _Writer, limit: int) -> int:
    """The limit, larger where the windows of the chunks would otherwise be packed again and again."""
    most, now = AGAIN * shape.batch * prod(shape.large_size), writer.sizes(limit) if shape.large_first else []
    while sum(now) > most:
        larger = writer.sizes(2 * limit)
        if len(larger) < LEAST_TASKS or max(larger) * shape.larges * shape.item > WIDEST:
            break
        limit, now = 2 * limit, larger
    return limit


def _in_panels(shape: Shape) -> bool:
    """Whether the small side is gathered in panels: tiles read whole vectors, also of the last channels of a range."""
    return not shape.form.lanewise and shape.smalls > shape.widths[0]


def _sharing(shape: Shape, chunks: int, *, shared: bool) -> tuple[list[range], list[range], int]:
    """Ranges of small and of large channels of a group, and the number of ranges of chunks.

    Ranges of chunks have sums of their own, so that they are the same however many threads there are; ranges of
    channels change no sum, but each packs the other side again.
    """
    small_width, large_width = shape.widths
    limits = [CHANNELS[0], max(CHANNELS[1], shape.larges) if shape.merged else CHANNELS[1]]
    size = prod(shape.held[0]) * shape.item

    def cut() -> tuple[list[range], list[range]]:
        smalls = list(_aligned(shape.smalls, limits[0], small_width))
        if shape.form.lanewise:
            return smalls, [range(1)]
        return smalls, list(_aligned(shape.larges, limits[1], 1 if shape.merged else large_width))

    smalls, larges = cut()
    wanted = -(-TASKS // (shape.groups * len(smalls) * len(larges)))
    splits = max(1, min(chunks, wanted, PARTIAL // max(1, size)))
    while shared and shape.groups * len(smalls) * len(larges) * splits < TASKS:
        # to cut the large side costs less: each part packs the small one again
        counts = [min(limit, count) for limit, count in zip(limits, (shape.smalls, shape.larges), strict=True)]
        side = 1 if counts[1] >= 2 * FEWEST and not shape.merged else 0
        if counts[side] < 2 * FEWEST:
            break
        limits[side] //= 2
        smalls, larges = cut()
    return smalls, larges, splits


def _aligned(count: int, most: int, width: int) -> Iterator[range]:
    """``range(count)`` in ranges of about ``most``, all but the last of whole blocks."""
    blocks = -(-count // width)
    for block in ranges(blocks, max(1, most // width)):
        yield range(block.start * width, min(count, block.stop * width))


def _tasks(
    shape: Shape, smalls: list[range], larges: list[range], cuts: list[int], fresh: bool
) -> Iterator[tuple[int, ...]]:
    item = shape.item
    small_step = prod(shape.small_size) * item if shape.small_first else item
    large_step = prod(shape.large_size) * item if shape.large_first else item
    by_small, by_large, _ = shape.steps
    total = prod(shape.held[0]) * item
    for split, (first, last) in enumerate(pairwise(cuts)):
        for group, small, large in product(range(shape.groups), smalls, larges):
            at, beside = group * shape.smalls + small.start, group * shape.larges + large.start
            count = len(large)
            if shape.form.lanewise:
                beside, count = at, len(small)
            gradient = split * total + at * by_small + large.start * by_large
            yield first, last, at * small_step, len(small), beside * large_step, count, gradient, fresh


def _scratch(shape: Shape, writer: _Writer, limit: int, smalls: int, larges: int) -> tuple[tuple[int, ...], int]:
    """Where a worker's tiles and panels lie, and how much it needs."""
    small_width, large_width = shape.widths
    taps = shape.layer.kernel[-1] if shape.merged else 1
    if shape.form.lanewise:
        larges = smalls
    held = {"direct": 0, "part": limit, "chunk": writer.slots}[shape.form.large]
    sizes = (
        limit * smalls * shape.small_first * shape.item,
        writer.window * larges * shape.large_first * shape.item,
        -(-smalls // small_width) * _panel(limit * small_width * shape.item),
        -(-larges * taps // large_width) * _panel(held * large_width * shape.item),
        shape.form.rows * shape.form.vectors * shape.lanes * shape.item,
    )
    offsets, end = [], 0
    for size in sizes:
        offsets.append(end)
        # packing writes whole vectors, one of them beyond the last position
        end += -(-(size + ALIGNMENT) // ALIGNMENT) * ALIGNMENT
    return tuple(offsets), end


def _panel(size: int) -> int:
    """Bytes that a panel may take, with what is written beyond its last position and what keeps it off others' sets."""
    return size + 3 * ALIGNMENT


class _Writer:
    """Collects the records of chunks, parts and pairs; what two chunks share is written once."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.strips = [strips(shape, axis) for axis in range(shape.layer.rank)]
        self.cut: dict[tuple[int, range], tuple[Strip, ...]] = {}
        self.chunks: list[tuple[int, ...]] = []
        self.complete: list[bool] = []
        self.parts: list[tuple[int, ...]] = []
        self.shapes: dict[object, tuple[int, int, bool, int, int]] = {}
        self.pairs: list[NDArray[np.int32]] = []
        self.tables: dict[object, int] = {}
        self.written = 0
        self.window = 0
        self.slots = 0

    def add(self, piece: Piece) -> None:
        """The record of a chunk and its parts; nothing where it meets no large position."""
        shape, item = self.shape, self.shape.item
        found = [self._clipped(axis, smalls) for axis, smalls in enumerate(piece.smalls)]
        if not all(found):
            return
        windows = self.windows(piece)
        size, images = prod(map(len, windows)), len(piece.images)
        self.window = max(self.window, size * images)
        key = (
            images,
            tuple(map(len, piece.smalls)),
            tuple(map(len, windows)),
            tuple(map(_relative, found, piece.smalls, windows)),
        )
        if key not in self.shapes:
            self.shapes[key] = self._parts(piece, found, windows)
        first, last, complete, *slots = self.shapes[key]
        layer = shape.layer
        small = _before(piece, piece.smalls, shape.small_size, layer.small_channels, shape.small_first) * item
        large = _before(piece, windows, shape.large_size, layer.large_channels, shape.large_first) * item
        leads = [*map(len, windows[: piece.cut]), 1, 1][:2]
        positions, window = prod(map(len, piece.smalls)), prod(map(len, windows[piece.cut :]))
        self.chunks.append((small, large, images, positions, *leads, window, first, last, *slots))
        self.complete.append(complete)

    def sizes(self, limit: int) -> list[int]:
        """Large positions in the windows of chunks of so many small ones."""
        chunks = pieces(self.shape.small_size, self.shape.batch, limit)
        return [len(piece.images) * prod(map(len, self.windows(piece))) for piece in chunks]

    def windows(self, piece: Piece) -> tuple[range, ...]:
        """The large indices of each axis that a chunk meets; all of them behind the axis that is cut."""
        found = (self._clipped(axis, smalls) for axis, smalls in enumerate(piece.smalls))
        return tuple(
            range(size) if axis > piece.cut else _window(kept)
            for axis, (kept, size) in enumerate(zip(found, self.shape.large_size, strict=True))
        )

    def _clipped(self, axis: int, smalls: range) -> tuple[Strip, ...]:
        key = (axis, smalls)
        if key not in self.cut:
            kept = (clipped(strip, smalls) for strip in self.strips[axis])
            self.cut[key] = tuple(strip for strip in kept if strip is not None)
        return self.cut[key]

    def _parts(
        self, piece: Piece, found: list[tuple[Strip, ...]], windows: tuple[range, ...]
    ) -> tuple[int, int, bool, int, int]:
        """Write the parts of a chunk: from, to, whether they write every sum; and the slots of its large side."""
        shape, layer, begin = self.shape, self.shape.layer, len(self.parts)
        *_, steps = shape.steps
        across = Strides.packed(tuple(map(len, windows)) if shape.large_first else shape.large_size, 1)
        order = (
            Slots(found, windows, tuple(axis.stride for axis in layer.axes)) if shape.form.large == "chunk" else None
        )
        smalls, images = Strides.packed(tuple(map(len, piece.smalls)), 1), len(piece.images)
        written: set[tuple[int, ...]] = set()
        fresh = True
        for box in product(*found):
            counts = (images, *(len(strip.output) for strip in box))
            first = tuple(s.first - w.start for s, w in zip(box, windows, strict=True))
            along = tuple(strip.along * step for strip, step in zip(box, across.axes, strict=True))
            image, large = across.image, across.at(0, first)
            if order:
                image, large, along = order.count, *order.at(first)
            pairs = self._pairs(counts, (smalls.image, *smalls.axes), (image, *along))
            small = smalls.at(0, tuple(s.output.start - r.start for s, r in zip(box, piece.smalls, strict=True)))
            gradient = sum(strip.taps.start * step for strip, step in zip(box, steps, strict=True))
            taps = set(product(*(strip.taps for strip in box)))
            new = not taps & written
            fresh &= new or taps <= written
            written |= taps
            self.parts.append((pairs, prod(counts), small, large, gradient, len(box[-1].taps), new))
        complete = fresh and len(written) == prod(layer.kernel)
        slots = (self._slots(order, images, across), images * order.count) if order else (0, 0)
        return begin, len(self.parts), complete, *slots

    def _slots(self, order: Slots, images: int, across: Strides) -> int:
        """Bytes before a table of the large positions as they lie in panels."""
        held = np.add.outer(np.arange(images) * across.image, order.positions(across.axes)).ravel()
        return self._write(np.stack([np.zeros_like(held), held], axis=-1).astype(np.int32))

    def _write(self, rows: NDArray[np.int32]) -> int:
        begin = self.written * PAIR
        self.pairs.append(rows)
        self.written += len(rows)
        self.slots = max(self.slots, len(rows))
        return begin

    def _pairs(self, counts: tuple[int, ...], smalls: tuple[int, ...], larges: tuple[int, ...]) -> int:
        """Bytes before a table of pairs, written once."""
        key = (counts, smalls, larges)
        if key not in self.tables:
            self.tables[key] = self._write(np.stack([sums(counts, steps) for steps in (smalls, larges)], axis=-1))
        return self.tables[key]


def _window(found: tuple[Strip, ...]) -> range:
    """The least range of large indices that the strips meet."""
    met = [indices for strip in found for indices in (strip.inputs[0], strip.inputs[-1])]
    return range(0) if not met else range(min(indices[0] for indices in met), max(indices[-1] for indices in met) + 1)


def _relative(found: tuple[Strip, ...], smalls: range, window: range) -> tuple[tuple[int, ...], ...]:
    """The strips as seen from the chunk's first positions."""
    return tuple(
        (s.output.start - smalls.start, len(s.output), s.taps.start, len(s.taps), s.first - window.start) for s in found
    )


def _before(piece: Piece, ranges: tuple[range, ...], size: tuple[int, ...], channels: int, first: bool) -> int:
    """Elements before the first position of these ranges."""
    position = Strides.packed(size, 1 if first else channels).at(0, tuple(r.start for r in ranges))
    return piece.images.start * prod(size) * channels + position
