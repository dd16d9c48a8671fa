"""What a torch program does element by element: activations, sums and products, joins.

Source: aten/src/ATen/native/native_functions.yaml (torch 2.13), for arguments and their defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from ..network import Activation, Merge, Softmax, Stored
from .pt2_program import Meta, Tensor
from .torch_constants import cast, derived, repeated, reshaped
from .torch_layers import affine
from .torch_steps import Constant, Feature, Result, Step, Unsaid

Reader: TypeAlias = Callable[[Step], Result]


def _plain(name: str) -> Reader:
    """An activation without arguments."""

    def read(step: Step) -> Result:
        step.feature(permuted=True)
        return Activation(name)

    return read


def _leaky_relu(step: Step) -> Result:
    step.feature(permuted=True)
    slope = step.number("negative_slope", 0.01)
    return Activation("leaky_relu", () if slope == 0.2 else (("negative_slope", slope),))


def _elu(step: Step) -> Result:
    step.feature(permuted=True)
    if step.number("scale", 1) != 1 or step.number("input_scale", 1) != 1:
        raise Unsaid("it scales its input or output")
    return _with_alpha(step)


def _with_alpha(step: Step) -> Result:
    if not step.taken:
        step.feature(permuted=True)
    alpha = step.number("alpha", 1)
    return Activation(step.name, () if alpha == 1 else (("alpha", float(alpha)),))


def _gelu(step: Step) -> Result:
    step.feature(permuted=True)
    return Activation("gelu", (("approximate", True),) if step.plain("approximate", "none") == "tanh" else ())


def _softplus(step: Step) -> Result:
    step.feature(permuted=True)
    if step.number("beta", 1) != 1 or step.number("threshold", 20) < 20:
        raise Unsaid("it has another beta or threshold than 1 and 20")
    return Activation("softplus")


def _shrink(step: Step) -> Result:
    step.feature(permuted=True)
    threshold = step.number("lambd", 0.5)
    name = "soft_shrink" if step.name == "softshrink" else "hard_shrink"
    return Activation(name, () if threshold == 0.5 else (("threshold", threshold),))


def _clamp(step: Step) -> Result:
    """``clamp``, ``hardtanh``, ``clamp_min``: those that are a named function."""
    step.feature(permuted=True)
    hard = step.name == "hardtanh"
    low, high = (
        step.plain(name, default)
        for name, default in ((("min_val", -1), ("max_val", 1)) if hard else (("min", None), ("max", None)))
    )
    named = {(-1, 1): "hard_tanh", (0, 6): "relu6", (0, None): "relu"}.get((low, high))
    if named is None:
        raise Unsaid(f"it cuts to {low} … {high}")
    return Activation(named)


def softmax(step: Step) -> Result:
    """``softmax`` over the channels."""
    x = step.feature()
    if step.integer("dim", 1) % len(x.sizes) != 1:
        raise Unsaid("it is taken over another axis than the channels")
    return Softmax()


def _arithmetic(step: Step) -> Result:
    """Sum, difference, product, quotient, maximum: of two features, or of one and a number or a number a channel."""
    if step.plain("rounding_mode", None) is not None:
        raise Unsaid("it rounds")
    arguments = step.call.arguments
    left, right = (arguments.get(name) for name in ("self", "other"))
    name, alpha = step.name, step.number("alpha", 1)
    if name == "rsub":
        name, left, right = "sub", right, left
    if name == "sub" and alpha == 1 and _is_feature(step, left) and _is_feature(step, right):
        return _merge(step, "subtract", left, right)
    if _is_feature(step, left) and _is_feature(step, right):
        if alpha not in (1, -1) or name not in _MERGED:
            raise Unsaid(f"{step.operator} of two values with alpha={alpha}")
        return _merge(step, _MERGED[name] if alpha == 1 else "subtract", left, right)
    if alpha != 1:
        raise Unsaid("it scales what it adds")
    swapped = not _is_feature(step, left)
    x = step.take(right if swapped else left, permuted=False)
    return _scaled(step, x, name, _operand(step, x, left if swapped else right), swapped=swapped)


_MERGED: Mapping[str, Literal["add", "multiply", "maximum"]] = {
    "add": "add",
    "mul": "multiply",
    "maximum": "maximum",
    "max": "maximum",
}


def _is_feature(step: Step, given: object) -> bool:
    return isinstance(given, Tensor) and not isinstance(step.value(given), Constant)


def _merge(step: Step, how: Literal["add", "subtract", "multiply", "maximum"], *given: object) -> Result:
    first, second = (step.take(each, permuted=True) for each in given)
    if first.order != second.order or len(first.sizes) != len(second.sizes):
        raise Unsaid("the values have other axes")
    if first.sizes[0] != second.sizes[0]:
        raise Unsaid("the values have other batch sizes")
    return Merge(how)


def _operand(step: Step, x: Feature, given: object) -> Stored | float:
    """A number for all channels, or a stored one for each."""
    if not isinstance(given, Tensor):
        names = [name for name, value in step.call.arguments.items() if value is given]
        return step.number(names[0] if names else "other", 0)
    value = step.value(given)
    if not isinstance(value, Constant):
        raise Unsaid("it takes no stored array")
    stored, rank = cast(value.stored, x.dtype), len(x.sizes)
    if stored.count == 1 and len(stored.shape) <= rank:
        return repeated(stored, x.channels)
    wanted = (x.channels, *(1,) * x.rank)
    if stored.shape not in (wanted, (1, *wanted)):
        raise Unsaid(f"its stored array of shape {stored.shape} is not one number for each channel")
    return reshaped(stored, (x.channels,))


def _scaled(step: Step, x: Feature, name: str, operand: Stored | float, *, swapped: bool) -> Result:
    if name == "add":
        return affine(x, 1.0, operand)
    if name == "mul":
        return affine(x, operand, 0.0)
    if name == "sub":
        return affine(x, -1.0, operand) if swapped else affine(x, 1.0, _each(operand, lambda value: -value))
    if name == "div" and not swapped and operand != 0:
        return affine(x, _each(operand, lambda value: 1 / value), 0.0)
    raise Unsaid(f"{step.operator} of a value and an array or a number")


def _each(operand: Stored | float, function: Callable[[float], float]) -> Stored | float:
    if not isinstance(operand, Stored):
        return function(operand)
    return derived(Meta(operand.dtype, operand.shape), function, operand)  # type: ignore[arg-type]  # works on arrays


def _negated(step: Step) -> Result:
    return affine(step.feature(), -1.0, 0.0)


def concatenated(step: Step) -> Result:
    """``cat`` along the channels."""
    taken = [step.take(tensor) for tensor in step.tensors]
    if not taken or step.integer("dim", 0) % len(taken[0].sizes) != 1:
        raise Unsaid("it joins along another axis than the channels")
    if len({len(each.sizes) for each in taken}) > 1 or len({each.sizes[0] for each in taken}) > 1:
        raise Unsaid("it joins values of different rank or batch")
    return Merge("concat") if len(taken) > 1 else taken[0]


_OWN = ("relu", "relu6", "selu", "silu", "sigmoid", "tanh", "mish", "log_sigmoid", "softsign")
_OTHERS = {"hardswish": "hard_silu", "hardsigmoid": "hard_sigmoid", "exp": "exponential"}
_NAMED = dict(zip(_OWN, _OWN, strict=True)) | _OTHERS
ELEMENTS: Mapping[str, Reader] = {
    **{name: _plain(function) for name, function in _NAMED.items()},
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "celu": _with_alpha,
    "gelu": _gelu,
    "softplus": _softplus,
    **dict.fromkeys(("softshrink", "hardshrink"), _shrink),
    **dict.fromkeys(("hardtanh", "clamp", "clamp_min"), _clamp),
    **dict.fromkeys(("softmax", "_softmax"), softmax),
    **dict.fromkeys(("add", "sub", "rsub", "mul", "div", "maximum", "max"), _arithmetic),
    "neg": _negated,
    **dict.fromkeys(("cat", "concat", "concatenate"), concatenated),
}
"""aten operator -> how it is read"""
