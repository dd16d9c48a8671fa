"""A plan over output tiles: what each one needs of every input, exactly; written once, it equals the whole.

Tiles gather: an output tile names the window of each value before it, back to the inputs, by the operations' own
relations. No two are written to one place, nothing is blended or trimmed. Integers only; no array is touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, product
from math import prod
from typing import Any

import numpy as np

from ..engine.plan import TILE
from ..errors import Reason, UnstrideError
from ..geometry import Layer
from ..network import Convolution, Features, Graph, Node
from ..network.sizes import Sizes, shapes
from .windows import Region, Window, hull, windows

MEMORY = 2**29
"""bytes that tiles may take where nothing is said"""
LARGEST = 2**27
"""bytes of a tile beyond which a larger one saves next to nothing, and a kill loses more"""
PREPARED, PACKED = 4, 2**26
"""orders in which a layer's weights are kept packed, in all so many bytes"""
SHOWN = 4
"""tiles that are printed"""


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of the output, and what it needs."""

    number: int
    index: tuple[int, ...]
    """place in the grid: batch, then the spatial axes"""
    batch: range
    output: Region
    windows: Mapping[str, Region]
    """of every value that it needs, the inputs among them"""

    def place(self, channels_last: bool) -> tuple[slice, ...]:
        """Where the tile lies in the output array."""
        return placed(self.batch, self.output, channels_last)


def placed(batch: range, region: Region, channels_last: bool) -> tuple[slice, ...]:
    """The slices of a batch's region, all channels, in the order of an array's axes."""
    runs = [slice(run.start, run.stop) for run in region]
    return (
        (slice(batch.start, batch.stop), *runs, slice(None))
        if channels_last
        else (
            slice(batch.start, batch.stop),
            slice(None),
            *runs,
        )
    )


@dataclass(frozen=True)
class Tiling:
    """A network's output cut into a grid of tiles; a sequence of ``Tile``.

    Raises UnstrideError where the sizes do not fit the network, or an operation needs the whole of its input.
    """

    graph: Graph
    sizes: Sizes
    """spatial size of each input"""
    batch: int
    shape: tuple[int, ...]
    """of a tile: batch, then the spatial axes; tiles at the end may be smaller"""
    dtype: str = "float32"
    """element type of the values"""

    def __post_init__(self) -> None:
        if len(self.graph.outputs) != 1:
            rule = f"{self.graph.name} has {len(self.graph.outputs)} outputs; tiles are of one"
            raise UnstrideError(Reason.UNSUPPORTED, rule, argument="network", value=self.graph.outputs)
        if len(self.shape) != len(self.whole) or min(self.shape) < 1:
            rule = f"must be {len(self.whole)} positive integers: batch and spatial axes"
            raise UnstrideError(Reason.SIZE, rule, argument="tile", value=self.shape)

    @cached_property
    def features(self) -> Mapping[str, Features]:
        """Channels and size of every value."""
        return shapes(self.graph, self.sizes)

    @property
    def result(self) -> Features:
        """Channels and size of the output."""
        return self.features[self.graph.outputs[0]]

    @property
    def whole(self) -> tuple[int, ...]:
        """Batch and spatial size of the output."""
        return (self.batch, *self.result.size)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """In the source's own order of axes."""
        return self._ordered(self.result)

    def input_shape(self, name: str) -> tuple[int, ...]:
        """In the source's own order of axes."""
        return self._ordered(self.features[name])

    def _ordered(self, features: Features) -> tuple[int, ...]:
        if self.graph.channels_last:
            return (self.batch, *features.size, features.channels)
        return (self.batch, features.channels, *features.size)

    @cached_property
    def grid(self) -> tuple[int, ...]:
        """Tiles along the batch and each spatial axis."""
        return tuple(-(-length // own) for length, own in zip(self.whole, self.shape, strict=True))

    def cut_into(self, shape: tuple[int, ...]) -> Tiling:
        """The same output in tiles of another shape."""
        found = Tiling(self.graph, self.sizes, self.batch, shape, self.dtype)
        # what does not depend on the tiles
        for name in ("features", "nodes", "_windows", "_layers", "last_uses"):
            found.__dict__[name] = getattr(self, name)
        return found

    def __len__(self) -> int:
        return prod(self.grid)

    def __iter__(self) -> Iterator[Tile]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, number: int) -> Tile:
        if not 0 <= number < len(self):
            raise IndexError(number)
        index = tuple(int(each) for each in np.unravel_index(number, self.grid))
        runs = tuple(
            range(at * own, min(length, (at + 1) * own))
            for at, own, length in zip(index, self.shape, self.whole, strict=True)
        )
        return Tile(number, index, runs[0], runs[1:], self.regions(runs[1:]))

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes that the output needs, in order."""
        wanted, found = {self.graph.outputs[0]}, []
        for node in reversed(self.graph.nodes):
            if node.name in wanted:
                found.append(node)
                wanted |= set(node.inputs)
        return tuple(reversed(found))

    @cached_property
    def _windows(self) -> Mapping[str, tuple[Window, ...]]:
        """Of each node, how to tell the windows of its inputs along each axis."""
        return {node.name: self._windows_of(node) for node in self.nodes}

    @cached_property
    def _layers(self) -> Mapping[str, Layer]:
        """The convolutions, as wholes."""
        operations = ((node, node.operation) for node in self.nodes)
        return {
            node.name: operation.layer(self.given(node)[0])
            for node, operation in operations
            if isinstance(operation, Convolution)
        }

    def _windows_of(self, node: Node) -> tuple[Window, ...]:
        try:
            return windows(node.operation, self.given(node))
        except UnstrideError as error:
            raise error.located(f"at {node.name}") from None

    def given(self, node: Node) -> tuple[Features, ...]:
        """Features of a node's whole inputs."""
        return tuple(self.features[name] for name in node.inputs)

    def windows(self, node: Node, out: Region) -> tuple[Region, ...]:
        """The least region of each of a node's inputs that this region of its output needs."""
        runs = [window(run) for window, run in zip(self._windows[node.name], out, strict=True)]
        return tuple(zip(*runs, strict=True))

    def regions(self, output: Region) -> Mapping[str, Region]:
        """The least region of every value that this region of the output needs."""
        needed: dict[str, list[Region]] = {self.graph.outputs[0]: [output]}
        for node in reversed(self.nodes):
            for name, region in zip(node.inputs, self.windows(node, hull(needed[node.name])), strict=True):
                needed.setdefault(name, []).append(region)
        return {name: hull(regions) for name, regions in needed.items()}

    @cached_property
    def bytes(self) -> int:
        """The most bytes that a tile takes: its values as long as they are needed, and the engine's workspace."""
        ends = [sorted({0, count // 2, count - 1}) for count in self.grid]
        return max(self.tile_bytes(self._at(index)) for index in product(*ends))

    @cached_property
    def inner(self) -> Tile:
        """A tile in the middle."""
        return self._at(tuple(count // 2 for count in self.grid))

    def _at(self, index: tuple[int, ...]) -> Tile:
        return self[int(np.ravel_multi_index(index, self.grid))]

    def tile_bytes(self, tile: Tile) -> int:
        """The bytes that a tile takes: its values as long as they are needed, and the engine's workspace."""
        size = {name: self._value_bytes(name, tile) for name in tile.windows}
        live = sum(size[given.name] for given in self.graph.inputs if given.name in size)
        most, last = 2 * live, self.last_uses
        for position, node in enumerate(self.nodes):
            live += size[node.name]
            most = max(most, live + self._workspace(node, tile))
            live -= sum(size[name] for name in last[position])
        return most + size[self.graph.outputs[0]]  # once more, in the order in which it is stored

    @cached_property
    def last_uses(self) -> tuple[tuple[str, ...], ...]:
        """For each node the values that nothing after it needs."""
        uses: dict[str, int] = {}
        for position, node in enumerate(self.nodes):
            uses |= dict.fromkeys(node.inputs, position)
        found: list[list[str]] = [[] for _ in self.nodes]
        for name, position in uses.items():
            found[position].append(name)
        return tuple(map(tuple, found))

    def _value_bytes(self, name: str, tile: Tile) -> int:
        elements = len(tile.batch) * self.features[name].channels * prod(map(len, tile.windows[name]))
        return elements * np.dtype(self.dtype).itemsize

    def _workspace(self, node: Node, tile: Tile) -> int:
        """What a node takes besides its input and output."""
        given = sum(self._value_bytes(name, tile) for name in node.inputs)
        if not isinstance(node.operation, Convolution):
            return 2 * given + self._value_bytes(node.name, tile)
        out = tile.windows[node.name]
        layer = part_of(self._layers[node.name], self.windows(node, out)[0], out)
        positions = len(tile.batch) * prod(layer.output_size) * prod(layer.kernel)
        gathered = min(3 * TILE, 3 * positions * max(layer.in_channels, layer.out_channels))
        return given + self._value_bytes(node.name, tile) + gathered * np.dtype(self.dtype).itemsize

    @cached_property
    def weight_bytes(self) -> int:
        """Bytes of all weights, as they are given, in one order, and packed in some."""
        sizes = (
            array.count * np.dtype(self.dtype).itemsize
            for node in self.nodes
            for array in node.operation.weights.values()
        )
        return sum((2 + kept(size)) * size for size in sizes)

    @cached_property
    def read_share(self) -> float:
        """How many times the inputs are read, all tiles together."""
        given = [each.name for each in self.graph.inputs]
        whole = sum(prod(self.features[name].size) * self.features[name].channels for name in given)
        # windows are boxes, and every axis is cut on its own: the sums over tiles are products over axes
        read = 0
        for name in given:
            lengths = [self._read_along(name, axis) for axis in range(len(self.result.size))]
            read += prod(lengths) * self.features[name].channels
        return read / whole

    def _read_along(self, name: str, axis: int) -> int:
        """Indices of an input that the tiles along an axis read, together."""
        middle = tuple(range(length // 2, length // 2 + 1) for length in self.result.size)
        own, length = self.shape[axis + 1], self.result.size[axis]
        runs = (range(start, min(length, start + own)) for start in range(0, length, own))
        found = (self.regions((*middle[:axis], run, *middle[axis + 1 :])) for run in runs)
        return sum(len(regions[name][axis]) for regions in found if name in regions)

    def facts(self, tile: Tile) -> dict[str, Any]:
        """What there is to tell of a tile: slices, missing edges, phases, bytes."""
        inputs = {given.name: tile.windows[given.name] for given in self.graph.inputs if given.name in tile.windows}
        sizes = {name: self.features[name].size for name in inputs}
        return {
            "tile": list(tile.index),
            "batch": [tile.batch.start, tile.batch.stop],
            "output": _pairs(tile.output),
            "inputs": {name: _pairs(region) for name, region in inputs.items()},
            "missing_edges": {
                name: [[run.start > 0, run.stop < length] for run, length in zip(region, sizes[name], strict=True)]
                for name, region in inputs.items()
            },
            "phase": self.phase(tile),
            "bytes": self.tile_bytes(tile),
        }

    def phase(self, tile: Tile) -> list[int] | None:
        """Remainders of the first output modulo the strides, where the last operation is a transposed convolution."""
        node = self.nodes[-1] if self.nodes else None
        if node is None or not isinstance(node.operation, Convolution):
            return None
        layer = node.operation.layer(self.given(node)[0])
        starts = zip(layer.axes, tile.windows[node.name], strict=True)
        return [(axis.before + run.start) % axis.stride for axis, run in starts] if layer.transposed else None

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def _pairs(region: Region) -> list[list[int]]:
    return [[run.start, run.stop] for run in region]


def _lines(found: Tiling) -> Iterator[str]:
    yield f"output {found.output_shape}, {found.dtype}: {len(found):,} tiles of {found.shape}, grid {found.grid}"
    for given in found.graph.inputs:
        yield f"input {found.input_shape(given.name)}, read {found.read_share:.2f} times in all"
    yield f"{found.bytes:,} bytes a tile, {found.weight_bytes:,} for weights"
    for tile in islice(found, SHOWN):
        windows = (tile.windows[given.name] for given in found.graph.inputs if given.name in tile.windows)
        yield f"  {_spelled(tile.output)} <- {', '.join(map(_spelled, windows))}"
    if len(found) > SHOWN:
        yield f"  … {len(found) - SHOWN:,} more"


def _spelled(region: Region) -> str:
    return "[" + ", ".join(f"{run.start}:{run.stop}" for run in region) + "]"


def kept(size: int) -> int:
    """In how many orders weights of so many bytes are kept packed."""
    return max(1, min(PREPARED, PACKED // max(1, size)))


def part_of(whole: Layer, window: Region, out: Region) -> Layer:
    """The layer that computes a region of a convolution's output from a window of its input."""
    runs = zip(whole.axes, window, out, strict=True)
    axes = tuple(axis.part(own, made) if whole.transposed else axis.part(made, own) for axis, own, made in runs)
    return replace(whole, axes=axes)


def cut(
    graph: Graph,
    sizes: Sizes,
    *,
    batch: int = 1,
    dtype: str = "float32",
    tile: tuple[int, ...] | None = None,
    memory: int | None = None,
    align: tuple[int, ...] | None = None,
    workers: int = 1,
) -> Tiling:
    """The tiling of a network, tiles as large as the memory allows ``workers`` of them at once.

    ``tile`` fixes their shape: batch, then the spatial axes of the output. ``align`` is what tiles are whole multiples
    of: the chunks of the store that they are written to. Raises UnstrideError where the least tile does not fit.
    """
    unit = align or (1,) * (len(shapes(graph, sizes)[graph.outputs[0]].size) + 1)
    if tile is not None:
        found = Tiling(graph, sizes, batch, tile, dtype)
        if any(own % one and own < length for own, one, length in zip(tile, unit, found.whole, strict=True)):
            rule = f"must be whole chunks of the output, {unit}, so that no chunk is written twice"
            raise UnstrideError(Reason.SIZE, rule, argument="tile", value=tile)
        return found
    found = Tiling(graph, sizes, batch, unit, dtype)
    limit = MEMORY if memory is None else memory
    room = (limit - found.weight_bytes) // workers
    if found.bytes > room:
        least = found.bytes * workers + found.weight_bytes
        rule = f"a tile of {unit} takes {found.bytes:,} bytes; {workers} at once, with the weights, {least:,}"
        hint = "allow more memory, fewer workers, or store the output in smaller chunks"
        raise UnstrideError(Reason.TOO_LARGE, rule, argument="memory", value=limit, hint=hint)
    return _grown(found, unit, min(room, LARGEST))


def _grown(found: Tiling, unit: tuple[int, ...], room: int) -> Tiling:
    """The tiling with tiles doubled along one axis after the other, each time where that saves most reading."""
    fitting = found
    while True:
        larger = [found.cut_into(shape) for shape in _doubled(found.shape, unit, found.whole)]
        larger = [each for each in larger if each.tile_bytes(each.inner) <= room]
        if not larger:
            return fitting
        found = min(larger, key=_margin)
        if found.bytes <= room:
            fitting = found


def _margin(tiling: Tiling) -> float:
    """Elements of the inputs that an inner tile reads, for each that it writes."""
    tile = tiling.inner
    inputs = [given.name for given in tiling.graph.inputs if given.name in tile.windows]
    read = sum(prod(map(len, tile.windows[name])) * tiling.features[name].channels for name in inputs)
    return read / prod(map(len, tile.output))


def _doubled(shape: tuple[int, ...], unit: tuple[int, ...], whole: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for axis in reversed(range(len(shape))):
        own, one, length = shape[axis], unit[axis], whole[axis]
        if own < length:
            most = -(-length // one) * one
            yield (*shape[:axis], min(2 * own, most), *shape[axis + 1 :])
