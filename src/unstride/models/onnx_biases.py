"""A constant that is added to a layer's output alone is the layer's bias."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from ..dialects.spec import Source
from ..network import Convolution, Dense, Node, Norm, Stored


def with_biases(
    nodes: tuple[Node, ...], outputs: tuple[str, ...], additions: Collection[str]
) -> tuple[tuple[Node, ...], tuple[str, ...]]:
    """The nodes with every addition taken into the layer before it, where nothing else uses that layer's output.

    ``additions`` names norms that only add their offset. The layer keeps its name.
    """
    uses = Counter(name for node in nodes for name in node.inputs) + Counter(outputs)
    made: dict[str, Node] = {}
    renamed: dict[str, str] = {}
    for node in nodes:
        inputs = tuple(renamed.get(name, name) for name in node.inputs)
        before = made.get(inputs[0]) if inputs else None
        if before is not None and node.name in additions and uses[node.inputs[0]] == 1:
            layer = _biased(before.operation, node.operation)
            if layer is not None:
                made[before.name] = replace(before, operation=layer)
                renamed[node.name] = before.name
                continue
        made[node.name] = replace(node, inputs=inputs)
    return tuple(made.values()), tuple(renamed.get(name, name) for name in outputs)


def _biased(layer: object, norm: object) -> Convolution | Dense | None:
    offset: Stored | None = norm.offset if isinstance(norm, Norm) else None
    if isinstance(layer, Dense) and layer.bias is None:
        return replace(layer, bias=offset)
    if isinstance(layer, Convolution) and layer.bias is None:
        spec: Any = layer.spec
        return Convolution(replace(spec, B=Source("B")), layer.kernel, offset)
    return None
