"""A layer bound to compiled code, once for each batch, type and layout: the family is chosen here."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, Protocol

import numpy as np

from ...geometry import Layer
from . import rows
from .calls import Caller, Starter, caller, starter
from .ends import End
from .gather import Gathered, gathered
from .kernels_product import Form
from .memory import Array, Tables
from .product import Product, Shape, can_widen
from .target import host

_PREFERRED = (2, 3, 1)
"""vectors in a block of columns"""


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

    def starter(self, weights: Array, bias: Array | None) -> Starter:
        """How to compute an output from an input, with packed weights and bias."""
        addresses = (weights.ctypes.data, 0 if bias is None else bias.ctypes.data)
        return starter(self.task, self.family.tables, *addresses, self.products)

    def gathered(self, weights: Array, bias: Array | None) -> Gathered | None:
        """How to compute a small layer with weights and a bias like these, where they are of the sums' type."""
        fits = all(array is None or array.dtype == self.sums for array in (weights, bias))
        return gathered(self.family, weights, bias, self.products) if fits else None

    def caller(self) -> Caller:
        """How to compute an output from an input, and from the addresses of packed weights and bias."""
        return caller(self.task, self.family.tables, self.products)


@lru_cache(maxsize=64)
def bind(layer: Layer, batch: int, dtype: str, end: End, *, channels_first: bool) -> Bound:
    """The code and tables of a layer."""
    family = _family(layer, batch, dtype, end, channels_first)
    return Bound(layer, batch, dtype, end, family, channels_first=channels_first)


def _family(layer: Layer, batch: int, dtype: str, end: End, channels_first: bool) -> Family:
    """The family that suits the layer."""
    target = host()
    lanes = target.lanes(np.dtype(dtype).itemsize)
    if end.stored is None and rows.suits(layer, channels_first, lanes):
        return rows.Rows(layer, batch, dtype, end, target)
    lanewise = layer.groups > 1 and layer.in_channels == layer.groups == layer.out_channels
    columns = layer.out_channels // (1 if lanewise else layer.groups)
    # one channel lies the same way in both layouts
    transposes = channels_first and layer.in_channels > 1
    unpacks = channels_first and layer.out_channels > 1
    wide = not unpacks and can_widen(layer) and _idle(columns, lanes) > _idle(columns * layer.stride[-1], lanes)
    import os

    dot = os.environ.get("DOT", "1") == "1" and not unpacks and not lanewise and columns <= 6
    if dot:
        wide = os.environ.get("WIDE", "1") == "1" and wide and columns * layer.stride[-1] <= 6
    columns *= layer.stride[-1] if wide else 1
    vectors = _vectors(columns, lanes)
    last = (columns - 1) % (vectors * lanes) + 1
    packs = transposes or end.stored is not None
    flavour = "lanewise" if lanewise else "broadcast"
    if dot:
        flavour = "dot"
        last, vectors = columns, -(-columns // lanes)
    form = Form(dtype, vectors, end, packs, unpacks, transposes, flavour, last, wide)
    return Product(Shape(layer, batch, form, target, wide))


def _idle(columns: int, lanes: int) -> float:
    """The part of the lanes that has no column."""
    return 1 - columns / (-(-columns // lanes) * lanes)


def _vectors(columns: int, lanes: int) -> int:
    """Vectors in a block of columns: what leaves the fewest lanes idle, then what reads the least for a product."""
    needed = -(-columns // lanes)
    return min(_PREFERRED, key=lambda vectors: (-(-needed // vectors) * vectors, _PREFERRED.index(vectors)))
