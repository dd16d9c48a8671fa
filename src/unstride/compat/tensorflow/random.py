"""``tf.random``: ``normal`` and ``set_seed``, drawn from NumPy's generator, so the numbers are not TensorFlow's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..keras.initializers import generator
from ..keras.utils import set_random_seed as set_seed

__all__ = ["normal", "set_seed"]


def normal(
    shape: ArrayLike,
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: DTypeLike = np.float32,
    seed: int | None = None,
) -> NDArray[Any]:
    """``tf.random.normal``: normally distributed numbers."""
    size = tuple(np.atleast_1d(np.asarray(shape)).tolist())
    return generator(seed).normal(mean, stddev, size).astype(dtype)
