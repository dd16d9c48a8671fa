"""Keras's layers without kernels as operations: windows, sizes, norms, shapes and merges.

Source: keras/src/layers/pooling, /reshaping, /normalization, /merging, /preprocessing (Keras 3.15).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from typing import Any, Literal

import numpy as np

from ..network import (
    Features,
    Flatten,
    GlobalPool,
    GroupNorm,
    Merge,
    Norm,
    Pad,
    Pool,
    Resize,
    Stored,
    Unflatten,
)
from .keras_activations import LAYERS as ACTIVATIONS
from .keras_config import shown
from .keras_convolutions import convolution, dense, depthwise, separable, transposed
from .keras_step import Step, UnreadError, Value, real

Handler = Callable[[Step], Value]
_LAST = "channels_last"


def _pool(step: Step, rank: int, reduce: Literal["max", "average"]) -> Value:
    value = step.spatial(rank)
    window = step.lengths("pool_size", rank, 2)
    stride = window if step.argument("strides") is None else step.lengths("strides", rank)
    same = step.word("padding", "valid", "same", default="valid") == "same"
    return step.add(Pool(reduce, window, stride, "same_upper" if same else ((0, 0),) * rank), value)


def _global_pool(step: Step, rank: int, reduce: Literal["max", "average"]) -> Value:
    return step.add(GlobalPool(reduce, keep=step.flag("keepdims", default=False)), step.spatial(rank))


def _upsample(step: Step, rank: int) -> Value:
    value = step.spatial(rank, ordered=_LAST if rank == 1 else None)
    how = step.word("interpolation", "nearest", "bilinear", default="nearest") if rank == 2 else "nearest"
    return step.add(Resize(step.lengths("size", rank, 2), "linear" if how == "bilinear" else "nearest"), value)


def _pad(step: Step, rank: int) -> Value:
    return step.add(Pad(step.margins("padding", rank)), step.spatial(rank))


def _crop(step: Step, rank: int) -> Value:
    margins = step.margins("cropping", rank)
    value = step.spatial(rank, ordered=_LAST if rank == 1 else None)
    return step.add(Pad(tuple((-before, -after) for before, after in margins)), value)


# --- norms ----------------------------------------------------------------------------------------------------


def _affine(step: Step, channels: int) -> tuple[Stored | None, Stored | None, int]:
    """Scale and offset, where the layer has them, and the number of arrays that they are."""
    scaled, centred = step.flag("scale", default=True), step.flag("center", default=True)
    scale = step.weight(0, "gamma", (channels,)) if scaled else None
    offset = step.weight(int(scaled), "beta", (channels,)) if centred else None
    return scale, offset, scaled + centred


def _batch_norm(step: Step) -> Value:
    value = step.value
    channels, _ = value.known
    if not step.is_channels(step.argument("axis", -1), value):
        raise UnreadError("normalises another axis than the channels")
    if step.argument("renorm") or step.argument("virtual_batch_size"):
        raise UnreadError("renormalises its batches")
    scale, offset, count = _affine(step, channels)
    mean = step.weight(count, "moving_mean", (channels,))
    variance = step.weight(count + 1, "moving_variance", (channels,))
    return step.add(Norm(mean, variance, _epsilon(step), scale, offset), value)


def _epsilon(step: Step) -> float:
    epsilon = step.number("epsilon", 1e-3)
    if epsilon < 0:
        raise step.odd("epsilon")
    return epsilon


def _group_norm(step: Step) -> Value:
    value = step.value
    channels, _ = value.known
    if not step.is_channels(step.argument("axis", -1), value):
        raise UnreadError("groups another axis than the channels")
    groups = step.whole("groups", 32)
    groups = channels if groups == -1 else groups
    if groups < 1 or channels % groups:
        raise UnreadError(f"groups is {shown(groups)}, which does not divide the {channels} channels")
    scale, offset, _ = _affine(step, channels)
    return step.add(GroupNorm(groups, _epsilon(step), scale, offset), value)


def _layer_norm(step: Step) -> Value:
    """A layer norm that is a group norm of one group: over a vector, or over all axes with nothing learned."""
    value = step.value
    channels, size = value.known
    axis = step.argument("axis", -1)
    axes = axis if isinstance(axis, list) else [axis]
    if any(type(each) is not int for each in axes):
        raise step.odd("axis")
    if step.argument("rms_scaling"):
        raise UnreadError("scales by the root of the mean square")
    dimensions = len(size) + 2
    if sorted(each % dimensions for each in axes) != list(range(1, dimensions)):
        raise UnreadError("normalises each position on its own")
    if size and (step.flag("scale", default=True) or step.flag("center", default=True)):
        raise UnreadError("has a scale or an offset for each position")
    scale, offset, _ = _affine(step, channels)
    return step.add(GroupNorm(1, _epsilon(step), scale, offset), value)


def _rescale(step: Step) -> Value:
    value = step.value
    channels, _ = value.known
    parts = [_per_channel(step, name, channels, value, default) for name, default in (("scale", 1.0), ("offset", 0.0))]
    return linear(step, value, *parts)


def _per_channel(step: Step, name: str, channels: int, value: Value, default: float) -> Any:
    """A number for all channels, or one for each where these are the last axis."""
    given = step.argument(name, default)
    if not isinstance(given, list):
        return real(given, name)
    if len(given) != channels or (value.size and not value.last):
        raise step.odd(name)
    return [real(entry, name) for entry in given]


def linear(step: Step, value: Value, scale: Any, offset: Any) -> Value:
    """``scale · x + offset``: a norm of mean 0 and variance 1; numbers, or lists of one for each channel."""
    channels, _ = value.known
    return step.add(_norm(channels, 0.0, 1.0, scale, offset), value)


def _norm(channels: int, *numbers: Any) -> Norm:
    mean, variance, scale, offset = (constant(channels, each) for each in numbers)
    return Norm(mean, variance, 0.0, scale, offset)


def constant(channels: int, numbers: Any) -> Stored:
    """One number for each channel, made when it is asked for."""
    return Stored((channels,), "float32", lambda: np.broadcast_to(np.asarray(numbers, np.float32), (channels,)))


def _normalize(step: Step) -> Value:
    """``Normalization``, by numbers of its own or by what it has learned: ``(x − mean) / √variance``."""
    value = step.value
    channels, _ = value.known
    axis = step.argument("axis", -1)
    if axis in (None, []) or not step.is_channels(axis, value) or step.argument("invert"):
        raise UnreadError("does not take one mean and variance for each channel")
    if step.argument("mean") is None:
        mean, variance = (step.weight(i, name, (channels,)) for i, name in enumerate(("mean", "variance")))
    else:
        mean, variance = (constant(channels, _statistic(step, name, channels)) for name in ("mean", "variance"))
    return step.add(Norm(mean, _above(variance), 0.0), value)


def _statistic(step: Step, name: str, channels: int) -> Any:
    given = step.argument(name)
    while isinstance(given, list) and len(given) == 1:
        given = given[0]
    if not isinstance(given, list):
        return real(given, name)
    if len(given) != channels:
        raise step.odd(name)
    return [real(entry, name) for entry in given]


def _above(variance: Stored) -> Stored:
    """The variance, its root at least Keras's 1e-7."""
    if not variance.known:
        return variance
    return Stored(variance.shape, variance.dtype, lambda: np.maximum(variance.array, 1e-14))


# --- shapes ---------------------------------------------------------------------------------------------------


def _flatten(step: Step) -> Value:
    """Keras moves channels last first where ``data_format`` says that they are not."""
    value = step.value
    _, size = value.known
    if not size:
        return value
    ordered = step.word("data_format", _LAST, "channels_first", default=_LAST)
    if value.last and ordered != _LAST:
        raise UnreadError("its data_format is channels_first, its input is channels_last")
    return step.add(Flatten(channels_last=value.last or ordered != _LAST), value)


def _reshape(step: Step) -> Value:
    value = step.value
    target = _target(step, value)
    if len(target) == 1 and not value.size:
        return value
    flat = step.add(Flatten(value.last), value, helper="" if len(target) == 1 else "flat") if value.size else value
    if len(target) == 1:
        return flat
    channels, size = (target[-1], target[:-1]) if step.last else (target[0], target[1:])
    return step.add(Unflatten(Features(channels, size), step.last), flat)


def _target(step: Step, value: Value) -> tuple[int, ...]:
    """The shape to take, its open length worked out."""
    given = step.argument("target_shape")
    if not isinstance(given, list) or not 1 <= len(given) <= 8:
        raise step.odd("target_shape")
    if any(type(n) is not int or n < -1 or n == 0 for n in given) or given.count(-1) > 1:
        raise step.odd("target_shape")
    if given == [-1]:
        return (-1,)
    count, known = value.count, prod(n for n in given if n > 0)
    if count is None:
        raise UnreadError("the size of its input is not fixed")
    if count % known or (-1 not in given and count != known):
        raise UnreadError(f"makes {shown(given)} of {count} elements")
    return tuple(count // known if n == -1 else n for n in given)


def _permute(step: Step) -> Value:
    """A permutation that moves the channels to the other end changes how an array is kept, not what it says."""
    value = step.value
    _, size = value.known
    rank = len(size)
    dims = step.argument("dims")
    if dims == list(range(1, rank + 2)):
        return value
    moved = [rank + 1, *range(1, rank + 1)] if value.last else [*range(2, rank + 2), 1]
    if dims != moved:
        raise UnreadError("moves spatial axes")
    return Value(value.name, value.channels, value.size, not value.last)


def _same(step: Step) -> Value:
    return step.value


# --- merges ---------------------------------------------------------------------------------------------------


def _merge(step: Step, how: Literal["add", "subtract", "multiply", "average", "maximum"]) -> Value:
    """Element by element; a vector meets a map's channels, as it does in Keras where these are the last axis."""
    given = _several(step)
    rank = max(len(value.known[1]) for value in given)
    met = []
    for value in given:
        channels, size = value.known
        if len(size) == rank:
            met.append(value)
            continue
        if size or any(not other.last for other in given if other.size):
            raise UnreadError("merges values of different rank")
        met.append(step.add(Unflatten(Features(channels, (1,) * rank), channels_last=True), value, helper="spread"))
    return merged(step, how, tuple(met))


def merged(step: Step, how: Any, given: tuple[Value, ...]) -> Value:
    """The values merged, if all are kept in one order."""
    if len({value.last for value in given if value.size}) > 1:
        raise UnreadError("merges values whose channels lie on different axes")
    if how == "subtract" and len(given) != 2:
        raise UnreadError(f"subtracts {len(given)} values")
    return given[0] if len(given) == 1 else step.add(Merge(how), *given)


def _several(step: Step) -> tuple[Value, ...]:
    if not step.values or len(step.values) != len(step.arguments):
        raise UnreadError("takes something that is not a value")
    return step.values


def concatenate(step: Step) -> Value:
    """``Concatenate`` along the channels."""
    given = _several(step)
    for value in given:
        if len(value.known[1]) != len(given[0].known[1]) or not step.is_channels(step.argument("axis", -1), value):
            raise UnreadError("joins along a spatial axis")
    return merged(step, "concat", given)


LAYERS: Mapping[str, Handler] = {
    **ACTIVATIONS,
    **{f"Conv{rank}D": partial(convolution, rank=rank) for rank in (1, 2, 3)},
    **{f"Conv{rank}DTranspose": partial(transposed, rank=rank) for rank in (1, 2, 3)},
    **{f"DepthwiseConv{rank}D": partial(depthwise, rank=rank) for rank in (1, 2)},
    **{f"SeparableConv{rank}D": partial(separable, rank=rank) for rank in (1, 2)},
    **{f"MaxPooling{rank}D": partial(_pool, rank=rank, reduce="max") for rank in (1, 2, 3)},
    **{f"AveragePooling{rank}D": partial(_pool, rank=rank, reduce="average") for rank in (1, 2, 3)},
    **{f"GlobalMaxPooling{rank}D": partial(_global_pool, rank=rank, reduce="max") for rank in (1, 2, 3)},
    **{f"GlobalAveragePooling{rank}D": partial(_global_pool, rank=rank, reduce="average") for rank in (1, 2, 3)},
    **{f"UpSampling{rank}D": partial(_upsample, rank=rank) for rank in (1, 2, 3)},
    **{f"ZeroPadding{rank}D": partial(_pad, rank=rank) for rank in (1, 2, 3)},
    **{f"Cropping{rank}D": partial(_crop, rank=rank) for rank in (1, 2, 3)},
    **{f"SpatialDropout{rank}D": _same for rank in (1, 2, 3)},
    **dict.fromkeys(("Dropout", "GaussianNoise", "GaussianDropout", "AlphaDropout", "Identity"), _same),
    "ActivityRegularization": _same,
    "Add": partial(_merge, how="add"),
    "Average": partial(_merge, how="average"),
    "BatchNormalization": _batch_norm,
    "Concatenate": concatenate,
    "Dense": dense,
    "Flatten": _flatten,
    "GroupNormalization": _group_norm,
    "LayerNormalization": _layer_norm,
    "Maximum": partial(_merge, how="maximum"),
    "Multiply": partial(_merge, how="multiply"),
    "Normalization": _normalize,
    "Permute": _permute,
    "Rescaling": _rescale,
    "Reshape": _reshape,
    "Subtract": partial(_merge, how="subtract"),
}
"""how a layer is read, by its class"""
