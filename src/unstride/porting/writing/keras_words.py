"""Every operation of a network in Keras 3's words, channels last: a layer where there is one, else ``keras.ops``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial, reduce, singledispatch
from typing import TYPE_CHECKING, Any

from ...dialects.spec import Spec
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
from ..codegen.program import Call, Expression, Index, Name, Path, call
from ..codegen.steps import construct
from .common import Part, Target
from .torch_words import arguments

if TYPE_CHECKING:
    from numpy.typing import NDArray

Array = Callable[[], "NDArray[Any]"]
"""reads the values of one array"""


@dataclass(frozen=True, slots=True)
class Written:
    """One operation: its value, and the arrays of its layer by Keras's names of them."""

    value: Expression
    arrays: Mapping[str, Array] = field(default_factory=dict)


def layer(kind: str, name: str, x: Expression, *positional: Expression, **words: Expression) -> Expression:
    """``keras.layers.Kind(..., name=name)(x)``."""
    return Call(Call(Path(f"keras.layers.{kind}"), positional, {**words, "name": name}), (x,))


def pools(pool: Pool) -> bool:
    """Whether a pooling layer is the pooling: ``valid``, or ``same`` without counting what lies outside."""
    if pool.ceil or max(pool.dilation, default=1) > 1:
        return False
    if pool.padding == "same_upper":
        return pool.reduce == "max" or not pool.counts_padding
    return not isinstance(pool.padding, str) and not any(map(any, pool.padding))


def has(operation: Operation, rank: int) -> str | None:
    """Why Keras has no such step; None where it has."""
    if rank > 3:
        return f"{operation.kind} of {rank} spatial axes; Keras has up to 3"
    if isinstance(operation, Pool) and max(operation.dilation, default=1) > 1:
        return "a pooling over windows with gaps (dilation)"
    if isinstance(operation, Resize) and operation.mode == "linear" and rank == 3:
        return "a trilinear resizing; Keras interpolates on up to two axes"
    return None


def accept(spec: Spec) -> bool:
    """Whether every backend runs it.

    TensorFlow on a CPU has no dilated transposed convolution, and rejects an ``output_padding`` whose length no forward
    convolution maps back.
    """
    if spec.functional or not spec.transposed:
        return not spec.functional
    plain: Any = spec
    dilation = plain.dilation_rate if isinstance(plain.dilation_rate, tuple) else (plain.dilation_rate,)
    return plain.output_padding is None and max(dilation) == 1


TARGET = Target("keras", has, pools, accept)


@singledispatch
def written(operation: Operation, given: Features, name: str, *x: Expression) -> Written:
    """The operation on the values ``x``, the first of them with these features; its layer is called ``name``."""
    del given, name, x
    raise AssertionError(operation.kind)  # ``lower`` refuses what is not registered below


def _rank(features: Features) -> int:
    return len(features.size)


def _plain(numbers: tuple[int, ...]) -> int | tuple[int, ...]:
    """One number where all are the same."""
    return numbers[0] if len(set(numbers)) == 1 else numbers


def _read(stored: Stored) -> Array:
    return lambda: stored.array


@written.register
def _(operation: Convolution, given: Features, name: str, x: Expression) -> Written:
    del given
    arrays = {"kernel": _read(operation.kernel)}
    if operation.bias is not None:
        arrays["bias"] = _read(operation.bias)
    return Written(Call(construct(operation.spec, name=name), (x,)), arrays)


@written.register
def _(operation: Part, given: Features, name: str, x: Expression) -> Written:
    del name
    before = (slice(None),) * (_rank(given) + 1)
    return Written(Index(x, (*before, slice(operation.start, operation.stop))))


# --- margins and windows --------------------------------------------------------------------------------------


@written.register
def _(operation: Pad, given: Features, name: str, x: Expression) -> Written:
    del given
    grown = tuple((max(before, 0), max(after, 0)) for before, after in operation.margins)
    dropped = tuple((max(-before, 0), max(-after, 0)) for before, after in operation.margins)
    both = any(map(any, grown)) and any(map(any, dropped))
    if any(map(any, grown)):
        x = _grown(operation, grown, f"{name}_grown" if both else name, x)
    if any(map(any, dropped)):
        x = layer(f"Cropping{len(dropped)}D", name, x, _sides(dropped))
    return Written(x)


def _sides(margins: Pairs) -> Expression:
    """The margins as a layer takes them: one pair for one axis, else a pair for each."""
    return margins[0] if len(margins) == 1 else margins


def _grown(operation: Pad, margins: Pairs, name: str, x: Expression) -> Expression:
    if operation.mode == "edge":
        for axis, pair in enumerate(margins, start=1):
            x = _repeated_ends(x, axis, pair)
        return x
    if operation.mode == "reflect":
        return call("keras.ops.pad", x, _everywhere(margins), mode="reflect")
    return _padded(x, margins, name, operation.value)


def _padded(x: Expression, margins: Pairs, name: str, value: float = 0.0) -> Expression:
    if not any(map(any, margins)):
        return x
    if not value:
        return layer(f"ZeroPadding{len(margins)}D", name, x, _sides(margins))
    constant = float(value) if abs(value) != float("inf") else Call(Name("float"), (str(value),))
    return call("keras.ops.pad", x, _everywhere(margins), constant_values=constant)


def _everywhere(margins: Pairs) -> Pairs:
    return ((0, 0), *margins, (0, 0))


def _repeated_ends(x: Expression, axis: int, pair: tuple[int, int]) -> Expression:
    if not any(pair):
        return x
    ahead = (slice(None),) * axis
    first, last = Index(x, (*ahead, slice(1))), Index(x, (*ahead, slice(-1, None)))
    return call("keras.ops.concatenate", [*[first] * pair[0], x, *[last] * pair[1]], axis=axis)


@written.register
def _(operation: Pool, given: Features, name: str, x: Expression) -> Written:
    kind = f"{'Max' if operation.reduce == 'max' else 'Average'}Pooling{_rank(given)}D"
    words: dict[str, Expression] = {"strides": _plain(operation.stride)}
    if isinstance(operation.padding, str):
        return Written(layer(kind, name, x, _plain(operation.kernel), **words, padding="same"))

    def pool(padded: Expression, name: str) -> Expression:
        return layer(kind, name, padded, _plain(operation.kernel), **words)

    margins, padded = operation.padding, f"{name}_padded"
    if not any(map(any, margins)):
        return Written(pool(x, name))
    if operation.reduce == "max":
        return Written(pool(_padded(x, margins, padded, float("-inf")), name))
    summed = _padded(x, margins, padded)
    if operation.counts_padding:
        return Written(pool(summed, name))
    # a mean over what lies inside: the mean over the window, divided by the share of it that does
    share = _padded(call("keras.ops.ones_like", x), margins, f"{name}_inside")
    return Written(call("keras.ops.divide", pool(summed, name), pool(share, f"{name}_share")))


@written.register
def _(operation: GlobalPool, given: Features, name: str, x: Expression) -> Written:
    kind = f"Global{'Max' if operation.reduce == 'max' else 'Average'}Pooling{_rank(given)}D"
    return Written(layer(kind, name, x, **({"keepdims": True} if operation.keep else {})))


@written.register
def _(operation: Resize, given: Features, name: str, x: Expression) -> Written:
    rank, factor = _rank(given), operation.factor
    if operation.mode == "nearest":
        return Written(layer(f"UpSampling{rank}D", name, x, factor[0] if rank == 1 else factor))
    if rank == 2:
        return Written(layer("UpSampling2D", name, x, factor, interpolation="bilinear"))
    wide = call("keras.ops.expand_dims", x, 2)
    return Written(
        call("keras.ops.squeeze", layer("UpSampling2D", name, wide, (*factor, 1), interpolation="bilinear"), 2)
    )


# --- functions, norms, merges, vectors ------------------------------------------------------------------------


@written.register
def _(operation: Activation, given: Features, name: str, x: Expression) -> Written:
    words = arguments(operation)
    if operation.name in ("softmax", "log_softmax"):  # over the last axis of channels-first arrays
        return Written(call(f"keras.ops.{operation.name}", x, axis=-2 if given.size else -1))
    if not words:
        return Written(layer("Activation", name, x, operation.name))
    kind = {"relu": "ReLU", "leaky_relu": "LeakyReLU", "elu": "ELU"}.get(operation.name)
    if kind is not None:
        return Written(layer(kind, name, x, **words))
    return Written(call(f"keras.ops.{operation.name}", x, **words))


@written.register
def _(operation: Softmax, given: Features, name: str, x: Expression) -> Written:
    del operation, given
    return Written(layer("Softmax", name, x))


def _affine(scale: Stored | None, offset: Stored | None) -> tuple[dict[str, Expression], dict[str, Array]]:
    """The arguments that say which of the two there are, and their arrays."""
    words = {"scale": False} if scale is None else {}
    words |= {"center": False} if offset is None else {}
    arrays = {} if scale is None else {"gamma": _read(scale)}
    return words, arrays | ({} if offset is None else {"beta": _read(offset)})


@written.register
def _(operation: Norm, given: Features, name: str, x: Expression) -> Written:
    del given
    words, arrays = _affine(operation.scale, operation.offset)
    arrays |= {"moving_mean": _read(operation.mean), "moving_variance": _read(operation.variance)}
    return Written(layer("BatchNormalization", name, x, epsilon=float(operation.epsilon), **words), arrays)


@written.register
def _(operation: GroupNorm, given: Features, name: str, x: Expression) -> Written:
    del given
    words, arrays = _affine(operation.scale, operation.offset)
    words = {"epsilon": float(operation.epsilon), **words}
    return Written(layer("GroupNormalization", name, x, operation.groups, **words), arrays)


_MERGES = {
    "concat": "Concatenate",
    "add": "Add",
    "multiply": "Multiply",
    "average": "Average",
    "maximum": "Maximum",
}


@written.register
def _(operation: Merge, given: Features, name: str, *x: Expression) -> Written:
    del given
    if len(x) == 1:
        return Written(x[0])
    if operation.how == "subtract":
        return Written(reduce(partial(call, "keras.ops.subtract"), x))
    return Written(layer(_MERGES[operation.how], name, list(x)))


@written.register
def _(operation: Dense, given: Features, name: str, x: Expression) -> Written:
    del given
    kernel, bias = operation.kernel, operation.bias
    arrays = {"kernel": _read(kernel)} | ({} if bias is None else {"bias": _read(bias)})
    words = {"use_bias": False} if bias is None else {}
    return Written(layer("Dense", name, x, kernel.shape[1], **words), arrays)


@written.register
def _(operation: Flatten, given: Features, name: str, x: Expression) -> Written:
    rank = _rank(given)
    if not operation.channels_last and rank:
        x = layer("Permute", f"{name}_first", x, (rank + 1, *range(1, rank + 1)))
    return Written(layer("Flatten", name, x))


@written.register
def _(operation: Unflatten, given: Features, name: str, x: Expression) -> Written:
    del given
    channels, size = operation.features
    if operation.channels_last:
        return Written(layer("Reshape", name, x, (*size, channels)))
    first = layer("Reshape", f"{name}_first", x, (channels, *size))
    return Written(layer("Permute", name, first, (*range(2, len(size) + 2), 1)))
