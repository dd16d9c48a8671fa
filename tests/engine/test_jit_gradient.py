"""Compiled weight gradients: exact on integers, and the same to the last bit for any number of threads."""

from __future__ import annotations

import random
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unstride.engine import execute, threads
from unstride.engine.jit import gradient, gradient_tables
from unstride.engine.jit.gradient_records import Plan
from unstride.engine.jit.gradient_shape import Shape
from unstride.engine.jit.kernels_panels import Form
from unstride.engine.plan import plan
from unstride.geometry import Axis, Layer

Array = NDArray[Any]


def axis(rng: random.Random, most: int) -> Axis:
    """Any axis: crops, padding and trailing elements of either sign."""
    while True:
        kernel, stride, dilation = rng.randint(1, 5), rng.randint(1, 4), rng.randint(1, 3)
        small, span = rng.randint(1, most), dilation * (kernel - 1) + 1
        before = rng.randint(-2, span)
        large = (small - 1) * stride + span - before - rng.randint(-3, span)
        if large >= 1:
            return Axis(small, large, kernel, stride, dilation, before)


def layer(rng: random.Random) -> Layer:
    """Few and many channels on either side, groups, depthwise."""
    rank, groups = rng.randint(1, 3), rng.choice((1, 1, 1, 2, 3))
    smalls, larges = (rng.choice((1, 2, 3, rng.randint(1, 20), rng.randint(1, 80))) for _ in range(2))
    if rng.random() < 0.2:
        groups, smalls, larges = rng.randint(2, 40), 1, 1
    axes = tuple(axis(rng, 16 if rank < 3 else 6) for _ in range(rank))
    return Layer(axes, smalls * groups, larges * groups, groups=groups, transposed=rng.random() < 0.6)


def channels_last(array: Array) -> Array:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)


def every_other(array: Array) -> Array:
    """The same values, nothing side by side, and not to be written to."""
    wide = np.zeros(tuple(2 * size for size in array.shape), array.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in array.shape)]
    view[...] = array
    view.flags.writeable = False
    return view


def integers(rng: random.Random, shape: tuple[int, ...], dtype: str) -> Array:
    return np.random.default_rng(rng.getrandbits(32)).integers(-3, 4, shape).astype(dtype)


def sides(rng: random.Random, made: Layer, batch: int, dtype: str) -> tuple[Array, Array]:
    """Data and the gradient of the output."""
    x = integers(rng, (batch, made.in_channels, *made.input_size), dtype)
    return x, integers(rng, (batch, made.out_channels, *made.output_size), dtype)


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(threads, "_chosen", None)
    bind = gradient.bind
    yield
    bind.cache_clear()


def cut_small(monkeypatch: pytest.MonkeyPatch, rng: random.Random) -> None:
    """Chunks of a few positions, and tasks of a few channels."""
    monkeypatch.setattr(gradient_tables, "PANEL", dict.fromkeys((16, 32, 64), rng.choice((100, 500, 5000, 64 * 1024))))
    monkeypatch.setattr(gradient_tables, "WINDOW", rng.choice((500, 1 << 20)))
    monkeypatch.setattr(gradient_tables, "CHANNELS", rng.choice(((16, 16), (256, 128))))
    monkeypatch.setattr(gradient_tables, "FEWEST", rng.choice((4, 64)))
    gradient.bind.cache_clear()


@pytest.mark.parametrize("seed", range(20))
def test_exact_on_integers(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    cut_small(monkeypatch, rng)
    made, batch, dtype = layer(rng), rng.randint(1, 3), rng.choice(("float32", "float64"))
    x, grad = sides(rng, made, batch, dtype)
    expected = execute.weight_gradient(made, x, grad, engine="blas")
    for given in (np.asarray, channels_last):
        for beside in (np.asarray, channels_last):
            got = execute.weight_gradient(made, given(x), beside(grad), engine="jit")
            assert got.dtype == dtype
            np.testing.assert_array_equal(got, expected, err_msg=str(made))
    strided = execute.weight_gradient(made, every_other(x), every_other(grad), engine="jit")
    np.testing.assert_array_equal(strided, expected, err_msg=str(made))


LAYERS = {
    "many channels": Layer((Axis(9, 18, 3, 2, before=1), Axis(11, 22, 3, 2, before=1)), 70, 45),
    "few channels": Layer((Axis(24, 48, 4, 2, before=1), Axis(30, 60, 4, 2, before=1)), 20, 3),
    "one channel": Layer((Axis(50, 200, 16, 4, before=6),), 33, 1),
    "depthwise": Layer((Axis(20, 40, 4, 2, before=1), Axis(20, 40, 4, 2, before=1)), 21, 21, groups=21),
    "grouped": Layer((Axis(40, 40, 3, before=1),), 24, 36, groups=3, transposed=False),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("laid", [np.asarray, channels_last])
def test_the_same_bits_for_any_number_of_threads(name: str, dtype: str, laid: Any) -> None:
    made, values = LAYERS[name], np.random.default_rng(7)
    x = laid(values.standard_normal((3, made.in_channels, *made.input_size)).astype(dtype))
    grad = laid(values.standard_normal((3, made.out_channels, *made.output_size)).astype(dtype))
    found = []
    for count in (1, 2, 3, 2):
        threads.set_num_threads(count)
        found.append(execute.weight_gradient(made, x, grad, engine="jit"))
    assert all(np.array_equal(found[0], other) for other in found[1:])
    exact = execute.weight_gradient(made, x.astype("float64"), grad.astype("float64"), engine="blas")
    terms = 3 * prod(axis.small for axis in made.axes)
    bound = terms * np.finfo(dtype).eps * np.abs(x).max() * np.abs(grad).max() * 4
    assert np.abs(found[0] - exact).max() <= bound


@pytest.mark.parametrize("name", LAYERS)
def test_several_tasks_share_a_gradient(name: str) -> None:
    made = LAYERS[name]
    bound = gradient.bind(made, 64, "float32", small_first=True, large_first=True)
    assert bound.shared.task_count >= 2
    assert bound.shared.task_count % bound.shared.splits == 0


def test_taps_that_meet_nothing_are_zero() -> None:
    made = Layer((Axis(3, 2, 7, 1, before=2), Axis(4, 4, 3, 1, before=1)), 9, 17)
    x, grad = np.ones((2, 9, 3, 4), np.float32), np.ones((2, 17, 2, 4), np.float32)
    got = execute.weight_gradient(made, x, grad, engine="jit")
    assert [bool(got[:, :, tap].any()) for tap in range(7)] == [bool(made.axes[0].smalls(tap)) for tap in range(7)]
    np.testing.assert_array_equal(got, execute.weight_gradient(made, x, grad, engine="reference"))


def test_no_product_at_all_is_zero() -> None:
    made = Layer((Axis(2, 2, 1, 1, before=-5),), 3, 4)
    got = execute.weight_gradient(made, np.ones((1, 3, 2)), np.ones((1, 4, 2)), engine="jit")
    assert got.shape == (3, 4, 1)
    assert not got.any()


def test_an_empty_batch_is_zero() -> None:
    made = LAYERS["many channels"]
    got = execute.weight_gradient(made, np.ones((0, 70, 9, 11)), np.ones((0, 45, 18, 22)), engine="jit")
    assert got.shape == (70, 45, 3, 3)
    assert not got.any()


def test_what_lies_outside_the_window_is_not_met() -> None:
    made = Layer((Axis(5, 6, 3, 2, before=2),), 3, 2, transposed=True)
    x, grad = np.ones((1, 3, 5), np.float32), np.ones((1, 2, 6), np.float32)
    x[:, :, -1] = np.inf
    with np.errstate(all="ignore"):
        expected = execute.weight_gradient(made, x, grad, engine="reference")
    for laid in (np.asarray, channels_last):
        got = execute.weight_gradient(made, laid(x), laid(grad), engine="jit")
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("channels", [1, 3, 21, 64, 100])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bias_gradients_are_exact_on_integers(channels: int, dtype: str) -> None:
    made = Layer((Axis(40, 79, 3, 2, before=1), Axis(11, 21, 3, 2, before=1)), 2, channels)
    grad = np.random.default_rng(3).integers(-3, 4, (3, channels, 79, 21)).astype(dtype)
    expected = grad.astype("int64").sum(axis=(0, 2, 3))
    for laid in (np.asarray, channels_last, every_other):
        got = execute.bias_gradient(made, laid(grad))
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, expected)


def test_bias_gradients_have_the_same_bits_for_any_number_of_threads() -> None:
    made = Layer((Axis(300, 300, 1), Axis(200, 200, 1)), 2, 5)
    grad = np.random.default_rng(3).standard_normal((2, 5, 300, 200)).astype("float32")
    for laid in (np.asarray, channels_last):
        found = []
        for count in (1, 2, 3):
            threads.set_num_threads(count)
            found.append(execute.bias_gradient(made, laid(grad)))
        assert all(np.array_equal(found[0], other) for other in found[1:])
        np.testing.assert_allclose(found[0], grad.sum(axis=(0, 2, 3), dtype="float64"), atol=0.01)


def test_more_taps_than_tables_hold_are_left_to_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    made = LAYERS["one channel"]
    x, grad = np.ones((1, 33, 50), np.float32), np.ones((1, 1, 200), np.float32)
    expected = execute.weight_gradient(made, x, grad, engine="blas")
    monkeypatch.setattr(gradient, "TAPS", 15)
    monkeypatch.setattr(gradient, "bind", None)
    np.testing.assert_array_equal(gradient.ready(plan(made, batch=1), x, grad)(x, grad), expected)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("groups", [1, 4])
def test_products_decide_whether_threads_share(transposed: bool, groups: int) -> None:
    made = Layer((Axis(12, 24, 2, 2), Axis(16, 32, 2, 2)), 64, 128, groups=groups, transposed=transposed)
    found = gradient.bind(made, 3, "float32", small_first=True, large_first=True).products
    assert found == 3 * 64 * 128 // groups * prod(axis.products for axis in made.axes)


def test_ranges_of_channels_are_read_as_their_whole() -> None:
    """Panels let tiles read whole vectors: a range that would fit a tile by itself is the end of an array."""
    layer = Layer((Axis(3, 3, 1),), 150, 8)
    form = Form("float32", 4, 4, small_lanes=True)
    for lanes in (8, 16):
        shape = Shape(layer, 1, form, lanes, small_first=False, large_first=False)
        made = gradient_tables.tables(shape, shared=True)
        assert made.task_count > 1
        assert made.plan[Plan.PANELS]
