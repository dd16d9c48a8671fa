"""A layer bound to compiled code, once for each batch, type and layout: the family is chosen here."""

from __future__ import annotations

from functools import lru_cache
from math import gcd, prod
from typing import Protocol

import numpy as np

from ...geometry import Layer
from . import depthwise, rows
from .calls import PRODUCTS, Caller, Late, Starter, caller, late_starter, starter
from .depthwise_shape import is_depthwise
from .ends import End
from .gather import Gathered, gathered
from .kernels_dot import positions
from .kernels_product import Form
from .memory import Array, Tables
from .product import Product, Shape, can_widen
from .target import FEW_REGISTERS, Target, host
from .transpose import SHUFFLED

_COSTS = {2: 1.0, 3: 1.0, 1: 1.5}
"""time of a vector of columns, by how many are in a block: a lone one has hardly more products than loads"""
FEW, FEW_MORE = 6, 12
"""columns up to which lanes may be products instead: a tile has a sum for each column of each position; the second
where there are 32 registers"""
NEAR, FAR = 2**15, 16
"""bytes of a first-level cache; and those that come from the next one in the time of a vector's multiply-add"""
BROADCAST, RUN, SUM = 1.4, 2, 9
"""times in multiply-adds of a vector, as measured with AVX2: of a broadcast; of a dot product's run, and of its end"""


class Family(Protocol):
    """A family of kernels, bound to a layer. The code's context is the record ``records.Call``."""

    tables: Tables
    task: int
    """address of the code"""
    order: tuple[object, ...]
    """how the weights are packed: what else than the layer it depends on"""
    header: int
    """bytes before the packed weights, of which the first eight say whether all are finite"""

    def pack_weights(self, weights: Array) -> Array:
        """Canonical weights in the order in which the code reads them."""

    def late(self, weights: Array) -> Late | None:
        """How the code packs canonical weights itself; none where that would take longer."""

    def pack_bias(self, bias: Array) -> Array:
        """The bias as the code reads it."""


class Bound:
    """A layer's code and tables, for one batch, type and layout."""

    def __init__(self, layer: Layer, batch: int, sums: str, end: End, family: Family, *, channels_first: bool) -> None:
        self.dtype, self.channels_first, self.family = np.dtype(end.stored or sums), channels_first, family
        self.sums = np.dtype(sums)
        spatial, channels = layer.output_size, layer.out_channels
        self.output_shape = (batch, *((channels, *spatial) if channels_first else (*spatial, channels)))
        self.task = family.task
        pairs = layer.small_channels * (layer.large_channels // layer.groups)
        self.products = batch * pairs * prod(axis.products for axis in layer.axes)
        self.shared = self.products > PRODUCTS

    def starter(self, weights: Array, bias: Array | None) -> Starter:
        """How to compute an output from an input, with packed weights and bias."""
        addresses = (weights.ctypes.data, 0 if bias is None else bias.ctypes.data)
        return starter(self.task, self.family.tables, *addresses, self.products)

    def gathered(self, weights: Array, bias: Array | None) -> Gathered | None:
        """How one thread computes a layer with few weights and a bias like these, where they are of the sums' type."""
        fits = all(array is None or array.dtype == self.sums for array in (weights, bias))
        return gathered(self.family, weights, bias) if fits else None

    def caller(self) -> Caller:
        """How to compute an output from an input, and from the addresses of packed weights and bias."""
        return caller(self.task, self.family.tables, self.products)

    def late(self, weights: Array, bias: int) -> Starter | None:
        """How to compute an output from an input, with weights that the code packs; none where it does not."""
        late = self.family.late(weights)
        return late_starter(self.task, self.family.tables, late, bias, self.products) if late else None


@lru_cache(maxsize=512)
def bind(layer: Layer, batch: int, dtype: str, end: End, *, channels_first: bool, like: Layer | None = None) -> Bound:
    """The code and tables of a layer, of the family that suits it, or ``like``, which differs in its sizes alone."""
    family = _family(layer, batch, dtype, end, channels_first, like or layer)
    return Bound(layer, batch, dtype, end, family, channels_first=channels_first)


def _family(layer: Layer, batch: int, dtype: str, end: End, channels_first: bool, like: Layer) -> Family:
    target = host()
    lanes = target.lanes(np.dtype(dtype).itemsize)
    form, wide = _form(layer, dtype, end, channels_first, target)
    other = _slower(like, form.flavour, layer.stride[-1] if wide else 1, lanes, target)
    if end.stored is None and rows.suits(like, channels_first, lanes, target.registers, other):
        return rows.Rows(layer, batch, dtype, end, target)
    if end.stored is None and not channels_first and depthwise.suits(like, target.registers):
        return depthwise.Depthwise(layer, batch, dtype, end, target)
    plain = not channels_first and end.stored is None and form.flavour == "broadcast"
    if plain and rows.suits_last(like, lanes, target.registers, other):
        return rows.Rows(layer, batch, dtype, end, target, last=True)
    return Product(Shape(layer, batch, form, target, wide))


def _form(layer: Layer, dtype: str, end: End, channels_first: bool, target: Target) -> tuple[Form, bool]:
    """The code of the product family for the layer; whether phases are columns."""
    lanes = target.lanes(np.dtype(dtype).itemsize)
    lanewise = is_depthwise(layer)
    channels, phases = layer.out_channels // (1 if lanewise else layer.groups), layer.stride[-1]
    # one channel lies the same way in both layouts
    transposes = channels_first and layer.in_channels > 1
    unpacks = channels_first and layer.out_channels > 1
    widens = not unpacks and can_widen(layer)
    wide = widens and _idle(channels, lanes) > _idle(channels * phases, lanes)
    columns, flavour = channels * (phases if wide else 1), "lanewise" if lanewise else "broadcast"
    few = FEW_MORE if target.registers > FEW_REGISTERS else FEW
    if not lanewise and channels <= few and _suits_dot(layer, _idle(columns, lanes), channels, lanes, target):
        flavour, wide = "dot", widens and channels * phases <= few
        columns = channels * (phases if wide else 1)
    vectors = -(-columns // lanes) if flavour == "dot" else _vectors(columns, lanes)
    last = (columns - 1) % (vectors * lanes) + 1
    packs = transposes or end.stored is not None
    shuffled = layer.in_channels if transposes and not end.stored and layer.in_channels <= SHUFFLED else 0
    chains = 2 if flavour == "broadcast" and vectors == 1 and target.registers > FEW_REGISTERS else 1
    return Form(dtype, vectors, end, packs, unpacks, transposes, shuffled, flavour, last, wide, chains), wide


def _slower(layer: Layer, flavour: str, phases: int, lanes: int, target: Target) -> float:
    """Time of a product in the product family, over that in full lanes of columns."""
    columns = layer.out_channels // layer.groups * phases
    return _dot(layer, columns, lanes, target) if flavour == "dot" else 1 / rows.filled(columns, lanes)


def _suits_dot(layer: Layer, idle: float, columns: int, lanes: int, target: Target) -> bool:
    """Whether a column is summed sooner over lanes of products than in its part of lanes of columns, some ``idle``."""
    return idle > 0 and _dot(layer, columns, lanes, target) < 1 / (1 - idle)


def _dot(layer: Layer, columns: int, lanes: int, target: Target) -> float:
    """Time of a product where lanes are products, over that in full lanes of columns."""
    axis, inputs = layer.axes[-1], layer.in_channels // layer.groups
    apart = axis.dilation // gcd(axis.stride, axis.dilation) if layer.transposed else axis.dilation
    phases = axis.stride // gcd(axis.stride, axis.dilation) if layer.transposed else 1
    beside = max(1, axis.kernel // phases) if apart == 1 and layer.groups == 1 else 1
    length = beside * inputs
    runs = prod(layer.kernel) / prod(layer.stride if layer.transposed else (1,)) / beside
    dot = -(-length // lanes) + RUN + SUM / runs
    if prod(layer.kernel) * inputs * columns * (target.vector_bytes // lanes) > NEAR:
        # each tile of so few positions reads all weights from the second-level cache
        dot *= max(1.0, target.vector_bytes / FAR / positions(columns, target.registers))
    return dot * lanes / (BROADCAST * length)


def _idle(columns: int, lanes: int) -> float:
    """The part of the lanes that has no column."""
    return 1 - rows.filled(columns, lanes)


def _vectors(columns: int, lanes: int) -> int:
    """Vectors in a block of columns: those that take the least time, idle lanes included."""
    needed = -(-columns // lanes)
    return min(_COSTS, key=lambda vectors: -(-needed // vectors) * vectors * _COSTS[vectors])
