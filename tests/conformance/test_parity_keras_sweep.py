"""Keras's consistency sweep of its transposed convolutions, against the NumPy oracle of Keras's own tests."""

from __future__ import annotations

from importlib import import_module
from itertools import product
from typing import Any

import numpy as np
import pytest

from unstride import UnstrideError, parse, run
from unstride.testing.live import installed

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore")]

SWEEP = tuple(product(range(1, 5), range(1, 5), ("same", "valid"), (None, 1, 2, 3, 4)))
"""kernel, stride, padding, output padding, as in Keras's test"""


def oracle(rank: int) -> Any:
    if not installed("keras"):
        pytest.skip("keras is not installed")
    pytest.importorskip("absl.testing", reason="Keras's tests need absl")
    module = import_module("keras.src.layers.convolutional.conv_transpose_test")
    return getattr(module, f"np_conv{rank}d_transpose")


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_the_sweep_holds(padding: str) -> None:
    compute, asked, refused = oracle(1), 0, 0
    for kernel, stride, word, extra in SWEEP:
        if word != padding:
            continue
        code = f"keras.layers.Conv1DTranspose(1, {kernel}, strides={stride}, padding={word!r}, output_padding={extra})"
        x, w = np.ones((1, 3, 1)), np.arange(1.0, kernel + 1).reshape(kernel, 1, 1)
        if extra is not None and extra >= stride:  # skipped by Keras's test, refused by its layer
            with pytest.raises(UnstrideError, match="output_padding"):
                run(parse(code), x, w, np.zeros(1))
            refused += 1
            continue
        expected = compute(x, w, np.zeros(1), stride, word, extra, "channels_last", 1)
        assert np.array_equal(run(parse(code), x, w, np.zeros(1)), expected), code
        asked += 1
    assert (asked, refused) == (40, 40)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_sweep_holds_with_channels_and_bias(rank: int) -> None:
    # without dilations: there the oracle is not what Keras computes, on any backend
    compute, draw = oracle(rank), np.random.default_rng(rank)
    for kernel, stride, padding in product((2, 3), (1, 2, 3), ("same", "valid")):
        extra = None if draw.integers(2) else int(draw.integers(stride))
        words = f"strides={stride}, padding={padding!r}, output_padding={extra}"
        code = f"keras.layers.Conv{rank}DTranspose(3, {kernel}, {words})"
        shapes = ((2, *(3, 4, 2)[:rank], 2), (*(kernel,) * rank, 3, 2), (3,))
        x, w, b = (draw.integers(-9, 10, shape).astype(np.float64) for shape in shapes)
        expected = compute(x, w, b, stride, padding, extra, "channels_last", 1)
        assert np.array_equal(run(parse(code), x, w, b), expected), code
