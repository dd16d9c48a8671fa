"""What is said of older Keras on PyTorch is what its own helper, which newer versions still ship, computes."""

from __future__ import annotations

import importlib
import os
import warnings
from itertools import product

import pytest

from unstride.auditing.known import disagreements
from unstride.dialects import keras as dialect
from unstride.errors import UnstrideError
from unstride.testing.live import installed

pytestmark = pytest.mark.parity


def old_window(helper: object, small: int, kernel: int, stride: int, extra: int | None) -> tuple[int, int]:
    """(before, large) as PyTorch computed it with Keras's arguments."""
    assert callable(helper)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        padding, behind = helper(kernel, stride, 1, "same", extra)
    return padding, (small - 1) * stride + kernel - 2 * padding + behind


def test_the_torch_backend_before_3_15() -> None:
    if not installed("keras"):
        pytest.skip("keras is not installed")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    utils = importlib.import_module("keras.src.backend.common.backend_utils")
    helper = utils._convert_conv_transpose_padding_args_from_keras_to_torch
    told = counted = 0
    for kernel, stride in product(range(1, 8), range(1, 6)):
        for extra in (None, *range(stride)):
            try:
                spec = dialect.Conv1DTranspose(2, kernel, strides=stride, padding="same", output_padding=extra)
                layer = spec.read((1, 9, 3))
            except UnstrideError:
                continue
            axis = layer.axes[0]
            differs = old_window(helper, 9, kernel, stride, extra) != (axis.before, axis.large)
            said = any("torch backend" in each.says for each in disagreements(spec, layer))
            assert said == differs, (kernel, stride, extra)
            told += said
            counted += 1
    assert 20 < told < counted - 20
