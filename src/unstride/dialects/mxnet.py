"""MXNet: the operators ``Convolution`` and ``Deconvolution`` of ``mx.sym`` and ``mx.nd``, 1-D to 3-D.

Data is channels first unless ``layout`` says otherwise (channels last needs a GPU); weights are
``(small, large / num_group, *taps)`` for both directions, and move their second axis to the end with the data. The
rank is that of ``kernel``; shapes have no scalar form beyond one axis. ``Deconvolution`` has no bias unless
``no_bias=False``, ``pad`` crops both sides and ``adj`` lengthens the end. A ``target_shape`` replaces both: the crop
is halved, and its odd element goes to the start (MXNet's oneDNN backend fails there, its native one errs on dilations).

Source: src/operator/nn/convolution.cc, deconvolution.cc, deconvolution-inl.h (``InferPad``) (MXNet 1.9).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer, WeightLayout
from .arguments import Sizes, check_divides, integer, one_of
from .refusal import Refusal, settle
from .spec import Filters, Source, Spec
from .windows import Taps, Window, crop, pad

_LAYOUTS = {1: ("NCW",), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}


class _MXNet(Spec):
    """What both operators share; a shape that is left empty means ones, or zeros."""

    dialect = "mxnet"

    bias: Source | None
    kernel: Sizes | None
    stride: Sizes | None
    dilate: Sizes | None
    pad: Sizes | None
    num_filter: int | None
    num_group: int
    no_bias: bool
    layout: str | None

    def check(self) -> None:
        for name in ("kernel", "num_filter"):
            if getattr(self, name) is None:
                raise UnstrideError(Reason.ARGUMENT, f"{self.call} needs {name}", argument=name, value=None)
        rank = len(self._shape("kernel", Reason.KERNEL, 1))
        if rank not in _LAYOUTS:
            raise UnstrideError(Reason.RANK, "must have 1 to 3 axes", argument="kernel", value=self.kernel)
        self._taps()
        self._shape("pad", Reason.PADDING, 0)
        integer(self.num_filter, "num_filter", Reason.CHANNELS, least=1)
        integer(self.num_group, "num_group", Reason.GROUPS, least=1)
        if self.layout is not None:
            one_of(self.layout, _LAYOUTS[rank], "layout", Reason.DATA_FORMAT)
        if self.bias is not None and self.no_bias:
            rule, hint = "a bias is given, but no_bias says that there is none", "write no_bias=False"
            raise UnstrideError(Reason.ARGUMENT, rule, argument="no_bias", value=self.no_bias, hint=hint)

    def _shape(self, name: str, reason: Reason, least: int) -> tuple[int, ...]:
        """A shape argument: as many entries as the kernel has; an integer is a shape of one axis."""
        value = getattr(self, name)
        if value is None or value == ():
            return (least,) * self.rank
        entries = value if isinstance(value, tuple) else (value,)
        if name != "kernel" and len(entries) != self.rank:
            rule = f"must have {self.rank} entries, as kernel={self.kernel!r} has"
            raise UnstrideError(reason, rule, argument=name, value=value)
        return tuple(integer(entry, name, reason, least=least) for entry in entries)

    @property
    def rank(self) -> int:
        """Number of spatial axes: the kernel's."""
        return len(self.kernel) if isinstance(self.kernel, tuple) else 1

    def _taps(self) -> tuple[Taps, ...]:
        strides, dilations = self._shape("stride", Reason.STRIDE, 1), self._shape("dilate", Reason.DILATION, 1)
        if self.transposed and self.rank == 3 and max(dilations) > 1:
            rule = "a 3-D deconvolution has no dilation"
            raise UnstrideError(Reason.DILATION, rule, argument="dilate", value=self.dilate)
        return tuple(map(Taps, self._shape("kernel", Reason.KERNEL, 1), strides, dilations))

    def _letters(self) -> str:
        return self.layout or _LAYOUTS[self.rank][0]

    @property
    def bias_present(self) -> bool:
        return not self.no_bias

    def data_layout(self, dimensions: int) -> DataLayout:
        hint = f"kernel={self.kernel!r} sets the number of axes"
        return self.exact_layout(DataLayout.named(self._letters()), dimensions, hint)

    def weight_layout(self, rank: int) -> WeightLayout:
        return WeightLayout.of("Skl" if self._letters().endswith("C") else "Slk", rank)

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        del rank, kernel_shape
        made = integer(self.num_filter, "num_filter", Reason.CHANNELS, least=1)
        for name, count in (("the input's channels", channels), ("num_filter", made)):
            check_divides(self.num_group, count, name, "num_group")
        return self.layer_filters(self._shape("kernel", Reason.KERNEL, 1), channels, made, self.num_group)

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        if 0 in input_shape or (0 in shape and not self.transposed):
            rule = "there must be at least one element, and room for the kernel"
            raise UnstrideError(Reason.SIZE, rule, argument="input_shape", value=input_shape)


@dataclass(frozen=True)
class Convolution(_MXNet):
    """``mx.sym.Convolution``: pad both sides."""

    call = "mx.sym.Convolution"
    transposed = False

    data: Source | None = None
    weight: Source | None = None
    bias: Source | None = None
    kernel: Sizes | None = None
    stride: Sizes | None = None
    dilate: Sizes | None = None
    pad: Sizes | None = None
    num_filter: int | None = None
    num_group: int = 1
    workspace: int = 1024
    no_bias: bool = False
    cudnn_tune: str | None = None
    cudnn_off: bool = False
    layout: str | None = None
    name: Source | str | None = None
    attr: Source | None = None
    out: Source | None = None

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        del kernel
        return tuple(
            pad(each, large, margin, margin).because(f"pad={margin} pads {margin} on both sides")
            for each, large, margin in zip(self._taps(), size, self._shape("pad", Reason.PADDING, 0), strict=True)
        )


@dataclass(frozen=True)
class Deconvolution(_MXNet):
    """``mx.sym.Deconvolution``: crop by ``pad``, lengthen by ``adj``; or crop to ``target_shape``."""

    call = "mx.sym.Deconvolution"
    transposed = True

    data: Source | None = None
    weight: Source | None = None
    bias: Source | None = None
    kernel: Sizes | None = None
    stride: Sizes | None = None
    dilate: Sizes | None = None
    pad: Sizes | None = None
    adj: Sizes | None = None
    target_shape: Sizes | None = None
    num_filter: int | None = None
    num_group: int = 1
    workspace: int = 512
    no_bias: bool = True
    cudnn_tune: str | None = None
    cudnn_off: bool = False
    layout: str | None = None
    name: Source | str | None = None
    attr: Source | None = None
    out: Source | None = None

    def check(self) -> None:
        super().check()
        self._shape("adj", Reason.OUTPUT_PADDING, 0)
        self._shape("target_shape", Reason.OUTPUT_SHAPE, 0)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        del kernel
        targets = self._shape("target_shape", Reason.OUTPUT_SHAPE, 0)
        if any(targets):
            return tuple(map(_reach, self._taps(), size, targets))
        pads, extras = self._shape("pad", Reason.PADDING, 0), self._shape("adj", Reason.OUTPUT_PADDING, 0)
        return tuple(map(_crop, self._taps(), size, pads, extras))


def _crop(taps: Taps, small: int, margin: int, extra: int) -> Window:
    if extra >= taps.stride:
        rule = f"must be smaller than the stride, which is {taps.stride}"
        hint = "choose a smaller one, or zero-pad the input by one element and crop the output"
        raise UnstrideError(Reason.OUTPUT_PADDING, rule, argument="adj", value=extra, hint=hint)
    return crop(taps, small, margin, margin, extra).because(
        f"pad={margin} crops {margin} on both sides; adj={extra} gives {extra} back at the end"
    )


def _reach(taps: Taps, small: int, target: int) -> Window:
    """``target_shape`` on one axis: the crop that is left over, halved; an odd one is pad − adj with adj = 1."""
    total = taps.full(small) - target
    if total < 0:
        rule = f"must be at most {taps.full(small)}, what the stamps of {small} elements cover"
        raise UnstrideError(Reason.OUTPUT_SHAPE, rule, argument="target_shape", value=target)
    before = total - total // 2
    if total % 2 and taps.stride == 1:
        raise UnstrideError(
            Reason.OUTPUT_SHAPE,
            f"leaves an odd crop of {total}, for which a stride of at least 2 is needed",
            argument="target_shape",
            value=target,
            hint="choose one element more or less, or crop the output of pad=0",
        )
    return crop(taps, small, before, total // 2).because(
        f"target_shape={target} leaves {total} to crop: pad = ⌈{total} / 2⌉ = {before}, adj = {total % 2}"
    )


FORMS: tuple[type[Spec], ...] = (Convolution, Deconvolution)


LIMIT = "pad is the same on both sides, and adj only gives back at the end"


def propose(layer: Layer, batch: int = 1) -> Iterator[Callable[[], Spec]]:
    """The operator with ``pad`` and ``adj``, then with ``target_shape``."""
    del batch
    words: dict[str, Any] = {
        "kernel": layer.kernel,
        "stride": layer.stride,
        "dilate": layer.dilation,
        "num_filter": layer.out_channels,
        "num_group": layer.groups,
        "no_bias": not layer.bias,
    }
    plain = {name: None for name in ("stride", "dilate") if set(words[name]) == {1}}
    margins = layer.before
    pads = {"pad": margins} if any(margins) else {}
    if not layer.transposed:
        yield partial(Convolution, Source("data"), **words | plain | pads)
        return
    extras = tuple(axis.before - axis.after for axis in layer.axes)
    adj = {"adj": extras} if any(extras) else {}
    yield partial(Deconvolution, Source("data"), **words | plain | pads | adj)
    yield partial(Deconvolution, Source("data"), **words | plain, target_shape=layer.output_size)


def write(layer: Layer, batch: int = 1) -> Spec | Refusal:
    """The layer in MXNet's words, or why not and what equals it."""
    return settle(layer, "mxnet", propose, batch, limit=LIMIT)
