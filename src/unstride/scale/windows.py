"""Which indices of its inputs a run of an operation's output needs, axis by axis: integers only, nothing is probed.

A *region* is one run of indices for each spatial axis. Windows are the least that do, but for one element where an
output needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import singledispatch
from typing import TypeAlias

from ..errors import Reason, UnstrideError
from ..geometry import Axis
from ..network import (
    Activation,
    Convolution,
    Features,
    Merge,
    Norm,
    Operation,
    Pad,
    Pool,
    Resize,
    Softmax,
)

Region: TypeAlias = tuple[range, ...]
"""a run of indices for each spatial axis"""
Window: TypeAlias = Callable[[range], tuple[range, ...]]
"""from a run of an operation's output along one axis to the run of each of its inputs"""


def window(operation: Operation, given: tuple[Features, ...], axis: int, out: range) -> tuple[range, ...]:
    """For each input the run of indices along ``axis`` that the output's run ``out`` needs.

    Raises UnstrideError for an operation whose every output needs all of its input.

    >>> from unstride.network import Resize
    >>> window(Resize((2,), "linear"), (Features(1, (10,)),), 0, range(4, 8))
    (range(1, 5),)
    """
    return windows(operation, given)[axis](out)


@singledispatch
def windows(operation: Operation, given: tuple[Features, ...]) -> tuple[Window, ...]:
    """For each spatial axis, how to tell the windows of inputs of these features."""
    del given
    rule = f"{operation.kind} needs the whole of its input for every element of its output"
    hint = "cut the network before it, and apply what follows to the whole"
    raise UnstrideError(Reason.UNSUPPORTED, rule, argument="operation", value=operation.kind, hint=hint)


@windows.register(Activation)
@windows.register(Norm)
@windows.register(Softmax)
def _(operation: Operation, given: tuple[Features, ...]) -> tuple[Window, ...]:
    del operation
    return tuple(lambda out: (out,) for _ in given[0].size)


@windows.register
def _(operation: Convolution, given: tuple[Features, ...]) -> tuple[Window, ...]:
    layer = operation.layer(given[0])
    return tuple(_stamped(axis) if layer.transposed else _tapped(axis) for axis in layer.axes)


@windows.register
def _(operation: Pool, given: tuple[Features, ...]) -> tuple[Window, ...]:
    return tuple(map(_tapped, operation.axes(given[0].size)))


def _stamped(axis: Axis) -> Window:
    """Large out, small in."""
    reach = (axis.before - axis.dilation * (axis.kernel - 1)) // axis.stride
    return lambda out: (_some(axis.small_window(out.start, out.stop), out.start // axis.stride + reach, axis.small),)


def _tapped(axis: Axis) -> Window:
    """Small out, large in."""
    return lambda out: (
        _some(axis.large_window(out.start, out.stop), axis.stride * out.start - axis.before, axis.large),
    )


def _some(found: range, near: int, length: int) -> range:
    """The run, or one element where it is empty."""
    if found:
        return found
    at = min(max(near, 0), length - 1)
    return range(at, at + 1)


@windows.register
def _(operation: Resize, given: tuple[Features, ...]) -> tuple[Window, ...]:
    return tuple(
        _resized(length, factor, operation.mode == "linear")
        for length, factor in zip(given[0].size, operation.factor, strict=True)
    )


def _resized(length: int, factor: int, linear: bool) -> Window:
    def window(out: range) -> tuple[range, ...]:
        if not linear:
            return (range(out[0] // factor, out[-1] // factor + 1),)
        # the centre of large index j lies (2j + 1 − factor) / 2·factor small elements from that of index 0
        low, high = ((2 * j + 1 - factor) // (2 * factor) for j in (out[0], out[-1]))
        return (range(min(max(low, 0), length - 1), min(max(high + 1, 0), length - 1) + 1),)

    return window


@windows.register
def _(operation: Pad, given: tuple[Features, ...]) -> tuple[Window, ...]:
    return tuple(
        _padded(length, pair[0], operation.mode) for length, pair in zip(given[0].size, operation.margins, strict=True)
    )


def _padded(length: int, before: int, mode: str) -> Window:
    # between these outputs the index of the input is linear
    corners = (before, before + length - 1)

    def window(out: range) -> tuple[range, ...]:
        ends = [out[0], out[-1], *(corner for corner in corners if corner in out)]
        met = [at for at in (source(end, length, before, mode) for end in ends) if at is not None]
        return (range(min(met), max(met) + 1) if met else _some(range(0), out[0] - before, length),)

    return window


def source(out: int, length: int, before: int, mode: str) -> int | None:
    """The input index that a padded index holds; None where it holds a constant."""
    at = out - before
    if 0 <= at < length:
        return at
    if mode == "constant":
        return None
    if mode == "edge":
        return min(max(at, 0), length - 1)
    return -at if at < 0 else 2 * (length - 1) - at


@windows.register
def _(operation: Merge, given: tuple[Features, ...]) -> tuple[Window, ...]:
    del operation
    return tuple(_repeated(lengths) for lengths in zip(*(features.size for features in given), strict=True))


def _repeated(lengths: tuple[int, ...]) -> Window:
    longest = max(lengths)
    return lambda out: tuple(out if length == longest else range(1) for length in lengths)


def hull(regions: Iterable[Region]) -> Region:
    """The least region that holds all of these."""
    return tuple(
        range(min(run.start for run in runs), max(run.stop for run in runs)) for runs in zip(*regions, strict=True)
    )


def inside(region: Region, outer: Region) -> tuple[slice, ...]:
    """Where a region lies in an array that holds ``outer``.

    >>> inside((range(4, 6),), (range(3, 9),))
    (slice(1, 3, None),)
    """
    return tuple(slice(run.start - own.start, run.stop - own.start) for run, own in zip(region, outer, strict=True))
