"""ONNX nodes with weights or windows: convolutions, pooling, norms, dense layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np

from ..dialects import onnx as dialect
from ..dialects.spec import Source
from ..network import Convolution, Dense, GlobalPool, GroupNorm, Norm, Operation, Pool, Stored
from .onnx_step import Result, Step, UnknownError, Value, standard

Reduction: TypeAlias = Literal["max", "average"]


def convolution(step: Step) -> Result:
    """``Conv`` and ``ConvTranspose``, in the words of the ONNX dialect."""
    kernel = step.weights(1, "kernel")
    bias = step.weights(2, "bias") if step.given(2) is not None else None
    rank = len(kernel.shape) - 2
    x = _ranked(step.first, rank)
    form: Any = dialect.ConvTranspose if step.kind == "ConvTranspose" else dialect.Conv
    lists = ["dilations", "kernel_shape", "pads", "strides"]
    lists += ["output_padding", "output_shape"] if step.kind == "ConvTranspose" else []
    words: dict[str, Any] = {name: step.ints(name) for name in lists if step.ints(name) is not None}
    words |= {"group": step.integer("group", 1), "auto_pad": step.text("auto_pad", "NOTSET")}
    spec = form(Source("X"), Source("W"), None if bias is None else Source("B"), **words)
    made = kernel.shape[1] * spec.group if spec.transposed else kernel.shape[0]
    if bias is not None and bias.shape != (made,):
        raise UnknownError(f"its bias has the shape {bias.shape}, it makes {made} channels")
    if x.channels is not None:  # what the dialect refuses at every size
        taken = kernel.shape[0] if spec.transposed else kernel.shape[1] * spec.group
        if taken != x.channels:
            raise UnknownError(f"its kernel takes {taken} channels, its input has {x.channels}")
    return Result((Convolution(spec, kernel, bias),), (x,), standard(rank))


def _ranked(x: Value, rank: int) -> Value:
    if rank < 1 or x.spatial not in (-1, rank):
        raise UnknownError(f"it has {rank} spatial axes, its input {x.spatial}")
    return replace(x, order=standard(rank))


# --- pooling --------------------------------------------------------------------------------------------------


def pool(step: Step) -> Result:
    """``MaxPool`` and ``AveragePool``."""
    kernel = step.ints("kernel_shape")
    if not kernel:
        raise UnknownError("it has no kernel_shape")
    rank = len(kernel)
    x = _ranked(step.first, rank)
    if step.kind == "MaxPool" and x.type in (2, 3):
        raise UnknownError("a maximum over integers")
    stride = _sized(step.ints("strides"), (1,) * rank)
    dilation = _sized(step.ints("dilations"), (1,) * rank)
    margins = _sized(step.ints("pads"), (0,) * (2 * rank))
    if min((*kernel, *stride, *dilation)) < 1 or min(margins) < 0:
        raise UnknownError("a kernel, stride or dilation below 1, or a negative margin")
    average = step.kind == "AveragePool"
    operation = Pool(
        "average" if average else "max",
        kernel,
        stride,
        _padding(step.text("auto_pad", "NOTSET"), kernel, stride, dilation, margins),
        dilation if set(dilation) != {1} else (),
        ceil=bool(step.integer("ceil_mode", 0)),
        counts_padding=average and bool(step.integer("count_include_pad", 0)),
    )
    return Result((operation,), (x,), x.order)


def _sized(given: tuple[int, ...] | None, default: tuple[int, ...]) -> tuple[int, ...]:
    if given is not None and len(given) != len(default):
        raise UnknownError(f"a list of {len(given)} numbers where {len(default)} are due")
    return default if given is None else given


def _padding(
    word: str, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...], margins: tuple[int, ...]
) -> Any:
    rank = len(kernel)
    if word in ("SAME_UPPER", "SAME_LOWER"):
        if set(dilation) != {1} or any(step > taps for step, taps in zip(stride, kernel, strict=True)):
            raise UnknownError(f"auto_pad={word} with a dilation or with a stride above the kernel: runtimes differ")
        return word.lower()
    if word not in ("NOTSET", "VALID", ""):
        raise UnknownError(f"auto_pad={word} is no word of ONNX")
    if word == "VALID":
        return ((0, 0),) * rank
    return tuple(zip(margins[:rank], margins[rank:], strict=True))


def global_pool(step: Step) -> Result:
    """``GlobalMaxPool`` and ``GlobalAveragePool``."""
    x = step.first
    if x.spatial < 1:
        raise UnknownError("nothing tells how many spatial axes its input has")
    reduce: Reduction = "max" if step.kind == "GlobalMaxPool" else "average"
    return Result((GlobalPool(reduce, keep=True),), (x,), x.order)


def reduction(step: Step) -> Result:
    """``ReduceMean`` and ``ReduceMax`` over all spatial axes."""
    axes = step.ints("axes")
    given = step.whole(1, "axes") if axes is None else axes
    if not given:
        raise UnknownError(
            "it reduces every axis" if not step.integer("noop_with_empty_axes", 0) else "it reduces no axis"
        )
    order = step.x.order or ""
    if sorted(step.letters(given)) != sorted(letter for letter in order if letter.isdigit()):
        raise UnknownError("it does not reduce the spatial axes, all of them and no others")
    keep = bool(step.integer("keepdims", 1))
    reduce: Reduction = "max" if step.kind == "ReduceMax" else "average"
    return Result((GlobalPool(reduce, keep=keep),), (step.x,), order if keep else "NC")


# --- norms ----------------------------------------------------------------------------------------------------


def batch_norm(step: Step) -> Result:
    """``BatchNormalization`` at inference."""
    if step.integer("training_mode", 0) or not step.integer("spatial", 1):
        raise UnknownError("it learns as it runs, or has numbers for each position")
    names = ("scale", "offset", "mean", "variance")
    scale, offset, mean, variance = (step.weights(index, name) for index, name in enumerate(names, start=1))
    norm = Norm(mean, variance, step.number("epsilon", 1e-5), scale, offset)
    return _per_channel(step, norm)


def instance_norm(step: Step) -> Result:
    """``InstanceNormalization``: a group norm of one channel a group."""
    scale, offset = step.weights(1, "scale"), step.weights(2, "offset")
    norm = GroupNorm(scale.count, step.number("epsilon", 1e-5), scale, offset)
    return _per_channel(step, norm)


def group_norm(step: Step) -> Result:
    """``GroupNormalization``; up to opset 20 its scale is one number a group."""
    scale, offset = step.weights(1, "scale"), step.weights(2, "offset")
    groups = step.integer("num_groups", 1)
    if groups < 1 or (step.opset < 21 and scale.count != step.x.channels):
        raise UnknownError("its scale is one number for each group, not for each channel")
    return _per_channel(step, GroupNorm(groups, step.number("epsilon", 1e-5), scale, offset))


def _per_channel(step: Step, norm: Operation) -> Result:
    x = step.x
    if x.order is not None and x.order[1:2] != "C":
        raise UnknownError("its input does not have its channels first")
    shapes = {stored.shape for stored in norm.weights.values()}
    if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes) or not _fits(shapes, x.channels):
        raise UnknownError(f"its numbers are not one for each channel: {sorted(shapes)}")
    return Result((norm,), (x,), x.order)


def _fits(shapes: set[tuple[int, ...]], channels: int | None) -> bool:
    return channels is None or shapes == {(channels,)}


# --- dense layers ---------------------------------------------------------------------------------------------


def gemm(step: Step) -> Result:
    """``Gemm`` of a vector and weights."""
    kernel, x = step.weights(1, "kernel"), _vector(step.x)
    bias = step.weights(2, "bias") if step.given(2) is not None else None
    if step.integer("transA", 0) or len(kernel.shape) != 2:
        raise UnknownError("it multiplies something else than vectors with a matrix")
    alpha, beta = step.number("alpha", 1.0), step.number("beta", 1.0)
    if step.integer("transB", 0):
        kernel = derived(kernel, kernel.shape[::-1], lambda array: array.T)
    if alpha != 1:
        kernel = derived(kernel, kernel.shape, lambda array: array * array.dtype.type(alpha))
    made = kernel.shape[1]
    if bias is not None:
        if bias.count not in (1, made) or any(length != 1 for length in bias.shape[:-1]):
            raise UnknownError(f"its bias of shape {bias.shape} is not one number for each output")
        bias = derived(bias, (made,), lambda array: np.broadcast_to(array.ravel() * array.dtype.type(beta), made))
    return Result((Dense(kernel, bias),), (_taking(x, kernel),), "NC")


def matmul(step: Step) -> Result:
    """``MatMul`` of a vector and weights."""
    kernel, x = step.weights(1, "second factor"), _vector(step.x)
    if len(kernel.shape) != 2:
        raise UnknownError(f"its second factor has the shape {kernel.shape}")
    return Result((Dense(kernel),), (_taking(x, kernel),), "NC")


def _vector(x: Value) -> Value:
    if x.order not in (None, "NC"):
        raise UnknownError("its input is not a vector for each example")
    return replace(x, order="NC")


def _taking(x: Value, kernel: Stored) -> Value:
    if x.channels not in (None, kernel.shape[0]):
        raise UnknownError(f"its matrix takes vectors of {kernel.shape[0]} numbers, its input has {x.channels}")
    return x


def derived(stored: Stored, shape: tuple[int, ...], change: Callable[[Any], Any]) -> Stored:
    """An array made of a stored one when somebody asks for it."""
    if not stored.known:
        return Stored(shape, stored.dtype)
    return Stored(shape, stored.dtype, lambda: change(stored.array))


HANDLERS: Mapping[str, Callable[[Step], Result]] = {
    "Conv": convolution,
    "ConvTranspose": convolution,
    "MaxPool": pool,
    "AveragePool": pool,
    "GlobalMaxPool": global_pool,
    "GlobalAveragePool": global_pool,
    "ReduceMean": reduction,
    "ReduceMax": reduction,
    "BatchNormalization": batch_norm,
    "InstanceNormalization": instance_norm,
    "GroupNormalization": group_norm,
    "Gemm": gemm,
    "MatMul": matmul,
}
