"""Compute a spec on arrays, in the dialect's own data and weight layouts: where dialects meet the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .dialects.spec import Spec
from .engine import execute
from .errors import Reason, UnstrideError
from .geometry import DataLayout, Layer, canonical

if TYPE_CHECKING:
    Array = NDArray[Any]


def run(
    spec: Spec, x: ArrayLike, kernel: ArrayLike, bias: ArrayLike | None = None, *, engine: str | None = None
) -> Array:
    """The spec computed on ``x`` with ``kernel`` and ``bias``.

    ``x`` is in the dialect's own data layout, ``kernel`` in its own weight layout, ``bias`` holds one number per
    output channel. Raises UnstrideError for shapes or element types that the framework would reject.

    >>> from unstride import parse
    >>> spec = parse("keras.layers.Conv1DTranspose(1, 2, strides=2, use_bias=False)")
    >>> run(spec, np.array([[[1], [2]]]), np.array([[[3]], [[4]]])).ravel().tolist()
    [3, 4, 6, 8]
    """
    data, weights = as_array(x, "x"), as_array(kernel, "kernel")
    layer = spec.read(data.shape, weights.shape)
    layout = spec.data_layout(data.ndim)
    packed = spec.weight_layout(layer.rank).to(canonical(layer.rank), layer).apply(weights)
    canonical_x = layout.to_canonical(data.shape).apply(data)
    y = execute.run(layer, canonical_x, packed, _checked_bias(spec, layer, bias), engine=engine)
    return _as_dialect(spec.output_layout(data.ndim), y)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A spec with its weights packed for one input shape; call it with arrays of that shape."""

    spec: Spec
    layer: Layer
    input_shape: tuple[int, ...]
    compute: Callable[[Array], Array]

    def __call__(self, x: ArrayLike) -> Array:
        data = as_array(x, "x")
        if data.shape != self.input_shape:
            rule = f"these weights were prepared for inputs of shape {self.input_shape}"
            raise UnstrideError(
                Reason.SIZE, rule, argument="x.shape", value=data.shape, hint="prepare again for another shape"
            )
        layout = self.spec.data_layout(data.ndim)
        y = self.compute(layout.to_canonical(data.shape).apply(data))
        return _as_dialect(self.spec.output_layout(data.ndim), y)


def prepare(spec: Spec, kernel: ArrayLike, bias: ArrayLike | None = None, *, input_shape: tuple[int, ...]) -> Prepared:
    """The spec with its weights packed once, for repeated calls on inputs of one shape."""
    weights = as_array(kernel, "kernel")
    layer = spec.read(input_shape, weights.shape)
    packed = spec.weight_layout(layer.rank).to(canonical(layer.rank), layer).apply(weights)
    compute = execute.prepare(layer, packed, _checked_bias(spec, layer, bias))
    return Prepared(spec, layer, tuple(input_shape), compute)


def as_array(value: ArrayLike, name: str) -> Array:
    """The value as an array; UnstrideError where it is ragged or not numeric."""
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise UnstrideError(Reason.DTYPE, f"cannot be read as an array: {error}", argument=name) from None
    return array


def _checked_bias(spec: Spec, layer: Layer, bias: ArrayLike | None) -> Array | None:
    if bias is None:
        return None
    if not layer.bias:
        hint = "leave the bias out, or say so in the layer (use_bias=True, bias=True)"
        raise UnstrideError(Reason.ARGUMENT, f"{spec.call} is written without a bias here", argument="bias", hint=hint)
    return as_array(bias, "bias")


def _as_dialect(layout: DataLayout, y: Array) -> Array:
    moved: Array = layout.from_canonical(y.shape).apply(y)
    return moved
