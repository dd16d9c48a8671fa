"""Dask arrays, and labelled ones of xarray: one task for each chunk of the output, fed with its exact window.

Tasks gather what they need of the input's chunks, whatever these are; nothing is overlapped, trimmed or written twice.
Every process keeps a network's weights packed, so that a task brings none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from itertools import accumulate, pairwise, product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import Reason, UnstrideError
from .blocks import function as as_function
from .blocks import steps
from .jobs import Job, Work, planned
from .source import Source, network
from .tiles import Tiling
from .windows import Region

Array = NDArray[Any]
Chunks = tuple[tuple[int, ...], ...]


def conv_transpose(
    x: Any, layer: Source, kernel: ArrayLike | None = None, bias: ArrayLike | None = None, *, chunks: Any = None
) -> Any:
    """A transposed convolution, or a convolution, of a Dask array; nothing is computed yet.

    ``layer`` is a spec with its ``kernel`` and ``bias``, or a live layer; the array is in its own layout, in chunks of
    any kind, and may be an ``xarray.DataArray``. ``chunks`` are the output's; by default they follow the input's. The
    bits are those of ``unstride.run``. Raises UnstrideError for what does not fit.

    >>> import dask.array as da, numpy as np, unstride
    >>> spec = unstride.parse("torch.nn.ConvTranspose1d(1, 1, 3, stride=2, bias=False)")
    >>> y = conv_transpose(da.ones((1, 1, 6), chunks=(1, 1, 2)), spec, np.array([[[1.0, 2.0, 1.0]]]))
    >>> y.chunks[2], y.compute(scheduler="synchronous").ravel().tolist()
    ((4, 4, 5), [1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0])
    """
    return apply(network(layer, kernel, bias), x, chunks=chunks)


def apply(source: Source, array: Any, *, function: Any = None, chunks: Any = None) -> Any:
    """A network applied to a Dask array, or to a sequence of them, one for each input; nothing is computed yet.

    ``source`` is a live model, a model's file or a ``Graph``. By default the engine computes it, to the bits of the
    whole; with ``function``, a torch module, a Keras model or any function of NumPy arrays that ``source`` describes,
    that does, block by block. Arrays of NumPy and ``xarray.DataArray`` are taken as well. Raises UnstrideError where
    sizes do not fit, and for networks that need all of their input for an output.
    """
    given = list(array) if isinstance(array, list | tuple) else [array]
    shapes = [(1, *each.shape[1:]) for each in given]
    graph = network(source, inputs=shapes)
    if len(given) != len(graph.inputs):
        rule = f"takes {len(graph.inputs)} arrays"
        raise UnstrideError(Reason.ARGUMENT, rule, argument=graph.name, value=len(given))
    job = planned(graph, given, None if function is None else as_function(function))
    labels = _is_labelled(given[0])
    bare = [each.data if _is_labelled(each) else each for each in given]
    made = _lazy(job, bare, chunks) if any(map(_is_lazy, bare)) else job.whole(bare)
    if not labels:
        return made
    from .coordinates import labelled

    return labelled(given[0], made, job.tiling)


def _is_labelled(array: Any) -> bool:
    return any(cls.__module__.startswith("xarray.") and cls.__name__ == "DataArray" for cls in type(array).__mro__)


def _is_lazy(array: Any) -> bool:
    return any(cls.__module__.startswith("dask.array") for cls in type(array).__mro__)


@dataclass(frozen=True, slots=True)
class Piece:
    """What one chunk of an input gives to a window."""

    index: tuple[int, ...]
    inner: tuple[slice, ...]
    """its place in the chunk"""
    outer: tuple[slice, ...]
    """its place in the window"""
    all: tuple[bool, ...]
    """along each axis, whether it is all of the chunk"""


def compute(job: Job, work: Work, pieces: list[list[Array]]) -> Array:
    """One chunk of the output."""
    arrays = (_joined(*each) for each in zip(work.shapes, work.outer, pieces, strict=True))
    return job.region(work, list(arrays))


def _joined(shape: tuple[int, ...], outer: tuple[tuple[slice, ...], ...], pieces: list[Array]) -> Array:
    if len(pieces) == 1:
        return np.asarray(pieces[0])
    made = np.empty(shape, np.asarray(pieces[0]).dtype)
    for place, piece in zip(outer, pieces, strict=True):
        made[place] = piece
    return made


def _part(chunk: Array, inner: tuple[slice, ...]) -> Array:
    """A copy, so that the chunk can be let go."""
    return np.array(np.asarray(chunk)[inner])


def _same(job: Job) -> Job:
    return job


def _lazy(job: Job, given: list[Any], chunks: Any) -> Any:
    """The output as a Dask array."""
    from dask.highlevelgraph import HighLevelGraph
    from dask.tokenize import tokenize

    da: Any = import_module("dask.array")
    if getattr(da, "ARRAY_EXPR_ENABLED", False):
        rule, hint = "Dask's arrays of expressions are not supported", "leave array.query-planning off"
        raise UnstrideError(Reason.UNSUPPORTED, rule, argument="array", value=type(given[0]).__name__, hint=hint)
    arrays = [each if _is_lazy(each) else da.from_array(each) for each in given]
    tiling, dtype = job.tiling, job.dtype
    channels = _channels(tiling)
    wanted = _scaled(tiling, arrays[0].chunks) if chunks is None else chunks
    asked: Chunks = da.core.normalize_chunks(wanted, shape=tiling.output_shape, dtype=dtype)
    if not prod(tiling.output_shape):
        return da.zeros(tiling.output_shape, dtype=dtype, chunks=asked)
    cut = tuple((sum(own),) if axis == channels else own for axis, own in enumerate(asked))
    name = f"unstride-{tokenize(job.token, [each.name for each in arrays], cut)}"
    tasks = dict(_tasks(job, name, arrays, cut, channels))
    graph = HighLevelGraph.from_collections(name, tasks, dependencies=arrays)
    made = da.Array(graph, name, cut, meta=np.empty((0,) * len(cut), dtype))
    return made if cut == asked else made.rechunk(asked)


def _scaled(tiling: Tiling, chunks: Chunks) -> Chunks:
    """The input's chunks, as the output's share: multiples of the stride, where these are regular."""
    batch, *spatial = (own for axis, own in enumerate(chunks) if axis != _channels(tiling))
    found = [batch]
    for own, length, step in zip(spatial, tiling.result.size, steps(tiling)[tiling.graph.outputs[0]], strict=True):
        ends = sorted({0, length, *(min(length, int(end / step)) for end in accumulate(own[:-1]))})
        found.append(tuple(stop - start for start, stop in pairwise(ends)))
    found.insert(_channels(tiling), (tiling.result.channels,))
    return tuple(found)


def _channels(tiling: Tiling) -> int:
    """The axis of the channels."""
    return len(tiling.output_shape) - 1 if tiling.graph.channels_last else 1


def _tasks(job: Job, name: str, arrays: list[Any], cut: Chunks, channels: int) -> Iterator[tuple[Any, Any]]:
    """The graph: the job, the parts of chunks that are needed, and a task for each chunk of the output."""
    held = f"{name}-network"
    yield held, (_same, job)
    runs = [list(_runs(own)) for own in cut]
    spatial = [axis for axis in range(1, len(cut)) if axis != channels]
    windows = [{run: job.window(number, run) for run in runs[axis]} for number, axis in enumerate(spatial)]
    read = [(each.name, array) for each, array in zip(job.graph.inputs, arrays, strict=True) if each.name in job.names]
    covers = [
        _Covers(array, channels, spatial, [{run: found[0][one] for run, found in own.items()} for own in windows])
        for one, array in read
    ]
    for index in product(*(range(len(own)) for own in cut)):
        batch = runs[0][index[0]]
        output = tuple(runs[axis][index[axis]] for axis in spatial)
        place = tuple(own[run][1] for own, run in zip(windows, output, strict=True))
        found = [each.pieces(batch, output) for each in covers]
        keys = []
        for (_, array), (_, pieces) in zip(read, found, strict=True):
            keys.append([_key(name, array.name, piece) for piece in pieces])
            for key, piece in zip(keys[-1], pieces, strict=True):
                if not all(piece.all):
                    yield key, (_part, (array.name, *piece.index), piece.inner)
        outer = tuple(tuple(piece.outer for piece in pieces) for _, pieces in found)
        work = Work(output, place, tuple(shape for shape, _ in found), outer)
        yield (name, *index), (compute, held, work, keys)


def _key(name: str, array: str, piece: Piece) -> tuple[Any, ...]:
    """Of a chunk, or of a part of one, which all tasks that need it share."""
    if all(piece.all):
        return (array, *piece.index)
    return (f"{name}-part-{array}", *piece.index, *((own.start, own.stop) for own in piece.inner))


def _runs(own: tuple[int, ...]) -> Iterator[range]:
    for start, stop in pairwise((0, *accumulate(own))):
        yield range(start, stop)


@dataclass(frozen=True, slots=True)
class _Covers:
    """The chunks of one input that windows need."""

    array: Any
    channels: int
    spatial: list[int]
    windows: list[dict[range, range]]
    """along each spatial axis, by the run of the output"""

    def pieces(self, batch: range, output: Region) -> tuple[tuple[int, ...], list[Piece]]:
        """The window's shape, and the pieces that it is put together from."""
        runs = {0: batch, self.channels: range(self.array.shape[self.channels])}
        runs |= {axis: own[run] for axis, own, run in zip(self.spatial, self.windows, output, strict=True)}
        axes = range(self.array.ndim)
        covered = (_covered(self.array.chunks[axis], runs[axis]) for axis in axes)
        found = [Piece(*zip(*each, strict=True)) for each in product(*covered)]
        return tuple(len(runs[axis]) for axis in axes), found


@lru_cache(maxsize=4096)
def _covered(own: tuple[int, ...], run: range) -> list[tuple[int, slice, slice, bool]]:
    """The chunks along one axis that a run meets: number, place in the chunk, place in the run, whether all of it."""
    found = []
    for number, chunk in enumerate(_runs(own)):
        start, stop = max(run.start, chunk.start), min(run.stop, chunk.stop)
        if start < stop:
            inner = slice(start - chunk.start, stop - chunk.start)
            outer = slice(start - run.start, stop - run.start)
            found.append((number, inner, outer, stop - start == len(chunk)))
    return found
