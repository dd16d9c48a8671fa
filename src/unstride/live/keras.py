"""Keras's layers, of Keras 3 on any backend and of Keras 2: built ones with their weights, others without.

Source: keras/src/layers/convolutional (Keras 3.15), tf_keras/src/layers/convolutional (2.21).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ..dialects import keras, keras2
from ..dialects.arguments import compact
from ..dialects.spec import Spec
from .arrays import as_numpy
from .found import Found
from .kinds import Kind, check_own, refuse

SEPARATE = False
_FORMS: dict[int, dict[str, Callable[..., Spec]]] = {
    generation: {form.__name__: form for form in dialect.FORMS if ".layers." in form.call}
    for generation, dialect in ((2, keras2), (3, keras))
}

_SAME_EVERYWHERE = ("elu", "relu", "relu6", "selu", "sigmoid", "silu", "softplus", "swish", "tanh")
"""activations that mean the same in every framework, so that they may be another's than Keras's"""

_SAME_IN_TENSORFLOW = ("leaky_relu",)
"""activations that mean the same there, and that Keras 2 takes from there"""

_FRAMEWORKS = ("keras", "tf_keras", "tensorflow", "jax", "torch")


def read(thing: Any, kind: Kind) -> Found:
    """The layer's spec, and its kernel and bias where it is built. Raises UnstrideError."""
    _check_kind(thing, kind)
    check_own(thing, kind, "call", "convolution_op", "_convolution_op", "__call__")
    if getattr(thing, "lora_rank", None):
        rule = "has a low-rank adaptation (LoRA) beside its kernel"
        raise refuse(
            thing, rule, "build a layer without lora_rank, and assign it this one's kernel, which is their sum"
        )
    mode = getattr(getattr(thing, "dtype_policy", None), "quantization_mode", None)
    if mode is not None:
        raise refuse(thing, f"is quantised ({mode})", "use the layer as it was before")
    spec = _spec(thing, kind)
    if not thing.built:
        return Found(spec)
    return Found(spec, _numbers(thing.kernel, "kernel"), _numbers(thing.bias, "bias"))


def _check_kind(thing: Any, kind: Kind) -> None:
    if kind.name.startswith("Depthwise"):
        shape = "(*taps, 1, channels·depth_multiplier)"
        line = f"Conv{kind.name[-2]}D(channels·depth_multiplier, ..., groups=channels)"
        hint = f"use {line}, the kernel reshaped to {shape}"
        raise refuse(thing, "is a depthwise convolution, which is read as a grouped one only", hint)
    if kind.name.startswith("Separable"):
        rule = "is two convolutions: one depthwise, one with a single tap"
        raise refuse(thing, rule, f"use two Conv{kind.name[-2]}D layers, the first with groups=channels")


def _generation(kind: Kind) -> int:
    """2 or 3; Keras 2's later releases have the same module names as Keras 3."""
    if not kind.cls.__module__.startswith("keras."):
        return 2
    return 2 if str(getattr(sys.modules["keras"], "__version__", "3")).startswith("2.") else 3


def _spec(thing: Any, kind: Kind) -> Spec:
    generation = _generation(kind)
    transposed = kind.name.endswith("Transpose")
    words: dict[str, Any] = {
        "strides": compact(tuple(thing.strides)),
        "padding": thing.padding,
        "data_format": None if thing.data_format == "channels_last" else thing.data_format,
        "dilation_rate": compact(tuple(thing.dilation_rate)),
        "activation": _activation(thing, generation),
        "use_bias": bool(thing.use_bias),
        "dtype": _policy(thing),
    }
    if transposed and thing.output_padding is not None:
        words["output_padding"] = compact(tuple(thing.output_padding))
    if thing.__dict__.get("groups", 1) != 1:
        words["groups"] = thing.groups
    return _FORMS[generation][kind.name](thing.filters, compact(tuple(thing.kernel_size)), **words)


def _policy(thing: Any) -> str | None:
    policy = getattr(thing, "dtype_policy", None)
    name = getattr(policy, "name", None) or thing.dtype
    return None if name == "float32" else str(name)


def _activation(thing: Any, generation: int) -> str | None:
    """Keras's name of the activation; None for none. UnstrideError for a function that Keras does not name."""
    function = thing.activation
    name, home = str(getattr(function, "__name__", "")), str(getattr(function, "__module__", "")).split(".")
    named = bool(name) and "keras" in "".join(home[:3]) and "activations" in home
    if function is None or (named and name == "linear"):
        return None
    elsewhere = name in _SAME_EVERYWHERE or (home[0] == "tensorflow" and name in _SAME_IN_TENSORFLOW)
    if home[0] not in _FRAMEWORKS or not (named or elsewhere):
        rule = f"has the activation {name or type(function).__name__}, which is not one of Keras's own functions"
        raise refuse(thing, rule, "set layer.activation = None, and apply the activation to the result")
    if generation == 2 and name == "hard_sigmoid":
        rule = "has the activation hard_sigmoid, which Keras 2 computes otherwise: min(max(x / 5 + 1 / 2, 0), 1)"
        raise refuse(thing, rule, "set layer.activation = None, and apply the activation to the result")
    return name


def _numbers(variable: Any, name: str) -> Any:
    """A variable's numbers: Keras 3's wraps the backend's."""
    return as_numpy(getattr(variable, "_value", variable), name)
