"""The NumPy way: every box as a few matrix products, with no zero multiplied and no padded copy.

Inside, data is channels-last, ``(batch, *spatial, groups, channels)``. The inputs of a box are one strided view
of it; a bounded tile of the view, its taps side by side with the channels, is one factor of a matrix product,
the packed weights of those taps the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from ..geometry import Layer
from .boxes import Box, families
from .plan import DEPTH, TILE, Plan

Array = NDArray[Any]
Packed = Mapping[tuple[int, ...], Array]
"""for each tap family of each axis, its weights ``(groups, *taps, input channels, output channels)``"""
Slices = tuple[slice, ...]


def pack(layer: Layer, weights: Array, dtype: np.dtype[Any]) -> Packed:
    """The weights in the order in which the boxes use them; views of ``weights`` where these serve already."""
    return {key: _serving(view, dtype) for key, view in family_views(layer, weights)}


def run(plan: Plan, x: Array, packed: Packed, bias: Array | None) -> Array:
    """The layer's output, in the plan's element type."""
    layer, dtype = plan.layer, np.dtype(plan.dtype)
    data = channels_last(x, layer.groups, dtype)
    y = np.zeros((len(x), *layer.output_size, layer.groups, layer.out_channels // layer.groups), dtype)
    if bias is not None:
        y += bias.astype(dtype).reshape(y.shape[-2:])
    # infinities and NaN in the data are the caller's: they propagate without a warning
    with np.errstate(all="ignore"):
        for box in plan.boxes:
            _add_box(box, data, packed[box.family], y)
    return np.moveaxis(y.reshape(*y.shape[:-2], layer.out_channels), -1, 1)


def _add_box(box: Box, data: Array, weights: Array, y: Array) -> None:
    """Add the products of one box to its outputs."""
    inputs, outputs = input_view(box, data), y[output_slices(box)]
    groups, channels = data.shape[-2:]
    vector = channels == 1 and groups > 1
    for taps in blocks(box.taps, channels, 1 if vector else DEPTH):
        factor = weights[:, *shifted(taps, box)]
        depth = channels * prod(factor.shape[1:-2])
        for rows in blocks(outputs.shape[:-2], row_elements(taps, outputs, channels), TILE):
            part, target = inputs[*rows, *taps], outputs[rows]
            if vector:
                target += part.reshape(*target.shape[:-1], 1) * factor.reshape(target.shape[-2:])
            else:
                packed = factor.reshape(groups, depth, target.shape[-1])
                sums = np.matmul(matrices(part, prod(target.shape[:-2])), packed)
                target += np.moveaxis(sums.reshape(groups, *target.shape[:-2], target.shape[-1]), 0, -2)


def matrices(part: Array, rows: int) -> Array:
    """``(rows..., columns..., groups, channels)`` as one matrix for each group."""
    groups, channels = part.shape[-2:]
    columns = prod(part.shape[:-2]) // rows * channels
    return np.moveaxis(part, -2, 0).reshape(groups, rows, columns)


def input_view(box: Box, data: Array) -> Array:
    """The inputs a box meets, as ``(batch, *outputs, *taps, groups, channels)``; shares the data's memory."""
    strips, spatial = box.strips, data.strides[1:-2]
    corner = data[:, *(slice(strip.first, None) for strip in strips)]
    # a single output or tap takes no step, and its step may be too long for an array
    along = (strip.along * stride * (len(strip.output) > 1) for strip, stride in zip(strips, spatial, strict=True))
    across = (strip.across * stride * (len(strip.taps) > 1) for strip, stride in zip(strips, spatial, strict=True))
    shape = (len(data), *box.counts, *box.taps, *data.shape[-2:])
    return as_strided(corner, shape, (data.strides[0], *along, *across, *data.strides[-2:]), writeable=False)


def output_slices(box: Box) -> Slices:
    """Where a box's outputs lie in ``(batch, *spatial, ...)``."""
    return (slice(None), *(slice(s.output.start, s.output.stop, s.output.step) for s in box.strips))


def shifted(taps: Slices, box: Box) -> Slices:
    """Where a block of a box's taps lies in its family."""
    return tuple(slice(t.start + s.at, t.stop + s.at) for t, s in zip(taps, box.strips, strict=True))


def row_elements(taps: Slices, outputs: Array, channels: int) -> int:
    """Elements that one row of a matrix product holds, on its longer side, in all groups."""
    groups, out_channels = outputs.shape[-2:]
    columns: int = channels * prod(t.stop - t.start for t in taps)
    return int(groups * max(columns, out_channels))


def blocks(counts: tuple[int, ...], inner: int, limit: int) -> Iterator[Slices]:
    """Cut an index space into blocks of at most ``limit`` elements (at least one index), last axes whole first."""
    sizes = []
    for count in reversed(counts):
        sizes.append(max(1, min(count, limit // max(1, inner))))
        inner *= count
    cuts = [range(0, count, size) for count, size in zip(counts, reversed(sizes), strict=True)]
    for starts in product(*cuts):
        ends = (min(start + cut.step, count) for start, cut, count in zip(starts, cuts, counts, strict=True))
        yield tuple(slice(start, end) for start, end in zip(starts, ends, strict=True))


def channels_last(array: Array, groups: int, dtype: np.dtype[Any]) -> Array:
    """Canonical data as contiguous ``(batch, *spatial, groups, channels)``; no copy where it already is."""
    moved = np.ascontiguousarray(np.moveaxis(array, 1, -1), dtype)
    return moved.reshape(*moved.shape[:-1], groups, moved.shape[-1] // groups)


def family_views(layer: Layer, weights: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
    """For each tap family of each axis, its view of the weights: ``(groups, *taps, input, output channels)``."""
    groups, rank = layer.groups, layer.rank
    split = weights.reshape(groups, layer.small_channels // groups, *weights.shape[1:])
    order = (1, 2) if layer.transposed else (2, 1)
    view = split.transpose(0, *range(3, 3 + rank), *order)
    axes = [list(enumerate(families(axis, layer.transposed))) for axis in layer.axes]
    for chosen in product(*axes):
        yield tuple(number for number, _ in chosen), view[:, *(_slice(taps) for _, taps in chosen)]


def _serving(view: Array, dtype: np.dtype[Any]) -> Array:
    """The weights as BLAS can read them: contiguous, unless every product takes one tap whose matrix is."""
    alone = 2 * view.shape[-2] > DEPTH
    contiguous = dtype.itemsize in view.strides[-2:] and view.dtype == dtype
    return view if alone and contiguous else np.ascontiguousarray(view, dtype)


def _slice(taps: range) -> slice:
    return slice(taps.start, taps.stop if taps.stop >= 0 else None, taps.step)
