"""The kernel behind a linear map, found from the map alone: the stride of each axis, and one matrix for each tap.

Along an axis a transposed convolution joins input p to output q through ``q − stride·p`` alone, a convolution through
``p − stride·q``: the ``step``. The kernel is what the map holds at each step; steps that no pair (p, q) of the map has
are not seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import channels, wording
from .comparing import Difference, Kind, unequal
from .diagnosis import subsets

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One axis: how steps are counted."""

    small: int
    large: int
    stride: int
    transposed: bool
    """whether the small side is the input"""

    @property
    def count(self) -> int:
        """How many steps there are from the least to the greatest."""
        return self.stride * (self.small - 1) + self.large

    @property
    def turned(self) -> Line:
        """The same axis without a stride, its sides exchanged."""
        return Line(self.large, self.small, 1, not self.transposed)

    @property
    def least(self) -> int:
        """The least step."""
        return -self.stride * (self.small - 1)


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """A map that depends on channels and steps alone."""

    lines: tuple[Line, ...]
    values: Array
    """``(in, out, *steps)``"""
    seen: tuple[Array, ...]
    """for each axis, which steps the map shows"""

    @property
    def box(self) -> tuple[slice, ...]:
        """The steps from the first to the last that hold anything."""
        return tuple(_extent(self.values, axis) for axis in range(2, self.values.ndim))

    @property
    def taps(self) -> Array:
        """The values in the box."""
        return self.values[:, :, *self.box]

    @property
    def margins(self) -> tuple[tuple[int, int], ...]:
        """For each axis, how much of the full extent lies before and behind the large side: cropped or padded."""
        found = []
        for line, steps in zip(self.lines, self.box, strict=True):
            before = -(steps.start + line.least)
            found.append((before, (line.small - 1) * line.stride + steps.stop - steps.start - before - line.large))
        return tuple(found)


def _extent(values: Array, axis: int) -> slice:
    met = np.flatnonzero(np.abs(np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)).max(axis=1, initial=0))
    return slice(int(met[0]), int(met[-1]) + 1) if len(met) else slice(0, 0)


def kernel_of(linear: Array, within: float) -> Kernel | None:
    """The kernel of a map ``(in, *input, out, *output)``; None where the map is no (transposed) convolution."""
    rank = linear.ndim // 2 - 1
    moved = np.moveaxis(linear, rank + 1, 1)  # (in, out, *input, *output)
    lines = _lines([np.moveaxis(moved, (2 + axis, 2 + rank + axis), (-2, -1)) for axis in range(rank)], within)
    if lines is None:
        return None
    values, seen = np.where(np.abs(moved) > within, moved, 0), []
    for axis, line in enumerate(lines):
        # the axes done already stand at the end, as one axis each
        values, met = _gathered(np.moveaxis(values, (2, 2 + rank - axis), (0, 1)), line)
        seen.append(met)
    found = Kernel(lines, values, tuple(seen))
    return found if _reproduces(found, moved, within) else None


def _lines(pairs: list[Array], within: float) -> tuple[Line, ...] | None:
    """The line of each axis, from the map with that axis's input and output last."""
    found = [_line(each, within) for each in pairs]
    lines = [line for line in found if line is not None]
    if len(lines) < len(found):
        return None
    # without a stride both directions say the same, with taps in opposite orders: one order for all axes
    backward = any(not line.transposed for line in lines)
    alike = (line.turned if backward and line.transposed and line.stride == 1 else line for line in lines)
    return tuple(alike)


def _line(pairs: Array, within: float) -> Line | None:
    """The stride of the last two axes, input and output: the one that explains most; None where none does."""
    inputs, outputs = pairs.shape[-2:]
    flat = pairs.reshape(-1, inputs, outputs)
    drawn = np.random.default_rng(0).integers(1, 1 << 8, len(flat)).astype(np.float64)
    table = np.tensordot(drawn, flat, 1)
    # roundings add like random numbers; whatever is found here is checked in full by ``_reproduces``
    slack = 8 * within * float(np.linalg.norm(drawn))
    best: tuple[int, Line] | None = None
    for transposed in (True, False):
        steps = table if transposed else table.T
        for stride in range(1, max(2, steps.shape[1])):
            here, there = steps[:-1, : steps.shape[1] - stride], steps[1:, stride:]
            evidence = int(((np.abs(here) > slack) & (np.abs(there) > slack)).sum())
            if not unequal(here, there, slack).any() and (best is None or evidence > best[0]):
                best = evidence, Line(len(steps), steps.shape[1], stride, transposed)
    if best is None or (best[0] == 0 and min(inputs, outputs) > 1):
        return None
    return best[1]


def _gathered(pairs: Array, line: Line) -> tuple[Array, Array]:
    """The values for each step, as the last axis, from ``(input, output, ...)``; and which steps there are."""
    given = pairs if line.transposed else pairs.swapaxes(0, 1)
    values = np.zeros((line.count, *given.shape[2:]), given.dtype)
    seen = np.zeros(line.count, bool)
    for small in range(line.small):
        start = -line.stride * small - line.least
        values[start : start + line.large] = given[small]
        seen[start : start + line.large] = True
    return np.moveaxis(values, 0, -1), seen


def _reproduces(kernel: Kernel, moved: Array, within: float) -> bool:
    """Whether the kernel gives the whole map back."""
    values = kernel.values
    for line in kernel.lines:
        # steps -> (small, large), each axis taken from the front and put at the end
        first = np.arange(line.small) * -line.stride - line.least
        places = first[:, None] + np.arange(line.large)[None, :]
        taken = np.take(values, places, axis=2)
        values = np.moveaxis(taken, (2, 3) if line.transposed else (3, 2), (-2, -1))
    rank = len(kernel.lines)
    pairs = [2 + 2 * axis + side for side in (0, 1) for axis in range(rank)]
    return not unequal(values.transpose(0, 1, *pairs), moved, within).any()


def told_apart(a: Array, b: Array, within: float) -> tuple[Difference, ...]:
    """What turns the kernel of one linear map ``(in, *input, out, *output)`` into another's; nothing where unknown."""
    one, other = kernel_of(a, within), kernel_of(b, within)
    if one is None or other is None or not one.taps.size or not other.taps.size:
        return ()
    strides = [tuple(line.stride for line in kernel.lines) for kernel in (one, other)]
    if one.lines != other.lines:
        if [line.transposed for line in one.lines] == [line.transposed for line in other.lines]:
            return (Difference(Kind.STRIDE, f"stride {strides[1]} where a has {strides[0]}"),)
        return ()
    return _mutated(one, other, within) or _dilated(one, other, within) or _shuffled(one, other, within)


def _mutated(a: Kernel, b: Kernel, within: float) -> tuple[Difference, ...]:
    """Flips, exchanged axes, exchanged channels and a shift, as few of them as will do; then another order besides."""
    for reordering in (False, True):
        for swap, order, flip, taps in _candidates(a):
            if reordering and not _alike(taps, b.taps, within):
                continue
            for offset in _offsets(a, b, taps):
                found = _compared(taps, offset, a, b, within, reordering=reordering)
                if found is not None:
                    parts = [*_places(flip, order, len(a.lines)), *_swap(swap=swap), *_moved(a, b, offset), *found]
                    return tuple(parts)
    return ()


def _candidates(a: Kernel) -> Iterator[tuple[bool, tuple[int, ...], tuple[int, ...], Array]]:
    """(channels exchanged, order of axes, flips, the taps that they make of ``a``'s)."""
    rank = len(a.lines)
    flips = [(), *sorted(subsets(rank), key=len, reverse=True)]
    for swap, order, flip in product((False, True), permutations(range(rank)), flips):
        taps = np.flip(a.taps, tuple(axis + 2 for axis in flip)).transpose(0, 1, *(axis + 2 for axis in order))
        if not swap:
            yield swap, order, flip, taps
        elif taps.shape[0] == taps.shape[1]:
            yield swap, order, flip, taps.swapaxes(0, 1)


def _alike(a: Array, b: Array, within: float) -> bool:
    """Whether each tap holds numbers of one sum, as it does where only channels move."""
    return a.shape == b.shape and not unequal(a.sum((0, 1)), b.sum((0, 1)), within * a[..., 0].size).any()


def _offsets(a: Kernel, b: Kernel, taps: Array) -> list[tuple[int, ...]]:
    """Where the taps may lie in ``b``: as in ``a``, or with their first or last at the first or last seen in ``b``."""
    choices = []
    for mine, yours, length in zip(a.box, b.box, taps.shape[2:], strict=True):
        choices.append(dict.fromkeys((0, yours.start - mine.start, yours.stop - length - mine.start)))
    return list(product(*choices))


def _compared(
    taps: Array, offset: tuple[int, ...], a: Kernel, b: Kernel, within: float, *, reordering: bool
) -> tuple[Difference, ...] | None:
    """The order of channels that makes ``b`` of taps ``offset`` from where ``a`` has its own; None where none does."""
    wanted = np.zeros_like(b.values)
    target, source = [], []
    for line, mine, step, length in zip(b.lines, a.box, offset, taps.shape[2:], strict=True):
        start = mine.start + step
        target.append(slice(max(0, start), max(0, min(line.count, start + length))))
        source.append(slice(max(0, -start), max(0, min(length, line.count - start))))
    wanted[:, :, *target] = taps[:, :, *source]
    seen = np.ix_(*(np.ones(count, bool) for count in wanted.shape[:2]), *b.seen)
    shown, given = wanted[seen], b.values[seen]
    if not shown.any():
        return None
    if not unequal(shown, given, within).any():
        return ()
    return (channels.reordered(shown, given, within) or None) if reordering else None


def _places(flip: tuple[int, ...], order: tuple[int, ...], rank: int) -> list[Difference]:
    found = []
    if flip:
        found.append(Difference(Kind.FLIP, f"kernel flipped ({wording.axes(flip, rank)})"))
    if order != tuple(range(rank)):
        found.append(Difference(Kind.AXES, f"kernel transposed ({wording.exchange(order)})"))
    return found


def _swap(*, swap: bool) -> list[Difference]:
    text = "kernel's input and output channels swapped"
    return [Difference(Kind.SWAPPED_CHANNELS, text)] if swap else []


def _moved(a: Kernel, b: Kernel, offset: tuple[int, ...]) -> list[Difference]:
    if not any(offset):
        return []
    if all(line.transposed for line in a.lines):
        text = wording.shift(offset, ("a", "b"))
    else:
        text = f"input shifted by {tuple(-step for step in offset)}: b reads its input {wording.moved(offset)} of a"
    return [Difference(Kind.SHIFT, text + side_words(a, b))]


def side_words(a: Kernel, b: Kernel) -> str:
    """That one crops (or pads) before what the other does behind, where that is so."""
    changed = [pair for pair in zip(a.margins, b.margins, strict=True) if pair[0] != pair[1]]
    if not changed or any(mine != yours[::-1] or min(mine) < 0 for mine, yours in changed):
        return ""
    verb = "crops" if all(line.transposed for line in a.lines) else "pads"
    mine, yours = (" × ".join(f"{before}+{after}" for before, after in kernel.margins) for kernel in (a, b))
    return f"; a {verb} {mine} (before+after), b {yours}"


def _dilated(a: Kernel, b: Kernel, within: float) -> tuple[Difference, ...]:
    """The same taps at other distances."""
    dense = [_without_gaps(kernel.taps) for kernel in (a, b)]
    if dense[0][0].shape != dense[1][0].shape or unequal(dense[0][0], dense[1][0], within).any():
        return ()
    return (Difference(Kind.DILATION, f"dilation {dense[1][1]} where a has {dense[0][1]}"),)


def _without_gaps(taps: Array) -> tuple[Array, tuple[int, ...]]:
    """The taps without the steps that hold nothing, and how far apart they lie."""
    apart = []
    for axis in range(2, taps.ndim):
        met = np.flatnonzero(np.abs(np.moveaxis(taps, axis, 0).reshape(taps.shape[axis], -1)).max(axis=1))
        apart.append(int(np.gcd.reduce(np.diff(met))) if len(met) > 1 else 1)
        taps = np.take(taps, met, axis)
    return taps, tuple(apart)


def _shuffled(a: Kernel, b: Kernel, within: float) -> tuple[Difference, ...]:
    """The same numbers in another order."""
    mine, yours = (np.sort(kernel.taps[np.abs(kernel.taps) > within], axis=None) for kernel in (a, b))
    if mine.shape != yours.shape or unequal(mine, yours, within).any():
        return ()
    text = "the kernel holds the same numbers in another order (reshaped where it should be transposed?)"
    return (Difference(Kind.ORDER, text),)
