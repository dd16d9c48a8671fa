"""Batches of many items on Ray: weights go to the object store once, each worker packs them once, items are references.

``python examples/ray_batches.py`` needs ray; it starts a cluster of two workers on this machine and stops it again.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

import unstride

Array = NDArray[Any]
CODE = "torch.nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1)"


class Layer:
    """One layer with its weights packed, in a process of its own."""

    def __init__(self, code: str, kernel: Array, bias: Array, shape: tuple[int, ...]) -> None:
        unstride.set_num_threads(1)  # as many as the CPUs that Ray counts for this actor
        self.layer = unstride.prepare(unstride.parse(code), kernel, bias, input_shape=shape)

    def __call__(self, item: Array) -> Array:
        """The output for one item."""
        return self.layer(item)


def mapped(actors: list[Any], items: Iterable[Any]) -> Iterator[Array]:
    """The outputs in the order of the items, of which no more than two an actor are under way."""
    pool: Any = ray.util.ActorPool(actors)
    waiting = iter(items)
    for _, item in zip(range(2 * len(actors)), waiting, strict=False):
        pool.submit(lambda actor, each: actor.__call__.remote(each), item)
    while pool.has_next():
        yield pool.get_next()
        for item in waiting:
            pool.submit(lambda actor, each: actor.__call__.remote(each), item)
            break


def main(count: int = 40, workers: int = 2) -> None:
    """Upsample random pictures, and hold the result against a plain loop."""
    random = np.random.default_rng(0)
    items = [random.standard_normal((1, 16, 60, 80), np.float32) for _ in range(count)]
    kernel, bias = random.standard_normal((16, 8, 4, 4), np.float32), random.standard_normal(8, np.float32)
    # nothing is reported to anybody, and no token is written to the home folder
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        ray.init(num_cpus=workers, include_dashboard=False, object_store_memory=2**27, _temp_dir=folder)
        try:
            weights = ray.put(kernel), ray.put(bias)
            worker = ray.remote(num_cpus=1)(Layer)
            actors = [worker.remote(CODE, *weights, items[0].shape) for _ in range(workers)]
            made = list(mapped(actors, map(ray.put, items)))
        finally:
            ray.shutdown()
    wanted = [unstride.run(unstride.parse(CODE), item, kernel, bias) for item in items]
    same = sum(np.array_equal(one, other) for one, other in zip(made, wanted, strict=True))
    print(f"{len(made)} items of {made[0].shape}, {same} of them equal to the bit")


if __name__ == "__main__":
    main()
