"""The product family as tests ask it: bound to a layer, for any target, in either layout."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unstride.engine import execute
from unstride.engine.jit import depthwise, plans, pool, rows
from unstride.engine.jit.ends import End
from unstride.engine.jit.product import Product, Shape
from unstride.engine.jit.records import HEADER
from unstride.engine.jit.target import Target, host
from unstride.geometry import Axis, Layer

Array = NDArray[Any]


def square(size: int, kernel: int, stride: int, before: int, ins: int, outs: int, groups: int = 1) -> Layer:
    """A transposed convolution on a square image."""
    large = (size - 1) * stride + kernel - 2 * before
    return Layer((Axis(size, large, kernel, stride, 1, before),) * 2, ins, outs, groups)


def cut(layer: Layer, dtype: str, end: End, target: Target, *, first: bool, batch: int = 1) -> Shape:
    """How the family would cut the layer; nothing is compiled. ``first``: channels first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "suits", lambda *_: False)
        patch.setattr(rows, "suits_last", lambda *_: False)
        patch.setattr(depthwise, "suits", lambda *_: False)
        patch.setattr(plans, "host", lambda: target)
        patch.setattr(plans, "Product", lambda shape: shape)
        shape = plans._family(layer, batch, dtype, end, first, layer)
    assert isinstance(shape, Shape)
    return shape


def computed(
    layer: Layer,
    x: Array,
    weights: Array,
    bias: Array | None = None,
    residual: Array | None = None,
    *,
    first: bool,
    end: End | None = None,
    target: Target | None = None,
    threads: int = 1,
) -> Array:
    """The family's answer, in an output that held NaN, with a scratch that held garbage."""
    end = end or End(bias=bias is not None, residual=residual is not None)
    sums = "float64" if x.dtype == np.float64 else "float32"
    family = Product(cut(layer, sums, end, target or host(), first=first, batch=len(x)))
    packed, addend = family.pack_weights(weights), None if bias is None else family.pack_bias(bias)
    data, added = _placed(x, first), None if residual is None else _placed(residual, first)
    shape = len(x), layer.out_channels, *layer.output_size

    def called(given: Array, pack: int = 0, block: int = 0) -> Array:
        y, made = _placed(np.full(shape, np.nan, x.dtype), first), family.tables
        scratch = np.full((threads, made.scratch), 0xFF, np.uint8)
        scratch[:, :HEADER] = 0
        late = np.full(threads * block, 0xFF, np.uint8)
        arrays = (made.plan, data, given, addend, y, added, scratch)
        addresses = [0 if each is None else each.ctypes.data for each in arrays]
        call = array("q", (*addresses, pack, late.ctypes.data))
        pool.run(family.task, call.buffer_info()[0], made.task_count, threads)
        return y if first else np.moveaxis(y, -1, 1)

    answer = called(packed)
    late = family.late(np.ascontiguousarray(weights, sums))
    if late is not None:
        np.testing.assert_array_equal(called(late.record, late.pack, late.step), answer)
    return answer


def defined(layer: Layer, x: Array, weights: Array, bias: Array | None = None, residual: Array | None = None) -> Array:
    """What NumPy answers."""
    with np.errstate(all="ignore"):
        found = execute.run(layer, x, weights, bias, engine="blas")
        return found if residual is None else found + residual


def orders(weights: Array) -> dict[str, Array]:
    """The same weights, lying otherwise in memory."""
    taps = tuple(range(2, weights.ndim))
    flipped = (slice(None, None, -1),) * weights.ndim
    wide = np.full((*weights.shape[:-1], 2 * weights.shape[-1]), 77, weights.dtype)
    wide[..., ::2] = weights
    return {
        "Fortran": np.asfortranarray(weights),
        "Keras": np.ascontiguousarray(weights.transpose(*taps, 1, 0)).transpose(-1, -2, *range(len(taps))),
        "Keras's convolution": np.ascontiguousarray(weights.transpose(*taps, 0, 1)).transpose(
            -2, -1, *range(len(taps))
        ),
        "backwards": np.ascontiguousarray(weights[flipped])[flipped],
        "every second": wide[..., ::2],
        "one for all": np.broadcast_to(weights[:1, :1], weights.shape),
    }


class Numbers:
    """Integers whose sums are exact in single precision."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.RandomState(seed)

    def of(self, *shape: int, dtype: str = "float32") -> Array:
        return self.random.randint(-3, 4, shape).astype(dtype)

    def arrays(self, layer: Layer, dtype: str = "float32", batch: int = 2) -> tuple[Array, Array, Array, Array]:
        """Input, weights, bias, residual."""
        factors = layer.small_channels, layer.large_channels // layer.groups, *layer.kernel
        return (
            self.of(batch, layer.in_channels, *layer.input_size, dtype=dtype),
            self.of(*factors, dtype=dtype),
            self.of(layer.out_channels, dtype=dtype),
            self.of(batch, layer.out_channels, *layer.output_size, dtype=dtype),
        )


def _placed(canonical: Array, first: bool) -> Array:
    return np.ascontiguousarray(canonical if first else np.moveaxis(canonical, 1, -1))
