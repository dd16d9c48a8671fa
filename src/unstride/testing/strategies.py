"""Hypothesis strategies for axes and layers; this is the one module that imports Hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from ..geometry import Axis, Layer


@st.composite
def axes(
    draw: st.DrawFn,
    *,
    max_small: int = 5,
    max_kernel: int = 4,
    max_stride: int = 4,
    max_dilation: int = 3,
    max_large: int = 14,
) -> Axis:
    """Axes of every kind: empty sides, stride above and below the kernel, any crop or pad, also negative ones.

    The large size is often near the full extent, as in real layers, and sometimes anything at all.
    """
    small = draw(st.integers(0, max_small))
    kernel = draw(st.integers(1, max_kernel))
    stride = draw(st.integers(1, max_stride))
    dilation = draw(st.integers(1, max_dilation))
    before = draw(st.integers(-stride - 1, dilation * kernel + 1))
    full = (small - 1) * stride + dilation * (kernel - 1) + 1
    near = st.integers(-stride, dilation * kernel).map(lambda after: min(max_large, max(0, full - before - after)))
    large = draw(st.one_of(near, st.integers(0, max_large)))
    return Axis(small, large, kernel, stride, dilation, before)


@st.composite
def layers(
    draw: st.DrawFn,
    *,
    max_rank: int = 3,
    max_group_channels: int = 2,
    max_groups: int = 3,
    transposed: bool | None = None,
) -> Layer:
    """Layers in both directions (or the one given), with groups; axes are shorter where there are more of them."""
    rank = draw(st.integers(1, max_rank))
    limits = {1: (5, 4, 14), 2: (3, 3, 8), 3: (2, 2, 5)}.get(rank, (2, 2, 3))
    small, kernel, large = limits
    spatial = axes(max_small=small, max_kernel=kernel, max_large=large)
    groups = draw(st.integers(1, max_groups if rank < 3 else 2))
    channels = st.integers(0 if groups == 1 else 1, max_group_channels)
    return Layer(
        tuple(draw(spatial) for _ in range(rank)),
        small_channels=groups * draw(channels),
        large_channels=groups * draw(channels),
        groups=groups,
        transposed=draw(st.booleans()) if transposed is None else transposed,
    )
