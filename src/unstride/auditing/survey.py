"""Which input sizes a network takes, and which it gives back: congruences, one for each spatial axis.

Every operation maps the length n of an axis to ⌊(n + c) / s⌋·t + e, so that whether values fit repeats with the least
common multiple of the rates' denominators, from the length on at which all windows fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import lcm
from typing import Any

from ..errors import UnstrideError
from ..network import Convolution, Features, Graph, Operation, Pool, Resize
from ..network.sizes import Misfit, Propagation, freed, propagate
from .size_set import SizeSet, gather

PERIOD_LIMIT = 4096
"""longest period that is surveyed"""
WORK_LIMIT = 2_000_000
"""most operations asked for their size"""


@dataclass(frozen=True, slots=True)
class AxisSurvey:
    """One spatial axis: the lengths that the network takes, and those that it gives back unchanged."""

    accepted: SizeSet
    kept: SizeSet | None
    """accepted lengths that every output of the input's rank has again; None where a step is not understood"""

    def as_json(self) -> dict[str, Any]:
        """The survey as JSON values."""
        return {"accepted": self.accepted.as_json(), "kept": self.kept.as_json() if self.kept else None}


class Sizing:
    """A network with its sizes left open, asked for one length of one axis at a time; what was asked is remembered."""

    def __init__(self, graph: Graph) -> None:
        self.graph = freed(graph)
        self.known: dict[tuple[int, tuple[Features, ...]], Features | UnstrideError] = {}
        self.asked = 0

    def output(self, operation: Operation, given: tuple[Features, ...]) -> Features:
        """What the operation says of these features, asked once."""
        key = (id(operation), given)
        self.asked += 1
        if key not in self.known:
            try:
                self.known[key] = operation.output(*given)
            except UnstrideError as error:
                self.known[key] = error
        found = self.known[key]
        if isinstance(found, UnstrideError):
            raise found
        return found

    def at(self, axis: int, length: int) -> Propagation:
        """The features of all values where the inputs have this length on the axis, and a long one on all others."""
        sizes = {}
        for given in self.graph.inputs:
            size = [self.beside] * len(given.size)
            if axis < len(size):
                size[axis] = length
            sizes[given.name] = tuple(size)
        return propagate(self.graph, sizes, self.output)

    def opaque(self, node: str) -> bool:
        """Whether a step is not understood: it says nothing of sizes."""
        return self.graph.by_name[node].operation.kind == "opaque"

    @cached_property
    def beside(self) -> int:
        """A length at which nothing is too short: whole periods, more than any window reaches."""
        declared = max((n for given in self.graph.inputs for n in given.size if n is not None), default=0)
        return -(-max(declared, 256) // self.period) * self.period

    @cached_property
    def rates(self) -> Mapping[str, tuple[Fraction, ...]]:
        """For each value and axis: elements for each element of the input."""
        found = {given.name: (Fraction(1),) * len(given.size) for given in self.graph.inputs}
        for node in self.graph.nodes:
            taken = [found[name] for name in node.inputs if name in found]
            if taken and (steps := _steps(node.operation, max(taken, key=len))):
                found[node.name] = steps
        return found

    @cached_property
    def period(self) -> int:
        """Lengths after which everything repeats."""
        return lcm(*(rate.denominator for rates in self.rates.values() for rate in rates))


def _steps(operation: Operation, rates: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    """The rates behind an operation; none where positions end."""
    if isinstance(operation, Convolution):
        rank = len(rates)
        try:
            layer = operation.layer(Features(_channels(operation, rank), (512,) * rank))
        except UnstrideError:
            return rates
        factors = [Fraction(s) if layer.transposed else Fraction(1, s) for s in layer.stride]
    elif isinstance(operation, Pool):
        factors = [Fraction(1, s) for s in operation.stride]
    elif isinstance(operation, Resize):
        factors = [Fraction(f) for f in operation.factor]
    elif operation.kind in ("dense", "flattening", "reshaping", "global pooling", "opaque"):
        return ()
    else:
        return rates
    return tuple(rate * factor for rate, factor in zip(rates, factors, strict=True))


def _channels(operation: Convolution, rank: int) -> int:
    groups = int(getattr(operation.spec, "groups", 0) or getattr(operation.spec, "group", 1) or 1)
    _, small, large = operation.spec.weight_layout(rank).split(operation.kernel.shape, groups)
    return small if operation.spec.transposed else large


def concerned(misfit: Misfit, axis: int) -> bool:
    """Whether values of different length on this axis are the reason."""
    return axis in misfit.axes


def survey(graph: Graph) -> tuple[AxisSurvey, ...]:
    """The congruences of every spatial axis; none where positions are counted (a dense layer), or nothing is open.

    The lengths of several inputs move together.
    """
    sizing = Sizing(graph)
    if not graph.rank or _counted(graph) or sizing.period > PERIOD_LIMIT:
        return ()
    found = []
    for axis in range(graph.rank):
        one = _axis(sizing, axis)
        if one is None:
            return ()
        found.append(one)
    return tuple(found)


def _counted(graph: Graph) -> bool:
    return any(node.operation.kind in ("flattening", "reshaping") for node in graph.nodes)


def _axis(sizing: Sizing, axis: int) -> AxisSurvey | None:
    answers: dict[int, tuple[bool, bool]] = {}

    def ask(length: int) -> tuple[bool, bool]:
        if length not in answers:
            answers[length] = _asked(sizing, axis, length)
        return answers[length]

    for last in _lasts(sizing.period):
        if sizing.asked + last * len(sizing.graph.nodes) > WORK_LIMIT:
            return None
        accepted = gather(lambda n: ask(n)[0], sizing.period, last)
        kept = gather(lambda n: all(ask(n)), sizing.period, last)
        if accepted is not None and kept is not None:
            return AxisSurvey(accepted, None if _hidden(sizing) else kept)
    return None


def _hidden(sizing: Sizing) -> bool:
    """Whether an output cannot be followed from the inputs."""
    known = sizing.at(0, sizing.beside).features
    return any(name not in known for name in sizing.graph.outputs)


def _lasts(period: int) -> Iterator[int]:
    """How far lengths are asked: until at least two whole periods look the same."""
    for factor in (3, 6, 12, 24, 48):
        yield max(64, factor * period)


def _asked(sizing: Sizing, axis: int, length: int) -> tuple[bool, bool]:
    found = sizing.at(axis, length)
    fits = not any(concerned(misfit, axis) for misfit in found.misfits if not sizing.opaque(misfit.node))
    same = all(_length(found, name, axis) in (length, None) for name in sizing.graph.outputs)
    there = any(_length(found, name, axis) is not None for name in sizing.graph.outputs)
    return fits, same and there


def _length(found: Propagation, name: str, axis: int) -> int | None:
    features = found.features.get(name)
    return features.size[axis] if features and axis < len(features.size) else None
