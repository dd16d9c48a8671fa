"""One way in to all writers: a network in a framework's words, or what the framework cannot say of it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias

from ...errors import Reason, UnstrideError
from ...network.graph import Graph
from .common import SINGLE, Refused, element_type, lower
from .common_sizes import exact_sizes, first_sizes

if TYPE_CHECKING:
    from .common_onnx import OnnxModel
    from .keras import Keras
    from .torch import Torch

    Model: TypeAlias = Torch | Keras | OnnxModel

_WRITERS = {"torch": ("torch", "Torch"), "keras": ("keras", "Keras"), "onnx": ("common_onnx", "OnnxModel")}
"""framework -> the module of its writer, and the class there"""


def write(
    graph: Graph, to: str, size: tuple[int, ...] | Mapping[str, tuple[int, ...]] | None = None
) -> Model | tuple[Refused, ...]:
    """The network as a model of ``to``, or every step that ``to`` cannot say.

    It is exact for inputs of ``size`` (spatial; by the inputs' names where they differ), and of as many other sizes
    as can be. Raises UnstrideError where the network takes no such input.
    """
    if to not in _WRITERS:
        rule = f"must be one of {', '.join(_WRITERS)}"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="to", value=to)
    home, name = _WRITERS[to]
    sizes = first_sizes(graph, size)
    target = import_module(f".{to}", __package__).TARGET
    lowered = lower(graph, target, sizes)
    if isinstance(lowered, tuple):
        return lowered
    if to == "keras" and (dtype := element_type(graph)) != SINGLE:
        weighed = next(node.name for node in graph.nodes if node.operation.weights)
        return (Refused(weighed, f"its weights are {dtype}; models in Keras are written in {SINGLE}"),)
    writer = getattr(import_module(f".{home}", __package__), name)
    made: Model = writer(lowered, exact_sizes(graph, sizes, lowered.exact))
    return made
