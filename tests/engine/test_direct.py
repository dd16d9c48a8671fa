"""Calls like an earlier one skip their checks, and small ones fetch their weights on the way: the same answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unstride import UnstrideError
from unstride.engine import execute, threads
from unstride.engine.jit import pool
from unstride.engine.jit import run as jit
from unstride.geometry import Axis, Layer
from unstride.testing.strategies import layers

pytestmark = pytest.mark.skipif(not jit.available(), reason="llvmlite is not installed")

Array = NDArray[Any]
SQUARE = Layer((Axis(4, 8, 3, stride=2, before=1),) * 2, 8, 5)


def last(array: Array) -> Array:
    """The same array, channels last in memory."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)


def drawn(layer: Layer, seed: int, batch: int = 2) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    shapes = (
        (batch, layer.in_channels, *layer.input_size),
        (layer.small_channels, layer.large_channels // layer.groups, *layer.kernel),
        (layer.out_channels,),
    )
    x, weights, bias = (rng.integers(-4, 5, shape).astype(np.float32) for shape in shapes)
    return x, weights, bias


@given(layers(), st.integers(0, 99), st.booleans(), st.sampled_from(["C", "F"]))
def test_a_second_call_is_as_exact_as_the_first(layer: Layer, seed: int, with_bias: bool, order: Any) -> None:
    for number in range(3):
        x, weights, bias = drawn(layer, seed + number)
        weights = np.asarray(weights, order=order)
        addend = bias if with_bias else None
        wanted = execute.run(layer, x, weights, addend, engine="blas")
        grad = np.ones_like(wanted) * number
        for data in (x, last(x)):
            assert np.array_equal(execute.run(layer, data, weights, addend), wanted)
            back = execute.weight_gradient(layer, data, grad)
            assert np.array_equal(back, execute.weight_gradient(layer, data, grad, engine="blas"))
        back = execute.input_gradient(layer, grad, weights)
        assert np.array_equal(back, execute.input_gradient(layer, grad, weights, engine="blas"))


@pytest.mark.parametrize(("count", "shared"), [(1, False), (2, True)])
def test_a_lone_thread_asks_no_pool(count: int, shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Layer((Axis(96, 192, 3, stride=2, before=1),) * 2, 3, 3)
    x, weights, bias = drawn(layer, 0)
    wanted = execute.run(layer, x, weights, bias, engine="blas")
    jobs: list[int] = []
    run = pool.run

    def seen(task: int, context: int, tasks: int, threads: int | None = None) -> None:
        jobs.append(tasks)
        run(task, context, tasks, threads)

    prepared = execute.prepare(layer, weights, bias)
    calls: list[Callable[[], Array]] = [lambda: execute.run(layer, x, weights, bias), lambda: prepared(x)]
    for call in calls:
        with threads.sharing(count), monkeypatch.context() as patch:
            call()
            patch.setattr(pool, "run", seen)
            assert np.array_equal(call(), wanted)
        assert bool(jobs) is shared
        jobs.clear()


def test_a_call_is_remembered() -> None:
    layer = Layer((Axis(3, 7, 3, stride=2),), 2, 3)
    x, weights, bias = drawn(layer, 0)
    execute.run(layer, x, weights, bias)
    known = [direct for kept, direct in execute._DIRECT.values() if kept is layer]
    assert len(known) == 1
    assert np.array_equal(known[0](x, weights, bias), execute.run(layer, x, weights, bias, engine="blas"))


@pytest.mark.parametrize("outputs", [1, 5, 16])
def test_weights_may_change_between_calls(outputs: int) -> None:
    layer = Layer((Axis(4, 8, 3, stride=2, before=1),) * 2, 8, outputs)
    x, weights, bias = drawn(layer, 0)
    for value in (1.0, -2.0, np.inf, np.nan, 3.0):
        weights[0, 0, 0, 0] = value
        wanted = execute.run(layer, x, weights, bias, engine="blas")
        assert np.array_equal(execute.run(layer, x, weights, bias), wanted, equal_nan=True)


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_other_shapes_are_still_refused(wrong: int) -> None:
    arrays = list(drawn(SQUARE, 0))
    execute.run(SQUARE, *arrays)
    arrays[wrong] = arrays[wrong][..., :-1]
    with pytest.raises(UnstrideError):
        execute.run(SQUARE, *arrays)


def test_other_strides_and_types_are_other_calls() -> None:
    x, weights, bias = drawn(SQUARE, 0)
    wanted = execute.run(SQUARE, x, weights, bias, engine="blas")
    wide = np.repeat(bias, 2)[::2]
    flipped = np.ascontiguousarray(weights[:, :, ::-1])[:, :, ::-1]
    for some in (
        (x, weights, wide),
        (x, flipped, bias),
        (x, weights.astype(np.float64), bias),
        (x[::-1][::-1], weights, bias),
    ):
        for _ in range(2):
            assert np.array_equal(execute.run(SQUARE, *some), wanted)


def test_a_layer_that_is_gone_is_not_mistaken() -> None:
    for channels in (1, 2, 3, 4) * 20:
        layer = Layer((Axis(3, 7, 3, stride=2, before=channels - 4),), 2, 3)
        x, weights, bias = drawn(layer, channels)
        assert np.array_equal(execute.run(layer, x, weights, bias), execute.run(layer, x, weights, bias, engine="blas"))
