"""The table of engines as tests ask it: a row computes what it supports, and refuses the rest by name."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from unstride import Reason, UnstrideError
from unstride.engine import execute
from unstride.engine.dtypes import Arithmetic, Operand
from unstride.engine.execute import Engine, Prepared
from unstride.geometry import Layer

Array = NDArray[Any]
DType = np.dtype[Any]
Answer = TypeVar("Answer")

NAMES = [row.name for row in execute.ENGINES]
QUICK = [name for name in NAMES if name != "reference"]
"""those that compute large layers in good time"""


def named(name: str) -> Engine:
    """The row of that name."""
    return next(row for row in execute.ENGINES if row.name == name)


def run(name: str, layer: Layer, x: Array, weights: Array, bias: Array | None = None) -> Array:
    """``execute.run`` by the row of that name, as ``asked``."""
    numbers = execute._arithmetic(layer, Operand.of(x, "x"), Operand.of(weights, "weights"), bias)
    return asked(name, layer, numbers.compute, lambda engine: execute.run(layer, x, weights, bias, engine=engine))


def input_gradient(name: str, layer: Layer, grad: Array, weights: Array) -> Array:
    """``execute.input_gradient`` by the row of that name, as ``asked``."""
    back = layer.adjoint
    numbers = execute._arithmetic(back, Operand.of(grad, "grad_output"), Operand.of(weights, "weights"), None)
    return asked(
        name, back, numbers.compute, lambda engine: execute.input_gradient(layer, grad, weights, engine=engine)
    )


def weight_gradient(name: str, layer: Layer, x: Array, grad: Array) -> Array:
    """``execute.weight_gradient`` by the row of that name, as ``asked``."""
    terms = len(x) * prod(axis.small for axis in layer.axes)
    numbers = Arithmetic.of((Operand.of(x, "x"), Operand.of(grad, "grad_output")), None, terms)
    return asked(name, layer, numbers.compute, lambda engine: execute.weight_gradient(layer, x, grad, engine=engine))


def prepare(name: str, layer: Layer, weights: Array, bias: Array | None = None) -> Prepared:
    """``execute.prepare`` by the row of that name, as ``asked``."""
    numbers = execute._arithmetic(layer, Operand.expected(weights.dtype), Operand.of(weights, "weights"), bias)
    return asked(name, layer, numbers.compute, lambda engine: execute.prepare(layer, weights, bias, engine=engine))


def asked(name: str, layer: Layer, dtype: DType, call: Callable[[str | None], Answer]) -> Answer:
    """What the row of that name answers.

    A row that cannot compute the layer with sums in ``dtype`` must refuse by name, and without a name another must
    be taken: its answer.
    """
    row = named(name)
    if row.available() and row.supports(layer, dtype):
        return call(name)
    with pytest.raises(UnstrideError) as caught:
        call(name)
    assert (caught.value.reason, caught.value.argument, caught.value.value) == (Reason.UNSUPPORTED, "engine", name)
    assert execute.choose(layer, dtype) is not row
    return call(None)
