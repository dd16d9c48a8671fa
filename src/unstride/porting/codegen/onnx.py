"""ONNX: nodes with explicit pads, between Pad and Slice nodes where they are needed; never auto_pad."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any

from ...dialects.arguments import Pairs
from ...dialects.refusal import Composition, compose, ways
from ...dialects.spec import Spec, argument
from ...errors import Reason, UnstrideError
from ...geometry import Layer
from ..plan import Plan, everywhere
from .program import Assign, Attribute, Call, Expression, Index, Name, Program, Return, call, method
from .steps import BIAS, KERNEL, building, heading, prepared

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

OPSET, IR_VERSION = 22, 10
_END = 2**63 - 1


def written(layer: Layer, batch: int) -> Spec | Composition | None:
    """The layer as one node with explicit pads, or the composition around one."""
    for spec in ways(layer, _propose, batch):
        return spec
    return compose(layer, _propose, batch)


def _propose(layer: Layer, batch: int) -> Iterator[Callable[[], Spec]]:
    from ...dialects import onnx

    return (partial(_explicit, build) for build in onnx.propose(layer, batch))


def _explicit(build: Callable[[], Spec]) -> Spec:
    """The spec, unless the runtime is left to choose its pads."""
    spec = build()
    if getattr(spec, "auto_pad", "NOTSET") != "NOTSET" or getattr(spec, "output_shape_", None) is not None:
        rule = "pads are written out: runtimes read auto_pad and output_shape differently"
        raise UnstrideError(Reason.UNSUPPORTED, rule, argument="node", value=spec.code())
    return spec


@dataclass(frozen=True, slots=True)
class Piece:
    """One layer's nodes and the arrays that they name."""

    nodes: tuple[Call, ...]
    constants: Mapping[str, Expression]
    """initializer → its array, of those that ``prepared`` leaves"""


@dataclass(slots=True)
class _Chain:
    """Nodes one behind the other; a tensor is named after what made it, with ``prefix`` before."""

    prefix: str
    last: str
    nodes: list[tuple[str, list[str], str, dict[str, Any]]]
    constants: dict[str, Expression]

    def constant(self, name: str, value: Expression) -> str:
        self.constants[f"{self.prefix}{name}"] = value
        return f"{self.prefix}{name}"

    def then(self, operator: str, name: str, *others: str, **attributes: Any) -> None:
        output = f"{self.prefix}{name}"
        self.nodes.append((operator, [self.last, *others], output, attributes))
        self.last = output

    def sliced(self, name: str, drops: Pairs) -> None:
        """A Slice of the axes that lose elements."""
        cut = [(axis + 2, *pair) for axis, pair in enumerate(drops) if any(pair)]
        starts = self.constant(f"{name}_starts", _integers([before for _, before, _ in cut]))
        ends = self.constant(f"{name}_ends", _integers([-after if after else _END for _, _, after in cut]))
        axes = self.constant(f"{name}_axes", _integers([axis for axis, _, _ in cut]))
        self.then("Slice", name, starts, ends, axes)


def _integers(values: list[int]) -> Expression:
    return call("numpy.array", values, dtype="int64")


def layer(plan: Plan, x: str = "x", y: str = "y", prefix: str = "") -> Piece:
    """The nodes from the tensor ``x`` to the tensor ``y``; every other name begins with ``prefix``."""
    chain = _Chain(prefix, x, [], {})
    if any(map(any, plan.grown)):
        margins = everywhere(plan.data, plan.grown)
        pads = chain.constant("pads", _integers([side for end in (0, 1) for side in (m[end] for m in margins)]))
        chain.then("Pad", "padded", pads)
    if any(map(any, plan.dropped)):
        chain.sliced("trimmed", plan.dropped)
    _convolve(chain, plan)
    if any(map(any, plan.cropped)):
        chain.sliced("cropped", plan.cropped)
    if plan.outer_bias:
        bias = chain.constant("bias", method(BIAS, "reshape", -1, *(1,) * plan.layer.rank))
        chain.then("Add", "biased", bias)
    if plan.activation:
        _ACTIVATIONS[plan.activation](chain, plan.activation_axis)
    *nodes, (operator, inputs, _, attributes) = chain.nodes
    made = [*nodes, (operator, inputs, y, attributes)]
    return Piece(tuple(_node(*each) for each in made), chain.constants)


def _node(operator: str, inputs: list[str], output: str | list[str], attributes: dict[str, Any]) -> Call:
    outputs = output if isinstance(output, list) else [output]
    return call("onnx.helper.make_node", operator, inputs, outputs, **attributes)


def _convolve(chain: _Chain, plan: Plan) -> None:
    attributes = _attributes(plan.spec)
    if plan.split == 1:
        names = [chain.constant("kernel", KERNEL)]
        names += [chain.constant("bias", BIAS)] if plan.inner_bias else []
        chain.then(plan.spec.call, "whole", *names, **attributes)
        return
    parts = [f"{chain.prefix}part_{index}" for index in range(plan.split)]
    split: Any = ("Split", [chain.last], parts, {"axis": 1, "num_outputs": plan.split})
    chain.nodes.append(split)
    for index, part in enumerate(parts):
        names = [chain.constant(f"kernel_{index}", Index(Name("kernels"), index))]
        names += [chain.constant(f"bias_{index}", Index(Name("biases"), index))] if plan.inner_bias else []
        chain.last = part
        chain.then(plan.spec.call, f"group_{index}", *names, **attributes)
    groups = [f"{chain.prefix}group_{index}" for index in range(plan.split)]
    chain.nodes.append(("Concat", groups, f"{chain.prefix}whole", {"axis": 1}))
    chain.last = f"{chain.prefix}whole"


def _attributes(spec: Spec) -> dict[str, Any]:
    """The node's attributes that differ from their defaults."""
    named = {field: getattr(spec, field.name) for field in fields(spec) if field.kw_only}
    chosen = {argument(field.name): value for field, value in named.items() if value != field.default}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in chosen.items()}


def _simple(operator: str, **attributes: Any) -> Callable[[_Chain, int], None]:
    def append(chain: _Chain, axis: int) -> None:
        del axis
        chain.then(operator, operator.lower(), **attributes)

    return append


def _along(chain: _Chain, axis: int, *, operator: str) -> None:
    chain.then(operator, operator.lower(), axis=axis)


def _silu(chain: _Chain, axis: int) -> None:
    del axis
    whole = chain.last
    chain.then("Sigmoid", "gate")
    chain.then("Mul", "silu", whole)


def _clip(chain: _Chain, axis: int, *, least: float, most: float) -> None:
    del axis
    dtype = Attribute(KERNEL, "dtype")
    bounds = (("least", least), ("most", most))
    chain.then("Clip", "clip", *(chain.constant(name, call("numpy.array", bound, dtype)) for name, bound in bounds))


_ACTIVATIONS: dict[str, Callable[[_Chain, int], None]] = {
    "celu": _simple("Celu"),
    "elu": _simple("Elu"),
    "exponential": _simple("Exp"),
    "gelu": _simple("Gelu"),
    "hard_sigmoid": _simple("HardSigmoid", alpha=1 / 6),
    "hard_silu": _simple("HardSwish"),
    "hard_swish": _simple("HardSwish"),
    "hard_tanh": partial(_clip, least=-1.0, most=1.0),
    "leaky_relu": _simple("LeakyRelu", alpha=0.2),
    "log_softmax": partial(_along, operator="LogSoftmax"),
    "mish": _simple("Mish"),
    "relu": _simple("Relu"),
    "relu6": partial(_clip, least=0.0, most=6.0),
    "selu": _simple("Selu"),
    "sigmoid": _simple("Sigmoid"),
    "silu": _silu,
    "softmax": partial(_along, operator="Softmax"),
    "softplus": _simple("Softplus"),
    "softsign": _simple("Softsign"),
    "swish": _silu,
    "tanh": _simple("Tanh"),
}
ACTIVATIONS = tuple(_ACTIVATIONS)


def program(plan: Plan) -> Program:
    """The layer as a model of its own."""
    piece = layer(plan)
    dtype = Name("dtype")
    info = "onnx.helper.make_tensor_value_info"
    shapes = {"x": ["batch", *plan.target_input_shape[1:]], "y": ["batch", *plan.target_output_shape[1:]]}
    x, y = (call(info, name, dtype, shape) for name, shape in shapes.items())
    constants = [call("onnx.numpy_helper.from_array", array, name) for name, array in piece.constants.items()]
    graph = call("onnx.helper.make_graph", list(piece.nodes), "ported", [x], [y], constants)
    opsets = [call("onnx.helper.make_opsetid", "", OPSET)]
    body = (
        *prepared(plan),
        Assign(dtype, call("onnx.helper.np_dtype_to_tensor_dtype", Attribute(KERNEL, "dtype"))),
        Assign(Name("graph"), graph),
        Return(call("onnx.helper.make_model", Name("graph"), opset_imports=opsets, ir_version=IR_VERSION)),
    )
    return Program(heading(plan, "ONNX"), ("numpy", "onnx"), (building(plan, "model", body),))


class Session:
    """An ONNX model in ONNX Runtime, called on an array."""

    def __init__(self, model: Any) -> None:
        import onnxruntime

        self.model = model
        """the ``onnx.ModelProto``"""
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    def __call__(self, x: ArrayLike) -> NDArray[Any]:
        """The model's output for ``x``."""
        import numpy as np

        (given,) = self.session.get_inputs()
        (answer,) = self.session.run(None, {given.name: np.asarray(x)})
        made: NDArray[Any] = answer
        return made
