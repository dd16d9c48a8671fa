"""A layer's weight: a named array that can be assigned to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ...computation import as_array
from ...errors import Reason, UnstrideError

Array = NDArray[Any]


class Variable:
    """A weight of fixed shape and type."""

    def __init__(self, value: ArrayLike, dtype: DTypeLike, name: str, path: str) -> None:
        self.value = np.array(value, dtype)
        self.name = name
        self.path = path

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self.value.shape

    @property
    def dtype(self) -> str:
        """The element type's name."""
        return str(self.value.dtype)

    def numpy(self) -> Array:
        """A copy of the values."""
        return self.value.copy()

    def assign(self, value: ArrayLike) -> Variable:
        """Take over the values; UnstrideError where they have another shape or are not real numbers."""
        given = as_array(value, self.name)
        if given.shape != self.shape:
            rule = f"the weight {self.path} has the shape {self.shape}"
            hint = "bring the array into Keras's order, (*taps, in, out) forward and (*taps, out, in) transposed"
            raise UnstrideError(Reason.KERNEL, rule, argument=f"{self.name}.shape", value=given.shape, hint=hint)
        if given.dtype.kind not in "biuf":
            raise UnstrideError(
                Reason.DTYPE, "a weight holds real numbers", argument=f"{self.name}.dtype", value=str(given.dtype)
            )
        self.value = given.astype(self.value.dtype)
        return self

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.array(self.value, dtype) if copy or dtype is not None else self.value

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}, value={self.value}>"
