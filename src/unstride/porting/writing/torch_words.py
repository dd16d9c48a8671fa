"""Every operation of a network in PyTorch's words: a module where it has weights, and an expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial, reduce, singledispatch
from typing import TYPE_CHECKING, Any

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
    Pairs,
    Pool,
    Resize,
    Softmax,
    Unflatten,
)
from ...network.stored import Stored
from ..codegen.program import Attribute, Call, Expression, Index, Name, Sum, call, method
from ..codegen.steps import construct
from .common import Part, Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

Array = Callable[[], "NDArray[Any]"]
"""reads the values of one array"""

LOWEST = Call(Name("float"), ("-inf",))


@dataclass(frozen=True, slots=True)
class Written:
    """One operation: its value, and the module it needs with that module's arrays."""

    value: Expression
    module: Expression = None
    arrays: Mapping[str, Array] = field(default_factory=dict)


def layer(name: str, module: Expression, arrays: Mapping[str, Array], x: Expression) -> Written:
    """A module called on a value."""
    return Written(Call(Attribute(Name("self"), name), (x,)), module, arrays)


def pools(pool: Pool) -> bool:
    """Whether ``MaxPool`` or ``AvgPool`` is the pooling: equal margins of at most half a window, on both sides."""
    if isinstance(pool.padding, str) or (pool.reduce == "average" and max(pool.dilation, default=1) > 1):
        return False
    if pool.reduce == "average" and len(pool.kernel) == 3 and any(map(any, pool.padding)):
        return False  # avg_pool3d rejects an input smaller than the window, whatever the margin
    dilation = pool.dilation or (1,) * len(pool.kernel)
    parts = zip(pool.padding, pool.kernel, dilation, strict=True)
    return all(before == after <= ((taps - 1) * step + 1) // 2 for (before, after), taps, step in parts)


def has(operation: Operation, rank: int) -> str | None:
    """Why PyTorch has no such step; None where it has."""
    if rank > 3:
        return f"{operation.kind} of {rank} spatial axes; PyTorch has up to 3"
    if isinstance(operation, Pool) and operation.reduce == "average" and max(operation.dilation, default=1) > 1:
        return "an average over windows with gaps (dilation)"
    if isinstance(operation, Activation) and operation.name not in ACTIVATIONS:
        return f"the activation {operation.name}"
    return None


TARGET = Target("torch", has, pools)


@singledispatch
def written(operation: Operation, given: Features, name: str, *x: Expression) -> Written:
    """The operation on values named ``x``, the first of them with these features; its module is ``self.name``."""
    del given, name, x
    raise AssertionError(operation.kind)  # ``lower`` refuses what is not registered below


def _rank(features: Features) -> int:
    return len(features.size)


def _plain(numbers: tuple[int, ...]) -> int | tuple[int, ...]:
    """One number where all are the same."""
    return numbers[0] if len(set(numbers)) == 1 else numbers


@written.register
def _(operation: Convolution, given: Features, name: str, x: Expression) -> Written:
    del given
    arrays = {"weight": _read(operation.kernel)}
    if operation.bias is not None:
        arrays["bias"] = _read(operation.bias)
    return layer(name, construct(operation.spec), arrays, x)


def _read(stored: Stored) -> Array:
    return lambda: stored.array


@written.register
def _(operation: Part, given: Features, name: str, x: Expression) -> Written:
    del given, name
    return Written(Index(x, (slice(None), slice(operation.start, operation.stop))))


def flat_margins(margins: Pairs) -> tuple[int, ...]:
    """The margins as ``torch.nn.functional.pad`` takes them: the last axis first."""
    return tuple(side for pair in reversed(margins) for side in pair)


_MODES = {"reflect": "reflect", "edge": "replicate"}


@written.register
def _(operation: Pad, given: Features, name: str, x: Expression) -> Written:
    del given, name
    grown = tuple((max(before, 0), max(after, 0)) for before, after in operation.margins)
    if any(map(any, grown)):
        words: dict[str, Expression] = {}
        if operation.mode != "constant":
            words = {"mode": _MODES[operation.mode]}
        elif operation.value:
            words = {"value": operation.value}
        x = call("F.pad", x, flat_margins(grown), **words)
    if any(min(pair) < 0 for pair in operation.margins):
        kept = (slice(max(-before, 0) or None, min(after, 0) or None) for before, after in operation.margins)
        x = Index(x, (slice(None), slice(None), *kept))
    return Written(x)


@written.register
def _(operation: Pool, given: Features, name: str, x: Expression) -> Written:
    del name
    rank = _rank(given)
    shape = {"kernel_size": _plain(operation.kernel), "stride": _plain(operation.stride)}
    if operation.reduce == "max":
        return Written(_maximum(operation, shape, rank, x))
    pool = partial(call, f"F.avg_pool{rank}d")
    stated: Any = operation.padding
    if pools(operation):
        margins = _plain(tuple(before for before, _ in stated))
        words = {"padding": margins} if margins else {}
        words |= {"ceil_mode": True} if operation.ceil else {}
        words |= {"count_include_pad": False} if margins and not operation.counts_padding else {}
        return Written(pool(x, **shape, **words))
    widths = flat_margins(stated)
    summed = pool(call("F.pad", x, widths), **shape)
    if operation.counts_padding:
        return Written(summed)
    # a mean over what lies inside: the mean over the window, divided by the share of it that does
    ones = call("torch.ones_like", Index(x, (slice(1), slice(1))))
    return Written(call("torch.div", summed, pool(call("F.pad", ones, widths), **shape)))


def _maximum(pool: Pool, shape: dict[str, Any], rank: int, x: Expression) -> Expression:
    words = dict(shape)
    stated: Any = pool.padding
    if not pools(pool):
        x = call("F.pad", x, flat_margins(stated), value=LOWEST)
    elif any(map(any, stated)):
        words["padding"] = _plain(tuple(before for before, _ in stated))
    if max(pool.dilation, default=1) > 1:
        words["dilation"] = _plain(pool.dilation)
    if pool.ceil:
        words["ceil_mode"] = True
    return call(f"F.max_pool{rank}d", x, **words)


@written.register
def _(operation: GlobalPool, given: Features, name: str, x: Expression) -> Written:
    del name
    words = {"dim": tuple(range(2, _rank(given) + 2))} | ({"keepdim": True} if operation.keep else {})
    return Written(method(x, "mean" if operation.reduce == "average" else "amax", **words))


_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


@written.register
def _(operation: Resize, given: Features, name: str, x: Expression) -> Written:
    del name
    if operation.mode == "linear":
        words = {"mode": _LINEAR[_rank(given)], "align_corners": False}
        return Written(call("F.interpolate", x, scale_factor=tuple(map(float, operation.factor)), **words))
    for axis, factor in enumerate(operation.factor, start=2):
        x = method(x, "repeat_interleave", factor, dim=axis) if factor > 1 else x
    return Written(x)


@written.register
def _(operation: Softmax, given: Features, name: str, x: Expression) -> Written:
    del operation, given, name
    return Written(call("torch.softmax", x, dim=1))


@written.register
def _(operation: Norm, given: Features, name: str, x: Expression) -> Written:
    words: dict[str, Expression] = {"eps": float(operation.epsilon)}
    arrays = {"running_mean": _read(operation.mean), "running_var": _read(operation.variance)}
    if operation.scale is None and operation.offset is None:
        words["affine"] = False
    else:
        arrays |= _affine(operation.scale, operation.offset, given.channels, operation.mean.dtype)
    arrays["num_batches_tracked"] = _no_batches
    kind = f"torch.nn.BatchNorm{max(_rank(given), 1)}d"
    return layer(name, call(kind, given.channels, **words), arrays, x)


def _affine(scale: Stored | None, offset: Stored | None, channels: int, dtype: str) -> dict[str, Array]:
    """Weight and bias; ones and zeros where the source has none."""
    weight = partial(_all, 1, channels, dtype) if scale is None else _read(scale)
    return {"weight": weight, "bias": partial(_all, 0, channels, dtype) if offset is None else _read(offset)}


def _all(number: int, count: int, dtype: str) -> NDArray[Any]:
    import numpy as np

    return np.full(count, number, dtype)


def _no_batches() -> NDArray[Any]:
    import numpy as np

    return np.zeros((), np.int64)


@written.register
def _(operation: GroupNorm, given: Features, name: str, x: Expression) -> Written:
    plain = operation.scale is None and operation.offset is None
    words: dict[str, Expression] = {"eps": float(operation.epsilon)} | ({"affine": False} if plain else {})
    known = operation.scale or operation.offset
    arrays = {} if known is None else _affine(operation.scale, operation.offset, given.channels, known.dtype)
    return layer(name, call("torch.nn.GroupNorm", operation.groups, given.channels, **words), arrays, x)


_MERGES = {
    "subtract": "torch.sub",
    "multiply": "torch.mul",
    "maximum": "torch.maximum",
}


@written.register
def _(operation: Merge, given: Features, name: str, *x: Expression) -> Written:
    del given, name
    if operation.how == "concat":
        return Written(call("torch.cat", list(x), dim=1) if len(x) > 1 else x[0])
    if operation.how in _MERGES:
        return Written(reduce(partial(call, _MERGES[operation.how]), x))
    total = reduce(Sum, x)
    return Written(call("torch.div", total, len(x)) if operation.how == "average" and len(x) > 1 else total)


@written.register
def _(operation: Dense, given: Features, name: str, x: Expression) -> Written:
    del given
    kernel, bias = operation.kernel, operation.bias
    words = {} if bias is not None else {"bias": False}
    arrays: dict[str, Array] = {"weight": lambda: kernel.array.T}
    if bias is not None:
        arrays["bias"] = _read(bias)
    return layer(name, call("torch.nn.Linear", *kernel.shape, **words), arrays, x)


@written.register
def _(operation: Flatten, given: Features, name: str, x: Expression) -> Written:
    del name
    moved = method(x, "movedim", 1, -1) if operation.channels_last and given.size else x
    return Written(method(moved, "flatten", 1))


@written.register
def _(operation: Unflatten, given: Features, name: str, x: Expression) -> Written:
    del given, name
    channels, size = operation.features
    if operation.channels_last:
        return Written(method(method(x, "unflatten", 1, (*size, channels)), "movedim", -1, 1))
    return Written(method(x, "unflatten", 1, (channels, *size)))


# --- activations ----------------------------------------------------------------------------------------------


@written.register
def _(operation: Activation, given: Features, name: str, x: Expression) -> Written:
    del given, name
    return Written(ACTIVATIONS[operation.name](x, **arguments(operation)))


def arguments(operation: Activation) -> dict[str, float | bool]:
    """The function's arguments as Python's own numbers."""
    return {name: value if isinstance(value, bool) else float(value) for name, value in operation.arguments}


def _relu(
    x: Expression, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Expression:
    if max_value is None and not threshold:
        return call("F.leaky_relu", x, negative_slope) if negative_slope else call("F.relu", x)
    above = x if max_value is None else call("torch.clamp", x, max=max_value)
    below = call("torch.mul", call("torch.sub", x, threshold), negative_slope) if negative_slope else 0.0
    return call("torch.where", call("torch.gt", x, threshold), above, below)


def _squareplus(x: Expression, b: float = 4.0) -> Expression:
    root = call("torch.sqrt", call("torch.add", call("torch.mul", x, x), b))
    return call("torch.div", Sum(x, root), 2)


def _gelu(x: Expression, approximate: bool = False) -> Expression:
    return call("F.gelu", x, **({"approximate": "tanh"} if approximate else {}))


def _along(path: str, x: Expression) -> Expression:
    return call(path, x, dim=-1)


ACTIVATIONS: Mapping[str, Callable[..., Expression]] = {
    "relu": _relu,
    "leaky_relu": lambda x, negative_slope=0.2: call("F.leaky_relu", x, negative_slope),
    "elu": lambda x, alpha=1.0: call("F.elu", x, alpha),
    "celu": lambda x, alpha=1.0: call("F.celu", x, alpha),
    "gelu": _gelu,
    "squareplus": _squareplus,
    "soft_shrink": lambda x, threshold=0.5: call("F.softshrink", x, threshold),
    "hard_shrink": lambda x, threshold=0.5: call("F.hardshrink", x, threshold),
    "softmax": partial(_along, "torch.softmax"),
    "log_softmax": partial(_along, "torch.log_softmax"),
    "linear": lambda x: x,
    **{
        name: partial(call, path)
        for name, path in {
            "relu6": "F.relu6",
            "selu": "F.selu",
            "sigmoid": "torch.sigmoid",
            "log_sigmoid": "F.logsigmoid",
            "silu": "F.silu",
            "tanh": "torch.tanh",
            "tanh_shrink": "F.tanhshrink",
            "softplus": "F.softplus",
            "softsign": "F.softsign",
            "exponential": "torch.exp",
            "hard_sigmoid": "F.hardsigmoid",
            "hard_silu": "F.hardswish",
            "hard_tanh": "F.hardtanh",
            "mish": "F.mish",
        }.items()
    },
}
"""the engine's name of an activation -> what PyTorch writes"""
