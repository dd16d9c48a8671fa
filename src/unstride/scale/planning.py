"""The plan from stored arrays to a stored array: axes, types, chunks and tiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from ..engine.threads import num_threads
from ..errors import Reason, UnstrideError
from ..network import Graph
from .arrays import Memory, buffer
from .axes import Axes, axes_of, sizes_of
from .opening import chunk_shape, chunks_of, existing, open_input
from .parts import Parts
from .tiles import MEMORY, Tiling, cut

EACH = 4
"""tiles for each worker, where they are not small: then all are busy nearly to the end"""
SMALL = 2**24
"""bytes of a tile that is small"""
CHUNK, LEAST = 2**21, 2**14
"""bytes of an output's chunk where nothing is said: at most, at least"""
SHARE = 32
"""and no larger a share of the memory than one of so many"""


@dataclass(frozen=True)
class Wish:
    """What the caller says about tiles and chunks."""

    memory: int | None = None
    workers: int | None = None
    tile: tuple[int, ...] | None = None
    chunks: tuple[int, ...] | None = None
    shards: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Plan:
    """What is read and written, in which tiles; nothing is written yet."""

    tiling: Tiling
    inputs: Mapping[str, Memory]
    given: Mapping[str, Axes]
    """axes of the inputs"""
    made: Axes
    """axes of the output"""
    shape: tuple[int, ...]
    """of the output, as it is stored"""
    dtype: str
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None
    workers: int
    """tiles computed at once; one more is read or written meanwhile"""
    buffer: int
    """bytes for chunks in hand, of one thread"""
    limit: int
    """bytes that are allowed"""

    @property
    def bytes(self) -> int:
        """The most bytes that the arrays take."""
        return self.tiling.weight_bytes + (self.workers + 1) * (self.tiling.bytes + self.buffer)

    @property
    def spare(self) -> int:
        """Bytes of what was read that each input may keep: its share of those that are left."""
        return max(0, self.limit - self.bytes) // len(self.inputs)

    def as_json(self) -> dict[str, Any]:
        """The plan as JSON's values, without its tiles."""
        output = {"shape": self.shape, "dtype": self.dtype, "chunks": self.chunks, "shards": self.shards}
        inputs = {name: {"shape": each.shape, "dtype": str(each.dtype)} for name, each in self.inputs.items()}
        tiles = {"tiles": len(self.tiling), "tile": self.tiling.shape, "grid": self.tiling.grid}
        cost = {"read_share": self.tiling.read_share, "bytes": self.bytes, "workers": self.workers}
        return {"inputs": inputs, "output": output, **tiles, **cost}

    def __str__(self) -> str:
        stored = f"stored as {self.shape} in {'shards' if self.shards else 'chunks'} of {self.shards or self.chunks}"
        return f"{self.tiling}\n{stored}\n{self.bytes:,} bytes in all, {self.workers} tiles at once and one ahead"


def open_inputs(graph: Graph, input: Any) -> dict[str, Memory]:
    """The inputs by the network's names; UnstrideError where one is missing or cannot be read."""
    names = [given.name for given in graph.inputs]
    found = dict(input) if isinstance(input, Mapping) else dict.fromkeys(names[:1], input)
    if set(found) != set(names):
        rule = f"one array for each input of {graph.name} is needed: {', '.join(names)}"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="input", value=sorted(map(str, found)))
    return {name: open_input(found[name]) for name in names}


def planned(graph: Graph, opened: Mapping[str, Memory], output: Any, wish: Wish) -> Plan:
    """The plan that fits what the caller says; UnstrideError where none does."""
    for name, each in opened.items():
        if each.dtype.kind not in "iufc":
            rule = "must hold integers, floating-point or complex numbers"
            raise UnstrideError(Reason.DTYPE, rule, argument=f"{name}.dtype", value=str(each.dtype))
    given = {each.name: axes_of(graph, each, opened[each.name].shape) for each in graph.inputs}
    single = _single(graph, given, opened)
    dtype = _result_type(single, {name: each.dtype for name, each in opened.items()})
    widest = str(max((dtype, *(each.dtype for each in opened.values())), key=lambda each: each.itemsize))
    first = next(iter(given.values()))
    made = Axes(first.batch, first.channels or single.result.channels > 1, graph.channels_last)
    shape = made.shape(single.output_shape)
    found = None if output is None else existing(output)
    if found is not None:
        shards = wish.shards or (tuple(found.shards) if found.shards else None)
        wish = replace(wish, chunks=wish.chunks or tuple(found.chunks), shards=shards)
    limit = MEMORY if wish.memory is None else wish.memory
    most = min(CHUNK, max(limit // SHARE, LEAST))
    while True:
        own = wish.chunks or _chunks(single, made, dtype.itemsize, wish.tile, most)
        _check_chunks(shape, own, wish.shards)
        buffers = [each.buffer for each in opened.values()] + [buffer(shape, wish.shards or own, dtype)]
        try:
            tiling, workers = _cut(single, widest, made.unit(wish.shards or own), wish, max(buffers))
        except UnstrideError as error:
            if error.argument != "memory" or wish.chunks or most < LEAST:
                raise
            most //= 2
        else:
            return Plan(tiling, opened, given, made, shape, str(dtype), own, wish.shards, workers, max(buffers), limit)


def _single(graph: Graph, given: Mapping[str, Axes], opened: Mapping[str, Memory]) -> Tiling:
    """The tiling into single elements."""
    sizes = {name: sizes_of(axes, opened[name].shape) for name, axes in given.items()}
    batches = {batch for batch, _ in sizes.values()}
    if len(batches) > 1:
        raise UnstrideError(Reason.SIZE, "the inputs differ in their batch", argument="input", value=sorted(batches))
    spatial = {name: size for name, (_, size) in sizes.items()}
    return Tiling(graph, spatial, batches.pop(), (1,) * (graph.rank + 1))


def _chunks(single: Tiling, made: Axes, itemsize: int, tile: tuple[int, ...] | None, most: int) -> tuple[int, ...]:
    """The chunks of an output about which nothing is said."""
    shape = made.shape(single.output_shape)
    if tile is None:
        return chunk_shape(shape, itemsize, made.numbers(len(shape)), most)
    whole = Tiling(single.graph, single.sizes, single.batch, tile)
    runs = tuple(map(range, map(min, whole.shape, whole.whole)))
    return chunks_of(tuple(own.stop for own in made.place(runs[0], runs[1:], shape)), itemsize, most)


def _check_chunks(shape: tuple[int, ...], chunks: tuple[int, ...], shards: tuple[int, ...] | None) -> None:
    for name, own in (("chunks", chunks), ("shards", shards)):
        if own is not None and (len(own) != len(shape) or min(own) < 1):
            rule = f"must be {len(shape)} positive integers, one for each axis of the output {shape}"
            raise UnstrideError(Reason.SIZE, rule, argument=name, value=own)
    if shards is not None and any(large % small for large, small in zip(shards, chunks, strict=True)):
        rule = f"must be whole multiples of the chunks, {chunks}"
        raise UnstrideError(Reason.SIZE, rule, argument="shards", value=shards)


def _result_type(single: Tiling, dtypes: Mapping[str, Any]) -> np.dtype[Any]:
    """The type of the output: that of an empty batch."""
    tile = single[0]
    values = {
        given.name: np.zeros((0, given.channels, *map(len, tile.windows[given.name])), dtypes[given.name])
        for given in single.graph.inputs
        if given.name in tile.windows
    }
    with np.errstate(all="ignore"):
        return Parts(single.graph.channels_last).tile(single, tile, values).dtype


def _cut(single: Tiling, dtype: str, unit: tuple[int, ...], wish: Wish, buffer: int) -> tuple[Tiling, int]:
    """The tiling, and how many tiles are computed at once: as many as there are threads, or as fit."""
    limit = MEMORY if wish.memory is None else wish.memory
    most = num_threads() if wish.workers is None else wish.workers
    if most < 1:
        raise UnstrideError(Reason.ARGUMENT, "must be at least 1", argument="workers", value=wish.workers)
    least = 1 if wish.workers is None else most
    for workers in range(most, least - 1, -1):
        try:
            return _cut_for(single, dtype, unit, wish, (limit, buffer, workers)), workers
        except UnstrideError as error:
            if error.argument != "memory":
                raise
            refusal, more = error, (workers + 1) * buffer
    rule = f"{refusal.rule}; chunks that are read and written take {more:,} more"
    raise UnstrideError(refusal.reason, rule, argument="memory", value=limit, hint=refusal.hint)


def _cut_for(single: Tiling, dtype: str, unit: tuple[int, ...], wish: Wish, bounds: tuple[int, int, int]) -> Tiling:
    limit, buffer, workers = bounds
    room = max(0, limit - (workers + 1) * buffer)

    def tiled(memory: int) -> Tiling:
        asked = {"batch": single.batch, "dtype": dtype, "tile": wish.tile, "memory": memory, "align": unit}
        return cut(single.graph, single.sizes, workers=workers + 1, **cast("Any", asked))

    found = tiled(room)
    if wish.tile is not None:
        if wish.memory is not None and found.weight_bytes + (workers + 1) * found.bytes > room:
            rule = f"a tile of {wish.tile} takes {found.bytes:,} bytes, and {workers + 1} are held at once"
            raise UnstrideError(Reason.TOO_LARGE, rule, argument="memory", value=limit, hint="allow more memory")
        return found
    while len(found) < EACH * workers and found.bytes > SMALL:
        try:
            found = tiled(found.weight_bytes + (workers + 1) * (found.bytes // 2))
        except UnstrideError:  # the least tile is larger
            break
    return found
