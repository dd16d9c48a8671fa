"""The definition as plain loops: the oracle of every other engine, exact on integers, never optimised.

Data is ``(batch, channels, *spatial)``, weights ``(small_channels, large_channels / groups, *taps)``.
Sums are taken in 64-bit integers, 64-bit floats, 128-bit complex numbers or Python objects, whatever
holds the elements given, and are returned in that type.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..geometry import Layer

Array = NDArray[Any]
Index = tuple[int, ...]

_WIDE = {"i": np.int64, "u": np.uint64, "f": np.float64, "c": np.complex128, "O": np.object_}


def run(layer: Layer, x: Array, weights: Array, bias: Array | None = None) -> Array:
    """The layer's output: every product of the relation added where it lands, then the bias."""
    y = _zeros((len(x), layer.out_channels, *layer.output_size), x, weights, bias)
    for small, tap, large in products(layer):
        source, target = (small, large) if layer.transposed else (large, small)
        for i, o, s, c in channels(layer):
            for image in range(len(x)):
                y[image, o, *target] += x[image, i, *source] * weights[s, c, *tap]
    if bias is not None:
        y += bias.reshape(-1, *(1,) * layer.rank)
    return y


def input_gradient(layer: Layer, grad_output: Array, weights: Array) -> Array:
    """The derivative of ``sum(grad_output · run(layer, x, weights))`` for each element of ``x``."""
    return run(layer.adjoint, grad_output, weights)


def weight_gradient(layer: Layer, x: Array, grad_output: Array) -> Array:
    """The derivative of ``sum(grad_output · run(layer, x, weights))`` for each weight."""
    shape = (layer.small_channels, layer.large_channels // layer.groups, *layer.kernel)
    gradient = _zeros(shape, x, grad_output)
    for small, tap, large in products(layer):
        source, target = (small, large) if layer.transposed else (large, small)
        for i, o, s, c in channels(layer):
            for image in range(len(x)):
                gradient[s, c, *tap] += x[image, i, *source] * grad_output[image, o, *target]
    return gradient


def bias_gradient(grad_output: Array) -> Array:
    """The derivative of ``sum(grad_output · output)`` for each output channel's bias."""
    gradient = _zeros(grad_output.shape[1:2], grad_output)
    for image, channel, *place in np.ndindex(grad_output.shape):
        gradient[channel] += grad_output[image, channel, *place]
    return gradient


def products(layer: Layer) -> Iterator[tuple[Index, Index, Index]]:
    """Every (small, tap, large) of the relation, on all axes together."""
    stamps = [[c for small in range(axis.small) for c in axis.stamp(small)] for axis in layer.axes]
    for met in product(*stamps):
        yield tuple(c.small for c in met), tuple(c.tap for c in met), tuple(c.large for c in met)


def channels(layer: Layer) -> Iterator[tuple[int, int, int, int]]:
    """Every (input channel, output channel, weight's first index, weight's second index) that are joined."""
    per_group = layer.large_channels // layer.groups
    for s in range(layer.small_channels):
        group = s // (layer.small_channels // layer.groups)
        for c in range(per_group):
            large = group * per_group + c
            yield (s, large, s, c) if layer.transposed else (large, s, s, c)


def _zeros(shape: Index, *arrays: Array | None) -> Array:
    """Zeros of the type that the sum of products of these arrays needs."""
    kept = [array.dtype for array in arrays if array is not None]
    return np.zeros(shape, np.result_type(*(np.promote_types(dtype, _WIDE[dtype.kind]) for dtype in kept)))
