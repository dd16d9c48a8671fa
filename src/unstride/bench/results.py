"""What was measured: times by round, what there is no time of and why, and the machine's limits of the same rounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Any

from .cases import Case
from .peers import OURS

SCHEMA = 1
"""version of the JSON form; a change that old readers misread raises it"""


@dataclass(frozen=True, slots=True)
class Key:
    """One way to make the call that a group is about."""

    competitor: str
    variant: str
    layout: str
    call: str
    threads: int


@dataclass(frozen=True, slots=True)
class Timing:
    """Nanoseconds of one call, round by round; None in a round that it sat out."""

    key: Key
    nanoseconds: tuple[float | None, ...]

    @property
    def taken(self) -> list[float]:
        """The rounds that it took part in."""
        return [time for time in self.nanoseconds if time is not None]

    @property
    def median(self) -> float:
        """Nanoseconds."""
        return median(self.taken)

    @property
    def quartiles(self) -> tuple[float, float]:
        """First and third, in nanoseconds."""
        return quartiles(self.taken)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        first, third = self.quartiles
        facts = {"median_ns": self.median, "q1_ns": first, "q3_ns": third, "rounds": len(self.taken)}
        return {**asdict(self.key), **facts, "nanoseconds": self.nanoseconds}


@dataclass(frozen=True, slots=True)
class Absence:
    """A call without a time."""

    key: Key
    kind: str
    """``unsupported``: no documented way; ``failed``: an error; ``wrong``: other values; ``lost``: its process ended"""
    reason: str

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self.key), "kind": self.kind, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Limit:
    """What the machine can do at most, measured in the same rounds."""

    kind: str
    threads: int
    variant: str
    rates: tuple[float, ...]
    """round by round, 10⁹ floating-point operations or bytes a second"""

    @property
    def median(self) -> float:
        """The rate that shares are taken of."""
        return median(self.rates)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        first, third = quartiles(self.rates)
        facts = {"kind": self.kind, "threads": self.threads, "variant": self.variant}
        return {**facts, "giga_per_second": self.median, "q1": first, "q3": third, "rates": self.rates}


@dataclass(frozen=True, slots=True)
class Group:
    """One case in one direction: everything timed in the same rounds."""

    case: Case
    direction: str
    dtype: str
    timings: tuple[Timing, ...]
    absences: tuple[Absence, ...]
    limits: tuple[Limit, ...]

    def ours(self) -> Iterator[Timing]:
        """Our own times."""
        return (timing for timing in self.timings if timing.key.competitor == OURS)

    def limit(self, kind: str, threads: int) -> Limit | None:
        """The machine's limit of that kind; None where it could not be measured."""
        return next((found for found in self.limits if (found.kind, found.threads) == (kind, threads)), None)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "case": self.case.as_json(),
            "direction": self.direction,
            "dtype": self.dtype,
            "timings": [timing.as_json() for timing in self.timings],
            "absences": [absence.as_json() for absence in self.absences],
            "limits": [limit.as_json() for limit in self.limits],
        }


def quartiles(values: Iterable[float]) -> tuple[float, float]:
    """First and third; of one value, that value twice."""
    known = list(values)
    if len(known) == 1:
        return known[0], known[0]
    first, _, third = quantiles(known, n=4, method="inclusive")
    return first, third


def ratio(ours: Timing, theirs: Timing) -> float:
    """How many times as long as ours theirs takes: the median over the rounds of both, so that drift cancels.

    >>> key = Key("unstride", "run", "first", "functional", 1)
    >>> ratio(Timing(key, (1.0, 2.0, 4.0)), Timing(key, (3.0, 6.0, None)))
    3.0
    """
    both = zip(ours.nanoseconds, theirs.nanoseconds, strict=True)
    return median(them / us for us, them in both if us is not None and them is not None)
