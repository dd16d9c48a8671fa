"""The functional forms: the framework's own arguments, arrays in its own layouts, its own rules."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import unstride
from unstride import Reason, UnstrideError
from unstride.compat import jax, keras, torch
from unstride.compat import tensorflow as tf
from unstride.compat.functions import Function

F = torch.nn.functional
RNG = np.random.default_rng(0)


def integers(*shape: int) -> np.ndarray:
    return RNG.integers(-4, 5, shape).astype(np.float32)


FUNCTIONS: list[Function] = [
    *(getattr(F, f"conv{rank}d") for rank in (1, 2, 3)),
    *(getattr(F, f"conv_transpose{rank}d") for rank in (1, 2, 3)),
    *(getattr(tf.nn, f"conv{rank}d") for rank in (1, 2, 3)),
    *(getattr(tf.nn, f"conv{rank}d_transpose") for rank in (1, 2, 3)),
    tf.nn.conv_transpose,
    tf.nn.convolution,
    jax.lax.conv_transpose,
    jax.lax.conv_general_dilated,
    keras.ops.conv,
    keras.ops.conv_transpose,
]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.form.call)
def test_signature_is_the_specs(function: Function) -> None:
    assert list(inspect.signature(function).parameters) == list(inspect.signature(function.form).parameters)
    assert function.form.call in (function.__doc__ or "")


X, W = integers(2, 4, 5, 6), integers(4, 3, 2, 3)
LAST, WLAST = X.transpose(0, 2, 3, 1), W.transpose(2, 3, 1, 0)
"""the same data channels last, the same kernel as (*taps, out, in)"""
FULL = F.conv_transpose2d(X, W, stride=2)


def test_torch_is_the_sum_of_stamps() -> None:
    expected = np.zeros((2, 3, 10, 13), np.float32)
    for i, j in np.ndindex(5, 6):
        expected[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 3] += np.einsum("nc,cokl->nokl", X[:, :, i, j], W)
    assert np.array_equal(FULL, expected)


def test_the_same_layer_in_every_framework() -> None:
    size = [2, 10, 13, 3]
    same = {
        "tf.nn.conv2d_transpose": tf.nn.conv2d_transpose(LAST, WLAST, size, 2, "VALID"),
        "tf.nn.conv_transpose": tf.nn.conv_transpose(LAST, WLAST, np.array(size), 2, padding="VALID"),
        "jax, kernel transposed": jax.lax.conv_transpose(LAST, WLAST, (2, 2), "VALID", transpose_kernel=True),
        "jax, taps reversed": jax.lax.conv_transpose(LAST, WLAST[::-1, ::-1].transpose(0, 1, 3, 2), (2, 2), "VALID"),
        "keras.ops": keras.ops.conv_transpose(LAST, WLAST, strides=2),
    }
    for name, y in same.items():
        assert np.array_equal(y.transpose(0, 3, 1, 2), FULL), name
    dilated = jax.lax.conv_general_dilated(
        X, W.transpose(1, 0, 2, 3)[..., ::-1, ::-1], (1, 1), [(1, 1), (2, 2)], lhs_dilation=(2, 2)
    )
    assert np.array_equal(dilated, FULL)


def test_the_same_convolution_in_every_framework() -> None:
    kernel = W.transpose(1, 0, 2, 3)
    expected = F.conv2d(X, kernel)
    hwio = kernel.transpose(2, 3, 1, 0)
    numbers = ("NHWC", "HWIO", "NHWC")
    same = {
        "tf.nn.conv2d": tf.nn.conv2d(LAST, hwio, 1, "VALID"),
        "tf.nn.convolution": tf.nn.convolution(LAST, hwio),
        "jax": jax.lax.conv_general_dilated(LAST, hwio, (1, 1), "VALID", dimension_numbers=numbers),
        "keras.ops": keras.ops.conv(LAST, hwio),
    }
    assert expected.shape == (2, 3, 4, 4)
    for name, y in same.items():
        assert np.array_equal(y.transpose(0, 3, 1, 2), expected), name


def test_bias_is_added_to_every_output() -> None:
    bias = np.array([1, -2, 3], np.float32)
    assert np.array_equal(F.conv_transpose2d(X, W, bias, 2), FULL + bias[:, None, None])
    assert np.array_equal(F.conv_transpose2d(X, W, bias=bias.tolist(), stride=2), FULL + bias[:, None, None])


def test_a_function_is_run_on_its_spec() -> None:
    spec = unstride.parse("F.conv_transpose2d(x, w, stride=2)")
    assert np.array_equal(unstride.run(spec, X, W), FULL)


def test_numpy_numbers_are_numbers() -> None:
    assert np.array_equal(F.conv_transpose2d(X, W, stride=np.array([2, 2]), groups=np.int64(1)), FULL)
    assert np.array_equal(F.conv_transpose2d(X, W, stride=(np.int32(2), 2)), FULL)


def test_unbatched_input_stays_unbatched() -> None:
    assert np.array_equal(F.conv_transpose2d(X[0], W, stride=2), FULL[0])


def test_preferred_element_type_is_the_results() -> None:
    x, w = np.full((1, 1, 3), 100, np.int8), np.full((1, 1, 2), 100, np.int8)
    y = jax.lax.conv_general_dilated(x, w, (1,), "VALID", preferred_element_type=np.int32)
    assert y.dtype == np.int32
    assert y.tolist() == [[[20000, 20000]]]
    half = jax.lax.conv_general_dilated(
        x.astype(np.float16), w.astype(np.float16), (1,), "VALID", preferred_element_type=np.float32
    )
    assert half.dtype == np.float32
    assert half.tolist() == [[[20000, 20000]]]


WRONG: dict[str, tuple[Any, Reason, str | None]] = {
    "missing kernel": (lambda: F.conv2d(X), Reason.ARGUMENT, None),
    "unknown argument": (lambda: F.conv2d(X, W, strides=2), Reason.ARGUMENT, None),
    "given twice": (lambda: F.conv2d(X, W, input=X), Reason.ARGUMENT, None),
    "stride": (lambda: F.conv2d(X, W, stride=0), Reason.STRIDE, "stride"),
    "kernel's channels": (lambda: F.conv_transpose2d(X, W[:3]), Reason.CHANNELS, "weight.shape"),
    "kernel's rank": (lambda: F.conv_transpose2d(X, W[0]), Reason.KERNEL, "weight.shape"),
    "bias": (lambda: F.conv_transpose2d(X, W, np.ones(4)), Reason.CHANNELS, "bias.shape"),
    "output padding": (
        lambda: F.conv_transpose2d(X, W, stride=2, output_padding=2),
        Reason.OUTPUT_PADDING,
        "output_padding",
    ),
    "output shape": (
        lambda: tf.nn.conv2d_transpose(LAST, WLAST, [2, 20, 20, 3], 2, "VALID"),
        Reason.OUTPUT_SHAPE,
        "output_shape",
    ),
    "padding": (
        lambda: jax.lax.conv_transpose(LAST, WLAST, (2, 2), "same", transpose_kernel=True),
        Reason.PADDING,
        "padding",
    ),
    "text": (lambda: F.conv2d([["a"]], W), Reason.RANK, "input dimensions"),
    "ragged": (lambda: F.conv2d([[1], [1, 2]], W), Reason.DTYPE, "input"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_names_the_frameworks_argument(case: str) -> None:
    call, reason, argument = WRONG[case]
    with pytest.raises(UnstrideError) as caught:
        call()
    assert (caught.value.reason, caught.value.argument) == (reason, argument)


# --- the functions around TensorFlow's


def test_constants_are_thirty_two_bits_wide() -> None:
    assert tf.constant([1, 2]).dtype == np.int32
    assert tf.constant([1.0, 2.0]).dtype == np.float32
    assert tf.constant(np.array([1.0])).dtype == np.float64
    assert tf.constant(3, shape=(2, 2), dtype=tf.float64).tolist() == [[3, 3], [3, 3]]
    assert tf.convert_to_tensor([[1, 2]], dtype=tf.float16).dtype == np.float16


def test_shapes() -> None:
    assert tf.reshape(np.arange(6), (2, -1)).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert tf.expand_dims(np.zeros((2, 3)), -1).shape == (2, 3, 1)
    assert (tf.ones(3) + tf.zeros([3])).tolist() == [1, 1, 1]
    with pytest.raises(UnstrideError, match="6 elements"):
        tf.reshape(np.arange(6), (4, 4))
    with pytest.raises(UnstrideError, match="axis=3"):
        tf.expand_dims(np.zeros(2), 3)


def test_random_numbers_follow_the_seed() -> None:
    tf.random.set_seed(1)
    first = tf.random.normal((2, 3))
    tf.random.set_seed(1)
    assert np.array_equal(tf.random.normal((2, 3)), first)
    assert np.array_equal(tf.random.normal((4,), seed=2), tf.random.normal((4,), seed=2))
    assert first.dtype == np.float32
