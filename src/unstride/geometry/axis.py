"""One spatial axis: ``large = stride·small + dilation·tap − before``, and all that follows from it.

``small`` indexes the short side (a transposed convolution's input, a convolution's output), ``large``
the long side. Everything here is exact integer arithmetic on that one relation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import gcd

from ..errors import Reason, UnstrideError

_LIMITS = {
    "small": (0, Reason.SIZE),
    "large": (0, Reason.SIZE),
    "kernel": (1, Reason.KERNEL),
    "stride": (1, Reason.STRIDE),
    "dilation": (1, Reason.DILATION),
}


@dataclass(frozen=True, slots=True)
class Contribution:
    """One product of the sum: element ``small`` meets ``tap`` and lands at ``large``."""

    small: int
    tap: int
    large: int


@dataclass(frozen=True, slots=True)
class Phase:
    """The large indices with one remainder of ``large + before`` modulo the stride, and their taps.

    Within a phase, large index ``first + m·stride`` meets small index ``start + m − offset`` for each
    tap's ``offset``: a convolution without a stride.
    """

    remainder: int
    first: int
    """the smallest large index of the phase"""
    count: int
    """how many large indices the phase has"""
    start: int
    """``(first + before − remainder) / stride``"""
    taps: tuple[int, ...]
    offsets: tuple[int, ...]
    """for each tap, ``(dilation·tap − remainder) / stride``"""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of consecutive large indices of one phase that meet the same taps, all of them valid."""

    phase: Phase
    first: int
    """the run's first large index"""
    count: int
    """how many large indices it has, each one stride after the other"""
    taps: tuple[int, ...]
    """the taps whose small index exists, for every index of the run"""
    smalls: tuple[int, ...]
    """for each tap, the small index met by the run's first large index; it grows by one along the run"""


@dataclass(frozen=True, slots=True)
class Axis:
    """The relation on one axis.

    >>> axis = Axis(small=2, large=4, kernel=3, stride=2)
    >>> axis.full, axis.after
    (5, 1)
    """

    small: int
    """number of elements on the small side"""
    large: int
    """number of elements on the large side"""
    kernel: int
    """number of taps"""
    stride: int = 1
    """large elements between the stamps of neighbouring small elements"""
    dilation: int = 1
    """large elements between neighbouring taps"""
    before: int = 0
    """elements of the full extent before large index 0: cropped (transposed) or padded (forward); may be negative"""

    def __post_init__(self) -> None:
        for name, (least, reason) in _LIMITS.items():
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise UnstrideError(reason, f"must be an integer of at least {least}", argument=name, value=value)
        if type(self.before) is not int:
            raise UnstrideError(Reason.PADDING, "must be an integer", argument="before", value=self.before)

    @property
    def span(self) -> int:
        """Extent of the dilated kernel, ``dilation·(kernel − 1) + 1``."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def full(self) -> int:
        """Extent that all stamps together cover, ``(small − 1)·stride + span``."""
        return (self.small - 1) * self.stride + self.span

    @property
    def after(self) -> int:
        """What is left of the full extent behind the large side; negative where no stamp reaches the end."""
        return self.full - self.before - self.large

    def taps(self, large: int) -> tuple[Contribution, ...]:
        """All products that meet at one large index, in order of the tap.

        >>> [(c.small, c.tap) for c in Axis(small=2, large=5, kernel=3, stride=2).taps(2)]
        [(1, 0), (0, 2)]
        """
        found = []
        for tap in range(self.kernel):
            small, rest = divmod(large + self.before - self.dilation * tap, self.stride)
            if rest == 0 and 0 <= small < self.small:
                found.append(Contribution(small, tap, large))
        return tuple(found)

    def stamp(self, small: int) -> tuple[Contribution, ...]:
        """All products of one small index that land inside the large side, in order of the tap."""
        origin = self.stride * small - self.before
        places = ((tap, origin + self.dilation * tap) for tap in range(self.kernel))
        return tuple(Contribution(small, tap, large) for tap, large in places if 0 <= large < self.large)

    def smalls(self, tap: int) -> range:
        """The small indices whose product with ``tap`` lands inside the large side (may be empty)."""
        return self._smalls(tap, 0, self.large)

    def _smalls(self, tap: int, start: int, stop: int) -> range:
        """The small indices whose product with ``tap`` lands in ``[start, stop)``."""
        shift = self.before - self.dilation * tap
        first = max(0, -(-(start + shift) // self.stride))
        return range(first, max(first, min(self.small, -(-(stop + shift) // self.stride))))

    @property
    def products(self) -> int:
        """Number of (small, tap) pairs that land inside the large side: this axis's factor of the multiply count."""
        return sum(len(self.smalls(tap)) for tap in range(self.kernel))

    def coverage(self, large: int) -> int:
        """How many taps meet at one large index."""
        return len(self.taps(large))

    def phases(self) -> Iterator[Phase]:
        """The large side split by remainder modulo the stride; empty phases are left out."""
        # each phase with an element has its first one below both the stride and the large size
        firsts = range(min(self.stride, self.large))
        for remainder, first in sorted(((first + self.before) % self.stride, first) for first in firsts):
            yield self._phase(remainder, first, -(-(self.large - first) // self.stride))

    def tapped_phases(self) -> Iterator[Phase]:
        """The phases that have taps, at most one for each tap however long the stride; in order of the remainder.

        >>> [phase.first for phase in Axis(small=2, large=4 * 10**9, kernel=3, stride=10**9).tapped_phases()]
        [0, 1, 2]
        """
        for remainder in sorted(self.dilation * tap % self.stride for tap in range(min(self.period, self.kernel))):
            first = (remainder - self.before) % self.stride
            if first < self.large:
                yield self._phase(remainder, first, -(-(self.large - first) // self.stride))

    @property
    def period(self) -> int:
        """The distance between two taps of one phase: the least n > 0 with dilation·n divisible by the stride."""
        return self.stride // gcd(self.stride, self.dilation)

    def _phase(self, remainder: int, first: int, count: int) -> Phase:
        # dilation·tap ≡ remainder (mod stride) is solved by every (stride/gcd)-th tap, or by none
        period, divisor = self.period, gcd(self.stride, self.dilation)
        solved = remainder // divisor * pow(self.dilation // divisor, -1, period) % period
        root = self.kernel if remainder % divisor else solved
        taps = tuple(range(root, self.kernel, period))
        offsets = tuple((self.dilation * tap - remainder) // self.stride for tap in taps)
        return Phase(remainder, first, count, (first + self.before - remainder) // self.stride, taps, offsets)

    def segments(self) -> Iterator[Segment]:
        """The phases cut where a tap's small index enters or leaves ``[0, small)``; they partition the large side."""
        for phase in self.phases():
            cuts = {0, phase.count}
            for offset in phase.offsets:
                entry = offset - phase.start
                cuts |= {cut for cut in (entry, entry + self.small) if 0 < cut < phase.count}
            bounds = sorted(cuts)
            for begin, end in pairwise(bounds):
                yield self._segment(phase, begin, end)

    def _segment(self, phase: Phase, begin: int, end: int) -> Segment:
        met = [(tap, phase.start + begin - offset) for tap, offset in zip(phase.taps, phase.offsets, strict=True)]
        valid = [(tap, small) for tap, small in met if 0 <= small < self.small]
        taps, smalls = tuple(tap for tap, _ in valid), tuple(small for _, small in valid)
        return Segment(phase, phase.first + begin * self.stride, end - begin, taps, smalls)

    def small_window(self, start: int, stop: int) -> range:
        """The least range of small indices that large indices ``[start, stop)`` need.

        >>> Axis(small=10, large=21, kernel=3, stride=2).small_window(4, 8)
        range(1, 4)
        """
        low, high = -(-(start + self.before - self.span + 1) // self.stride), -(-(stop + self.before) // self.stride)
        if stop - start >= self.stride and low >= 0 and high <= self.small:
            return range(low, high)  # every tap meets an element, the last one the first of them
        met = [smalls for tap in range(self.kernel) if (smalls := self._smalls(tap, start, stop))]
        if not met:
            return range(0)
        return range(min(smalls.start for smalls in met), max(smalls.stop for smalls in met))

    def large_window(self, start: int, stop: int) -> range:
        """The least range of large indices that small indices ``[start, stop)`` need.

        >>> Axis(small=10, large=21, kernel=3, stride=2).large_window(4, 8)
        range(8, 17)
        """
        low, high = self.stride * start - self.before, self.stride * (stop - 1) - self.before + self.span
        if 0 <= start < stop <= self.small and low >= 0 and high <= self.large:
            return range(low, high)  # every product of these is there
        met = []
        for tap in range(self.kernel):
            smalls, shift = self.smalls(tap), self.dilation * tap - self.before
            own = range(max(smalls.start, start), min(smalls.stop, stop))
            if own:
                met.append((self.stride * own[0] + shift, self.stride * own[-1] + shift))
        return range(min(low for low, _ in met), max(high for _, high in met) + 1) if met else range(0)

    def part(self, small: range, large: range) -> Axis:
        """The relation between a run of small and a run of large indices, both counted from their first.

        >>> Axis(small=10, large=21, kernel=3, stride=2).part(range(1, 4), range(4, 8))
        Axis(small=3, large=4, kernel=3, stride=2, dilation=1, before=2)
        """
        before = self.before + large.start - self.stride * small.start
        return Axis(len(small), len(large), self.kernel, self.stride, self.dilation, before)

    def large_sizes(self, padding: int) -> range:
        """The ``stride`` large sizes that a convolution padded by ``padding`` in all maps to this small size.

        >>> Axis(small=4, large=28, kernel=3, stride=7, before=1).large_sizes(padding=2)
        range(22, 29)
        """
        least = self.full - padding
        return range(least, least + self.stride)
