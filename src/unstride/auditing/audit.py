"""The verb: a model as a table of its convolutions, the sizes it takes, and what may go wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..answers.cost import Cost, count_cost
from ..errors import Reason, UnstrideError
from ..geometry import Layer
from ..geometry.wire import axis_to_wire
from ..network import Convolution, Graph, Pool
from ..network.operations import Opaque
from ..network.sizes import Propagation, freed, propagate
from .findings import Code, Finding, Level
from .hazards import of_convolution, of_pool
from .size_set import SizeSet
from .skips import Join, Repair, axis_names, joins, repair, ways_out
from .survey import AxisSurvey, survey

USUAL = 64
"""the length from which an open size is chosen"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One convolution of the model, at the audited size."""

    node: str
    operation: Convolution
    layer: Layer
    cost: Cost

    def as_json(self) -> dict[str, Any]:
        """The entry as JSON values."""
        layer = self.layer
        return {
            "node": self.node,
            "code": self.operation.spec.code(),
            "transposed": layer.transposed,
            "input_size": list(layer.input_size),
            "output_size": list(layer.output_size),
            "channels": [layer.in_channels, layer.out_channels],
            "groups": layer.groups,
            "axes": [axis_to_wire(axis) for axis in layer.axes],
            **self.cost.as_json(),
        }


@dataclass(frozen=True)
class Audit:
    """What was found in one model."""

    graph: Graph
    sizes: Mapping[str, tuple[int, ...]]
    """the spatial sizes of the inputs that it was audited at"""
    propagation: Propagation
    entries: tuple[Entry, ...]
    surveys: tuple[AxisSurvey, ...]
    """for each spatial axis, the sizes the network takes; empty where that cannot be told"""
    findings: tuple[Finding, ...]

    @property
    def hazards(self) -> tuple[Finding, ...]:
        """The findings that are more than notes."""
        return tuple(each for each in self.findings if each.level is not Level.NOTE)

    @cached_property
    def repairs(self) -> tuple[Repair, ...]:
        """Changes of single layers that make the network fit at the audited sizes."""
        found = (repair(self.graph, self.propagation, join) for join in joins(self.graph, self.propagation))
        return tuple(dict.fromkeys(each for each in found if each is not None))

    @property
    def total(self) -> int:
        """Multiply-accumulates of all convolutions, for a batch of one."""
        return sum(entry.cost.multiply_accumulates for entry in self.entries)

    def text(self) -> str:
        """The audit in lines of text."""
        from .report import lines

        return "\n".join(lines(self))

    def __str__(self) -> str:
        return self.text()

    def as_json(self) -> dict[str, Any]:
        """The audit as JSON values."""
        return {
            "model": self.graph.name,
            "sizes": {name: list(size) for name, size in self.sizes.items()},
            "sizes_taken": [each.as_json() for each in self.surveys],
            "convolutions": [entry.as_json() for entry in self.entries],
            "multiply_accumulates": self.total,
            "findings": [finding.as_json() for finding in self.findings],
            "repairs": [each.as_json() for each in self.repairs],
        }


def audit(
    model: object,
    *,
    size: tuple[int, ...] | None = None,
    inputs: Sequence[tuple[int, ...]] | None = None,
    weights: str | Path | None = None,
    external_data: bool = False,
) -> Audit:
    """What may go wrong in a model: a file, a live model, or a network; no code of a file is run.

    ``size`` is the spatial size of its inputs, for models that leave it open or to ask about another one; ``inputs``
    the whole shapes of a live torch module's; ``weights`` a file that holds them, where the model's own does not;
    ``external_data`` lets an ONNX file read others in its folder. Raises UnstrideError where it cannot be read.
    """
    graph, unread = (model, False) if isinstance(model, Graph) else _opened(model, weights, external_data, inputs)
    surveys = survey(graph)
    sizes = _sizes(graph, size, surveys, inputs)
    found = propagate(freed(graph), sizes)
    entries = tuple(_entries(graph, found))
    findings = dict.fromkeys((*_findings(graph, sizes, found, surveys), *([_UNREAD] if unread else [])))
    return Audit(graph, sizes, found, entries, surveys, tuple(sorted(findings, key=_weight)))


_UNREAD = Finding(
    Code.NOT_UNDERSTOOD,
    Level.NOTE,
    None,
    "its weights were not read, for want of h5py: how evenly they spread is not judged",
    ("pip install 'unstride[models]'",),
)


def _opened(
    model: object, weights: str | Path | None, external_data: bool, inputs: Sequence[tuple[int, ...]] | None
) -> tuple[Graph, bool]:
    """The network, and whether a Keras file's weights were left out: an audit needs its configuration alone."""
    from ..models.opening import open_model

    lacks = isinstance(model, (str, Path)) and str(model).endswith(".keras") and find_spec("h5py") is None
    graph = open_model(model, weights=weights, external_data=external_data, inputs=inputs, known=not lacks)
    return graph, lacks


def _weight(finding: Finding) -> int:
    return list(Level).index(finding.level)


def _sizes(
    graph: Graph,
    size: tuple[int, ...] | None,
    surveys: tuple[AxisSurvey, ...],
    inputs: Sequence[tuple[int, ...]] | None,
) -> Mapping[str, tuple[int, ...]]:
    """The given size, that of the shapes a torch module was read with, the declared one, or a usual one it takes."""
    shapes = inputs if inputs is not None and len(inputs) == len(graph.inputs) else [()] * len(graph.inputs)
    chosen = {}
    for given, shape in zip(graph.inputs, shapes, strict=True):
        wanted = size if size is not None and given.size else tuple(shape[2:]) or None
        if wanted is None:
            chosen[given.name] = tuple(_length(axis, n, surveys) for axis, n in enumerate(given.size))
            continue
        if len(wanted) != len(given.size) or min(wanted, default=1) < 1:
            rule = f"the input {given.name} has {len(given.size)} spatial axes, each with at least one element"
            raise UnstrideError(Reason.SIZE, rule, argument="size", value=wanted)
        chosen[given.name] = tuple(wanted)
    return chosen


def _length(axis: int, declared: int | None, surveys: tuple[AxisSurvey, ...]) -> int:
    if declared is not None:
        return declared
    taken = surveys[axis].accepted.after(USUAL) if axis < len(surveys) else None
    return taken or USUAL


def _entries(graph: Graph, found: Propagation) -> Iterator[Entry]:
    for node in graph.nodes:
        operation = node.operation
        if isinstance(operation, Convolution) and node.name in found.features:
            layer = operation.layer(found.features[node.inputs[0]])
            yield Entry(node.name, operation, layer, count_cost(layer, itemsize=_itemsize(operation)))


def _itemsize(operation: Convolution) -> int:
    return {"float64": 8, "float16": 2, "bfloat16": 2}.get(operation.kernel.dtype, 4)


def _findings(
    graph: Graph, sizes: Mapping[str, tuple[int, ...]], found: Propagation, surveys: tuple[AxisSurvey, ...]
) -> Iterator[Finding]:
    yield from _misfits(graph, found)
    yield from _asked_otherwise(graph, sizes)
    yield from _size_rule(graph, sizes, found, surveys)
    dialect = _dialect(graph)
    for node in graph.nodes:
        operation = node.operation
        if isinstance(operation, Opaque):
            yield _opaque(node.name, operation)
        elif isinstance(operation, Convolution) and node.name in found.features:
            yield from of_convolution(node.name, operation, found.features[node.inputs[0]])
        elif isinstance(operation, Pool) and node.name in found.features:
            yield from of_pool(node.name, operation, found.features[node.inputs[0]], dialect)


def _dialect(graph: Graph) -> str:
    """What most convolutions are written in; empty where there is none."""
    names = [node.operation.spec.dialect for node in graph.nodes if isinstance(node.operation, Convolution)]
    return max(dict.fromkeys(names), key=names.count, default="")


def _asked_otherwise(graph: Graph, sizes: Mapping[str, tuple[int, ...]]) -> Iterator[Finding]:
    """That another size is asked about than the model is made for."""
    for given in graph.inputs:
        declared = tuple(n if n is not None else m for n, m in zip(given.size, sizes[given.name], strict=True))
        if declared != sizes[given.name]:
            made, asked = (" × ".join(map(str, each)) for each in (declared, sizes[given.name]))
            says = f"{given.name} is made for {made}; the answers are for {asked}, its steps taken as they stand there"
            yield Finding(Code.SIZE_RULE, Level.NOTE, None, says)


def _opaque(node: str, operation: Opaque) -> Finding:
    """A step that is not understood; what a size decides while the network runs is a hazard of its own."""
    says = f"{operation.name}: {operation.why}; what follows it is not looked at"
    if "output_padding" in operation.why:
        fix = "give the layer a fixed output_padding, and sizes that it is right for"
        return Finding(Code.OUTPUT_PADDING, Level.HAZARD, node, says, (fix,))
    return Finding(Code.NOT_UNDERSTOOD, Level.NOTE, node, says)


def _misfits(graph: Graph, found: Propagation) -> Iterator[Finding]:
    """What does not fit at the audited size."""
    joined: dict[str, list[Join]] = {}
    for join in joins(graph, found):
        joined.setdefault(join.node, []).append(join)
    for misfit in found.misfits:
        if isinstance(graph.by_name[misfit.node].operation, Opaque):
            continue
        rank = len(misfit.given[0].size) if misfit.given else 0
        fixes = (way for join in joined.get(misfit.node, ()) for way in ways_out(graph, found, join, rank))
        yield Finding(Code.SIZE_MISMATCH, Level.ERROR, misfit.node, _without_node(misfit.error), tuple(fixes))


def _without_node(error: UnstrideError) -> str:
    return f"{error.rule}" + (f"; {error.hint}" if error.hint else "")


def _size_rule(
    graph: Graph, sizes: Mapping[str, tuple[int, ...]], found: Propagation, surveys: tuple[AxisSurvey, ...]
) -> Iterator[Finding]:
    """Sizes that the network does not take: a hazard where its inputs leave them open, else a note."""
    alike: dict[SizeSet, list[int]] = {}
    for axis, each in enumerate(surveys):
        if not each.accepted.whole:
            alike.setdefault(each.accepted, []).append(axis)
    if not alike:
        return
    says = "; ".join(_must(accepted, axis_names(len(surveys), axes)) for accepted, axes in alike.items())
    is_open = any(length is None for given in graph.inputs for length in given.size)
    says += "" if is_open else ", if the input's size were left open"
    level = Level.HAZARD if is_open else Level.NOTE
    code = Code.SIZE_MISMATCH if is_open else Code.SIZE_RULE
    fixes = dict.fromkeys(
        fix for accepted, axes in alike.items() for fix in _fixes_elsewhere(graph, sizes, accepted, axes)
    )
    pad = () if any(accepted.empty for accepted in alike) else ("pad the input up to such a size, and crop the output",)
    yield Finding(code, level, None, says, (*pad, *fixes))
    if is_open and not found.misfits:
        yield from _output_paddings(graph)


def _must(accepted: SizeSet, names: str) -> str:
    return f"no {names} fits" if accepted.empty else f"{names} must be {accepted.text()}"


def _fixes_elsewhere(
    graph: Graph, sizes: Mapping[str, tuple[int, ...]], accepted: SizeSet, axes: list[int]
) -> Iterator[str]:
    """The ways out at the next sizes that do not fit."""
    for more in range(accepted.modulus + 1):
        grown = {
            name: tuple((accepted.after(n) or n) + more if axis in axes else n for axis, n in enumerate(size))
            for name, size in sizes.items()
        }
        if next(iter(grown.values()))[axes[0]] in accepted:
            continue
        found = propagate(freed(graph), grown)
        for join in joins(graph, found):
            yield from ways_out(graph, found, join, graph.rank)


def _output_paddings(graph: Graph) -> Iterator[Finding]:
    """Transposed convolutions whose output_padding fits one remainder of the input's size only."""
    for node in graph.nodes:
        extra = getattr(getattr(node.operation, "spec", None), "output_padding", None)
        if isinstance(node.operation, Convolution) and extra is not None and _any(extra):
            says = f"output_padding={extra} is right for some input sizes only: it stands for what a stride left over"
            fix = "give the wanted size where the layer is called (PyTorch: output_size=skip.shape[2:])"
            yield Finding(Code.OUTPUT_PADDING, Level.HAZARD, node.name, says, (fix,))


def _any(extra: object) -> bool:
    return any(extra) if isinstance(extra, tuple) else bool(extra)
