"""What chunks cost: ``python benchmarks/dask_chunks.py [--json FILE]``.

A layer on a Dask array in chunks of several sizes, written to an array that is there, its graph made anew each time;
against the engine, which makes the whole output in memory. Rounds go through all of them, one after the other; medians.
Blocks are computed with one engine thread each, and with as many as there are CPUs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import unstride
from unstride.engine.threads import num_threads, set_num_threads
from unstride.scale.dask import conv_transpose

CODE = "torch.nn.ConvTranspose2d(16, 16, 4, stride=2, padding=1, bias=False)"
SIZE, CHANNELS = 768, 16
CHUNKS = (32, 64, 128, 256, 384)
"""elements of the input along each axis"""
ROUNDS = 7
OVERHEAD = 0.1
"""what is still little"""


def ways(kernel: Any, x: Any, y: Any, cpus: int) -> dict[str, Callable[[], None]]:
    """What is timed, by name: the engine in memory, and Dask by chunk size and engine threads."""
    da: Any = import_module("dask.array")
    spec = unstride.parse(CODE)
    prepared = unstride.prepare(spec, kernel, input_shape=x.shape)

    def whole() -> None:
        set_num_threads(cpus)
        prepared(x)

    def chunked(chunk: int, threads: int) -> Callable[[], None]:
        lazy = da.from_array(x, chunks=(1, CHANNELS, chunk, chunk), name=f"x-{chunk}")

        def compute() -> None:
            set_num_threads(threads)
            made = conv_transpose(lazy, spec, kernel)
            da.store(made, y, lock=False, scheduler="threads", num_workers=cpus)

        return compute

    found: dict[str, Callable[[], None]] = {"memory": whole}
    for chunk in CHUNKS:
        for threads in dict.fromkeys((1, cpus)):
            found[f"{chunk}/{threads}"] = chunked(chunk, threads)
    return found


def measured(timed: dict[str, Callable[[], None]]) -> dict[str, float]:
    """Median seconds of each, a round of all after the other."""
    taken: dict[str, list[float]] = {name: [] for name in timed}
    for turn in range(ROUNDS + 1):
        for name, call in timed.items():
            start = time.perf_counter()
            call()
            if turn:  # the first compiles
                taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(each) for name, each in taken.items()}


def main() -> None:
    """Print a table and what it recommends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file for the figures")
    asked, cpus = parser.parse_args(), num_threads()
    random = np.random.default_rng(0)
    x = random.standard_normal((1, CHANNELS, SIZE, SIZE), np.float32)
    kernel = random.standard_normal((CHANNELS, CHANNELS, 4, 4), np.float32)
    y = np.empty((1, CHANNELS, 2 * SIZE, 2 * SIZE), np.float32)
    seconds = measured(ways(kernel, x, y, cpus))
    base = seconds.pop("memory")
    rows = [
        {"chunk": int(chunk), "threads": int(threads), "seconds": taken, "overhead": taken / base - 1}
        for (chunk, threads), taken in ((name.split("/"), taken) for name, taken in seconds.items())
    ]
    print(f"{CODE} on {x.shape}, {cpus} CPUs: {base * 1e3:.0f} ms in memory")
    print(f"{'input chunk':>14} {'output MiB':>10} {'engine threads':>14} {'ms':>6} {'overhead':>9}")
    for row in rows:
        size = 4 * CHANNELS * (2 * row["chunk"]) ** 2 / 2**20
        shown = f"{row['chunk']}×{row['chunk']}"
        print(f"{shown:>14} {size:>10.2f} {row['threads']:>14} {row['seconds'] * 1e3:>6.0f} {row['overhead']:>8.0%}")
    least = [row["chunk"] for row in rows if row["overhead"] < OVERHEAD]
    told = f"from {min(least)}×{min(least)} on" if least else "at none of these sizes"
    print(f"overhead below {OVERHEAD:.0%}: {told}")
    if asked.json:
        found = {
            "layer": CODE,
            "input": x.shape,
            "cpus": cpus,
            "load": os.getloadavg()[0],
            "memory": base,
            "rows": rows,
        }
        asked.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
