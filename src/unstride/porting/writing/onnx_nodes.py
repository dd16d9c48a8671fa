"""The ONNX nodes of one operation: margins as numbers, never ``auto_pad`` or ``output_shape``.

Source: onnx/docs/Operators.md (onnx 1.23).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

from ...errors import Reason, UnstrideError
from ...network.operations import (
    Activation,
    Convolution,
    Dense,
    Features,
    Flatten,
    GlobalPool,
    GroupNorm,
    Merge,
    Norm,
    Operation,
    Pad,
    Pool,
    Resize,
    Softmax,
    Unflatten,
)
from .common import Part

TO_THE_END = 2**63 - 1
PLAIN: Mapping[str, tuple[str, int]] = {
    "linear": ("Identity", 1),
    "sigmoid": ("Sigmoid", 6),
    "tanh": ("Tanh", 6),
    "softplus": ("Softplus", 1),
    "softsign": ("Softsign", 1),
    "exponential": ("Exp", 6),
    "selu": ("Selu", 6),
    "hard_silu": ("HardSwish", 14),
    "mish": ("Mish", 18),
}
"""activations without arguments -> operator, and the opset that has it"""
BOUNDS: Mapping[str, tuple[float, float]] = {"relu6": (0, 6), "hard_tanh": (-1, 1)}
MERGES: Mapping[str, str] = {
    "add": "Sum",
    "subtract": "Sub",
    "multiply": "Mul",
    "average": "Mean",
    "maximum": "Max",
}


@dataclass
class Writer:
    """Nodes and arrays, as they are written."""

    helper: Any
    """``onnx.helper``"""
    dtype: str
    nodes: list[Any] = field(default_factory=list)
    arrays: dict[str, Any] = field(default_factory=dict)

    def array(self, name: str, values: Any, dtype: str | None = None) -> str:
        """An array in the file, by the name that it gets."""
        import numpy as np

        self.arrays[name] = np.ascontiguousarray(np.asarray(values, dtype or self.dtype))
        return name

    def integers(self, name: str, values: Any) -> str:
        return self.array(name, list(values), "int64")

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """One node that bears its output's name."""
        self.nodes.append(self.helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output


def lacking(operation: Operation, rank: int, opset: int) -> str | None:
    """Why ONNX has no such step at that opset; None where it has."""
    if isinstance(operation, Activation):
        return _lacking_activation(operation, opset)
    if isinstance(operation, Pool):
        return _lacking_pool(operation, opset)
    if isinstance(operation, GroupNorm):
        channels = next((array.shape[0] for array in operation.weights.values()), None)
        if rank < 1:
            return "ONNX normalises groups over positions, and a vector has none"
        if channels != operation.groups and opset < 21:
            return "a group norm with one scale a channel is of opset 21"
    return None


def _lacking_activation(operation: Activation, opset: int) -> str | None:
    name, given = operation.name, set(dict(operation.arguments))
    if name in PLAIN:
        since = PLAIN[name][1]
        return f"the activation {name} is of opset {since}" if opset < since else None
    if name == "gelu":
        return "the activation gelu is of opset 20" if opset < 20 else None
    if name == "relu":
        one = len(given) < 2 and given <= {"max_value", "negative_slope"}
        return None if one else f"a relu with {' and '.join(sorted(given))} is no operator of ONNX"
    known = name in (*BOUNDS, "leaky_relu", "elu", "celu", "silu", "hard_sigmoid", "soft_shrink", "hard_shrink")
    return None if known else f"the activation {name} is no operator of ONNX"


def _lacking_pool(operation: Pool, opset: int) -> str | None:
    if operation.reduce == "average" and set(operation.dilation) - {1} and opset < 19:
        return "an average over a dilated window is of opset 19"
    if not isinstance(operation.padding, str):
        for kernel, pair in zip(operation.kernel, operation.padding, strict=True):
            if max(pair) >= kernel:
                return f"a margin of {max(pair)} around windows of {kernel}: ONNX Runtime wants it smaller"
    return None


@singledispatch
def write(operation: Operation, writer: Writer, name: str, inputs: list[str], given: Features) -> None:
    """The nodes of one operation; the last one's output is ``name``."""
    del writer, name, inputs, given
    raise UnstrideError(Reason.UNSUPPORTED, "is no operator of ONNX", argument="operation", value=operation.kind)


@write.register
def _(operation: Convolution, writer: Writer, name: str, inputs: list[str], given: Features) -> None:
    spec: Any = operation.spec
    del given
    words = {"strides": spec.strides, "dilations": spec.dilations, "pads": spec.pads}
    words["kernel_shape"] = operation.kernel.shape[2:]
    if spec.transposed:
        words["output_padding"] = spec.output_padding
    attributes: dict[str, Any] = {key: list(value) for key, value in words.items() if value is not None}
    taken = [*inputs, writer.array(f"{name}.weight", operation.kernel.array)]
    if operation.bias is not None:
        taken.append(writer.array(f"{name}.bias", operation.bias.array))
    writer.node("ConvTranspose" if spec.transposed else "Conv", taken, name, group=spec.group, **attributes)


@write.register
def _(operation: Pool, writer: Writer, name: str, inputs: list[str], given: Features) -> None:
    del given
    pairs = () if isinstance(operation.padding, str) else operation.padding
    words: dict[str, Any] = {"kernel_shape": list(operation.kernel), "strides": list(operation.stride)}
    words["pads"] = [before for before, _ in pairs] + [after for _, after in pairs]
    if operation.dilation:
        words["dilations"] = list(operation.dilation)
    if operation.ceil:
        words["ceil_mode"] = 1
    if operation.counts_padding:
        words["count_include_pad"] = 1
    writer.node("MaxPool" if operation.reduce == "max" else "AveragePool", inputs, name, **words)


@write.register
def _(operation: GlobalPool, writer: Writer, name: str, inputs: list[str], given: Features) -> None:
    operator = "GlobalMaxPool" if operation.reduce == "max" else "GlobalAveragePool"
    if operation.keep or not given.size:
        writer.node(operator if given.size else "Identity", inputs, name)
    else:
        writer.node("Flatten", [writer.node(operator, inputs, f"{name} kept")], name, axis=1)


@write.register
def _(operation: Resize, writer: Writer, name: str, inputs: list[str], given: Features) -> None:
    del given
    scales = writer.array(f"{name}.scales", [1, 1, *operation.factor], "float32")
    words = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    if operation.mode == "linear":
        words = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    writer.node("Resize", [*inputs, "", scales], name, **words)


@write.register
def _(operation: Pad, writer: Writer, name: str, inputs: list[str], given: Features) -> None:
    margins = operation.margins
    drops = any(min(pair) < 0 for pair in margins)
    if any(max(pair) > 0 for pair in margins) or not drops:
        before, after = [0, 0], [0, 0]
        for ahead, behind in margins:
            before.append(max(ahead, 0))
            after.append(max(behind, 0))
        taken = [*inputs, writer.integers(f"{name}.pads", before + after)]
        if operation.mode == "constant" and operation.value:
            taken.append(writer.array(f"{name}.value", operation.value))
        inputs = [writer.node("Pad", taken, f"{name} padded" if drops else name, mode=operation.mode)]
    if drops:
        starts = [max(-before, 0) for before, _ in margins]
        ends = [min(after, 0) or TO_THE_END for _, after in margins]
        axes = range(2, 2 + len(given.size))
        named = {"starts": starts, "ends": ends, "axes": axes}
        writer.node("Slice", inputs + [writer.integers(f"{name}.{key}", each) for key, each in named.items()], name)


def write_apart(operation: Pad, writer: Writer, name: str, inputs: list[str]) -> None:
    """Margins of zeros that stay a step of their own: one element more at an end, and that cut off.

    A runtime that joins margins with the pooling behind them finds no margins there, but a slice.
    """
    *most, (before, after) = operation.margins
    last = len(most) + 2
    wide = Pad((*most, (before, after + 1)))
    write(wide, writer, f"{name} wide", inputs, Features(0, (0,) * (last - 1)))
    ends = {"starts": [0], "ends": [-1], "axes": [last]}
    taken = [f"{name} wide", *(writer.integers(f"{name}.{key}", each) for key, each in ends.items())]
    writer.node("Slice", taken, name)


@write.register
def _(operation: Part, writer: Writer, name: str, inputs: list[str], given: Features) -> None:
    del given
    named = {"starts": [operation.start], "ends": [operation.stop], "axes": [1]}
    writer.node("Slice", inputs + [writer.integers(f"{name}.{key}", each) for key, each in named.items()], name)


@write.register
def _(operation: Activation, writer: Writer, name: str, inputs: list[str], given: Features) -> None:
    del given
    kind, given_ = operation.name, dict(operation.arguments)
    if kind in PLAIN:
        writer.node(PLAIN[kind][0], inputs, name)
    elif kind in BOUNDS or "max_value" in given_:
        low, high = BOUNDS.get(kind, (0, given_.get("max_value")))
        bounds = [writer.array(f"{name}.{key}", value) for key, value in (("min", low), ("max", high))]
        writer.node("Clip", inputs + bounds, name)
    elif kind in ("relu", "leaky_relu"):
        slope = given_.get("negative_slope", 0.2 if kind == "leaky_relu" else 0.0)
        writer.node("LeakyRelu", inputs, name, alpha=float(slope)) if slope else writer.node("Relu", inputs, name)
    elif kind in ("elu", "celu"):
        writer.node(kind.capitalize(), inputs, name, alpha=float(given_.get("alpha", 1.0)))
    elif kind == "gelu":
        writer.node("Gelu", inputs, name, approximate="tanh" if given_.get("approximate") else "none")
    elif kind == "silu":
        writer.node("Mul", [*inputs, writer.node("Sigmoid", inputs, f"{name} gate")], name)
    elif kind == "hard_sigmoid":
        writer.node("HardSigmoid", inputs, name, alpha=1 / 6, beta=0.5)
    else:
        threshold = float(given_.get("threshold", 0.5))
        writer.node("Shrink", inputs, name, lambd=threshold, bias=threshold if kind == "soft_shrink" else 0.0)


@write.register
def _(operation: Softmax, writer: Writer, name: str, inputs: list[str], given: Features) -> None:
    del operation, given
    writer.node("Softmax", inputs, name, axis=1)


@write.register
def _(operation: Norm, writer: Writer, name: str, inputs: list[str], given: Features) -> None:
    arrays = _scale_and_offset(operation, writer, name, given.channels)
    arrays += [writer.array(f"{name}.{key}", operation.weights[key].array) for key in ("mean", "variance")]
    writer.node("BatchNormalization", inputs + arrays, name, epsilon=float(operation.epsilon))


@write.register
def _(operation: GroupNorm, writer: Writer, name: str, inputs: list[str], given: Features) -> None:
    taken = inputs + _scale_and_offset(operation, writer, name, given.channels)
    if operation.groups == given.channels:
        writer.node("InstanceNormalization", taken, name, epsilon=float(operation.epsilon))
    else:
        words = {"num_groups": operation.groups, "epsilon": float(operation.epsilon)}
        writer.node("GroupNormalization", taken, name, **words)


def _scale_and_offset(operation: Norm | GroupNorm, writer: Writer, name: str, channels: int) -> list[str]:
    """ONNX's norms always have both."""
    import numpy as np

    scale = np.ones(channels) if operation.scale is None else operation.scale.array
    offset = np.zeros(channels) if operation.offset is None else operation.offset.array
    return [writer.array(f"{name}.scale", scale), writer.array(f"{name}.offset", offset)]


@write.register
def _(operation: Merge, writer: Writer, name: str, inputs: list[str], given: Features) -> None:
    del given
    if operation.how == "concat":
        writer.node("Concat", inputs, name, axis=1)
    elif operation.how in ("subtract", "multiply") and len(inputs) != 2:
        taken = inputs[0]
        for position, other in enumerate(inputs[1:], start=1):
            last = position == len(inputs) - 1
            taken = writer.node(MERGES[operation.how], [taken, other], name if last else f"{name} {position}")
        if len(inputs) == 1:
            writer.node("Identity", inputs, name)
    else:
        writer.node(MERGES[operation.how], inputs, name)


@write.register
def _(operation: Dense, writer: Writer, name: str, inputs: list[str], given: Features) -> None:
    del given
    taken = [*inputs, writer.array(f"{name}.weight", operation.kernel.array)]
    if operation.bias is None:
        writer.node("MatMul", taken, name)
    else:
        writer.node("Gemm", [*taken, writer.array(f"{name}.bias", operation.bias.array)], name)


@write.register
def _(operation: Flatten, writer: Writer, name: str, inputs: list[str], given: Features) -> None:
    rank = len(given.size)
    if operation.channels_last and rank:
        inputs = [writer.node("Transpose", inputs, f"{name} channels last", perm=[0, *range(2, rank + 2), 1])]
    writer.node("Flatten", inputs, name, axis=1)


@write.register
def _(operation: Unflatten, writer: Writer, name: str, inputs: list[str], given: Features) -> None:
    del given
    channels, size = operation.features
    shape = [-1, *size, channels] if operation.channels_last else [-1, channels, *size]
    last = operation.channels_last and bool(size)
    target = f"{name} channels last" if last else name
    writer.node("Reshape", [*inputs, writer.integers(f"{name}.shape", shape)], target)
    if last:
        writer.node("Transpose", [target], name, perm=[0, len(size) + 1, *range(1, len(size) + 1)])
