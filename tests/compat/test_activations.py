"""The activations: values that are known exactly, types, and extremes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from unstride import UnstrideError
from unstride.compat.keras import activations

KNOWN: dict[str, dict[float, float]] = {
    "linear": {-3: -3, 2: 2},
    "relu": {-3: 0, 0: 0, 2: 2},
    "relu6": {-3: 0, 2: 2, 9: 6},
    "leaky_relu": {-5: -1, 2: 2},
    "elu": {0: 0, 2: 2, -1: math.expm1(-1)},
    "selu": {0: 0, 1: 1.0507009873554805, -1: 1.0507009873554805 * 1.6732632423543772 * math.expm1(-1)},
    "celu": {0: 0, 2: 2, -1: math.expm1(-1)},
    "gelu": {0: 0, 1: 0.5 * (1 + math.erf(math.sqrt(0.5)))},
    "sigmoid": {0: 0.5, 2: 1 / (1 + math.exp(-2)), -2: 1 / (1 + math.exp(2))},
    "log_sigmoid": {0: -math.log(2)},
    "silu": {0: 0, 2: 2 / (1 + math.exp(-2))},
    "swish": {0: 0, 2: 2 / (1 + math.exp(-2))},
    "tanh": {0: 0, 1: math.tanh(1)},
    "tanh_shrink": {0: 0, 1: 1 - math.tanh(1)},
    "softplus": {0: math.log(2), 1: math.log1p(math.e)},
    "softsign": {-3: -0.75, 1: 0.5},
    "soft_shrink": {-2: -1.5, 0.25: 0, 2: 1.5},
    "hard_shrink": {-2: -2, 0.25: 0, 2: 2},
    "exponential": {0: 1, 1: math.e},
    "hard_sigmoid": {-4: 0, 0: 0.5, 3: 1, 1.5: 0.75},
    "hard_silu": {-4: 0, 3: 3, 1.5: 1.125},
    "hard_tanh": {-4: -1, 0.5: 0.5, 4: 1},
    "mish": {0: 0, 1: math.tanh(math.log1p(math.e))},
    "squareplus": {0: 1, 1.5: 2},
}
ELEMENTWISE = [name for name in activations.BY_NAME if "softmax" not in name]


def test_every_activation_is_tested() -> None:
    assert set(KNOWN) - {"swish"} == set(ELEMENTWISE)


@pytest.mark.parametrize("name", KNOWN)
def test_known_values(name: str) -> None:
    x, y = np.array(list(KNOWN[name]), np.float64), np.array(list(KNOWN[name].values()))
    # a few roundings in double precision
    assert np.abs(activations.get(name)(x) - y).max() <= 8 * np.finfo(np.float64).eps


@pytest.mark.parametrize("name", activations.BY_NAME)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_type_is_kept(name: str, dtype: type) -> None:
    assert activations.get(name)(np.array([[-1, 0, 2]], dtype)).dtype == dtype


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if name not in ("exponential", "squareplus")])
def test_large_inputs_stay_finite(name: str) -> None:
    assert np.isfinite(activations.get(name)(np.array([-1e4, 1e4], np.float32))).all()


def test_softmax_sums_to_one_however_large() -> None:
    x = np.array([[1000.0, 1000.0], [0.0, math.log(3)]])
    assert activations.softmax(x)[0].tolist() == [0.5, 0.5]
    assert np.abs(activations.softmax(x)[1] - [0.25, 0.75]).max() <= 4 * np.finfo(np.float64).eps
    assert np.abs(activations.log_softmax(x)[1] - np.log([0.25, 0.75])).max() <= 4 * np.finfo(np.float64).eps
    assert activations.softmax(np.zeros((2, 5)), axis=0).tolist() == [[0.5] * 5] * 2


def test_relu_has_a_slope_a_maximum_and_a_threshold() -> None:
    x = np.array([-4.0, 0.5, 3.0, 9.0])
    assert activations.relu(x, negative_slope=0.5, max_value=6, threshold=1).tolist() == [-2.5, -0.25, 3, 6]


def test_names() -> None:
    assert activations.get(None) is activations.linear
    assert activations.serialize(activations.get("swish")) == "silu"
    assert activations.get(math.sqrt) is math.sqrt
    assert activations.serialize(math.sqrt)["config"] == "sqrt"
    with pytest.raises(UnstrideError, match="is no activation"):
        activations.get(activations.serialize(math.sqrt))
