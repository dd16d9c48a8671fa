"""PyTorch: ``torch.nn`` modules and ``torch.nn.functional``, forward and transposed, 1-D to 3-D.

Data is channels first, with or without a batch axis; weights are ``(small, large / groups, *taps)`` for both
directions; ``padding`` crops a transposed convolution's output on both sides and ``output_padding`` gives some
of it back at the end.

Source: torch/nn/modules/conv.py, torch/nn/functional.py, aten/src/ATen/native/Convolution.cpp (torch 2.13).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from typing import Any, ClassVar

from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer, WeightLayout, canonical
from .arguments import Sizes, check_channels, check_divides, compact, integer, one_of, per_axis
from .refusal import Refusal, settle
from .spec import Filters, Function, Source, Spec, ranked
from .windows import Taps, Window, crop, missing, pad


class _Torch(Spec):
    """What all PyTorch convolutions share."""

    dialect = "torch"
    rank: ClassVar[int]
    stride: Sizes
    padding: Sizes | str
    groups: int
    dilation: Sizes

    def check(self) -> None:
        self._per_axis("stride", Reason.STRIDE)
        self._per_axis("dilation", Reason.DILATION)
        integer(self.groups, "groups", Reason.GROUPS, least=1)
        if not isinstance(self.padding, str):
            self._per_axis("padding", Reason.PADDING, least=0)

    def _per_axis(self, name: str, reason: Reason, least: int = 1) -> tuple[int, ...]:
        return per_axis(getattr(self, name), self.rank, name, reason, least=least, broadcast_single=True)

    def _taps(self, kernel: tuple[int, ...]) -> tuple[Taps, ...]:
        strides, dilations = self._per_axis("stride", Reason.STRIDE), self._per_axis("dilation", Reason.DILATION)
        return tuple(map(Taps, kernel, strides, dilations))

    def data_layout(self, dimensions: int) -> DataLayout:
        if dimensions not in (self.rank + 1, self.rank + 2):
            letters = DataLayout.first(self.rank).name
            rule = f"{self.call} takes {self.rank + 2} dimensions ({letters}), or {self.rank + 1} without the batch"
            raise UnstrideError(Reason.RANK, rule, argument="input dimensions", value=dimensions)
        return DataLayout.first(self.rank, batched=dimensions == self.rank + 2)

    def weight_layout(self, rank: int) -> WeightLayout:
        return canonical(rank)

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        for name, sizes in (("input_shape", input_shape), ("output_shape", shape)):
            if 0 in sizes[-self.rank :]:
                rule = "PyTorch needs at least one element on every spatial axis"
                raise UnstrideError(Reason.SIZE, rule, argument=name, value=sizes)
            if sizes[-self.rank - 1] == 0:
                # its kernels fail without output channels, and lose them without input channels
                rule = "needs at least one channel on both sides"
                raise UnstrideError(Reason.CHANNELS, rule, argument=name, value=sizes)


class _Forward(_Torch):
    """The rule of ``conv``: pad, or pad to the same size at stride 1."""

    transposed = False

    def check(self) -> None:
        super().check()
        if isinstance(self.padding, str):
            one_of(self.padding, ("valid", "same"), "padding", Reason.PADDING)
            strides = self._per_axis("stride", Reason.STRIDE)
            if self.padding == "same" and max(strides) > 1:
                raise UnstrideError(
                    Reason.STRIDE,
                    "padding='same' is not supported for strided convolutions",
                    argument="stride",
                    value=self.stride,
                    hint="give the padding as numbers, or pad the input first",
                )

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        taps = self._taps(kernel)
        if self.padding == "same":
            return tuple(self._same(each, large) for each, large in zip(taps, size, strict=True))
        pads = (0,) * self.rank if self.padding == "valid" else self._per_axis("padding", Reason.PADDING, least=0)
        return tuple(
            pad(each, large, margin, margin).because(f"padding={margin} pads {margin} on both sides")
            for each, large, margin in zip(taps, size, pads, strict=True)
        )

    def _same(self, taps: Taps, large: int) -> Window:
        total = taps.span - 1
        shown = f"padding='same' pads span − 1 = {total} in all, {total // 2} before and {total - total // 2} after"
        return pad(taps, large, total // 2, total - total // 2).because(shown)


class _Transposed(_Torch):
    """The rule of ``conv_transpose``: crop by ``padding``, give back ``output_padding`` at the end."""

    transposed = True
    output_padding: Sizes

    def check(self) -> None:
        super().check()
        if isinstance(self.padding, str):
            raise UnstrideError(
                Reason.PADDING,
                "a transposed convolution takes integers only (the constructor accepts the word, the call fails)",
                argument="padding",
                value=self.padding,
                hint="give the padding as numbers",
            )
        self._per_axis("output_padding", Reason.OUTPUT_PADDING, least=0)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        taps = self._taps(kernel)
        pads = self._per_axis("padding", Reason.PADDING, least=0)
        extras = self._output_paddings(size, taps, pads)
        return tuple(map(self._window, taps, size, pads, extras))

    def _output_paddings(self, size: tuple[int, ...], taps: tuple[Taps, ...], pads: tuple[int, ...]) -> tuple[int, ...]:
        del size, taps, pads
        return self._per_axis("output_padding", Reason.OUTPUT_PADDING, least=0)

    def _window(self, taps: Taps, small: int, margin: int, extra: int) -> Window:
        limit = max(taps.stride, taps.dilation)
        if extra >= limit:
            raise UnstrideError(
                Reason.OUTPUT_PADDING,
                f"must be smaller than either stride or dilation, here below {limit}",
                argument="output_padding",
                value=extra,
                hint="choose a smaller one, or zero-pad the input by one element and crop the output",
            )
        return crop(taps, small, margin, margin, extra).because(
            f"padding={margin} crops {margin} on both sides; output_padding={extra} gives {extra} back at the end: "
            f"before = {margin}, after = {margin} − {extra} = {margin - extra}"
        )


class _Module(_Torch):
    """A module: channels and kernel size are arguments."""

    in_channels: int
    out_channels: int
    kernel_size: Sizes
    bias: bool
    padding_mode: str

    def check(self) -> None:
        super().check()
        self._per_axis("kernel_size", Reason.KERNEL)
        for name in ("in_channels", "out_channels"):
            channels = integer(getattr(self, name), name, Reason.CHANNELS, least=0)
            check_divides(self.groups, channels, name)
        self._check_padding_mode()

    def _check_padding_mode(self) -> None:
        modes = ("zeros",) if self.transposed else ("zeros", "reflect", "replicate", "circular")
        if one_of(self.padding_mode, modes, "padding_mode", Reason.PADDING) != "zeros":
            raise UnstrideError(
                Reason.UNSUPPORTED,
                "only zero padding belongs to the layer itself",
                argument="padding_mode",
                value=self.padding_mode,
                hint=f"pad the input with torch.nn.functional.pad(mode={self.padding_mode!r}), then use padding=0",
            )

    @property
    def bias_present(self) -> bool:
        return bool(self.bias)

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        del rank, kernel_shape
        check_channels(channels, self.in_channels, "in_channels", "first (N, C, ...)")
        return self.layer_filters(
            self._per_axis("kernel_size", Reason.KERNEL), channels, self.out_channels, self.groups
        )


class _Function(Function, _Torch):
    """A function of ``torch.nn.functional``."""

    input: Source
    weight: Source


@dataclass(frozen=True)
class _Conv(_Forward, _Module):
    in_channels: int
    out_channels: int
    kernel_size: Sizes
    stride: Sizes = 1
    padding: Sizes | str = 0
    dilation: Sizes = 1
    groups: int = 1
    bias: bool = True
    padding_mode: str = "zeros"
    device: Source | str | None = None
    dtype: Source | None = None


@dataclass(frozen=True)
class _ConvTranspose(_Transposed, _Module):
    in_channels: int
    out_channels: int
    kernel_size: Sizes
    stride: Sizes = 1
    padding: Sizes = 0
    output_padding: Sizes = 0
    groups: int = 1
    bias: bool = True
    dilation: Sizes = 1
    padding_mode: str = "zeros"
    device: Source | str | None = None
    dtype: Source | None = None
    _: KW_ONLY
    output_size: Sizes | None = None
    """the argument of the call ``layer(x, output_size=...)``; spatial, or the whole shape"""

    def _output_paddings(self, size: tuple[int, ...], taps: tuple[Taps, ...], pads: tuple[int, ...]) -> tuple[int, ...]:
        if self.output_size is None:
            return super()._output_paddings(size, taps, pads)
        wanted = self.output_size if isinstance(self.output_size, tuple) else (self.output_size,)
        spatial = per_axis(wanted[-self.rank :], self.rank, "output_size", Reason.OUTPUT_SHAPE, least=1)
        found = zip(taps, size, spatial, pads, strict=True)
        return tuple(missing(each, small, large, (margin, margin), margin) for each, small, large, margin in found)

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        super().check_output(shape, input_shape)
        if isinstance(self.output_size, tuple) and len(self.output_size) not in (self.rank, len(input_shape)):
            rule = f"must have {self.rank} or {len(input_shape)} elements for an input of {len(input_shape)} dimensions"
            raise UnstrideError(Reason.OUTPUT_SHAPE, rule, argument="output_size", value=self.output_size)

    def code(self) -> str:
        if self.output_size is None:
            return super().code()
        return f"{replace(self, output_size=None).code()}(x, output_size={self.output_size!r})"


@dataclass(frozen=True)
class _FunctionalConv(_Forward, _Function):
    input: Source
    weight: Source
    bias: Source | None = None
    stride: Sizes = 1
    padding: Sizes | str = 0
    dilation: Sizes = 1
    groups: int = 1


@dataclass(frozen=True)
class _FunctionalConvTranspose(_Transposed, _Function):
    input: Source
    weight: Source
    bias: Source | None = None
    stride: Sizes = 1
    padding: Sizes = 0
    output_padding: Sizes = 0
    groups: int = 1
    dilation: Sizes = 1


Conv1d, Conv2d, Conv3d = ranked(_Conv, "torch.nn.Conv{}d")
ConvTranspose1d, ConvTranspose2d, ConvTranspose3d = ranked(_ConvTranspose, "torch.nn.ConvTranspose{}d")
conv1d, conv2d, conv3d = ranked(_FunctionalConv, "torch.nn.functional.conv{}d")
conv_transpose1d, conv_transpose2d, conv_transpose3d = ranked(
    _FunctionalConvTranspose, "torch.nn.functional.conv_transpose{}d"
)

_MODULES = (Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)
_FUNCTIONS = (conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d)
FORMS: tuple[type[Spec], ...] = (*_MODULES, *_FUNCTIONS)


LIMIT = "padding crops as much after as before, and output_padding only gives back at the end"


def propose(layer: Layer, batch: int = 1) -> Iterator[Callable[[], Spec]]:
    """The module, then the function, with the one padding that can give the window, or comes nearest."""
    del batch
    if layer.rank > 3:
        return
    shared: dict[str, Any] = {
        "stride": compact(layer.stride),
        "padding": compact(tuple(max(margin, 0) for margin in layer.before)),
        "dilation": compact(layer.dilation),
        "groups": layer.groups,
    }
    if layer.transposed:
        shared["output_padding"] = compact(tuple(max(axis.before - axis.after, 0) for axis in layer.axes))
    index = layer.rank + (2 if layer.transposed else -1)
    module: Callable[..., Spec] = _MODULES[index]
    function: Callable[..., Spec] = _FUNCTIONS[index]
    kernel, bias = compact(layer.kernel), Source("bias") if layer.bias else None
    yield partial(module, layer.in_channels, layer.out_channels, kernel, bias=layer.bias, **shared)
    yield partial(function, Source("x"), Source("weight"), bias, **shared)


def write(layer: Layer, batch: int = 1) -> Spec | Refusal:
    """The layer in PyTorch's words, or why not and what equals it."""
    return settle(layer, "torch", propose, batch, limit=LIMIT)
