"""The relation on one axis: sizes, taps, stamps, phases, segments, windows, and what is rejected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unstride import Reason, UnstrideError
from unstride.geometry import Axis
from unstride.testing.strategies import axes


def pairs(axis: Axis) -> dict[tuple[int, int], int]:
    """The large index of every (small, tap) whose product lands inside, from the relation as written."""
    places = {
        (small, tap): axis.stride * small + axis.dilation * tap - axis.before
        for small in range(axis.small)
        for tap in range(axis.kernel)
    }
    return {pair: large for pair, large in places.items() if 0 <= large < axis.large}


@pytest.mark.parametrize(
    ("axis", "span", "full", "after"),
    [
        (Axis(2, 4, 3, stride=2), 3, 5, 1),
        (Axis(2, 4, 3, stride=2, before=1), 3, 5, 0),
        (Axis(4, 28, 3, stride=7, before=1), 3, 24, -5),
        (Axis(5, 9, 3, stride=1, dilation=4), 9, 13, 4),
        (Axis(1, 1, 1), 1, 1, 0),
        (Axis(0, 3, 2, stride=5), 2, -3, -6),
    ],
)
def test_extents(axis: Axis, span: int, full: int, after: int) -> None:
    assert (axis.span, axis.full, axis.after) == (span, full, after)


@given(axes())
def test_taps_and_stamps_are_the_relation_read_both_ways(axis: Axis) -> None:
    expected = pairs(axis)
    stamped = {(c.small, c.tap): c.large for small in range(axis.small) for c in axis.stamp(small)}
    gathered = {(c.small, c.tap): c.large for large in range(axis.large) for c in axis.taps(large)}
    assert stamped == expected
    assert gathered == expected


@given(axes())
def test_products_and_coverage_count_the_relation(axis: Axis) -> None:
    expected = pairs(axis)
    assert axis.products == len(expected)
    for large in range(axis.large):
        assert axis.coverage(large) == list(expected.values()).count(large)
    for tap in range(axis.kernel):
        assert list(axis.smalls(tap)) == [small for small, other in expected if other == tap]


def test_taps_and_stamps_come_in_order_of_the_tap() -> None:
    axis = Axis(small=4, large=9, kernel=5, stride=2)
    assert [c.tap for c in axis.taps(4)] == [0, 2, 4]
    assert [c.tap for c in axis.stamp(1)] == [0, 1, 2, 3, 4]


@given(axes())
def test_a_phase_is_a_convolution_without_stride(axis: Axis) -> None:
    for phase in axis.phases():
        for place in range(phase.count):
            met = {
                (phase.start + place - offset, tap)
                for tap, offset in zip(phase.taps, phase.offsets, strict=True)
                if 0 <= phase.start + place - offset < axis.small
            }
            assert met == {(c.small, c.tap) for c in axis.taps(phase.first + place * axis.stride)}


def test_phases_of_a_known_axis() -> None:
    phases = list(Axis(small=2, large=5, kernel=3, stride=2, before=1).phases())
    assert [(p.remainder, p.first, p.count, p.taps) for p in phases] == [(0, 1, 2, (0, 2)), (1, 0, 3, (1,))]


def test_a_huge_stride_has_as_many_phases_as_elements() -> None:
    assert [p.first for p in Axis(small=2, large=3, kernel=2, stride=10**12, before=-1).phases()] == [1, 2, 0]


@pytest.mark.parametrize(
    ("axis", "start", "stop", "window"),
    [
        (Axis(10, 21, 3, stride=2), 4, 8, range(1, 4)),
        (Axis(10, 21, 3, stride=2), 4, 4, range(0)),
        (Axis(3, 12, 2, stride=4, dilation=3), 1, 3, range(0)),
        (Axis(3, 12, 1, stride=4), 0, 9, range(3)),
        (Axis(3, 12, 1, stride=4), 1, 4, range(0)),
    ],
)
def test_windows_of_known_axes(axis: Axis, start: int, stop: int, window: range) -> None:
    assert axis.small_window(start, stop) == window


def test_the_threads_sizes() -> None:
    assert list(Axis(4, 28, 3, stride=7).large_sizes(2)) == [22, 23, 24, 25, 26, 27, 28]
    assert list(Axis(20, 195, 3, stride=10).large_sizes(2)) == list(range(191, 201))
    assert list(Axis(12, 24, 3, stride=2).large_sizes(2)) == [23, 24]


@given(axes(), st.integers(-30, 30))
def test_shifting_the_crop_shifts_the_large_side(axis: Axis, by: int) -> None:
    moved = Axis(axis.small, axis.large, axis.kernel, axis.stride, axis.dilation, axis.before + by)
    assert moved.after == axis.after - by
    for large in range(max(0, -by), min(axis.large, axis.large - by)):
        assert [(c.small, c.tap) for c in moved.taps(large)] == [(c.small, c.tap) for c in axis.taps(large + by)]


@pytest.mark.parametrize(
    ("argument", "value", "reason"),
    [
        ("small", -1, Reason.SIZE),
        ("large", -1, Reason.SIZE),
        ("kernel", 0, Reason.KERNEL),
        ("stride", 0, Reason.STRIDE),
        ("dilation", -2, Reason.DILATION),
        ("small", 2.0, Reason.SIZE),
        ("large", float("nan"), Reason.SIZE),
        ("kernel", True, Reason.KERNEL),
        ("stride", "2", Reason.STRIDE),
        ("before", 0.5, Reason.PADDING),
        ("before", None, Reason.PADDING),
    ],
)
def test_bad_numbers_are_rejected_by_name(argument: str, value: object, reason: Reason) -> None:
    numbers: dict[str, object] = {"small": 2, "large": 4, "kernel": 3, argument: value}
    with pytest.raises(UnstrideError) as caught:
        Axis(**numbers)  # type: ignore[arg-type]  # wrong types are the point
    assert (caught.value.reason, caught.value.argument) == (reason, argument)
