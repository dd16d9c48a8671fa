"""Tiles from store to store beside the engine in memory: ``python benchmarks/tiles.py``.

The same layer on the same data, in turn, with as many threads: ``run`` on the array in memory; the same between reading
and writing whole Zarr arrays; and ``scale.zarr.run`` from a Zarr array to a new one, uncompressed and with Zarr's own
Zstandard. Medians of the rounds, as JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

import unstride
from unstride.network import Convolution, Graph, Input, Node, Stored, evaluate
from unstride.scale.zarr import plan, run

CASES: dict[str, tuple[tuple[str, ...] | str, tuple[int, ...]]] = {
    "3-D network 1→32→32→1": (
        (
            "torch.nn.Conv3d(1, 32, 3, padding=1, bias=False)",
            "torch.nn.Conv3d(32, 32, 3, padding=1, bias=False)",
            "torch.nn.Conv3d(32, 1, 3, padding=1, bias=False)",
        ),
        (1, 1, 160, 160, 160),
    ),
    "3-D convolution 48→48": ("torch.nn.Conv3d(48, 48, 3, padding=1, bias=False)", (1, 48, 80, 80, 80)),
    "3-D convolution 16→16": ("torch.nn.Conv3d(16, 16, 3, padding=1, bias=False)", (1, 16, 128, 128, 128)),
    "3-D upsampling 32→16": ("torch.nn.ConvTranspose3d(32, 16, 2, stride=2, bias=False)", (1, 32, 64, 64, 64)),
    "3-D upsampling 16→8, kernel 4": (
        "torch.nn.ConvTranspose3d(16, 8, 4, stride=2, padding=1, bias=False)",
        (1, 16, 64, 64, 64),
    ),
    "image 32→32, kernel 5": ("torch.nn.Conv2d(32, 32, 5, padding=2, bias=False)", (1, 32, 1024, 1024)),
}
CODECS: dict[str, Any] = {"uncompressed": None, "zstd": "auto"}


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def stored(folder: Path, array: NDArray[Any], chunks: tuple[int, ...], codec: Any) -> Path:
    import zarr

    made: Any = zarr.create_array(folder, shape=array.shape, chunks=chunks, dtype=array.dtype, compressors=codec)
    made[:] = array
    return folder


def fresh(target: Path, about: Any, codec: Any) -> Any:
    import zarr

    more: dict[str, Any] = {"compressors": codec, "overwrite": True}
    return zarr.create_array(target, shape=about.shape, chunks=about.chunks, dtype=about.dtype, **more)


def whole(compute: Callable[[Any], Any], source: Path, target: Any) -> None:
    import zarr

    given: Any = zarr.open_array(source, mode="r")
    target[:] = compute(given[:])


def network_of(codes: tuple[str, ...], rank: int, random: np.random.Generator) -> Graph:
    """These layers, one after the other."""
    nodes, before, first = [], "x", 0
    for number, code in enumerate(codes):
        spec = unstride.parse(code)
        channels: int = cast("Any", spec).in_channels
        layer = spec.read((1, channels, *(16,) * rank))
        kernel = random.standard_normal(spec.weight_layout(rank).shape(layer)).astype(np.float32)
        nodes.append(Node(f"layer {number}", Convolution(spec, Stored.of(kernel)), (before,)))
        before, first = nodes[-1].name, first or channels
    return Graph(" ".join(codes), (Input("x", first, (None,) * rank),), tuple(nodes), (before,))


def measured(codes: tuple[str, ...] | str, shape: tuple[int, ...], rounds: int) -> dict[str, Any]:
    """Seconds of every way, and their ratios round by round."""
    random = np.random.default_rng(0)
    graph = network_of((codes,) if isinstance(codes, str) else codes, len(shape) - 2, random)
    # what microscopes and scanners store: whole numbers, which can be compressed
    x = random.integers(0, 256, shape).astype(np.float32)
    about = plan(graph, x)
    chunks = (1, shape[1], *(min(256 if len(shape) == 4 else 32, length) for length in shape[2:]))
    times: dict[str, list[float]] = {}

    def compute(given: Any) -> Any:
        return evaluate.run(graph, given)

    with tempfile.TemporaryDirectory() as folder:
        sources = {name: stored(Path(folder) / f"x-{name}", x, chunks, codec) for name, codec in CODECS.items()}
        for number in range(rounds + 1):
            took = {"memory": timed(lambda: compute(x))}
            for name, codec in CODECS.items():
                target = fresh(Path(folder) / f"y-{name}", about, codec)
                took[f"whole, {name}"] = timed(partial(whole, compute, sources[name], target))
                target = fresh(Path(folder) / f"y-{name}", about, codec)
                took[f"tiles, {name}"] = timed(partial(run, graph, sources[name], target, resume=False))
            for name, seconds in took.items() if number else ():  # the first round warms up
                times.setdefault(name, []).append(seconds)
    return {"layers": codes, "input": shape, "tiles": len(about.tiling), **summed(times)}


def summed(times: dict[str, list[float]]) -> dict[str, Any]:
    """Medians, and what the tiled runs reach of the throughput in memory and of reading, computing, writing."""

    def share(of: str, name: str) -> float:
        ratios = (a / b for a, b in zip(times[of], times[name], strict=True))
        return round(statistics.median(ratios), 3)

    return {
        "seconds": {name: round(statistics.median(each), 4) for name, each in times.items()},
        "of memory": {name: share("memory", f"tiles, {name}") for name in CODECS},
        "of whole": {name: share(f"whole, {name}", f"tiles, {name}") for name in CODECS},
    }


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--case", choices=CASES, action="append")
    asked = parser.parse_args()
    unstride.set_num_threads(asked.threads)
    found = {name: measured(*CASES[name], asked.rounds) for name in asked.case or CASES}
    print(json.dumps({"threads": asked.threads, "rounds": asked.rounds, "cases": found}, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
