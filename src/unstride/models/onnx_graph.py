"""The nodes of an ONNX model, one after the other, as operations of a network graph."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..errors import Reason, UnstrideError
from ..network import (
    Convolution,
    Dense,
    Features,
    GlobalPool,
    Graph,
    Input,
    Merge,
    Node,
    Norm,
    Opaque,
    Operation,
    Unflatten,
)
from ..network.graph import NODE_LIMIT
from ..network.stored import Stored
from . import onnx_elements, onnx_layers, onnx_shapes
from .onnx_biases import with_biases
from .onnx_constants import constant_of, folded
from .onnx_step import Result, Step, UnknownError, Value, channels_last, standard
from .onnx_tensors import Folder, stored

_HANDLERS = {**onnx_layers.HANDLERS, **onnx_elements.HANDLERS, **onnx_shapes.HANDLERS}
_FIRST = (
    *("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool", "BatchNormalization"),
    *("InstanceNormalization", "GroupNormalization", "DepthToSpace", "LpPool", "ConvInteger", "QLinearConv"),
)
"""operators that take their input with its channels first"""
_ORDERED = ("Flatten", "Reshape", "Gemm", "MatMul", "Shape", "Resize", "Upsample", "Slice")
"""operators behind which the order of the axes is not looked for"""
_DEPTH = 50
"""most steps that rearrange one constant"""
_DEFAULT_DOMAINS = ("", "ai.onnx")
_LOOKED_AT = 200
"""most nodes that are looked at to tell the order of a value's axes"""


def build(model: Any, folder: Folder) -> Graph:
    """The model's main graph; UnstrideError where it is not sound."""
    if len(model.graph.node) > NODE_LIMIT:
        rule = f"has more than {NODE_LIMIT} nodes"
        raise UnstrideError(Reason.TOO_LARGE, rule, argument="file", value=len(model.graph.node))
    if not model.graph.output:
        raise UnstrideError(Reason.FILE, "is no ONNX model: its graph has no output", argument="file")
    return _Builder(model, folder).graph()


@dataclass
class _Builder:
    """What is known of the model while its nodes are read in order."""

    model: Any
    folder: Folder
    values: dict[str, Value | Stored] = field(default_factory=dict)
    """the file's name of a value -> what it is"""
    nodes: list[Node] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    """how often a name was given another number"""
    additions: set[str] = field(default_factory=set)
    """nodes that add one number to each channel"""
    depths: dict[str, int] = field(default_factory=dict)
    """how many steps lie between a constant and the array in the file"""
    batch: int | None = None
    """how many examples the inputs have, where the file fixes that"""

    def __post_init__(self) -> None:
        proto = self.model.graph
        self.opset = max(
            (each.version for each in self.model.opset_import if each.domain in _DEFAULT_DOMAINS), default=1
        )
        self.functions = {(function.domain, function.name) for function in self.model.functions}
        self.repeated = Counter(node.name for node in proto.node)
        self.consumers: dict[str, list[Any]] = {}
        for node in proto.node:
            for name in dict.fromkeys(node.input):
                self.consumers.setdefault(name, []).append(node)
        self.used = set(self.consumers) | {output.name for output in proto.output}

    def graph(self) -> Graph:
        proto = self.model.graph
        for tensor in proto.initializer:
            self.values[tensor.name] = stored(tensor, self.folder)
        for sparse in proto.sparse_initializer:
            self.values[sparse.values.name] = Stored(tuple(max(length, 0) for length in sparse.dims), "float32")
        given = [each for each in proto.input if each.name not in self.values]
        last = any(self._layout(each.name) is not None for each in given)
        self.batch = _batch(given)
        inputs = tuple(self._input(each, last=last) for each in given)
        for position, node in enumerate(proto.node):
            self._take(node, position)
        outputs = tuple(self._output(each.name, last=last) for each in proto.output)
        nodes, outputs = with_biases(tuple(self.nodes), outputs, self.additions)
        return Graph(proto.name or "model", inputs, nodes, outputs, last)

    # --- inputs and outputs ---

    def _input(self, given: Any, *, last: bool) -> Input:
        tensor = given.type.tensor_type
        if tensor.HasField("shape"):
            shape = tuple(each.dim_value if each.dim_value > 0 else None for each in tensor.shape.dim)
        else:
            kernel = self._kernel(given.name)
            shape = (None,) * (0 if kernel is None else len(kernel))
        rank = len(shape) - 2
        self.names.add(given.name)
        if rank < 0:
            whole = Value(given.name, None)
            why = f"an input of shape {shape}, which has no batch and channels"
            self.values[given.name] = self._opaque(f"{given.name} input", "Input", why, (whole,))
            return Input(given.name, next((length for length in shape if length), 1))
        order = channels_last(rank) if last and rank else standard(rank)
        lengths = dict(zip(order, shape, strict=True))
        channels = lengths["C"] or self._taken(given.name)
        if channels is None:
            rule, hint = "leaves open how many channels it has", "export the model with a fixed number"
            raise UnstrideError(Reason.CHANNELS, rule, argument=f"input {given.name}", value=shape, hint=hint)
        size = tuple(lengths[str(axis)] for axis in range(rank))
        fixed = tuple(length for length in size if length is not None)
        features = Features(channels, fixed) if len(fixed) == rank else None
        self.values[given.name] = Value(given.name, order, channels, features, tensor.elem_type)
        return Input(given.name, channels, size)

    def _kernel(self, name: str) -> tuple[int, ...] | None:
        """The shape of the first convolution's kernel that takes the value itself."""
        for node in self.consumers.get(name, ()):
            weights = self.values.get(node.input[1]) if len(node.input) > 1 else None
            if node.op_type == "Conv" and node.input[0] == name and isinstance(weights, Stored):
                return weights.shape
        return None

    def _taken(self, name: str) -> int | None:
        """The channels that the convolution takes which the value goes to."""
        for node in self.consumers.get(name, ()):
            if node.op_type == "Transpose" and (found := self._taken_by_convolutions(node.output[0])):
                return found
        return self._taken_by_convolutions(name)

    def _taken_by_convolutions(self, name: str) -> int | None:
        kernel = self._kernel(name)
        node = next((each for each in self.consumers.get(name, ()) if each.op_type == "Conv"), None)
        if kernel is None or node is None or len(kernel) < 3:
            return None
        return kernel[1] * max((each.i for each in node.attribute if each.name == "group"), default=1)

    def _layout(self, name: str) -> str | None:
        """Channels last, where the first node behind the value that depends on it moves them to the front."""
        pending, seen, looked_at = deque([name]), {name}, 0
        while pending:
            for node in self.consumers.get(pending.popleft(), ()):
                looked_at += 1
                if looked_at > _LOOKED_AT:
                    return None
                if node.op_type in _FIRST:
                    return None
                if node.op_type == "Transpose":
                    permutation = next((tuple(each.ints) for each in node.attribute if each.name == "perm"), ())
                    rank = len(permutation) - 2
                    if rank > 0 and permutation == (0, rank + 1, *range(1, rank + 1)):
                        return channels_last(rank)
                    return None
                if node.op_type not in _ORDERED and node.output and node.output[0] not in seen:
                    seen.add(node.output[0])
                    pending.append(node.output[0])
        return None

    def _output(self, name: str, *, last: bool) -> str:
        value = self.values.get(name)
        if value is None:
            raise UnstrideError(Reason.FILE, "an output that no node makes", argument="output", value=name)
        if isinstance(value, Stored):
            return self._opaque(name, "Constant", "an output that does not depend on the inputs", ()).name
        rank = value.spatial
        if value.order is None or value.order == (channels_last(rank) if last and rank else standard(rank)):
            return value.name
        why = f"an output whose axes lie as {value.order}, unlike the input's"
        return self._opaque(f"{name} output", "Transpose", why, (value,)).name

    # --- nodes ---

    def _take(self, node: Any, position: int) -> None:
        name = self._name(node, position)
        inputs = tuple(self._known(each, name) for each in node.input)
        operator = node.op_type if node.domain in _DEFAULT_DOMAINS else f"{node.domain}.{node.op_type}"
        outputs = [each for each in node.output if each]
        if any(each in self.values for each in outputs) or len(set(outputs)) < len(outputs):
            raise UnstrideError(Reason.FILE, "makes a value that there is already", argument=f"node {name[:80]}")
        try:
            if node.domain not in _DEFAULT_DOMAINS or (node.domain, node.op_type) in self.functions:
                raise UnknownError("an operator of another domain, or a function")
            step = self._step(node, inputs)
            if any(isinstance(each, Value) for each in inputs) or node.op_type == "Constant":
                self._understand(node, step, name)
            else:
                self._fold(node, step)
            outputs = outputs[1:]
        except UnstrideError as error:
            why = error.rule
        else:
            why = "an output besides the first"
        for index, output in enumerate(outputs):
            if output in self.used:
                values = tuple(each for each in inputs if isinstance(each, Value))
                label = name if index == 0 and len(outputs) == len([each for each in node.output if each]) else None
                self.values[output] = self._opaque(label or f"{name} {output}", operator, why, values)

    def _name(self, node: Any, position: int) -> str:
        if node.name and self.repeated[node.name] == 1:
            return str(node.name)
        return next((str(each) for each in node.output if each), f"{node.op_type}_{position}")

    def _known(self, name: str, node: str) -> Value | Stored | None:
        if not name:
            return None
        found = self.values.get(name)
        if found is None:
            rule = "takes a value that nothing before it makes"
            raise UnstrideError(Reason.FILE, rule, argument=f"node {node[:80]}", value=name)
        return found

    def _step(self, node: Any, inputs: tuple[Value | Stored | None, ...]) -> Step:
        attributes = {each.name: _attribute(each) for each in node.attribute}
        layout = self._layout(node.output[0]) if node.op_type == "Reshape" and node.output else None
        return Step(node.op_type, self.opset, attributes, inputs, layout, self.batch)

    def _fold(self, node: Any, step: Step) -> None:
        if not node.output or not node.output[0]:
            raise UnknownError("it has no first output")
        depth = 1 + max((self.depths.get(name, 0) for name in node.input), default=0)
        if depth > _DEPTH:
            raise UnknownError(f"a constant behind more than {_DEPTH} steps")
        self.values[node.output[0]], self.depths[node.output[0]] = folded(step), depth

    def _understand(self, node: Any, step: Step, name: str) -> None:
        if node.op_type == "Constant":
            constant = constant_of(dict(step.attributes), self.folder)
            if constant is None or not node.output:
                raise UnknownError("a constant that is no array of numbers")
            self.values[node.output[0]] = constant
            return
        handler = _HANDLERS.get(node.op_type)
        if handler is None or not node.output or not node.output[0]:
            raise UnknownError("not among the operations that are understood")
        value = self.values[node.output[0]] = self._placed(handler(step), name)
        if node.op_type == "Add" and isinstance(self.nodes[-1].operation, Norm):
            self.additions.add(value.name)

    def _placed(self, result: Result, name: str) -> Value:
        """The value that the node's operations make, once they are put into the graph."""
        first = result.inputs[0]
        value = Value(first.name, result.order, first.channels, first.features, first.type, first.pooled)
        given = result.inputs
        for position, operation in enumerate(result.operations, start=1):
            label = name if position == len(result.operations) else f"{name} {operation.kind}"
            features = _features(operation, given)
            channels = features.channels if features else _channels(operation, given)
            made = self._node(label, operation, tuple(each.name for each in given))
            value = Value(made, result.order, channels, features, first.type, _pooled(operation, first))
            given = (value,)
        return value

    def _opaque(self, name: str, operator: str, why: str, values: tuple[Value, ...]) -> Value:
        taken = tuple(dict.fromkeys(each.name for each in values))
        return Value(self._node(name, Opaque(operator, why), taken), None)

    def _node(self, name: str, operation: Operation, inputs: tuple[str, ...]) -> str:
        chosen = name
        while chosen in self.names:
            self.counts[name] += 1
            chosen = f"{name} {self.counts[name] + 1}"
        self.names.add(chosen)
        self.nodes.append(Node(chosen, operation, inputs))
        return chosen


def _batch(given: list[Any]) -> int | None:
    """The length of the first axis of every input, where the file fixes it and it is one."""
    shapes = [each.type.tensor_type.shape.dim for each in given]
    lengths = {shape[0].dim_value if shape else 0 for shape in shapes}
    return lengths.pop() or None if len(lengths) == 1 else None


def _features(operation: Operation, given: tuple[Value, ...]) -> Features | None:
    known = [each.features for each in given if each.features is not None]
    if len(known) == len(given):
        with suppress(UnstrideError):
            return operation.output(*known)
    return None


def _channels(operation: Operation, given: tuple[Value, ...]) -> int | None:
    """Channels of the output where the size is open."""
    if isinstance(operation, Convolution):
        shape = operation.kernel.shape
        return shape[1] * getattr(operation.spec, "group", 1) if operation.spec.transposed else shape[0]
    if isinstance(operation, Dense):
        return operation.kernel.shape[1]
    if isinstance(operation, Unflatten):
        return operation.features.channels
    channels = [each.channels for each in given if each.channels is not None]
    if (operation.kind == "flattening" and not given[0].pooled) or len(channels) < len(given):
        return None
    if isinstance(operation, Merge):
        return sum(channels) if operation.how == "concat" else max(channels)
    return channels[0]


def _pooled(operation: Operation, first: Value) -> bool:
    keeps = operation.kind in ("activation", "batch norm", "softmax")
    return (isinstance(operation, GlobalPool) and operation.keep) or (keeps and first.pooled)


def _attribute(proto: Any) -> Any:
    """The attribute's value by its declared type; None for graphs and what else is not looked into."""
    take = _ATTRIBUTES.get(proto.type)
    return None if take is None else take(proto)


_ATTRIBUTES: Mapping[int, Callable[[Any], Any]] = {
    1: lambda proto: float(proto.f),
    2: lambda proto: int(proto.i),
    3: lambda proto: bytes(proto.s).decode("utf-8", "replace"),
    4: lambda proto: proto.t,
    6: lambda proto: tuple(proto.floats),
    7: lambda proto: tuple(proto.ints),
}
"""AttributeProto's number of a type -> the value"""
