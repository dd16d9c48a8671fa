"""Which objects are layers of which framework, by the names of their classes: no framework is imported to ask."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..dialects.spec import Source
from ..errors import Reason, UnstrideError

_KERAS = r"(Depthwise|Separable)?Conv[123]D(Transpose)?"

FAMILIES: tuple[tuple[str, str, str], ...] = (
    ("torch.nn.modules.conv", r"(Lazy)?Conv(Transpose)?[123]d", "torch"),
    ("keras", _KERAS, "keras"),
    ("tf_keras", _KERAS, "keras"),
    ("tensorflow.python.keras", _KERAS, "keras"),
    ("flax.linen.linear", r"Conv(Transpose|Local)?", "flax"),
    ("flax.nnx.nn.linear", r"Conv(Transpose)?", "flax"),
    ("equinox.nn._conv", r"Conv(Transpose)?([123]d)?", "equinox"),
    ("haiku._src.conv", r"Conv[123]D(Transpose)?", "haiku"),
    ("mlx.nn.layers", r"Conv(Transpose)?[123]d", "mlx"),
    ("paddle.nn.layer.conv", r"Conv[123]D(Transpose)?", "paddle"),
    ("tinygrad.nn", r"Conv(Transpose)?2d", "tinygrad"),
    ("onnx", r"(Model|Graph|Node)Proto", "onnx"),
)
"""(the module that a class is from, the pattern of its name, the reader)"""

ACCEPTED = (
    "convolutions of torch.nn, keras.layers, tf_keras.layers, flax.nnx, equinox.nn, mlx.nn, paddle.nn, "
    "tinygrad.nn, (module, params) of flax.linen and haiku, (model, node's name) of ONNX"
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A framework's class, of which an object is an instance, and the module here that reads such objects."""

    reader: str
    cls: type

    @property
    def name(self) -> str:
        """The class's name, such as ``Conv2d``."""
        return self.cls.__name__


def kind_of(thing: object) -> Kind | None:
    """The kind of a layer; None for everything else. Subclasses of a framework's class are of its kind."""
    for cls in type(thing).__mro__:
        module, name = str(getattr(cls, "__module__", "")), cls.__name__
        for root, pattern, reader in FAMILIES:
            if (module == root or module.startswith(f"{root}.")) and re.fullmatch(pattern, name):
                return Kind(reader, cls)
    return None


def type_name(thing: object) -> str:
    """The dotted name of the object's class."""
    cls = type(thing)
    return f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins.")


def check_own(thing: object, kind: Kind, *methods: str) -> None:
    """UnstrideError where the object computes by a method of its own instead of the framework's class's."""
    for name in methods:
        given = getattr(type(thing), name, None)
        if name in getattr(thing, "__dict__", {}) or given is not getattr(kind.cls, name, None):
            rule = f"has a {name} of its own, which may compute anything"
            raise refuse(thing, rule, f"use a {kind.name} with the same arguments and weights")


def refuse(thing: object, rule: str, hint: str | None = None) -> UnstrideError:
    """The error for a layer that is recognised and cannot be read."""
    return UnstrideError(Reason.UNSUPPORTED, rule, argument="layer", value=Source(type_name(thing)), hint=hint)


def wrong_params(thing: object, rule: str, hint: str | None = None) -> UnstrideError:
    """The error for what is given beside a layer and cannot be its weights."""
    return UnstrideError(Reason.ARGUMENT, rule, argument="params", value=Source(type_name(thing)), hint=hint)


def unknown(thing: Any) -> UnstrideError:
    """The error for what is neither a spec nor a live layer."""
    hint, value = "unstride.parse(...) makes one from a line of source", thing
    if not isinstance(thing, str):
        hint = f"live layers are {ACCEPTED}; unstride.parse(...) makes a spec from a line of source"
        value = thing if type(thing).__module__ == "builtins" else Source(type_name(thing))
    return UnstrideError(Reason.ARGUMENT, "must be a spec or a live layer", argument="spec", value=value, hint=hint)
