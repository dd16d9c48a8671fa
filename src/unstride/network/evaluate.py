"""A network computed on NumPy arrays: the convolutions by the engine, everything else as its definition reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce, singledispatch
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..computation import as_array
from ..computation import run as run_spec
from ..engine.activations import BY_NAME
from ..errors import Reason, UnstrideError
from ..geometry import DataLayout
from .graph import Graph
from .operations import (
    Activation,
    Convolution,
    Dense,
    Flatten,
    GlobalPool,
    GroupNorm,
    Merge,
    Norm,
    Operation,
    Pad,
    Pool,
    Resize,
    Softmax,
    Unflatten,
)
from .sizes import Sizes, shapes
from .stored import Stored

Array = NDArray[Any]


def run(graph: Graph, *inputs: ArrayLike) -> Array | tuple[Array, ...]:
    """The network's outputs, a tuple where it has several; arrays in the source's own order of axes.

    ``inputs`` in the order of ``graph.inputs``, each with a batch axis. Raises UnstrideError where the sizes do not fit
    or weights are not known.
    """
    if len(inputs) != len(graph.inputs):
        rule = f"takes {len(graph.inputs)} inputs"
        raise UnstrideError(Reason.ARGUMENT, rule, argument=graph.name, value=len(inputs))
    values = {}
    for given, value in zip(graph.inputs, inputs, strict=True):
        values[given.name] = _canonical(as_array(value, given.name), graph, len(given.size))
    shapes(graph, _checked_sizes(graph, values))
    last = _last_uses(graph)
    for position, node in enumerate(graph.nodes):
        values[node.name] = compute(node.operation, *(values[name] for name in node.inputs))
        for name in last.get(position, ()):
            del values[name]
    made = tuple(_ordered(values[name], graph) for name in graph.outputs)
    return made[0] if len(made) == 1 else made


def _last_uses(graph: Graph) -> dict[int, list[str]]:
    """Position of a node -> the values that nothing after it needs."""
    uses: dict[str, int] = {}
    for position, node in enumerate(graph.nodes):
        uses |= dict.fromkeys((*node.inputs, node.name), position)
    found: dict[int, list[str]] = {}
    for name, position in uses.items():
        if name not in graph.outputs:
            found.setdefault(position, []).append(name)
    return found


def _checked_sizes(graph: Graph, values: Mapping[str, Array]) -> Sizes:
    for given in graph.inputs:
        if values[given.name].shape[1] != given.channels:
            rule = f"has {given.channels} channels"
            raise UnstrideError(Reason.CHANNELS, rule, argument=given.name, value=values[given.name].shape)
    return {given.name: values[given.name].shape[2:] for given in graph.inputs}


def _canonical(array: Array, graph: Graph, rank: int) -> Array:
    if array.ndim != rank + 2:
        rule = f"must have {rank + 2} dimensions: batch, channels and the spatial axes"
        raise UnstrideError(Reason.RANK, rule, argument="x.shape", value=array.shape)
    return np.moveaxis(array, -1, 1) if graph.channels_last else array


def _ordered(array: Array, graph: Graph) -> Array:
    return np.ascontiguousarray(np.moveaxis(array, 1, -1)) if graph.channels_last else array


@singledispatch
def compute(operation: Operation, *given: Array) -> Array:
    """One operation's output on canonical arrays, ``(batch, channels, *size)``."""
    del given
    raise UnstrideError(Reason.ARGUMENT, "cannot be computed", argument="operation", value=operation.kind)


@compute.register
def _(operation: Convolution, x: Array) -> Array:
    spec, rank = operation.spec, x.ndim - 2
    dimensions = rank + (2 if spec.batched else 1)
    first = DataLayout.first(rank)
    bias = None if operation.bias is None else operation.bias.array

    def one(part: Array) -> Array:
        moved = first.to(spec.data_layout(dimensions), part.shape).apply(part)
        y = run_spec(spec, moved, operation.kernel.array, bias)
        back: Array = spec.output_layout(dimensions).to(first, y.shape).apply(y)
        return back

    return one(x) if spec.batched else np.concatenate([one(part[None]) for part in x])


@compute.register
def _(operation: Pool, x: Array) -> Array:
    axes = operation.axes(x.shape[2:])
    lowest = -np.inf if operation.reduce == "max" else 0
    margins = [(max(axis.before, 0), max(axis.after, 0)) for axis in axes]
    wide = _padded(x, tuple(margins), constant_values=lowest)
    if operation.reduce == "max":
        return reduce(np.maximum, _taps(wide, operation, x.shape[2:]))
    total = reduce(np.add, _taps(wide, operation, x.shape[2:]))
    if operation.counts_padding:
        counted = np.ones((1, 1, *_counted(operation, x.shape[2:])), x.dtype)
        short = [(0, length - had) for length, had in zip(wide.shape[2:], counted.shape[2:], strict=True)]
        counted = _padded(counted, tuple((0, max(extra, 0)) for _, extra in short))
    else:
        counted = _padded(np.ones((1, 1, *x.shape[2:]), x.dtype), tuple(margins))
    result: Array = total / reduce(np.add, _taps(counted, operation, x.shape[2:]))
    return result


def _counted(operation: Pool, size: tuple[int, ...]) -> tuple[int, ...]:
    """The extent whose elements an average counts: the input with its stated margins, not what ``ceil`` adds."""
    pairs = [(axis.before, axis.after) for axis in operation.axes(size)]
    stated = pairs if isinstance(operation.padding, str) else operation.padding
    return tuple(length + before + after for length, (before, after) in zip(size, stated, strict=True))


def _taps(wide: Array, operation: Pool, size: tuple[int, ...]) -> list[Array]:
    """The elements under each tap of the window, for all windows at once."""
    axes = operation.axes(size)
    found = []
    for tap in np.ndindex(*operation.kernel):
        starts = [axis.dilation * t for axis, t in zip(axes, tap, strict=True)]
        spans = [slice(a, a + (x.small - 1) * x.stride + 1, x.stride) for a, x in zip(starts, axes, strict=True)]
        found.append(wide[:, :, *spans])
    return found


@compute.register
def _(operation: GlobalPool, x: Array) -> Array:
    axes = tuple(range(2, x.ndim))
    reduced = (
        x.max(axes, keepdims=operation.keep) if operation.reduce == "max" else x.mean(axes, keepdims=operation.keep)
    )
    return np.asarray(reduced)


@compute.register
def _(operation: Resize, x: Array) -> Array:
    for axis, factor in enumerate(operation.factor, start=2):
        x = np.repeat(x, factor, axis) if operation.mode == "nearest" else _interpolated(x, axis, factor)
    return x


def _interpolated(x: Array, axis: int, factor: int) -> Array:
    """Linear between pixel centres: large index j lies at (j + ½) / factor − ½, held within the ends."""
    length = x.shape[axis]
    at = np.clip((np.arange(length * factor) + 0.5) / factor - 0.5, 0, length - 1)
    low = np.floor(at).astype(int)
    share = (at - low).astype(x.dtype).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    here, there = np.take(x, low, axis), np.take(x, np.minimum(low + 1, length - 1), axis)
    return np.asarray(here * (1 - share) + there * share)


@compute.register
def _(operation: Pad, x: Array) -> Array:
    grown = tuple((max(before, 0), max(after, 0)) for before, after in operation.margins)
    if operation.mode == "constant":
        x = _padded(x, grown, constant_values=operation.value)
    else:
        x = np.pad(x, [(0, 0), (0, 0), *grown], mode=operation.mode)
    drops = zip(operation.margins, x.shape[2:], strict=True)
    return x[:, :, *(slice(max(-before, 0), length - max(-after, 0)) for (before, after), length in drops)]


def _padded(x: Array, margins: tuple[tuple[int, int], ...], constant_values: float = 0) -> Array:
    return np.pad(x, [(0, 0), (0, 0), *margins], constant_values=constant_values)


@compute.register
def _(operation: Activation, x: Array) -> Array:
    return np.asarray(BY_NAME[operation.name](x, **dict(operation.arguments)))


@compute.register
def _(operation: Softmax, x: Array) -> Array:
    del operation
    return np.asarray(BY_NAME["softmax"](x, axis=1))


@compute.register
def _(operation: Norm, x: Array) -> Array:
    mean, variance = _spread(operation.mean, x), _spread(operation.variance, x)
    return _affine((x - mean) / np.sqrt(variance + x.dtype.type(operation.epsilon)), operation.scale, operation.offset)


@compute.register
def _(operation: GroupNorm, x: Array) -> Array:
    grouped = x.reshape(x.shape[0], operation.groups, -1)
    centred = grouped - grouped.mean(2, keepdims=True)
    variance = np.square(centred).mean(2, keepdims=True)
    normal = (centred / np.sqrt(variance + x.dtype.type(operation.epsilon))).reshape(x.shape)
    return _affine(normal, operation.scale, operation.offset)


def _affine(x: Array, scale: Stored | None, offset: Stored | None) -> Array:
    if scale is not None:
        x = x * _spread(scale, x)
    return x if offset is None else x + _spread(offset, x)


def _spread(array: Stored, x: Array) -> Array:
    """One number a channel, so that it meets ``x``."""
    return np.asarray(array.array, x.dtype).reshape(-1, *[1] * (x.ndim - 2))


_MERGES: Mapping[str, Callable[..., Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "average": np.add,
    "maximum": np.maximum,
}


@compute.register
def _(operation: Merge, *given: Array) -> Array:
    if operation.how == "concat":
        return np.concatenate(given, axis=1)
    merged: Array = reduce(_MERGES[operation.how], given)
    return merged / len(given) if operation.how == "average" else merged


@compute.register
def _(operation: Dense, x: Array) -> Array:
    y = x @ operation.kernel.array
    return np.asarray(y if operation.bias is None else y + operation.bias.array)


@compute.register
def _(operation: Flatten, x: Array) -> Array:
    return (np.moveaxis(x, 1, -1) if operation.channels_last else x).reshape(len(x), -1)


@compute.register
def _(operation: Unflatten, x: Array) -> Array:
    channels, size = operation.features
    if operation.channels_last:
        return np.moveaxis(x.reshape(len(x), *size, channels), -1, 1)
    return x.reshape(len(x), channels, *size)
