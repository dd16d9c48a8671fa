"""ONNX nodes, with the weights that are initializers or constants of their graph, or are given beside them.

Source: onnx/onnx.proto, onnx/numpy_helper.py (onnx 1.23).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any

from ..dialects.onnx import Conv, ConvTranspose
from ..dialects.spec import Spec
from ..errors import Reason, UnstrideError
from .arrays import as_numpy
from .found import Found
from .kinds import Kind, refuse, wrong_params

if TYPE_CHECKING:
    from .found import Array

SEPARATE = True
_FORMS: dict[str, Callable[..., Spec]] = {"Conv": Conv, "ConvTranspose": ConvTranspose}
_INT, _STRING, _INTS = 2, 3, 7
_EXTERNAL = 1


def read(thing: Any, kind: Kind, beside: Any) -> Found:
    """The node's spec and the weights that are known; ``beside`` is its name, or its initializers."""
    if kind.name == "NodeProto":
        node, tensors = thing, _given(beside)
    else:
        graph = thing.graph if kind.name == "ModelProto" else thing
        if beside is not None and not isinstance(beside, str):
            raise wrong_params(beside, "must be a node's name, or the name of one of its outputs")
        node, tensors = _named(graph, beside), _initializers(graph)
    spec = _spec(node)
    kernel, bias = (_weight(node, tensors, index) for index in (1, 2))
    known = kernel is not None and (bias is not None or not spec.bias_present)
    return Found(spec, kernel, bias) if known else Found(spec)


def _named(graph: Any, name: str | None) -> Any:
    """The convolution of that name; the only one where none is given."""
    nodes = [node for node in graph.node if node.op_type in _FORMS]
    found = [node for node in nodes if name is None or node.name == name or name in node.output]
    if len(found) == 1:
        return found[0]
    names = [node.name or node.output[0] for node in nodes]
    listed = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    rule = f"must name one convolution of the graph, such as {listed}" if nodes else "the graph has no convolution"
    raise UnstrideError(
        Reason.ARGUMENT, rule, argument="node", value=name, hint="give (model, name)" if nodes else None
    )


def _initializers(graph: Any) -> dict[str, Any]:
    """Tensors by name: initializers, and the outputs of Constant nodes."""
    constants = {
        node.output[0]: attribute.t
        for node in graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    }
    return constants | {tensor.name: tensor for tensor in graph.initializer}


def _given(beside: Any) -> dict[str, Any]:
    """Tensors by name, from arrays by name or from initializers."""
    if beside is None:
        return {}
    if isinstance(beside, Mapping):
        return dict(beside)
    if not isinstance(beside, Iterable) or isinstance(beside, str):
        raise wrong_params(beside, "must be initializers, or arrays by name")
    tensors = list(beside)
    if not all(hasattr(tensor, "data_location") for tensor in tensors):
        raise wrong_params(beside, "must be initializers, or arrays by name")
    return {tensor.name: tensor for tensor in tensors}


def _weight(node: Any, tensors: dict[str, Any], index: int) -> Array | None:
    """The node's input of that index as an array; None where it is not known before the model runs."""
    name = node.input[index] if len(node.input) > index else ""
    tensor = tensors.get(name)
    if tensor is None or not hasattr(tensor, "data_location"):
        return as_numpy(tensor, name)
    if tensor.data_location == _EXTERNAL:
        rule, hint = f"{name} is kept in a file of its own", "load the model with onnx.load, which reads it"
        raise UnstrideError(Reason.UNSUPPORTED, rule, argument="initializer", value=name, hint=hint)
    return as_numpy(import_module("onnx.numpy_helper").to_array(tensor), name)


def _spec(node: Any) -> Spec:
    if node.op_type not in _FORMS or node.domain not in ("", "ai.onnx"):
        name = ".".join(filter(None, (node.domain, node.op_type)))
        raise refuse(node, f"is {name}, which is neither Conv nor ConvTranspose")
    form = _FORMS[node.op_type]
    words = {attribute.name: _value(node, attribute) for attribute in node.attribute}
    known = set(signature(form).parameters) - {"X", "W", "B"}
    unknown = [name for name in words if name not in known]
    if unknown:
        raise refuse(node, f"has the attributes {', '.join(unknown)}, which {node.op_type} does not have")
    return form(*node.input, **words)


def _value(node: Any, attribute: Any) -> int | str | tuple[int, ...]:
    if attribute.type == _INT:
        return int(attribute.i)
    if attribute.type == _STRING:
        return str(attribute.s.decode("utf-8", "replace"))
    if attribute.type == _INTS:
        return tuple(attribute.ints)
    raise refuse(node, f"has the attribute {attribute.name}, which is no number, list of numbers or word")
