"""A written network proved on values: every step of the live target against the same step computed here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import count, islice
from math import prod
from typing import TYPE_CHECKING, Any

from ...errors import UnstrideError
from ...network.evaluate import run
from ...network.graph import Graph
from ...network.sizes import Sizes, shapes
from .common_sizes import InputSizes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .common_writing import Model

    Array = NDArray[Any]

ROUNDING = 2.0**-24
"""largest relative error of one operation in single precision"""
STEPS = 64
"""roundings that each layer on the way to a value is granted, as numbers cancel"""
MOST_ELEMENTS = 50_000_000
"""elements of all values together that are compared; beyond it only the outputs are"""
FAR = 512
"""how many lengths past the first one are looked at for another that is exact"""


@dataclass(frozen=True, slots=True)
class Proof:
    """What comparing the values gave."""

    sizes: tuple[Sizes, ...]
    """the input sizes that were computed"""
    values: int
    """how many values, each step's output at each size, were compared"""
    difference: float
    """largest absolute difference"""
    relative: float
    """largest difference, in units of the largest number of its value"""
    bound: float
    """what rounding in single precision may make of ``relative``"""
    worst: str
    """the value with the largest relative difference"""

    @property
    def agrees(self) -> bool:
        """Whether the difference is none, or rounding."""
        return self.relative <= self.bound  # not a number is not less

    @property
    def text(self) -> str:
        """The proof in one line."""
        at = " and ".join(
            " and ".join("×".join(map(str, size)) for size in each.values() if size) for each in self.sizes
        )
        compared = f"{self.values} value{'s' if self.values > 1 else ''}" + (f" at {at}" if at.strip() else "")
        if self.difference == 0:
            return f"proved on {compared}: exactly equal"
        if self.agrees:
            apart = f"largest difference {self.difference:.2g}, relative {self.relative:.2g}"
            return f"proved on {compared}: {apart}, rounding allows {self.bound:.2g}"
        return f"differs at {self.worst}: by {self.difference:.3g}, relative {self.relative:.2g}, more than rounding"


def prove(written: Model, graph: Graph, packages: tuple[str, ...]) -> Proof | None:
    """The live model against the network itself on integer inputs, at two sizes where it takes two.

    Every step's value is compared, so that none can hide behind the next. None where one of the ``packages`` is not
    installed. Raises UnstrideError where the weights are not known.
    """
    if not all(map(find_spec, packages)):
        return None
    sizes = tuple(islice(two_sizes(written.sizes, written.lowered.sizes, written.lowered.exact), 2))
    named = _named(graph, sizes[0])
    plain = replace(graph, outputs=named, channels_last=False)
    told = replace(written, lowered=replace(written.lowered, graph=replace(written.lowered.graph, outputs=named)))
    model = told.build()
    worst, largest, compared = ("", 0.0), 0.0, 0
    for index, at in enumerate(sizes):
        inputs, wanted = _wanted(plain, at, batch=2 - index)
        found = told.call(model, inputs)
        for name, a, b in zip(named, wanted, found, strict=True):
            difference, relative = _difference(a, b)
            largest, compared = max(largest, difference), compared + 1
            worst = max(worst, (name, relative), key=lambda each: each[1])
    weighed = sum(bool(node.operation.weights) for node in graph.nodes)
    return Proof(sizes, compared, largest, worst[1], ROUNDING * STEPS * (weighed + 1), worst[0])


def _wanted(graph: Graph, sizes: Sizes, batch: int) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Inputs and the network's own values; one example where the source's calls state that there is one."""
    inputs = _inputs(graph, sizes, batch)
    try:
        return inputs, _several(run(graph, *inputs))
    except UnstrideError:
        inputs = _inputs(graph, sizes, 1)
        return inputs, _several(run(graph, *inputs))


def _several(made: Any) -> tuple[Array, ...]:
    return made if isinstance(made, tuple) else (made,)


def _named(graph: Graph, sizes: Sizes) -> tuple[str, ...]:
    """The values to compare: all that nodes make."""
    features = shapes(graph, sizes)
    if 2 * sum(each.channels * prod(each.size) for each in features.values()) > MOST_ELEMENTS:
        return graph.outputs
    return tuple(node.name for node in graph.nodes) or graph.outputs


def two_sizes(inputs: tuple[InputSizes, ...], first: Sizes, exact: Callable[[Sizes], bool]) -> Iterator[Sizes]:
    """The first sizes, then longer ones at which the port is exact, each axis by another length."""
    yield first
    spatial = [each for each in inputs if each.axes]
    if not spatial:
        return
    size, axes = first[spatial[0].name], spatial[0].axes
    grown = tuple(_next(lengths, length) or length for lengths, length in zip(axes, size, strict=True))
    found = {each.name: grown if each.axes else () for each in inputs}
    if grown != size and exact(found):
        yield found


def _next(lengths: Any, length: int) -> int | None:
    return next((n for n in islice(count(length + 1), FAR) if n in lengths), None)


def _inputs(graph: Graph, sizes: Sizes, batch: int) -> tuple[Array, ...]:
    """Small integers, which single precision holds exactly; canonical arrays."""
    import numpy as np

    draw = np.random.default_rng(batch)
    shaped = ((batch, given.channels, *sizes[given.name]) for given in graph.inputs)
    return tuple(draw.integers(-3, 4, shape).astype(np.float32) for shape in shaped)


def _difference(a: Array, b: Array) -> tuple[float, float]:
    """The largest difference, absolute and as a share of the largest number; infinite where the shapes differ."""
    import numpy as np

    if a.shape != b.shape:
        return float("inf"), float("inf")
    if a.size == 0:
        return 0.0, 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(np.subtract(a, b, dtype=np.float64)))
    difference = float(apart.max()) if not np.isnan(apart).any() else float("inf")
    return difference, difference / max(float(np.abs(a).max()), 1e-30) if difference else 0.0
