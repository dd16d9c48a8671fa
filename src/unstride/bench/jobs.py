"""One thing to time: a case, read one way, in one layout, called one way; its arrays and the values it must give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine import execute
from .cases import Case, from_json

Array = NDArray[Any]

LAYOUTS = ("first", "last")
"""where the channels are in the data: ``(batch, channels, *spatial)`` or ``(batch, *spatial, channels)``"""
DIRECTIONS = ("forward", "input_gradient", "weight_gradient")
CALLS = ("functional", "prepared")
"""weights passed to every call, or given once; gradients are functional only"""
DTYPES = ("float32", "float64")

ROUNDING = 16
"""units in the last place of ``sum |x|·|w|`` by which a result may be off: sums in any order stay far below it,
and one product left out or counted twice lies far above"""


class UnsupportedError(Exception):
    """A competitor has no documented way to do a job; the message says why."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a competitor is asked to do."""

    case: Case
    direction: str = "forward"
    layout: str = "first"
    call: str = "functional"
    dtype: str = "float32"
    variant: str = ""
    """which of a competitor's own ways"""

    @property
    def last(self) -> bool:
        """Whether the channels come last."""
        return self.layout == "last"

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "case": asdict(self.case)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Job:
        """The inverse of ``as_json``."""
        return cls(**{**document, "case": from_json(document["case"])})


@dataclass(frozen=True, slots=True)
class Arrays:
    """The numbers of a case, contiguous, in the order ``(batch, channels, *spatial)``; weights as in PyTorch."""

    x: Array
    weights: Array
    bias: Array
    grad: Array
    """the gradient of the output"""

    @classmethod
    def of(cls, case: Case, dtype: str) -> Arrays:
        """Uniform in −1…1, the same in every process."""
        source = np.random.default_rng(0)
        shapes = (case.data_shape, case.weights_shape, (case.out_channels,), case.output_shape)
        return cls(*(source.uniform(-1, 1, shape).astype(np.float32).astype(dtype) for shape in shapes))


@dataclass(frozen=True, slots=True)
class Runner:
    """A whole call, ready to be timed."""

    call: Callable[[], Any]
    """does the work; its result is complete when it returns"""
    fetch: Callable[[Any], Array]
    """the result as an array in the canonical order; not timed"""


def to_last(array: Array) -> Array:
    """Canonical data as a contiguous ``(batch, *spatial, channels)``."""
    return np.moveaxis(array, 1, -1).copy()


def to_first(array: Array) -> Array:
    """The inverse of ``to_last``, as a view."""
    return np.moveaxis(array, -1, 1)


@dataclass(frozen=True, slots=True)
class Expected:
    """The values a direction must give, in float64, and how far each may be off."""

    values: Array
    bound: Array

    @classmethod
    def of(cls, case: Case, direction: str, dtype: str) -> Expected:
        """By the BLAS engine in float64; every competitor is held against it, and so it against all of them."""
        arrays = Arrays.of(case, "float64")
        magnitudes = Arrays(*(np.abs(each) for each in (arrays.x, arrays.weights, arrays.bias, arrays.grad)))
        scale = ROUNDING * float(np.finfo(dtype).eps)
        return cls(_answer(case, direction, arrays), scale * _answer(case, direction, magnitudes))

    def fault(self, found: Array) -> str | None:
        """What is wrong with a result; None where all of it is within its bound."""
        if found.shape != self.values.shape:
            return f"the shape {found.shape} instead of {self.values.shape}"
        error = np.abs(found - self.values)
        beyond = ~(error <= self.bound)  # NaN is beyond
        if not beyond.any():
            return None
        place = tuple(map(int, np.unravel_index(np.argmax(np.where(beyond, error, -1)), error.shape)))
        off, right = f"{np.count_nonzero(beyond):,} of {error.size:,} values", self.values[place]
        return f"{off}, such as {found[place]} instead of {right} at {place}"

    def save(self, path: Path) -> None:
        """Write it where other processes can load it."""
        np.savez(path, values=self.values, bound=self.bound)

    @classmethod
    def load(cls, path: Path) -> Expected:
        """The inverse of ``save``."""
        with np.load(path) as saved:
            return cls(saved["values"], saved["bound"])


def _answer(case: Case, direction: str, arrays: Arrays) -> Array:
    layer = case.layer
    if direction == "forward":
        return execute.run(layer, arrays.x, arrays.weights, arrays.bias, engine="blas")
    if direction == "input_gradient":
        return execute.input_gradient(layer, arrays.grad, arrays.weights, engine="blas")
    return execute.weight_gradient(layer, arrays.x, arrays.grad, engine="blas")
