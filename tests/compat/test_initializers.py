"""The initializers' distributions, fans and seeds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from unstride import Reason, UnstrideError
from unstride.compat.keras import initializers, utils

SHAPE = (5, 5, 40, 20)
FAN_IN, FAN_OUT = 25 * 40, 25 * 20

VARIANCES = {
    "glorot_uniform": 2 / (FAN_IN + FAN_OUT),
    "glorot_normal": 2 / (FAN_IN + FAN_OUT),
    "he_uniform": 2 / FAN_IN,
    "he_normal": 2 / FAN_IN,
    "lecun_uniform": 1 / FAN_IN,
    "lecun_normal": 1 / FAN_IN,
    "variance_scaling": 1 / FAN_IN,
    "random_normal": 0.05**2,
    "random_uniform": 0.1**2 / 12,
    "truncated_normal": (0.05 * 0.87962566103423978) ** 2,
}
SAMPLES = math.prod(SHAPE)


@pytest.mark.parametrize("name", VARIANCES)
def test_mean_and_variance(name: str) -> None:
    utils.set_random_seed(1)
    values = initializers.get(name)(SHAPE)  # type: ignore[misc]  # named, so not None
    variance = VARIANCES[name]
    # five standard errors of a mean and, for at most normal tails, of a variance
    assert abs(values.mean()) < 5 * math.sqrt(variance / SAMPLES)
    assert abs(values.var() / variance - 1) < 5 * math.sqrt(2 / SAMPLES)
    assert values.dtype == np.float32


@pytest.mark.parametrize("name", [name for name in VARIANCES if "uniform" in name])
def test_uniform_values_stay_within_their_limit(name: str) -> None:
    values = initializers.get(name)(SHAPE)  # type: ignore[misc]  # named, so not None
    limit = math.sqrt(3 * VARIANCES[name])
    assert np.abs(values).max() <= np.float32(limit)
    assert np.abs(values).max() > 0.99 * limit


@pytest.mark.parametrize("name", ["glorot_normal", "he_normal", "lecun_normal", "truncated_normal"])
def test_truncated_values_stay_within_two_deviations(name: str) -> None:
    values = initializers.get(name)(SHAPE)  # type: ignore[misc]  # named, so not None
    limit = 2 * math.sqrt(VARIANCES[name]) / 0.87962566103423978
    assert 0.99 * limit < np.abs(values).max() <= np.float32(limit)


@pytest.mark.parametrize("kind", [kind for kind in initializers.CLASSES if hasattr(kind(), "seed")])
def test_a_seed_gives_the_same_values_at_every_call(kind: Any) -> None:
    assert np.array_equal(kind(seed=3)((3, 3, 2, 4)), kind(seed=3)((3, 3, 2, 4)))
    assert not np.array_equal(kind(seed=3)((3, 3, 2, 4)), kind(seed=4)((3, 3, 2, 4)))
    unseeded = kind()
    assert not np.array_equal(unseeded((3, 3, 2, 4)), unseeded((3, 3, 2, 4)))
    utils.set_random_seed(5)
    first = unseeded((3, 3, 2, 4))
    utils.set_random_seed(5)
    assert np.array_equal(unseeded((3, 3, 2, 4)), first)


@pytest.mark.parametrize("shape", [(3, 3, 2, 4), (1, 2, 9)])
def test_orthogonal_rows_or_columns(shape: tuple[int, ...]) -> None:
    matrix = initializers.Orthogonal(gain=2.0, seed=1)(shape, np.float64).reshape(-1, shape[-1])
    narrow = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    gram = narrow.T @ narrow
    # a QR factorisation is orthogonal to a small multiple of the rounding unit
    assert np.abs(gram - 4 * np.eye(len(gram))).max() < 100 * np.finfo(np.float64).eps


def test_constants() -> None:
    assert initializers.get("zeros")((2, 3)).tolist() == [[0] * 3] * 2  # type: ignore[misc]  # named, so not None
    assert initializers.get("ones")((2,)).tolist() == [1, 1]  # type: ignore[misc]  # named, so not None
    assert initializers.Constant(7)((2,), "float64").dtype == np.float64
    given = np.arange(4.0).reshape(2, 2)
    assert np.array_equal(initializers.get(given)((2, 2)), given)  # type: ignore[misc]  # an array, so not None


@pytest.mark.parametrize(
    ("shape", "fans"),
    [((), (1, 1)), ((7,), (7, 7)), ((3, 5), (3, 5)), ((2, 3, 5), (6, 10)), ((3, 3, 8, 5), (72, 45))],
)
def test_fans_are_the_last_two_axes_times_the_taps(shape: tuple[int, ...], fans: tuple[int, int]) -> None:
    assert initializers.compute_fans(shape) == fans


def test_fans_of_named_axes() -> None:
    assert initializers.compute_fans((2, 3, 5, 7), (0, 3), (1,)) == (14, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: initializers.get("nope"),
        lambda: initializers.get(3),
        lambda: initializers.VarianceScaling(scale=0),
        lambda: initializers.VarianceScaling(mode="fan"),
        lambda: initializers.VarianceScaling(distribution="gamma"),
        lambda: initializers.RandomNormal(seed=1.5)((1,)),  # type: ignore[arg-type]  # the mistake
        lambda: initializers.Zeros.from_config({"value": 1}),
    ],
)
def test_wrong_arguments(wrong: Any) -> None:
    with pytest.raises(UnstrideError) as caught:
        wrong()
    assert caught.value.reason is Reason.ARGUMENT
