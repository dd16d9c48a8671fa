"""Layers with an interior, and integers for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from unstride.geometry import Axis, Layer

Array = NDArray[Any]


@st.composite
def long_axes(draw: st.DrawFn) -> Axis:
    """Axes with room for two strides at least between their borders."""
    kernel, stride, dilation = draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    span = dilation * (kernel - 1) + 1
    small = 2 * (-(-span // stride)) + 3
    before, after = draw(st.integers(-2, span)), draw(st.integers(-2, span))
    return Axis(small, (small - 1) * stride + span - before - after, kernel, stride, dilation, before)


@st.composite
def long_layers(draw: st.DrawFn, *, max_rank: int = 2) -> Layer:
    """Transposed layers of such axes, with groups."""
    groups = draw(st.integers(1, 3))
    axes = tuple(draw(long_axes()) for _ in range(draw(st.integers(1, max_rank))))
    return Layer(axes, groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 2)), groups)


def integers(seed: int, shape: tuple[int, ...]) -> Array:
    return np.random.default_rng(seed).integers(-4, 5, shape)


def weights_of(layer: Layer, seed: int) -> Array:
    return integers(seed, (layer.small_channels, layer.large_channels // layer.groups, *layer.kernel))


def input_of(layer: Layer, seed: int, batch: int = 2) -> Array:
    return integers(seed + 1, (batch, layer.in_channels, *layer.input_size))
