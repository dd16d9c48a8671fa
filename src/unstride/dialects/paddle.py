"""PaddlePaddle: ``paddle.nn`` layers and ``paddle.nn.functional``, forward and transposed, 1-D to 3-D.

Data is channels first unless ``data_format`` says otherwise, always with a batch axis; weights are
``(small, large / groups, *taps)`` for both directions, whatever the data format. ``padding`` crops a transposed
convolution's output; the word SAME measures its padding on the *input* both ways, and sets the dilation to 1.

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
from .arguments import Pads, Pairs, Sizes, check_channels, check_divides, compact, integer, one_of, per_axis
from .refusal import Refusal, settle
from .spec import Filters, Function, Source, Spec, ranked
from .windows import Taps, Window, crop, missing, pad_same, pad_truncated

_FORMATS = {1: ("NCL", "NLC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}
_MODES = ("zeros", "reflect", "replicate", "circular")
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
        one_of(self._letters(), _FORMATS[self.rank], "data_format", Reason.DATA_FORMAT)
        if isinstance(self.padding, str):
            one_of(self.padding.upper(), ("SAME", "VALID"), "padding", Reason.PADDING)
        self._margins()

    def _letters(self) -> str:
        return self.data_format or _FORMATS[self.rank][0]

    def _same(self) -> bool:
        return isinstance(self.padding, str) and self.padding.upper() == "SAME"

    def _margins(self) -> Pairs:
        """(before, after) per axis: one integer, one or two per axis, or pairs for all axes of the data."""
        given, rank = self.padding, self.rank
        if isinstance(given, str):
            given = 0
        if isinstance(given, tuple) and len(given) == rank + 2 and isinstance(given[0], tuple):
            given = self._spatial(given)
        if isinstance(given, tuple) and len(given) == 2 * rank:
            flat = per_axis(given, 2 * rank, "padding", Reason.PADDING, least=0)
            return tuple(zip(flat[::2], flat[1::2], strict=True))
        if isinstance(given, tuple) and len(given) != rank:
            rule = f"must be one integer, {rank}, {2 * rank} (before and after each axis), or {rank + 2} pairs"
            raise UnstrideError(Reason.PADDING, rule, argument="padding", value=self.padding)
        return tuple((margin, margin) for margin in per_axis(given, rank, "padding", Reason.PADDING, least=0))

    def _spatial(self, pairs: tuple[object, ...]) -> tuple[int, ...]:
        """The spatial pairs of a list with one for every axis of the data, one after the other."""
        last = self._letters().endswith("C")
        outer, inner = ((pairs[0], pairs[-1]), pairs[1:-1]) if last else (pairs[:2], pairs[2:])
        if set(outer) != {(0, 0)} or any(not isinstance(pair, tuple) for pair in inner):
            rule = f"must be pairs ordered {self._letters()}, with (0, 0) for N and C"
            raise UnstrideError(Reason.PADDING, rule, argument="padding", value=self.padding)
        return tuple(side for pair in inner if isinstance(pair, tuple) for side in pair)

    def _taps(self, kernel: tuple[int, ...]) -> tuple[Taps, ...]:
        strides = per_axis(self.stride, self.rank, "stride", Reason.STRIDE)
        dilations = per_axis(self.dilation, self.rank, "dilation", Reason.DILATION)
        return tuple(map(Taps, kernel, strides, (1,) * self.rank if self._same() else dilations))

    def data_layout(self, dimensions: int) -> DataLayout:
        return self.exact_layout(DataLayout.named(self._letters()), dimensions)

    def weight_layout(self, rank: int) -> WeightLayout:
        return canonical(rank)

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        if 0 in DataLayout.named(self._letters()).split(shape)[2] and 0 not in input_shape and self._ends_on_empty():
            rule = "PaddlePaddle fails, or ends the process, on an empty output with this padding and data format"
            raise UnstrideError(Reason.SIZE, rule, argument="output_shape", value=shape)

    def _ends_on_empty(self) -> bool:
        """Channels last divide by the empty size; the 2-D kernel for stride and padding 1 reads past the end."""
        if self._letters().endswith("C"):
            return True
        ones = all(taps.stride == taps.dilation == 1 for taps in self._taps((1,) * self.rank))
        return not self.transposed and self.rank == 2 and ones and set(self._margins()) == {(1, 1)}


class _Forward(_Paddle):
    """The rule of ``conv``: pad by numbers, or to ⌈large / stride⌉."""

    transposed = False

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        taps = self._taps(kernel)
        if self._same():
            return tuple(pad_same(each, large).because(_RESET) for each, large in zip(taps, size, strict=True))
        return tuple(
            pad_truncated(each, large, *sides).because(
                f"padding={self.padding!r} pads {sides[0]} before, {sides[1]} after"
            )
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
            rule, value = "output_padding and output_size exclude each other", self.output_padding
            raise UnstrideError(Reason.OUTPUT_PADDING, rule, argument="output_padding", value=value)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        taps = self._taps(kernel)
        margins = tuple(map(_margins_of_same, taps, size)) if self._same() else self._margins()
        if self.output_size is None:
            extras = self._output_paddings()
        else:
            wanted = per_axis(self.output_size, self.rank, "output_size", Reason.OUTPUT_SHAPE, least=None)
            found = zip(taps, size, wanted, margins, strict=True)
            extras = tuple(missing(*axis, self.padding) for axis in found)
        return tuple(map(self._window, taps, size, margins, extras))

    def _output_paddings(self) -> tuple[int, ...]:
        return per_axis(self.output_padding, self.rank, "output_padding", Reason.OUTPUT_PADDING, least=0)

    def _window(self, taps: Taps, small: int, margins: tuple[int, int], extra: int) -> Window:
        if extra >= taps.stride:
            rule = f"must be smaller than the stride {taps.stride} (the kernel fails even where dilation is larger)"
            hint = "choose a smaller one, or zero-pad the input by one element and crop the output"
            raise UnstrideError(Reason.OUTPUT_PADDING, rule, argument="output_padding", value=extra, hint=hint)
        before, after = margins
        steps = [f"padding={self.padding!r} crops {before} before and {after} after"]
        if self._same():
            needed = f"max((⌈{small} / {taps.stride}⌉ − 1)·{taps.stride} + {taps.kernel} − {small}, 0)"
            steps = [_RESET, f"SAME is measured on the input: crop {needed} = {before + after} in all", *steps]
        if extra:
            steps.append(f"{extra} is given back at the end: after = {after} − {extra} = {after - extra}")
        return crop(taps, small, before, after, extra).because(*steps)


def _margins_of_same(taps: Taps, small: int) -> tuple[int, int]:
    """SAME's crop: the padding that a forward convolution would need for an input of ``small`` elements."""
    total = max((-(-small // taps.stride) - 1) * taps.stride + taps.kernel - small, 0)
    return total // 2, total - total // 2


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
            floored = self.transposed and name == "out_channels" and not self.bias_present
            if not floored:
                check_divides(self.groups, channels, name)

    @property
    def bias_present(self) -> bool:
        return self.bias_attr is not False

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        del rank, kernel_shape
        check_channels(channels, self.in_channels, "in_channels", f"where {self._letters()} has them")
        made = self.out_channels - self.out_channels % self.groups  # a transposed layer without bias rounds down
        kernel = per_axis(self.kernel_size, self.rank, "kernel_size", Reason.KERNEL)
        return self.layer_filters(kernel, channels, made, self.groups)


class _Function(Function, _Paddle):
    """A function of ``paddle.nn.functional``."""


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
        if one_of(self.padding_mode, _MODES, "padding_mode", Reason.PADDING) != "zeros":
            rule, mode = "only zero padding belongs to the layer itself", self.padding_mode
            hint = f"pad the input with paddle.nn.functional.pad(mode={mode!r}), then use padding=0"
            raise UnstrideError(Reason.UNSUPPORTED, rule, argument="padding_mode", value=mode, hint=hint)

    @property
    def bias_present(self) -> bool:
        return self.bias is not False and self.bias_attr is not False


@dataclass(frozen=True)
class _ConvTranspose(_Transposed, _Layer):
    in_channels: int
    out_channels: int
    kernel_size: Sizes
    stride: Sizes = 1
    padding: Pads = 0
    output_padding: Sizes = 0
    _: KW_ONLY
    output_size: Sizes | None = None
    """the argument of the call ``layer(x, output_size=...)``"""

    def _check_exclusive(self) -> None:
        if self.rank == 1:  # the other layers drop their output_padding
            super()._check_exclusive()

    def code(self) -> str:
        if self.output_size is None:
            return super().code()
        return f"{replace(self, output_size=None).code()}(x, output_size={self.output_size!r})"


@dataclass(frozen=True)
class _LayerDilationFirst(_ConvTranspose):
    dilation: Sizes = 1
    groups: int = 1
    weight_attr: Source | str | bool | None = None
    bias_attr: Source | str | bool | None = None
    data_format: str | None = None


@dataclass(frozen=True)
class _LayerGroupsFirst(_ConvTranspose):
    groups: int = 1
    dilation: Sizes = 1
    weight_attr: Source | str | bool | None = None
    bias_attr: Source | str | bool | None = None
    data_format: str | None = None


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
class _FunctionalConvTranspose(_Transposed, _Function):
    x: Source
    weight: Source
    bias: Source | None = None
    stride: Sizes = 1
    padding: Pads = 0
    output_padding: Sizes = 0


@dataclass(frozen=True)
class _FunctionGroupsFirst(_FunctionalConvTranspose):
    groups: int = 1
    dilation: Sizes = 1
    output_size: Sizes | None = None
    data_format: str | None = None
    name: Source | str | None = None


@dataclass(frozen=True)
class _FunctionDilationFirst(_FunctionalConvTranspose):
    dilation: Sizes = 1
    groups: int = 1
    output_size: Sizes | None = None
    data_format: str | None = None
    name: Source | str | None = None


Conv1D, Conv2D, Conv3D = ranked(_Conv, "paddle.nn.Conv{}D")
Conv1DTranspose = ranked(_LayerGroupsFirst, "paddle.nn.Conv{}DTranspose")[0]
Conv2DTranspose, Conv3DTranspose = ranked(_LayerDilationFirst, "paddle.nn.Conv{}DTranspose")[1:]
conv1d, conv2d, conv3d = ranked(_FunctionalConv, "paddle.nn.functional.conv{}d")
conv1d_transpose, _unused, conv3d_transpose = ranked(_FunctionGroupsFirst, "paddle.nn.functional.conv{}d_transpose")
conv2d_transpose = ranked(_FunctionDilationFirst, "paddle.nn.functional.conv{}d_transpose")[1]

_LAYERS = (Conv1D, Conv2D, Conv3D, Conv1DTranspose, Conv2DTranspose, Conv3DTranspose)
_FUNCTIONS = (conv1d, conv2d, conv3d, conv1d_transpose, conv2d_transpose, conv3d_transpose)
FORMS: tuple[type[Spec], ...] = _LAYERS + _FUNCTIONS


def propose(layer: Layer, batch: int = 1) -> Iterator[Callable[[], Spec]]:
    """The layer, then the function: with a word, with equal margins, with one margin per side."""
    del batch
    if layer.rank > 3:
        return
    index = layer.rank + (2 if layer.transposed else -1)
    named, function = _LAYERS[index], _FUNCTIONS[index]
    shared: dict[str, Any] = {
        "stride": compact(layer.stride),
        "dilation": compact(layer.dilation),
        "groups": layer.groups,
    }
    bias_attr, bias = (None, Source("bias")) if layer.bias else (False, None)
    first = partial(named, layer.in_channels, layer.out_channels, compact(layer.kernel), bias_attr=bias_attr)
    second = partial(function, Source("x"), Source("weight"), bias)
    yield from (partial(make, **shared | padding) for make in (first, second) for padding in _paddings(layer))


def _paddings(layer: Layer) -> Iterator[dict[str, Any]]:
    """Ways to say the margins, and what is given back at the end, in words and in numbers."""
    befores = layer.before
    sides = tuple(side for axis in layer.axes for side in (axis.before, max(axis.after, 0)))
    yield {"padding": "same"}
    if not layer.transposed:
        yield {"padding": compact(befores)}
        yield {"padding": sides}
        return
    size = compact(layer.output_size)
    yield {"padding": "same", "output_size": size}
    yield {"padding": compact(befores), "output_padding": compact(tuple(a.before - a.after for a in layer.axes))}
    yield {"padding": sides, "output_padding": compact(tuple(max(-axis.after, 0) for axis in layer.axes))}
    yield {"padding": compact(befores), "output_size": size}
    yield {"padding": sides, "output_size": size}


def write(layer: Layer, batch: int = 1) -> Spec | Refusal:
    """The layer in PaddlePaddle's words, or why not and what equals it."""
    return settle(layer, "paddle", propose, batch)
