"""The operations a network is made of: a short, stated list; each says which features it makes of its inputs' features.

Values are ``(batch, channels, *size)``, or ``(batch, channels)`` for vectors, whatever order the source keeps them in.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import prod
from typing import ClassVar, Literal, NamedTuple, TypeAlias

from ..dialects.spec import Spec
from ..errors import Reason, UnstrideError
from ..geometry import Axis, Layer
from .stored import Stored

Pairs: TypeAlias = tuple[tuple[int, int], ...]
"""(before, after) for each spatial axis"""


class Features(NamedTuple):
    """Channels and spatial size of one value; a vector has the size ``()``."""

    channels: int
    size: tuple[int, ...] = ()


class Operation(ABC):
    """One step of a network."""

    kind: ClassVar[str]
    """the operation's name in messages"""
    inputs: ClassVar[int | None] = 1
    """number of values it takes; None: any number from one on"""

    @abstractmethod
    def output(self, *given: Features) -> Features:
        """The features of its output; UnstrideError where these inputs do not fit it."""

    @property
    def weights(self) -> dict[str, Stored]:
        """Its arrays by name, the ones it has."""
        return {}


class _PerChannel(Operation):
    """An operation that keeps the features as they are."""

    def output(self, *given: Features) -> Features:
        (features,) = given
        for name, array in self.weights.items():
            if array.shape != (features.channels,):
                rule = f"one number for each of the {features.channels} channels"
                raise UnstrideError(Reason.CHANNELS, rule, argument=name, value=array.shape)
        return features


@dataclass(frozen=True)
class Convolution(Operation):
    """A convolution or transposed convolution, in the words of the dialect it comes from.

    The spec has no activation: that is a step of its own. The kernel is in the spec's own weight layout.
    """

    kind = "convolution"

    spec: Spec
    kernel: Stored
    bias: Stored | None = None

    def layer(self, features: Features) -> Layer:
        """The framework-free layer for inputs of these features."""
        dimensions = len(features.size) + (2 if self.spec.batched else 1)
        data = self.spec.data_layout(dimensions)
        return self.spec.read(data.join(1, features.channels, features.size), self.kernel.shape)

    def output(self, *given: Features) -> Features:
        (features,) = given
        layer = self.layer(features)
        return Features(layer.out_channels, layer.output_size)

    @property
    def weights(self) -> dict[str, Stored]:
        return {"kernel": self.kernel} | ({} if self.bias is None else {"bias": self.bias})


Padding: TypeAlias = Pairs | Literal["same_upper", "same_lower"]
"""explicit margins, or as many as give ⌈size / stride⌉ windows, the odd element behind (upper) or ahead (lower)"""


@dataclass(frozen=True)
class Pool(Operation):
    """The maximum or the average over windows; ``ceil`` lets a last window run past the end."""

    kind = "pooling"

    reduce: Literal["max", "average"]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Padding
    dilation: tuple[int, ...] = ()
    ceil: bool = False
    counts_padding: bool = False
    """whether an average counts the margin's zeros"""

    def axes(self, size: tuple[int, ...]) -> tuple[Axis, ...]:
        """The windows as the relation: the input is the large side, the output the small one."""
        if len(size) != len(self.kernel):
            rule = f"pools {len(self.kernel)} spatial axes"
            raise UnstrideError(Reason.RANK, rule, argument="size", value=size)
        dilation = self.dilation or (1,) * len(size)
        parts = zip(size, self.kernel, self.stride, dilation, range(len(size)), strict=True)
        return tuple(self._axis(*part) for part in parts)

    def _axis(self, large: int, kernel: int, stride: int, dilation: int, index: int) -> Axis:
        span = dilation * (kernel - 1) + 1
        if isinstance(self.padding, str):
            small = -(-large // stride)
            margin = max(0, (small - 1) * stride + span - large)
            before = margin // 2 if self.padding == "same_upper" else -(-margin // 2)
            return Axis(small, large, kernel, stride, dilation, before)
        before, after = self.padding[index]
        room = large + before + after - span
        if room < 0:
            rule = f"a window of {span} does not fit into {large} elements with margins {(before, after)}"
            raise UnstrideError(Reason.SIZE, rule, argument="size", value=large)
        small = room // stride + 1
        if self.ceil and room % stride and small * stride < large + before:
            small += 1  # the last window must start within the input or its front margin
        return Axis(small, large, kernel, stride, dilation, before)

    def output(self, *given: Features) -> Features:
        (features,) = given
        return Features(features.channels, tuple(axis.small for axis in self.axes(features.size)))


@dataclass(frozen=True)
class GlobalPool(Operation):
    """The maximum or the average over all positions; ``keep`` leaves axes of one element, else a vector remains."""

    kind = "global pooling"

    reduce: Literal["max", "average"]
    keep: bool = False

    def output(self, *given: Features) -> Features:
        (features,) = given
        return Features(features.channels, (1,) * len(features.size) if self.keep else ())


@dataclass(frozen=True)
class Resize(Operation):
    """Every element repeated, or interpolated between pixel centres, ``factor`` times along each axis."""

    kind = "resizing"

    factor: tuple[int, ...]
    mode: Literal["nearest", "linear"] = "nearest"

    def output(self, *given: Features) -> Features:
        (features,) = given
        _same_rank(features, len(self.factor), "factor")
        return Features(features.channels, tuple(n * f for n, f in zip(features.size, self.factor, strict=True)))


@dataclass(frozen=True)
class Pad(Operation):
    """Margins around the spatial axes; negative ones drop elements."""

    kind = "padding"

    margins: Pairs
    mode: Literal["constant", "reflect", "edge"] = "constant"
    value: float = 0.0

    def output(self, *given: Features) -> Features:
        (features,) = given
        _same_rank(features, len(self.margins), "margins")
        size = tuple(n + sum(pair) for n, pair in zip(features.size, self.margins, strict=True))
        if any(n < 1 for n, pair in zip(size, self.margins, strict=True) if min(pair) < 0):
            rule = f"drops all there is: {features.size} elements"
            raise UnstrideError(Reason.SIZE, rule, argument="margins", value=self.margins)
        pairs = zip(features.size, self.margins, strict=True)
        if self.mode == "reflect" and any(max(pair) >= n and max(pair) > 0 for n, pair in pairs):
            rule = f"reflects as many elements as there are, or more: {features.size}"
            raise UnstrideError(Reason.SIZE, rule, argument="margins", value=self.margins)
        return Features(features.channels, size)


@dataclass(frozen=True)
class Activation(_PerChannel):
    """A function of every element, by Keras's name, with the arguments that differ from ``engine.activations``' own."""

    kind = "activation"

    name: str
    arguments: tuple[tuple[str, float | bool], ...] = ()


@dataclass(frozen=True)
class Softmax(_PerChannel):
    """``exp(x) / Σ exp(x)`` over the channels."""

    kind = "softmax"


@dataclass(frozen=True)
class Norm(_PerChannel):
    """``(x − mean) / √(variance + epsilon) · scale + offset`` for each channel: a batch norm that no longer learns."""

    kind = "batch norm"

    mean: Stored
    variance: Stored
    epsilon: float
    scale: Stored | None = None
    offset: Stored | None = None

    @property
    def weights(self) -> dict[str, Stored]:
        named = {"mean": self.mean, "variance": self.variance, "scale": self.scale, "offset": self.offset}
        return {name: array for name, array in named.items() if array is not None}


@dataclass(frozen=True)
class GroupNorm(_PerChannel):
    """Each group of channels to mean 0 and variance 1 over all positions; one channel a group: an instance norm."""

    kind = "group norm"

    groups: int
    epsilon: float
    scale: Stored | None = None
    offset: Stored | None = None

    def output(self, *given: Features) -> Features:
        if given[0].channels % self.groups:
            rule = f"must divide the {given[0].channels} channels"
            raise UnstrideError(Reason.GROUPS, rule, argument="groups", value=self.groups)
        return super().output(*given)

    @property
    def weights(self) -> dict[str, Stored]:
        named = {"scale": self.scale, "offset": self.offset}
        return {name: array for name, array in named.items() if array is not None}


@dataclass(frozen=True)
class Merge(Operation):
    """Values joined along the channels (``concat``), or element by element (axes of one element repeat)."""

    kind = "merging"
    inputs = None

    how: Literal["concat", "add", "subtract", "multiply", "average", "maximum"]

    def output(self, *given: Features) -> Features:
        if len({len(features.size) for features in given}) > 1:
            rule = "values of different rank cannot be merged"
            raise UnstrideError(Reason.RANK, rule, argument="sizes", value=[features.size for features in given])
        if self.how == "concat":
            sizes = [features.size for features in given]
            if len(set(sizes)) > 1:
                rule = f"the sizes of what is joined differ: {' and '.join(map(str, sizes))}"
                raise UnstrideError(Reason.SIZE, rule, argument="size", value=sizes)
            return Features(sum(features.channels for features in given), sizes[0])
        channels, *size = (self._repeated(lengths) for lengths in zip(*map(_flat, given), strict=True))
        return Features(channels, tuple(size))

    def _repeated(self, lengths: tuple[int, ...]) -> int:
        longest = max(lengths)
        if any(length not in (1, longest) for length in lengths):
            rule = f"what is merged differs in size: {' and '.join(map(str, lengths))}"
            raise UnstrideError(Reason.SIZE, rule, argument="size", value=lengths)
        return longest


def _flat(features: Features) -> tuple[int, ...]:
    return (features.channels, *features.size)


@dataclass(frozen=True)
class Dense(Operation):
    """``x · kernel + bias`` on vectors; the kernel is ``(inputs, outputs)``."""

    kind = "dense"

    kernel: Stored
    bias: Stored | None = None

    def output(self, *given: Features) -> Features:
        (features,) = given
        taken, made = self.kernel.shape
        if features.size or features.channels != taken:
            rule = f"takes vectors of {taken} numbers"
            raise UnstrideError(Reason.CHANNELS, rule, argument="x", value=_flat(features))
        return Features(made)

    @property
    def weights(self) -> dict[str, Stored]:
        return {"kernel": self.kernel} | ({} if self.bias is None else {"bias": self.bias})


@dataclass(frozen=True)
class Flatten(Operation):
    """All elements as one vector, in the order of an array with the channels last or first."""

    kind = "flattening"

    channels_last: bool

    def output(self, *given: Features) -> Features:
        (features,) = given
        return Features(features.channels * prod(features.size))


@dataclass(frozen=True)
class Unflatten(Operation):
    """A vector as channels and positions; its elements count through an array with the channels last or first."""

    kind = "reshaping"

    features: Features
    channels_last: bool

    def output(self, *given: Features) -> Features:
        (vector,) = given
        if vector.size or vector.channels != prod(_flat(self.features)):
            rule = f"takes vectors of {prod(_flat(self.features))} numbers"
            raise UnstrideError(Reason.SIZE, rule, argument="x", value=_flat(vector))
        return self.features


@dataclass(frozen=True)
class Opaque(Operation):
    """A step that is not on this list: named, so that it can be told, and never computed."""

    kind = "opaque"
    inputs = None

    name: str
    """what the source calls it"""
    why: str = "not among the operations that are understood"

    def output(self, *given: Features) -> Features:
        del given
        rule = f"{self.name}: {self.why}"
        raise UnstrideError(Reason.UNKNOWN_CALL, rule, argument="operation", value=self.name)


def _same_rank(features: Features, rank: int, name: str) -> None:
    if len(features.size) != rank:
        rule = f"has {rank} spatial axes, its input {len(features.size)}"
        raise UnstrideError(Reason.RANK, rule, argument=name, value=features.size)
