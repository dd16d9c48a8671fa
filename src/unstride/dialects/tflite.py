"""LiteRT (TensorFlow Lite): the operators ``CONV_2D`` and ``TRANSPOSE_CONV``.

An operator is written with its options as keywords, as the schema names them:
``TRANSPOSE_CONV(output_shape=[1, 8, 8, 3], stride_h=2, stride_w=2)``. Its tensors may be left out; ``bias=None`` says
that there is no bias. Data is ``NHWC``, weights are ``(out, height, width, in)``, taps not reversed.
``TRANSPOSE_CONV`` has no dilation, no groups and no pads in numbers.

Source: tensorflow/lite/schema/schema.fbs, tensorflow/lite/kernels/conv.cc and transpose_conv.cc, and LiteRT 2.3 run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any

from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer, WeightLayout
from .arguments import integer, one_of
from .refusal import Refusal, settle
from .spec import Filters, Source, Spec
from .windows import Taps, Window, invert_same, invert_valid, pad, pad_same

_RULES = ("SAME", "VALID")
_FUSED = {"NONE": None, "RELU": "relu", "RELU6": "relu6", "RELU_N1_TO_1": "hard_tanh", "TANH": "tanh"}
"""fused activations -> their usual names"""
_INPUT, _FILTER, _WEIGHTS, _BIAS = map(Source, ("input", "filter", "weights", "bias"))


class _Operator(Spec):
    """What both operators share."""

    dialect = "tflite"
    functional = True

    bias: Source | None
    padding: str
    stride_w: int
    stride_h: int
    fused_activation_function: Source | str

    @property
    def activation_name(self) -> str | None:
        name = str(self.fused_activation_function).rpartition(".")[2]
        return _FUSED.get(name, name)

    def check(self) -> None:
        one_of(self.padding, _RULES, "padding", Reason.PADDING)
        for name in ("stride_h", "stride_w"):
            integer(getattr(self, name), name, Reason.STRIDE, least=1)

    @property
    def bias_present(self) -> bool:
        return self.bias is not None

    def data_layout(self, dimensions: int) -> DataLayout:
        return self.exact_layout(DataLayout.last(2), dimensions)


@dataclass(frozen=True)
class CONV_2D(_Operator):
    """``CONV_2D``; groups are the input's channels divided by the weights'."""

    call = "CONV_2D"
    transposed = False

    input: Source = _INPUT
    filter: Source = _FILTER
    bias: Source | None = _BIAS
    _: KW_ONLY
    padding: str = "SAME"
    stride_w: int
    stride_h: int
    fused_activation_function: Source | str = "NONE"
    dilation_w_factor: int = 1
    dilation_h_factor: int = 1
    quantized_bias_type: Source | str | None = None

    def check(self) -> None:
        super().check()
        for name in ("dilation_h_factor", "dilation_w_factor"):
            integer(getattr(self, name), name, Reason.DILATION, least=1)

    def weight_layout(self, rank: int) -> WeightLayout:
        return WeightLayout.of("Skl", rank)

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        groups = 1
        if kernel_shape is not None and len(kernel_shape) == 4:
            outer, inner = kernel_shape[0], kernel_shape[-1]
            if inner < 1 or channels % inner or outer % max(channels // inner, 1):
                rule = f"the input has {channels} channels: a multiple of the weights' {inner} that divides {outer}"
                raise UnstrideError(Reason.GROUPS, rule, argument="kernel_shape", value=kernel_shape)
            groups = max(channels // inner, 1)
        return self.array_filters(rank, channels, kernel_shape, groups)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        dilations = (self.dilation_h_factor, self.dilation_w_factor)
        taps = map(Taps, kernel, (self.stride_h, self.stride_w), dilations)
        if self.padding == "SAME":
            return tuple(pad_same(each, large).because("padding=SAME") for each, large in zip(taps, size, strict=True))
        return tuple(pad(each, large, 0, 0).because("padding=VALID") for each, large in zip(taps, size, strict=True))


@dataclass(frozen=True)
class TRANSPOSE_CONV(_Operator):
    """``TRANSPOSE_CONV``; the output's whole shape is a tensor."""

    call = "TRANSPOSE_CONV"
    transposed = True

    output_shape_: tuple[int, ...]
    weights: Source = _WEIGHTS
    input: Source = _INPUT
    bias: Source | None = _BIAS
    _: KW_ONLY
    padding: str = "SAME"
    stride_w: int
    stride_h: int
    fused_activation_function: Source | str = "NONE"
    quantized_bias_type: Source | str | None = None

    def check(self) -> None:
        super().check()
        shape = self.output_shape_
        if not isinstance(shape, tuple) or len(shape) != 4:
            rule = "must have 4 elements: batch, height, width and channels"
            raise UnstrideError(Reason.OUTPUT_SHAPE, rule, argument="output_shape", value=shape)
        for entry in shape:
            integer(entry, "output_shape", Reason.OUTPUT_SHAPE, least=0)

    def weight_layout(self, rank: int) -> WeightLayout:
        return WeightLayout.of("LkS", rank)

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        return self.array_filters(rank, channels, kernel_shape)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        rule = invert_same if self.padding == "SAME" else invert_valid
        taps = map(Taps, kernel, (self.stride_h, self.stride_w))
        return tuple(
            rule(each, small, large).because(f"padding={self.padding}")
            for each, small, large in zip(taps, size, self.output_shape_[1:3], strict=True)
        )

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        del input_shape
        if self.output_shape_ != shape:
            rule = f"must be {shape}: the input's batch, the weights' output channels"
            raise UnstrideError(Reason.OUTPUT_SHAPE, rule, argument="output_shape", value=self.output_shape_)


FORMS: tuple[type[Spec], ...] = (CONV_2D, TRANSPOSE_CONV)


LIMIT = "padding is SAME or VALID, and only output_shape sets the size"


def propose(layer: Layer, batch: int = 1) -> Iterator[Callable[[], Spec]]:
    """The operator with both paddings."""
    if layer.rank != 2:
        return
    height, width = layer.axes
    shared: dict[str, Any] = {"stride_h": height.stride, "stride_w": width.stride}
    if not layer.bias:
        shared["bias"] = None
    for padding in _RULES:
        if layer.transposed:
            shape = (batch, *layer.output_size, layer.out_channels)
            yield partial(TRANSPOSE_CONV, shape, padding=padding, **shared)
        else:
            factors: dict[str, Any] = {"dilation_h_factor": height.dilation, "dilation_w_factor": width.dilation}
            yield partial(CONV_2D, padding=padding, **shared, **factors)


def write(layer: Layer, batch: int = 1) -> Spec | Refusal:
    """The layer in LiteRT's words, or why not and what equals it."""
    return settle(layer, "tflite", propose, batch, limit=LIMIT)
