"""Five definitions of a transposed convolution, and of its adjoint, that must agree exactly.

Each takes a layer, data ``(batch, channels, *spatial)`` and weights ``(small_channels, large_channels / groups,
*taps)`` of integers, and shares nothing with the others but the relation. They are slow: oracles, not engines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..geometry import Axis, Layer, Phase

Array = NDArray[Any]
Index = tuple[int, ...]


def scatter_of_stamps(layer: Layer, x: Array, weights: Array) -> Array:
    """Each small element lays its stamp on the large side; a convolution reads under the stamp instead."""
    y, joined = _output(layer, x), dense(layer, weights)
    for small in np.ndindex(*(axis.small for axis in layer.axes)):
        for met in product(*(axis.stamp(i) for axis, i in zip(layer.axes, small, strict=True))):
            tap, large = tuple(c.tap for c in met), tuple(c.large for c in met)
            _add(layer, y, x, small, large, _at(joined, tap))
    return y


def gather_of_taps(layer: Layer, x: Array, weights: Array) -> Array:
    """Each large element collects what its taps meet; a convolution hands the large element to them instead."""
    y, joined = _output(layer, x), dense(layer, weights)
    for large in np.ndindex(*(axis.large for axis in layer.axes)):
        for met in product(*(axis.taps(j) for axis, j in zip(layer.axes, large, strict=True))):
            tap, small = tuple(c.tap for c in met), tuple(c.small for c in met)
            _add(layer, y, x, small, large, _at(joined, tap))
    return y


def zero_stuffed(layer: Layer, x: Array, weights: Array) -> Array:
    """Zeros between the small elements, every tap at every place of the full extent, then a crop.

    A convolution pads to the full extent, takes every tap at every place, and keeps every ``stride``-th result.
    """
    joined = dense(layer, weights)
    stuffed = tuple(max(0, (axis.small - 1) * axis.stride + 1) for axis in layer.axes)
    full = tuple(size + axis.span - 1 for size, axis in zip(stuffed, layer.axes, strict=True))
    small = np.zeros((len(x), layer.small_channels, *stuffed), x.dtype)
    large = np.zeros((len(x), layer.large_channels, *full), x.dtype)
    kept = tuple(slice(None, None, axis.stride) for axis in layer.axes)
    if layer.transposed:
        small[:, :, *kept] = x
    else:
        large = _window(x, [(-axis.before, size) for axis, size in zip(layer.axes, full, strict=True)])
    for tap in np.ndindex(*layer.kernel):
        shifts = [axis.dilation * t for axis, t in zip(layer.axes, tap, strict=True)]
        place = tuple(slice(shift, shift + size) for shift, size in zip(shifts, stuffed, strict=True))
        if layer.transposed:
            large[:, :, *place] += np.einsum("ns...,sl->nl...", small, joined[:, :, *tap])
        else:
            small += np.einsum("nl...,sl->ns...", large[:, :, *place], joined[:, :, *tap])
    if not layer.transposed:
        return small[:, :, *kept]
    return _window(large, [(axis.before, axis.large) for axis in layer.axes])


def product_with_matrix(layer: Layer, x: Array, weights: Array) -> Array:
    """The flattened data times ``matrix``; a convolution is the product with its transpose."""
    full = matrix(layer, weights)
    rows = x.reshape(len(x), prod(x.shape[1:]))
    flat = rows @ (full if layer.transposed else full.T)
    return flat.reshape(len(x), layer.out_channels, *layer.output_size)


def matrix(layer: Layer, weights: Array) -> Array:
    """The layer as a matrix, ``(small channels · positions, large channels · positions)``, element by element."""
    smalls, larges = tuple(axis.small for axis in layer.axes), tuple(axis.large for axis in layer.axes)
    full = np.zeros((layer.small_channels, *smalls, layer.large_channels, *larges), weights.dtype)
    joined = dense(layer, weights)
    for small, large in product(np.ndindex(*smalls), np.ndindex(*larges)):
        tap = _tap(layer, small, large)
        if tap is not None:
            for s, c in np.ndindex(layer.small_channels, layer.large_channels):
                full[s, *small, c, *large] = joined[s, c, *tap]
    return full.reshape(layer.small_channels * prod(smalls), layer.large_channels * prod(larges))


def sum_of_phases(layer: Layer, x: Array, weights: Array) -> Array:
    """Each phase of the large side is a convolution without stride over the phase's own taps."""
    y, joined = _output(layer, x), dense(layer, weights)
    for phases in product(*(tuple(axis.phases()) for axis in layer.axes)):
        reached = (_met(axis, phase) for axis, phase in zip(layer.axes, phases, strict=True))
        for met in product(*map(list, reached)):
            small, tap, large = zip(*met, strict=True)
            _add(layer, y, x, small, large, _at(joined, tap))
    return y


Definition = Callable[[Layer, Array, Array], Array]
DEFINITIONS: tuple[Definition, ...] = (
    scatter_of_stamps,
    gather_of_taps,
    zero_stuffed,
    product_with_matrix,
    sum_of_phases,
)


def dense(layer: Layer, weights: Array) -> Array:
    """The weights with zeros where groups join no channels: ``(small_channels, large_channels, *taps)``."""
    joined = np.zeros((layer.small_channels, layer.large_channels, *layer.kernel), weights.dtype)
    small, large = layer.small_channels // layer.groups, layer.large_channels // layer.groups
    for group in range(layer.groups):
        rows = slice(group * small, (group + 1) * small)
        joined[rows, group * large : (group + 1) * large] = weights[rows]
    return joined


def _output(layer: Layer, x: Array) -> Array:
    return np.zeros((len(x), layer.out_channels, *layer.output_size), x.dtype)


def _at(array: Array, place: Index) -> Array:
    """The view of one place's channels: the array's first two axes."""
    index: tuple[slice | int, ...] = (slice(None), slice(None), *place)
    view: Array = array[index]
    return view


def _add(layer: Layer, y: Array, x: Array, small: Index, large: Index, joined: Array) -> None:
    """One product of the relation, for all channels: from the small side to the large, or back."""
    if layer.transposed:
        _at(y, large)[...] += _at(x, small) @ joined
    else:
        _at(y, small)[...] += _at(x, large) @ joined.T


def _tap(layer: Layer, small: Index, large: Index) -> Index | None:
    """The tap at which the two meet, if they do."""
    found = []
    for axis, i, j in zip(layer.axes, small, large, strict=True):
        tap, rest = divmod(j + axis.before - axis.stride * i, axis.dilation)
        if rest or not 0 <= tap < axis.kernel:
            return None
        found.append(tap)
    return tuple(found)


def _met(axis: Axis, phase: Phase) -> Iterator[tuple[int, int, int]]:
    """(small, tap, large) of one phase, by the phase's own numbers."""
    for place in range(phase.count):
        for tap, offset in zip(phase.taps, phase.offsets, strict=True):
            small = phase.start + place - offset
            if 0 <= small < axis.small:
                yield small, tap, phase.first + place * axis.stride


def _window(array: Array, ranges: list[tuple[int, int]]) -> Array:
    """For each spatial axis, ``count`` elements from index ``start`` on; zeros outside the array."""
    result = np.zeros((*array.shape[:2], *(count for _, count in ranges)), array.dtype)
    target, source = [], []
    for (start, count), size in zip(ranges, array.shape[2:], strict=True):
        low, high = max(0, start), max(0, start, min(size, start + count))
        target.append(slice(low - start, high - start))
        source.append(slice(low, high))
    result[:, :, *target] = array[:, :, *source]
    return result
