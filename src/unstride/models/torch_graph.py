"""A torch program as a network graph: every call read, in order, with what changes in place followed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ..errors import UnstrideError
from ..network import Graph, Input, Node, Opaque, Operation
from .pt2 import Archive
from .pt2_program import Call, Meta, Scope, Tensor, damaged
from .torch_constants import fold
from .torch_elements import ELEMENTS
from .torch_layers import LAYERS
from .torch_shapes import ALIASES, SHAPES, VIEWS
from .torch_steps import Cell, Constant, Feature, Result, Step, Unknown, Unsaid, Value

READERS: Mapping[str, Callable[[Step], Result]] = {**SHAPES, **ELEMENTS, **LAYERS}
"""aten operator -> how it is read"""


def build(archive: Archive) -> Graph:
    """The graph that an archive's program computes; what is not understood is an opaque node."""
    return _Builder(archive).graph()


@dataclass(frozen=True, slots=True)
class _Made:
    """A node before it has its name."""

    key: str
    label: str
    scope: Scope
    operation: Operation
    inputs: tuple[str, ...]


@dataclass(slots=True)
class _Builder:
    archive: Archive
    cells: dict[str, Cell] = field(default_factory=dict)
    nodes: dict[str, _Made] = field(default_factory=dict)

    def graph(self) -> Graph:
        program = self.archive.program
        self.cells = {name: Cell(Constant(stored)) for name, stored in self.archive.weights.items()}
        inputs = tuple(self._given(name) for name in program.inputs)
        for call in program.calls:
            self._run(call)
        outputs = [key for name in program.outputs for key in self._output(name, inputs)]
        kept = _reached(self.nodes, outputs)
        names = {given.name: given.name for given in inputs} | _names(kept, {given.name for given in inputs})
        nodes = [Node(names[made.key], made.operation, tuple(map(names.__getitem__, made.inputs))) for made in kept]
        return Graph(self.archive.name, inputs, tuple(nodes), tuple(map(names.__getitem__, outputs)))

    def _given(self, name: str) -> Input:
        """An input; one without axes for batch and channels is there, but no step can take it."""
        known = self._meta(name)
        self.cells[name] = Cell(Feature(name, known.sizes, known.dtype))
        if len(known.sizes) < 2 or not isinstance(known.sizes[1], int):
            return Input(name, 1)
        return Input(name, known.sizes[1], tuple(size if isinstance(size, int) else None for size in known.sizes[2:]))

    def _meta(self, name: str) -> Meta:
        if name not in self.archive.program.metas:
            raise damaged(f"{name} has no shape")
        return self.archive.program.metas[name]

    def _run(self, call: Call) -> None:
        step = Step(call, self.archive.program, self.cells)
        given = [step.cell(tensor) for tensor in step.tensors]
        made = [name for name in call.outputs if name is not None]
        if not made:
            self._without_output(step, given)
            return
        values = self._values(step, made, given)
        if step.in_place and given:
            given[0].write(values[0])
            self.cells[made[0]] = given[0]
        elif step.name in ALIASES and given and values[0] == given[0].value:
            self.cells[made[0]] = given[0]
        else:
            opaque = isinstance(values[0], Feature) and self._is_opaque(values[0])
            shared = given[0].storage if given and (step.name in VIEWS or opaque) else None
            self.cells[made[0]] = Cell(values[0], shared)
        for name, value in zip(made[1:], values[1:], strict=True):
            self.cells[name] = Cell(value)

    def _is_opaque(self, value: Feature) -> bool:
        return value.node in self.nodes and isinstance(self.nodes[value.node].operation, Opaque)

    def _without_output(self, step: Step, given: list[Cell]) -> None:
        """A step that makes no tensor: an assertion, or one that may write to what it is given."""
        if not step.name.startswith(("_assert", "sym_", "_operator.")) and step.operator.count(".") == 1:
            for cell in given:
                cell.storage.version += 1

    def _values(self, step: Step, made: list[str], given: list[Cell]) -> list[Value]:
        """What the outputs stand for; nodes are added for those that are made."""
        features = [cell.value.node for cell in given if isinstance(cell.value, Feature)]
        if not features:
            return [self._folded(step), *(Unknown(f"a further output of {step.operator}") for _ in made[1:])]
        try:
            if step.name not in READERS or not step.operator.startswith("aten."):
                return [self._opaque(step, name, features, Opaque(step.operator)) for name in made]
            first = self._added(step, made[0], READERS[step.name](step))
        except (Unsaid, UnstrideError) as reason:
            why = reason.rule if isinstance(reason, UnstrideError) else str(reason)
            return [self._opaque(step, name, features, Opaque(step.operator, why)) for name in made]
        further = Opaque(step.operator, "only its first output is understood")
        return [first, *(self._opaque(step, name, features, further) for name in made[1:])]

    def _folded(self, step: Step) -> Value:
        try:
            return fold(step)
        except Unsaid as reason:
            return Unknown(str(reason))

    def _added(self, step: Step, name: str, result: Result) -> Value:
        """The value of what a reader found."""
        if isinstance(result, (Feature, Constant, Unknown)):
            return result
        inputs = tuple(taken.node for taken in step.taken)
        known = self._meta(name)
        if any(taken.dtype != known.dtype for taken in step.taken):
            raise Unsaid(f"it computes {known.dtype} from {' and '.join(taken.dtype for taken in step.taken)}")
        *helpers, last = result if isinstance(result, list) else [result]
        for helper in helpers:
            inputs = (self._node(step, f"{name}.{helper.kind}", helper, inputs),)
        order = () if step.name in VIEWS else step.taken[0].order
        return Feature(self._node(step, name, last, inputs), known.sizes, known.dtype, order)

    def _opaque(self, step: Step, name: str, features: list[str], operation: Opaque) -> Value:
        known = self.archive.program.metas.get(name, Meta("", ()))
        key = self._node(step, name, operation, tuple(dict.fromkeys(features)))
        return Feature(key, known.sizes, known.dtype)

    def _node(self, step: Step, label: str, operation: Operation, inputs: tuple[str, ...]) -> str:
        key = f"\0{len(self.nodes)}"  # names in a program are printable, so that no input is called so
        self.nodes[key] = _Made(key, label, step.call.scope, operation, inputs)
        return key

    def _output(self, name: str, inputs: tuple[Input, ...]) -> tuple[str, ...]:
        """The node of an output; an opaque one where it is no feature of the network as it is."""
        step = Step(Call("output", {"self": Tensor(name)}, (), Scope()), self.archive.program, self.cells)
        cell = step.cell(Tensor(name))
        if isinstance(cell.value, Feature) and not cell.stale and self._is_opaque(cell.value):
            return (cell.value.node,)
        try:
            return (step.feature().node,)
        except Unsaid as reason:
            taken = (cell.value.node,) if isinstance(cell.value, Feature) else tuple(given.name for given in inputs[:1])
            return (self._node(step, f"{name}.output", Opaque("output", str(reason)), taken),) if taken else ()


def _reached(nodes: Mapping[str, _Made], outputs: Iterable[str]) -> list[_Made]:
    """The nodes that an output needs, in order."""
    wanted = set(outputs)
    kept = []
    for made in reversed(list(nodes.values())):
        if made.key in wanted:
            wanted.update(made.inputs)
            kept.append(made)
    return kept[::-1]


def _names(kept: list[_Made], taken: set[str]) -> dict[str, str]:
    """The last node of one of torch's own modules bears the module's path, others the path and torch's name of them."""
    last = {made.scope.path: made.key for made in kept if made.scope.builtin and made.scope.path}
    used, names = set(taken), {}
    for made in kept:
        path = made.scope.path
        name = path if last.get(path) == made.key else ".".join(filter(None, (path, made.label)))
        number, free = 0, name
        while free in used:
            number += 1
            free = f"{name}_{number}"
        used.add(free)
        names[made.key] = free
    return names
