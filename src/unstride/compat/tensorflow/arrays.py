"""Making an array and changing its shape, in TensorFlow's words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ...computation import as_array
from ...errors import Reason, UnstrideError

Array = NDArray[Any]


def constant(value: ArrayLike, dtype: DTypeLike | None = None, shape: ArrayLike | None = None) -> Array:
    """``tf.constant``: the value as an array, of that shape where one is given; a scalar fills it.

    Python's numbers become 32-bit ones, as in TensorFlow.
    """
    array = convert_to_tensor(value, dtype)
    if shape is None:
        return array
    wanted = _shape(shape)
    return np.full(wanted, array) if array.ndim == 0 else reshape(array, wanted)


def convert_to_tensor(value: ArrayLike, dtype: DTypeLike | None = None) -> Array:
    """``tf.convert_to_tensor``: the value as an array of that type; Python's numbers become 32-bit ones."""
    array = as_array(value, "value")
    if dtype is not None:
        return array.astype(dtype)
    if not isinstance(value, np.ndarray | np.generic):
        narrow = {"f": np.float32, "i": np.int32}.get(array.dtype.kind)
        return array if narrow is None else array.astype(narrow)
    return array


def ones(shape: ArrayLike, dtype: DTypeLike = np.float32) -> Array:
    """``tf.ones``."""
    return np.ones(_shape(shape), dtype)


def zeros(shape: ArrayLike, dtype: DTypeLike = np.float32) -> Array:
    """``tf.zeros``."""
    return np.zeros(_shape(shape), dtype)


def reshape(tensor: ArrayLike, shape: ArrayLike) -> Array:
    """``tf.reshape``: the same elements in another shape, of which one size may be −1."""
    array, wanted = as_array(tensor, "tensor"), _shape(shape)
    try:
        return array.reshape(wanted)
    except ValueError:
        rule = f"must hold the {array.size} elements of an array of shape {array.shape}"
        raise UnstrideError(Reason.SIZE, rule, argument="shape", value=wanted) from None


def expand_dims(input: ArrayLike, axis: int) -> Array:
    """``tf.expand_dims``: with an axis of size 1 at that position."""
    array = as_array(input, "input")
    if not -array.ndim - 1 <= axis <= array.ndim:
        rule = f"must lie in {-array.ndim - 1}…{array.ndim} for an array of {array.ndim} dimensions"
        raise UnstrideError(Reason.RANK, rule, argument="axis", value=axis)
    return np.expand_dims(array, axis)


def _shape(shape: ArrayLike) -> tuple[int, ...]:
    sizes = np.atleast_1d(np.asarray(shape)).tolist()
    if any(type(size) is not int or size < -1 for size in sizes):
        raise UnstrideError(Reason.SIZE, "must be a sequence of integers", argument="shape", value=shape)
    return tuple(sizes)
