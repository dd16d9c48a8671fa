"""Which features every value of a network has, for given input sizes, and where values do not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ..errors import Reason, UnstrideError
from .graph import Graph, Input, Node
from .operations import Features, Merge, Operation

Sizes: TypeAlias = Mapping[str, tuple[int, ...]]
"""spatial size of each input, by its name"""
Rule: TypeAlias = Callable[[Operation, tuple[Features, ...]], Features]
"""the features that an operation makes of those of its inputs; UnstrideError where they do not fit"""


@dataclass(frozen=True, slots=True)
class Misfit:
    """Values that one node cannot take together, or a value that is too small for it."""

    node: str
    error: UnstrideError
    given: tuple[Features, ...]

    @property
    def axes(self) -> tuple[int, ...]:
        """The spatial axes on which the values differ; all of them where the node refuses for another reason."""
        rank = len(self.given[0].size)
        lengths = list(zip(*(features.size for features in self.given), strict=True))
        differing = tuple(axis for axis in range(rank) if len(set(lengths[axis])) > 1)
        return differing or tuple(range(rank))


@dataclass(frozen=True, slots=True)
class Propagation:
    """The features of every value that could be made, and the misfits met on the way."""

    features: Mapping[str, Features]
    misfits: tuple[Misfit, ...]


def output(operation: Operation, given: tuple[Features, ...]) -> Features:
    """The features that an operation makes of these."""
    return operation.output(*given)


def propagate(graph: Graph, sizes: Sizes, output: Rule = output) -> Propagation:
    """The features of all values, each as ``output`` says.

    After a misfit of a merge the longest lengths go on, so that all misfits are found; what follows a node that refuses
    its input is left out.
    """
    features = {given.name: Features(given.channels, _size(given, sizes)) for given in graph.inputs}
    misfits: list[Misfit] = []
    for node in graph.nodes:
        if not all(name in features for name in node.inputs):
            continue
        given = tuple(features[name] for name in node.inputs)
        try:
            features[node.name] = output(node.operation, given)
        except UnstrideError as error:
            misfits.append(Misfit(node.name, error, given))
            if isinstance(node.operation, Merge) and len({len(each.size) for each in given}) == 1:
                features[node.name] = _merged_anyhow(node.operation, given)
    return Propagation(features, tuple(misfits))


def _merged_anyhow(merge: Merge, given: tuple[Features, ...]) -> Features:
    channels = sum(each.channels for each in given) if merge.how == "concat" else max(each.channels for each in given)
    return Features(channels, tuple(map(max, zip(*(each.size for each in given), strict=True))))


def shapes(graph: Graph, sizes: Sizes) -> Mapping[str, Features]:
    """The features of all values; UnstrideError that names the node where one does not fit."""
    found = propagate(graph, sizes)
    if found.misfits:
        node, error = found.misfits[0].node, found.misfits[0].error
        raise UnstrideError(
            error.reason, f"{node}: {error.rule}", argument=error.argument, value=error.value, hint=error.hint
        )
    return found.features


def _size(given: Input, sizes: Sizes) -> tuple[int, ...]:
    size = sizes.get(given.name)
    if size is None:
        if any(length is None for length in given.size):
            rule = f"the input {given.name} leaves its size open"
            hint = "give its spatial size"
            raise UnstrideError(Reason.SIZE, rule, argument="size", value=given.size, hint=hint)
        return tuple(length for length in given.size if length is not None)
    if len(size) != len(given.size):
        rule = f"the input {given.name} has {len(given.size)} spatial axes"
        raise UnstrideError(Reason.RANK, rule, argument="size", value=size)
    for length, fixed in zip(size, given.size, strict=True):
        if fixed is not None and length != fixed:
            rule = f"the input {given.name} has the fixed size {given.size}"
            raise UnstrideError(Reason.SIZE, rule, argument="size", value=size)
    return size


def freed(graph: Graph) -> Graph:
    """The same network with every input's spatial size left open."""
    inputs = tuple(Input(given.name, given.channels, (None,) * len(given.size)) for given in graph.inputs)
    return Graph(graph.name, inputs, graph.nodes, graph.outputs, graph.channels_last)


def convolutions(graph: Graph) -> tuple[Node, ...]:
    """The nodes that are convolutions or transposed convolutions, in order."""
    return tuple(node for node in graph.nodes if node.operation.kind == "convolution")
