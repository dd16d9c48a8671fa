"""Where values of different size meet: for which input sizes they fit, and what would make them fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

from ..dialects import registry
from ..dialects.spec import Spec, argument
from ..errors import UnstrideError
from ..network import Convolution, Features, Graph, Merge, Node
from ..network.sizes import Propagation
from .hazards import NAMES

PRESERVING = ("activation", "batch norm", "group norm", "softmax")
"""operations that keep the size"""


@dataclass(frozen=True, slots=True)
class Repair:
    """A change of one node that makes a join fit, for the sizes it was asked for."""

    node: str
    before: Spec
    after: Spec

    def text(self) -> str:
        """The arguments that change."""
        changed = []
        names = [field.name for field in fields(self.after)] if type(self.after) is type(self.before) else []
        for name in names:
            old, new = getattr(self.before, name), getattr(self.after, name)
            if old != new:
                said = f"no {argument(name)}" if new is None else f"{argument(name)}={_shown(new)}"
                changed.append(f"{said} instead of {_shown(old)}")
        return " and ".join(changed) or self.after.code()

    def as_json(self) -> dict[str, Any]:
        """The change as JSON values."""
        return {"node": self.node, "before": self.before.code(), "after": self.after.code()}


def _shown(value: object) -> str:
    return repr(list(value)) if isinstance(value, tuple) else repr(value)


@dataclass(frozen=True, slots=True)
class Gap:
    """One axis on which two values differ in length."""

    axis: int
    length: int
    """of the longer value"""
    missing: int
    """elements that the shorter value lacks"""


@dataclass(frozen=True, slots=True)
class Join:
    """Two inputs of one node, one of them shorter."""

    node: str
    long: str
    short: str
    gaps: tuple[Gap, ...]


def joins(graph: Graph, found: Propagation) -> Iterator[Join]:
    """Every join of two values that differ in length; axes on which the same one is shorter belong together."""
    for misfit in found.misfits:
        node = graph.by_name[misfit.node]
        if not isinstance(node.operation, Merge) or len({len(each.size) for each in misfit.given}) != 1:
            continue
        pairs: dict[tuple[str, str], list[Gap]] = {}
        for axis in range(len(misfit.given[0].size)):
            lengths = {name: each.size[axis] for name, each in zip(node.inputs, misfit.given, strict=True)}
            long, short = max(lengths, key=lengths.__getitem__), min(lengths, key=lengths.__getitem__)
            if missing := lengths[long] - lengths[short]:
                pairs.setdefault((long, short), []).append(Gap(axis, lengths[long], missing))
        yield from (Join(node.name, long, short, tuple(gaps)) for (long, short), gaps in pairs.items())


def enlarger(graph: Graph, name: str) -> Node | None:
    """The transposed convolution that gives a value its size, if one does."""
    node = graph.by_name.get(name)
    while node is not None and node.operation.kind in PRESERVING:
        node = graph.by_name.get(node.inputs[0])
    is_one = node is not None and isinstance(node.operation, Convolution) and node.operation.spec.transposed
    return node if is_one else None


def repair(graph: Graph, found: Propagation, join: Join) -> Repair | None:
    """The transposed convolution of the shorter side with as many elements more, in its own dialect, if it can say so.

    The elements come at the end; what is there already keeps its place.
    """
    node = enlarger(graph, join.short)
    if node is None or node.inputs[0] not in found.features:
        return None
    operation, given = node.operation, found.features[node.inputs[0]]
    if not isinstance(operation, Convolution):
        return None
    after = longer(operation, given, {gap.axis: gap.missing for gap in join.gaps})
    return None if after is None else Repair(node.name, operation.spec, after)


def longer(operation: Convolution, given: Features, gaps: dict[int, int]) -> Spec | None:
    """The convolution's spec with longer outputs; None where the dialect cannot say that in one call."""
    try:
        layer = operation.layer(given)
        axes = tuple(replace(axis, large=axis.large + gaps.get(i, 0)) for i, axis in enumerate(layer.axes))
        written = registry.write(replace(layer, axes=axes), operation.spec.dialect)
    except UnstrideError:
        return None
    return _as_before(operation.spec, written) if isinstance(written, Spec) else None


def _as_before(before: Spec, after: Spec) -> Spec:
    """The new spec with the old one's data order and names, where it is the same kind of call."""
    if type(before) is not type(after):
        return after
    kept = {name: getattr(before, name) for name in _KEPT if hasattr(before, name)}
    try:
        return replace(after, **kept)
    except UnstrideError:
        return after


_KEPT = ("data_format", "kernel_shape_", "X", "W", "B", "bias")
"""arguments that say nothing of the output's size"""


def axis_name(rank: int, axis: int) -> str:
    """The axis in words, such as ``height``."""
    return NAMES[rank][axis] if rank in NAMES else f"axis {axis}"


def axis_names(rank: int, axes: Iterable[int]) -> str:
    """Several axes in words."""
    return " and ".join(axis_name(rank, axis) for axis in axes)


def ways_out(graph: Graph, found: Propagation, join: Join, rank: int) -> Iterator[str]:
    """What makes a join fit at these sizes: a longer transposed convolution, or a crop of the longer side."""
    change = repair(graph, found, join)
    if change is not None:
        rests = _rests(graph.by_name[change.node], found, join, rank)
        yield f"at {change.node}: {change.text()} where {rests}"
    alike: dict[int, list[int]] = {}
    for gap in join.gaps:
        alike.setdefault(gap.missing, []).append(gap.axis)
    for missing, axes in alike.items():
        elements = "1 element" if missing == 1 else f"{missing} elements"
        ends = f"at the end of its {axis_names(rank, axes)}"
        yield f"at {join.node}: pad {join.short} by {elements} {ends}, or crop {join.long}"


def _rests(node: Node, found: Propagation, join: Join, rank: int) -> str:
    """For which sizes of the longer value the change is right."""
    operation = node.operation
    if not isinstance(operation, Convolution):
        return "it is so"
    axes = operation.layer(found.features[node.inputs[0]]).axes
    alike: dict[str, list[int]] = {}
    for gap in join.gaps:
        alike.setdefault(_rest(gap.length, axes[gap.axis].stride), []).append(gap.axis)
    verbs = {rest: "is" if len(same) == 1 else "are" for rest, same in alike.items()}
    parts = (f"the {axis_names(rank, same)} of {join.long} {verbs[rest]} {rest}" for rest, same in alike.items())
    return ", ".join(parts)


def _rest(length: int, stride: int) -> str:
    rest = length % stride
    if stride == 2:
        return "odd" if rest else "even"
    return f"≡ {rest} (mod {stride})"
