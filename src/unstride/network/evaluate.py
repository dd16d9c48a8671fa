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
from ..geometry import Axis, DataLayout
from .graph import Graph, Input
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
        values[given.name] = settled(canonical(graph, value, given), channels_last=graph.channels_last)
    shapes(graph, _checked_sizes(graph, values))
    last = _last_uses(graph)
    for position, node in enumerate(graph.nodes):
        made = compute(node.operation, *(values[name] for name in node.inputs))
        values[node.name] = settled(made, channels_last=graph.channels_last)
        for name in last.get(position, ()):
            del values[name]
    outputs = tuple(ordered(graph, values[name]) for name in graph.outputs)
    return outputs[0] if len(outputs) == 1 else outputs


def settled(array: Array, *, channels_last: bool) -> Array:
    """The array, lying in memory as the network's values do: then equal values are computed to equal bits."""
    if not channels_last:
        return np.ascontiguousarray(array)
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)


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


def canonical(graph: Graph, value: ArrayLike, given: Input) -> Array:
    """An input as ``(batch, channels, *size)``; UnstrideError where it has another number of axes."""
    array, rank = as_array(value, given.name), len(given.size)
    if array.ndim != rank + 2:
        rule = f"must have {rank + 2} dimensions: batch, channels and the spatial axes"
        raise UnstrideError(Reason.RANK, rule, argument="x.shape", value=array.shape)
    return np.moveaxis(array, -1, 1) if graph.channels_last else array


def ordered(graph: Graph, array: Array) -> Array:
    """A value in the source's own order of axes."""
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
    size = x.shape[2:]
    axes = operation.axes(size)
    return pooled(operation, x, axes, counts(operation, size, tuple(range(axis.small) for axis in axes)))


def pooled(operation: Pool, x: Array, axes: tuple[Axis, ...], counted: Array | None) -> Array:
    """The windows of ``axes`` reduced; averages are of so many elements."""
    lowest = -np.inf if operation.reduce == "max" else 0
    margins = tuple((max(axis.before, 0), max(axis.after, 0)) for axis in axes)
    wide = _padded(x, margins, constant_values=lowest) if any(map(any, margins)) else x
    starts = [max(-axis.before, 0) for axis in axes]
    taps = (_under(wide, axes, starts, tap) for tap in np.ndindex(*operation.kernel))
    if counted is None:
        return reduce(np.maximum, taps)
    return np.asarray(reduce(np.add, taps) / counted.astype(x.dtype))


def _under(wide: Array, axes: tuple[Axis, ...], starts: list[int], tap: tuple[int, ...]) -> Array:
    """The elements under one tap of all windows."""
    firsts = (start + axis.dilation * t for start, axis, t in zip(starts, axes, tap, strict=True))
    spans = zip(firsts, axes, strict=True)
    found: Array = wide[:, :, *(slice(at, at + (x.small - 1) * x.stride + 1, x.stride) for at, x in spans)]
    return found


def counts(operation: Pool, size: tuple[int, ...], out: tuple[range, ...]) -> Array | None:
    """How many elements each of these windows averages over; None where the maximum is taken.

    A margin counts where the operation says so, but not what ``ceil`` adds behind it.
    """
    if operation.reduce == "max":
        return None
    axes = operation.axes(size)
    stated = [(axis.before, axis.after) for axis in axes] if isinstance(operation.padding, str) else operation.padding
    found = np.ones((1,) * len(size), int)
    for number, (axis, (before, after), length) in enumerate(zip(axes, stated, size, strict=True)):
        low, high = (-before, length + after) if operation.counts_padding else (0, length)
        firsts = axis.stride * np.array(out[number]) - axis.before
        places = firsts[:, None] + axis.dilation * np.arange(axis.kernel)
        number_of = ((places >= low) & (places < high)).sum(1)
        found = found * number_of.reshape([-1 if other == number else 1 for other in range(len(size))])
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
    for axis, factor in enumerate(operation.factor):
        length = x.shape[axis + 2]
        x = resized(operation, x, axis, length, range(length * factor), 0)
    return x


def resized(operation: Resize, x: Array, axis: int, length: int, out: range, start: int) -> Array:
    """The outputs ``out`` along one spatial axis of ``length``, of which ``x`` holds the elements from ``start`` on."""
    factor, at = operation.factor[axis], np.array(out)
    if operation.mode == "nearest":
        return np.take(x, at // factor - start, axis + 2)
    # linear between centres: large index j lies (2j + 1 - factor) / 2 factor small elements from that of index 0
    low, rest = np.divmod(2 * at + 1 - factor, 2 * factor)
    share = (rest / (2 * factor)).astype(x.dtype).reshape([-1 if i == axis + 2 else 1 for i in range(x.ndim)])
    here, there = (np.take(x, np.clip(each, 0, length - 1) - start, axis + 2) for each in (low, low + 1))
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
    shares = np.exp(x - x.max(1, keepdims=True))
    # channel by channel: NumPy's own order of a sum depends on the shape
    return np.asarray(shares / reduce(np.add, np.moveaxis(shares, 1, 0))[:, None])


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
