"""Activations on NumPy arrays, with Keras's names and arguments; the result has the input's floating-point type.

Source: keras/src/activations/activations.py (Keras 3.15).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import erf, pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
Activation = Callable[..., Any]

_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
"""fixed point of mean 0 and variance 1 (Klambauer et al. 2017)"""


def linear(x: ArrayLike) -> Array:
    """``x``."""
    return np.asarray(x)


def relu(x: ArrayLike, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Array:
    """``x`` above the threshold, at most ``max_value``; ``negative_slope · (x − threshold)`` below it."""
    real = _real(x)
    above = np.minimum(real, max_value) if max_value is not None else real
    with np.errstate(invalid="ignore"):
        # 0 · −∞ is not a number, but the slope of nothing is nothing
        below = negative_slope * (real - threshold) if negative_slope else np.where(np.isnan(real), real, 0)
    return np.where(real > threshold, above, below).astype(real.dtype)


def relu6(x: ArrayLike) -> Array:
    """``min(max(x, 0), 6)``."""
    return np.clip(_real(x), 0, 6)


def leaky_relu(x: ArrayLike, negative_slope: float = 0.2) -> Array:
    """``x`` above 0, ``negative_slope · x`` below."""
    return relu(x, negative_slope)


def elu(x: ArrayLike, alpha: float = 1.0) -> Array:
    """``x`` above 0, ``alpha · (exp(x) − 1)`` below."""
    real = _real(x)
    return np.where(real > 0, real, alpha * np.expm1(np.minimum(real, 0))).astype(real.dtype)


def selu(x: ArrayLike) -> Array:
    """``elu``, scaled so that mean 0 and variance 1 are kept."""
    real = _real(x)
    return (_SELU_SCALE * elu(real, _SELU_ALPHA)).astype(real.dtype)


def celu(x: ArrayLike, alpha: float = 1.0) -> Array:
    """``x`` above 0, ``alpha · (exp(x / alpha) − 1)`` below."""
    real = _real(x)
    return np.where(real > 0, real, alpha * np.expm1(np.minimum(real, 0) / alpha)).astype(real.dtype)


def gelu(x: ArrayLike, approximate: bool = False) -> Array:
    """``x · Φ(x)``, Φ the normal distribution's; approximate: by a tanh."""
    real = _real(x)
    if approximate:
        inner = sqrt(2 / pi) * (real + 0.044715 * real**3)
        return np.asarray(0.5 * real * (1 + np.tanh(inner)), real.dtype)
    doubled = np.array([1 + erf(each / sqrt(2)) for each in real.flat]).reshape(real.shape)
    return np.asarray(0.5 * real * doubled, real.dtype)


def sigmoid(x: ArrayLike) -> Array:
    """``1 / (1 + exp(−x))``."""
    real = _real(x)
    tail = np.exp(-np.abs(real))  # never overflows
    return np.where(real >= 0, 1 / (1 + tail), tail / (1 + tail))


def log_sigmoid(x: ArrayLike) -> Array:
    """``−softplus(−x)``."""
    return -softplus(-_real(x))


def silu(x: ArrayLike) -> Array:
    """``x · sigmoid(x)``; also called swish."""
    real = _real(x)
    return real * sigmoid(real)


def tanh(x: ArrayLike) -> Array:
    """The hyperbolic tangent."""
    return np.tanh(_real(x))


def tanh_shrink(x: ArrayLike) -> Array:
    """``x − tanh(x)``."""
    real = _real(x)
    return real - np.tanh(real)


def softmax(x: ArrayLike, axis: int = -1) -> Array:
    """``exp(x)`` over its sum along ``axis``."""
    return np.asarray(np.exp(log_softmax(x, axis)))


def log_softmax(x: ArrayLike, axis: int = -1) -> Array:
    """The logarithm of ``softmax``."""
    real = _real(x)
    shifted = real - real.max(axis, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis, keepdims=True)))


def softplus(x: ArrayLike) -> Array:
    """``log(1 + exp(x))``."""
    real = _real(x)
    return np.asarray(np.logaddexp(real, real.dtype.type(0)))


def softsign(x: ArrayLike) -> Array:
    """``x / (1 + |x|)``."""
    real = _real(x)
    return np.asarray(real / (1 + np.abs(real)))


def soft_shrink(x: ArrayLike, threshold: float = 0.5) -> Array:
    """``x`` moved towards 0 by the threshold."""
    real = _real(x)
    return np.sign(real) * np.maximum(np.abs(real) - threshold, 0)


def hard_shrink(x: ArrayLike, threshold: float = 0.5) -> Array:
    """``x`` where its magnitude exceeds the threshold, else 0."""
    real = _real(x)
    return np.where(np.abs(real) > threshold, real, 0).astype(real.dtype)


def exponential(x: ArrayLike) -> Array:
    """``exp(x)``."""
    with np.errstate(over="ignore"):
        return np.exp(_real(x))


def hard_sigmoid(x: ArrayLike) -> Array:
    """``relu6(x + 3) / 6``."""
    return relu6(_real(x) + 3) / 6


def hard_silu(x: ArrayLike) -> Array:
    """``x · hard_sigmoid(x)``; also called hard_swish."""
    real = _real(x)
    return real * hard_sigmoid(real)


def hard_tanh(x: ArrayLike) -> Array:
    """``x`` cut to −1…1."""
    return np.clip(_real(x), -1, 1)


def mish(x: ArrayLike) -> Array:
    """``x · tanh(softplus(x))``."""
    real = _real(x)
    return real * np.tanh(softplus(real))


def squareplus(x: ArrayLike, b: float = 4) -> Array:
    """``(x + √(x² + b)) / 2``."""
    real = _real(x)
    return np.asarray((real + np.sqrt(real * real + real.dtype.type(b))) / 2)


BY_NAME: Mapping[str, Activation] = {
    function.__name__: function
    for function in (
        celu,
        elu,
        exponential,
        gelu,
        hard_shrink,
        hard_sigmoid,
        hard_silu,
        hard_tanh,
        leaky_relu,
        linear,
        log_sigmoid,
        log_softmax,
        mish,
        relu,
        relu6,
        selu,
        sigmoid,
        silu,
        soft_shrink,
        softmax,
        softplus,
        softsign,
        squareplus,
        tanh,
        tanh_shrink,
    )
}
DEFAULTS: Mapping[str, tuple[float, ...]] = {"leaky_relu": (0.2,), "elu": (1.0,), "celu": (1.0,)}
"""arguments that an activation has where none are given, as code that computes it without this module needs them"""
FUSED = (
    *("relu", "relu6", "leaky_relu", "elu", "selu", "celu", "exponential", "sigmoid", "log_sigmoid", "silu"),
    *("gelu", "tanh", "softplus", "softsign", "mish", "hard_sigmoid", "hard_silu", "hard_tanh"),
)
"""activations that compiled code computes before it stores a sum"""
ALIASES = {"swish": silu, "hard_swish": hard_silu}
swish, hard_swish = silu, hard_silu


def _real(x: ArrayLike) -> Array:
    """The array in a floating-point type: single precision for integers."""
    array = np.asarray(x)
    return array if array.dtype.kind == "f" else array.astype(np.float32)
