"""Graph: named values, each made by one operation from values before it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..errors import Reason, UnstrideError
from .operations import Operation

NODE_LIMIT = 100_000
"""most operations a graph may have"""


@dataclass(frozen=True, slots=True)
class Input:
    """A value that is given: channels and spatial size; None where the source leaves a size open."""

    name: str
    channels: int
    size: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """One operation; its output bears the node's name."""

    name: str
    operation: Operation
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """A network: inputs, nodes in an order in which they can be computed, and the names of the outputs.

    Raises UnstrideError where a name is given twice or used before it is made.
    """

    name: str
    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    channels_last: bool = False
    """whether the source's own inputs and outputs have their channels last"""

    def __post_init__(self) -> None:
        if len(self.nodes) > NODE_LIMIT:
            rule = f"has more than {NODE_LIMIT} operations"
            raise UnstrideError(Reason.TOO_LARGE, rule, argument=self.name, value=len(self.nodes))
        made = {given.name for given in self.inputs}
        if len(made) < len(self.inputs):
            raise UnstrideError(Reason.ARGUMENT, "two inputs have one name", argument=self.name)
        for node in self.nodes:
            self._check(node, made)
            made.add(node.name)
        for name in self.outputs:
            if name not in made:
                raise UnstrideError(Reason.ARGUMENT, "an output that nothing makes", argument=self.name, value=name)

    def _check(self, node: Node, made: set[str]) -> None:
        if node.name in made:
            raise UnstrideError(Reason.ARGUMENT, "two values have one name", argument=self.name, value=node.name)
        for name in node.inputs:
            if name not in made:
                rule = f"{node.name} takes a value that nothing before it makes"
                raise UnstrideError(Reason.ARGUMENT, rule, argument=self.name, value=name)
        wanted = node.operation.inputs
        if wanted is not None and len(node.inputs) != wanted:
            rule = f"{node.name}: {node.operation.kind} takes {wanted} input"
            raise UnstrideError(Reason.ARGUMENT, rule, argument=self.name, value=node.inputs)

    @cached_property
    def by_name(self) -> dict[str, Node]:
        """The nodes by their names."""
        return {node.name: node for node in self.nodes}

    @property
    def rank(self) -> int:
        """Most spatial axes that an input has."""
        return max((len(given.size) for given in self.inputs), default=0)
