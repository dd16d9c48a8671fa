"""A network for inputs of one size, as it is sent to other processes: each has it once, with its weights packed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from math import isnan
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Reason, UnstrideError
from ..network import Graph, Operation, Stored, evaluate
from ..network.sizes import shapes
from .blocks import Blocks, digest
from .parts import Parts
from .tiles import Tile, Tiling
from .windows import Region

Array = NDArray[Any]

KEPT = 4
"""networks whose packed weights a process keeps"""


@dataclass(frozen=True, slots=True)
class Work:
    """What one task computes."""

    output: Region
    place: tuple[slice, ...]
    """of the output in what a function returns"""
    shapes: tuple[tuple[int, ...], ...]
    """of each input's window"""
    outer: tuple[tuple[tuple[slice, ...], ...], ...]
    """of each input, where its pieces belong"""


@dataclass(frozen=True, eq=False)
class Job:
    """A network on inputs of one size; every process has it once, with its weights packed."""

    token: str
    tiling: Tiling
    function: Callable[..., Any] | None = None
    parts: Parts = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", Parts(self.graph.channels_last))

    def __reduce__(self) -> tuple[Any, ...]:
        tiling = self.tiling
        return (known_job, (self.token, self.graph, dict(tiling.sizes), tiling.batch, tiling.dtype, self.function))

    @property
    def graph(self) -> Graph:
        """The network."""
        return self.tiling.graph

    @cached_property
    def blocks(self) -> Blocks:
        """What the function is fed."""
        return Blocks(self.tiling)

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """Element type of the output, that of an empty batch."""
        first = tuple(range(1) for _ in self.tiling.result.size)
        tile = Tile(0, (), range(0), first, self.tiling.regions(first))
        empty = {
            each.name: np.empty((0, each.channels, *map(len, tile.windows[each.name])), self.tiling.dtype)
            for each in self.graph.inputs
            if each.name in tile.windows
        }
        return self.parts.tile(self.tiling, tile, empty).dtype

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The inputs that are read, in order."""
        read = set(self.tiling.regions(tuple(range(1) for _ in self.tiling.result.size)))
        return tuple(each.name for each in self.graph.inputs if self.function or each.name in read)

    def window(self, axis: int, run: range) -> tuple[dict[str, range], slice]:
        """Along one axis the window of each input for a run of outputs, and where these lie in what is computed."""
        output = tuple(run if own == axis else range(1) for own in range(len(self.tiling.result.size)))
        if self.function is None:
            regions = self.tiling.regions(output)
            return {name: regions[name][axis] for name in self.names}, slice(None)
        block = self.blocks(output)
        return dict.fromkeys(self.names, block.window[axis]), block.place[axis]

    def region(self, work: Work, arrays: Sequence[Array]) -> Array:
        """A region of the output, from the windows of the inputs."""
        if self.function is not None:
            return self._answered(work, self.function(*arrays), len(arrays[0]))
        values = {
            each.name: evaluate.canonical(self.graph, array, each)
            for each, array in zip((each for each in self.graph.inputs if each.name in self.names), arrays, strict=True)
        }
        tile = Tile(0, (), range(len(arrays[0])), work.output, self.tiling.regions(work.output))
        return evaluate.ordered(self.graph, self.parts.tile(self.tiling, tile, values))

    def _answered(self, work: Work, answer: Any, batch: int) -> Array:
        """The region from what the function returned, which must have the right shape and type."""
        made = np.asarray(answer)
        last, place = self.graph.channels_last, work.place
        found = made[:, *place] if last else made[:, :, *place]
        size = tuple(map(len, work.output))
        channels = self.tiling.result.channels
        wanted = (batch, *size, channels) if last else (batch, channels, *size)
        if found.shape != wanted or found.dtype != self.dtype:
            rule = f"must return what the network does: here {wanted} of {self.dtype} at {place} of each axis"
            raise UnstrideError(Reason.SIZE, rule, argument="function", value=(made.shape, str(made.dtype)))
        return np.ascontiguousarray(found)

    def whole(self, arrays: Sequence[Any]) -> Any:
        """The whole output, at once."""
        given = [np.asarray(each) for each in arrays]
        return evaluate.run(self.graph, *given) if self.function is None else np.asarray(self.function(*given))


_jobs: OrderedDict[str, Job] = OrderedDict()
_lock = Lock()


def known_job(token: str, graph: Graph, sizes: Any, batch: int, dtype: str, function: Any) -> Job:
    """The job of this process that bears the token."""
    with _lock:
        if token not in _jobs:
            rank = len(shapes(graph, sizes)[graph.outputs[0]].size)
            _jobs[token] = Job(token, Tiling(graph, sizes, batch, (1,) * (rank + 1), dtype), function)
            if len(_jobs) > KEPT:
                _jobs.popitem(last=False)
        _jobs.move_to_end(token)
        return _jobs[token]


def planned(graph: Graph, given: Sequence[Any], function: Any) -> Job:
    """The job for inputs like these; UnstrideError where they do not fit the network."""
    last = graph.channels_last
    sizes = {}
    for each, array in zip(graph.inputs, given, strict=True):
        if len(array.shape) != len(each.size) + 2:
            rule = f"must have {len(each.size) + 2} dimensions: batch, channels and the spatial axes"
            raise UnstrideError(Reason.RANK, rule, argument=each.name, value=array.shape)
        if any(map(isnan, array.shape)):
            rule, hint = "has chunks of unknown sizes", "call compute_chunk_sizes() on it first"
            raise UnstrideError(Reason.SIZE, rule, argument=each.name, value=array.shape, hint=hint)
        if array.shape[-1 if last else 1] != each.channels:
            rule = f"has {each.channels} channels"
            raise UnstrideError(Reason.CHANNELS, rule, argument=each.name, value=array.shape)
        sizes[each.name] = tuple(map(int, array.shape[1:-1] if last else array.shape[2:]))
    batches = {int(array.shape[0]) for array in given}
    if len(batches) > 1:
        raise UnstrideError(Reason.SIZE, "inputs differ in their batch", argument=graph.name, value=sorted(batches))
    dtypes = {np.dtype(array.dtype).name for array in given}
    if len(dtypes) > 1:
        rule = "inputs differ in their element type"
        raise UnstrideError(Reason.DTYPE, rule, argument=graph.name, value=sorted(dtypes))
    batch, dtype = batches.pop(), dtypes.pop()
    return known_job(_token(graph, sizes, batch, dtype, function), graph, sizes, batch, dtype, function)


def _token(graph: Graph, sizes: Any, batch: int, dtype: str, function: Any) -> str:
    """The same for the same network, weights and sizes, in any process."""
    from dask.tokenize import tokenize

    state = function.state() if hasattr(function, "state") else function
    nodes = [(node.name, node.inputs, node.operation.kind, _told(node.operation)) for node in graph.nodes]
    inputs = [(each.name, each.channels) for each in graph.inputs]
    return str(tokenize(inputs, nodes, graph.outputs, graph.channels_last, sorted(sizes.items()), batch, dtype, state))


def _told(operation: Operation) -> list[str]:
    """All that an operation is, its weights by their values."""
    known: Any = operation
    values = (getattr(operation, each.name) for each in fields(known))
    return [digest(each.array) if isinstance(each, Stored) else repr(each) for each in values]
