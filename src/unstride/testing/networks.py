"""Hypothesis strategies for small networks in the shape of a U-Net, whose values are exact in single precision.

Each output channel of a kernel sums at most four products with ±1, and batch norms divide by 1 or 2: small integers go
through the whole network without rounding, so that two ways to compute it can be compared for equality.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from ..dialects import keras, onnx, torch
from ..dialects.spec import Source, Spec
from ..errors import UnstrideError
from ..geometry import Axis, Layer, canonical
from ..network import (
    Activation,
    Convolution,
    Dense,
    Features,
    Flatten,
    GlobalPool,
    Graph,
    Input,
    Merge,
    Node,
    Norm,
    Operation,
    Pad,
    Pool,
    Resize,
    Softmax,
    Stored,
)

Dialect: TypeAlias = Literal["torch", "keras", "onnx"]

DIALECTS: tuple[Dialect, ...] = ("torch", "keras", "onnx")
EXACT = ("relu", "linear", "relu6", "hard_tanh")
_ELEMENTWISE: tuple[Literal["add", "subtract", "maximum", "average"], ...] = ("add", "subtract", "maximum", "average")
SMOOTH = ("sigmoid", "tanh", "elu", "selu", "softplus", "softsign", "silu", "mish", "hard_sigmoid", "hard_silu")


class Sized(NamedTuple):
    """A network, and a spatial size of its input at which all its values fit."""

    graph: Graph
    size: tuple[int, ...]

    def input(self, batch: int = 1, seed: int = 0) -> NDArray[Any]:
        """Small integers in single precision, in the network's own order of axes."""
        (given,) = self.graph.inputs
        x = np.random.default_rng(seed).integers(-3, 4, (batch, given.channels, *self.size)).astype(np.float32)
        return np.ascontiguousarray(np.moveaxis(x, 1, -1)) if self.graph.channels_last else x


@st.composite
def networks(
    draw: st.DrawFn,
    *,
    dialect: Dialect | None = None,
    rank: int | None = None,
    exact: bool = True,
    levels: int = 2,
    open_sizes: bool | None = None,
) -> Sized:
    """Networks of one input and one output: down, across and up again, with skip connections, or down to a vector.

    ``dialect`` writes the convolutions; ``exact`` leaves out what rounds; ``open_sizes`` leaves the input's size open.
    """
    chosen = draw(st.sampled_from(DIALECTS)) if dialect is None else dialect
    rank = rank or draw(st.sampled_from((2, 2, 1, 3)))
    longest = {1: 15, 2: 11, 3: 6}.get(rank, 5)
    size = tuple(draw(st.integers(4, longest)) for _ in range(rank))
    features = Features(draw(st.integers(1, 3)), size)
    build = _Builder(draw, chosen, exact, np.random.default_rng(draw(st.integers(0, 2**16))), features)
    skips = []
    for _ in range(draw(st.integers(0, levels))):
        build.block()
        skips.append(build.last)
        build.down()
    build.block()
    for skip in reversed(skips):
        build.up()
        build.join(skip)
    opened = draw(st.booleans()) if open_sizes is None else open_sizes
    opened = build.head() and opened
    given = Input("x", features.channels, (None,) * rank if opened else size)
    return Sized(Graph("network", (given,), tuple(build.nodes), (build.last,), chosen == "keras"), size)


@dataclass
class _Builder:
    """Nodes as they are drawn, with the features of every value."""

    draw: st.DrawFn
    dialect: Dialect
    exact: bool
    random: np.random.Generator
    first: Features
    nodes: list[Node] = field(default_factory=list)
    known: dict[str, Features] = field(default_factory=dict)
    last: str = "x"

    def __post_init__(self) -> None:
        self.known["x"] = self.first

    @property
    def here(self) -> Features:
        return self.known[self.last]

    def add(self, operation: Operation, *inputs: str) -> None:
        """One node on the last value, or on those that are named."""
        taken = inputs or (self.last,)
        name = f"{operation.kind.replace(' ', '_')}_{len(self.nodes)}"
        self.known[name] = operation.output(*(self.known[each] for each in taken))
        self.nodes.append(Node(name, operation, taken))
        self.last = name

    def any_of(self, *values: Any) -> Any:
        return self.draw(st.sampled_from(values))

    def coin(self) -> bool:
        return self.draw(st.booleans())

    def integer(self, least: int, most: int) -> int:
        return self.draw(st.integers(least, most))

    def numbers(self, shape: tuple[int, ...], *values: float) -> Stored:
        return Stored.of(self.random.choice(values, shape).astype(np.float32))

    def block(self) -> None:
        """A convolution, and what usually follows it."""
        self.convolve(transposed=False, stride=1)
        if self.coin():
            self.norm()
        self.activate()

    def down(self) -> None:
        if self.coin():
            self.convolve(transposed=False, stride=2)
            return
        rank = len(self.here.size)
        kernel, reduce = self.any_of(2, 3), self.any_of("max", "average")
        # an average over 2 or 4 elements does not round; 8 and the counts of a margin's rest do not either at rank 3
        exact_average = reduce == "average" and self.exact
        kernel = 2 if exact_average else kernel
        paddings = (((0, 0),) * rank, ((0, 1),) * rank, ((1, 1),) * rank, "same_upper", "same_lower")
        padding = self.any_of(*paddings) if kernel == 3 else self.any_of(((0, 0),) * rank, "same_upper")
        pool = Pool(
            reduce,
            (kernel,) * rank,
            (2,) * rank,
            padding,
            ceil=self.coin() and not isinstance(padding, str) and max(map(max, padding)) == 0,
            counts_padding=reduce == "average" and kernel == 3 and self.coin(),
        )
        self.try_each(pool, Pool("max", (1,) * rank, (2,) * rank, ((0, 0),) * rank))

    def up(self) -> None:
        if self.coin() or self.coin():
            self.convolve(transposed=True, stride=self.any_of(1, 2, 2, 3))
        else:
            factor = (2,) * len(self.here.size)
            self.add(Resize(factor) if self.exact or self.coin() else Resize(factor, "linear"))
        self.activate()

    def join(self, skip: str) -> None:
        """The skip connection, what goes on padded or cropped to its size."""
        wanted, got = self.known[skip].size, self.here.size
        if wanted != got:
            margins = tuple((w - g - (w - g) // 2, (w - g) // 2) for w, g in zip(wanted, got, strict=True))
            self.add(Pad(margins))
        same = self.known[skip].channels == self.here.channels
        merges = [Merge("concat"), *(map(Merge, _ELEMENTWISE) if same else ())]
        self.add(self.any_of(*merges), skip, self.last)

    def head(self) -> bool:
        """The end of the network; False where it takes only inputs of one size."""
        kind = self.any_of("convolution", "convolution", "pooled", "flat")
        if kind == "convolution":
            self.convolve(transposed=False, stride=1)
            if not self.exact:
                self.add(Softmax())
            return True
        if kind == "pooled":
            self.add(GlobalPool("max" if self.exact else self.any_of("max", "average")))
        else:
            self.add(Flatten(self.dialect == "keras"))
        taken, made = self.here.channels, self.integer(1, 4)
        self.add(Dense(self.sparse((taken, made), taken, outputs=1), self.numbers((made,), -1, 0, 2)))
        return bool(kind == "pooled")

    def norm(self) -> None:
        channels = (self.here.channels,)
        mean, variance = self.numbers(channels, -1, 0, 1), self.numbers(channels, 0.75, 3.75)
        scale = self.numbers(channels, 1, 2, -1) if self.coin() else None
        offset = self.numbers(channels, -2, 0, 1) if self.coin() else None
        self.add(Norm(mean, variance, 0.25, scale, offset))

    def activate(self) -> None:
        name = self.any_of(*EXACT) if self.exact else self.any_of(*EXACT, *SMOOTH)
        if self.coin() and name == "relu":
            self.add(Activation("leaky_relu", (("negative_slope", 0.5),)))
        elif name != "linear":
            self.add(Activation(name))

    def convolve(self, *, transposed: bool, stride: int) -> None:
        """A convolution of the dialect that takes the value here."""
        grouped = self.dialect != "keras" or not transposed  # Keras's transposed layers know no groups
        groups = self.any_of(1, 1, self.here.channels) if grouped else 1
        made = groups * self.integer(1, 4 if groups == 1 else 2)
        bias = self.coin() or self.coin()
        shape = _Shape(len(self.here.size), self.here.channels, made, groups, bias, transposed)
        kernel = self.integer(1, 4 if transposed else 3)
        ways = [self.spec(shape, kernel, stride), self.spec(shape, kernel, 1), _WRITERS[self.dialect](shape, 1, {})]
        self.try_each(*(self.weighted(way, shape) for way in ways if way is not None))

    def spec(self, shape: _Shape, kernel: int, stride: int) -> tuple[Spec, int] | None:
        options = {"stride": stride, "same": self.coin(), "dilation": self.any_of(1, 1, 2)}
        options |= {"before": self.integer(0, kernel // 2), "after": self.integer(0, kernel // 2)}
        options["extra"] = self.integer(0, stride - 1) if stride > 1 else 0
        try:
            return _WRITERS[self.dialect](shape, kernel, options)
        except UnstrideError:
            return None

    def weighted(self, way: tuple[Spec, int], shape: _Shape) -> Convolution:
        spec, kernel = way
        small, large = shape.sides
        layout = spec.weight_layout(shape.rank)
        stored = layout.shape_of((kernel,) * shape.rank, small, large, shape.groups)
        ours = (shape.made, shape.channels // shape.groups, *[kernel] * shape.rank)
        count = prod(stored) // shape.made
        values = self.sparse(ours, count, outputs=0).array
        if shape.transposed:  # (out, in / groups, ...) -> (in, out / groups, ...)
            parts = np.split(values, shape.groups, 0)
            values = np.concatenate([np.swapaxes(part, 0, 1) for part in parts], 0)
        return Convolution(
            spec,
            Stored.of(_in_layout(values, spec, shape, kernel)),
            self.numbers((shape.made,), -2, -1, 0, 1, 3) if shape.bias else None,
        )

    def sparse(self, shape: tuple[int, ...], count: int, *, outputs: int) -> Stored:
        """±1 at no more than four of the ``count`` places of every output, 0 elsewhere."""
        made = np.zeros((shape[outputs], count), np.float32)
        for row in made:
            places = self.random.choice(count, min(4, count), replace=False)
            row[places] = self.random.choice((-1, 1), len(places))
        return Stored.of(np.ascontiguousarray(made.T) if outputs else made.reshape(shape))

    def try_each(self, *operations: Operation) -> None:
        """The first operation that takes the value here and leaves at least one element on each axis."""
        for operation in operations:
            try:
                made = operation.output(self.here)
            except UnstrideError:
                continue
            if min(made.size) > 0 and prod(made.size) < 4000:
                self.add(operation)
                return


@dataclass(frozen=True)
class _Shape:
    """What a convolution must be, whichever way it is written."""

    rank: int
    channels: int
    made: int
    groups: int
    bias: bool
    transposed: bool

    @property
    def sides(self) -> tuple[int, int]:
        """Channels of the small and the large side."""
        return (self.channels, self.made) if self.transposed else (self.made, self.channels)


def _in_layout(values: NDArray[Any], spec: Spec, shape: _Shape, kernel: int) -> NDArray[Any]:
    """Canonical weights in the spec's own layout."""
    layer = Layer((Axis(1, kernel, kernel),) * shape.rank, *shape.sides, shape.groups, shape.transposed)
    moved = canonical(shape.rank).to(spec.weight_layout(shape.rank), layer).apply(values)
    return np.ascontiguousarray(moved)


def _torch(shape: _Shape, kernel: int, options: dict[str, Any]) -> tuple[Spec, int]:
    extra = options.get("extra", 0)
    words = {"stride": options.get("stride", 1), "padding": options.get("before", 0), "bias": shape.bias}
    words |= {"dilation": options.get("dilation", 1), "groups": shape.groups}
    name = f"Conv{'Transpose' if shape.transposed else ''}{shape.rank}d"
    words |= {"output_padding": extra} if shape.transposed else {}
    return getattr(torch, name)(shape.channels, shape.made, kernel, **words), kernel


def _keras(shape: _Shape, kernel: int, options: dict[str, Any]) -> tuple[Spec, int]:
    stride = options.get("stride", 1)
    words = {"strides": stride, "use_bias": shape.bias, "padding": "same" if options.get("same") else "valid"}
    words["dilation_rate"] = options.get("dilation", 1) if stride == 1 else 1
    if shape.transposed:
        words |= {"output_padding": options["extra"]} if options.get("extra") and kernel > 1 else {}
    words |= {} if shape.groups == 1 else {"groups": shape.groups}
    name = f"Conv{shape.rank}D{'Transpose' if shape.transposed else ''}"
    return getattr(keras, name)(shape.made, kernel, **words), kernel


def _onnx(shape: _Shape, kernel: int, options: dict[str, Any]) -> tuple[Spec, int]:
    rank = shape.rank
    words: dict[str, Any] = {
        "strides": [options.get("stride", 1)] * rank,
        "dilations": [options.get("dilation", 1)] * rank,
    }
    if options.get("same"):
        words = {"strides": words["strides"], "auto_pad": "SAME_UPPER"}
    else:
        words["pads"] = [options.get("before", 0)] * rank + [options.get("after", 0)] * rank
    if shape.transposed:
        words["output_padding"] = [options.get("extra", 0)] * rank
    form: Any = onnx.ConvTranspose if shape.transposed else onnx.Conv
    return form(Source("X"), Source("W"), Source("B") if shape.bias else None, group=shape.groups, **words), kernel


_WRITERS = {"torch": _torch, "keras": _keras, "onnx": _onnx}
