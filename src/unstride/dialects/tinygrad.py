"""tinygrad: ``Tensor.conv2d`` and ``Tensor.conv_transpose2d`` on any number of axes, and the ``tinygrad.nn`` layers.

Data is channels first, with a batch axis; weights are ``(small, large / groups, *taps)`` for both directions.
``padding`` is one integer, one per axis, or two per axis in the order of PyTorch's ``pad``: last axis first, before
and after. It may be negative, and ``output_padding`` has no limit. ``padding='same'``, a word of the layers only and
at stride 1 only, takes the axes' dilations in reverse order.

Source: tinygrad/mixin/op.py (``conv2d``, ``conv_transpose2d``), tinygrad/helpers.py, tinygrad/nn/__init__.py (0.14).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer, WeightLayout, canonical
from .arguments import Pairs, Sizes, check_channels, check_divides, compact, integer, per_axis
from .refusal import Refusal, settle
from .spec import Filters, Function, Source, Spec
from .windows import Taps, Window, crop, pad


class _Tinygrad(Spec):
    """What all tinygrad convolutions share."""

    dialect = "tinygrad"

    stride: Sizes
    padding: Sizes | str
    dilation: Sizes
    groups: int

    def check(self) -> None:
        integer(self.groups, "groups", Reason.GROUPS, least=1)

    def data_layout(self, dimensions: int) -> DataLayout:
        return self.first_layout(dimensions)

    def weight_layout(self, rank: int) -> WeightLayout:
        return canonical(rank)

    def _taps(self, kernel: tuple[int, ...]) -> tuple[Taps, ...]:
        dilations = per_axis(self.dilation, len(kernel), "dilation", Reason.DILATION)
        return tuple(map(Taps, kernel, self._strides(len(kernel)), dilations))

    def _strides(self, rank: int) -> tuple[int, ...]:
        return per_axis(self.stride, rank, "stride", Reason.STRIDE)

    def _pairs(self, kernel: tuple[int, ...]) -> Pairs:
        """What ``padding`` says for each axis."""
        rank, given = len(kernel), self.padding
        if isinstance(given, tuple) and len(given) == 2 * rank:
            flat = per_axis(given, 2 * rank, "padding", Reason.PADDING, least=None)
            return tuple(zip(flat[-2::-2], flat[::-2], strict=True))
        if isinstance(given, tuple) and len(given) != rank:
            rule = f"must be one integer, {rank} of them, or {2 * rank}: last axis first, before and after"
            raise UnstrideError(Reason.PADDING, rule, argument="padding", value=given)
        return tuple((margin, margin) for margin in per_axis(given, rank, "padding", Reason.PADDING, least=None))

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        del input_shape
        if 0 in shape[2:]:
            rule = "the kernel does not fit: there must be at least one output element on every spatial axis"
            raise UnstrideError(Reason.SIZE, rule, argument="output_shape", value=shape)


class _Forward(_Tinygrad):
    """The rule of ``conv2d``: pad; negative padding drops elements."""

    transposed = False

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        return tuple(map(self._window, self._taps(kernel), size, self._pairs(kernel)))

    def _window(self, taps: Taps, large: int, sides: tuple[int, int]) -> Window:
        before, after = sides
        _check_drops(large, before, after)
        return pad(taps, large, before, after).because(f"padding={self.padding!r} pads {before} before, {after} after")


class _Transposed(_Tinygrad):
    """The rule of ``conv_transpose2d``: crop by ``padding``, give back ``output_padding`` at the end."""

    transposed = True
    output_padding: Sizes

    def _strides(self, rank: int) -> tuple[int, ...]:
        given = per_axis(self.stride, rank, "stride", Reason.STRIDE, least=None)
        return (1,) * rank if max(given) <= 1 else super()._strides(rank)  # no stride above 1: none is looked at

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        extras = per_axis(self.output_padding, len(kernel), "output_padding", Reason.OUTPUT_PADDING, least=None)
        return tuple(map(self._window, self._taps(kernel), size, self._pairs(kernel), extras))

    def _window(self, taps: Taps, small: int, sides: tuple[int, int], extra: int) -> Window:
        before, after = sides[0], sides[1] - extra
        if taps.stride > 1 and not small:
            rule = "an empty axis cannot have a stride"
            raise UnstrideError(Reason.SIZE, rule, argument="stride", value=taps.stride)
        spaced = taps.full(small) - taps.span + 1
        _check_drops(spaced, taps.span - 1 - before, taps.span - 1 - after)
        return crop(taps, small, *sides, extra).because(
            f"padding={self.padding!r} crops {sides[0]} before and {sides[1]} after; "
            f"output_padding={extra} gives {extra} back at the end: after = {after}"
        )


def _check_drops(size: int, low: int, high: int) -> None:
    """A padded side below zero takes elements away: there must be as many, before the other side is padded."""
    if max(-low, 0) + max(-high, 0) > size:
        rule = f"drops more elements than the {size} there are"
        raise UnstrideError(Reason.PADDING, rule, argument="padding", value=(low, high))


class _Method(Function, _Tinygrad):
    """A method of a tensor."""


@dataclass(frozen=True)
class conv2d(_Forward, _Method):
    """``tinygrad.Tensor.conv2d``."""

    call = "tinygrad.Tensor.conv2d"

    x: Source
    """the tensor itself"""
    weight: Source
    bias: Source | None = None
    groups: int = 1
    stride: Sizes = 1
    dilation: Sizes = 1
    padding: Sizes = 0
    dtype: Source | str | None = None


@dataclass(frozen=True)
class conv_transpose2d(_Transposed, _Method):
    """``tinygrad.Tensor.conv_transpose2d``."""

    call = "tinygrad.Tensor.conv_transpose2d"

    x: Source
    """the tensor itself"""
    weight: Source
    bias: Source | None = None
    groups: int = 1
    stride: Sizes = 1
    dilation: Sizes = 1
    padding: Sizes = 0
    output_padding: Sizes = 0


class _Layer(_Tinygrad):
    """A layer of ``tinygrad.nn``: channels and kernel size are arguments."""

    in_channels: int
    out_channels: int
    kernel_size: Sizes
    bias: bool

    def check(self) -> None:
        super().check()
        kernel = self._kernel()
        for name in ("in_channels", "out_channels"):
            channels = integer(getattr(self, name), name, Reason.CHANNELS, least=0)
            floored = self.transposed and name == "out_channels" and not self.bias
            if not floored:
                check_divides(self.groups, channels, name)
        self._check_word()
        self._taps(kernel)
        self._pairs(kernel)

    def _check_word(self) -> None:
        if not isinstance(self.padding, str):
            return
        if self.padding.lower() != "same":
            rule = "'same' is the only word, else numbers"
            raise UnstrideError(Reason.PADDING, rule, argument="padding", value=self.padding)
        if self.stride != 1:
            rule = "padding='same' needs the stride 1, as one integer"
            raise UnstrideError(Reason.STRIDE, rule, argument="stride", value=self.stride)

    def _kernel(self) -> tuple[int, ...]:
        """The taps: one integer stands for two axes, a sequence for as many axes as it has."""
        rank = len(self.kernel_size) if isinstance(self.kernel_size, tuple) else 2
        return per_axis(self.kernel_size, max(rank, 1), "kernel_size", Reason.KERNEL)

    def _pairs(self, kernel: tuple[int, ...]) -> Pairs:
        if not isinstance(self.padding, str):
            return super()._pairs(kernel)
        # the last axis is padded first, but the dilations are taken from the first axis on
        dilations = reversed(per_axis(self.dilation, len(kernel), "dilation", Reason.DILATION))
        totals = (dilation * (taps - 1) for dilation, taps in zip(dilations, kernel, strict=True))
        return tuple((total // 2, total - total // 2) for total in totals)

    def data_layout(self, dimensions: int) -> DataLayout:
        return self.exact_layout(DataLayout.first(len(self._kernel())), dimensions)

    @property
    def bias_present(self) -> bool:
        return bool(self.bias)

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        del rank, kernel_shape
        check_channels(channels, self.in_channels, "in_channels", "second")
        made = self.out_channels - self.out_channels % self.groups  # a transposed layer without bias rounds down
        return self.layer_filters(self._kernel(), channels, made, self.groups)


@dataclass(frozen=True)
class Conv2d(_Layer, _Forward):
    """``tinygrad.nn.Conv2d``, on as many axes as ``kernel_size`` has."""

    call = "tinygrad.nn.Conv2d"

    in_channels: int
    out_channels: int
    kernel_size: Sizes
    stride: Sizes = 1
    padding: Sizes | str = 0
    dilation: Sizes = 1
    groups: int = 1
    bias: bool = True


@dataclass(frozen=True)
class ConvTranspose2d(_Layer, _Transposed):
    """``tinygrad.nn.ConvTranspose2d``, on as many axes as ``kernel_size`` has."""

    call = "tinygrad.nn.ConvTranspose2d"

    in_channels: int
    out_channels: int
    kernel_size: Sizes
    stride: Sizes = 1
    padding: Sizes | str = 0
    output_padding: Sizes = 0
    dilation: Sizes = 1
    groups: int = 1
    bias: bool = True


class _OneAxis(_Layer):
    """The functions that make a layer for one axis."""

    def _kernel(self) -> tuple[int, ...]:
        return (integer(self.kernel_size, "kernel_size", Reason.KERNEL, least=1),)


@dataclass(frozen=True)
class Conv1d(_OneAxis, Conv2d):
    """``tinygrad.nn.Conv1d``."""

    call = "tinygrad.nn.Conv1d"


@dataclass(frozen=True)
class ConvTranspose1d(_OneAxis, ConvTranspose2d):
    """``tinygrad.nn.ConvTranspose1d``."""

    call = "tinygrad.nn.ConvTranspose1d"


FORMS: tuple[type[Spec], ...] = (conv2d, conv_transpose2d, Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d)


def propose(layer: Layer, batch: int = 1) -> Iterator[Callable[[], Spec]]:
    """The layer, then the method: with a word, with equal margins, with one margin per side."""
    del batch
    shared: dict[str, Any] = {
        "stride": compact(layer.stride),
        "dilation": compact(layer.dilation),
        "groups": layer.groups,
    }
    kernel = compact(layer.kernel) if layer.rank == 2 else layer.kernel
    first: Callable[..., Spec] = ConvTranspose2d if layer.transposed else Conv2d
    if layer.rank == 1:
        first, kernel = (ConvTranspose1d if layer.transposed else Conv1d), layer.kernel[0]
    method: Callable[..., Spec] = conv_transpose2d if layer.transposed else conv2d
    bias = Source("bias") if layer.bias else None
    made = partial(first, layer.in_channels, layer.out_channels, kernel, bias=layer.bias, **shared)
    yield partial(made, padding="same")
    for padding in _paddings(layer):
        yield partial(made, **padding)
    for padding in _paddings(layer):
        yield partial(method, Source("x"), Source("weight"), bias, **shared, **padding)


def _paddings(layer: Layer) -> Iterator[dict[str, Any]]:
    """Equal margins, and one margin per side, last axis first."""
    margins = compact(layer.before)
    if layer.transposed:
        yield {"padding": margins, "output_padding": compact(tuple(axis.before - axis.after for axis in layer.axes))}
        yield {"padding": tuple(side for axis in reversed(layer.axes) for side in (axis.before, axis.after))}
        return
    yield {"padding": margins}
    yield {"padding": tuple(side for axis in reversed(layer.axes) for side in (axis.before, axis.after))}
    # what is never read need not be dropped: as many sizes as the stride give the same number of steps
    kept = {axis: max(axis.after, min(0, axis.after + axis.stride - 1)) for axis in layer.axes}
    yield {"padding": tuple(side for axis in reversed(layer.axes) for side in (axis.before, kept[axis]))}


def write(layer: Layer, batch: int = 1) -> Spec | Refusal:
    """The layer in tinygrad's words, or why not and what equals it."""
    return settle(layer, "tinygrad", propose, batch)
