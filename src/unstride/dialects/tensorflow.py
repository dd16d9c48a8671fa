"""TensorFlow: ``tf.nn``'s convolutions and transposed convolutions, 1-D to 3-D.

A transposed convolution is the gradient of a convolution, so the caller chooses its whole output shape: any that the
forward convolution maps back to the input. Kernels are ``(*taps, in / groups, out)`` forward and
``(*taps, out / groups, in)`` transposed, taps not reversed; groups follow from the channel counts.

The rules are those of the oneDNN kernels, the default on x86 processors: with TF_ENABLE_ONEDNN_OPTS=0 the CPU also
refuses dilated, grouped and channels-first transposed convolutions.

Source: tensorflow/python/ops/nn_ops.py, tensorflow/core/kernels/conv_grad_shape_utils.cc, and TensorFlow 2.21 run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import Reason, UnstrideError
from ..geometry import Axis, DataLayout, Layer
from .arguments import Pairs, Sizes, compact
from .refusal import Refusal, settle
from .spec import Source, Spec
from .tensorflow_rules import FORMATS, Forward, Transposed
from .windows import Taps

# --- forward --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class conv1d(Forward):
    """``tf.nn.conv1d``."""

    call = "tf.nn.conv1d"
    rank = 1

    input: Source
    filters: Source
    stride: Sizes
    padding: str
    data_format: str | None = "NWC"
    dilations: Sizes | None = None
    name: Source | str | None = None

    @property
    def step_name(self) -> str:
        return "stride"

    def formats(self, rank: int) -> tuple[str, ...]:
        return (*FORMATS[rank], "NHWC", "NCHW")


@dataclass(frozen=True)
class conv2d(Forward):
    """``tf.nn.conv2d``."""

    call = "tf.nn.conv2d"
    rank = 2
    explicit_ranks = (2,)

    input: Source
    filters: Source
    strides: Sizes | None
    padding: str | Pairs
    data_format: str | None = "NHWC"
    dilations: Sizes | None = None
    name: Source | str | None = None


@dataclass(frozen=True)
class conv3d(Forward):
    """``tf.nn.conv3d``; strides and dilations are lists of five."""

    call = "tf.nn.conv3d"
    rank = 3
    whole_lists = True

    input: Source
    filters: Source
    strides: tuple[int, ...]
    padding: str
    data_format: str | None = "NDHWC"
    dilations: tuple[int, ...] | None = None
    name: Source | str | None = None


@dataclass(frozen=True)
class convolution(Forward):
    """``tf.nn.convolution``: any rank; strides and dilations not together."""

    call = "tf.nn.convolution"
    explicit_ranks = (2,)

    input: Source
    filters: Source
    strides: Sizes | None = None
    padding: str | Pairs = "VALID"
    data_format: str | None = None
    dilations: Sizes | None = None
    name: Source | str | None = None

    def formats(self, rank: int) -> tuple[str, ...]:
        return (*FORMATS[rank], "NHWC", "NCHW") if rank == 1 else FORMATS[rank]

    def margins(self, rank: int) -> Pairs | None:
        margins = super().margins(rank)
        if margins is not None and max(self.spread(rank)) == 1:
            rule = "tf.nn.convolution takes padding as numbers only with a dilation"
            hint = "use tf.nn.conv2d"
            raise UnstrideError(Reason.PADDING, rule, argument="padding", value=self.padding, hint=hint)
        return margins

    def taps(self, kernel: tuple[int, ...]) -> tuple[Taps, ...]:
        taps = super().taps(kernel)
        if max(each.stride for each in taps) > 1 and max(each.dilation for each in taps) > 1:
            raise UnstrideError(
                Reason.DILATION,
                f"strides > 1 (here {self.strides}) and dilations > 1 are not supported together",
                argument="dilations",
                value=self.dilations,
                hint=f"use tf.nn.conv{len(kernel)}d, which takes both",
            )
        return taps


# --- transposed -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Transposed(Transposed):
    input: Source
    filters: Source
    output_shape_: tuple[int, ...]
    strides: Sizes
    padding: str | Pairs = "SAME"
    data_format: str | None = None
    dilations: Sizes | None = None
    name: Source | str | None = None


@dataclass(frozen=True)
class conv1d_transpose(_Transposed):
    """``tf.nn.conv1d_transpose``."""

    call = "tf.nn.conv1d_transpose"
    rank = 1

    data_format: str | None = "NWC"


@dataclass(frozen=True)
class conv2d_transpose(_Transposed):
    """``tf.nn.conv2d_transpose``."""

    call = "tf.nn.conv2d_transpose"
    rank = 2
    explicit_ranks = (2,)

    data_format: str | None = "NHWC"


@dataclass(frozen=True)
class conv3d_transpose(_Transposed):
    """``tf.nn.conv3d_transpose``."""

    call = "tf.nn.conv3d_transpose"
    rank = 3

    data_format: str | None = "NDHWC"


class conv_transpose(_Transposed):
    """``tf.nn.conv_transpose``: any rank."""

    call = "tf.nn.conv_transpose"
    explicit_ranks = (2,)


FORMS: tuple[type[Spec], ...] = (
    conv1d,
    conv2d,
    conv3d,
    conv1d_transpose,
    conv2d_transpose,
    conv3d_transpose,
    conv_transpose,
    convolution,
)


def propose(layer: Layer, batch: int = 1) -> Iterator[Callable[[], Spec]]:
    """The form of the layer's rank with every padding, then the form of any rank."""
    if layer.rank > 3:
        return
    ranked: Callable[..., Spec] = FORMS[layer.rank - 1 + 3 * layer.transposed]
    general: Callable[..., Spec] = conv_transpose if layer.transposed else convolution
    arrays: tuple[Any, ...] = (Source("x"), Source("filters"))
    if layer.transposed:
        arrays = (*arrays, DataLayout.last(layer.rank).join(batch, layer.out_channels, layer.output_size))
    listed = layer.rank == 3 and not layer.transposed
    strides = _per_axis(layer.stride, listed=listed)
    spread = layer.dilation
    dilated = {"dilations": _per_axis(spread, listed=listed)} if max(spread) > 1 else {}
    explicit = ((0, 0), *map(_pads, layer.axes), (0, 0))
    for form in (ranked, general):
        for padding in ("SAME", "VALID", explicit):
            yield partial(form, *arrays, strides, padding, **dilated)


def _per_axis(values: tuple[int, ...], *, listed: bool) -> Sizes:
    return (1, *values, 1) if listed else compact(values)


def _pads(axis: Axis) -> tuple[int, int]:
    return axis.before, max(axis.after, 0)


def write(layer: Layer, batch: int = 1) -> Spec | Refusal:
    """The layer in TensorFlow's words, or why not and what equals it."""
    return settle(layer, "tensorflow", propose, batch)
