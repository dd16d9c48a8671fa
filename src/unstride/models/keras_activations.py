"""Keras's activations, by name or as layers, as operations.

Source: keras/src/layers/activations, keras/src/activations/activations.py (Keras 3.15).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from ..engine.activations import BY_NAME
from ..network import Activation, Opaque, Softmax
from .keras_config import described, shown
from .keras_step import Step, UnreadError, Value, real

_SYNONYMS = {"swish": "silu", "hard_swish": "hard_silu"}


def activated(step: Step, value: Value) -> Value:
    """The value behind the layer's own activation, which may be a step that is not understood."""
    named = step.argument("activation")
    helper = _SYNONYMS.get(named, named) if isinstance(named, str) else "activation"
    helper = helper if helper in BY_NAME else "activation"
    try:
        if isinstance(named, dict):
            return _by_layer(step, value, named)
        return value if named is None else function(step, value, named, helper=helper)
    except UnreadError as why:
        return step.add(Opaque(_called(named), str(why)), value, helper=helper)


def _by_layer(step: Step, value: Value, named: dict[str, Any]) -> Value:
    """An activation that is given as a layer, such as ``LeakyReLU(0.1)``."""
    if isinstance(named.get("config"), dict):
        inner = described(named)
        if not inner.custom and inner.kind in LAYERS:
            return LAYERS[inner.kind](
                replace(step, described=inner, arguments=(value,), name=f"{step.name}/activation")
            )
    raise UnreadError("the activation is code, not one of Keras's names")


def _called(named: Any) -> str:
    """What the file calls an activation."""
    if isinstance(named, dict):
        code = named.get("class_name") == "function"
        named = named.get("config") if code else named.get("registered_name") or named.get("class_name")
    return shown(named).strip("'\"")


Arguments: TypeAlias = Mapping[str, float | bool]


def function(step: Step, value: Value, name: Any, arguments: Arguments | None = None, *, helper: str = "") -> Value:
    """An activation by Keras's name on a value; softmax runs along the last axis, as Keras has it."""
    name = _SYNONYMS.get(name, name) if isinstance(name, str) else None
    if name not in BY_NAME:
        raise UnreadError(f"the activation {shown(step.argument('activation', name))} is not known")
    if name == "linear":
        return value
    if name in ("softmax", "log_softmax"):
        return softmax(step, value, -1, name, helper)
    return step.add(Activation(name, tuple(sorted((arguments or {}).items()))), value, helper=helper)


def softmax(step: Step, value: Value, axis: Any, name: str = "softmax", helper: str = "") -> Value:
    """Softmax along the channels; along other axes it is not understood."""
    if not step.is_channels(axis, value):
        raise UnreadError("runs along a spatial axis")
    if name == "softmax":
        return step.add(Softmax(), value, helper=helper)
    if value.known[1]:
        raise UnreadError("log_softmax of a map is not understood")
    return step.add(Activation(name), value, helper=helper)


def activated_alone(step: Step) -> Value:
    """``Activation``: the function is the layer itself."""
    named = step.argument("activation")
    if isinstance(named, dict):
        inner = described(named) if isinstance(named.get("config"), dict) else None
        if inner is None or inner.custom or inner.kind not in LAYERS or inner.kind == "Activation":
            raise UnreadError(f"the activation {_called(named)} is code, not one of Keras's names")
        return LAYERS[inner.kind](replace(step, described=inner))
    return step.value if named is None else function(step, step.value, named)


def rectified(step: Step) -> Value:
    """``ReLU``."""
    limits = {"negative_slope": step.number("negative_slope", 0.0), "threshold": step.number("threshold", 0.0)}
    given: dict[str, float | bool] = {name: value for name, value in limits.items() if value}
    if step.argument("max_value") is not None:
        given["max_value"] = step.number("max_value")
    return function(step, step.value, "relu", given)


def leaky(step: Step) -> Value:
    """``LeakyReLU``; Keras 2 calls its slope alpha, and has another one where none is given."""
    slope = step.argument("negative_slope", step.argument("alpha", 0.3))
    return function(step, step.value, "leaky_relu", {"negative_slope": real(slope, "negative_slope")})


def exponential(step: Step) -> Value:
    """``ELU``."""
    return function(step, step.value, "elu", {"alpha": step.number("alpha", 1.0)})


def softmax_layer(step: Step) -> Value:
    """``Softmax``."""
    return softmax(step, step.value, step.argument("axis", -1))


LAYERS: Mapping[str, Callable[[Step], Value]] = {
    "Activation": activated_alone,
    "ELU": exponential,
    "LeakyReLU": leaky,
    "ReLU": rectified,
    "Softmax": softmax_layer,
}
"""layers that are activations, by their classes"""
