"""Lengths: a set of lengths of one axis that repeats from some length on; exact membership, and words for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import lcm

_AXES = {1: ("lengths",), 2: ("heights", "widths"), 3: ("depths", "heights", "widths")}


@dataclass(frozen=True, slots=True)
class Lengths:
    """The lengths ``early``, and from ``start`` on those with one of the ``remainders`` modulo ``period``.

    By default all.

    >>> odd = Lengths(period=2, remainders=frozenset({1}))
    >>> 7 in odd, 8 in odd, odd.words
    (True, False, 'odd')
    """

    early: frozenset[int] = frozenset()
    start: int = 1
    period: int = 1
    remainders: frozenset[int] = frozenset({0})

    @classmethod
    def only(cls, length: int) -> Lengths:
        """One length."""
        return cls(frozenset({length}), length + 1, 1, frozenset())

    @classmethod
    def observed(cls, holds: Callable[[int], bool], period: int, reach: int, sure: int | None = None) -> Lengths:
        """The set of which ``holds`` is the test, periodic from ``reach`` on; ``sure`` is known to be in it.

        Where what is seen does not repeat after all, nothing past ``reach`` is claimed but ``sure``.
        """
        seen = [False, *(holds(length) for length in range(1, reach + 2 * period + 1))]
        first = reach + 1
        found = cls._settled(seen, period)
        repeats = seen[first : first + period] == seen[first + period :]
        if repeats and (sure is None or sure in found):
            return found
        early = frozenset(length for length, held in enumerate(seen) if held) | ({sure} if sure else frozenset())
        return cls(early, max(early, default=0) + 1, 1, frozenset())

    @classmethod
    def _settled(cls, seen: list[bool], period: int) -> Lengths:
        last = len(seen) - period
        tail = seen[last:]
        least = next(n for n in range(1, period + 1) if period % n == 0 and tail == tail[:n] * (period // n))
        start = last
        while start > 1 and seen[start - 1] == seen[start - 1 + least]:
            start -= 1
        remainders = frozenset(length % least for length in range(last, last + least) if seen[length])
        early = frozenset(length for length in range(1, start) if seen[length])
        return cls(early, start, least, remainders)

    def __contains__(self, length: int) -> bool:
        if length < self.start:
            return length in self.early
        return length % self.period in self.remainders

    def covers(self, other: Lengths) -> bool:
        """Whether every length of ``other`` is in this set."""
        return all(length in self for length in self._until_both_repeat(other) if length in other)

    def _until_both_repeat(self, other: Lengths) -> range:
        return range(1, max(self.start, other.start) + lcm(self.period, other.period))

    @property
    def words(self) -> str:
        """The set in words, as they stand before a noun: "every", "odd", "even", "≡ 1 or 2 (mod 4)", "from 5 on"."""
        if not self.remainders:
            return f"only {_listed(self.early)}" if self.early else "no"
        left_out = [length for length in range(1, self.start) if self._repeats(length) and length not in self.early]
        text = _NAMES.get((self.period, self.remainders)) or f"≡ {_listed(self.remainders)} (mod {self.period})"
        if left_out:
            first = next(
                length for length in range(max(left_out) + 1, self.start + self.period) if self._repeats(length)
            )
            text += f" from {first} on"
        extra = {length for length in self.early if not self._repeats(length) or length <= max(left_out, default=0)}
        return f"{text} and {_listed(extra)}" if extra else text

    def _repeats(self, length: int) -> bool:
        return length % self.period in self.remainders


_NAMES = {(1, frozenset({0})): "every", (2, frozenset({1})): "odd", (2, frozenset({0})): "even"}


def _listed(numbers: frozenset[int] | set[int]) -> str:
    """The numbers in words, three neighbours or more as a run.

    >>> _listed({0, 5, 6, 7})
    '0 or 5…7'
    """
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [[f"{run[0]}…{run[-1]}"] if len(run) > 2 else [str(number) for number in run] for run in runs]
    *most, last = [part for each in parts for part in each]
    return f"{', '.join(most)} or {last}" if most else last


def spelled(exact: tuple[Lengths, ...], taken: tuple[Lengths, ...]) -> str:
    """The sizes of all axes in words; an axis on which every length that is taken is exact is not named.

    >>> odd, each = Lengths(period=2, remainders=frozenset({1})), Lengths()
    >>> spelled((odd, each), (each, each))
    'odd heights only'
    """
    axes = _AXES.get(len(exact)) or tuple(f"lengths of axis {axis}" for axis in range(len(exact)))
    parts = [_part(held, noun) for held, all_, noun in zip(exact, taken, axes, strict=True) if not held.covers(all_)]
    return f"{' and '.join(parts)} only" if parts else "every size"


def _part(held: Lengths, noun: str) -> str:
    before, _, rest = held.words.partition(" ")
    if before in ("odd", "even", "every"):
        return f"{before} {noun} {rest}".strip()
    return f"{noun} {held.words.removeprefix('only ')}"
