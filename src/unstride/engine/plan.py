"""How a layer will be computed, decided before any array is touched: pure, cached, printable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np
from numpy.typing import DTypeLike

from ..geometry import Layer
from .boxes import Box, Cut, Strip, boxes, by_tap, reached

TILE = 2**20
"""elements of input gathered for one matrix product; a tile and its product stay near the cache"""
DEPTH = 512
"""taps are gathered side by side until a matrix product sums over this many elements: enough for BLAS"""

_CALL = 10_000
"""what one matrix product costs before it starts, in elements moved"""
_MOVES = 3
"""times an element is moved when a product is added to the output: written, read, written"""
_KERNEL = 2**16
"""taps on an axis beyond which the two cuts are no longer compared: that would take longer than it saves"""

_CUTS: dict[str, Cut] = {"outputs": reached, "taps": by_tap}


@dataclass(frozen=True, slots=True)
class Footprint:
    """The bytes that a layer takes; counted from its sizes alone, at once however large they are."""

    layer: Layer
    batch: int
    dtype: str
    """element type of the sums"""

    @property
    def input_bytes(self) -> int:
        """Bytes of the data and the weights, in the type of the sums."""
        data = self.batch * self.layer.in_channels * prod(self.layer.input_size)
        return self._itemsize * (data + _pairs(self.layer) * prod(self.layer.kernel))

    @property
    def output_bytes(self) -> int:
        """Bytes of the output, in the type of the sums."""
        return self._itemsize * self.batch * self.layer.out_channels * prod(self.layer.output_size)

    @property
    def workspace_bytes(self) -> int:
        """Bytes held besides: the data channels-last, the weights packed, and one tile with its product."""
        depth = max(DEPTH * self.layer.groups, self.layer.in_channels, self.layer.out_channels)
        return self.input_bytes + self._itemsize * 3 * max(TILE, depth)

    @property
    def bytes(self) -> int:
        """Bytes to allocate: output and workspace."""
        return self.output_bytes + self.workspace_bytes

    @property
    def _itemsize(self) -> int:
        return np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True)
class Whole:
    """What a tile is a part of: its sums are taken in the order in which those of the whole are, to the same bits."""

    layer: Layer
    """of the whole; the tile's layer differs from it in its sizes alone"""
    channels_first: bool
    """how the whole lies in memory: each channel's positions side by side, rather than each position's channels"""


@dataclass(frozen=True, slots=True)
class Plan:
    """A layer, the engine that computes it, and how.

    >>> from unstride.geometry import Axis
    >>> made = plan(Layer((Axis(2, 4, 3, stride=2),), small_channels=8, large_channels=5))
    >>> made.multiply_accumulates, made.output_bytes
    (200, 80)
    """

    layer: Layer
    engine: str
    """name of the engine's row"""
    batch: int
    dtype: str
    """element type of the sums"""
    cut: str
    """``outputs``: boxes partition the outputs; ``taps``: one box for each tap"""
    result: str = ""
    """element type that sums are rounded to, where it is another"""
    whole: Whole | None = None
    """what the layer is a tile of, if it is one"""

    @property
    def strips(self) -> tuple[tuple[Strip, ...], ...]:
        """For each axis, its strips; their product is the boxes."""
        return tuple(_CUTS[self.cut](axis, self.layer.transposed) for axis in self.layer.axes)

    @property
    def boxes(self) -> Iterator[Box]:
        """The boxes that hold any product."""
        return (box for box in boxes(self.layer.axes, self.layer.transposed, _CUTS[self.cut]) if box.products)

    @property
    def box_count(self) -> int:
        """Number of boxes that hold any product."""
        return prod(sum(strip.products > 0 for strip in strips) for strips in self.strips)

    @property
    def multiply_accumulates(self) -> int:
        """Multiply-accumulates really done: products of the relation, times channel pairs, times the batch."""
        return self.batch * _pairs(self.layer) * prod(axis.products for axis in self.layer.axes)

    @property
    def footprint(self) -> Footprint:
        """The bytes that the plan takes."""
        return Footprint(self.layer, self.batch, self.dtype)

    @property
    def input_bytes(self) -> int:
        """Bytes of the data and the weights, in the type of the sums."""
        return self.footprint.input_bytes

    @property
    def output_bytes(self) -> int:
        """Bytes of the output, in the type of the sums."""
        return self.footprint.output_bytes

    @property
    def workspace_bytes(self) -> int:
        """Bytes held besides, as in ``Footprint``."""
        return self.footprint.workspace_bytes

    @property
    def bytes(self) -> int:
        """Bytes to allocate: output and workspace."""
        return self.footprint.bytes

    def __str__(self) -> str:
        return "\n".join(_lines(self))


@lru_cache(maxsize=256)
def plan(
    layer: Layer,
    *,
    batch: int = 1,
    dtype: DTypeLike = "float32",
    engine: str = "blas",
    result: DTypeLike | None = None,
    whole: Whole | None = None,
) -> Plan:
    """The plan for ``batch`` inputs whose sums are taken in ``dtype``, and rounded to ``result``."""
    sums, rounded = np.dtype(dtype).name, "" if result is None else np.dtype(result).name
    return Plan(layer, engine, batch, sums, _choose_cut(layer, batch), "" if rounded == sums else rounded, whole)


def _choose_cut(layer: Layer, batch: int) -> str:
    """The cut that moves fewer elements.

    Boxes cut by output write each output once, but their edges read the same weights again and again; boxes
    cut by tap read each weight once, but add to the outputs once for each tap.
    """
    if layer.in_channels == layer.groups:
        return "taps"  # one input channel a group: a product of vectors, with nothing to sum over
    if max(layer.kernel) > _KERNEL:
        return "taps"
    strips = [reached(axis, layer.transposed) for axis in layer.axes]
    gathered = prod(sum(len(strip.taps) for strip in axis) for axis in strips)
    calls = prod(len(axis) for axis in strips) + gathered * layer.in_channels // layer.groups // DEPTH
    outputs = gathered * _pairs(layer) + calls * _CALL
    added = prod(axis.products for axis in layer.axes) * batch * layer.out_channels
    taps = _MOVES * added + prod(layer.kernel) * _CALL
    return "outputs" if outputs <= taps else "taps"


def _pairs(layer: Layer) -> int:
    """Channel pairs that the weights join."""
    return layer.small_channels * (layer.large_channels // layer.groups)


def _lines(made: Plan) -> Iterator[str]:
    layer = made.layer
    kind = "transposed convolution" if layer.transposed else "convolution"
    yield f"{layer.rank}-D {kind}, {layer.in_channels} -> {layer.out_channels} channels, groups {layer.groups}"
    for number, (axis, strips) in enumerate(zip(layer.axes, made.strips, strict=True)):
        yield (
            f"  axis {number}: small {axis.small}, large {axis.large}, kernel {axis.kernel}, stride {axis.stride}, "
            f"dilation {axis.dilation}, before {axis.before}, after {axis.after}; {len(strips)} strips"
        )
    yield f"engine {made.engine}: batch {made.batch}, sums in {made.dtype}, {made.box_count} boxes cut by {made.cut}"
    yield f"{made.multiply_accumulates:,} multiply-accumulates"
    yield f"{made.input_bytes:,} B in, {made.output_bytes:,} B out, {made.workspace_bytes:,} B workspace"
