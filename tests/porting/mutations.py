"""Every way in which a port of one layer is known to go wrong, computed by our own engine with mutated arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unstride.engine import execute
from unstride.geometry import Layer
from unstride.porting.comparing import Kind
from unstride.porting.subjects import integers
from unstride.testing.definitions import matrix

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Made:
    """A layer with its weights, canonical; ``refill`` elements at the end are not computed and hold the bias."""

    layer: Layer
    weights: Array
    bias: Array
    refill: tuple[int, ...] = ()

    def __call__(self, x: Array) -> Array:
        y = execute.run(self.layer, x.astype(np.int64), self.weights, self.bias, engine="blas").astype(np.float32)
        if not self.refill:
            return y
        wide = np.pad(y, [(0, 0), (0, 0), *((0, extra) for extra in self.refill)])
        missing = np.pad(np.zeros(y.shape[2:], bool), [(0, extra) for extra in self.refill], constant_values=True)
        wide[:, :, missing] = self.bias[None, :, None]
        return wide

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (1, self.layer.in_channels, *self.layer.input_size)

    @property
    def affine(self) -> tuple[tuple[int, ...], bytes, bytes]:
        """The exact map: the output's shape, the linear part and the bias."""
        layer = self.layer
        joined = matrix(layer, self.weights)
        joined = joined.T if layer.transposed else joined
        plain = joined.reshape(layer.out_channels, *layer.output_size, joined.shape[1])
        extra = self.refill or (0,) * layer.rank
        wide = np.pad(plain, [(0, 0), *((0, more) for more in extra), (0, 0)])
        bias = np.broadcast_to(self.bias.reshape(-1, *[1] * layer.rank), wide.shape[:-1])
        return wide.shape[:-1], np.ascontiguousarray(wide, np.int64).tobytes(), bias.astype(np.int64).tobytes()


def made(layer: Layer, seed: int) -> Made:
    """The layer with distinct integers for weights and for bias."""
    shape = (layer.small_channels, layer.large_channels // layer.groups, *layer.kernel)
    return Made(layer, integers(shape, seed, "int64"), integers((layer.out_channels,), seed + 1, "int64"))


def _axes(given: Made, **changes: Callable[[Any], int]) -> Iterator[Made]:
    """The layer with one axis changed, then with all."""
    layer = given.layer
    changed = [replace(axis, **{name: make(axis) for name, make in changes.items()}) for axis in layer.axes]
    alone = [(*layer.axes[:i], each, *layer.axes[i + 1 :]) for i, each in enumerate(changed)]
    for axes in dict.fromkeys([*alone, tuple(changed)]):
        yield replace(given, layer=replace(layer, axes=axes))


def shifted(given: Made) -> Iterator[Made]:
    for step in (-1, 1):
        yield from _axes(given, before=lambda axis, step=step: axis.before + step)  # type: ignore[misc]  # a default binds


def other_side(given: Made) -> Iterator[Made]:
    yield from _axes(given, before=lambda axis: axis.after)


def flipped(given: Made) -> Iterator[Made]:
    for chosen in product((False, True), repeat=given.layer.rank):
        axes = tuple(2 + axis for axis, each in enumerate(chosen) if each)
        if axes:
            yield replace(given, weights=np.flip(given.weights, axes))


def transposed(given: Made) -> Iterator[Made]:
    for order in permutations(range(given.layer.rank)):
        weights = given.weights.transpose(0, 1, *(2 + axis for axis in order))
        if order != tuple(range(given.layer.rank)) and weights.shape == given.weights.shape:
            yield replace(given, weights=weights)


def swapped(given: Made) -> Iterator[Made]:
    groups = given.layer.groups
    blocks = given.weights.reshape(groups, -1, *given.weights.shape[1:])
    if blocks.shape[1] == blocks.shape[2]:
        yield replace(given, weights=blocks.swapaxes(1, 2).reshape(given.weights.shape))


def input_order(given: Made) -> Iterator[Made]:
    layer = given.layer
    if layer.groups == 1 and layer.in_channels > 1:
        yield replace(given, weights=np.roll(given.weights, 1, 0 if layer.transposed else 1))


def output_order(given: Made) -> Iterator[Made]:
    layer = given.layer
    if layer.groups == 1 and layer.out_channels > 1:
        weights = np.roll(given.weights, 1, 1 if layer.transposed else 0)
        yield replace(given, weights=weights, bias=np.roll(given.bias, 1))


def group_order(given: Made) -> Iterator[Made]:
    groups = given.layer.groups
    if groups > 1:
        blocks = given.weights.reshape(groups, -1, *given.weights.shape[1:])
        yield replace(given, weights=np.roll(blocks, 1, 0).reshape(given.weights.shape))


def dropped_bias(given: Made) -> Iterator[Made]:
    yield replace(given, bias=np.zeros_like(given.bias))


def bias_order(given: Made) -> Iterator[Made]:
    if len(given.bias) > 1:
        yield replace(given, bias=np.roll(given.bias, 1))


def shorter(given: Made) -> Iterator[Made]:
    if given.layer.transposed:
        yield from _axes(given, large=lambda axis: max(0, axis.large - 1))


def refilled(given: Made) -> Iterator[Made]:
    for each in shorter(given):
        pairs = zip(given.layer.output_size, each.layer.output_size, strict=True)
        yield replace(each, refill=tuple(was - now for was, now in pairs))


MUTATIONS: dict[str, tuple[Callable[[Made], Iterator[Made]], frozenset[Kind]]] = {
    "shift": (shifted, frozenset({Kind.SHIFT})),
    "wrong crop side": (other_side, frozenset({Kind.SHIFT})),
    "flip": (flipped, frozenset({Kind.FLIP})),
    "transposed axes": (transposed, frozenset({Kind.AXES})),
    "swapped channels": (swapped, frozenset({Kind.SWAPPED_CHANNELS})),
    "input channels permuted": (input_order, frozenset({Kind.INPUT_CHANNELS})),
    "output channels permuted": (output_order, frozenset({Kind.OUTPUT_CHANNELS})),
    "wrong group order": (group_order, frozenset({Kind.GROUPS})),
    "dropped bias": (dropped_bias, frozenset({Kind.BIAS})),
    "bias permuted": (bias_order, frozenset({Kind.BIAS})),
    "shorter": (shorter, frozenset({Kind.SHAPE})),
    "clamped output_padding": (refilled, frozenset({Kind.MARGIN})),
}
"""name -> the mutants of a layer, and the kinds of difference that name them"""


def mutants(given: Made) -> Iterator[tuple[str, Made]]:
    """Every mutant of the layer, with its name."""
    for name, (make, _) in MUTATIONS.items():
        yield from ((name, each) for each in make(given))
