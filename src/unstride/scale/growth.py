"""Growth: how long every value of a network is, were its signal to end now, told without reading the network anew.

A length that grows by a period lengthens every value by a whole number of elements, once no operation is cut short by
the signal's beginning. That the beginning is past is seen by comparing with a length far beyond any signal's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from typing import TypeAlias

FAR = 2**43
"""elements, beyond what a signal has"""
KEPT = 256
"""remainders by the period for which lengths are kept"""

Lengths: TypeAlias = Mapping[str, int]
"""of every value, by its name"""


@dataclass(frozen=True, slots=True)
class Growth:
    """The lengths of a network's values for each length of its signal.

    >>> halved = Growth(lambda n: {"x": n, "y": n // 2}, {"x": Fraction(1), "y": Fraction(1, 2)})
    >>> halved.at(7)("y"), halved.at(1007)("y")
    (3, 503)
    """

    measure: Callable[[int], Lengths | None]
    """the lengths, worked out from the network; None where it takes no such signal"""
    rates: Mapping[str, Fraction]
    """elements of each value for each of the signal, in the long run"""
    _known: dict[int, tuple[int, Lengths]] = field(default_factory=dict)
    """by remainder: a length of the signal from which on everything grows by its rate, and the values' lengths"""

    @property
    def period(self) -> int:
        """Elements of the signal that lengthen every value by a whole number of elements."""
        return lcm(*(rate.denominator for rate in self.rates.values()))

    def at(self, length: int) -> Callable[[str], int]:
        """From a value's name to its length, 0 where there is none."""
        period = self.period
        known = self._known.get(length % period)
        if known is not None and known[0] <= length:
            return self._grown(*known, length)
        lengths = self.measure(length)
        if lengths is None:
            return lambda _: 0
        if period <= KEPT:
            self._learn(length, lengths, length + FAR // period * period)
        return lengths.__getitem__

    def _grown(self, start: int, lengths: Lengths, length: int) -> Callable[[str], int]:
        def grown(name: str) -> int:
            rate = self.rates[name]  # its denominator divides the period, and the period what was added
            return lengths[name] + (length - start) * rate.numerator // rate.denominator

        return grown

    def _learn(self, length: int, lengths: Lengths, far: int) -> None:
        """Keep the lengths if everything grows by its rate from here on."""
        beyond, grown = self.measure(far), self._grown(length, lengths, far)
        if beyond is not None and all(beyond[name] == grown(name) for name in lengths):
            self._known[length % self.period] = length, lengths
