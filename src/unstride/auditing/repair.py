"""Changes after which a network fits at a size: longer outputs where a layer can say so, else zeros before a join."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from ..errors import Reason, UnstrideError
from ..network import Convolution, Graph, Input, Node, Pad
from ..network.sizes import Propagation, freed, propagate
from .skips import Join, Repair, joins, repair

if TYPE_CHECKING:
    from .audit import Audit


@dataclass(frozen=True, slots=True)
class Fill:
    """Zeros put behind a value before it is joined."""

    node: str
    """where it is joined"""
    value: str
    pad: Pad

    def code(self) -> str:
        """The zeros in words."""
        return f"pad {self.value} with zeros, (before, after) per axis: {self.pad.margins}"


Change: TypeAlias = Repair | Fill


def repaired(found: Audit) -> tuple[Graph, tuple[Change, ...]]:
    """The network that fits at the audited sizes, and what was changed for it, in order.

    Raises UnstrideError for what no such change mends: a value that is too small, say.
    """
    graph, made = freed(found.graph), list[Change]()
    while len(made) <= len(found.graph.nodes):
        propagation = propagate(graph, found.sizes)
        if not propagation.misfits:
            return replace(graph, inputs=_sized(found)), tuple(made)
        change = next((_change(graph, propagation, join) for join in joins(graph, propagation)), None)
        if change is None:
            break
        made.append(change)
        graph = _changed(graph, change)
    misfit = propagate(graph, found.sizes).misfits[0]
    rule = f"{misfit.node}: {misfit.error.rule}"
    hint = "change the input's size"
    raise UnstrideError(Reason.SIZE, rule, argument="size", value=dict(found.sizes), hint=hint)


def _sized(found: Audit) -> tuple[Input, ...]:
    """The inputs, a declared size replaced by the audited one."""
    return tuple(
        replace(given, size=found.sizes[given.name]) if None not in given.size else given
        for given in found.graph.inputs
    )


def _change(graph: Graph, propagation: Propagation, join: Join) -> Change:
    longer = repair(graph, propagation, join)
    if longer is not None:
        return longer
    rank = len(propagation.features[join.short].size)
    missing = {gap.axis: gap.missing for gap in join.gaps}
    return Fill(join.node, join.short, Pad(tuple((0, missing.get(axis, 0)) for axis in range(rank))))


def _changed(graph: Graph, change: Change) -> Graph:
    return replace(graph, nodes=tuple(node for each in graph.nodes for node in _mended(each, change)))


def _mended(node: Node, change: Change) -> Iterator[Node]:
    operation = node.operation
    if isinstance(change, Fill) and node.name == change.node:
        name = f"{change.value}/pad for {node.name}"
        yield Node(name, change.pad, (change.value,))
        yield replace(node, inputs=tuple(name if each == change.value else each for each in node.inputs))
    elif isinstance(change, Repair) and node.name == change.node and isinstance(operation, Convolution):
        yield replace(node, operation=replace(operation, spec=change.after))
    else:
        yield node


def diff(found: Audit) -> str:
    """The changed lines, as a diff that a person reads; a sentence where nothing need change."""
    _, made = repaired(found)
    return "\n".join(_lines(made)) if made else "nothing to repair at this size"


def _lines(made: tuple[Change, ...]) -> Iterator[str]:
    for change in made:
        yield f"@@ {change.node} @@"
        if isinstance(change, Repair):
            yield f"-{change.before.code()}"
            yield f"+{change.after.code()}"
        else:
            yield f"+{change.code()}"
