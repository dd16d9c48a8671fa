"""A transposed convolution in ``lax`` without a stuffed zero: its phases are convolutions of stride 1.

Large indices of one phase use the same taps, so each phase is one convolution of the input. On each axis the phases
are either made one by one and interleaved, or all at once, as further output channels of a convolution whose kernel
holds every phase's taps and zeros where a phase has fewer: depth to space.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Any, TypeAlias

import jax.numpy as jnp
from jax import lax

from ...geometry import Axis, Phase
from .relation import Form, Spec

Array: TypeAlias = Any
"""an array or a tracer"""

PIECE = 1 << 18
"""what one convolution more is worth in multiplies: starting it, and writing its output a second time"""


@dataclass(frozen=True)
class Piece:
    """A convolution of stride 1 along one axis that makes ``phases`` phases, of ``count`` elements each."""

    first: int
    """large index of its first output, of its first phase"""
    phases: int
    count: int
    taps: range
    """the kernel's taps that it reads; behind the last one they are zeros"""
    spacing: int
    """small elements between neighbouring taps of one phase"""
    origin: int
    """the least small index that it reads; negative ones are zeros"""

    @property
    def window(self) -> int:
        """Taps of one phase."""
        return len(self.taps) // self.phases

    @property
    def multiplies(self) -> int:
        """Multiplies along this axis, those with zeros included."""
        return self.count * len(self.taps)

    def read(self, small: int) -> tuple[range, tuple[int, int]]:
        """The small indices to read, and the zeros before and behind them."""
        extent = self.count + self.spacing * (self.window - 1)
        start = min(max(self.origin, 0), small)
        held = range(start, max(start, min(self.origin + extent, small)))
        ahead = min(max(-self.origin, 0), extent)
        return held, (ahead, extent - ahead - len(held))


Plan: TypeAlias = tuple[Piece, ...]
"""what is made along one axis, in order of ``first``; phases without taps are left out"""


def single(axis: Axis, phase: Phase) -> Piece:
    """One phase by itself."""
    spacing = axis.dilation * axis.period // axis.stride
    taps = range(phase.taps[0], phase.taps[-1] + 1, axis.period)
    return Piece(phase.first, 1, -(-axis.large // axis.stride), taps, spacing, phase.start - phase.offsets[-1])


def merged(axis: Axis) -> Piece:
    """All phases at once, where the taps are not dilated: taps ``stride·u + r`` make the r-th element of each stride.

    It begins with a whole stride of the full extent, so that its first phases may lie before the large side.
    """
    quotient, rest = divmod(axis.before, axis.stride)
    window = -(-axis.kernel // axis.stride)
    count = -(-(axis.large + rest) // axis.stride)
    return Piece(-rest, axis.stride, count, range(window * axis.stride), 1, quotient - (window - 1))


def ways(axis: Axis) -> Iterator[Plan]:
    """How the phases of one axis can be made."""
    plan = tuple(single(axis, phase) for phase in axis.phases() if phase.taps)
    yield tuple(sorted(plan, key=lambda piece: piece.first))
    if axis.dilation == 1 and axis.stride > 1 and axis.large > 1:
        yield (merged(axis),)


def choose(axes: Sequence[Axis], others: int) -> tuple[Plan, ...]:
    """The cheapest way, counted in multiplies; ``others`` is the product of batch, input and output channels."""

    def cost(plans: tuple[Plan, ...]) -> int:
        multiplies = prod(sum(piece.multiplies for piece in plan) for plan in plans)
        return multiplies * others + PIECE * prod(map(len, plans))

    return min(product(*map(ways, axes)), key=cost)


def transposed(x: Array, kernel: Array, form: Form, *, padded: bool = False) -> Array:
    """The output, in the form's axis orders; the kernel's taps lie as ``lax`` has them, the last one first.

    ``padded`` lays the zeros around ``x`` in memory. XLA for CPU needs that where a derivative by the kernel is to be a
    matrix product: a convolution whose window, here the output, is longer than its unpadded input is not one.
    """
    cores = [core for core in form.cores if core]
    axes = [core.axis for core in cores]
    batch, made, taken = x.shape[form.lhs[0]], kernel.shape[form.rhs[0]], kernel.shape[form.rhs[1]]
    plans = choose(axes, batch * made * taken)
    if not form.reached or not all(plans) or 0 in (*x.shape, *kernel.shape):
        return jnp.zeros(form.large_shape(batch, made), form.result(x.dtype))
    firsts = [core.first + min(plan[0].first, 0) for core, plan in zip(cores, plans, strict=True)]
    if padded:
        x, axes, plans = _padded(x, form, axes, plans)
    inner = _assemble(x, kernel, form, axes, plans, ())
    edges = [(0, 0, 0)] * x.ndim
    for place, first, axis in zip(form.out[2:], firsts, form.axes, strict=True):
        edges[place] = (first, axis.large - first - inner.shape[place], 0)
    return lax.pad(inner, jnp.zeros((), inner.dtype), edges)


def _padded(
    x: Array, form: Form, axes: list[Axis], plans: tuple[Plan, ...]
) -> tuple[Array, list[Axis], tuple[Plan, ...]]:
    """The same with every element that is read in memory."""
    edges, wide, moved = [(0, 0, 0)] * x.ndim, [], []
    for place, axis, plan in zip(form.lhs[2:], axes, plans, strict=True):
        margins = [piece.read(axis.small)[1] for piece in plan]
        ahead, behind = max(low for low, _ in margins), max(high for _, high in margins)
        edges[place] = (ahead, behind, 0)
        wide.append(replace(axis, small=axis.small + ahead + behind))
        moved.append(tuple(replace(piece, origin=piece.origin + ahead) for piece in plan))
    return lax.pad(x, jnp.zeros((), x.dtype), edges), wide, tuple(moved)


def _assemble(x: Array, kernel: Array, form: Form, axes: list[Axis], plans: tuple[Plan, ...], made: Plan) -> Array:
    """The output of the pieces ``made`` on the first axes and of every piece on the others, interleaved."""
    if len(made) == len(plans):
        return _convolve(x, kernel, form, axes, made)
    axis, plan, place = axes[len(made)], plans[len(made)], form.out[2 + len(made)]
    parts = {piece.first: _assemble(x, kernel, form, axes, plans, (*made, piece)) for piece in plan}
    if axis.stride == 1 or plan[0].phases > 1:
        return next(iter(parts.values()))
    nothing = jnp.zeros_like(next(iter(parts.values())))
    stacked = jnp.stack([parts.get(first, nothing) for first in range(axis.stride)], place + 1)
    shape = list(nothing.shape)
    shape[place] *= axis.stride
    return stacked.reshape(shape)


def _convolve(x: Array, kernel: Array, form: Form, axes: list[Axis], pieces: Plan) -> Array:
    """One convolution; its phases interleaved."""
    margins = []
    for place, axis, piece in zip(form.lhs[2:], axes, pieces, strict=True):
        held, zeros = piece.read(axis.small)
        x = lax.slice_in_dim(x, held.start, held.stop, axis=place)
        margins.append(zeros)
    made = lax.conv_general_dilated(
        x,
        _filters(kernel, form, pieces),
        (1,) * len(axes),
        margins,
        rhs_dilation=[piece.spacing for piece in pieces],
        dimension_numbers=form.numbers,
        feature_group_count=form.groups,
        precision=form.precision,
        preferred_element_type=form.preferred,
    )
    return _depth_to_space(made, form.out, form.groups, [piece.phases for piece in pieces])


def _filters(kernel: Array, form: Form, pieces: Plan) -> Array:
    """The pieces' taps; phases as output channels, between group and channel."""
    for place, piece, axis in zip(form.rhs[2:], pieces, form.axes, strict=True):
        taps, last = piece.taps, axis.kernel - 1
        missing = max(taps[-1] - last, 0)
        edges = [(0, 0, 0)] * kernel.ndim
        edges[place] = (missing, 0, 0)
        kernel = lax.pad(kernel, jnp.zeros((), kernel.dtype), edges) if missing else kernel
        start = last + missing - taps[-1]
        kernel = lax.slice_in_dim(kernel, start, start + taps[-1] - taps[0] + 1, taps.step, place)
    if all(piece.phases == 1 for piece in pieces):
        return kernel
    return _phases_to_channels(kernel, form.rhs, form.groups, pieces)


def _phases_to_channels(kernel: Array, spec: Spec, groups: int, pieces: Plan) -> Array:
    """Taps ``(window, phases)`` of each axis, the last one first: the phases moved before the output channels."""
    split: list[int] = []
    shape, order = [], []
    parts = {spec[0]: (groups, kernel.shape[spec[0]] // groups), spec[1]: (kernel.shape[spec[1]],)}
    parts |= {place: (piece.window, piece.phases) for place, piece in zip(spec[2:], pieces, strict=True)}
    starts = {}
    for place in range(kernel.ndim):
        starts[place] = len(split)
        split.extend(parts[place])
    moved = [starts[place] + 1 for place in spec[2:]]
    for place in range(kernel.ndim):
        if place == spec[0]:
            order += [starts[place], *moved, starts[place] + 1]
            shape.append(kernel.shape[place] * prod(piece.phases for piece in pieces))
        else:
            order.append(starts[place])
            shape.append(parts[place][0])
    return lax.rev(kernel.reshape(split), moved).transpose(order).reshape(shape)


def _depth_to_space(made: Array, spec: Spec, groups: int, phases: list[int]) -> Array:
    """Channels ``(groups, *phases, channels)`` with the phases interleaved on their axes."""
    if prod(phases) == 1:
        return made
    split: list[Any] = []
    starts = {}
    for place, length in enumerate(made.shape):
        starts[place] = len(split)
        split += [groups, *phases, length // groups // prod(phases)] if place == spec[1] else [length]
    order, shape = [], []
    for place, length in enumerate(made.shape):
        start = starts[place]
        if place == spec[1]:
            order += [start, start + 1 + len(phases)]
            shape.append(length // prod(phases))
        elif place == spec[0]:
            order.append(start)
            shape.append(length)
        else:
            axis = spec.index(place) - 2
            order += [start, starts[spec[1]] + 1 + axis]
            shape.append(length * phases[axis])
    return made.reshape(split).transpose(order).reshape(shape)
