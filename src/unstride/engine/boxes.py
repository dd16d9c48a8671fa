"""The products of a layer, cut into boxes: runs of outputs that all meet the same taps, every product valid.

Along one axis a *strip* pairs a run of output indices with a run of taps such that each pair is one product
of the relation. Output index ``a`` of the run meets tap ``b`` of the run at input index
``first + along·a + across·b``. A box is one strip per axis. Both directions of a layer give the same form, so
an engine that can run a box can run either. Integer work only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product
from math import prod

from ..geometry import Axis, Phase


@dataclass(frozen=True, slots=True)
class Strip:
    """Output indices and taps of one axis, all of whose products exist."""

    output: range
    """output indices"""
    family: int
    """which of the axis's ``families`` the taps belong to"""
    at: int
    """where in that family the first tap stands"""
    taps: range
    """the taps, in the order of growing input index; empty where no product arrives"""
    first: int
    """the input index at which the first output meets the first tap"""
    along: int
    """how far the input index moves from one output to the next"""
    across: int
    """how far the input index moves from one tap to the next"""

    @property
    def products(self) -> int:
        """Number of products."""
        return len(self.output) * len(self.taps)

    @property
    def inputs(self) -> tuple[range, ...]:
        """For each tap, the input indices that the outputs meet, in order."""
        firsts = (self.first + self.across * b for b in range(len(self.taps)))
        return tuple(range(first, first + self.along * len(self.output), self.along) for first in firsts)


@dataclass(frozen=True, slots=True)
class Box:
    """One strip for each axis."""

    strips: tuple[Strip, ...]

    @property
    def family(self) -> tuple[int, ...]:
        """For each axis, the family of the taps."""
        return tuple(strip.family for strip in self.strips)

    @property
    def counts(self) -> tuple[int, ...]:
        """Outputs per axis."""
        return tuple(len(strip.output) for strip in self.strips)

    @property
    def taps(self) -> tuple[int, ...]:
        """Taps per axis."""
        return tuple(len(strip.taps) for strip in self.strips)

    @property
    def products(self) -> int:
        """Number of products, for one pair of channels."""
        return prod(strip.products for strip in self.strips)


Cut = Callable[[Axis, bool], tuple[Strip, ...]]


@lru_cache(maxsize=1024)
def families(axis: Axis, transposed: bool) -> tuple[range, ...]:
    """The axis's taps, split into those that ever meet the same output, in the order of growing input index.

    A transposed convolution has one family for each phase that has taps; a convolution has one family.

    >>> families(Axis(small=2, large=5, kernel=3, stride=2), True)
    (range(2, -1, -2), range(1, 0, -2))
    """
    if not transposed:
        return (range(axis.kernel),)
    return tuple(_descending(phase, axis.period) for phase in axis.tapped_phases())


@lru_cache(maxsize=1024)
def reached(axis: Axis, transposed: bool) -> tuple[Strip, ...]:
    """Strips that partition the outputs that have products: each output meets all its taps in one strip."""
    strips = _large_strips(axis) if transposed else _small_strips(axis)
    return tuple(strip for strip in strips if strip.taps)


@lru_cache(maxsize=1024)
def by_output(axis: Axis, transposed: bool) -> tuple[Strip, ...]:
    """The ``reached`` strips, and those of the outputs that have no product: they partition the output side."""
    if not transposed:
        return tuple(_small_strips(axis))
    bare = (phase for phase in axis.phases() if not phase.taps)
    untapped = (Strip(_larges(axis, phase, 0, phase.count), 0, 0, range(0), 0, 1, 1) for phase in bare)
    return (*_large_strips(axis), *untapped)


@lru_cache(maxsize=1024)
def by_tap(axis: Axis, transposed: bool) -> tuple[Strip, ...]:
    """One strip for each tap that meets anything, over all outputs it meets."""
    return tuple(_tap_strips(axis, transposed))


def boxes(axes: tuple[Axis, ...], transposed: bool, cut: Cut = by_output) -> Iterator[Box]:
    """All boxes of a layer: the product of its axes' strips."""
    return (Box(strips) for strips in product(*(cut(axis, transposed) for axis in axes)))


def _large_strips(axis: Axis) -> Iterator[Strip]:
    across = axis.period * axis.dilation // axis.stride
    for number, phase in enumerate(axis.tapped_phases()):
        family = _descending(phase, axis.period)
        # a phase is a convolution without stride over its own taps
        alone = Axis(phase.count, axis.small, len(family), 1, across, phase.offsets[-1] - phase.start)
        for strip in _small_strips(alone):
            begin, taps = strip.output.start, family[strip.at : strip.at + len(strip.taps)]
            yield Strip(_larges(axis, phase, begin, strip.output.stop), number, strip.at, taps, strip.first, 1, across)


def _small_strips(axis: Axis) -> Iterator[Strip]:
    met = [axis.smalls(tap) for tap in range(axis.kernel)]
    cuts = {0, axis.small} | {cut for smalls in met if smalls for cut in (smalls.start, smalls.stop)}
    for begin, end in pairwise(sorted(cuts)):
        # tap t is valid where 0 ≤ stride·begin + dilation·t − before < large
        start = axis.before - axis.stride * begin
        low = max(0, -(-start // axis.dilation))
        high = min(axis.kernel, -(-(axis.large + start) // axis.dilation))
        taps = range(low, max(low, high))
        first = axis.dilation * low - start if taps else 0
        yield Strip(range(begin, end), 0, low if taps else 0, taps, first, axis.stride, axis.dilation)


def _tap_strips(axis: Axis, transposed: bool) -> Iterator[Strip]:
    for number, family in enumerate(families(axis, transposed)):
        for at, tap in enumerate(family):
            smalls = axis.smalls(tap)
            if not smalls:
                continue
            first = axis.stride * smalls.start + axis.dilation * tap - axis.before
            larges = range(first, first + axis.stride * len(smalls), axis.stride)
            output, inputs = (larges, smalls) if transposed else (smalls, larges)
            yield Strip(output, number, at, range(tap, tap + 1), inputs.start, inputs.step, 1)


def _larges(axis: Axis, phase: Phase, begin: int, end: int) -> range:
    """The large indices of a phase, from its ``begin``-th up to its ``end``-th."""
    return range(phase.first + begin * axis.stride, phase.first + end * axis.stride, axis.stride)


def _descending(phase: Phase, period: int) -> range:
    return range(phase.taps[-1], phase.taps[0] - 1, -period)
