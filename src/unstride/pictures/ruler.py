"""Which elements of an axis are drawn, and where: all of a short axis, the ends of a long one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

SIDE_LEAST = 4
"""Fewest elements shown on each side of a mark"""


@dataclass(frozen=True, slots=True)
class Ruler:
    """The elements of ``[start, stop)`` that are shown, in runs; every gap between two runs takes one position.

    >>> ruler = Ruler.of(0, 195, limit=12, few=8)
    >>> ruler.runs, len(ruler)
    ((range(0, 4), range(191, 195)), 9)
    >>> ruler.position(191), ruler.edge(0), ruler.edge(100), ruler.edge(195)
    (5, 0.0, 4.5, 9.0)
    """

    start: int
    stop: int
    runs: tuple[range, ...]

    @classmethod
    def of(cls, start: int, stop: int, *, limit: int, few: int = 0, marks: tuple[int, ...] = ()) -> Ruler:
        """All elements where they are at most ``limit``; else about ``few``, near both ends and each mark (an edge)."""
        if stop - start <= limit:
            return cls(start, stop, (range(start, stop),) if stop > start else ())
        inner = sorted({mark for mark in marks if start < mark < stop})
        side = max(min(SIDE_LEAST, limit // 2), (few or limit) // (2 + 2 * len(inner)))
        wanted = [range(start, start + side), *(range(m - side, m + side) for m in inner), range(stop - side, stop)]
        runs: list[range] = []
        for run in wanted:
            clipped = range(max(start, run.start), min(stop, run.stop))
            if runs and clipped.start <= runs[-1].stop + 1:  # a gap of one element takes as much room as the element
                runs[-1] = range(runs[-1].start, max(runs[-1].stop, clipped.stop))
            else:
                runs.append(clipped)
        return cls(start, stop, tuple(runs))

    def within(self, start: int, stop: int) -> Ruler:
        """The shown elements that lie in ``[start, stop)``."""
        clipped = (range(max(start, run.start), min(stop, run.stop)) for run in self.runs)
        return Ruler(start, stop, tuple(run for run in clipped if run))

    def shortened(self, most: int) -> Ruler:
        """The same elements without so many in the middle that at most ``most`` positions are taken, at least three.

        >>> Ruler.of(0, 9, limit=9).shortened(5).runs
        (range(0, 2), range(7, 9))
        """
        if len(self) <= most:
            return self
        shown, ends = self.shown, max(2, most - 1)
        while True:
            kept = {*shown[: (ends + 1) // 2], *shown[len(shown) - ends // 2 :]}
            clipped = tuple(tuple(element for element in run if element in kept) for run in self.runs)
            found = Ruler(self.start, self.stop, tuple(part for run in clipped for part in _runs(run)))
            if len(found) <= most or ends <= 2:
                return found
            ends -= 1

    def __len__(self) -> int:
        """Positions taken, gaps included."""
        return sum(map(len, self.runs)) + max(0, len(self.runs) - 1)

    @property
    def shown(self) -> tuple[int, ...]:
        """The elements that are drawn."""
        return tuple(element for run in self.runs for element in run)

    @property
    def whole(self) -> bool:
        """Whether no element is left out."""
        return len(self.runs) <= 1

    @property
    def gaps(self) -> tuple[int, ...]:
        """The positions that stand for elements left out."""
        return tuple(self.position(run.start) - 1 for run in self.runs[1:])

    def position(self, element: int) -> int:
        """Where a shown element is drawn."""
        offset = 0
        for run in self.runs:
            if element in run:
                return offset + element - run.start
            offset += len(run) + 1
        raise ValueError(f"element {element} is left out")

    def edge(self, element: int) -> float:
        """Where the near edge of an element is, also of one that is left out: then the middle of its gap."""
        if not self.runs:
            return 0.0
        for run in self.runs:
            if run.start <= element <= run.stop:
                return float(self.position(run.start) + element - run.start)
        for before, after in pairwise(self.runs):
            if before.stop < element < after.start:
                return self.position(after.start) - 0.5
        return 0.0 if element < self.start else float(len(self))


def _runs(elements: tuple[int, ...]) -> tuple[range, ...]:
    """Ascending elements as runs without a gap."""
    if not elements:
        return ()
    breaks = [at for at, (one, other) in enumerate(pairwise(elements), 1) if other > one + 1]
    ends = [0, *breaks, len(elements)]
    return tuple(range(elements[first], elements[last - 1] + 1) for first, last in pairwise(ends))
