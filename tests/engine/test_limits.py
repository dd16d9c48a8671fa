"""Sizes at the limits: refused before anything is planned or copied, or computed at once."""

import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import unstride
from unstride import Reason, UnstrideError
from unstride.engine import execute, memory, reference
from unstride.engine.dtypes import Operand
from unstride.engine.plan import plan
from unstride.geometry import Axis, Layer

from . import rows
from .rows import NAMES

Array = NDArray[Any]
GIB = 2**30
SMALL = Layer((Axis(2, 4, 3, 2),), 1, 1)


def fail(*_: object, **__: object) -> None:
    raise AssertionError


def zeros(*shape: int, dtype: str = "float32") -> Array:
    """An array of any shape that holds one element."""
    return np.broadcast_to(np.zeros((), dtype), shape)


def refused(call: Callable[[], object]) -> UnstrideError:
    with pytest.raises(UnstrideError) as caught:
        call()
    return caught.value


@pytest.fixture
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 16 * GIB)


@pytest.mark.usefixtures("_machine")
@pytest.mark.parametrize(
    ("axis", "channels"),
    [
        (Axis(4, 4 * 10**6, 3, 10**6), 2),
        (Axis(3, 3 * 10**9, 3, 10**9), 1),
        (Axis(4, 60_003, 60_000), 2),
        (Axis(1, 1, 1), 10**5),
    ],
)
def test_too_large_is_refused_before_anything_is_planned_or_copied(
    axis: Axis, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "plan", fail)
    monkeypatch.setattr(execute, "_frozen", fail)
    layer = Layer((axis, axis), channels, channels)
    weights = zeros(channels, channels, axis.kernel, axis.kernel)
    x = zeros(1, channels, axis.small, axis.small)
    for call in (lambda: execute.run(layer, x, weights), lambda: execute.prepare(layer, weights)):
        assert refused(call).reason is Reason.TOO_LARGE


@pytest.mark.usefixtures("_machine")
def test_too_large_is_refused_for_a_spec() -> None:
    spec = unstride.parse("keras.layers.Conv2DTranspose(2,3,strides=1000000,padding='same')")
    assert refused(lambda: unstride.run(spec, np.ones((2, 4, 5, 3)), np.ones((3, 3, 2, 3)))).reason is Reason.TOO_LARGE


@pytest.mark.usefixtures("_machine")
def test_the_copies_that_preparing_keeps_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = np.ones((1, 1, 3), np.float32)
    needed = plan(SMALL, batch=1).bytes + weights.nbytes
    monkeypatch.setattr(memory, "available_bytes", lambda: needed)
    execute.prepare(SMALL, weights)
    monkeypatch.setattr(memory, "available_bytes", lambda: needed - 1)
    assert refused(lambda: execute.prepare(SMALL, weights)).reason is Reason.TOO_LARGE


def test_a_result_of_another_type_than_its_sums_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Layer((Axis(10**7, 10**7, 1),), 1, 1)
    x = zeros(1, 1, 10**7, dtype="int8")
    monkeypatch.setattr(memory, "available_bytes", lambda: plan(layer).bytes + 8 * 10**7 - 1)
    error = refused(lambda: execute.run(layer, x, np.ones((1, 1, 1), np.int8)))
    assert error.reason is Reason.TOO_LARGE


def test_broadcast_weights_stay_broadcast_when_kept() -> None:
    layer = Layer((Axis(1, 1, 1),), 1000, 1000)
    weights = np.broadcast_to(np.arange(1000, dtype=np.float32)[:, None, None], (1000, 1000, 1))
    tracemalloc.start()
    prepared = execute.prepare(layer, weights)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1.5 * weights.nbytes
    np.testing.assert_array_equal(prepared(np.ones((1, 1000, 1), np.float32)), np.full((1, 1000, 1), 499500))


def test_an_outputs_phase_without_taps_costs_nothing() -> None:
    """A stride of three million: all but three of the phases hold the bias alone."""
    layer = Layer((Axis(3, 9 * 10**6, 3, 3 * 10**6),), 1, 1, bias=True)
    x, weights, bias = (np.array(given, np.float32) for given in ([[[1, 2, 3]]], [[[4, 5, 6]]], [7]))
    y = execute.run(layer, x, weights, bias)
    touched = np.flatnonzero(y[0, 0] != 7)
    assert touched.tolist() == [first + place for first in (0, 3 * 10**6, 6 * 10**6) for place in range(3)]
    assert y[0, 0, touched].tolist() == [7 + value * weight for value in (1, 2, 3) for weight in (4, 5, 6)]


@pytest.mark.parametrize("transposed", [True, False])
@pytest.mark.parametrize("stride", [1, 20_000, 10**7])
def test_a_long_kernel_is_planned_at_once(stride: int, transposed: bool) -> None:
    axis = Axis(2, stride + 20_000, 20_000, stride)
    made = plan(Layer((axis,), 2, 2, transposed=transposed))
    assert made.multiply_accumulates == 4 * 2 * 20_000
    assert sum(strip.products for strip in made.strips[0]) == 2 * 20_000


def test_a_kernel_too_long_to_compare_the_cuts_is_cut_by_taps() -> None:
    kernel = 2**16
    assert plan(Layer((Axis(5, kernel + 4, kernel),), 64, 64, transposed=False)).cut == "outputs"
    assert plan(Layer((Axis(5, kernel + 5, kernel + 1),), 64, 64, transposed=False)).cut == "taps"


@pytest.mark.parametrize("engine", NAMES)
@pytest.mark.parametrize(
    "axis",
    [
        Axis(1, 5, 3, 10**30),
        Axis(2, 5, 3, 10**30, before=10**30),
        Axis(3, 3, 2, 1, 10**30),
        Axis(3, 3, 2, 1, 10**30, before=10**30),
        Axis(2, 5, 3, 10**30, 10**30, before=10**30),
    ],
)
@pytest.mark.parametrize("transposed", [True, False])
def test_steps_too_long_for_an_array_are_computed(axis: Axis, engine: str, transposed: bool) -> None:
    layer = Layer((axis, Axis(2, 4, 3, 2)), 3, 2, transposed=transposed)
    rng = np.random.default_rng(0)
    x = rng.integers(1, 5, (2, layer.in_channels, *layer.input_size))
    weights = rng.integers(1, 5, (3, 2, *layer.kernel))
    expected = reference.run(layer, x, weights)
    assert np.count_nonzero(expected) > 0
    np.testing.assert_array_equal(rows.run(engine, layer, x, weights), expected)
    np.testing.assert_array_equal(
        rows.weight_gradient(engine, layer, x, expected), reference.weight_gradient(layer, x, expected)
    )


def test_long_edges_are_cut_by_taps() -> None:
    """Each edge output would gather thousands of taps in blocks of their own."""
    axis = Axis(30_001, 30_000, 20_000, before=10_000)
    assert plan(Layer((axis,), 2, 2, transposed=False)).cut == "taps"


def test_the_type_of_a_broadcast_is_chosen_from_its_elements_alone() -> None:
    """A billion repeats of one element are not read one by one."""
    assert Operand.of(np.broadcast_to(np.int8(-5), (10**9, 10**9)), "x") == Operand(np.dtype(np.int8), 5)


def test_decimals_are_refused() -> None:
    """They multiply with integers, but not with floats or fractions."""
    x = np.full((1, 1, 2), Decimal(1))
    error = refused(lambda: execute.run(SMALL, x, np.ones((1, 1, 3))))
    assert (error.reason, error.argument) == (Reason.DTYPE, "x.dtype")


@pytest.mark.parametrize("value", [10**400, Fraction(10**400), -(10**400)])
@pytest.mark.parametrize("engine", NAMES)
def test_numbers_beyond_a_floats_range_are_refused_where_they_meet_floats(value: object, engine: str) -> None:
    x, weights = np.full((1, 1, 2), value), np.ones((1, 1, 3))
    grad = np.ones((1, 1, 4))
    for call in (
        lambda: rows.run(engine, SMALL, x, weights),
        lambda: rows.run(engine, SMALL, weights[..., :2], np.full((1, 1, 3), value)),
        lambda: rows.prepare(engine, SMALL, weights)(x),
        lambda: rows.weight_gradient(engine, SMALL, x, grad),
        lambda: execute.bias_gradient(SMALL, np.array([[[value, 1.5, 0, 0]]], object)),
    ):
        assert refused(call).reason is Reason.DTYPE
    assert rows.run(engine, SMALL, x, weights.astype(int))[0, 0, 0] == value
