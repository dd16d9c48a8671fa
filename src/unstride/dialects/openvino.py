"""OpenVINO: ``convolution`` and ``convolution_backprop_data`` of ``openvino.opset13``, and their grouped forms.

Data is channels first with a batch axis, 1-D to 3-D. Filters are ``(small, large, *taps)``, grouped ones
``(groups, small / groups, large / groups, *taps)``, for both directions; there is no bias. A convolution's
``auto_pad`` follows ONNX. A transposed convolution's does not: without ``output_shape``, SAME crops nothing and adds
no padding, and with it ``same_upper`` crops the larger half *before*, ``same_lower`` behind. ``output_padding`` has
no limit, and ``pads_end`` may be negative. With ``output_shape``, explicit pads are ignored by the grouped transposed
convolution, and ``pads_end`` by the plain one. Where every axis has one tap, stride 1 and as many outputs as inputs,
nothing is cropped, whatever the pads.

Source: openvino/opset1/ops.py and the operation specification (openvino 2026.4), what the CPU plugin refuses by
running it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from ..errors import Reason, UnstrideError
from ..geometry import Axis, DataLayout, Layer, WeightLayout, canonical
from .arguments import integers, one_of, per_axis
from .refusal import Refusal, settle
from .spec import Filters, Source, Spec, argument
from .windows import Taps, Window, crop, pad, pad_same

Ints: TypeAlias = tuple[int, ...]
"""One integer per spatial axis; an empty list stands for the default on every axis."""

_REASONS = {
    "strides": Reason.STRIDE,
    "dilations": Reason.DILATION,
    "pads_begin": Reason.PADDING,
    "pads_end": Reason.PADDING,
    "output_padding": Reason.OUTPUT_PADDING,
    "output_shape_": Reason.OUTPUT_SHAPE,
}


class _Operation(Spec):
    """What the four operations share."""

    dialect = "openvino"
    functional = True

    strides: Ints
    pads_begin: Ints | None
    pads_end: Ints | None
    dilations: Ints | None
    auto_pad: str | None

    def check(self) -> None:
        for name in ("strides", "dilations"):
            self._check_list(name, 1)
        self._check_list("pads_begin", 0)
        if isinstance(self.auto_pad, str) or not self.transposed:
            word = self.auto_pad.upper() if isinstance(self.auto_pad, str) else self.auto_pad
            one_of(word, ("EXPLICIT", "SAME_UPPER", "SAME_LOWER", "VALID"), "auto_pad", Reason.PADDING)

    def _check_list(self, name: str, least: int | None) -> None:
        value = getattr(self, name)
        if value is not None:
            integers(value, argument(name), _REASONS[name], least=least)

    @property
    def bias_present(self) -> bool:
        return False

    def data_layout(self, dimensions: int) -> DataLayout:
        return self.first_layout(dimensions, most=5)

    def weight_layout(self, rank: int) -> WeightLayout:
        return canonical(rank)

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        return self.array_filters(rank, channels, kernel_shape)

    def _ints(self, name: str, rank: int, default: int) -> Ints:
        given = getattr(self, name) or (default,) * rank
        return per_axis(given, rank, argument(name), _REASONS[name], least=None)

    def _taps(self, kernel: tuple[int, ...]) -> tuple[Taps, ...]:
        rank = len(kernel)
        return tuple(map(Taps, kernel, self._ints("strides", rank, 1), self._ints("dilations", rank, 1)))

    def _word(self) -> str:
        return (self.auto_pad or "EXPLICIT").upper()

    def _pads(self, rank: int) -> tuple[Ints, Ints]:
        """The explicit pads; zeros under any other ``auto_pad``."""
        begin, end = self._ints("pads_begin", rank, 0), self._ints("pads_end", rank, 0)
        return (begin, end) if self._word() == "EXPLICIT" else ((0,) * rank, (0,) * rank)

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        del shape
        if 0 in input_shape[2:]:
            rule = "OpenVINO leaves the output of an empty spatial axis uninitialised"
            hint = "leave such inputs out"
            raise UnstrideError(Reason.SIZE, rule, argument="input_shape", value=input_shape, hint=hint)


class _Grouped(_Operation):
    """Filters with the groups as their first axis."""

    def weight_layout(self, rank: int) -> WeightLayout:
        return WeightLayout.of("gslk", rank)

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        return self.array_filters(rank, channels, kernel_shape, kernel_shape[0] if kernel_shape else 1)


class _Forward(_Operation):
    """The rule of the convolutions: ``auto_pad`` as in ONNX."""

    transposed = False

    def check(self) -> None:
        super().check()
        self._check_list("pads_end", 0)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        taps, word, (begins, ends) = self._taps(kernel), self._word(), self._pads(len(size))
        if word.startswith("SAME"):
            lower = word == "SAME_LOWER"
            shown = (
                f"auto_pad={word}: one output per stride, an odd element of padding {'before' if lower else 'after'}"
            )
            return tuple(pad_same(*each, extra_before=lower).because(shown) for each in zip(taps, size, strict=True))
        return tuple(map(self._padded, taps, size, begins, ends))

    def _padded(self, taps: Taps, large: int, begin: int, end: int) -> Window:
        if taps.span > large + begin + end:
            rule = f"the dilated kernel of {taps.span} is larger than the padded data of {large + begin + end}"
            raise UnstrideError(Reason.SIZE, rule, argument="input_shape", value=large)
        return pad(taps, large, begin, end).because(f"{begin} elements padded before, {end} after")


class _Backprop(_Operation):
    """The rule of the transposed convolutions."""

    transposed = True
    output_shape_: Ints | Source | None
    output_padding: Ints | None

    def check(self) -> None:
        if isinstance(self.output_shape_, Source):
            object.__setattr__(self, "output_shape_", _constant(self.output_shape_))
        super().check()
        self._check_list("pads_end", None)
        self._check_list("output_padding", None)
        self._check_list("output_shape_", 0)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        chosen = self._windows(size, kernel)
        axes = [window.axis for window in chosen]
        still = all(axis.kernel == axis.stride == 1 and axis.small == axis.large for axis in axes)
        if still and any(axis.before for axis in axes):
            self._check_still(axes)
            shown = "one tap, stride 1 and as many outputs as inputs: the CPU plugin crops nothing, whatever the pads"
            return tuple(crop(Taps(1), small, 0, 0).because(shown) for small in size)
        return chosen

    def _check_still(self, axes: list[Axis]) -> None:
        """Raise UnstrideError where pads that move a single tap are neither always honoured nor always ignored."""

    def _windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        taps, rank = self._taps(kernel), len(size)
        begins, ends = self._pads(rank)
        extras = self._ints("output_padding", rank, 0)
        if self.output_shape_ is not None:
            larges = per_axis(self.output_shape_, rank, "output_shape", Reason.OUTPUT_SHAPE, least=0)
            return tuple(map(self._sized, taps, size, begins, extras, larges))
        return tuple(map(self._cropped, taps, size, begins, ends, extras))

    def _cropped(self, taps: Taps, small: int, begin: int, end: int, extra: int) -> Window:
        shown = f"auto_pad={self._word()} crops {begin} before and {end} after"
        if self._word() != "EXPLICIT":
            shown = f"auto_pad={self._word()} without output_shape crops nothing"
        return crop(taps, small, begin, end, extra).because(
            f"{shown}; output_padding={extra} gives {extra} back at the end"
        )

    def _sized(self, taps: Taps, small: int, begin: int, extra: int, large: int) -> Window:
        full, word = taps.full(small), self._word()
        if not word.startswith("SAME"):
            shown = f"output_shape={large} is taken as it is, from {begin} on: auto_pad={word}"
            return crop(taps, small, begin, full - begin - large).because(shown)
        total = max(full + extra - large, 0)
        before, halved = (total // 2, "⌊total / 2⌋") if word == "SAME_LOWER" else (total - total // 2, "⌈total / 2⌉")
        return crop(taps, small, before, full - before - large).because(
            f"output_shape={large}: total crop = max(full + output_padding − large, 0) = {total}",
            f"auto_pad={word}: before = {halved} = {before}",
        )

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        super().check_output(shape, input_shape)
        if 0 in (shape[1], input_shape[1]):
            rule = "a transposed convolution has at least one input and one output channel"
            raise UnstrideError(Reason.CHANNELS, rule, argument="filters", value=(input_shape[1], shape[1]))


def _constant(source: Source) -> Ints:
    """The numbers in ``opset13.constant([8, 8])`` or ``np.array([8, 8])``."""
    try:
        call = ast.parse(source.text, mode="eval").body
        return tuple(ast.literal_eval(call.args[0] if isinstance(call, ast.Call) and call.args else call))
    except (ValueError, TypeError, SyntaxError):
        rule = "must be a list of sizes, or a constant of one: nothing pasted is run"
        raise UnstrideError(Reason.EXPRESSION, rule, argument="output_shape", value=source) from None


@dataclass(frozen=True)
class _Convolution(_Forward):
    data: Source
    filters: Source
    strides: Ints
    pads_begin: Ints
    pads_end: Ints
    dilations: Ints
    auto_pad: str = "EXPLICIT"
    name: str | None = None


class Convolution(_Convolution):
    """``openvino.opset13.convolution``."""

    call = "openvino.opset13.convolution"


class GroupConvolution(_Grouped, _Convolution):
    """``openvino.opset13.group_convolution``."""

    call = "openvino.opset13.group_convolution"


@dataclass(frozen=True)
class _ConvolutionBackpropData(_Backprop):
    data: Source
    filters: Source
    strides: Ints
    output_shape_: Ints | Source | None = None
    pads_begin: Ints | None = None
    pads_end: Ints | None = None
    dilations: Ints | None = None
    auto_pad: str | None = None
    output_padding: Ints | None = None
    name: str | None = None


class ConvolutionBackpropData(_ConvolutionBackpropData):
    """``openvino.opset13.convolution_backprop_data``."""

    call = "openvino.opset13.convolution_backprop_data"


@dataclass(frozen=True)
class GroupConvolutionBackpropData(_Grouped, _ConvolutionBackpropData):
    """``openvino.opset13.group_convolution_backprop_data``."""

    call = "openvino.opset13.group_convolution_backprop_data"

    auto_pad: str = "EXPLICIT"

    def _sized(self, taps: Taps, small: int, begin: int, extra: int, large: int) -> Window:
        del begin  # what the CPU plugin does; the plain operation honours it
        return super()._sized(taps, small, 0, extra, large)

    def _check_still(self, axes: list[Axis]) -> None:
        if len(axes) == 2:
            raise UnstrideError(
                Reason.UNSUPPORTED,
                "on two axes, pads that move a single tap count for depthwise filters only",
                argument="pads_begin",
                value=self.pads_begin,
                hint="leave the pads out and slice the result",
            )

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        found = super().read_filters(rank, channels, kernel_shape)
        if found.groups == 1 and (found.small, found.large) != (1, 1):
            rule = "the CPU plugin cannot compute one group of several channels"
            hint = "use convolution_backprop_data, with the filters' first axis left out"
            raise UnstrideError(Reason.GROUPS, rule, argument="filters", value=kernel_shape, hint=hint)
        return found


convolution, group_convolution = Convolution, GroupConvolution
convolution_backprop_data, group_convolution_backprop_data = ConvolutionBackpropData, GroupConvolutionBackpropData

FORMS: tuple[type[Spec], ...] = (
    Convolution,
    GroupConvolution,
    ConvolutionBackpropData,
    GroupConvolutionBackpropData,
)


def propose(layer: Layer, batch: int = 1) -> Iterator[Callable[[], Spec]]:
    """Explicit pads first, which can say every window that OpenVINO can; then the words."""
    del batch
    axes = layer.axes
    strides, dilations = layer.stride, layer.dilation
    begin, end = layer.before, tuple(max(axis.after, 0) for axis in axes)
    forms: tuple[Callable[..., Spec], ...] = FORMS[2:] if layer.transposed else FORMS[:2]
    form = partial(forms[layer.groups > 1], Source("data"), Source("filters"))
    if not layer.transposed:
        yield partial(form, strides, begin, end, dilations)
        zeros = (0,) * layer.rank
        for word in ("same_upper", "same_lower", "valid"):
            yield partial(form, strides, zeros, zeros, dilations, word)
        return
    words: dict[str, Any] = {"dilations": dilations} if max(dilations) > 1 else {}
    pads = {"pads_begin": begin, "pads_end": end} if any(begin + end) else {}
    extras = tuple(max(-axis.after, 0) for axis in axes)
    yield partial(form, strides, **words, **pads, **({"output_padding": extras} if any(extras) else {}))
    sized = partial(form, strides, output_shape=layer.output_size, **words)
    yield partial(sized, **pads)
    yield from (partial(sized, auto_pad=word) for word in ("same_upper", "same_lower", "valid"))


def write(layer: Layer, batch: int = 1) -> Spec | Refusal:
    """The layer as an OpenVINO operation, or why not and what equals it."""
    return settle(layer, "openvino", propose, batch)
