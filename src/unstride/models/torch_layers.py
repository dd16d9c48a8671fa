"""Layers of a torch program: convolutions, linear layers, norms, pooling, resizing.

Source: aten/src/ATen/native/native_functions.yaml (torch 2.13), for arguments and their defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from ..dialects import torch as dialect
from ..dialects.arguments import compact
from ..dialects.spec import Source, Spec
from ..network import Convolution, Dense, GlobalPool, GroupNorm, Norm, Pool, Resize, Stored
from .torch_constants import filled, reshaped, transposed
from .torch_steps import Feature, Result, Step, Unsaid, features

_FORMS: Mapping[str, Callable[..., Spec]] = {form.__name__: form for form in dialect.FORMS}


def convolution(step: Step) -> Result:
    """``conv1d`` … ``conv_transpose3d``, and ``convolution``, which all of them become."""
    x = step.feature(permuted=True)
    if step.name == "convolution":
        rank, transposed_ = len(step.plain("stride", ())), step.flag("transposed", default=False)
    else:
        rank, transposed_ = int(step.name[-2]), "transpose" in step.name
    if x.order or x.rank != rank:
        raise Unsaid("the axes of its input are permuted" if x.order else "its input has no batch axis")
    kernel, bias = step.needed("weight"), step.constant("bias")
    if len(kernel.shape) != rank + 2 or rank not in (1, 2, 3):
        raise Unsaid(f"its kernel has the shape {kernel.shape}")
    words: dict[str, Any] = {
        "stride": compact(step.integers("stride", rank, 1)),
        "padding": _padding(step, rank),
        "dilation": compact(step.integers("dilation", rank, 1)),
        "groups": step.integer("groups", 1),
    }
    if transposed_:
        words["output_padding"] = compact(step.integers("output_padding", rank, 0))
    return Convolution(_spec(step, kernel, bias, rank, words, transposed_=transposed_), kernel, bias)


def _padding(step: Step, rank: int) -> Any:
    given = step.plain("padding", 0)
    return given if isinstance(given, str) else compact(step.integers("padding", rank, 0))


def _spec(
    step: Step, kernel: Stored, bias: Stored | None, rank: int, words: dict[str, Any], *, transposed_: bool
) -> Spec:
    """The module that the call was made in, if it is this layer, else the function."""
    module = f"ConvTranspose{rank}d" if transposed_ else f"Conv{rank}d"
    if step.call.scope.kind.rpartition(".")[2].removeprefix("Parametrized") != module:
        function = f"conv_transpose{rank}d" if transposed_ else f"conv{rank}d"
        return _FORMS[function](Source("x"), Source("weight"), None if bias is None else Source("bias"), **words)
    small, large = kernel.shape[0], kernel.shape[1] * max(words["groups"], 1)
    channels = (small, large) if transposed_ else (large, small)
    dtype = {} if kernel.dtype == "float32" else {"dtype": Source(f"torch.{kernel.dtype}")}
    return _FORMS[module](*channels, compact(kernel.shape[2:]), bias=bias is not None, **words, **dtype)


def linear(step: Step) -> Result:
    """``linear`` of vectors; of features with the channels last, a convolution with one tap."""
    x = step.feature(permuted=True)
    weight, bias = step.needed("weight"), step.constant("bias")
    if len(weight.shape) != 2:
        raise Unsaid(f"its weight has the shape {weight.shape}")
    if not x.order and x.rank == 0:
        return Dense(transposed(weight, (1, 0)), bias)
    if x.order != (0, *range(2, x.rank + 2), 1) or x.rank not in (1, 2, 3):
        raise Unsaid("it is applied along an axis that is not the channels'")
    kernel = reshaped(weight, (*weight.shape, *(1,) * x.rank))
    function = _FORMS[f"conv{x.rank}d"]
    return Convolution(function(Source("x"), Source("weight"), None if bias is None else Source("bias")), kernel, bias)


def product(step: Step) -> Result:
    """``addmm``, ``mm`` and ``matmul`` of vectors with a stored matrix."""
    adds = step.name == "addmm"
    if step.number("beta", 1) != 1 or step.number("alpha", 1) != 1:
        raise Unsaid("it scales what it adds")
    x = step.feature("mat1" if adds else step.first)
    kernel = step.needed({"addmm": "mat2", "mm": "mat2"}.get(step.name, "other"))
    if x.rank != 0 or len(kernel.shape) != 2:
        raise Unsaid("it multiplies other than vectors with a matrix")
    return Dense(kernel, step.constant("self") if adds else None)


def batch_norm(step: Step) -> Result:
    """``batch_norm`` that no longer learns."""
    step.feature()
    if step.flag("training", default=False):
        raise Unsaid("it normalises over the batch: export the module after eval()")
    return _learned(step)


def _learned(step: Step) -> Norm:
    """The norm with its own statistics."""
    mean, variance = step.needed("running_mean"), step.needed("running_var")
    return Norm(mean, variance, step.number("eps", 1e-5), step.constant("weight"), step.constant("bias"))


def instance_norm(step: Step) -> Result:
    """``instance_norm`` over the positions, or with what it has learned of them."""
    x = step.feature()
    if not step.flag("use_input_stats", default=True):
        return _learned(step)
    return GroupNorm(x.channels, step.number("eps", 1e-5), step.constant("weight"), step.constant("bias"))


def group_norm(step: Step) -> Result:
    """``group_norm`` and ``native_group_norm``."""
    step.feature()
    groups = step.integer("group" if step.name.startswith("native") else "num_groups", 1)
    return GroupNorm(groups, step.number("eps", 1e-5), step.constant("weight"), step.constant("bias"))


def layer_norm(step: Step) -> Result:
    """``layer_norm`` of vectors."""
    x = step.feature()
    if x.rank != 0 or step.plain("normalized_shape", ()) != (x.channels,):
        raise Unsaid("it normalises over other axes than a vector's")
    return GroupNorm(1, step.number("eps", 1e-5), step.constant("weight"), step.constant("bias"))


def pool(step: Step) -> Result:
    """``max_pool*d``, with or without indices, and ``avg_pool*d``."""
    x, rank = step.feature(), int(step.name.removesuffix("_with_indices")[-2])
    if x.rank != rank:
        raise Unsaid("its input has no batch axis")
    kernel = step.integers("kernel_size", rank, 1)
    stride = step.integers("stride", rank, 1) if step.plain("stride", ()) else kernel
    margins = tuple((margin, margin) for margin in step.integers("padding", rank, 0))
    ceil = step.flag("ceil_mode", default=False)
    if min(map(min, margins)) < 0 or min(*kernel, *stride, *step.integers("dilation", rank, 1)) < 1:
        raise Unsaid("its windows are empty or its margins negative")
    if step.name.startswith("max"):
        return Pool("max", kernel, stride, margins, step.integers("dilation", rank, 1), ceil)
    if step.plain("divisor_override", None) is not None:
        raise Unsaid("it divides by a number of its own")
    counts = step.flag("count_include_pad", default=True)
    return Pool("average", kernel, stride, margins, ceil=ceil, counts_padding=counts)


def adaptive_pool(step: Step) -> Result:
    """``adaptive_avg_pool*d`` and ``adaptive_max_pool*d`` to one element, or to a size that divides the input's."""
    x = step.feature()
    reduce: Literal["max", "average"] = "max" if "max" in step.name else "average"
    if x.rank != int(step.name[-2]):
        raise Unsaid("its input has no batch axis")
    wanted = step.integers("output_size", x.rank, 1)
    if set(wanted) == {1}:
        return GlobalPool(reduce, keep=True)
    if x.size is None:
        raise Unsaid("its windows depend on the input's size")
    if min(*wanted, *x.size) < 1 or any(large % small for small, large in zip(wanted, x.size, strict=True)):
        raise Unsaid(f"its windows differ in size: {x.size} elements to {wanted}")
    kernel = tuple(large // small for small, large in zip(wanted, x.size, strict=True))
    return Pool(reduce, kernel, kernel, ((0, 0),) * x.rank) if set(kernel) != {1} else x


def reduction(step: Step) -> Result:
    """``mean`` and ``amax`` over all spatial axes."""
    x, dims = step.feature(), step.plain("dim", ())
    axes = sorted(axis % len(x.sizes) for axis in (dims if isinstance(dims, tuple) else (dims,)) if axis is not None)
    if x.rank == 0 or axes != list(range(2, x.rank + 2)):
        raise Unsaid("it reduces other than all spatial axes")
    return GlobalPool("average" if step.name == "mean" else "max", keep=step.flag("keepdim", default=False))


def resize(step: Step) -> Result:
    """``upsample_nearest*d``, and the linear ones between pixel centres, by whole factors."""
    x = step.feature()
    nearest = "nearest" in step.name
    if not nearest and step.flag("align_corners", default=False):
        raise Unsaid("it interpolates with align_corners")
    factor = _factor(step, x)
    if set(factor) == {1}:
        return x
    return Resize(factor, "nearest" if nearest else "linear")


def _factor(step: Step, x: Feature) -> tuple[int, ...]:
    scales = step.plain("scale_factors", None)
    if scales is not None:
        if len(scales) != x.rank or not all(scale >= 1 and scale.is_integer() for scale in scales):
            raise Unsaid(f"its factors are no whole numbers: {scales}")
        return tuple(map(int, scales))
    wanted = step.integers("output_size", x.rank, 1)
    for length, axis in zip(wanted, features(x).size, strict=True):
        if axis < 1 or length < axis or length % axis:
            raise Unsaid(f"its factors are no whole numbers: {x.size} elements to {wanted}")
    return tuple(length // axis for length, axis in zip(wanted, features(x).size, strict=True))


def affine(x: Feature, scale: Stored | float, offset: Stored | float) -> Result:
    """``x · scale + offset``, one number for all or one a channel, as the norm that it is."""
    if scale == 1 and offset == 0:
        return x
    zero, one = (filled(number, x.channels, x.dtype) for number in (0.0, 1.0))
    scaling = scale if isinstance(scale, Stored) else filled(scale, x.channels, x.dtype)
    adding = offset if isinstance(offset, Stored) else filled(offset, x.channels, x.dtype)
    return Norm(zero, one, 0.0, scaling, adding)


_RANKS = (1, 2, 3)
LAYERS: Mapping[str, Callable[[Step], Result]] = {
    **dict.fromkeys([f"{name}{rank}d" for name in ("conv", "conv_transpose") for rank in _RANKS], convolution),
    "convolution": convolution,
    "linear": linear,
    **dict.fromkeys(("addmm", "mm", "matmul"), product),
    **dict.fromkeys(("batch_norm", "_native_batch_norm_legit_no_training", "native_batch_norm"), batch_norm),
    "instance_norm": instance_norm,
    **dict.fromkeys(("group_norm", "native_group_norm"), group_norm),
    **dict.fromkeys(("layer_norm", "native_layer_norm"), layer_norm),
    **dict.fromkeys([f"max_pool{rank}d{end}" for rank in _RANKS for end in ("", "_with_indices")], pool),
    **dict.fromkeys([f"avg_pool{rank}d" for rank in _RANKS], pool),
    **dict.fromkeys(
        [f"{start}adaptive_{of}_pool{rank}d" for start in ("", "_") for of in ("avg", "max") for rank in _RANKS],
        adaptive_pool,
    ),
    **dict.fromkeys(("mean", "amax"), reduction),
    **dict.fromkeys(
        [f"{start}{rank}d" for start in ("upsample_nearest", "_upsample_nearest_exact") for rank in _RANKS], resize
    ),
    **dict.fromkeys(("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d"), resize),
}
"""aten operator -> how it is read"""
