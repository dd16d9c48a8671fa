"""Every operation that a network may have, in a small network of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from unstride.dialects import keras, onnx, tensorflow, torch
from unstride.dialects.spec import Source, Spec
from unstride.engine.activations import BY_NAME
from unstride.network import (
    Activation,
    Convolution,
    Dense,
    Features,
    Flatten,
    GlobalPool,
    Graph,
    GroupNorm,
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
    Unflatten,
)

Padding = tuple[tuple[int, int], ...] | Literal["same_upper", "same_lower"]
REDUCTIONS: tuple[Literal["max", "average"], ...] = ("max", "average")
MERGES: tuple[Literal["concat", "add", "subtract", "multiply", "average", "maximum"], ...]
MERGES = ("concat", "add", "subtract", "multiply", "average", "maximum")
Size = tuple[int, ...]
X, W, B = Source("x"), Source("w"), Source("b")

ARGUMENTS: dict[str, tuple[tuple[str, float | bool], ...]] = {
    "relu": (("negative_slope", 0.25), ("max_value", 2.0), ("threshold", 0.5)),
    "leaky_relu": (("negative_slope", 0.125),),
    "elu": (("alpha", 0.5),),
    "celu": (("alpha", 0.5),),
    "gelu": (("approximate", True),),
    "squareplus": (("b", 2.0),),
    "soft_shrink": (("threshold", 1.0),),
    "hard_shrink": (("threshold", 1.0),),
}
"""arguments other than the usual ones"""


def numbers(*shape: int) -> Stored:
    """Small integers in single precision."""
    return Stored.of(np.random.default_rng(len(shape)).integers(-3, 4, shape).astype(np.float32))


def positive(count: int) -> Stored:
    return Stored.of(np.random.default_rng(count).integers(1, 9, count).astype(np.float32))


def one(name: str, operation: Operation, channels: int, size: Size) -> Graph:
    """The operation on the input."""
    return Graph(name, (Input("x", channels, size),), (Node("y", operation, ("x",)),), ("y",))


def convolution(name: str, spec: Spec, kernel: Size, channels: int, size: Size, *, bias: int = 0) -> Graph:
    return one(name, Convolution(spec, numbers(*kernel), numbers(bias) if bias else None), channels, size)


def convolutions() -> Iterator[Graph]:
    """Convolutions of several dialects, of which many cannot be said in one call elsewhere."""
    yield convolution("same", keras.Conv2D(4, 3, strides=2, padding="same"), (3, 3, 3, 4), 3, (8, 7), bias=4)
    yield convolution(
        "same up", keras.Conv2DTranspose(4, 3, strides=2, padding="same"), (3, 3, 4, 3), 3, (3, 4), bias=4
    )
    yield convolution("causal", keras.Conv1D(4, 3, padding="causal"), (3, 3, 4), 3, (8,), bias=4)
    yield convolution("holes", keras.Conv2DTranspose(2, 2, strides=3), (2, 2, 2, 3), 3, (3, 4), bias=2)
    yield convolution("grouped", torch.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), (6, 2, 3, 3), 4, (7, 8), bias=6)
    plain = torch.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2)
    yield convolution("grouped up", plain, (4, 3, 3, 3), 4, (4, 3), bias=6)
    wide = torch.ConvTranspose2d(3, 2, 3, stride=2, dilation=2, padding=1, output_padding=1, bias=False)
    yield convolution("dilated up", wide, (3, 2, 3, 3), 3, (4, 3))
    yield convolution("up in 3-D", torch.ConvTranspose3d(2, 3, 2, stride=2), (2, 3, 2, 2, 2), 2, (2, 3, 2), bias=3)
    yield convolution("up in 1-D", torch.ConvTranspose1d(2, 3, 4, stride=2, padding=1), (2, 3, 4), 2, (5,), bias=3)
    lower = onnx.ConvTranspose(X, W, None, auto_pad="SAME_LOWER", strides=(2, 2))
    yield convolution("lower", lower, (3, 2, 3, 3), 3, (4, 3))
    wanted = tensorflow.conv2d_transpose(X, W, (1, 7, 8, 2), 2, "SAME")
    yield convolution("stated", wanted, (3, 3, 2, 3), 3, (4, 4))


def pools() -> Iterator[Graph]:
    margins: dict[str, Padding] = {
        "plain": ((0, 0), (0, 0)),
        "both": ((1, 1), (1, 1)),
        "one": ((0, 1), (1, 0)),
        "upper": "same_upper",
        "lower": "same_lower",
    }
    for name, padding in margins.items():
        for counts in (False, True):
            pool = Pool("average", (3, 2), (2, 2), padding, counts_padding=counts)
            yield one(f"average {name} {counts}", pool, 2, (7, 6))
        yield one(f"max {name}", Pool("max", (3, 3), (2, 2), padding), 2, (7, 6))
    none = ((0, 0), (0, 0))
    yield one("ceil", Pool("max", (2, 2), (2, 2), none, ceil=True), 2, (7, 5))
    yield one("ceil average", Pool("average", (2, 2), (2, 2), none, ceil=True), 2, (7, 5))
    yield one("in 3-D", Pool("average", (3, 3, 3), (2, 2, 2), ((1, 1),) * 3), 1, (2, 3, 4))
    yield one("in 1-D", Pool("max", (3,), (2,), ((1, 0),)), 2, (6,))
    for reduce in REDUCTIONS:
        for keep in (False, True):
            yield one(f"global {reduce} {keep}", GlobalPool(reduce, keep), 3, (3, 4))


def shapes() -> Iterator[Graph]:
    yield one("twice", Resize((2, 3)), 2, (3, 4))
    yield one("line", Resize((3,)), 2, (5,))
    yield one("volume", Resize((2, 1, 2)), 1, (2, 3, 2))
    yield one("bilinear", Resize((2, 2), "linear"), 2, (3, 4))
    yield one("linear resizing", Resize((2,), "linear"), 2, (5,))
    yield one("value", Pad(((1, 0), (0, 2)), value=2.5), 2, (3, 4))
    yield one("mixed", Pad(((1, -1), (-2, 1))), 2, (4, 5))
    yield one("crop", Pad(((-1, 0),)), 2, (4,))
    yield one("reflect", Pad(((1, 2), (0, 1)), "reflect"), 2, (4, 5))
    yield one("edge", Pad(((1, 2), (0, -1)), "edge"), 2, (4, 5))
    for last in (False, True):
        yield one(f"flat {last}", Flatten(last), 2, (3, 2))
        yield one(f"round {last}", Unflatten(Features(2, (3, 2)), last), 12, ())
    yield one("dense", Dense(numbers(4, 3), numbers(3)), 4, ())
    yield one("dense alone", Dense(numbers(4, 3)), 4, ())


def functions() -> Iterator[Graph]:
    """Functions and norms, which round."""
    for name in BY_NAME:
        yield one(name, Activation(name), 3, (3, 4))
        if name in ARGUMENTS:
            yield one(f"{name} with arguments", Activation(name, ARGUMENTS[name]), 3, (3, 4))
    yield one("softmax over channels", Softmax(), 3, (3, 4))
    yield one("softmax of a vector", Softmax(), 5, ())
    mean, variance = numbers(4), positive(4)
    yield one("norm", Norm(mean, variance, 1e-3, numbers(4), positive(4)), 4, (3, 4))
    yield one("norm alone", Norm(mean, variance, 1e-5), 4, (5,))
    yield one("norm of vectors", Norm(mean, variance, 1e-5, offset=numbers(4)), 4, ())
    yield one("group norm", GroupNorm(2, 1e-5, positive(4), numbers(4)), 4, (3, 4))
    yield one("instance norm", GroupNorm(4, 1e-5), 4, (3, 4))


def merges() -> Iterator[Graph]:
    for how in MERGES:
        nodes = (
            Node("a", Activation("relu"), ("x",)),
            Node("b", Pad(((1, -1), (0, 0))), ("x",)),
            Node("y", Merge(how), ("a", "b") if how == "subtract" else ("a", "b", "x")),
        )
        yield Graph(how, (Input("x", 2, (3, 4)),), nodes, ("y",))
    scaled = (Node("s", GlobalPool("max", keep=True), ("x",)), Node("y", Merge("multiply"), ("x", "s")))
    yield Graph("squeeze", (Input("x", 2, (3, 4)),), scaled, ("y",))
    two = (Node("a/b:0", Activation("relu"), ("x",)), Node("class", Merge("add"), ("a/b:0", "3 y")))
    yield Graph("two in two out", (Input("x", 2, (3, 4)), Input("3 y", 2, (3, 4))), two, ("class", "a/b:0"))


def everything() -> dict[str, Graph]:
    """All of them by their names."""
    made = [*convolutions(), *pools(), *shapes(), *functions(), *merges()]
    named = {graph.name: graph for graph in made}
    assert len(named) == len(made)
    return named
