"""oneDNN: ``convolution_forward`` and ``deconvolution_forward``, written as Python calls of our own spelling.

The arguments are those of the C functions that make the primitive's descriptor, without engine and attributes: the
destination's sizes are given, and the primitive is refused unless they fit. ``dilates`` counts from 0: 0 is a dense
kernel. ``padding_r`` is ``padding_l`` where it is left out, and may be as low as ``1 − stride``. ``groups`` stands for
weights with a leading group axis, which the C functions tell from the weights' dimensions.

Data is channels first with a batch axis, 1-D to 3-D. Weights are ``(output channels, input channels, *taps)`` for
both, so those of a deconvolution are the other way round than in most frameworks.

Sizes fit by an integer division in C, which rounds towards zero: small size 1 has up to ``stride − 1`` smaller large
sizes more than the relation's ``stride``.

Source: src/common/convolution.cpp and src/common/deconvolution.cpp of oneDNN, and running oneDNN 3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, TypeAlias

from ..errors import Reason, UnstrideError
from ..geometry import Axis, DataLayout, Layer, WeightLayout
from .arguments import integer, integers
from .refusal import Refusal, settle
from .spec import Filters, Source, Spec, checked_shape
from .windows import Taps, Window, crop, spelled

Ints: TypeAlias = tuple[int, ...]
"""One integer per spatial axis."""


@dataclass(frozen=True)
class _Primitive(Spec):
    """The arguments, which both primitives share, and their rule."""

    dialect = "onednn"
    functional = True

    src: Source
    weights: Source
    _: KW_ONLY
    bias: Source | None = None
    dst: Ints
    strides: Ints
    dilates: Ints | None = None
    padding_l: Ints
    padding_r: Ints | None = None
    groups: int | None = None

    def check(self) -> None:
        if not 3 <= len(checked_shape(self.dst, "dst")) <= 5:
            rule = "must be all 3 to 5 sizes of the destination (N, C, and the spatial axes)"
            raise UnstrideError(Reason.RANK, rule, argument="dst", value=self.dst)
        self._ints("strides", Reason.STRIDE, 1)
        self._ints("padding_l", Reason.PADDING, 0)
        if self.dilates is not None:
            self._ints("dilates", Reason.DILATION, 0)
        if self.padding_r is not None:
            for stride, pad in zip(self.strides, self._ints("padding_r", Reason.PADDING, None), strict=True):
                if pad + stride < 1:
                    rule = "must be larger than minus the stride"
                    raise UnstrideError(Reason.PADDING, rule, argument="padding_r", value=self.padding_r)
        if self.groups is not None:
            integer(self.groups, "groups", Reason.GROUPS, least=1)

    def _ints(self, name: str, reason: Reason, least: int | None) -> Ints:
        return integers(getattr(self, name), name, reason, rank=len(self.dst) - 2, least=least)

    @property
    def bias_present(self) -> bool:
        return self.bias is not None

    def data_layout(self, dimensions: int) -> DataLayout:
        if dimensions != len(self.dst):
            rule = f"the source must have as many dimensions as dst, {len(self.dst)}"
            raise UnstrideError(Reason.RANK, rule, argument="input dimensions", value=dimensions)
        return DataLayout.first(dimensions - 2)

    def weight_layout(self, rank: int) -> WeightLayout:
        orders = ("LSk", "glsk") if self.transposed else ("SLk", "gslk")
        return WeightLayout.of(orders[self.groups is not None], rank)

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        groups = 1 if self.groups is None else self.groups
        if self.groups is not None and kernel_shape and kernel_shape[0] != groups:
            rule = f"groups={groups} needs weights whose first axis has that size"
            raise UnstrideError(Reason.GROUPS, rule, argument="kernel_shape", value=kernel_shape)
        return self.array_filters(rank, channels, kernel_shape, groups)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        dilates = self.dilates or (0,) * len(kernel)
        taps = tuple(map(Taps, kernel, self.strides, (dilate + 1 for dilate in dilates)))
        ends = self.padding_l if self.padding_r is None else self.padding_r
        return tuple(map(self._window, taps, size, self.dst[2:], self.padding_l, ends))

    def _window(self, taps: Taps, source: int, destination: int, begin: int, end: int) -> Window:
        """The window that ``dst`` asks for, if it maps back to the source."""
        small, large = (source, destination) if self.transposed else (destination, source)
        room = large - taps.span + begin + end
        fitting = _quotient(room, taps.stride) + 1
        rule = f"(large − span + padding_l + padding_r) / stride + 1 = {room} / {taps.stride} + 1 = {fitting}"
        legal = taps.truncated_sizes(small, begin + end)
        if fitting != small:
            wanted = spelled(legal) if self.transposed and legal else str(fitting)
            hint = "use a larger source, or more padding" if not legal or fitting < 0 else f"use {wanted}"
            rule = f"{rule} must be the small size {small}"
            raise UnstrideError(Reason.OUTPUT_SHAPE, rule, argument="dst", value=self.dst, hint=hint)
        shown = f"dst={destination} fits: {rule}, division rounding towards zero"
        if self.transposed:
            return crop(taps, small, begin, taps.full(small) - begin - large).because(shown)
        return Window(taps.axis(small, large, begin), (taps.spanned(), shown, f"before = padding_l = {begin}"), legal)

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        del input_shape
        if shape != self.dst:
            rule = f"the batch and the channels of the destination must be {shape[:2]}"
            raise UnstrideError(Reason.OUTPUT_SHAPE, rule, argument="dst", value=self.dst)


def _quotient(number: int, divisor: int) -> int:
    """Integer division as in C, rounding towards zero."""
    return number // divisor if number >= 0 else -(-number // divisor)


class ConvolutionForward(_Primitive):
    """``dnnl.convolution_forward``."""

    call = "dnnl.convolution_forward"
    transposed = False


class DeconvolutionForward(_Primitive):
    """``dnnl.deconvolution_forward``."""

    call = "dnnl.deconvolution_forward"
    transposed = True


convolution_forward, deconvolution_forward = ConvolutionForward, DeconvolutionForward

FORMS: tuple[type[Spec], ...] = (ConvolutionForward, DeconvolutionForward)


def propose(layer: Layer, batch: int = 1) -> Iterator[Callable[[], Spec]]:
    """Equal padding on both sides where it fits, then both sides; the sizes fix the window."""
    axes = layer.axes
    form: Callable[..., Spec] = DeconvolutionForward if layer.transposed else ConvolutionForward
    shared: dict[str, Any] = {
        "dst": (batch, layer.out_channels, *layer.output_size),
        "strides": layer.stride,
        "padding_l": layer.before,
    }
    if layer.bias:
        shared["bias"] = Source("bias")
    if layer.groups > 1:
        shared["groups"] = layer.groups
    if any(axis.dilation > 1 for axis in axes):
        shared["dilates"] = tuple(axis.dilation - 1 for axis in axes)
    spoken = partial(form, Source("src"), Source("weights"), **shared)
    yield spoken
    yield partial(spoken, padding_r=tuple(map(_padding_r, axes)))


def _padding_r(axis: Axis) -> int:
    """What ends the window at the large size: what follows it, or as little as makes the sizes fit."""
    if axis.after >= 0:
        return axis.after
    return 0 if axis.after > -axis.stride else 1 - axis.stride


def write(layer: Layer, batch: int = 1) -> Spec | Refusal:
    """The layer as a oneDNN primitive, or why not and what equals it."""
    return settle(layer, "onednn", propose, batch)
