"""Random calls of PyTorch's, TensorFlow's, JAX's and Keras's functions: the real framework gives exactly the same."""

from __future__ import annotations

import numpy as np
import pytest

from unstride.compat import tensorflow as tf

from .calls import check_same, integers, needs

Draw = np.random.Generator
DRAWS = range(24)


def pick(draw: Draw, low: int, high: int, rank: int) -> tuple[int, ...]:
    return tuple(draw.integers(low, high + 1, rank).tolist())


def step_of(draw: Draw, rank: int) -> int:
    """A stride; with one two above the kernel, TensorFlow's three-dimensional SAME drops elements in front."""
    return int(draw.integers(1, 4 if rank < 3 else 3))


class TestTorch:
    pytestmark = needs("torch")

    @pytest.mark.parametrize("seed", DRAWS)
    def test_conv(self, seed: int) -> None:
        draw, rank = np.random.default_rng(seed), seed % 3 + 1
        groups, taps = seed % 2 + 1, pick(draw, 1, 3, rank)
        x = integers(draw, (2, 2 * groups, *pick(draw, 6, 9, rank)))
        kernel, bias = integers(draw, (3 * groups, 2, *taps)), integers(draw, (3 * groups,))
        stride, pad, dilation = pick(draw, 1, 3, rank), pick(draw, 0, 2, rank), pick(draw, 1, 2, rank)
        code = f"torch.nn.functional.conv{rank}d(x, w, b, {stride}, {pad}, {dilation}, {groups})"
        check_same("torch", code, x, kernel, bias)

    @pytest.mark.parametrize("seed", DRAWS)
    def test_conv_transpose(self, seed: int) -> None:
        draw, rank = np.random.default_rng(seed), seed % 3 + 1
        groups, taps = seed % 2 + 1, pick(draw, 1, 4, rank)
        x = integers(draw, (2, 2 * groups, *pick(draw, 3, 5, rank)))
        kernel, bias = integers(draw, (2 * groups, 3, *taps)), integers(draw, (3 * groups,))
        stride, pad, dilation = pick(draw, 1, 3, rank), pick(draw, 0, 1, rank), pick(draw, 1, 2, rank)
        extra = tuple(int(draw.integers(0, max(s, d))) for s, d in zip(stride, dilation, strict=True))
        words = f"stride={stride}, padding={pad}, output_padding={extra}, groups={groups}, dilation={dilation}"
        check_same("torch", f"torch.nn.functional.conv_transpose{rank}d(x, w, b, {words})", x, kernel, bias)


class TestTensorFlow:
    pytestmark = needs("tensorflow")

    @pytest.mark.parametrize("seed", DRAWS)
    def test_conv(self, seed: int) -> None:
        draw, rank = np.random.default_rng(seed), seed % 3 + 1
        x = integers(draw, (2, *pick(draw, 6, 9, rank), 2))
        kernel = integers(draw, (*pick(draw, 1, 3, rank), 2, 3))
        step = step_of(draw, rank)
        strides = [1, *(step,) * rank, 1] if rank == 3 else step
        padding = draw.choice(["SAME", "VALID"])
        check_same("tensorflow", f"tf.nn.conv{rank}d(x, w, {strides}, '{padding}')", x, kernel)
        check_same("tensorflow", f"tf.nn.convolution(x, w, {step}, '{padding}')", x, kernel)

    @pytest.mark.parametrize("seed", DRAWS)
    def test_conv_transpose(self, seed: int) -> None:
        """Every output size that TensorFlow allows comes from the forward size."""
        draw, rank = np.random.default_rng(seed), seed % 3 + 1
        large, step = pick(draw, 4, 9, rank), int(draw.integers(1, 4))
        kernel = integers(draw, (*pick(draw, 1, 4, rank), 3, 2))
        padding = draw.choice(["SAME", "VALID"])
        small = tf.nn.convolution(np.zeros((2, *large, 3)), kernel, step, str(padding)).shape
        x, shape = integers(draw, small), [2, *large, 3]
        check_same("tensorflow", f"tf.nn.conv{rank}d_transpose(x, w, {shape}, {step}, '{padding}')", x, kernel)
        check_same("tensorflow", f"tf.nn.conv_transpose(x, w, {shape}, {step}, padding='{padding}')", x, kernel)


class TestJax:
    pytestmark = needs("jax")

    @pytest.mark.parametrize("seed", DRAWS)
    def test_conv_transpose(self, seed: int) -> None:
        draw, rank = np.random.default_rng(seed), seed % 3 + 1
        swapped = bool(seed % 2)
        x = integers(draw, (2, *pick(draw, 2, 5, rank), 2))
        kernel = integers(draw, (*pick(draw, 1, 4, rank), *((3, 2) if swapped else (2, 3))))
        strides, dilation = pick(draw, 1, 3, rank), pick(draw, 1, 2, rank)
        pairs = [(int(low), int(high)) for low, high in draw.integers(0, 4, (rank, 2))]
        padding = ["'SAME'", "'VALID'", str(pairs)][seed % 4 % 3]
        words = f"rhs_dilation={dilation}, transpose_kernel={swapped}"
        check_same("jax", f"jax.lax.conv_transpose(x, w, {strides}, {padding}, {words})", x, kernel)

    @pytest.mark.parametrize("seed", DRAWS)
    def test_conv_general_dilated(self, seed: int) -> None:
        draw, rank = np.random.default_rng(seed), seed % 3 + 1
        groups, spaced = seed % 2 + 1, seed % 4 > 1
        x = integers(draw, (2, 2 * groups, *pick(draw, 3, 6, rank)))
        kernel = integers(draw, (3 * groups, 2, *pick(draw, 1, 3, rank)))
        ones, steps, dilation = (1,) * rank, pick(draw, 1, 3, rank), pick(draw, 1, 2, rank)
        pads = [(int(low), int(high)) for low, high in draw.integers(2, 5, (rank, 2))]
        strides, spacing = (ones, steps) if spaced else (steps, ones)
        words = f"lhs_dilation={spacing}, rhs_dilation={dilation}, feature_group_count={groups}"
        check_same("jax", f"jax.lax.conv_general_dilated(x, w, {strides}, {pads}, {words})", x, kernel)


class TestKerasOperations:
    pytestmark = needs("keras")

    @pytest.mark.parametrize("seed", DRAWS)
    def test_conv(self, seed: int) -> None:
        draw, rank = np.random.default_rng(seed), seed % 3 + 1
        x, taps = integers(draw, (2, *pick(draw, 6, 9, rank), 4)), pick(draw, 1, 3, rank)
        kernel = integers(draw, (*taps, 4, 6))
        padding, step = draw.choice(["same", "valid"]), step_of(draw, rank)
        check_same("keras", f"keras.ops.conv(x, w, {step}, '{padding}')", x, kernel)
        dilation = int(draw.integers(1, 3))
        check_same("keras", f"keras.ops.conv(x, w, padding='{padding}', dilation_rate={dilation})", x, kernel)

    @pytest.mark.parametrize("seed", DRAWS)
    def test_conv_transpose(self, seed: int) -> None:
        draw, rank = np.random.default_rng(seed), seed % 3 + 1
        x, kernel = integers(draw, (2, *pick(draw, 2, 5, rank), 2)), integers(draw, (*pick(draw, 1, 4, rank), 3, 2))
        padding, strides = draw.choice(["same", "valid"]), pick(draw, 1, 3, rank)
        check_same("keras", f"keras.ops.conv_transpose(x, w, {strides}, '{padding}')", x, kernel)
