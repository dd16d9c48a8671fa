"""From a Zarr array (or ``.npy``, TIFF) to a Zarr array, tile by tile, in bounded memory; killed, it is resumed.

A plan is made before anything is computed: ``plan`` shows it, ``run`` does it. Several processes, on one machine or
many, that are given the same job share its tiles through a folder beside the output.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from .. import __version__
from ..errors import Reason, UnstrideError
from ..network import Graph, Stored
from .arrays import Memory, Written, changed, unwritable
from .journal import Alone, Shared, check_same, company, publish, recorded
from .opening import library, open_output
from .planning import Plan, Wish, open_inputs, planned
from .runner import Progress, Route, Runner
from .source import Source, network


@dataclass(frozen=True)
class Outcome:
    """What a run did."""

    output: str
    shape: tuple[int, ...]
    dtype: str
    tiles: int
    computed: int
    """tiles computed here; the others were finished before, or elsewhere"""
    seconds: float
    array: Any
    """the Zarr array that was written"""

    def as_json(self) -> dict[str, Any]:
        """The outcome as JSON's values."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "array"}


def run(
    source: Source,
    input: Any,
    output: Any,
    *,
    kernel: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    inputs: Sequence[Any] | None = None,
    memory: int | None = None,
    workers: int | None = None,
    tile: tuple[int, ...] | None = None,
    chunks: tuple[int, ...] | None = None,
    shards: tuple[int, ...] | None = None,
    resume: bool = True,
    journal: str | Path | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Compute a layer or network from an array in a file into a Zarr array, with the bits of the whole.

    ``source`` is what ``scale.source.network`` takes; ``input`` a Zarr array, store or path, a ``.npy`` or TIFF file
    (for a network of several inputs, one for each name); ``output`` a path or store, or a Zarr array that fits.
    ``memory`` bounds the bytes of all arrays, by default 512 MiB. Killed and called again, it reads what is finished,
    holds it against its checksums, and goes on; called in several processes, they share the tiles. Raises
    UnstrideError for what cannot be read, written or computed.

    >>> import numpy as np, unstride, zarr
    >>> spec, kernel = unstride.parse("torch.nn.ConvTranspose2d(1, 1, 2, stride=2, bias=False)"), np.ones((1, 1, 2, 2))
    >>> run(spec, np.arange(4.0).reshape(2, 2), zarr.storage.MemoryStore(), kernel=kernel).array[:, 1].tolist()
    [0.0, 0.0, 2.0, 2.0]
    """
    begun = time.perf_counter()
    wish = Wish(memory, workers, tile, chunks, shards)
    graph = network(source, kernel, bias, inputs=inputs)
    opened = open_inputs(graph, input)
    try:
        job = _Job(graph, opened, output, _folder(output) if journal is None else Path(journal))
        return job.run(wish, begun, progress, resume=resume)
    except OSError as error:
        raise unwritable(str(output), error) from None
    finally:
        for each in opened.values():
            each.close()


def plan(
    source: Source,
    input: Any,
    output: Any = None,
    *,
    kernel: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    inputs: Sequence[Any] | None = None,
    memory: int | None = None,
    workers: int | None = None,
    tile: tuple[int, ...] | None = None,
    chunks: tuple[int, ...] | None = None,
    shards: tuple[int, ...] | None = None,
) -> Plan:
    """What ``run`` would do, with the same arguments; nothing is written. Raises UnstrideError as ``run`` does.

    >>> import numpy as np, unstride
    >>> spec, kernel = unstride.parse("torch.nn.ConvTranspose2d(1, 1, 2, stride=2, bias=False)"), np.ones((1, 1, 2, 2))
    >>> plan(spec, np.ones((300, 300)), kernel=kernel, memory=2**24).shape
    (600, 600)
    """
    graph = network(source, kernel, bias, inputs=inputs)
    opened = open_inputs(graph, input)
    try:
        return planned(graph, opened, output, Wish(memory, workers, tile, chunks, shards))
    finally:
        for each in opened.values():
            each.close()


@dataclass(frozen=True)
class _Job:
    """A network, its inputs, its output, and the folder that says who does what of it."""

    graph: Graph
    opened: Mapping[str, Memory]
    output: Any
    folder: Path | None

    def run(self, wish: Wish, begun: float, progress: Progress | None, *, resume: bool) -> Outcome:
        identities = {name: each.identity() for name, each in self.opened.items()}
        if self.folder is not None and not resume:
            _discard(self.folder)
        found = self._agreed(wish)
        written = open_output(self.output, found.shape, found.dtype, found.chunks, found.shards)
        self._check_apart(written)
        journal = Alone(len(found.tiling)) if self.folder is None else Shared(self.folder, len(found.tiling))
        for each in self.opened.values():
            each.keep(found.spare)
        with closing(journal):
            runner = Runner(found.tiling, Route(self.opened, found.given, written, found.made), journal, found.workers)
            runner.run(progress)
            for name, each in self.opened.items():
                if each.identity() != identities[name]:
                    raise changed(each.name, "the array")
            if journal.settle() and written.path is not None:
                _sweep(written.path)
        seconds = time.perf_counter() - begun
        return Outcome(
            written.name, found.shape, found.dtype, len(found.tiling), runner.computed, seconds, written.array
        )

    def _agreed(self, wish: Wish) -> Plan:
        """The plan, with the tiles of whoever began the job."""
        held = None if self.folder is None else recorded(self.folder)
        inputs = {name: each.about() for name, each in self.opened.items()}
        about = {"inputs": inputs, "network": _digest(self.graph), "unstride": __version__}
        if self.folder is not None and held is not None:
            check_same(self.folder, about, held)
            wish = replace(wish, tile=wish.tile or tuple(held["tile"]))
        found = planned(self.graph, self.opened, self.output, wish)
        output = {"shape": found.shape, "dtype": found.dtype, "chunks": found.chunks, "shards": found.shards}
        job = json.loads(json.dumps({**about, "output": output, "tile": found.tiling.shape}))
        if self.folder is None:
            return found
        held = held or publish(self.folder, job)
        if wish.tile is None and held.get("tile") != job["tile"]:  # another process was faster
            return self._agreed(wish)
        check_same(self.folder, job, held)
        return found

    def _check_apart(self, written: Written) -> None:
        for each in self.opened.values():
            path = getattr(each, "path", None)
            if path is not None and written.path is not None and path.resolve() == written.path.resolve():
                rule = "is the input as well: it would be overwritten while it is read"
                raise UnstrideError(Reason.FILE, rule, argument="output", value=written.name, hint="give another name")


def _folder(output: Any) -> Path | None:
    """Where the journal of a local output lies: beside the outermost group that holds it."""
    if isinstance(output, library().Array):
        root, inner = getattr(output.store, "root", None), output.path
    elif isinstance(output, (str, Path)) and "://" not in str(output):
        root, inner = Path(output), ""
    else:
        root, inner = getattr(output, "root", None), ""
    if not isinstance(root, Path):
        return None
    path: Path = (root / inner).resolve()
    parts = [path.name]
    while any((path.parent / name).is_file() for name in ("zarr.json", ".zgroup")):
        path = path.parent
        parts.insert(0, path.name)
    return path.with_name(f"{'.'.join(parts)}.job")


def _discard(folder: Path) -> None:
    """Forget what was done of a job."""
    if company(folder):
        rule = "somebody is at this job: it cannot be begun anew"
        hint = "wait until they are done, or end them first"
        raise UnstrideError(Reason.FILE, rule, argument="journal", value=str(folder), hint=hint)
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _sweep(path: Path) -> None:
    """Remove what killed processes had not finished writing."""
    for each in path.rglob("*.partial"):
        each.unlink(missing_ok=True)


def _digest(graph: Graph) -> str:
    """What tells a network and its weights from any other."""
    digest = sha256(repr((graph.inputs, graph.outputs, graph.channels_last)).encode())
    for node in graph.nodes:
        digest.update(repr((node.name, type(node.operation).__name__, node.inputs)).encode())
        for each in fields(cast("Any", node.operation)):
            value = getattr(node.operation, each.name)
            if isinstance(value, Stored):
                array = np.ascontiguousarray(value.array)
                digest.update(f"{each.name} {array.shape} {array.dtype}".encode())
                digest.update(array.reshape(-1).view(np.uint8).data)
            else:
                digest.update(f"{each.name} {value!r}".encode())
    return digest.hexdigest()
