"""What turns one output exactly into another, in words: shifts, flips, permutations, bias, margins.

A hypothesis is stated only where it explains every element compared; where none does, the first element that differs
is named. Outputs are compared as ``(images, channels, *spatial)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..geometry import DataLayout
from . import wording
from .comparing import Difference, Kind, Pair, matched, unequal

Array = NDArray[Any]
Offset = tuple[int, ...]

SHIFT_LIMIT = 8
"""the furthest shift searched for, per axis"""


def describe(
    expected: Array,
    got: Array,
    *,
    layout: DataLayout | None = None,
    bias: Array | None = None,
    within: float = 0.0,
    names: tuple[str, str] = ("expected", "got"),
) -> str:
    """How ``got`` differs from ``expected``, in words; an empty text where it does not.

    Both are outputs in ``layout``, by default batch, channels, spatial axes. ``bias`` is the layer's own, one number
    per channel, where it is known; ``within`` is the largest difference that counts as none.

    >>> whole = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> describe(whole, np.pad(whole, [(0, 0), (0, 0), (1, 0), (1, 0)])[..., :4, :4])
    'shifted by (1, 1): got is expected moved 1 row down and 1 column right'
    """
    return "; ".join(map(str, differences(expected, got, layout=layout, bias=bias, within=within, names=names)))


def differences(
    a: Array,
    b: Array,
    *,
    layout: DataLayout | None = None,
    bias: Array | None = None,
    within: float = 0.0,
    names: tuple[str, str] = ("a", "b"),
) -> tuple[Difference, ...]:
    """As ``describe``, each difference by itself."""
    a, b = np.asarray(a), np.asarray(b)
    if a.ndim != b.ndim or (layout is not None and len(layout.order) != a.ndim) or a.ndim < 3:
        return () if np.array_equal(a, b) else (_shapes(a.shape, b.shape, names),)
    if a.shape != b.shape and (turned := _turned(a, b, within, names)):
        return (turned,)
    if layout is not None:
        a, b = (each.astype(_wide(each)) for each in (a, b))
        shapes = a.shape, b.shape
        a, b = (layout.to_canonical(each.shape).apply(each) for each in (a, b))
        if a.shape[:2] != b.shape[:2]:
            return (_shapes(*shapes, names),)
    return explained(Pair(a.astype(_wide(a)), b.astype(_wide(b)), names, within, bias))


def _wide(array: Array) -> np.dtype[Any]:
    """A type in which differences of the array's elements are exact."""
    return np.dtype({"f": np.float64, "c": np.complex128}.get(array.dtype.kind, np.int64))


def explained(pair: Pair) -> tuple[Difference, ...]:
    """The first hypothesis that explains all of ``b`` from ``a``, simple ones first; none where they are equal."""
    a, b = pair.a, pair.b
    if a.shape[:2] != b.shape[:2]:
        return (_shapes(a.shape, b.shape, pair.names),)
    if a.shape != b.shape:
        return (resized(pair),)
    if pair.near(a, b):
        return ()
    for hypothesis in HYPOTHESES:
        found = hypothesis(pair)
        if found is not None:
            return (found,)
    return composed(pair) or (first_unequal(pair),)


def _shapes(a: tuple[int, ...], b: tuple[int, ...], names: tuple[str, str]) -> Difference:
    return Difference(Kind.SHAPE, f"shape {b} where {names[0]} has {a}")


def _turned(a: Array, b: Array, within: float, names: tuple[str, str]) -> Difference | None:
    """The same output with its channels at the other end."""
    for source, target, words in ((1, -1, "last"), (-1, 1, "first")):
        moved = np.moveaxis(a, source, target)
        if moved.shape == b.shape and not unequal(moved, b, within).any():
            text = f"shape {b.shape} where {names[0]} has {a.shape}: {names[1]} has the channels {words}"
            return Difference(Kind.SHAPE, f"{text}; all else is equal")
    return None


def resized(pair: Pair) -> Difference:
    """Outputs of other sizes: which elements one lacks or has beyond, where what both have is equal."""
    sizes = wording.size(pair.b.shape[2:]), wording.size(pair.a.shape[2:])
    head = f"size {sizes[0]} where {pair.names[0]} has {sizes[1]}"
    image = densest(pair)
    for offset in offsets(pair.a.shape[2:], pair.b.shape[2:]):
        if aligned(pair, offset, image):
            lacking, beyond = wording.margins(pair.a.shape[2:], pair.b.shape[2:], offset)
            parts = [f"{pair.names[1]} lacks {lacking}"] if lacking else []
            parts += [f"{pair.names[1]} has {beyond} more{_filling(pair, offset)}"] if beyond else []
            return Difference(Kind.SHAPE, f"{head}: {' and '.join(parts)}; all else is equal")
    return Difference(Kind.SHAPE, head)


def _filling(pair: Pair, offset: Offset) -> str:
    """What ``b`` holds where ``a`` has no element: the bias alone, zeros, or nothing to be said."""
    outside = np.ones(pair.b.shape[2:], bool)
    outside[_overlap(pair.b.shape[2:], pair.a.shape[2:], tuple(-o for o in offset))] = False
    held = _held(pair, pair.b[:, :, outside])
    return f", {held}" if held else ""


def _held(pair: Pair, values: Array) -> str:
    """``bias only`` where the elements ``(images, channels, ...)`` hold nothing else, ``zero``, or an empty text."""
    biased = pair.bias is not None and bool(np.any(pair.bias))
    if pair.bias is not None and pair.near(values, _filled(pair.bias, values)):
        return "bias only" if biased else "bias only, which is zero"
    if pair.near(values, np.zeros_like(values)):
        return "zero, not even the bias" if biased else "zero"
    return ""


def _filled(bias: Array, values: Array) -> Array:
    """The bias, one number per channel, at every element."""
    return np.broadcast_to(np.asarray(bias).reshape(-1, *(1,) * (values.ndim - 2)), values.shape)


def offsets(a: tuple[int, ...], b: tuple[int, ...]) -> Iterator[Offset]:
    """Shifts that leave at least half of the shorter side in common on every axis; near ones first.

    An offset o says that element i of ``b`` is element i − o of ``a``.
    """
    reach = []
    for one, other in zip(a, b, strict=True):
        most = min(SHIFT_LIMIT, max(one, other) - 1, abs(one - other) + min(one, other) // 2)
        reach.append(range(-most, most + 1) if most >= 0 else range(1))
    yield from sorted(product(*reach), key=lambda offset: (sum(map(abs, offset)), offset))


def _overlap(mine: tuple[int, ...], others: tuple[int, ...], offset: Offset) -> tuple[slice, ...]:
    """The part of an array of size ``mine`` that has a counterpart, element i + offset, in one of size ``others``."""
    sizes = zip(mine, others, offset, strict=True)
    return tuple(slice(max(0, -o), max(0, -o, min(size, other - o))) for size, other, o in sizes)


def densest(pair: Pair) -> int:
    """The image that tells most: the one with fewest zeros."""
    counts = np.count_nonzero(pair.a.reshape(len(pair.a), -1), axis=1) if pair.a.size else np.zeros(1)
    return int(np.argmax(counts))


def aligned(pair: Pair, offset: Offset, image: int) -> bool:
    """Whether ``b`` is ``a`` moved by ``offset`` wherever both have an element, and that says something.

    ``image`` is looked at first.
    """
    a, b = pair.a, pair.b
    mine = a[:, :, *_overlap(a.shape[2:], b.shape[2:], offset)]
    yours = b[:, :, *_overlap(b.shape[2:], a.shape[2:], tuple(-o for o in offset))]
    if mine.size == 0 or not pair.near(mine[image], yours[image]) or not pair.near(mine, yours):
        return False
    return not any(offset) or bool((np.abs(mine - mine[:, :, *(slice(0, 1),) * pair.rank]) > pair.within).any())


def shifted(pair: Pair) -> Difference | None:
    """The same output, moved."""
    size, image = pair.a.shape[2:], densest(pair)
    for offset in offsets(size, size):
        if any(offset) and aligned(pair, offset, image):
            return Difference(Kind.SHIFT, wording.shift(offset, pair.names))
    return None


def offset_by_channel(pair: Pair) -> Difference | None:
    """One number per channel that makes up the difference: the bias, or a part of it."""
    gap = pair.b - pair.a
    constant = gap[:1, :, *(slice(0, 1),) * pair.rank]
    if not np.isfinite(gap).all() or not pair.near(gap, np.broadcast_to(constant, gap.shape)):
        return None
    return Difference(Kind.BIAS, bias_words(constant.ravel(), pair))


def bias_words(gap: Array, pair: Pair) -> str:
    """The bias that differs by ``gap``, one number per channel."""
    a, b = pair.names
    if pair.bias is not None:
        return _known_bias_words(gap, np.asarray(pair.bias).ravel(), pair)
    if pair.near(gap, np.full_like(gap, gap[0])):
        return f"{b} is {a} plus {wording.number(gap[0])} everywhere"
    return f"{b} is {a} plus one number per channel: {wording.numbers(gap)}"


def _known_bias_words(gap: Array, given: Array, pair: Pair) -> str:
    a, b = pair.names
    other, none = given + gap, np.zeros_like(gap)
    order = matched(given.reshape(-1, 1), other.reshape(-1, 1), pair.within)
    if pair.near(other, none):
        return f"bias missing: {b} adds none"
    if pair.near(given, none):
        return f"bias added: {b} adds {wording.numbers(other)}, {a} none"
    if pair.near(other, 2 * given):
        return f"bias added twice by {b}"
    if order is not None:
        return f"bias permuted: {wording.permutation(order)}"
    return f"bias {wording.numbers(other)} where {a} has {wording.numbers(given)}"


def scaled(pair: Pair) -> Difference | None:
    """One factor throughout."""
    largest = np.unravel_index(np.abs(pair.a).argmax(), pair.a.shape) if pair.a.size else None
    if largest is None or not np.isfinite(pair.a[largest]) or pair.a[largest] == 0:
        return None
    factor = pair.b[largest] / pair.a[largest]
    if factor == 0 or not pair.near(pair.a * factor, pair.b):
        return None
    return Difference(Kind.SCALE, f"scaled by {wording.number(factor)}")


def permuted(pair: Pair) -> Difference | None:
    """The same channels in another order."""
    order = channel_order(pair.a, pair.b, pair.within)
    if order is None or order == tuple(range(len(order))):
        return None
    return Difference(Kind.OUTPUT_CHANNELS, f"output channels permuted: {wording.permutation(order)}")


def channel_order(a: Array, b: Array, within: float) -> tuple[int, ...] | None:
    """For each channel of ``b`` the channel of ``a`` that it is, itself where it can be; None where there is none."""
    count = a.shape[1]
    return matched(a.swapaxes(0, 1).reshape(count, -1), b.swapaxes(0, 1).reshape(count, -1), within)


def differing(pair: Pair) -> Array:
    """The positions at which any image or channel differs."""
    return _positions(unequal(pair.a, pair.b, pair.within))


def _positions(different: Array) -> Array:
    return np.asarray(different.reshape(-1, *different.shape[2:]).any(axis=0))


def unreached(pair: Pair) -> Difference | None:
    """Elements at edges that hold the bias alone, or nothing, all others equal."""
    places = differing(pair)
    for held in ("bias", "zero"):
        level = pair.bias if held == "bias" else np.zeros(pair.b.shape[1])
        if level is None or (held == "zero" and pair.bias is not None and not np.any(pair.bias)):
            continue
        edges = _covering(places, ~_positions(unequal(pair.b, _filled(level, pair.b), pair.within)))
        if edges:
            words = wording.joined(wording.edge(axis, pair.rank, n, at_start=first) for axis, first, n in edges)
            verb = wording.are(sum(n for _, _, n in edges))
            values = pair.b[:, :, places]
            return Difference(Kind.MARGIN, f"{words} of {pair.names[1]} {verb} {_held(pair, values)}")
    return None


def _covering(places: Array, held: Array) -> list[tuple[int, bool, int]]:
    """The strips (axis, at its start, how many) that cover ``places``, ``held`` true in all; none where none do."""
    strips = []
    for axis, at_start in product(range(places.ndim), (False, True)):
        lines = np.asarray(np.moveaxis(held, axis, 0).reshape(held.shape[axis], -1).all(axis=1))
        run = lines if at_start else lines[::-1]
        strips.append((axis, at_start, int(np.argmin(run)) if not run.all() else 0))
    chosen: list[tuple[int, bool, int]] = []
    for number, (axis, at_start, most) in enumerate(strips):
        left = places.copy()
        for other in (*chosen, *strips[number + 1 :]):
            left[_strip(places, *other)] = False
        met = np.flatnonzero(np.moveaxis(left, axis, 0).reshape(left.shape[axis], -1).any(axis=1))
        need = 0 if not len(met) else int(met[-1]) + 1 if at_start else places.shape[axis] - int(met[0])
        if need > most:
            return []
        if need:
            chosen.append((axis, at_start, need))
    return chosen


def _strip(places: Array, axis: int, at_start: bool, count: int) -> tuple[slice, ...]:
    size = places.shape[axis]
    part = slice(0, count) if at_start else slice(size - count, size)
    return tuple(part if other == axis else slice(None) for other in range(places.ndim))


def flipped(pair: Pair) -> Difference | None:
    """The output reversed along axes."""
    for axes in subsets(pair.rank):
        if pair.near(np.flip(pair.a, tuple(axis + 2 for axis in axes)), pair.b):
            return Difference(Kind.FLIP, f"output flipped ({wording.axes(axes, pair.rank)})")
    return None


def exchanged(pair: Pair) -> Difference | None:
    """The output with its spatial axes in another order."""
    for order in permutations(range(pair.rank)):
        moved = pair.a.transpose(0, 1, *(axis + 2 for axis in order))
        if moved.shape == pair.b.shape and pair.near(moved, pair.b):
            return Difference(Kind.AXES, f"output transposed ({wording.exchange(order)})")
    return None


def subsets(rank: int) -> Iterator[tuple[int, ...]]:
    """The sets of axes that are not empty, all axes first."""
    choices = product((True, False), repeat=rank)
    yield from (tuple(i for i, chosen in enumerate(choice) if chosen) for choice in choices if any(choice))


HYPOTHESES: tuple[Callable[[Pair], Difference | None], ...] = (
    *(offset_by_channel, scaled, unreached, permuted, shifted, flipped, exchanged),
)
"""simple ones first"""


def composed(pair: Pair) -> tuple[Difference, ...]:
    """Two hypotheses together: the channels' order or the bias, with one about places."""
    if pair.bias is not None and np.any(pair.bias):
        bare = Pair(pair.a - _filled(pair.bias, pair.a), pair.b, pair.names, pair.within)
        for hypothesis in (shifted, flipped, exchanged):
            found = hypothesis(bare)
            if found is not None:
                return found, Difference(Kind.BIAS, f"bias missing: {pair.names[1]} adds none")
    for axes in subsets(pair.rank):
        order = channel_order(np.flip(pair.a, tuple(axis + 2 for axis in axes)), pair.b, pair.within)
        if order is not None:
            flip = Difference(Kind.FLIP, f"output flipped ({wording.axes(axes, pair.rank)})")
            return flip, Difference(Kind.OUTPUT_CHANNELS, f"output channels permuted: {wording.permutation(order)}")
    return ()


def first_unequal(pair: Pair) -> Difference:
    """How many elements differ, where they lie, and the first of them with both values."""
    different = unequal(pair.a, pair.b, pair.within)
    place = tuple(int(i) for i in np.argwhere(different)[0])
    where = wording.confined(differing(pair))
    values = f"{wording.number(pair.b[place])} where {pair.names[0]} has {wording.number(pair.a[place])}"
    count = int(different.sum())
    text = f"{count} of {different.size} elements differ{where}; first at {wording.place(place)}: {values}"
    return Difference(Kind.VALUES, text)
