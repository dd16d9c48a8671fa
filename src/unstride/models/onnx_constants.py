"""Nodes of an ONNX model that depend on nothing given: constants, and what rearranges them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..network import Stored
from .onnx_layers import derived
from .onnx_step import CONSTANT_LIMIT, Step, UnknownError
from .onnx_tensors import Folder, element_type, stored

Array = NDArray[Any]

_FLOATS = ("float16", "float32", "float64")


def constant_of(attributes: dict[str, Any], folder: Folder) -> Stored | None:
    """The value of a ``Constant``, None where it is of a kind that is not read."""
    for name, type_ in (("value_float", np.float32), ("value_floats", np.float32)):
        if name in attributes:
            return Stored.of(np.array(attributes[name], type_))
    for name in ("value_int", "value_ints"):
        if name in attributes:
            return Stored.of(np.array(attributes[name], np.int64))
    tensor = attributes.get("value")
    return None if tensor is None else stored(tensor, folder)


def folded(step: Step) -> Stored:
    """A rearranged constant; raises where the node is not of that kind."""
    x = step.weights(0, "input")
    if step.kind == "Identity":
        return x
    if step.kind == "Transpose":
        permutation = step.ints("perm") or tuple(range(len(x.shape)))[::-1]
        if sorted(permutation) != list(range(len(x.shape))):
            raise UnknownError(f"perm={list(permutation)} for {len(x.shape)} axes")
        shape = tuple(x.shape[axis] for axis in permutation)
        return derived(x, shape, lambda array: np.ascontiguousarray(array.transpose(permutation)))
    if step.kind in _SMALL:
        return Stored.of(_SMALL[step.kind](step))
    if step.kind == "Cast" and element_type(step.integer("to", 0)) == "int64":
        return Stored.of(_integers(step, 0))
    if step.kind == "Cast":
        name = element_type(step.integer("to", 0))
        if name not in _FLOATS or x.dtype not in _FLOATS or not x.known:
            raise UnknownError(f"a cast from {x.dtype} to {name}")
        return Stored(x.shape, name, lambda: x.array.astype(name))
    shape = _shape(step, x)
    if prod(shape) != x.count:
        raise UnknownError(f"{list(x.shape)} as {list(shape)}")
    return derived(x, shape, lambda array: array.reshape(shape))


# --- shapes, margins and factors, as exporters compute them ---------------------------------------------------


def _integers(step: Step, index: int) -> Array:
    return np.array(step.whole(index, "input"), np.int64).reshape(step.weights(index, "input").shape)


def _joined(step: Step) -> Array:
    parts = [_integers(step, index) for index in range(len(step.inputs))]
    if any(part.ndim != 1 for part in parts):
        raise UnknownError("it joins arrays that are no lists of integers")
    return np.concatenate(parts)


def _repeated(step: Step) -> Array:
    shape = step.whole(0, "shape") or ()
    if min(shape, default=0) < 0 or prod(shape) > CONSTANT_LIMIT:
        raise UnknownError(f"a shape {list(shape)}")
    tensor = step.attributes.get("value")
    value = Stored.of(np.zeros(1, np.float32)) if tensor is None else stored(tensor, Folder())
    if value.count != 1:
        raise UnknownError("a value that is no number")
    return np.full(shape, value.array.reshape(()))


def _cut(step: Step) -> Array:
    """A slice along one axis, in steps of any size."""
    x = _integers(step, 0)
    starts, ends, axes, steps = (step.whole(index, "ends") for index in range(1, 5))
    if starts is None or ends is None or not len(starts) == len(ends) == 1 or 0 in (steps or ()):
        raise UnknownError("a slice along several axes, or of no step")
    axis = (axes or (0,))[0]
    if not -x.ndim <= axis < x.ndim:
        raise UnknownError(f"an axis {axis} of {x.ndim}")
    index: list[Any] = [slice(None)] * x.ndim
    index[axis] = slice(starts[0], ends[0], (steps or (1,))[0])
    cut: Array = x[tuple(index)]
    return cut


_SMALL: Mapping[str, Callable[[Step], Array]] = {"Concat": _joined, "ConstantOfShape": _repeated, "Slice": _cut}


def _shape(step: Step, x: Stored) -> tuple[int, ...]:
    if step.kind == "Reshape":
        wanted = list(step.whole(1, "shape") or ())
        if wanted.count(-1) > 1 or min(wanted, default=0) < -1:
            raise UnknownError(f"a shape {wanted}")
        wanted = [x.shape[i] if n == 0 and i < len(x.shape) else n for i, n in enumerate(wanted)]
        known = prod(length for length in wanted if length != -1)
        return tuple(x.count // known if length == -1 and known else length for length in wanted)
    if step.kind not in ("Squeeze", "Unsqueeze"):
        raise UnknownError("it does not depend on the inputs, and is not a rearrangement of an array in the file")
    axes = step.whole(1, "axes") if step.opset >= 13 else step.ints("axes")
    if step.kind == "Squeeze":
        dropped = {axis % len(x.shape) for axis in axes} if axes is not None and x.shape else None
        kept = enumerate(x.shape)
        return tuple(n for axis, n in kept if (n != 1 if dropped is None else axis not in dropped))
    rank = len(x.shape) + len(axes or ())
    new = {axis % rank for axis in axes or ()}
    old = iter(x.shape)
    return tuple(1 if axis in new else next(old, 1) for axis in range(rank))
