"""MLX: ``mlx.core`` functions and ``mlx.nn`` layers, forward and transposed, 1-D to 3-D, channels last.

Weights are ``(out, *taps, in / groups)`` for both directions. A transposed convolution is meant as PyTorch's:
``padding`` crops both sides and ``output_padding``, without a limit, lengthens the end. It is computed as a
convolution of the spaced input, padded by ``span − 1 − padding``; where that is negative, MLX drops elements of the
input *before* it is spaced, so that with a stride above 1 the answer is another one, and is not read here.
``conv_general`` is a transposed convolution where ``input_dilation`` is above 1. Functions have no bias.

Source: mlx/ops.cpp (``conv_general``, ``conv_transpose_general``), python/mlx/nn/layers/convolution.py and
convolution_transpose.py (MLX 0.32).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, ClassVar, TypeAlias

from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer, WeightLayout
from .arguments import Sizes, check_channels, check_divides, compact, integer, per_axis
from .lax import strides_apart
from .refusal import Refusal, settle
from .spec import Filters, Source, Spec, ranked
from .windows import Taps, Window, crop, pad

Sides: TypeAlias = Sizes | tuple[tuple[int, ...], tuple[int, ...]]
"""One integer, one per axis, or the low sides of all axes and then the high ones."""


class _Mlx(Spec):
    """What all MLX convolutions share."""

    dialect = "mlx"

    def weight_layout(self, rank: int) -> WeightLayout:
        return WeightLayout.of("Lks" if self.transposed else "Skl", rank)

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        del input_shape
        if 0 in shape[1:-1]:  # a kernel too long by less than a stride passes MLX's own check, and reads past the input
            rule = "MLX needs at least one output element on every spatial axis"
            raise UnstrideError(Reason.SIZE, rule, argument="output_shape", value=shape)


class _Ranked(_Mlx):
    """A form of one rank: integers, or from the second rank on one integer per axis."""

    rank: ClassVar[int]
    stride: Sizes
    padding: Sizes
    dilation: Sizes

    def check(self) -> None:
        self._sizes("stride", Reason.STRIDE, 1)
        self._sizes("padding", Reason.PADDING)
        self._sizes("dilation", Reason.DILATION, 1)

    def _sizes(self, name: str, reason: Reason, least: int | None = None) -> tuple[int, ...]:
        value = getattr(self, name)
        if self.rank == 1:
            return (integer(value, name, reason, least=least),)
        return per_axis(value, self.rank, name, reason, least=least)

    def _taps(self, kernel: tuple[int, ...]) -> tuple[Taps, ...]:
        strides, dilations = self._sizes("stride", Reason.STRIDE, 1), self._sizes("dilation", Reason.DILATION, 1)
        return tuple(map(Taps, kernel, strides, dilations))

    def data_layout(self, dimensions: int) -> DataLayout:
        return self.exact_layout(DataLayout.last(self.rank), dimensions)


class _Forward(_Ranked):
    """The rule of ``conv``: pad both sides; negative padding drops elements."""

    transposed = False

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        pads = self._sizes("padding", Reason.PADDING)
        return tuple(map(_slide, self._taps(kernel), size, pads, pads))


class _Transposed(_Ranked):
    """The rule of ``conv_transpose``: crop both sides by ``padding``, lengthen the end by ``output_padding``."""

    transposed = True
    output_padding: Sizes

    def check(self) -> None:
        super().check()
        self._sizes("output_padding", Reason.OUTPUT_PADDING)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        pads, extras = self._sizes("padding", Reason.PADDING), self._sizes("output_padding", Reason.OUTPUT_PADDING)
        return tuple(map(self._window, self._taps(kernel), size, pads, extras))

    def _window(self, taps: Taps, small: int, margin: int, extra: int) -> Window:
        low, high = taps.span - 1 - margin, taps.span - 1 - margin + extra
        if taps.stride > 1 and min(low, high) < 0:
            near, first, last = min(margin, taps.span - 1), max(-low, 0), max(-high, 0)
            _complain(margin, f"padding={near}, output_padding={near - margin + extra + last}", first, last)
        _check_drops(small, low, high)
        return crop(taps, small, margin, margin, extra).because(
            f"padding={margin} crops {margin} on both sides; output_padding={extra} gives {extra} back at the end"
        )


class _Function(_Mlx):
    """A function: the kernel is an array, and a bias is added by the caller."""

    functional = True
    groups: int

    def check(self) -> None:
        super().check()
        integer(self.groups, "groups", Reason.GROUPS, least=1)

    @property
    def bias_present(self) -> bool:
        return False

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        if rank == 3 and self.groups != 1:
            rule, hint = "3-D convolutions have no groups", "split the channels, and concatenate the results"
            raise UnstrideError(Reason.GROUPS, rule, argument="groups", value=self.groups, hint=hint)
        filters = self.array_filters(rank, channels, kernel_shape, self.groups)
        if not channels:
            raise UnstrideError(Reason.CHANNELS, "must be at least 1", argument="input channels", value=channels)
        return filters


class _Layer(_Ranked):
    """A layer of ``mlx.nn``: channels and kernel size are arguments."""

    in_channels: int
    out_channels: int
    kernel_size: Sizes
    bias: bool

    def check(self) -> None:
        super().check()
        self._sizes("kernel_size", Reason.KERNEL, 1)
        for name in ("in_channels", "out_channels"):
            channels = integer(getattr(self, name), name, Reason.CHANNELS, least=1)
            check_divides(self._groups(), channels, name)

    def _groups(self) -> int:
        """The argument of that name, where the form has one."""
        return integer(getattr(self, "groups", 1), "groups", Reason.GROUPS, least=1)

    @property
    def bias_present(self) -> bool:
        return bool(self.bias)

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        del rank, kernel_shape
        check_channels(channels, self.in_channels, "in_channels", "last")
        return self.layer_filters(
            self._sizes("kernel_size", Reason.KERNEL, 1), channels, self.out_channels, self._groups()
        )


@dataclass(frozen=True)
class _FunctionalConv(_Function, _Forward):
    input: Source
    weight: Source
    stride: Sizes = 1
    padding: Sizes = 0
    dilation: Sizes = 1
    groups: int = 1
    _: KW_ONLY
    stream: Source | None = None


@dataclass(frozen=True)
class _FunctionalConvTranspose(_Function, _Transposed):
    input: Source
    weight: Source
    stride: Sizes = 1
    padding: Sizes = 0
    dilation: Sizes = 1
    output_padding: Sizes = 0
    groups: int = 1
    _: KW_ONLY
    stream: Source | None = None


@dataclass(frozen=True)
class _GroupedConv(_Layer, _Forward):
    in_channels: int
    out_channels: int
    kernel_size: Sizes
    stride: Sizes = 1
    padding: Sizes = 0
    dilation: Sizes = 1
    groups: int = 1
    bias: bool = True


@dataclass(frozen=True)
class _Conv(_Layer, _Forward):
    in_channels: int
    out_channels: int
    kernel_size: Sizes
    stride: Sizes = 1
    padding: Sizes = 0
    dilation: Sizes = 1
    bias: bool = True


@dataclass(frozen=True)
class _ConvTranspose(_Layer, _Transposed):
    in_channels: int
    out_channels: int
    kernel_size: Sizes
    stride: Sizes = 1
    padding: Sizes = 0
    dilation: Sizes = 1
    output_padding: Sizes = 0
    bias: bool = True


@dataclass(frozen=True)
class conv_general(_Function):
    """``mlx.core.conv_general``: transposed where ``input_dilation`` is above 1."""

    call = "mlx.core.conv_general"
    transposed = False

    input: Source
    weight: Source
    stride: Sizes = 1
    padding: Sides = 0
    kernel_dilation: Sizes = 1
    input_dilation: Sizes = 1
    groups: int = 1
    flip: bool = False
    _: KW_ONLY
    stream: Source | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        spaced = self.input_dilation if isinstance(self.input_dilation, tuple) else (self.input_dilation,)
        object.__setattr__(self, "transposed", any(stride != 1 for stride in spaced))

    def data_layout(self, dimensions: int) -> DataLayout:
        if dimensions not in (3, 4, 5):
            rule = f"{self.call} takes a batch, 1 to 3 spatial axes, and channels last"
            raise UnstrideError(Reason.RANK, rule, argument="input dimensions", value=dimensions)
        return DataLayout.last(dimensions - 2)

    def weight_layout(self, rank: int) -> WeightLayout:
        # a spaced input under an unflipped kernel: the first tap meets the element that its stamp ends on
        return WeightLayout(super().weight_layout(rank).order, flipped=self.flip != self.transposed)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        rank = len(kernel)
        spacing = self._sizes("input_dilation", rank, Reason.STRIDE)
        strides = self._sizes("stride", rank, Reason.STRIDE)
        dilations = self._sizes("kernel_dilation", rank, Reason.DILATION)
        lows, highs = self._sides(rank)
        if strides_apart(spacing, strides, "input_dilation", "stride"):
            return tuple(map(_space, map(Taps, kernel, spacing, dilations), size, lows, highs))
        return tuple(map(_slide, map(Taps, kernel, strides, dilations), size, lows, highs))

    def _sizes(self, name: str, rank: int, reason: Reason) -> tuple[int, ...]:
        return per_axis(getattr(self, name), rank, name, reason, broadcast_single=True)

    def _sides(self, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The padding before and after each axis."""
        given = self.padding
        both = given if isinstance(given, tuple) and any(isinstance(side, tuple) for side in given) else (given, given)
        if len(both) != 2:
            rule = "must be one integer, one per axis, or a pair of sequences: all low sides, all high sides"
            raise UnstrideError(Reason.PADDING, rule, argument="padding", value=given)
        low, high = (per_axis(s, rank, "padding", Reason.PADDING, least=None, broadcast_single=True) for s in both)
        return low, high


def _slide(taps: Taps, large: int, low: int, high: int) -> Window:
    """The input padded by ``low`` and ``high``, the kernel slid over it."""
    _check_drops(large, low, high)
    return pad(taps, large, low, high).because(f"padding={low} before and {high} after")


def _space(taps: Taps, small: int, low: int, high: int) -> Window:
    """The input spaced by the stride, padded by ``low`` and ``high``, the reversed kernel slid over it."""
    if taps.stride > 1 and min(low, high) < 0:
        first, last = max(-low, 0), max(-high, 0)
        _complain((low, high), f"padding=([{max(low, 0)}], [{max(high, 0)}])", first, last)
    _check_drops(small, low, high)
    edge = taps.span - 1
    return crop(taps, small, edge - low, edge - high).because(
        f"padding=({low}, {high}) pads the spaced input: before = span − 1 − low = {edge - low}, "
        f"after = span − 1 − high = {edge - high}"
    )


def _complain(padding: object, instead: str, first: int, last: int) -> None:
    raise UnstrideError(
        Reason.UNSUPPORTED,
        "MLX computes something else here: it drops elements of the input before it spaces them by the stride",
        argument="padding",
        value=padding,
        hint=f"use {instead}, then drop {first} elements at the start and {last} at the end of this axis",
    )


def _check_drops(size: int, low: int, high: int) -> None:
    if max(-low, 0) + max(-high, 0) > size:
        rule = f"MLX computes something else here: it drops more elements than the {size} there are"
        hint = "use less negative padding"
        raise UnstrideError(Reason.UNSUPPORTED, rule, argument="padding", value=(low, high), hint=hint)


Conv1d, Conv2d = ranked(_GroupedConv, "mlx.nn.Conv{}d")[:2]
Conv3d = ranked(_Conv, "mlx.nn.Conv{}d")[2]
ConvTranspose1d, ConvTranspose2d, ConvTranspose3d = ranked(_ConvTranspose, "mlx.nn.ConvTranspose{}d")
conv1d, conv2d, conv3d = ranked(_FunctionalConv, "mlx.core.conv{}d")
conv_transpose1d, conv_transpose2d, conv_transpose3d = ranked(_FunctionalConvTranspose, "mlx.core.conv_transpose{}d")

_LAYERS = (Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)
_FUNCTIONS = (conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d)
FORMS: tuple[type[Spec], ...] = (*_LAYERS, *_FUNCTIONS, conv_general)


LIMIT = "padding crops as much after as before, and output_padding only gives back at the end"


def propose(layer: Layer, batch: int = 1) -> Iterator[Callable[[], Spec]]:
    """The layer, the function, then ``conv_general`` with its own padding for each side."""
    del batch
    if layer.rank > 3:
        return
    stride = compact(layer.stride)
    padding = compact(layer.before)
    dilation = compact(layer.dilation)
    words: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    if layer.transposed:
        words["output_padding"] = compact(tuple(axis.before - axis.after for axis in layer.axes))
    index = layer.rank + (2 if layer.transposed else -1)
    first: Callable[..., Spec] = partial(_LAYERS[index], layer.in_channels, layer.out_channels, compact(layer.kernel))
    groups: dict[str, Any] = {} if layer.groups == 1 else {"groups": layer.groups}
    if not groups or index < 2:  # the other layers have no such argument
        yield partial(first, bias=layer.bias, **words, **groups)
    yield partial(_FUNCTIONS[index], Source("x"), Source("weight"), **words, **groups)
    general = {"kernel_dilation": dilation, "input_dilation" if layer.transposed else "stride": stride, **groups}
    for sides in _sides_of(layer):
        for flip in (layer.transposed, not layer.transposed):
            yield partial(conv_general, Source("x"), Source("weight"), padding=sides, flip=flip, **general)


def _sides_of(layer: Layer) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The padding before and after each axis that gives the layer's windows."""
    if layer.transposed:
        lows = tuple(axis.span - 1 - axis.before for axis in layer.axes)
        yield lows, tuple(axis.span - 1 - axis.after for axis in layer.axes)
        return
    lows = layer.before
    yield lows, layer.after
    # what is never read need not be dropped: as many sizes as the stride give the same number of steps
    yield lows, tuple(max(axis.after, min(0, axis.after + axis.stride - 1)) for axis in layer.axes)


def write(layer: Layer, batch: int = 1) -> Spec | Refusal:
    """The layer in MLX's words, or why not and what equals it."""
    return settle(layer, "mlx", propose, batch, limit=LIMIT)
