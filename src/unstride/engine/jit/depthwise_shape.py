"""How ``kernels_depthwise`` cuts a layer: blocks of channels, and tiles of neighbouring places of a row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from ...geometry import Layer
from .depthwise_records import Form, Tap
from .ends import End
from .memory import ALIGNMENT
from .rows_shape import phases
from .target import FEW_REGISTERS, Target

MOST = 192
"""products of a tile and one row of taps beyond which its code, which has each of them, takes long to compile"""
WIDEST, LONGEST = 8, 8
"""vectors of channels, and places, of a tile"""
NEAR = 2**16
"""bytes of inputs beyond which a first-level cache has not kept a row's when its next channels are summed"""
NEXT, LAST = 2**20, 2**22
"""bytes of inputs that a second-level cache may hold, and of outputs a common third-level one: not to be asked for"""
VECTOR, LINE, WEIGHT = 0.35, 0.7, 1.7
"""half cycles, fitted to 32 layers with AVX-512 and with AVX2: to load a vector of inputs; each cache line of it; a
vector of weights"""
SPILT, TESTED = 1.1, 0.15
"""how much longer weights take that do not fit the registers; by how much more tiles that test their inputs"""
LATENCY, ROW, STORE, TILE = 6, 13, 4, 50
"""half cycles of one product after the other, and in addition of a row of taps, of a stored vector, of a tile"""


def is_depthwise(layer: Layer) -> bool:
    """Whether each channel is computed of its own alone."""
    return layer.groups > 1 and layer.in_channels == layer.groups == layer.out_channels


@dataclass(frozen=True)
class Shape:
    """How a depthwise layer whose channels lie side by side is cut into tiles."""

    layer: Layer
    batch: int
    dtype: str
    end: End
    target: Target

    @property
    def item(self) -> int:
        return np.dtype(self.dtype).itemsize

    @property
    def lanes(self) -> int:
        return self.target.lanes(self.item)

    @property
    def channels(self) -> int:
        return self.layer.out_channels

    @property
    def step(self) -> int:
        """Bytes between neighbouring positions, of inputs and of outputs."""
        return self.channels * self.item

    @property
    def strides(self) -> tuple[int, int]:
        """Inputs, and outputs, from one place of a row to the next."""
        last = self.layer.axes[-1].stride
        return (1, last) if self.layer.transposed else (last, 1)

    @property
    def places(self) -> int:
        """Places of a row."""
        return -(-self.layer.output_size[-1] // self.strides[1])

    @cached_property
    def taps(self) -> tuple[Tap, ...]:
        """The taps of the last axis in the order of the code: each phase's by growing shift."""
        met = ((phase, *pair) for phase, pairs in sorted(self._phases.items()) for pair in sorted(pairs))
        return tuple(Tap(phase, shift - self.least, number) for phase, shift, number in met)

    @cached_property
    def _phases(self) -> dict[int, tuple[tuple[int, int], ...]]:
        return phases(self.layer.axes[-1], self.layer.transposed)

    @cached_property
    def least(self) -> int:
        """The least shift at which an output meets an input."""
        return min((shift for pairs in self._phases.values() for shift, _ in pairs), default=0)

    @property
    def inner(self) -> tuple[int, int]:
        """The places from the first to the last whose inputs and outputs all exist."""
        along, outputs = self.strides
        most = self.least + max((tap.shift for tap in self.taps), default=0)
        sizes = self.layer.input_size[-1], self.layer.output_size[-1]
        return max(0, -(self.least // along)), min((sizes[0] - 1 - most) // along + 1, sizes[1] // outputs)

    @cached_property
    def tile(self) -> tuple[int, int]:
        """Vectors of channels and places of a tile: those of the least estimated cost."""
        return min(self._tiles(), key=lambda tile: self.cost(*tile))

    def _tiles(self) -> Iterator[tuple[int, int]]:
        most, needed, outputs = sums(self.target.registers), -(-self.channels // self.lanes), self.strides[1]
        least = min(self._least, needed, most // outputs)
        for vectors in range(least, min(WIDEST, needed) + 1):
            for places in range(1, max(1, min(LONGEST, self.places)) + 1):
                fits = vectors * places * outputs <= most and vectors * places * len(self.taps) <= MOST
                if fits or (vectors, places) == (least, 1):
                    yield vectors, places

    @property
    def _rows(self) -> float:
        """Rows of taps that an output row meets."""
        return prod(self.layer.kernel[:-1]) / (prod(self.layer.stride[:-1]) if self.layer.transposed else 1)

    @property
    def _least(self) -> int:
        """Vectors of a block: a cache line, where it is gone before the next block comes to it."""
        window = self._rows * self.layer.input_size[-1] * self.step
        return ALIGNMENT // self.target.vector_bytes if window > NEAR else 1

    def cost(self, vectors: int, places: int) -> float:
        """Estimated half cycles for a row of all channels: products or loads of its rows of taps, stores."""
        along, outputs = self.strides
        blocks, tiles = -(-self.channels // (vectors * self.lanes)), -(-self.places // places)
        met = len({tap.shift + along * place for tap in self.taps for place in range(places)})
        weights = vectors * len(self.taps)
        lines = -(-vectors * self.target.vector_bytes // ALIGNMENT)
        held = weights + vectors * (places * outputs + 1) <= self.target.registers
        loads = (VECTOR * vectors + LINE * lines) * met + WEIGHT * weights * (1 if held else SPILT)
        # few sums wait for one another
        waits = LATENCY * -(-len(self.taps) // outputs)
        tile = self._rows * (max(weights * places, loads, waits) + ROW) + STORE * vectors * places * outputs + TILE
        first, end = self.inner
        tested = min(tiles, (first > 0) + (end < self.places))
        return blocks * (tiles + TESTED * tested) * tile

    @property
    def width(self) -> int:
        """Channels of a block."""
        return self.tile[0] * self.lanes

    @property
    def blocks(self) -> int:
        return -(-self.channels // self.width)

    @property
    def tap_bytes(self) -> int:
        """Bytes of a block's weights for one tap of the axes before the last."""
        return len(self.taps) * self.width * self.item

    @property
    def _asks(self) -> tuple[bool, bool]:
        """Inputs where few CPUs foresee them, a vector being a cache line or rows between others not read; outputs."""
        inputs, outputs = (
            self.batch * prod(size) * self.step for size in (self.layer.input_size, self.layer.output_size)
        )
        skips = not self.layer.transposed and any(axis.stride > axis.span for axis in self.layer.axes[:-1])
        lines = self.target.vector_bytes == ALIGNMENT
        return inputs > NEXT and (skips or lines), outputs > LAST and lines

    @property
    def form(self) -> Form:
        """What its code depends on."""
        last = self.channels - (self.blocks - 1) * self.width
        widths = (self.width, last) if self.blocks > 1 and last < self.width else (last,)
        return Form(self.dtype, *self.tile, *self.strides, self.taps, widths, *self._asks, self.end)


def sums(registers: int) -> int:
    """Sums that registers hold beside inputs and weights."""
    return 20 if registers > FEW_REGISTERS else 8
