"""Networks as Keras models on one backend; prints what differs: ``python keras_writing.py N STEP``."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from numpy.typing import NDArray

from tests.porting.zoo import everything, functions
from unstride.network import Graph
from unstride.network.evaluate import run
from unstride.porting.writing.common_writing import write
from unstride.porting.writing.keras import Keras
from unstride.testing.networks import Sized, networks

Array = NDArray[Any]
FOLDER = Path(tempfile.mkdtemp())
counts = {"exact": 0, "rounded": 0, "saved": 0, "pasted": 0}
wrong: list[str] = []


def check(graph: Graph, size: tuple[int, ...] | None, *, exact: bool, whole: bool, batch: int = 1) -> None:
    found = write(graph, "keras", size)
    if not isinstance(found, Keras):
        wrong.append(f"{graph.name}: refused: {found}")
        return
    sizes = found.lowered.sizes
    draw = np.random.default_rng(0)
    shaped = ((batch, each.channels, *sizes[each.name]) for each in graph.inputs)
    x = tuple(draw.integers(-3, 4, shape).astype(np.float32) for shape in shaped)
    wanted = _several(run(replace(graph, channels_last=False), *x))
    live = found.build()
    made = found.call(live, x)
    rounds = any(not _near(a, b, exact=exact) for a, b in zip(wanted, made, strict=True))
    if rounds:
        apart = max(float(np.abs(a - b).max()) for a, b in zip(wanted, made, strict=True))
        wrong.append(f"{graph.name}: {apart}\n{found.source()}")
    counts["exact" if exact else "rounded"] += 1
    if whole:
        check_whole(found, live, x, made)


def check_whole(found: Keras, live: Any, x: tuple[Array, ...], made: tuple[Array, ...]) -> None:
    """The saved model, opened in safe mode, and the source's."""
    live.save(FOLDER / "model.keras")
    again = keras.saving.load_model(FOLDER / "model.keras", safe_mode=True, custom_objects={})
    names: dict[str, Any] = {}
    exec(found.source(), names)  # noqa: S102 - the source that is tested
    pasted = names["build"]()
    arrays = found.arrays()
    if {f"{layer.name}/{weight.name}" for layer in pasted.layers for weight in layer.weights} != set(arrays):
        wrong.append(f"{found.name}: other weights\n{found.source()}")
        return
    for layer in pasted.layers:
        for weight in layer.weights:
            weight.assign(arrays[f"{layer.name}/{weight.name}"])
    for kind, model in (("saved", again), ("pasted", pasted)):
        if not all(map(np.array_equal, found.call(model, x), made)):
            wrong.append(f"{found.name}, {kind}: differs")
        counts[kind] += 1


def _several(made: Any) -> tuple[Array, ...]:
    return made if isinstance(made, tuple) else (made,)


def _near(a: Array, b: Array, *, exact: bool) -> bool:
    if exact or a.shape != b.shape:
        return np.array_equal(a, b)
    return bool(np.abs(a - b).max() <= 1e-5 * max(1.0, float(np.abs(a).max())))


def main(count: int, step: int) -> None:
    keras.utils.set_random_seed(0)
    rounds = {graph.name for graph in functions()}
    for index, (name, graph) in enumerate([*everything().items()][::step]):
        average = "average" in name or "3-D" in name  # a backend may multiply by the reciprocal
        check(graph, None, exact=name not in rounds and not average, whole=index % 5 == 0)

    @seed(1)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(sized=networks())
    def random(sized: Sized) -> None:
        check(sized.graph, sized.size, exact=True, whole=counts["exact"] % 4 == 0, batch=2)

    random()
    print(json.dumps({"counts": counts, "wrong": wrong}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
