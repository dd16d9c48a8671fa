"""Live adapters: a line of source, asked of the real framework with given arrays.

Each module has ``evaluate(code, x, kernel, bias)``, which returns what the framework returns and raises what it raises,
and ``version()``. Arrays are in the framework's own data and weight layouts. A framework is imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Protocol, cast

from .source import Array

PACKAGES = {
    "torch": "torch",
    "keras": "keras",
    "keras2": "tf_keras",
    "tensorflow": "tensorflow",
    "jax": "jax",
    "flax": "flax",
    "haiku": "haiku",
    "equinox": "equinox",
    "onnxruntime": "onnxruntime",
    "onnx_reference": "onnx",
    "openvino": "openvino",
    "litert": "ai_edge_litert",
    "paddle": "paddle",
    "mlx": "mlx.core",
    "tinygrad": "tinygrad",
}
"""adapter → the package that it imports"""


class Adapter(Protocol):
    """What every adapter module offers."""

    def evaluate(self, code: str, x: Array, kernel: Array, bias: Array | None) -> Array:
        """The framework's own answer."""

    def version(self) -> str:
        """The framework's version."""


def installed(name: str) -> bool:
    """Whether the adapter's framework can be imported here."""
    try:
        return find_spec(PACKAGES[name]) is not None
    except ModuleNotFoundError:
        return False


def adapter(name: str) -> Adapter:
    """The adapter of that name; KeyError where there is none."""
    if name not in PACKAGES:
        raise KeyError(f"no adapter {name!r}; there are {', '.join(PACKAGES)}")
    return cast("Adapter", import_module(f".{name}", __name__))
