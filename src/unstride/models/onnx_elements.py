"""ONNX nodes that work element by element, or join values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np

from ..network import Activation, Merge, Norm, Softmax, Stored
from .onnx_layers import derived
from .onnx_step import Result, Step, UnknownError, Value, shortest

_PLAIN: Mapping[str, str] = {
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Mish": "mish",
    "HardSwish": "hard_silu",
    "Exp": "exponential",
}
"""operators without attributes -> our name"""
_SLOPED: Mapping[str, tuple[str, str, float, float]] = {
    "LeakyRelu": ("leaky_relu", "negative_slope", 0.01, 0.2),
    "Elu": ("elu", "alpha", 1.0, 1.0),
    "Celu": ("celu", "alpha", 1.0, 1.0),
}
"""operator -> our name, our argument, ONNX's default, ours"""
How: TypeAlias = Literal["add", "subtract", "multiply", "average", "maximum"]
_MERGES: Mapping[str, How] = {
    "Add": "add",
    "Sum": "add",
    "Sub": "subtract",
    "Mul": "multiply",
    "Mean": "average",
    "Max": "maximum",
}
_SELU = (1.67326319217681884765625, 1.05070102214813232421875)
CHANNEL_LIMIT = 2**20
"""most channels over which one number is spread"""
_SAME_TYPE = ("Identity", "Dropout")


def same(step: Step) -> Result:
    """``Identity``, ``Dropout`` at inference, and a ``Cast`` to the type that its input has."""
    if step.kind == "Cast" and step.integer("to", 0) != step.x.type:
        raise UnknownError("it changes the type of the elements")
    if step.kind == "Dropout" and step.given(2) is not None and any(step.numbers(2, "training_mode") or ()):
        raise UnknownError("it drops elements as it runs")
    return Result((), (step.x,), step.x.order)


def activation(step: Step) -> Result:
    """A function of every element."""
    x = step.x
    return Result((_activation(step),), (x,), x.order)


def _activation(step: Step) -> Activation:
    kind = step.kind
    if kind in _PLAIN:
        return Activation(_PLAIN[kind])
    if kind in _SLOPED:
        name, argument, default, ours = _SLOPED[kind]
        value = step.number("alpha", default)
        return Activation(name, () if value == ours else ((argument, value),))
    return _FUNCTIONS[kind](step)


def _selu(step: Step) -> Activation:
    given = (step.number("alpha", _SELU[0]), step.number("gamma", _SELU[1]))
    if given != tuple(map(shortest, _SELU)):
        raise UnknownError(f"its numbers {given} are not those of a selu")
    return Activation("selu")


def _hard_sigmoid(step: Step) -> Activation:
    alpha, beta = step.number("alpha", 0.2), step.number("beta", 0.5)
    if (alpha, beta) != (shortest(1 / 6), 0.5):
        raise UnknownError(f"it is max(0, min(1, {alpha}·x + {beta})), not relu6(x + 3) / 6")
    return Activation("hard_sigmoid")


def _gelu(step: Step) -> Activation:
    word = step.text("approximate", "none")
    if word not in ("none", "tanh"):
        raise UnknownError(f"approximate={word}")
    return Activation("gelu", (("approximate", True),) if word == "tanh" else ())


def _swish(step: Step) -> Activation:
    if step.number("alpha", 1.0) != 1:
        raise UnknownError("x · sigmoid(alpha · x) with another alpha than 1")
    return Activation("silu")


def _clip(step: Step) -> Activation:
    if step.opset < 11:
        low, high = step.number("min", -np.inf), step.number("max", np.inf)
    else:
        low, high = (_scalar(step, index) for index in (1, 2))
    if (low, high) == (0, 6):
        return Activation("relu6")
    if (low, high) == (-1, 1):
        return Activation("hard_tanh")
    if low == 0 and high > 0:
        return Activation("relu", () if np.isinf(high) else (("max_value", high),))
    raise UnknownError(f"it cuts to {low}…{high}")


def _scalar(step: Step, index: int) -> float:
    values = step.numbers(index, ("min", "max")[index - 1])
    if values is None:
        return (-np.inf, np.inf)[index - 1]
    if len(values) != 1:
        raise UnknownError("a bound that is no number")
    return values[0] if np.isinf(values[0]) else shortest(values[0])


def _shrink(step: Step) -> Activation:
    threshold, bias = step.number("lambd", 0.5), step.number("bias", 0.0)
    if bias not in (0, threshold) or threshold < 0:
        raise UnknownError(f"moved by {bias} outside ±{threshold}")
    arguments = () if threshold == 0.5 else (("threshold", threshold),)
    return Activation("soft_shrink" if bias else "hard_shrink", arguments)


_FUNCTIONS: Mapping[str, Callable[[Step], Activation]] = {
    "Selu": _selu,
    "HardSigmoid": _hard_sigmoid,
    "Gelu": _gelu,
    "Swish": _swish,
    "Clip": _clip,
    "Shrink": _shrink,
}


def softmax(step: Step) -> Result:
    """``Softmax`` over the channels."""
    x = step.x
    axis = step.integer("axis", -1 if step.opset >= 13 else 1)
    if step.letters((axis,)) != ("C",):
        raise UnknownError("it is not over the channels")
    if step.opset < 13 and x.order != "NC":
        raise UnknownError("before opset 13 it is over all elements of an example")
    return Result((Softmax(),), (x,), x.order)


# --- several values -------------------------------------------------------------------------------------------


def merge(step: Step) -> Result:
    """Values joined element by element, or a value with constants."""
    given = [each for each in step.inputs if each is not None]
    values = [each for each in given if isinstance(each, Value)]
    how = _MERGES[step.kind]
    if len(values) == len(given):
        if len(given) == 1:
            return Result((), (values[0],), values[0].order)
        order = _shared_order(values)
        return Result((Merge(how),), tuple(values), order)
    if len(given) != 2 or len(values) != 1 or how in ("average", "maximum"):
        raise UnknownError("it joins values with arrays of the file")
    constant = next(each for each in given if isinstance(each, Stored))
    return _affine(step, values[0], constant, constant_first=given[0] is constant)


def divide(step: Step) -> Result:
    """``Div`` by a constant."""
    x, constant = step.x, step.given(1)
    if not isinstance(constant, Stored):
        raise UnknownError("a division by a value")
    return _affine(step, x, constant, constant_first=False)


def _shared_order(values: list[Value]) -> str | None:
    orders = {value.order for value in values if value.order is not None}
    if len(orders) > 1:
        raise UnknownError(f"its inputs have their axes in different orders: {' and '.join(sorted(orders))}")
    return next(iter(orders), None)


def _affine(step: Step, x: Value, constant: Stored, *, constant_first: bool) -> Result:
    """One number for each channel added or multiplied: what a norm of mean 0 and variance 1 does."""
    channels = _channels(x, constant)
    spread = derived(constant, (channels,), lambda array: np.broadcast_to(array.ravel(), channels).astype(np.float32))
    zeros, ones = _filled(channels, 0), _filled(channels, 1)

    norm = Norm(zeros, ones, 0.0)
    if step.kind == "Add":
        norm = replace(norm, offset=spread)
    elif step.kind == "Mul":
        norm = replace(norm, scale=spread)
    elif step.kind == "Div":
        norm = replace(norm, scale=derived(spread, (channels,), lambda array: 1 / array))
    elif constant_first:
        norm = replace(norm, scale=_filled(channels, -1), offset=spread)
    else:
        norm = replace(norm, mean=spread)
    return Result((norm,), (x,), x.order)


def _channels(x: Value, constant: Stored) -> int:
    if constant.dtype != "float32":
        raise UnknownError(f"it meets an array of {constant.dtype}")
    if x.channels is None or x.order is None:
        raise UnknownError("nothing tells how many channels its input has")
    if x.channels > CHANNEL_LIMIT:
        raise UnknownError(f"it has {x.channels} channels")
    if constant.count == 1 and len(constant.shape) <= len(x.order):
        return x.channels
    place = x.order.index("C")
    shape = (1,) * (len(x.order) - len(constant.shape)) + constant.shape
    wanted = tuple(x.channels if axis == place else 1 for axis in range(len(x.order)))
    if shape != wanted:
        raise UnknownError(f"it meets an array of shape {constant.shape}, which is not one number for each channel")
    return x.channels


def _filled(channels: int, value: float) -> Stored:
    return Stored((channels,), "float32", lambda: np.full(channels, value, np.float32))


def concat(step: Step) -> Result:
    """``Concat`` along the channels."""
    values: list[Value] = []
    for given in step.inputs:
        if not isinstance(given, Value):
            raise UnknownError("it joins values with arrays of the file")
        values.append(given)
    order = _shared_order(values)
    axis = step.integer("axis", 1)
    known = order if order is not None else "NC" + "?" * 8 if axis > 0 else ""
    if not -len(known) <= axis < len(known) or known[axis] != "C":
        raise UnknownError("it does not join along the channels")
    if len(values) == 1:
        return Result((), (values[0],), order)
    return Result((Merge("concat"),), tuple(values), order)


HANDLERS: Mapping[str, Callable[[Step], Result]] = {
    **dict.fromkeys((*_SAME_TYPE, "Cast"), same),
    **dict.fromkeys((*_PLAIN, *_SLOPED, *_FUNCTIONS), activation),
    **dict.fromkeys(_MERGES, merge),
    "Div": divide,
    "Softmax": softmax,
    "Concat": concat,
}
