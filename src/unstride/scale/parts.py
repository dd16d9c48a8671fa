"""A part of an operation's output, computed from the parts of its inputs that it needs: the same bits as in the whole.

Arrays are ``(batch, channels, *size)``. Convolutions go to the engine as smaller layers whose sums are taken in the
order in which the whole's are; everything else treats each element as it does in the whole.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import singledispatchmethod
from math import prod
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..computation import own_activation
from ..engine import execute
from ..engine.plan import Whole
from ..geometry import Layer, canonical
from ..network import Convolution, Features, Operation, Pad, Pool, Resize, evaluate
from .tiles import Tile, Tiling, kept, part_of
from .windows import Region, inside, source

Array = NDArray[Any]
SIZES = 64
"""sizes that a layer is known in"""


@dataclass(frozen=True, slots=True)
class Part:
    """What is computed of one operation."""

    given: tuple[Features, ...]
    """features of the whole inputs"""
    windows: tuple[Region, ...]
    """of each input, what the arrays hold"""
    out: Region
    """what is computed"""


@dataclass(slots=True, eq=False)
class Parts:
    """Computes parts of operations; keeps the weights of layers packed. Safe to call from several threads."""

    channels_last: bool
    """how arrays lie in memory"""
    _prepared: dict[int, OrderedDict[Any, execute.Prepared]] = field(default_factory=dict)
    """of each layer, by the order and type of its packed weights"""
    _sized: dict[int, OrderedDict[Any, execute.Prepared]] = field(default_factory=dict)
    """of each layer, by size and type"""
    _weights_of: dict[int, Array] = field(default_factory=dict)
    _read: dict[int, tuple[Features, Layer]] = field(default_factory=dict)
    """of each layer, the whole's features and layer last met"""
    _lock: Any = field(default_factory=Lock)

    def tile(self, tiling: Tiling, tile: Tile, values: dict[str, Array]) -> Array:
        """The tile of the output, from the windows of the inputs, which are let go once they are not needed."""
        last = self.channels_last
        values = {name: evaluate.settled(value, channels_last=last) for name, value in values.items()}
        for node, done in zip(tiling.nodes, tiling.last_uses, strict=True):
            held = tuple(tile.windows[name] for name in node.inputs)
            given = tiling.given(node)
            needed = tiling.windows(node, tile.windows[node.name])
            arrays = (
                values[name][:, :, *inside(own, had)] for name, own, had in zip(node.inputs, needed, held, strict=True)
            )
            made = self.compute(node.operation, Part(given, needed, tile.windows[node.name]), *arrays)
            values[node.name] = evaluate.settled(made, channels_last=last)
            for name in done:
                del values[name]
        return values[tiling.graph.outputs[0]]

    @singledispatchmethod
    def compute(self, operation: Operation, part: Part, *arrays: Array) -> Array:
        """The part of the operation's output."""
        del part
        return evaluate.compute(operation, *arrays)

    @compute.register
    def _(self, operation: Convolution, part: Part, x: Array) -> Array:
        whole = self._whole(operation, part.given[0])
        return self._layer(operation, whole, part_of(whole, part.windows[0], part.out), x.dtype)(x)

    def _whole(self, operation: Convolution, given: Features) -> Layer:
        """The layer of an input of these features, read once as long as they stay the same."""
        known = self._read.get(id(operation))
        if known is None or known[0] != given:
            known = self._read[id(operation)] = given, operation.layer(given)
        return known[1]

    def _layer(self, operation: Convolution, whole: Layer, layer: Layer, dtype: Any) -> execute.Prepared:
        """The layer of one size, with its weights packed; those are shared among sizes."""
        number = id(operation)
        with self._lock:
            found = _known(self._sized, number, (layer, dtype))
            if found is not None:
                return found
            order = execute.tap_order(layer), dtype
            base = _known(self._prepared, number, order)
            if base is None:
                base = self._packed(operation, whole, layer, dtype)
                most = kept(operation.kernel.count * base.compute.itemsize)
                for gone in _keep(self._prepared, number, order, base, most):
                    own = self._sized[number]
                    self._sized[number] = OrderedDict((k, v) for k, v in own.items() if v.packed is not gone.packed)
            made = base if base.layer == layer else base.resized(layer)
            _keep(self._sized, number, (layer, dtype), made, SIZES)
            return made

    def _packed(self, operation: Convolution, whole: Layer, layer: Layer, dtype: Any) -> execute.Prepared:
        bias = None if operation.bias is None else operation.bias.array
        of = Whole(whole, channels_first=not self.channels_last and prod(whole.input_size) > 1)
        activation = own_activation(operation.spec)
        weights = self._weights(operation, layer)
        return execute.prepare(layer, weights, bias, dtype=dtype, whole=of, activation=activation)

    def _weights(self, operation: Convolution, layer: Layer) -> Array:
        """A layer's weights in canonical order, which nobody writes to."""
        if id(operation) not in self._weights_of:
            ordered = operation.spec.weight_layout(layer.rank).to(canonical(layer.rank), layer)
            weights = np.array(ordered.apply(operation.kernel.array), order="C")
            weights.flags.writeable = False
            self._weights_of[id(operation)] = weights
        return self._weights_of[id(operation)]

    @compute.register
    def _(self, operation: Pool, part: Part, x: Array) -> Array:
        axes = operation.axes(part.given[0].size)
        own = tuple(axis.part(out, window) for axis, out, window in zip(axes, part.out, part.windows[0], strict=True))
        return evaluate.pooled(operation, x, own, evaluate.counts(operation, part.given[0].size, part.out))

    @compute.register
    def _(self, operation: Resize, part: Part, x: Array) -> Array:
        for axis, (out, window) in enumerate(zip(part.out, part.windows[0], strict=True)):
            length = part.given[0].size[axis]
            x = evaluate.resized(operation, x, axis, length, out, window.start)
        return x

    @compute.register
    def _(self, operation: Pad, part: Part, x: Array) -> Array:
        for axis, (out, window) in enumerate(zip(part.out, part.windows[0], strict=True)):
            length, before = part.given[0].size[axis], operation.margins[axis][0]
            met = [source(at, length, before, operation.mode) for at in out]
            taken = np.array([0 if at is None else at - window.start for at in met])
            x = np.take(x, taken, axis + 2)
            empty = np.array([at is None for at in met])
            if empty.any():
                x[(slice(None),) * (axis + 2) + (empty,)] = operation.value
        return x


def _known(store: dict[int, OrderedDict[Any, execute.Prepared]], number: int, key: Any) -> execute.Prepared | None:
    own = store.setdefault(number, OrderedDict())
    if key in own:
        own.move_to_end(key)
    return own.get(key)


def _keep(
    store: dict[int, OrderedDict[Any, execute.Prepared]], number: int, key: Any, made: execute.Prepared, most: int
) -> list[execute.Prepared]:
    """Keep what was made, and of what was made before as much as may be; returns what is let go."""
    own = store[number]
    own[key] = made
    return [own.popitem(last=False)[1] for _ in range(len(own) - most)]
