"""Keras's activations on NumPy arrays, found by name and written to configs.

Source: keras/src/activations/__init__.py (Keras 3.15).
"""

from __future__ import annotations

from typing import Any

from ...engine.activations import (
    ALIASES,
    BY_NAME,
    Activation,
    celu,
    elu,
    exponential,
    gelu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_swish,
    hard_tanh,
    leaky_relu,
    linear,
    log_sigmoid,
    log_softmax,
    mish,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    squareplus,
    swish,
    tanh,
    tanh_shrink,
)
from ...errors import Reason, UnstrideError
from .serialization import serialize as serialize_object

__all__ = [
    "BY_NAME",
    "celu",
    "elu",
    "exponential",
    "gelu",
    "get",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "serialize",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
]


def get(identifier: Any) -> Activation:
    """The activation of that name, or the callable itself; None is linear."""
    if identifier is None:
        return linear
    if isinstance(identifier, str) and (found := BY_NAME.get(identifier) or ALIASES.get(identifier)):
        return found
    if callable(identifier):
        given: Activation = identifier
        return given
    rule = f"is no activation; there are {', '.join([*BY_NAME, *ALIASES])}"
    hint = "or pass a callable; a function of your own cannot be found again by its name"
    raise UnstrideError(Reason.ARGUMENT, rule, argument="activation", value=identifier, hint=hint)


def serialize(activation: Activation) -> Any:
    """The activation's name, or Keras's description of a function that is not Keras's."""
    name = getattr(activation, "__name__", "")
    return name if BY_NAME.get(name) is activation else serialize_object(activation)
