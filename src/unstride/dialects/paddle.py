"""PaddlePaddle: ``paddle.nn`` layers and ``paddle.nn.functional``, forward and transposed, 1-D to 3-D.

Data is channels first unless ``data_format`` says otherwise, always with a batch axis; weights are
``(small, large / groups, *taps)`` for both directions, whatever the data format. ``padding`` crops a transposed
convolution's output; the word SAME measures its padding on the *input*, in both directions, and sets the dilation
to 1.

Source: paddle/nn/layer/conv.py, paddle/nn/functional/conv.py, paddle/phi/infermeta/binary.cc,
paddle/phi/kernels/cpu/conv_util.h (PaddlePaddle 3.3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from typing import Any, ClassVar

from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer, WeightLayout, canonical
from .arguments import Pads, Sizes, compact, integer, one_of, per_axis
from .refusal import Refusal, settle
from .spec import Filters, Source, Spec, ranked
from .windows import Taps, Window, crop, pad, pad_same, signed, spelled

_FORMATS = {1: ("NCL", "NLC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}
_RESET = "padding='SAME' sets the dilation to 1"


class _Paddle(Spec):
    """What all PaddlePaddle convolutions share."""

    dialect = "paddle"
    rank: ClassVar[int]
    stride: Sizes
    padding: Pads
    dilation: Sizes
    groups: int
    data_format: str | None
    """None: channels first"""

    def check(self) -> None:
        per_axis(self.stride, self.rank, "stride", Reason.STRIDE)
        per_axis(self.dilation, self.rank, "dilation", Reason.DILATION)
        integer(self.groups, "groups", Reason.GROUPS, least=1)
        if self.data_format is not None:
            one_of(self.data_format, _FORMATS[self.rank], "data_format", Reason.DATA_FORMAT)
        if isinstance(self.padding, str):
            one_of(self.padding.upper(), ("SAME", "VALID"), "padding", Reason.PADDING)
        else:
            self._margins()

    def _letters(self) -> str:
        return self.data_format or _FORMATS[self.rank][0]

    def _word(self) -> str | None:
        return self.padding.upper() if isinstance(self.padding, str) else None

    def _margins(self) -> tuple[tuple[int, int], ...]:
        """(before, after) per axis: one integer, one or two per axis, or pairs for all axes of the data."""
        given, rank = self.padding, self.rank
        if self._word() == "VALID":
            given = 0
        if isinstance(given, tuple) and len(given) == rank + 2 and isinstance(given[0], tuple):
            given = self._spatial(given)
        if isinstance(given, tuple) and len(given) == 2 * rank:
            flat = per_axis(given, 2 * rank, "padding", Reason.PADDING, least=0)
            return tuple(zip(flat[::2], flat[1::2], strict=True))
        if isinstance(given, tuple) and len(given) != rank:
            rule = (
                f"must be one integer, {rank} (one per axis), {2 * rank} (before and after each axis), "
                f"or {rank + 2} pairs with zeros for batch and channels"
            )
            raise UnstrideError(Reason.PADDING, rule, argument="padding", value=self.padding)
        return tuple((margin, margin) for margin in per_axis(given, rank, "padding", Reason.PADDING, least=0))

    def _spatial(self, pairs: tuple[object, ...]) -> tuple[int, ...]:
        """The spatial pairs of a list with one for every axis of the data, one after the other."""
        last = self._letters().endswith("C")
        outer, inner = ((pairs[0], pairs[-1]), pairs[1:-1]) if last else (pairs[:2], pairs[2:])
        if any(pair != (0, 0) for pair in outer) or any(not isinstance(pair, tuple) for pair in inner):
            rule = f"must be (before, after) pairs ordered {self._letters()}, with (0, 0) for N and C"
            raise UnstrideError(Reason.PADDING, rule, argument="padding", value=self.padding)
        return tuple(side for pair in inner if isinstance(pair, tuple) for side in pair)

    def _taps(self, kernel: tuple[int, ...]) -> tuple[Taps, ...]:
        strides = per_axis(self.stride, self.rank, "stride", Reason.STRIDE)
        dilations = per_axis(self.dilation, self.rank, "dilation", Reason.DILATION)
        if self._word() == "SAME":
            dilations = (1,) * self.rank
        return tuple(map(Taps, kernel, strides, dilations))

    def data_layout(self, dimensions: int) -> DataLayout:
        layout = DataLayout.named(self._letters())
        if dimensions != self.rank + 2:
            rule = f"{self.call} takes {self.rank + 2} dimensions ({layout.name})"
            raise UnstrideError(Reason.RANK, rule, argument="input dimensions", value=dimensions)
        return layout

    def weight_layout(self, rank: int) -> WeightLayout:
        return canonical(rank)

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        if self._letters().endswith("C") and 0 in shape[1:-1] and 0 not in input_shape:
            rule = f"data_format={self._letters()!r} needs at least one output element on every spatial axis"
            raise UnstrideError(Reason.SIZE, rule, argument="output_shape", value=shape)


class _Forward(_Paddle):
    """The rule of ``conv``: pad by numbers, or to ⌈large / stride⌉."""

    transposed = False

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        taps = self._taps(kernel)
        if self._word() == "SAME":
            return tuple(pad_same(each, large).because(_RESET) for each, large in zip(taps, size, strict=True))
        return tuple(
            _pad(each, large, *sides).because(f"padding={self.padding!r} pads {sides[0]} before, {sides[1]} after")
            for each, large, sides in zip(taps, size, self._margins(), strict=True)
        )


class _Transposed(_Paddle):
    """The rule of ``conv_transpose``: crop, then give back ``output_padding`` or reach ``output_size``."""

    transposed = True
    output_padding: Sizes
    output_size: Sizes | None

    def check(self) -> None:
        super().check()
        if self.output_size is not None:
            per_axis(self.output_size, self.rank, "output_size", Reason.OUTPUT_SHAPE, least=None)
            self._check_exclusive()
        else:
            self._output_paddings()

    def _check_exclusive(self) -> None:
        if self.output_padding != 0:
            rule = "output_padding and output_size exclude each other"
            hint = "leave output_padding out"
            raise UnstrideError(
                Reason.OUTPUT_PADDING, rule, argument="output_padding", value=self.output_padding, hint=hint
            )

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        taps = self._taps(kernel)
        margins = tuple(map(_same, taps, size)) if self._word() == "SAME" else self._margins()
        if self.output_size is None:
            extras = self._output_paddings()
            for each, extra in zip(taps, extras, strict=True):
                _check_extra(each, extra)
        else:
            wanted = per_axis(self.output_size, self.rank, "output_size", Reason.OUTPUT_SHAPE, least=None)
            extras = tuple(map(_missing, wanted, taps, size, margins))
        return tuple(map(self._window, taps, size, margins, extras))

    def _output_paddings(self) -> tuple[int, ...]:
        return per_axis(self.output_padding, self.rank, "output_padding", Reason.OUTPUT_PADDING, least=0)

    def _window(self, taps: Taps, small: int, margins: tuple[int, int], extra: int) -> Window:
        before, after = margins
        steps = [f"padding={self.padding!r} crops {before} before and {after} behind"]
        if self._word() == "SAME":
            needed = f"max((⌈{small} / {taps.stride}⌉ − 1)·{taps.stride} + {taps.kernel} − {small}, 0)"
            steps = [_RESET, f"SAME is measured on the input: crop {needed} = {before + after} in all", *steps]
        if extra:
            steps.append(f"{extra} is given back at the end: after = {after} − {extra} = {after - extra}")
        return crop(taps, small, before, after - extra, padding=before + after).because(*steps)


def _pad(taps: Taps, large: int, before: int, after: int) -> Window:
    """The rule of every framework, but the division rounds towards zero where the kernel does not fit."""
    room = large + before + after - taps.span
    if room >= 0:
        return pad(taps, large, before, after)
    small = 1 - -room // taps.stride
    least = large - (taps.stride - 1 - -room % taps.stride)
    shown = (
        f"small = (large + before + after − span) / stride + 1, rounded towards zero: "
        f"{signed(room)} / {taps.stride} + 1 = {small}"
    )
    sizes = range(least, least + (2 * taps.stride - 1 if small == 1 else taps.stride))
    return Window(taps.axis(small, large, before), (taps.spanned(), shown), sizes)


def _check_extra(taps: Taps, extra: int) -> None:
    if extra >= taps.stride:
        raise UnstrideError(
            Reason.OUTPUT_PADDING,
            f"must be smaller than the stride, which is {taps.stride} (the kernel fails even where dilation is larger)",
            argument="output_padding",
            value=extra,
            hint="choose a smaller one, or zero-pad the input by one element and crop the output",
        )


def _same(taps: Taps, small: int) -> tuple[int, int]:
    """SAME's crop: the padding that a forward convolution would need for an input of ``small`` elements."""
    total = max((-(-small // taps.stride) - 1) * taps.stride + taps.kernel - small, 0)
    return total // 2, total - total // 2


def _missing(large: int, taps: Taps, small: int, margins: tuple[int, int]) -> int:
    """What ``output_size`` adds to the size that the padding gives."""
    least = taps.full(small) - sum(margins)
    legal = range(least, least + taps.stride)
    if small and large not in legal:
        rule = f"input size {small} can only have an output size of {spelled(legal)}"
        hint = "choose one of those, or change stride or padding"
        raise UnstrideError(Reason.OUTPUT_SHAPE, rule, argument="output_size", value=large, hint=hint)
    return large - least


class _Layer(_Paddle):
    """A layer: channels and kernel size are arguments."""

    in_channels: int
    out_channels: int
    kernel_size: Sizes
    weight_attr: Source | str | bool | None
    bias_attr: Source | str | bool | None

    def check(self) -> None:
        super().check()
        per_axis(self.kernel_size, self.rank, "kernel_size", Reason.KERNEL)
        if self.weight_attr is False:
            raise UnstrideError(Reason.ARGUMENT, "must not be False", argument="weight_attr", value=False)
        for name in ("in_channels", "out_channels"):
            channels = integer(getattr(self, name), name, Reason.CHANNELS, least=1)
            if channels % self.groups:
                rule = f"must divide {name}, which is {channels}"
                raise UnstrideError(Reason.GROUPS, rule, argument="groups", value=self.groups)

    @property
    def bias_present(self) -> bool:
        return self.bias_attr is not False

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        del rank, kernel_shape
        if channels != self.in_channels:
            rule = f"the input has {channels} channels"
            hint = f"use in_channels={channels}, or put the channels where data_format={self._letters()!r} has them"
            raise UnstrideError(Reason.CHANNELS, rule, argument="in_channels", value=self.in_channels, hint=hint)
        small, large = (self.in_channels, self.out_channels) if self.transposed else (self.out_channels, channels)
        return Filters(per_axis(self.kernel_size, self.rank, "kernel_size", Reason.KERNEL), small, large, self.groups)


class _Function(_Paddle):
    """A function: the kernel is an array."""

    functional = True
    bias: Source | None

    @property
    def bias_present(self) -> bool:
        return self.bias is not None

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        return self.array_filters(rank, channels, kernel_shape, self.groups)


class _CalledWithSize(_Transposed):
    """A layer that takes ``output_size`` when it is called."""

    def _check_exclusive(self) -> None:
        if self.rank == 1:  # only the 1-D layer hands its output_padding on
            super()._check_exclusive()

    def code(self) -> str:
        if self.output_size is None:
            return super().code()
        made = replace(self, **{"output_size": None})  # by name: this mixin is no dataclass itself
        return f"{made.code()}(x, output_size={self.output_size!r})"


@dataclass(frozen=True)
class _Conv(_Forward, _Layer):
    in_channels: int
    out_channels: int
    kernel_size: Sizes
    stride: Sizes = 1
    padding: Pads = 0
    dilation: Sizes = 1
    groups: int = 1
    _: KW_ONLY
    bias: bool | None = True
    padding_mode: str = "zeros"
    device: Source | str | None = None
    dtype: Source | str | None = None
    weight_attr: Source | str | bool | None = None
    bias_attr: Source | str | bool | None = None
    data_format: str | None = None

    def check(self) -> None:
        super().check()
        modes = ("zeros", "reflect", "replicate", "circular")
        if one_of(self.padding_mode, modes, "padding_mode", Reason.PADDING) != "zeros":
            raise UnstrideError(
                Reason.UNSUPPORTED,
                "only zero padding belongs to the layer itself",
                argument="padding_mode",
                value=self.padding_mode,
                hint=f"pad the input with paddle.nn.functional.pad(mode={self.padding_mode!r}), then use padding=0",
            )

    @property
    def bias_present(self) -> bool:
        return self.bias is not False and self.bias_attr is not False


@dataclass(frozen=True)
class _ConvTranspose1(_CalledWithSize, _Layer):
    in_channels: int
    out_channels: int
    kernel_size: Sizes
    stride: Sizes = 1
    padding: Pads = 0
    output_padding: Sizes = 0
    groups: int = 1
    dilation: Sizes = 1
    weight_attr: Source | str | bool | None = None
    bias_attr: Source | str | bool | None = None
    data_format: str | None = None
    _: KW_ONLY
    output_size: Sizes | None = None
    """the argument of the call ``layer(x, output_size=...)``"""


@dataclass(frozen=True)
class _ConvTranspose(_CalledWithSize, _Layer):
    in_channels: int
    out_channels: int
    kernel_size: Sizes
    stride: Sizes = 1
    padding: Pads = 0
    output_padding: Sizes = 0
    dilation: Sizes = 1
    groups: int = 1
    weight_attr: Source | str | bool | None = None
    bias_attr: Source | str | bool | None = None
    data_format: str | None = None
    _: KW_ONLY
    output_size: Sizes | None = None
    """the argument of the call ``layer(x, output_size=...)``"""


@dataclass(frozen=True)
class _FunctionalConv(_Forward, _Function):
    synonyms: ClassVar[Mapping[str, str]] = {"input": "x"}

    x: Source
    weight: Source
    bias: Source | None = None
    stride: Sizes = 1
    padding: Pads = 0
    dilation: Sizes = 1
    groups: int = 1
    data_format: str | None = None
    name: Source | str | None = None


@dataclass(frozen=True)
class _GroupsFirstTranspose(_Transposed, _Function):
    x: Source
    weight: Source
    bias: Source | None = None
    stride: Sizes = 1
    padding: Pads = 0
    output_padding: Sizes = 0
    groups: int = 1
    dilation: Sizes = 1
    output_size: Sizes | None = None
    data_format: str | None = None
    name: Source | str | None = None


@dataclass(frozen=True)
class _DilationFirstTranspose(_Transposed, _Function):
    x: Source
    weight: Source
    bias: Source | None = None
    stride: Sizes = 1
    padding: Pads = 0
    output_padding: Sizes = 0
    dilation: Sizes = 1
    groups: int = 1
    output_size: Sizes | None = None
    data_format: str | None = None
    name: Source | str | None = None


Conv1D, Conv2D, Conv3D = ranked(_Conv, "paddle.nn.Conv{}D")
Conv1DTranspose = ranked(_ConvTranspose1, "paddle.nn.Conv{}DTranspose")[0]
Conv2DTranspose, Conv3DTranspose = ranked(_ConvTranspose, "paddle.nn.Conv{}DTranspose")[1:]
conv1d, conv2d, conv3d = ranked(_FunctionalConv, "paddle.nn.functional.conv{}d")
# the 2-D function alone takes dilation before groups
conv1d_transpose, _unused, conv3d_transpose = ranked(_GroupsFirstTranspose, "paddle.nn.functional.conv{}d_transpose")
conv2d_transpose = ranked(_DilationFirstTranspose, "paddle.nn.functional.conv{}d_transpose")[1]

FORMS: tuple[type[Spec], ...] = (
    *(Conv1D, Conv2D, Conv3D),
    *(Conv1DTranspose, Conv2DTranspose, Conv3DTranspose),
    *(conv1d, conv2d, conv3d),
    *(conv1d_transpose, conv2d_transpose, conv3d_transpose),
)


def propose(layer: Layer, batch: int = 1) -> Iterator[Callable[[], Spec]]:
    """The layer, then the function: with a word, with equal margins, with one margin per side."""
    del batch
    if layer.rank > 3:
        return
    forward, transposed = FORMS[layer.rank - 1], FORMS[layer.rank + 2]
    module: Callable[..., Spec] = transposed if layer.transposed else forward
    function: Callable[..., Spec] = FORMS[layer.rank + (8 if layer.transposed else 5)]
    shared: dict[str, Any] = {
        "stride": compact(tuple(axis.stride for axis in layer.axes)),
        "dilation": compact(tuple(axis.dilation for axis in layer.axes)),
        "groups": layer.groups,
    }
    bias_attr, bias = None if layer.bias else False, Source("bias") if layer.bias else None
    for padding in _paddings(layer):
        yield partial(
            module,
            layer.in_channels,
            layer.out_channels,
            compact(layer.kernel),
            bias_attr=bias_attr,
            **shared | padding,
        )
    for padding in _paddings(layer):
        yield partial(function, Source("x"), Source("weight"), bias, **shared | padding)


def _paddings(layer: Layer) -> Iterator[dict[str, Any]]:
    """Ways to say the margins, and what is given back at the end, in words and in numbers."""
    befores = tuple(axis.before for axis in layer.axes)
    yield {"padding": "same"}
    if not layer.transposed:
        yield {"padding": compact(befores)}
        yield {"padding": tuple(side for axis in layer.axes for side in (axis.before, axis.after))}
        yield {"padding": tuple(side for axis in layer.axes for side in (axis.before, max(axis.after, 0)))}
        return
    size = compact(layer.output_size)
    yield {"padding": "same", "output_size": size}
    yield {"padding": compact(befores), "output_padding": compact(tuple(a.before - a.after for a in layer.axes))}
    sides = tuple(side for axis in layer.axes for side in (axis.before, max(axis.after, 0)))
    yield {"padding": sides, "output_padding": compact(tuple(max(-axis.after, 0) for axis in layer.axes))}
    yield {"padding": compact(befores), "output_size": size}
    yield {"padding": sides, "output_size": size}


def write(layer: Layer, batch: int = 1) -> Spec | Refusal:
    """The layer in PaddlePaddle's words, or why not and what equals it."""
    return settle(layer, "paddle", propose, batch)
