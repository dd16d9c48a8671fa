"""Prepared weights: packed once, the same answers as ``run``."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unstride import Reason, UnstrideError
from unstride.engine import execute
from unstride.engine.execute import Engine
from unstride.geometry import Axis, Layer

from . import rows
from .rows import NAMES

LAYER = Layer((Axis(3, 6, 3, 2, 1, 1), Axis(2, 5, 2, 3, 1, -1)), small_channels=4, large_channels=6, groups=2)
DEEP = Layer((Axis(2, 4, 3, 2),), small_channels=300, large_channels=4)


def arrays(layer: Layer, batch: int = 2) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(0)
    weights = (layer.small_channels, layer.large_channels // layer.groups, *layer.kernel)
    shapes = (batch, layer.in_channels, *layer.input_size), weights, (layer.out_channels,)
    x, factors, bias = (rng.integers(-4, 5, shape).astype(np.float32) for shape in shapes)
    return x, factors, bias


@pytest.mark.parametrize("engine", NAMES)
@pytest.mark.parametrize("layer", [LAYER, LAYER.adjoint])
def test_prepared_equals_run_for_any_batch(engine: str, layer: Layer) -> None:
    x, weights, bias = arrays(layer)
    prepared = rows.prepare(engine, layer, weights, bias)
    for data in (x, x[:1], x[:0], np.concatenate([x, x, x])):
        np.testing.assert_array_equal(prepared(data), execute.run(layer, data, weights, bias))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "int8", "int64", "uint16", "object"])
@pytest.mark.parametrize("kept", ["float32", "int16", "object"])
def test_prepared_equals_run_for_any_element_type(dtype: str, kept: str) -> None:
    x, weights, bias = arrays(LAYER)
    data, factors = abs(x).astype(dtype), weights.astype(kept)
    expected = execute.run(LAYER, data, factors, bias)
    got = execute.prepare(LAYER, factors, bias)(data)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("engine", NAMES)
@pytest.mark.parametrize("layer", [LAYER, DEEP, DEEP.adjoint])
def test_later_changes_of_the_arrays_change_nothing(engine: str, layer: Layer) -> None:
    """Also where the weights are already in the order that BLAS reads, and need no packing."""
    x, weights, bias = arrays(layer)
    weights = np.moveaxis(np.ascontiguousarray(np.moveaxis(weights, (0, 1), (-1, -2))), (-1, -2), (0, 1))
    expected = execute.run(layer, x, weights, bias)
    prepared = rows.prepare(engine, layer, weights, bias)
    weights[:], bias[:] = 0, 0
    np.testing.assert_array_equal(prepared(x), expected)


def test_weights_are_packed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weights, bias = arrays(LAYER)
    blas = rows.named("blas")
    packs = []

    def pack(*given: Any) -> Any:
        packs.append(given)
        return blas.pack(*given)

    counting = Engine("counting", blas.available, blas.supports, pack, blas.run, blas.weight_gradient)
    monkeypatch.setattr(execute, "ENGINES", (counting,))
    prepared = execute.prepare(LAYER, weights, bias)
    for _ in range(3):
        prepared(x)
    assert len(packs) == 1
    prepared(x.astype(np.float64))
    assert len(packs) == 2
    assert len(execute.prepare(LAYER, weights, bias, dtype="float64")(x.astype(np.float64))) == 2
    assert len(packs) == 3


def test_bad_arrays_are_rejected_when_given() -> None:
    x, weights, bias = arrays(LAYER)
    with pytest.raises(UnstrideError) as caught:
        execute.prepare(LAYER, weights[1:], bias)
    assert caught.value.reason is Reason.KERNEL
    with pytest.raises(UnstrideError) as caught:
        execute.prepare(LAYER, weights, bias)(x[:, :, 1:])
    assert caught.value.reason is Reason.SIZE
    with pytest.raises(UnstrideError) as caught:
        execute.prepare(LAYER, weights > 0, bias)
    assert caught.value.reason is Reason.DTYPE
