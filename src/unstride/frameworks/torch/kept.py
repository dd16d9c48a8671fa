"""Weights packed once, for all calls that find them as they were.

PyTorch counts the writes to a tensor, but not those through ``.data`` or through an array over the same memory: so
fingerprints of the elements are compared. They are packed when a layer meets them for the second time: a step of
training changes them before that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from ...engine import execute
from ...engine.jit import run as jit
from ...geometry import Layer
from . import computation
from .arrays import as_array, follow

LAYERS = 16
"""that differ in their sizes, for which one tensor's weights are kept packed"""


@dataclass(slots=True)
class _Met:
    """What is known of a layer with its weights."""

    versions: tuple[int, ...]
    """PyTorch's counts of the writes to them"""
    bits: tuple[object, ...] = ()
    """fingerprints of what was packed"""
    prepared: execute.Prepared | None = None


_met: Any = WeakTensorKeyDictionary()
"""for each weight, by layer; gone when the weight is"""


def compute(x: Tensor, weight: Tensor, bias: Tensor | None, *relation: Any) -> Tensor:
    """The layer's output."""
    layer = computation.layer_of(x, weight.shape, relation, bias=bias is not None)
    prepared = _prepared(layer, weight, bias) if jit.available() else None
    if prepared is None:
        return computation.compute(x, weight, bias, *relation)
    follow()
    return computation.settled(prepared(as_array(x)), x)


def _prepared(layer: Layer, weight: Tensor, bias: Tensor | None) -> execute.Prepared | None:
    """The layer with its weights packed; none where they were not met before, or were written to since."""
    tensors = (weight,) if bias is None else (weight, bias)
    versions = tuple(map(_version, tensors))
    layers: dict[Layer, _Met] = _met.setdefault(weight, {})
    met = layers.get(layer)
    if met is None or met.versions != versions:
        if len(layers) >= LAYERS:
            layers.clear()
        layers[layer] = _Met(versions)
        return None
    bits = tuple(map(_bits, tensors))
    if met.prepared is None or met.bits != bits:
        met.prepared = execute.prepare(layer, as_array(weight), None if bias is None else as_array(bias))
        met.bits = bits
    return met.prepared


def _version(tensor: Tensor) -> int:
    """How often PyTorch saw it written to; of what it does not count, a constant."""
    return -1 if tensor.is_inference() else int(tensor._version)  # noqa: SLF001 - PyTorch's counter of writes


def _bits(tensor: Tensor) -> bytes:
    """A fingerprint of the elements in their order."""
    held = tensor if tensor.is_contiguous() else tensor.detach().contiguous()
    return _fingerprint()(held.data_ptr(), held.nbytes)


@cache
def _fingerprint() -> Callable[[int, int], bytes]:
    from ...engine.jit.fingerprint import fingerprint  # only where llvmlite is installed

    return fingerprint
