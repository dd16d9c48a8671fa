"""What a stream's values grow to is what reading the network anew says, and it is seldom read anew."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from unstride import UnstrideError
from unstride.scale.growth import Growth, Lengths
from unstride.scale.stream import Stream
from unstride.testing.networks import Sized, networks


@settings(max_examples=20)
@given(networks(rank=1, open_sizes=True), st.lists(st.integers(1, 400), min_size=1, max_size=3))
def test_lengths_are_those_of_the_network(found: Sized, lengths: list[int]) -> None:
    assume(found.graph.inputs[0].size == (None,))
    try:
        fed = Stream(found.graph)
    except UnstrideError:
        reject()
    # in any order: a signal may be shorter than the one before
    for length in [*lengths, *sorted(lengths), 2**20 + lengths[0]]:
        measured, at = fed._lengths(length), fed._at(length)
        for node in found.graph.nodes:
            assert at(node.name) == (0 if measured is None else measured[node.name])


class Counted:
    """Lengths of a network, and how often they were asked for."""

    def __init__(self, least: int = 1) -> None:
        self.least, self.asked = least, 0

    def __call__(self, length: int) -> Lengths | None:
        self.asked += 1
        return {"x": length, "y": max(0, length - 5) // 4 * 3} if length >= self.least else None


RATES = {"x": Fraction(1), "y": Fraction(3, 4)}


def test_the_network_is_read_once_for_each_remainder() -> None:
    counted = Counted()
    grown = Growth(counted, RATES)
    assert grown.period == 4
    for length in range(1, 10_000):
        assert grown.at(length)("y") == max(0, length - 5) // 4 * 3
    # below 5 elements y does not grow by its rate, from there on each remainder is read twice
    assert counted.asked == 2 * 4 + 2 * 4


@pytest.mark.parametrize("least", [1, 7, 300])
def test_a_signal_that_is_too_short_has_nothing(least: int) -> None:
    grown = Growth(Counted(least), RATES)
    for length in range(1, 400):
        assert grown.at(length)("y") == (max(0, length - 5) // 4 * 3 if length >= least else 0)


def test_remainders_without_end_are_not_kept() -> None:
    counted = Counted()
    grown = Growth(counted, {"x": Fraction(1), "y": Fraction(3, 1024)})
    for length in range(1, 100):
        grown.at(length)
    assert counted.asked == 99
