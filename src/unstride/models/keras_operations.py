"""Keras's bare operations, which ``a + b`` and ``keras.ops`` leave in a model, as operations of a network.

Source: keras/src/ops/numpy.py, keras/src/ops/nn.py (Keras 3.15).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ..network import GlobalPool, Pad
from .keras_activations import function, softmax
from .keras_config import shown
from .keras_layers import concatenate, linear, merged
from .keras_step import Step, UnreadError, Value, real

_NAMES = {
    "Relu": "relu",
    "Relu6": "relu6",
    "LeakyRelu": "leaky_relu",
    "Elu": "elu",
    "Selu": "selu",
    "Celu": "celu",
    "Gelu": "gelu",
    "Sigmoid": "sigmoid",
    "LogSigmoid": "log_sigmoid",
    "Silu": "silu",
    "Swish": "silu",
    "Tanh": "tanh",
    "TanhShrink": "tanh_shrink",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "SoftShrink": "soft_shrink",
    "HardShrink": "hard_shrink",
    "HardSigmoid": "hard_sigmoid",
    "HardSilu": "hard_silu",
    "HardSwish": "hard_silu",
    "HardTanh": "hard_tanh",
    "Squareplus": "squareplus",
    "Exp": "exponential",
}
"""elementwise operations that are activations -> their names; their arguments are named alike"""
_ARGUMENTS = ("negative_slope", "alpha", "approximate", "threshold", "b")


def _elementwise(step: Step, name: str) -> Value:
    given: dict[str, float | bool] = {}
    for argument in _ARGUMENTS:
        value = step.argument(argument)
        if value is not None:
            given[argument] = value if type(value) is bool else real(value, argument)
    return function(step, step.value, name, given)


def _pair(step: Step) -> tuple[Any, Any]:
    if len(step.arguments) != 2:
        raise UnreadError(f"called on {len(step.arguments)} arguments instead of two")
    first, second = step.arguments
    return first, second


def _arithmetic(step: Step, how: str) -> Value:
    """Two values of one rank, or a value and a number; NumPy aligns the last axes, so that ranks must not differ."""
    first, second = _pair(step)
    if isinstance(first, Value) and isinstance(second, Value):
        if len(first.known[1]) != len(second.known[1]):
            raise UnreadError("aligns the axes of values of different rank from the last one")
        if how == "divide":
            raise UnreadError("divides values by each other")
        return merged(step, how, (first, second))
    if isinstance(first, Value):
        scale, offset = _after(how, real(second, "the number"))
        return linear(step, first, scale, offset)
    if not isinstance(second, Value):
        raise UnreadError("takes no value")
    return linear(step, second, *_before(how, real(first, "the number")))


def _after(how: str, number: float) -> tuple[float, float]:
    """Scale and offset of ``x · number`` and the like."""
    if how == "divide" and number == 0:
        raise UnreadError("divides by 0")
    known = {"add": (1.0, number), "subtract": (1.0, -number), "multiply": (number, 0.0)}
    if how == "divide":
        return 1 / number, 0.0
    if how not in known:
        raise UnreadError(f"{how} of a value and a number")
    return known[how]


def _before(how: str, number: float) -> tuple[float, float]:
    """Scale and offset of ``number · x`` and the like."""
    known = {"add": (1.0, number), "subtract": (-1.0, number), "multiply": (number, 0.0)}
    if how not in known:
        raise UnreadError(f"{how} of a number and a value")
    return known[how]


def _negative(step: Step) -> Value:
    return linear(step, step.value, -1.0, 0.0)


def _softmax(step: Step) -> Value:
    return softmax(step, step.value, step.argument("axis", -1))


def _reduced(step: Step, reduce: Any) -> Value:
    """The mean or maximum over all spatial axes."""
    value = step.value
    _, size = value.known
    given = step.argument("axis")
    axes = given if isinstance(given, list) else [given]
    spatial = list(range(1, len(size) + 1)) if value.last else list(range(2, len(size) + 2))
    dimensions = len(size) + 2
    if any(type(each) is not int for each in axes) or sorted(each % dimensions for each in axes) != spatial or not size:
        raise UnreadError(f"reduces the axes {shown(given)}")
    return step.add(GlobalPool(reduce, keep=step.flag("keepdims", default=False)), value)


def _padded(step: Step) -> Value:
    value = step.value
    _, size = value.known
    widths = step.argument("pad_width")
    mode = {"constant": "constant", "reflect": "reflect", "edge": "edge"}.get(str(step.argument("mode", "constant")))
    dimensions = len(size) + 2
    if not isinstance(widths, list) or len(widths) != dimensions or mode is None:
        raise UnreadError("pads in a way that is not understood")
    if any(
        not isinstance(pair, list) or [type(each) for each in pair] != [int, int] or min(pair) < 0 for pair in widths
    ):
        raise step.odd("pad_width")
    pairs = tuple((before, after) for before, after in widths)
    spatial, others = (pairs[1:-1], (pairs[0], pairs[-1])) if value.last else (pairs[2:], pairs[:2])
    if others != ((0, 0), (0, 0)):
        raise UnreadError("pads the batch or the channels")
    return step.add(Pad(spatial, mode), value)  # type: ignore[arg-type]  # one of the three words above


def _sliced(step: Step) -> Value:
    """``x[:, 1:-1, :-1, :]``: a crop, where the batch and the channels stay whole."""
    if not step.arguments or not isinstance(step.arguments[0], Value):
        raise UnreadError("takes no value")
    value, keys = step.arguments[0], list(step.arguments[1:])
    _, size = value.known
    dimensions = len(size) + 2
    dots = [index for index, key in enumerate(keys) if _is(key, "__ellipsis__")]
    at = dots[0] if dots else len(keys)
    keys[at : at + len(dots)] = [None] * (dimensions - len(keys) + len(dots))
    if len(dots) > 1 or len(keys) != dimensions:
        raise UnreadError("takes single elements")
    ends = [_ends(key) for key in keys]
    spatial, others = (ends[1:-1], (ends[0], ends[-1])) if value.last else (ends[2:], tuple(ends[:2]))
    if others != ((0, 0), (0, 0)):
        raise UnreadError("cuts the batch or the channels")
    return step.add(Pad(tuple((-before, -after) for before, after in spatial)), value)


def _is(key: Any, kind: str) -> bool:
    return isinstance(key, dict) and key.get("class_name") == kind


def _ends(key: Any) -> tuple[int, int]:
    """How many elements a slice drops in front and behind."""
    if key is None:
        return 0, 0
    stated = key.get("config") if _is(key, "__slice__") else None
    if not isinstance(stated, dict) or stated.get("step") not in (None, 1):
        raise UnreadError("takes single elements")
    start, stop = stated.get("start") or 0, stated.get("stop")
    if type(start) is not int or start < 0 or (stop is not None and (type(stop) is not int or stop >= 0)):
        raise UnreadError("cuts to a fixed size")
    return start, 0 if stop is None else -stop


OPERATIONS: Mapping[str, Callable[[Step], Value]] = {
    **{kind: partial(_elementwise, name=name) for kind, name in _NAMES.items()},
    "Add": partial(_arithmetic, how="add"),
    "Concatenate": concatenate,
    "Divide": partial(_arithmetic, how="divide"),
    "GetItem": _sliced,
    "Max": partial(_reduced, reduce="max"),
    "Maximum": partial(_arithmetic, how="maximum"),
    "Mean": partial(_reduced, reduce="average"),
    "Multiply": partial(_arithmetic, how="multiply"),
    "Negative": _negative,
    "Pad": _padded,
    "Softmax": _softmax,
    "Subtract": partial(_arithmetic, how="subtract"),
    "TrueDivide": partial(_arithmetic, how="divide"),
}
"""how a bare operation is read, by its class"""
