"""A whole network as an ONNX model: explicit margins, then Slice and Pad nodes, so that every runtime says the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ...errors import Reason, UnstrideError
from ...network.graph import Graph, Input, Node
from ...network.operations import Activation, Merge, Operation, Pad, Pool
from ...network.sizes import propagate
from ...whole import write_whole
from ..lengths import Lengths
from . import onnx_nodes
from .common import Lowered, Target, element_type, lower
from .common_sizes import InputSizes, exact_sizes, first_sizes

OPSET = 21
"""the opset of ONNX 1.16, which has every operation of a network but few others"""
LEAST_OPSET = 17
PROTOBUF_LIMIT = 2**31 - 2**20
"""bytes of weights that fit into one file"""
_AXES = {1: ("width",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def _accepted(spec: Any) -> bool:
    return spec.auto_pad == "NOTSET" and getattr(spec, "output_shape_", None) is None


def _pools(pool: Pool) -> bool:
    return not isinstance(pool.padding, str)


def _target(opset: int) -> Target:
    def has(operation: Operation, rank: int) -> str | None:
        return onnx_nodes.lacking(operation, rank, opset)

    return Target("onnx", has, _pools, _accepted)


TARGET = _target(OPSET)


def before_maxima(graph: Graph) -> frozenset[str]:
    """The margins of zeros that pooling takes, be it through steps that do nothing.

    ONNX Runtime before 1.32 adds them to the pooling's own margins, which are no zeros: those of a maximum are −∞.
    """
    found = set()
    for node in graph.nodes:
        if not isinstance(node.operation, Pool):
            continue
        before = graph.by_name.get(node.inputs[0])
        while before is not None and _does_nothing(before):
            before = graph.by_name.get(before.inputs[0])
        if before is not None and isinstance(before.operation, Pad) and _of_zeros(before.operation):
            found.add(before.name)
    return frozenset(found)


def _does_nothing(node: Node) -> bool:
    operation = node.operation
    return operation == Activation("linear") or (isinstance(operation, Merge) and len(node.inputs) == 1)


def _of_zeros(pad: Pad) -> bool:
    return pad.mode == "constant" and not pad.value and min(map(min, pad.margins)) >= 0


@dataclass(frozen=True)
class Onnx:
    """A network in ONNX's steps, from which the model is made."""

    lowered: Lowered
    sizes: tuple[InputSizes, ...]
    opset: int = OPSET
    keep_layout: bool = False

    @property
    def graph(self) -> Graph:
        """The network in steps that ONNX has."""
        return self.lowered.graph

    @property
    def _last(self) -> bool:
        return self.keep_layout and self.graph.channels_last

    @cached_property
    def proto(self) -> Any:
        """The model, an ``onnx.ModelProto``; UnstrideError where weights are not known or too large for one file."""
        from onnx import helper, numpy_helper

        count = sum(each.count for node in self.graph.nodes for each in node.operation.weights.values())
        if count * 8 > PROTOBUF_LIMIT and count * _item_size(self._dtype) > PROTOBUF_LIMIT:
            rule = f"the weights do not fit into one ONNX file of {PROTOBUF_LIMIT} bytes"
            raise UnstrideError(Reason.TOO_LARGE, rule, argument=self.graph.name, value=count)
        writer = onnx_nodes.Writer(helper, self._dtype)
        element = helper.np_dtype_to_tensor_dtype(_numpy_type(self._dtype))
        named, kept = self._inputs(writer), before_maxima(self.graph)
        for node in self.graph.nodes:
            given = self.lowered.features[node.inputs[0]]
            label = named.setdefault(node.name, node.name)
            taken = [named[each] for each in node.inputs]
            if isinstance(node.operation, Pad) and node.name in kept:
                onnx_nodes.write_apart(node.operation, writer, label, taken)
            else:
                onnx_nodes.write(node.operation, writer, label, taken, given)
        outputs = self._outputs(writer, named)
        proto = helper.make_graph(
            writer.nodes,
            self.graph.name,
            [helper.make_tensor_value_info(each.name, element, self._shape(each)) for each in self.graph.inputs],
            [helper.make_tensor_value_info(name, element, shape) for name, shape in outputs],
            [numpy_helper.from_array(array, name) for name, array in writer.arrays.items()],
            doc_string=self.note,
        )
        opsets = [helper.make_opsetid("", self.opset)]
        made = helper.make_model(proto, opset_imports=opsets, producer_name="unstride", doc_string=self.note)
        made.ir_version = helper.find_min_ir_version_for(opsets)
        return made

    @property
    def note(self) -> str:
        """What the model's description says: the order of axes, and the sizes at which it is exact."""
        told = [f"{each.name}: {each.words}" for each in self.sizes]
        lines = [f"exactly the network it was written from, for inputs of these sizes: {'; '.join(told)}"]
        if self.graph.channels_last and not self.keep_layout:
            lines.insert(0, "inputs and outputs have their channels first, in the source channels last")
        return "\n".join(lines)

    @property
    def _dtype(self) -> str:
        return element_type(self.graph)

    def _shape(self, given: Input) -> list[str | int]:
        """Open where the model is exact for all sizes that the source takes, else the size it was made for."""
        words = _AXES.get(len(given.size)) or tuple(f"axis_{axis}" for axis in range(len(given.size)))
        prefix = f"{given.name}_" if len(self.graph.inputs) > 1 else ""
        made = self.lowered.sizes[given.name]
        spatial: list[str | int] = []
        for word, length, here, free in zip(words, given.size, made, self._free[given.name], strict=True):
            spatial.append(f"{prefix}{word}" if length is None and free else here)
        return ["batch", *spatial, given.channels] if self._last else ["batch", given.channels, *spatial]

    @cached_property
    def _free(self) -> Mapping[str, tuple[bool, ...]]:
        """For each axis of an input, whether the model is exact at every length that the source takes."""
        source, sizes = self.lowered.source, self.lowered.sizes
        if not self.lowered.holds:
            return {given.name: (True,) * len(given.size) for given in self.graph.inputs}
        taken = exact_sizes(source, sizes, lambda each: not propagate(source, each).misfits)
        pairs = zip(self.sizes, taken, strict=True)
        return {mine.name: tuple(map(Lengths.covers, mine.axes, theirs.axes)) for mine, theirs in pairs}

    def _inputs(self, writer: onnx_nodes.Writer) -> dict[str, str]:
        """The graph's value -> its name in the file, for values that have another one."""
        named = {given.name: given.name for given in self.graph.inputs}
        if self._last:
            for given in self.graph.inputs:
                rank = len(given.size)
                if rank:
                    front = [0, rank + 1, *range(1, rank + 1)]
                    label = f"{given.name} channels first"
                    named[given.name] = writer.node("Transpose", [given.name], label, perm=front)
            made = {node.name for node in self.graph.nodes}
            spatial = [each for each in self.graph.outputs if self.lowered.features[each].size and each in made]
            named |= {name: f"{name} channels first" for name in spatial}
        return named

    def _outputs(self, writer: onnx_nodes.Writer, named: Mapping[str, str]) -> list[tuple[str, list[str | int | None]]]:
        """Name and shape of every output, each the output of a node of its own."""
        found: list[tuple[str, list[str | int | None]]] = []
        taken = {given.name for given in self.graph.inputs}
        for name in self.graph.outputs:
            channels, size = self.lowered.features[name]
            label = name if name not in taken else f"{name} output {len(found)}"
            taken.add(label)
            if self._last and size:
                back = [0, *range(2, len(size) + 2), 1]
                writer.node("Transpose", [named[name]], label, perm=back)
            elif label != named[name]:
                writer.node("Identity", [named[name]], label)
            lengths: list[str | int | None] = [None] * len(size)
            found.append((label, ["batch", *lengths, channels] if self._last else ["batch", channels, *lengths]))
        return found

    def save(self, path: str | Path) -> None:
        """Write the file, whole or not at all."""
        save(self.proto, path)


def _numpy_type(name: str) -> Any:
    import numpy as np

    return np.dtype(name)


def _item_size(name: str) -> int:
    return int(_numpy_type(name).itemsize)


def write(
    graph: Graph,
    *,
    size: tuple[int, ...] | Mapping[str, tuple[int, ...]] | None = None,
    opset: int = OPSET,
    keep_layout: bool = False,
) -> Any:
    """The network as an ``onnx.ModelProto``; inputs and outputs channels first, or as in the source (``keep_layout``).

    The batch is open, and so is every spatial axis on which the model is exact at every size; else it has the length of
    ``size``. Raises UnstrideError that names every step which ONNX, at that opset, cannot say.
    """
    if type(opset) is not int or opset < LEAST_OPSET:
        rule = f"must be an integer of at least {LEAST_OPSET}"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="opset", value=opset)
    sizes = first_sizes(graph, size)
    lowered = lower(graph, _target(opset), sizes)
    if not isinstance(lowered, Lowered):
        rule = "; ".join(f"{each.node}: {each.why}" for each in lowered)
        raise UnstrideError(Reason.UNSUPPORTED, f"ONNX cannot say {rule}", argument=graph.name, value=len(lowered))
    return Onnx(lowered, exact_sizes(graph, sizes, lowered.exact), opset, keep_layout).proto


def save(model: Any, path: str | Path) -> None:
    """Write a model's file, whole or not at all; UnstrideError where it cannot be written."""
    try:
        data = model.SerializeToString()
    except ValueError as error:
        raise UnstrideError(Reason.TOO_LARGE, f"does not fit into one ONNX file: {error}", argument="model") from None
    write_whole(Path(path), lambda stream: stream.write(data))
