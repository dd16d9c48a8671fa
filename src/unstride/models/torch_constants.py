"""Arrays computed from a module's own arrays: transposed weights, weight norm, spectral norm; read when asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Reason, UnstrideError
from ..network import Stored
from .pt2_program import Meta, Tensor
from .torch_steps import Constant, Step, Unknown, Unsaid

Array = NDArray[Any]
_FLOATS = ("float16", "float32", "float64")
Fold = Callable[[Step], Callable[..., Array]]
"""for a call: the function on its tensors' values"""


def fold(step: Step) -> Constant:
    """What a call on stored arrays alone makes. Raises Unsaid where it is none of the understood ones."""
    rule = FOLDS.get(step.name)
    if rule is None:
        raise Unsaid(f"{step.operator} of stored arrays is not understood")
    given = []
    for tensor in step.tensors:
        value = step.value(tensor)
        if not isinstance(value, Constant):
            raise Unsaid(value.why if isinstance(value, Unknown) else "it takes more than stored arrays")
        given.append(value.stored)
    if not given:
        raise Unsaid(f"{step.operator} takes no stored array")
    return Constant(derived(step.made, rule(step), *given, elementwise=step.name in ELEMENTWISE))


def derived(made: Meta, function: Callable[..., Array], *given: Stored, elementwise: bool = False) -> Stored:
    """The array that the function makes of stored ones, of the stated shape, no larger than the largest of them."""
    shape = tuple(size for size in made.sizes if isinstance(size, int) and size >= 0)
    if len(shape) != len(made.sizes) or prod(shape) > max(stored.count for stored in given):
        raise Unsaid("it is larger than the stored arrays that it is made of")
    if elementwise and _broadcast(given) != shape:
        raise Unsaid("its stored arrays do not fit together")
    if not all(stored.known for stored in given):
        return Stored(shape, made.dtype, hint=next(stored.hint for stored in given if not stored.known))
    dtype = given[0].dtype if made.dtype == "bfloat16" else made.dtype
    return Stored(shape, dtype, partial(_computed, function, given))


def _broadcast(given: tuple[Stored, ...]) -> tuple[int, ...] | None:
    try:
        return np.broadcast_shapes(*(stored.shape for stored in given))
    except ValueError:
        return None


def _computed(function: Callable[..., Array], given: tuple[Stored, ...]) -> Array:
    try:
        return np.asarray(function(*(stored.array for stored in given)))
    except (ValueError, IndexError, TypeError) as error:
        if isinstance(error, UnstrideError):
            raise
        shapes = [stored.shape for stored in given]
        raise UnstrideError(Reason.FILE, f"cannot be computed: {error}", argument="weights", value=shapes) from None


def reshaped(stored: Stored, shape: tuple[int, ...]) -> Stored:
    """The same elements in another shape."""
    return derived(Meta(stored.dtype, shape), lambda x: np.reshape(x, shape), stored)


def transposed(stored: Stored, axes: tuple[int, ...]) -> Stored:
    """The array with its axes in another order."""
    shape = tuple(stored.shape[axis] for axis in axes)
    return derived(Meta(stored.dtype, shape), partial(np.transpose, axes=axes), stored)


def filled(number: float, channels: int, dtype: str) -> Stored:
    """One number for every channel."""
    if dtype not in _FLOATS:
        raise Unsaid(f"it computes with {dtype}")
    return Stored((channels,), dtype, partial(np.full, channels, number, dtype))


def repeated(stored: Stored, channels: int) -> Stored:
    """A stored number for every channel."""
    load = partial(_computed, lambda x: np.full(channels, np.ravel(x)[0]), (stored,)) if stored.known else None
    return Stored((channels,), stored.dtype, load, stored.hint)


def cast(stored: Stored, dtype: str) -> Stored:
    """The array in a floating-point type."""
    if stored.dtype == dtype:
        return stored
    if dtype not in _FLOATS or stored.dtype.startswith("complex"):
        raise Unsaid(f"it computes with {stored.dtype} and {dtype}")
    return derived(Meta(dtype, stored.shape), lambda x: x.astype(dtype), stored)


def _same(step: Step) -> Callable[..., Array]:
    del step
    return np.asarray


def _cast(step: Step) -> Callable[..., Array]:
    dtype = step.made.dtype
    if dtype not in _FLOATS:
        raise Unsaid(f"its stored array becomes {dtype}")
    return lambda x: x.astype(dtype)


def _to_shape(step: Step) -> Callable[..., Array]:
    shape: Any = tuple(step.made.sizes)
    return lambda x: np.reshape(x, shape)


def _permuted(step: Step) -> Callable[..., Array]:
    rank = len(step.made.sizes)
    if step.name == "permute":
        order = tuple(step.plain("dims", ()))
    else:
        order = tuple(range(rank))
        a, b = (0, 1) if step.name == "t" else (step.integer("dim0", 0), step.integer("dim1", 1))
        swapped = {a % max(rank, 1): b % max(rank, 1), b % max(rank, 1): a % max(rank, 1)}
        order = tuple(swapped.get(axis, axis) for axis in order)
    if sorted(axis % max(rank, 1) for axis in order) != list(range(rank)):
        raise Unsaid("its axes are no permutation")
    return lambda x: np.transpose(x, order)


def _binary(function: Callable[..., Any]) -> Fold:
    def of(step: Step) -> Callable[..., Array]:
        if step.number("alpha", 1) != 1 or step.plain("rounding_mode", None) is not None:
            raise Unsaid("it scales or rounds its stored arrays")
        left, right = (step.call.arguments.get(name) for name in ("self", "other"))
        if isinstance(left, Tensor) and isinstance(right, Tensor):
            return function
        if isinstance(left, Tensor):
            number = step.number("other", 0)
            return lambda x: function(x, x.dtype.type(number))
        number = step.number("self", 0)
        return lambda x: function(x.dtype.type(number), x)

    return of


def _norm(step: Step) -> Callable[..., Array]:
    if step.number("ord", 2) != 2 or step.number("p", 2) != 2:
        raise Unsaid("it is no Euclidean norm")
    summed = _sum(step)
    return lambda x: np.sqrt(summed(np.square(x)))


def _sum(step: Step) -> Callable[..., Array]:
    dims, keep = step.plain("dim", None) or None, step.flag("keepdim", default=False)
    axes = tuple(dims) if isinstance(dims, tuple) else dims
    return lambda x: np.asarray(np.sum(x, axis=axes, keepdims=keep))


def _weight_norm(step: Step) -> Callable[..., Array]:
    """``g · v / |v|``, the norm over all axes but one; over all for −1."""
    dim, rank = step.integer("dim", 0), len(step.made.sizes)
    axes = tuple(axis for axis in range(rank) if dim == -1 or axis != dim)
    return lambda v, g: v * (g / np.sqrt(np.sum(np.square(v), axis=axes, keepdims=True)))


def _product(step: Step) -> Callable[..., Array]:
    """Matrix · vector, or vector · vector."""
    shapes = [value.stored.shape for value in map(step.value, step.tensors) if isinstance(value, Constant)]
    if [len(shape) for shape in shapes] != [2 if step.name == "mv" else 1, 1]:
        raise Unsaid("it multiplies other than a matrix or a vector with a vector")
    return np.matmul


ELEMENTWISE = frozenset(
    {"add", "sub", "mul", "div", "sqrt", "abs", "neg", "exp", "square", "_weight_norm", "_weight_norm_interface"}
)
"""folds whose output's shape is that of their arrays, repeated to fit"""
_UNARY: Mapping[str, Callable[..., Array]] = {
    "sqrt": np.sqrt,
    "abs": np.abs,
    "neg": np.negative,
    "exp": np.exp,
    "square": np.square,
}


def _always(rule: Callable[..., Array]) -> Fold:
    return lambda _: rule


FOLDS: Mapping[str, Fold] = {
    **dict.fromkeys(("detach", "alias", "clone", "contiguous", "lift_fresh", "lift_fresh_copy", "dropout"), _same),
    **dict.fromkeys(("_to_copy", "to"), _cast),
    **dict.fromkeys(("view", "reshape", "_unsafe_view", "flatten", "unsqueeze", "squeeze", "unflatten"), _to_shape),
    **dict.fromkeys(("permute", "transpose", "t"), _permuted),
    **{name: _binary(rule) for name, rule in {"add": np.add, "sub": np.subtract, "mul": np.multiply}.items()},
    "div": _binary(np.divide),
    **{name: _always(rule) for name, rule in _UNARY.items()},
    **dict.fromkeys(("linalg_vector_norm", "norm"), _norm),
    "sum": _sum,
    **dict.fromkeys(("_weight_norm", "_weight_norm_interface"), _weight_norm),
    **dict.fromkeys(("mv", "dot", "vdot"), _product),
}
"""aten operator -> what it computes on stored arrays"""
