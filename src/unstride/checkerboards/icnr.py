"""ICNR: weights that start without a checkerboard, because every phase starts with the same ones.

For the convolution before a pixel shuffle, the channels that are shuffled into one are equal. For a transposed
convolution, each tap of a smaller kernel is repeated ``stride`` times along every axis: tap ``stride·i + r`` of phase
``r`` is tap ``i`` of the smaller kernel, whatever ``r``. Either way the layer begins as a convolution followed by
nearest-neighbour upsampling; with kernel = stride it equals nearest-neighbour upsampling followed by a convolution
with one tap.

Source: Aitken, Ledig, Theis, Caballero, Wang and Shi, "Checkerboard artifact free sub-pixel convolution:
a note on sub-pixel convolution, resize convolution and convolution resize", 2017.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod, sqrt
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..computation import as_array
from ..dialects import registry
from ..dialects.arguments import Sizes, check_divides, integer, per_axis
from ..dialects.spec import Spec, checked_shape
from ..engine.dtypes import check_kind
from ..engine.memory import check_bytes
from ..errors import Reason, UnstrideError
from ..geometry import Axis, DataLayout, Layer, WeightLayout
from ..live import Live, is_live, weigh

Array = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]
Initialize: TypeAlias = Callable[[Shape, np.random.Generator], ArrayLike]
"""the smaller kernel's shape, in the same layout, and where to draw from -> its values"""

_GROUPS = ("groups", "group", "feature_group_count")
"""what the dialects call the number of groups"""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The kernel that is asked for."""

    shape: Shape
    steps: Shape
    layout: WeightLayout
    last: bool
    """whether the layer's output has the channels last"""
    groups: int
    dtype: DTypeLike


def icnr(
    shape: Shape | Live,
    stride: Sizes | None = None,
    *,
    dialect: str | None = None,
    subpixel: bool = False,
    groups: int | None = None,
    initialize: Initialize | None = None,
    seed: int | np.random.Generator | None = None,
    dtype: DTypeLike | None = None,
) -> Array:
    """A kernel of ``shape``, in the dialect's layout, whose phases all have the same weights.

    A live layer may stand in place of the shape, and says the rest itself: ``icnr(layer)`` is the kernel to give it,
    ``icnr(layer, 2, subpixel=True)`` that of a convolution before a pixel shuffle. Left out otherwise, the dialect is
    torch, there is one group, and the elements are of single precision.

    ``shape`` is a transposed convolution's kernel; with ``subpixel``, that of the stride-1 convolution before a pixel
    shuffle by ``stride``, its channels in the order of the dialect's own shuffle. ``initialize`` draws the smaller
    kernel that is repeated; left out, normal values of variance 2 / (inputs that each output sums), after He et al.
    2015. Taps that only some phases have, where the kernel is no multiple of the stride, are 0.

    Raises UnstrideError where the kernel is shorter than the stride: phases without a tap stay 0.

    >>> icnr((1, 1, 4), 2, initialize=lambda shape, _: [[[1, 2]]]).tolist()
    [[[1.0, 1.0, 2.0, 2.0]]]
    """
    if is_live(shape):
        if (dialect, groups, dtype) != (None, None, None):
            rule = "is given with a live layer, which has its dialect, groups and element type"
            raise UnstrideError(
                Reason.ARGUMENT, rule, argument="dialect, groups or dtype", value=(dialect, groups, dtype)
            )
        wanted = _for_layer(shape, stride, subpixel=subpixel)
    else:
        wanted = _for_shape(shape, stride, dialect or "torch", groups, dtype, subpixel=subpixel)
    return _spread(wanted, initialize, _random(seed), subpixel=subpixel)


def _for_shape(
    shape: Shape, stride: Sizes | None, dialect: str, groups: int | None, dtype: DTypeLike | None, *, subpixel: bool
) -> _Wanted:
    shape = checked_shape(shape, "shape")
    rank = max(1, len(shape) - 2)
    layout, last = usual_layouts(dialect, rank, transposed=not subpixel)
    steps = per_axis(stride, rank, "stride", Reason.STRIDE, least=1)
    count = integer(1 if groups is None else groups, "groups", Reason.GROUPS, least=1)
    return _Wanted(shape, steps, layout, last, count, np.float32 if dtype is None else dtype)


def _for_layer(thing: Live, stride: Sizes | None, *, subpixel: bool) -> _Wanted:
    spec, kernel, _ = weigh(thing)
    shape, rank = np.shape(kernel), np.ndim(kernel) - 2
    groups = next((getattr(spec, name) for name in _GROUPS if getattr(spec, name, None)), 1)
    layout, data = spec.weight_layout(rank), spec.data_layout(rank + (2 if spec.batched else 1))
    taps, small, large = layout.split(shape, groups)
    layer = spec.read(data.join(1, small if spec.transposed else large, tuple(8 * size for size in taps)), shape)
    if layer.transposed == subpixel:
        rule = "is for the convolution before a pixel shuffle; without it, a transposed convolution is drawn for"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="subpixel", value=subpixel)
    steps = per_axis(layer.stride if stride is None and not subpixel else stride, rank, "stride", Reason.STRIDE)
    last = channels_last(spec.output_layout(len(data.order)))
    return _Wanted(shape, steps, layout, last, layer.groups, np.asarray(kernel).dtype)


def _spread(wanted: _Wanted, initialize: Initialize | None, draw: np.random.Generator, *, subpixel: bool) -> Array:
    """The smaller kernel drawn, and repeated."""
    shape, steps, layout, groups = wanted.shape, wanted.steps, wanted.layout, wanted.groups
    kernel, small, large = layout.split(shape, groups)
    inputs = large if subpixel else small
    for channels, name in ((small, "the small channels"), (large, "the large channels")):
        check_divides(groups, channels, name)
    check_bytes(2 * prod(shape) * np.dtype(np.float64).itemsize, f"a kernel of shape {shape}")
    kind = _element_type(wanted.dtype, initialize)
    if subpixel:
        if small % prod(steps):
            rule = f"needs a multiple of the shuffled channels, {prod(steps)}, as output channels"
            raise UnstrideError(Reason.CHANNELS, rule, argument="shape", value=shape)
        smaller = layout.shape_of(kernel, small // prod(steps), large, groups)
        values = _drawn(initialize, smaller, prod(kernel) * inputs // groups, draw)
        return _spread_channels(layout, values, prod(steps), phases_first=wanted.last and groups == 1).astype(kind)
    taps = tuple(size // step for size, step in zip(kernel, steps, strict=True))
    if not all(taps):
        rule, hint = f"is shorter than the stride {steps}: some phases have no tap", "use a kernel of stride or more"
        raise UnstrideError(Reason.KERNEL, rule, argument="shape", value=shape, hint=hint)
    values = _drawn(initialize, layout.shape_of(taps, small, large, groups), prod(taps) * inputs // groups, draw)
    return _spread_taps(layout, values, kernel, steps).astype(kind)


def _element_type(dtype: DTypeLike, initialize: Initialize | None) -> np.dtype[Any]:
    """The element type; the values drawn here would all round to 0 in one of integers."""
    try:
        kind = np.dtype(dtype)
    except TypeError as error:
        raise UnstrideError(Reason.DTYPE, str(error), argument="dtype", value=dtype) from None
    check_kind(np.empty(0, kind), "dtype")
    if initialize is None and kind.kind in "iu":
        hint = "or give initialize, which draws integers"
        raise UnstrideError(Reason.DTYPE, "must be of floating point", argument="dtype", value=str(kind), hint=hint)
    return kind


def _random(seed: int | np.random.Generator | None) -> np.random.Generator:
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        rule = "must be a non-negative integer or a numpy.random.Generator"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="seed", value=seed) from None


def channels_last(layout: DataLayout) -> bool:
    """Whether a shuffle over this layout takes its channels phases first, as depth-to-space does there.

    With the channels in front, each output channel's phases are neighbours, as in a pixel shuffle.
    """
    return layout.order.index("C") > layout.order.index("0")


def usual_layouts(dialect: str, rank: int, *, transposed: bool) -> tuple[WeightLayout, bool]:
    """The kernel's layout in the dialect's usual call, and whether its output has the channels last."""
    layer = Layer((Axis(4, 4, 1),) * rank, 1, 1, transposed=transposed)
    written = registry.named(dialect).module().write(layer)
    composed = None if isinstance(written, Spec) else written.composition
    spec = written if isinstance(written, Spec) else composed.spec if composed else None
    if spec is None:
        rule = f"{dialect} has no {rank}-D {'transposed ' if transposed else ''}convolution"
        raise UnstrideError(Reason.RANK, rule, argument="shape", value=rank)
    return spec.weight_layout(rank), channels_last(spec.output_layout(rank + (2 if spec.batched else 1)))


def _drawn(initialize: Initialize | None, shape: Shape, inputs: int, draw: np.random.Generator) -> Array:
    if initialize is None:
        return draw.normal(0.0, sqrt(2 / max(1, inputs)), shape)
    values = as_array(initialize(shape, draw), "initialize")
    if values.shape != shape:
        rule = f"must return an array of the shape it is given, {shape}"
        raise UnstrideError(Reason.KERNEL, rule, argument="initialize", value=values.shape)
    check_kind(values, "initialize")
    return values


def _spread_taps(layout: WeightLayout, values: Array, kernel: Shape, steps: Shape) -> Array:
    """Every tap ``stride`` times, then zeros up to the kernel's length: at its end in the order of the relation."""
    for axis, (size, step) in enumerate(zip(kernel, steps, strict=True)):
        place = layout.order.index(str(axis))
        values = np.repeat(values, step, axis=place)
        missing = size - values.shape[place]
        margins = [(0, 0)] * values.ndim
        margins[place] = (missing, 0) if layout.flipped else (0, missing)
        values = np.pad(values, margins)
    return values


def _spread_channels(layout: WeightLayout, values: Array, phases: int, *, phases_first: bool) -> Array:
    """Every output channel once for each phase."""
    place = layout.order.index("S")
    return np.concatenate([values] * phases, axis=place) if phases_first else np.repeat(values, phases, axis=place)
