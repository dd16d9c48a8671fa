from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unstride import Reason, UnstrideError
from unstride.answers.coverage import is_even, measure_coverage
from unstride.checkerboards.gain import measure_gain, share
from unstride.engine import execute
from unstride.geometry import Axis, Layer
from unstride.testing.strategies import layers

from .layers import Array, integers, long_layers, weights_of

SEEDS = st.integers(0, 2**31)
LECTURE = [[[[1, 2, 1], [2, 0, 1], [0, 2, 1]]]]


def interior(layer: Layer) -> tuple[range, ...]:
    return tuple(axis.interior for axis in measure_coverage(layer).axes)


def per_output(layer: Layer, values: Array, place: tuple[int, ...], x: Array) -> Array:
    """What the gains at one place make of one constant for each input channel."""
    phase: tuple[slice | int, ...] = (slice(None), slice(None), *map(int.__mod__, place, layer.stride))
    joined = values[phase]
    deep = layer.small_channels // layer.groups
    split = [x[g * deep : (g + 1) * deep] @ joined[g * deep : (g + 1) * deep] for g in range(layer.groups)]
    return np.concatenate(split)


@given(long_layers(), SEEDS)
def test_the_gain_is_what_a_constant_comes_out_as_away_from_the_borders(layer: Layer, seed: int) -> None:
    weights, constant = weights_of(layer, seed), integers(seed + 1, (layer.small_channels,))
    x = np.broadcast_to(constant.reshape(1, -1, *[1] * layer.rank), (1, layer.small_channels, *layer.input_size))
    y = execute.run(layer, x, weights)
    values, inside = measure_gain(layer, weights).values, interior(layer)
    assert all(len(places) >= axis.stride for places, axis in zip(inside, layer.axes, strict=True))
    for place in product(*(places[: 2 * step] for places, step in zip(inside, layer.stride, strict=True))):
        found: tuple[slice | int, ...] = (0, slice(None), *place)
        assert y[found].tolist() == per_output(layer, values, place, constant).tolist()


@given(long_layers(), SEEDS)
def test_the_energy_is_the_response_of_the_squared_weights_to_ones(layer: Layer, seed: int) -> None:
    weights = weights_of(layer, seed)
    y = execute.run(layer, np.ones((1, layer.small_channels, *layer.input_size), int), weights**2)
    energy = measure_gain(layer, weights).energy
    for place in product(*(places[: 2 * step] for places, step in zip(interior(layer), layer.stride, strict=True))):
        found: tuple[slice | int, ...] = (slice(None), *map(int.__mod__, place, layer.stride))
        assert y[0][(slice(None), *place)].tolist() == energy[found].tolist()


@given(layers(transposed=True))
def test_coverage_is_the_gain_of_a_kernel_of_ones(layer: Layer) -> None:
    ones = np.ones((layer.small_channels, layer.large_channels // layer.groups, *layer.kernel), int)
    gain, coverage = measure_gain(layer, ones), measure_coverage(layer)
    if gain.values.size:
        assert gain.alternation == coverage.alternation
        assert set(gain.channels) == {coverage.alternation}
        patterns = product(*(axis.pattern for axis in coverage.axes))
        assert gain.values[0, 0].ravel().tolist() == [int(np.prod(taps)) for taps in patterns]
    assert (coverage.alternation == 0) == all(map(is_even, layer.axes))


@given(layers(), SEEDS, st.integers(-3, 3).filter(bool))
def test_the_number_is_a_share_that_no_scale_changes(layer: Layer, seed: int, scale: int) -> None:
    weights = weights_of(layer, seed)
    gain = measure_gain(layer, weights)
    assert isinstance(gain.alternation, Fraction)
    assert all(0 <= number <= 1 for number in (gain.alternation, gain.energy_alternation, *gain.channels))
    assert len(gain.channels) == layer.large_channels
    assert measure_gain(layer, scale * weights).alternation == gain.alternation
    assert float(measure_gain(layer, weights / 7).alternation) == pytest.approx(float(gain.alternation), abs=1e-12)


@given(layers(), SEEDS)
def test_both_directions_have_the_same_gains(layer: Layer, seed: int) -> None:
    weights = weights_of(layer, seed)
    assert (measure_gain(layer, weights).values == measure_gain(layer.adjoint, weights).values).all()


def test_the_lectures_kernel() -> None:
    axis = Axis(2, 4, kernel=3, stride=2)
    gain = measure_gain(Layer((axis, axis), 1, 1), LECTURE)
    assert gain.pair(0, 0) == ((3, 4), (3, 0))
    assert gain.strength == ((3.0, 4.0), (3.0, 0.0))
    assert gain.alternation == 1 - Fraction(10**2, 4 * (9 + 16 + 9))
    assert gain.energy.tolist() == [[[3, 8], [5, 0]]]


def test_before_turns_the_phases() -> None:
    kernel = [[[1, 10, 100]]]
    assert measure_gain(Layer((Axis(2, 4, 3, 2),), 1, 1), kernel).pair(0, 0) == (101, 10)
    assert measure_gain(Layer((Axis(2, 4, 3, 2, before=1),), 1, 1), kernel).pair(0, 0) == (10, 101)


def test_phases_that_cancel_alternate_entirely() -> None:
    layer = Layer((Axis(4, 8, kernel=2, stride=2),), 1, 1)
    assert measure_gain(layer, [[[5, -5]]]).alternation == 1
    assert measure_gain(layer, [[[0, 0]]]).alternation == 0


def test_each_channel_has_its_own_number() -> None:
    layer = Layer((Axis(4, 8, kernel=2, stride=2),), 1, 2)
    gain = measure_gain(layer, [[[1, 1], [1, -1]]])
    assert gain.channels == (0, 1)
    assert gain.alternation == Fraction(1, 2)
    assert gain.worst == (0, 1)


def test_groups_keep_their_channels() -> None:
    layer = Layer((Axis(4, 8, kernel=2, stride=2),), 2, 2, groups=2)
    assert measure_gain(layer, [[[1, 1]], [[1, -1]]]).channels == (0, 1)


def test_equal_phases_give_zero_in_floating_point() -> None:
    values = np.full((1, 1, 3), 0.1)
    assert share(values) == (0.0,)


def test_integers_have_no_limit() -> None:
    layer = Layer((Axis(4, 8, kernel=2, stride=2),), 1, 1)
    large = np.array([[[2**62, 2**62]]])
    assert measure_gain(layer, large).energy.tolist() == [[2**124, 2**124]]
    assert measure_gain(layer, np.array([[[Fraction(1, 3), Fraction(1, 3)]]], object)).alternation == 0


def test_the_worst_pair_of_complex_weights_is_found_by_magnitude() -> None:
    layer = Layer((Axis(4, 8, kernel=2, stride=2),), 2, 2)
    weights = np.array([[[1, 1], [2j, 2j]], [[5j, 5j], [1, 2j]]])
    gain = measure_gain(layer, weights)
    assert gain.worst == (1, 1)
    assert gain.pair_alternation(1, 1) == pytest.approx(1 - 5 / 10)


@given(long_layers(), st.integers(0, 2**31), st.booleans())
def test_the_worst_pair_has_the_largest_deviation_from_its_mean(layer: Layer, seed: int, transposed: bool) -> None:
    layer = replace(layer, transposed=transposed)
    gain = measure_gain(layer, weights_of(layer, seed))
    pairs = gain.values.reshape(-1, gain.values[0, 0].size)
    spread = [Fraction(len(p) * sum(g * g for g in p) - sum(p) ** 2) for p in pairs.tolist()]
    small, large = gain.worst
    assert spread[small * gain.values.shape[1] + large] == max(spread)
    source, target = gain.worst_channels
    assert (source if transposed else target) == small
    whole, wide = target if transposed else source, gain.values.shape[1]
    assert (whole % wide, whole // wide) == (large, small * layer.groups // layer.small_channels)


def test_complex_weights_have_magnitudes() -> None:
    layer = Layer((Axis(4, 8, kernel=2, stride=2),), 1, 1)
    assert measure_gain(layer, [[[1j, -1j]]]).alternation == 1
    assert measure_gain(layer, [[[3 + 4j, 0]]]).energy.tolist() == [[25.0, 0.0]]


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ([[1, 2]], Reason.KERNEL),
        ([[[1.0, np.nan]]], Reason.DTYPE),
        ([[[1e200, 1.0]]], Reason.DTYPE),
        ([[["a", "b"]]], Reason.DTYPE),
        (np.array([[[10**400, 1]]], object), Reason.DTYPE),
    ],
)
def test_what_is_no_kernel_is_rejected(weights: object, reason: Reason) -> None:
    with pytest.raises(UnstrideError) as raised:
        measure_gain(Layer((Axis(4, 8, kernel=2, stride=2),), 1, 1), weights)  # type: ignore[arg-type]  # wrong on purpose
    assert raised.value.reason is reason


def test_the_values_cannot_be_changed() -> None:
    gain = measure_gain(Layer((Axis(4, 8, kernel=2, stride=2),), 1, 1), [[[1, 2]]])
    with pytest.raises(ValueError, match="read-only"):
        gain.values[0] = 0
