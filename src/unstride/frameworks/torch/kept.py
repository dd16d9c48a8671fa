"""Weights packed once, for all calls that find them as they were.

PyTorch counts the writes to a tensor, but not those through ``.data`` or through an array over the same memory: so
fingerprints of the elements are compared. They are packed when a layer meets them for the second time: a step of
training changes them before that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from ...engine import execute
from ...engine.jit import run as jit
from ...geometry import Layer
from . import computation
from .arrays import LARGE, apart, as_array, as_tensor, follow

if TYPE_CHECKING:
    from ...engine.execute import DType
    from ...engine.jit.fingerprint import Fingerprint

LAYERS = 16
"""that differ in their sizes, for which one tensor's weights are kept packed; and calls that are remembered"""


@dataclass(frozen=True, slots=True)
class _Call:
    """How arrays like those of an earlier call are computed."""

    given: tuple[object, ...]
    """all that the call depends on but elements: see ``_told``"""
    ready: execute.Ready
    """computes it with packed weights"""
    fingerprint: Fingerprint
    """of the weights that were packed"""
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: DType
    """NumPy's"""

    def __call__(self, x: Tensor) -> Tensor | None:
        """The output; none where the weights were written to, which is found out meanwhile."""
        y, record = self._output(x), self.fingerprint.record()
        self.ready.at(x.data_ptr(), y.data_ptr(), self.fingerprint.job(record))
        return y if self.fingerprint.held(record) else None

    def _output(self, x: Tensor) -> Tensor:
        """New memory for it."""
        item, size = self.dtype.itemsize, prod(self.shape)
        if item * size < LARGE:
            made: Tensor = x.new_empty_strided(self.shape, self.strides)
            return made
        steps = [item * stride for stride in self.strides]
        return as_tensor(np.ndarray(self.shape, self.dtype, apart(item * size), strides=steps))


@dataclass(frozen=True, slots=True)
class _Packed:
    """A layer with its weights packed."""

    prepared: execute.Prepared
    places: tuple[object, ...]
    """where they lay, and how"""
    fingerprint: Fingerprint


@dataclass(slots=True)
class _Layer:
    """What is known of a layer with its weights."""

    versions: tuple[int, ...]
    """PyTorch's counts of the writes to them"""
    packed: _Packed | None = None


@dataclass(slots=True)
class _Weights:
    """What is known of a tensor."""

    layers: dict[Layer, _Layer] = field(default_factory=dict)
    calls: list[_Call] = field(default_factory=list)


_known: Any = WeakTensorKeyDictionary()
"""by the weights' tensor; gone when that is"""


def compute(x: Tensor, weight: Tensor, bias: Tensor | None, *relation: Any) -> Tensor:
    """The layer's output."""
    follow()
    known: _Weights | None = _known.get(weight)
    if known is not None:
        given = _told(x, weight, bias, relation)
        for call in known.calls:
            if call.given == given:
                y = call(x)
                if y is not None:
                    return y
                known.calls.clear()
                break
    return _met(x, weight, bias, *relation)


def _told(x: Tensor, weight: Tensor, bias: Tensor | None, relation: tuple[Any, ...]) -> tuple[object, ...]:
    """What a call depends on: where the weights lie, how all arrays lie, the relation."""
    told = (x.shape, x.stride(), x.dtype, relation, *_place(weight))
    return told if bias is None else (*told, *_place(bias))


def _place(tensor: Tensor) -> tuple[object, ...]:
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype


def _met(x: Tensor, weight: Tensor, bias: Tensor | None, *relation: Any) -> Tensor:
    """The output of a call unlike those that are remembered; it is, where its weights were met before."""
    layer = computation.layer_of(x, weight.shape, relation, bias=bias is not None)
    tensors = (weight,) if bias is None else (weight, bias)
    known: _Weights = _known.setdefault(weight, _Weights())
    met = _prepared(known, layer, tensors) if jit.available() else None
    if met is None:
        return computation.compute(x, weight, bias, *relation)
    data = as_array(x)
    y = met.prepared(data)
    output = computation.settled(y, x)
    ready = met.prepared.ready(data)
    if ready is not None and ready.complete and output.data_ptr() == y.ctypes.data:
        if len(known.calls) >= LAYERS:
            known.calls.clear()
        given = _told(x, weight, bias, relation)
        known.calls.append(_Call(given, ready, met.fingerprint, output.shape, output.stride(), y.dtype))
    return output


def _prepared(known: _Weights, layer: Layer, tensors: tuple[Tensor, ...]) -> _Packed | None:
    """The layer with its weights packed; none where they were not met before, or were written to since."""
    versions, places = tuple(map(_version, tensors)), tuple(map(_place, tensors))
    met = known.layers.get(layer)
    if met is None or met.versions != versions:
        known.calls.clear()
        if len(known.layers) >= LAYERS:
            known.layers.clear()
        known.layers[layer] = _Layer(versions)
        return None
    if met.packed is None or met.packed.places != places or not met.packed.fingerprint.holds():
        from ...engine.jit.fingerprint import Fingerprint  # only where llvmlite is installed

        known.calls.clear()
        fingerprint = Fingerprint(map(_stretch, tensors))
        met.packed = _Packed(execute.prepare(layer, *map(as_array, tensors)), places, fingerprint)
    return met.packed


def _version(tensor: Tensor) -> int:
    """How often PyTorch saw it written to; of what it does not count, a constant."""
    return -1 if tensor.is_inference() else int(tensor._version)  # noqa: SLF001 - PyTorch's counter of writes


def _stretch(tensor: Tensor) -> tuple[int, int]:
    """The memory from its first element to its last."""
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    elements = 1 + sum((length - 1) * step for length, step in steps) if tensor.numel() else 0
    return tensor.data_ptr(), elements * tensor.element_size()
