"""Which axes an array in a file has: the network's own, or fewer where what is missing is clear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Reason, UnstrideError
from ..network import Graph, Input
from .tiles import placed
from .windows import Region

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Axes:
    """The axes of a stored array."""

    batch: bool
    """whether it has a batch axis, the first"""
    channels: bool
    """whether it has an axis of channels, where the network has its own"""
    last: bool
    """whether that is the last one"""

    def shape(self, whole: tuple[int, ...]) -> tuple[int, ...]:
        """What is stored of an array's shape in the network's own order."""
        return tuple(length for axis, length in enumerate(whole) if axis not in self._missing(len(whole)))

    def place(self, batch: range, region: Region, shape: tuple[int, ...]) -> tuple[slice, ...]:
        """Where a batch's region lies in an array stored with this shape, all channels."""
        own = placed(batch, region, self.last)
        held = (each for axis, each in enumerate(own) if axis not in self._missing(len(own)))
        return tuple(slice(*each.indices(length)[:2]) for each, length in zip(held, shape, strict=True))

    def canonical(self, stored: Array) -> Array:
        """What is stored, as ``(batch, channels, *size)``."""
        rank = stored.ndim + 2 - self.batch - self.channels
        own = np.expand_dims(stored, self._missing(rank))
        return np.moveaxis(own, -1, 1) if self.last else own

    def stored(self, canonical: Array) -> Array:
        """What is stored of an array ``(batch, channels, *size)``, one piece of memory."""
        own = np.moveaxis(canonical, 1, -1) if self.last else canonical
        return np.ascontiguousarray(own.reshape(self.shape(own.shape)))

    def numbers(self, ndim: int) -> tuple[int | None, int | None]:
        """The numbers of the axes of batch and channels in a stored array."""
        at = ndim - 1 if self.last else int(self.batch)
        return (0 if self.batch else None), (at if self.channels else None)

    def unit(self, chunks: tuple[int, ...]) -> tuple[int, ...]:
        """Of the chunks of a stored array: the batch, then the spatial axes."""
        spatial = [length for axis, length in enumerate(chunks) if axis not in self.numbers(len(chunks))]
        return (chunks[0] if self.batch else 1, *spatial)

    def _missing(self, ndim: int) -> tuple[int, ...]:
        at = ndim - 1 if self.last else 1
        return (*(() if self.batch else (0,)), *(() if self.channels else (at,)))


def axes_of(graph: Graph, given: Input, shape: tuple[int, ...]) -> Axes:
    """The axes of an input: all of the network's, or without batch, channels or both.

    The batch may be missing; the channels may be where the network takes one. An array that lacks one of the two lacks
    the batch, if it has the network's channels where these belong. Raises UnstrideError for anything else.
    """
    rank, last, fewer = len(given.size), graph.channels_last, len(given.size) + 2 - len(shape)
    if 0 in shape:
        raise UnstrideError(Reason.SIZE, "has no elements", argument=given.name, value=shape)
    at = -1 if last else 0
    if fewer == 0:
        found = Axes(batch=True, channels=True, last=last)
    elif fewer == 1 and shape[at] == given.channels:
        found = Axes(batch=False, channels=True, last=last)
    elif fewer in (1, 2) and given.channels == 1:
        found = Axes(batch=fewer == 1, channels=False, last=last)
    else:
        order = "batch, spatial axes, channels" if last else "batch, channels, spatial axes"
        rule = f"must have {rank + 2} axes ({order}), or {rank + 1} without the batch, and {given.channels} channels"
        reason = Reason.CHANNELS if fewer == 1 else Reason.RANK
        raise UnstrideError(reason, rule, argument=given.name, value=shape)
    if found.channels and shape[found.numbers(len(shape))[1] or 0] != given.channels:
        rule = f"has {given.channels} channels, {'last' if last else 'before the spatial axes'}"
        raise UnstrideError(Reason.CHANNELS, rule, argument=given.name, value=shape)
    return found


def sizes_of(axes: Axes, shape: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """Batch and spatial size of a stored array."""
    rest = [length for axis, length in enumerate(shape) if axis not in axes.numbers(len(shape))]
    return (shape[0] if axes.batch else 1), tuple(rest)
