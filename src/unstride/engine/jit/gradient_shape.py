"""A layer as weight gradients see it: how its arrays lie, its taps in runs, its positions in chunks and slots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby, product
from math import prod

import numpy as np
from numpy.typing import NDArray

from ...geometry import Layer
from ..boxes import Strip, by_output, by_tap
from .kernels_panels import Form
from .tables import Strides


@dataclass(frozen=True, slots=True)
class Shape:
    """How a layer's arrays lie in memory, and which tile sums them."""

    layer: Layer
    batch: int
    form: Form
    lanes: int
    small_first: bool
    """whether the small side's array is channels first"""
    large_first: bool
    merged: str = ""
    """the taps along the last axis that lie side by side in a tile: those of a run of ``positions`` that meets them
    all, the ``taps`` that meet the same positions, or none
    """

    @property
    def item(self) -> int:
        return self.form.item

    @property
    def groups(self) -> int:
        return 1 if self.form.lanewise else self.layer.groups

    @property
    def smalls(self) -> int:
        """Small channels of a group."""
        return self.layer.small_channels // self.groups

    @property
    def larges(self) -> int:
        """Large channels of a group; of a depthwise layer those that meet one small channel."""
        return self.layer.large_channels // self.layer.groups

    @property
    def small_size(self) -> tuple[int, ...]:
        return tuple(axis.small for axis in self.layer.axes)

    @property
    def large_size(self) -> tuple[int, ...]:
        return tuple(axis.large for axis in self.layer.axes)

    @property
    def widths(self) -> tuple[int, int]:
        """Channels in a block of the small and of the large side."""
        lanes = self.form.vectors * self.lanes
        if self.form.lanewise:
            return lanes, lanes
        return (lanes, self.form.rows) if self.form.small_lanes else (self.form.rows, lanes)

    @property
    def held(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The gradient in memory: its shape, and the order of its axes as (small, large, taps…)."""
        kernel, rank = self.layer.kernel, self.layer.rank
        smalls, larges = self.layer.small_channels, self.larges
        if self.form.small_lanes:
            return (*kernel, larges, smalls), (rank + 1, rank, *range(rank))
        if self.merged:
            return (*kernel[:-1], smalls, kernel[-1], larges), (rank - 1, rank + 1, *range(rank - 1), rank)
        return (*kernel, smalls, larges), (rank, rank + 1, *range(rank))

    @property
    def steps(self) -> tuple[int, int, tuple[int, ...]]:
        """Bytes of the gradient between small channels, large channels, and taps along each axis."""
        shape, order = self.held
        strides = [prod(shape[axis + 1 :]) * self.item for axis in range(len(shape))]
        small, large, *taps = (strides[axis] for axis in order)
        return small, large, tuple(taps)


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk: images, and small indices; single ones before the axis ``cut``, all of them behind it."""

    images: range
    smalls: tuple[range, ...]
    cut: int


def pieces(size: tuple[int, ...], batch: int, limit: int) -> Iterator[Piece]:
    """The small positions in chunks of at most ``limit``."""
    image, rank = prod(size), len(size)
    if image <= limit:
        for images in ranges(batch, max(1, limit // image)):
            yield Piece(images, tuple(map(range, size)), 0)
        return
    cut = next((axis for axis in range(rank - 1) if prod(size[axis + 1 :]) <= limit), rank - 1)
    rest = size[cut + 1 :]
    for number in range(batch):
        for index in product(*map(range, size[:cut])):
            for block in ranges(size[cut], max(1, limit // prod(rest))):
                lead = (range(at, at + 1) for at in index)
                yield Piece(range(number, number + 1), (*lead, block, *map(range, rest)), cut)


def ranges(count: int, most: int) -> Iterator[range]:
    """``range(count)`` in as few ranges of at most ``most`` as there can be, of about one length."""
    number = -(-count // most)
    for block in range(number):
        yield range(block * count // number, (block + 1) * count // number)


def strips(shape: Shape, axis: int) -> tuple[Strip, ...]:
    """Small indices (as outputs) of one axis and the taps at which all of them meet the large side.

    Where taps lie side by side they come in runs, the longest first; else each tap has its own strip.
    """
    wanted = shape.layer.axes[axis]
    if axis < shape.layer.rank - 1 or not shape.merged:
        return by_tap(wanted, transposed=False)
    if shape.merged == "taps":
        return tuple(
            _run(list(strips)) for _, strips in groupby(by_tap(wanted, transposed=False), lambda strip: strip.output)
        )
    found = (strip for strip in by_output(wanted, transposed=False) if strip.taps)
    return tuple(sorted(found, key=lambda strip: -len(strip.taps)))


def _run(found: list[Strip]) -> Strip:
    """Strips of neighbouring taps over the same outputs as one."""
    return replace(found[0], taps=range(found[0].taps.start, found[-1].taps.stop))


class Slots:
    """A chunk's large positions of one image phase by phase: those that one tap meets lie side by side.

    Only phases that some tap meets have slots.
    """

    def __init__(self, found: list[tuple[Strip, ...]], windows: tuple[range, ...], strides: tuple[int, ...]) -> None:
        self.strides, self.first = strides, {}
        met = [
            sorted({(strip.first - window.start) % stride for strip in kept})
            for kept, window, stride in zip(found, windows, strides, strict=True)
        ]
        self.lengths: dict[tuple[int, ...], tuple[int, ...]] = {}
        self.count = 0
        for phases in product(*met):
            lengths = (-(-(len(w) - phase) // s) for w, phase, s in zip(windows, phases, strides, strict=True))
            self.lengths[phases] = tuple(lengths)
            self.first[phases] = self.count
            self.count += prod(self.lengths[phases])

    def at(self, index: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        """The slot of a position in the window, and the steps to the next positions of its phase."""
        phases = tuple(at % stride for at, stride in zip(index, self.strides, strict=True))
        steps = Strides.packed(self.lengths[phases], 1)
        inner = tuple(at // stride for at, stride in zip(index, self.strides, strict=True))
        return self.first[phases] + steps.at(0, inner), steps.axes

    def positions(self, steps: tuple[int, ...]) -> NDArray[np.int32]:
        """For each slot its position, where those of an axis are ``steps`` apart."""
        parts = []
        for phases, lengths in self.lengths.items():
            start = sum(phase * step for phase, step in zip(phases, steps, strict=True))
            wide = tuple(stride * step for stride, step in zip(self.strides, steps, strict=True))
            parts.append(start + sums(lengths, wide))
        return np.concatenate(parts)


def sums(counts: tuple[int, ...], steps: tuple[int, ...]) -> NDArray[np.int32]:
    """All ``Σ index·step``, in order of the indices."""
    found = np.zeros(1, np.int64)
    for count, step in zip(counts, steps, strict=True):
        found = np.add.outer(found, np.arange(count) * step).ravel()
    return found.astype(np.int32)
