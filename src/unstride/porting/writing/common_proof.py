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
from .common import SINGLE, element_type
from .common_sizes import InputSizes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .common_writing import Model

    Array = NDArray[Any]

ROUNDING = {"float16": 2.0**-11, SINGLE: 2.0**-24, "float64": 2.0**-53}
"""element type -> largest relative error of one operation"""
MIXED, NEGATIVE = (-3, 4), (-4, 0)
"""from which integers inputs are drawn, the last one not; among negative ones a margin of zeros shows in a maximum"""
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
    """what rounding may make of ``relative``"""
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

    Every step's value is compared, so that none can hide behind the next; then the outputs of the model as it is
    written, whose steps a runtime may join. None where one of the ``packages`` is not installed. Raises UnstrideError
    where the weights are not known, CannotRunError where the framework lacks a step in the weights' element type.
    """
    if not all(map(find_spec, packages)):
        return None
    sizes = tuple(islice(two_sizes(written.sizes, written.lowered.sizes, written.lowered.exact), 2))
    named, plain = _named(graph, sizes[0]), replace(graph, channels_last=False)
    told = replace(written, lowered=replace(written.lowered, graph=replace(written.lowered.graph, outputs=named)))
    model, found = told.build(), _Compared(element_type(graph))
    for index, at in enumerate(sizes):
        found.compare(told, model, replace(plain, outputs=named), *_inputs(graph, at, 2 - index))
    values, whole = found.values, written.build()
    for draw in (MIXED, NEGATIVE):
        found.compare(written, whole, plain, *_inputs(graph, sizes[0], 2, draw))
    weighed = sum(bool(node.operation.weights) for node in graph.nodes)
    bound = ROUNDING[found.dtype] * STEPS * (weighed + 1)
    return Proof(sizes, values, found.largest, found.worst[1], bound, found.worst[0])


@dataclass(slots=True)
class _Compared:
    """What comparing has given so far."""

    dtype: str
    """the element type that the written model computes in"""
    values: int = 0
    largest: float = 0.0
    worst: tuple[str, float] = ("", 0.0)

    def compare(self, written: Model, model: Any, graph: Graph, *inputs: Array) -> None:
        """The live model's outputs with the network's own, both on these canonical arrays."""
        inputs, wanted = self._wanted(graph, inputs)
        found = written.call(model, tuple(x.astype(self.dtype) for x in inputs))
        for name, a, b in zip(graph.outputs, wanted, found, strict=True):
            difference, relative = _difference(a, b)
            self.largest, self.values = max(self.largest, difference), self.values + 1
            self.worst = max(self.worst, (name, relative), key=lambda each: each[1])

    def _wanted(self, graph: Graph, inputs: tuple[Array, ...]) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Inputs and the network's own values; one example where the source's calls state that there is one."""
        inputs = tuple(x.astype("float64" if self.dtype == "float64" else SINGLE) for x in inputs)
        try:
            return inputs, _several(run(graph, *inputs))
        except UnstrideError:
            inputs = tuple(x[:1] for x in inputs)
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


def _inputs(graph: Graph, sizes: Sizes, batch: int, between: tuple[int, int] = MIXED) -> tuple[Array, ...]:
    """Small integers, which every precision holds exactly; canonical arrays."""
    import numpy as np

    draw = np.random.default_rng(batch)
    shaped = ((batch, given.channels, *sizes[given.name]) for given in graph.inputs)
    return tuple(draw.integers(*between, shape) for shape in shaped)


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
