"""SizeSet: the lengths of one axis that something holds for, as a congruence with exceptions at its start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SizeSet:
    """Lengths from ``start`` on whose remainder is in ``residues``, and those in ``early``, all below ``start``.

    >>> print(SizeSet(16, (0,), 16))
    multiples of 16
    >>> 32 in SizeSet(16, (0,), 16), 33 in SizeSet(16, (0,), 16)
    (True, False)
    """

    modulus: int
    residues: tuple[int, ...]
    """in rising order"""
    start: int = 1
    early: tuple[int, ...] = ()

    def __contains__(self, length: int) -> bool:
        return length in self.early if length < self.start else length % self.modulus in self.residues

    @property
    def empty(self) -> bool:
        """Whether no length belongs to it."""
        return not self.residues and not self.early

    @property
    def whole(self) -> bool:
        """Whether every length from ``start`` on belongs to it."""
        return len(self.residues) == self.modulus

    def after(self, length: int) -> int | None:
        """The least member that is not below ``length``; None where there is none."""
        last = max(length, self.start) + self.modulus
        return next((n for n in range(length, last) if n in self), None)

    def text(self) -> str:
        """The set in words."""
        if not self.residues:
            return f"only {_listed(self.early)}" if self.early else "no size"
        first = self.after(self.start)
        least = first if first is not None else self.start
        if self.whole:
            said = f"every size from {least} on" if least > 1 else "every size"
        elif self.residues == (0,):
            said = f"multiples of {self.modulus}" + (f" from {least} on" if least > self.modulus else "")
        else:
            said = f"n ≡ {_listed(self.residues)} (mod {self.modulus})" + (f" from {least} on" if least > 1 else "")
        return said + (f", and {_listed(self.early)}" if self.early else "")

    def __str__(self) -> str:
        return self.text()

    def as_json(self) -> dict[str, Any]:
        """The set as JSON values."""
        parts = {"modulus": self.modulus, "residues": list(self.residues), "start": self.start}
        return {**parts, "early": list(self.early), "text": self.text()}


def _listed(numbers: tuple[int, ...]) -> str:
    shown = [str(number) for number in numbers[:8]]
    return ", ".join(shown) + (f", … ({len(numbers)} in all)" if len(numbers) > 8 else "")


def gather(holds: Callable[[int], bool], period: int, last: int) -> SizeSet | None:
    """The set of all lengths for which ``holds``, known to repeat after ``period`` from some length on.

    Lengths 1…``last`` are asked; None where the last two periods among them do not repeat each other.
    """
    members = [False, *(holds(n) for n in range(1, last + 1))]
    start = last + 1
    while start > 1 and (start + period > last + 1 or members[start - 1] == members[start - 1 + period]):
        start -= 1
    if last + 1 - start < 2 * period:
        return None
    cycle = {n % period for n in range(start, start + period) if members[n]}
    modulus = next(m for m in _divisors(period) if all((r + m) % period in cycle for r in cycle))
    residues = tuple(sorted({r % modulus for r in cycle}))
    start = _earliest(members, start, modulus, residues)
    return SizeSet(modulus, residues, start, tuple(n for n in range(1, start) if members[n]))


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


def _earliest(members: list[bool], start: int, modulus: int, residues: tuple[int, ...]) -> int:
    """From where on the congruence alone decides."""
    while start > 1 and members[start - 1] == ((start - 1) % modulus in residues):
        start -= 1
    return start
