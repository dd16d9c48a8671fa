"""The tiles of a job, one after the other: read, compute, write; while one is computed, another is read or written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Event
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..computation import as_array
from ..engine.threads import num_threads, sharing
from ..errors import UnstrideError
from .arrays import Memory, Written, changed
from .axes import Axes
from .journal import Alone
from .parts import Parts
from .tiles import Tile, Tiling

Array = NDArray[Any]
Progress: TypeAlias = Callable[[int, int], object]
"""called with the tiles that are finished, and their number"""
LOOK = 0.25
"""seconds between reports of progress"""


@dataclass(frozen=True)
class Route:
    """Where a job reads and writes."""

    inputs: Mapping[str, Memory]
    given: Mapping[str, Axes]
    """axes of the inputs"""
    output: Written
    made: Axes
    """axes of the output"""

    def read(self, tile: Tile) -> dict[str, Array]:
        """The windows of the inputs, ``(batch, channels, *size)``."""
        return {
            name: self.given[name].canonical(as_array(self.inputs[name].read(place), name))
            for name, place in self._windows(tile)
        }

    def trace(self, tile: Tile) -> str:
        """What tells whether the tile's inputs are those that were read."""
        return " ".join(self.inputs[name].trace(place) for name, place in self._windows(tile))

    def _windows(self, tile: Tile) -> Iterator[tuple[str, tuple[slice, ...]]]:
        names = (name for name in self.inputs if name in tile.windows)
        return (
            (name, self.given[name].place(tile.batch, tile.windows[name], self.inputs[name].shape)) for name in names
        )

    def place(self, tile: Tile) -> tuple[slice, ...]:
        """Where the tile lies in the output."""
        return self.made.place(tile.batch, tile.output, self.output.shape)


@dataclass(eq=False)
class Runner:
    """Does what nobody else does of a job."""

    tiling: Tiling
    route: Route
    journal: Alone
    workers: int
    """tiles computed at once; one more is read or written meanwhile"""
    computed: int = 0
    _stop: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self._parts = Parts(self.tiling.graph.channels_last)
        self._turn = BoundedSemaphore(self.workers)

    def run(self, progress: Progress | None = None) -> None:
        """Compute every tile that is left, and wait for those of others; the first error ends it."""
        total = len(self.tiling)
        with ThreadPoolExecutor(self.workers + 1, "unstride-tiles") as pool:
            try:
                self._verify(pool)
                futures = [pool.submit(self._work) for _ in range(self.workers + 1)]
                going = set(futures)
                while going:
                    ended, going = wait(going, LOOK if progress else None, FIRST_EXCEPTION)
                    self.computed += sum(each.result() for each in ended)
                    if progress:
                        progress(self.journal.done, total)
            except BaseException:
                self._stop.set()
                raise

    def _verify(self, pool: ThreadPoolExecutor) -> None:
        """What was finished before is read again; what is not as it was written is computed anew."""
        finished = self.journal.finished()
        for number, right in zip(finished, pool.map(self._holds, finished, finished.values()), strict=True):
            if not right:
                self.journal.forget(number)

    def _holds(self, number: int, record: str) -> bool:
        """Whether a finished tile is as it was written, and its inputs as they were read."""
        if self._stop.is_set() or number >= len(self.tiling):
            return False
        tile = self.tiling[number]
        checksum, _, trace = record.partition(" ")
        try:
            held = checksum_of(self.route.output.read(self.route.place(tile)))
        except UnstrideError:
            return False
        if held == checksum and self.route.trace(tile) != trace:
            raise changed(", ".join(each.name for each in self.route.inputs.values()), "what a finished tile is of")
        return held == checksum

    def _work(self) -> int:
        done = 0
        while (number := self.journal.take(self._stop)) is not None:
            self._tile(self.tiling[number])
            done += 1
        return done

    def _tile(self, tile: Tile) -> None:
        values = self.route.read(tile)
        trace = self.route.trace(tile)
        with self._turn, sharing(max(1, num_threads() // self.workers)):
            made = self._parts.tile(self.tiling, tile, values)
            del values
            stored = self.route.made.stored(made)
        del made
        if self._stop.is_set():
            return
        self.route.output.write(self.route.place(tile), stored)
        self.journal.finish(tile.number, f"{checksum_of(stored)} {trace}")


def checksum_of(array: Array) -> str:
    """What tells what was written from anything else.

    >>> checksum_of(np.frombuffer(b"123456789", np.uint8))
    'e3069283'
    """
    from google_crc32c import value  # by the CPU's own instruction; Zarr brings it

    return f"{value(np.ascontiguousarray(array).reshape(-1).view(np.uint8)):08x}"
