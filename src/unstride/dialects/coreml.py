"""Core ML: the operations ``mb.conv`` and ``mb.conv_transpose`` of the Model Intermediate Language (MIL).

All arguments are keywords. Data is channels first with a batch axis, 1-D to 3-D; weights are
``(small, large / groups, *taps)`` for both. ``pad`` lists (before, after) axis by axis and counts with
``pad_type='custom'`` only. ``output_shape`` is the whole shape; as the operation's text has it, it picks one of the
sizes that a convolution with the same ``pad_type`` maps to the input's size. There is no ``output_padding``.

What coremltools 9.0 lets pass although no model can compute it (a stride of 0, an empty output, channels that do not
fit the weights, an ``output_shape`` of any length) is refused here.

Source: coremltools/converters/mil/mil/ops/defs/iOS15/conv.py and its ``_utils.py``; shapes checked by running
coremltools 9.0, values not run (they need Apple's systems): the side of an odd element is that of the model
format's ``SamePadding``, BOTTOM_RIGHT_HEAVY.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, ClassVar, TypeAlias

from ..errors import Reason, UnstrideError
from ..geometry import Axis, DataLayout, Layer, WeightLayout, canonical
from .arguments import Pairs, integer, integers, one_of, per_axis
from .refusal import Refusal, settle
from .spec import Filters, Source, Spec
from .windows import Taps, Window, crop, invert_pads, invert_same, invert_valid, multiply_same, pad, pad_same

Ints: TypeAlias = tuple[int, ...]
"""A list of integers; one integer for all axes is not accepted."""


class _Operation(Spec):
    """What both operations share."""

    dialect = "coreml"
    functional = True
    pad_types: ClassVar[tuple[str, ...]]

    x: Source | str
    weight: Source | str
    bias: Source | str | None
    strides: Ints | None
    pad_type: str
    pad: Ints | None
    dilations: Ints | None
    groups: int

    def check(self) -> None:
        one_of(self.pad_type, self.pad_types, "pad_type", Reason.PADDING)
        integer(self.groups, "groups", Reason.GROUPS, least=1)
        self._check_list("strides", Reason.STRIDE, 1)
        self._check_list("dilations", Reason.DILATION, 1)
        self._check_list("pad", Reason.PADDING, 0)

    def _check_list(self, name: str, reason: Reason, least: int) -> None:
        value = getattr(self, name)
        if value is not None:
            integers(value, name, reason, least=least)

    @property
    def bias_present(self) -> bool:
        return self.bias is not None

    def data_layout(self, dimensions: int) -> DataLayout:
        return self.first_layout(dimensions, most=5)

    def weight_layout(self, rank: int) -> WeightLayout:
        return canonical(rank)

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        return self.array_filters(rank, channels, kernel_shape, self.groups)

    def _taps(self, kernel: tuple[int, ...]) -> tuple[Taps, ...]:
        ones = (1,) * len(kernel)
        strides = per_axis(self.strides or ones, len(kernel), "strides", Reason.STRIDE)
        dilations = per_axis(self.dilations or ones, len(kernel), "dilations", Reason.DILATION)
        return tuple(map(Taps, kernel, strides, dilations))

    def _pairs(self, rank: int) -> Pairs:
        """(before, after) of each axis; zeros unless the pads are custom."""
        if self.pad_type != "custom" or self.pad is None:
            return ((0, 0),) * rank
        if len(self.pad) != 2 * rank:
            rule = f"must have {2 * rank} entries: before and after, axis by axis"
            raise UnstrideError(Reason.PADDING, rule, argument="pad", value=self.pad)
        return tuple(zip(self.pad[::2], self.pad[1::2], strict=True))

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        if 0 in shape[2:]:
            rule = f"every spatial axis of the output must have at least one element; the input is {input_shape}"
            raise UnstrideError(Reason.SIZE, rule, argument="output_shape", value=shape)


@dataclass(frozen=True)
class Conv(_Operation):
    """``mb.conv``."""

    call = "mb.conv"
    transposed = False
    pad_types = ("valid", "same", "same_lower", "custom")

    _: KW_ONLY
    x: Source | str
    weight: Source | str
    bias: Source | str | None = None
    strides: Ints | None = None
    pad_type: str = "valid"
    pad: Ints | None = None
    dilations: Ints | None = None
    groups: int = 1
    name: str | None = None

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        return tuple(map(self._window, self._taps(kernel), size, self._pairs(len(size))))

    def _window(self, taps: Taps, large: int, pair: tuple[int, int]) -> Window:
        if self.pad_type.startswith("same"):
            lower = self.pad_type == "same_lower"
            shown = f"pad_type={self.pad_type!r}: an odd element of padding {'before' if lower else 'after'}"
            return pad_same(taps, large, extra_before=lower).because(shown)
        before, after = pair
        shown = f"pad_type={self.pad_type!r} pads {before} before and {after} after"
        return pad(taps, large, before, after).because(shown)


@dataclass(frozen=True)
class ConvTranspose(_Operation):
    """``mb.conv_transpose``."""

    call = "mb.conv_transpose"
    transposed = True
    pad_types = ("valid", "same", "custom")

    _: KW_ONLY
    x: Source | str
    weight: Source | str
    bias: Source | str | None = None
    pad: Ints | None = None
    output_shape_: Ints | None = None
    pad_type: str = "valid"
    strides: Ints | None = None
    dilations: Ints | None = None
    groups: int = 1
    name: str | None = None

    def check(self) -> None:
        super().check()
        if self.output_shape_ is not None:
            integers(self.output_shape_, "output_shape", Reason.OUTPUT_SHAPE, least=0)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        taps, pairs = self._taps(kernel), self._pairs(len(size))
        if self.output_shape_ is not None:
            if len(self.output_shape_) != len(size) + 2:
                rule = f"must have {len(size) + 2} entries: batch, channels, spatial sizes"
                raise UnstrideError(Reason.OUTPUT_SHAPE, rule, argument="output_shape", value=self.output_shape_)
            return tuple(map(self._sized, taps, size, self.output_shape_[2:], pairs))
        return tuple(map(self._cropped, taps, size, pairs))

    def _sized(self, taps: Taps, small: int, large: int, pair: tuple[int, int]) -> Window:
        if self.pad_type == "same":
            return invert_same(taps, small, large)
        if self.pad_type == "valid":
            return invert_valid(taps, small, large)
        return invert_pads(taps, small, large, *pair, padding=f"custom {pair}")

    def _cropped(self, taps: Taps, small: int, pair: tuple[int, int]) -> Window:
        if self.pad_type == "same":
            return multiply_same(taps, small).because("pad_type='same': one stride per input element")
        before, after = pair
        shown = f"pad_type={self.pad_type!r} crops {before} before and {after} after"
        return crop(taps, small, before, after).because(shown)

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        super().check_output(shape, input_shape)
        if self.output_shape_ is not None and self.output_shape_ != shape:
            rule = f"must begin with the batch and the output channels, {shape[:2]}"
            raise UnstrideError(Reason.OUTPUT_SHAPE, rule, argument="output_shape", value=self.output_shape_)


conv, conv_transpose = Conv, ConvTranspose

FORMS: tuple[type[Spec], ...] = (Conv, ConvTranspose)


def propose(layer: Layer, batch: int = 1) -> Iterator[Callable[[], Spec]]:
    """The words, then custom pads, then each of them with the output's shape."""
    axes = layer.axes
    lists = {"strides": layer.stride, "dilations": layer.dilation}
    shared: dict[str, Any] = {name: values for name, values in lists.items() if set(values) != {1}}
    form: Callable[..., Spec] = ConvTranspose if layer.transposed else Conv
    if layer.bias:
        shared["bias"] = Source("bias")
    spoken = partial(form, x=Source("x"), weight=Source("weight"), groups=layer.groups, **shared)
    custom = {"pad_type": "custom", "pad": [side for axis in axes for side in _sides(axis)]}
    words: list[dict[str, Any]] = [{}, {"pad_type": "same"}, {"pad_type": "same_lower"}, custom]
    yield from (partial(spoken, **word) for word in words)
    if layer.transposed:
        shape = [batch, layer.out_channels, *layer.output_size]
        yield from (partial(spoken, **word, output_shape=shape) for word in words)


def _sides(axis: Axis) -> tuple[int, int]:
    """The custom pad of one axis; nothing behind where the window ends behind the last stamp."""
    return axis.before, max(axis.after, 0)


def write(layer: Layer, batch: int = 1) -> Spec | Refusal:
    """The layer as a MIL operation, or why not and what equals it."""
    return settle(layer, "coreml", propose, batch)
