"""What ``verify`` finds out beyond the small integers: clipping, rounding, thresholds, numbers that are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unstride import UnstrideError, verify
from unstride.porting.comparing import Kind
from unstride.porting.verify import Verdict

Array = NDArray[Any]
Function = Callable[[Array], Array]
SHAPE = (1, 2, 6, 6)


def judged(a: Function, b: Function, shape: tuple[int, ...] = SHAPE) -> Verdict:
    return verify(a, b, input_shape=shape, layouts="NCHW")


def same(x: Array) -> Array:
    return x


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def fragile(x: Array) -> Array:
    if np.abs(x).max() > 200:
        raise ValueError("too large")
    return x


BEYOND: dict[str, tuple[Function, Function]] = {
    "clipped above": (same, lambda x: np.minimum(x, 50)),
    "clipped far above": (same, lambda x: np.minimum(x, 900)),
    "clipped below": (same, lambda x: np.maximum(x, -20)),
    "hard": (same, lambda x: np.clip(x, -20, 20)),
    "ReLU6 for ReLU": (relu, lambda x: np.clip(x, 0, 6)),
    "rounded": (same, np.round),
    "cut to integers": (same, np.trunc),
    "a small number is nothing": (same, lambda x: np.where(np.abs(x) < 0.1, 0, x)),
    "wrapped like a byte": (same, lambda x: (x + 128) % 256 - 128),
}


SHAPES = [*((case, SHAPE) for case in BEYOND), ("hard", (1, 2, 60, 60)), ("rounded", (1, 99, 48, 48))]
"""small ones, which are probed by all units, one by grids of these, and one by dense inputs alone"""


@pytest.mark.parametrize(("case", "shape"), SHAPES)
def test_what_differs_on_large_or_small_numbers_only_is_different(case: str, shape: tuple[int, ...]) -> None:
    for a, b in (BEYOND[case], BEYOND[case][::-1]):
        (found,) = judged(a, b, shape).differences
        assert found.kind == Kind.RANGE
        assert str(found).startswith("equal on integers up to ±4, not on ")


@pytest.mark.parametrize(("case", "shape"), SHAPES)
def test_what_is_affine_on_small_numbers_only_is_no_affine_map(case: str, shape: tuple[int, ...]) -> None:
    _, bent = BEYOND[case]
    verdict = judged(bent, bent, shape)
    assert verdict
    assert verdict.proof == "no difference found; they are not affine, so that probes are evidence and no proof"


def test_the_words_tell_the_range_of_both_outputs() -> None:
    (found,) = judged(same, lambda x: np.clip(x, -20, 20)).differences
    assert ", not on integers up to ±64: " in str(found)
    assert str(found).endswith(", b's from -20 to 20")
    low, high = (int(word) for word in str(found).partition("a's outputs reach from ")[2].split(",")[0].split(" to "))
    assert -128 <= low < -64
    assert 64 < high <= 128
    (found,) = judged(same, np.round).differences
    assert ", not on sixteenths up to ±4: " in str(found)


def test_what_was_asked_is_told_and_an_affine_map_is_proven() -> None:
    verdict = judged(same, lambda x: x + 0)
    assert verdict.proof == "the same affine map: the probes are a basis, and both are affine up to ±1024"
    assert verdict.probes[0].endswith(
        "9 dense inputs of sixteenths up to ±4, integers up to ±64 and integers up to ±1024"
    )
    assert verdict.comparison == "integers and sixteenths, for equality"


def test_one_that_rejects_large_numbers_is_told_from_one_that_takes_them() -> None:
    (found,) = judged(same, fragile).differences
    assert (found.kind, str(found)) == (Kind.FAILURE, "b rejects inputs up to ±1024, which a takes: too large")
    verdict = judged(fragile, fragile)
    assert verdict
    assert "no proof" in verdict.proof


def test_outputs_that_are_no_numbers_prove_nothing() -> None:
    def none(x: Array) -> Array:
        return np.full_like(x, np.nan)

    with pytest.raises(UnstrideError, match="no finite number"):
        judged(none, none)
    assert not judged(none, same)

    def partly(x: Array) -> Array:
        y = x.copy()
        y[:, 1, 0, 0] = np.inf
        y[:, 0, 0, 0] = np.nan
        return y

    verdict = judged(partly, partly)
    assert verdict
    assert verdict.proof == (
        "no difference found; 180 of 6480 outputs are NaN or infinite in both, so that probes are evidence and no proof"
    )
    assert not judged(partly, same)
    assert not judged(same, partly)


def test_numbers_that_overflow_are_compared_and_told() -> None:
    verdict = judged(np.exp, np.exp)
    assert verdict
    assert "NaN or infinite in both" in verdict.proof
    half = verify(
        lambda x: (x * 99).astype("float16"), lambda x: (x * 99).astype("float16"), input_shape=SHAPE, layouts="NCHW"
    )
    assert half.proof.startswith("the same affine map")


def test_rounding_where_a_function_is_steep_is_no_difference() -> None:
    draw = np.random.default_rng(0)
    kernel = draw.normal(size=(40, 30)).astype("float32")

    def soft(x: Array, order: Array) -> Array:
        z = np.zeros((len(x), 30, *x.shape[2:]), "float32")
        for k in order:
            z += kernel[k][:, None, None] * x[:, k : k + 1]
        z = np.exp(z - z.max(1, keepdims=True))
        made: Array = z / z.sum(1, keepdims=True)
        return made

    order = np.arange(40)
    assert judged(lambda x: soft(x, order), lambda x: soft(x, order[::-1]), (1, 40, 12, 12))
    assert not judged(lambda x: soft(x, order), lambda x: soft(x, order) + np.float32(0.01), (1, 40, 12, 12))


def test_a_bias_too_small_to_matter_elsewhere_is_named() -> None:
    verdict = judged(lambda x: 100 * x, lambda x: 100 * x + np.float32(1e-6))
    assert [str(each) for each in verdict.differences] == [
        "bias added: b adds [9.99999997e-07, 9.99999997e-07], a none"
    ]
