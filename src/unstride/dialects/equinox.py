"""Equinox: ``equinox.nn.Conv`` and ``ConvTranspose``, of any rank by name or by ``num_spatial_dims``.

Data is channels first and has no batch axis. ``padding`` crops a transposed convolution's output, as in PyTorch, except
that SAME gives ``small·stride − output_padding`` elements: there ``output_padding`` shortens. Weights are in a
convolution's order, ``(out, in / groups, *taps)``, with the taps reversed. The forms that name their rank take
``output_padding`` before ``padding``, the general one after it.

Source: equinox/nn/_conv.py (equinox 0.13).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any

from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer, WeightLayout, canonical
from .arguments import Pads, Pairs, Sizes, check_channels, check_divides, compact, integer, one_of, pad_pairs, per_axis
from .lax import WORDS, slide_windows, sliding, space, stuffing, word
from .refusal import Refusal, settle
from .spec import Filters, Source, Spec, ranked
from .windows import Taps, Window

_MODES = ("ZEROS", "REFLECT", "REPLICATE", "CIRCULAR")


class _Equinox(Spec):
    """What all layers share."""

    dialect = "equinox"
    batched = False
    in_channels: int
    out_channels: int
    kernel_size: Sizes
    stride: Sizes
    padding: Pads
    dilation: Sizes
    groups: int
    use_bias: bool
    padding_mode: str

    @property
    def rank(self) -> int:
        """Number of spatial axes: part of the call's name, or its first argument."""
        raise NotImplementedError  # not abstract: ``ranked`` gives it to forms that are made from abstract families

    def check(self) -> None:
        for name, reason in (("kernel_size", Reason.KERNEL), ("stride", Reason.STRIDE), ("dilation", Reason.DILATION)):
            per_axis(getattr(self, name), self.rank, name, reason)
        integer(self.groups, "groups", Reason.GROUPS, least=1)
        for name, least in (("in_channels", 1), ("out_channels", 0)):
            channels = integer(getattr(self, name), name, Reason.CHANNELS, least=least)
            check_divides(self.groups, channels, name)
        if isinstance(self.padding, str):
            word(self.padding)
        else:
            pad_pairs(self.padding, self.rank, "padding", least=None)
        mode = self.padding_mode.upper() if isinstance(self.padding_mode, str) else self.padding_mode
        if one_of(mode, _MODES, "padding_mode", Reason.PADDING) != "ZEROS":
            self._refuse_mode(mode)

    @abstractmethod
    def _refuse_mode(self, mode: str) -> None:
        """Raise UnstrideError for a padding other than zeros."""

    def _taps(self) -> tuple[Taps, ...]:
        strides = per_axis(self.stride, self.rank, "stride", Reason.STRIDE)
        dilations = per_axis(self.dilation, self.rank, "dilation", Reason.DILATION)
        return tuple(map(Taps, self._kernel(), strides, dilations))

    def _kernel(self) -> tuple[int, ...]:
        return per_axis(self.kernel_size, self.rank, "kernel_size", Reason.KERNEL)

    @property
    def bias_present(self) -> bool:
        return bool(self.use_bias)

    def data_layout(self, dimensions: int) -> DataLayout:
        hint = "there is no batch axis: leave the batch out; jax.vmap(layer) takes a batch"
        return self.exact_layout(DataLayout.first(self.rank, batched=False), dimensions, hint)

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        del rank, kernel_shape
        check_channels(channels, self.in_channels, "in_channels", "first")
        return self.layer_filters(self._kernel(), channels, self.out_channels, self.groups)


class _Forward(_Equinox):
    """The rule of ``Conv``: that of ``jax.lax.conv_general_dilated``."""

    transposed = False

    def _refuse_mode(self, mode: str) -> None:
        if self.padding == 0 or (isinstance(self.padding, str) and self.padding.upper() == "VALID"):
            return  # nothing is padded in any mode
        numpy_mode = {"REFLECT": "reflect", "REPLICATE": "edge", "CIRCULAR": "wrap"}[mode]
        raise UnstrideError(
            Reason.UNSUPPORTED,
            "only zero padding belongs to the layer itself",
            argument="padding_mode",
            value=self.padding_mode,
            hint=f"pad the input with jax.numpy.pad(mode={numpy_mode!r}), then use padding=0",
        )

    def weight_layout(self, rank: int) -> WeightLayout:
        return canonical(rank)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        del kernel
        padding = self.padding
        margins = padding if isinstance(padding, str) else pad_pairs(padding, len(size), "padding", least=None)
        return slide_windows(self._taps(), size, margins)


class _Transposed(_Equinox):
    """The rule of ``ConvTranspose``: crop by ``padding``, give back ``output_padding`` at the end."""

    transposed = True
    output_padding: Sizes

    def check(self) -> None:
        super().check()
        extras = per_axis(self.output_padding, self.rank, "output_padding", Reason.OUTPUT_PADDING, least=None)
        strides = per_axis(self.stride, self.rank, "stride", Reason.STRIDE)
        if any(extra >= stride for extra, stride in zip(extras, strides, strict=True)):
            rule, hint = "must be smaller than the stride on every axis", "choose a smaller one, or a larger stride"
            value = self.output_padding
            raise UnstrideError(Reason.OUTPUT_PADDING, rule, argument="output_padding", value=value, hint=hint)

    def _refuse_mode(self, mode: str) -> None:
        sized = isinstance(self.padding, str) and self.padding.upper() != "VALID"
        if mode != "CIRCULAR" or not sized or self.output_padding not in (0, (0,) * self.rank):
            rule = "must be 'ZEROS', or 'CIRCULAR' with padding 'SAME' or 'SAME_LOWER' and no output_padding"
            raise UnstrideError(Reason.PADDING, rule, argument="padding_mode", value=self.padding_mode)
        crops = [self._crops(taps, 0) for taps in self._taps()]
        pads = [(t.span - 1 - p, t.span - 1 - q, t.stride) for t, (p, q) in zip(self._taps(), crops, strict=True)]
        wrapped = [(low // stride, high // stride) for low, high, stride in pads]
        rest = [(low % stride, high % stride) for low, high, stride in pads]
        raise UnstrideError(
            Reason.UNSUPPORTED,
            "an input that wraps around is not part of the layer itself",
            argument="padding_mode",
            value=self.padding_mode,
            hint=f"pad the input's spatial axes with jax.numpy.pad(..., {wrapped}, mode='wrap'), then use "
            f"jax.lax.conv_general_dilated with lhs_dilation=stride and padding={rest}",
        )

    def weight_layout(self, rank: int) -> WeightLayout:
        return WeightLayout.of("Lsk", rank, flipped=True)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        del kernel
        rank = len(size)
        extras = per_axis(self.output_padding, rank, "output_padding", Reason.OUTPUT_PADDING, least=None)
        numbers: Pairs = ()
        if not isinstance(self.padding, str):
            numbers = pad_pairs(self.padding, rank, "padding", least=None)
        found = []
        for axis, (taps, small, extra) in enumerate(zip(self._taps(), size, extras, strict=True)):
            if numbers:
                before, after = numbers[axis][0], numbers[axis][1] - extra
                shown = f"padding={numbers[axis]} crops both ends; output_padding={extra} gives {extra} back at the end"
            else:
                before, after = self._crops(taps, extra)
                shown = f"padding={self.padding!r}, output_padding={extra}: {self._worded(before, after)}"
            low, high = taps.span - 1 - before, taps.span - 1 - after
            found.append(space(taps, small, low, high).because(shown))
        return tuple(found)

    def _crops(self, taps: Taps, extra: int) -> tuple[int, int]:
        """What a word crops before and after; output_padding makes VALID longer, and SAME shorter."""
        kind = str(self.padding).upper()
        if kind == "VALID":
            return 0, -extra
        total = taps.span - taps.stride + extra
        before = (max(total, 0) + (kind == "SAME_LOWER")) // 2
        return before, total - before

    def _worded(self, before: int, after: int) -> str:
        if str(self.padding).upper() == "VALID":
            return f"after = {after}"
        return f"before + after = span − stride + output_padding = {before + after}"


@dataclass(frozen=True)
class _Conv(_Forward):
    in_channels: int
    out_channels: int
    kernel_size: Sizes
    stride: Sizes = 1
    padding: Pads = 0
    dilation: Sizes = 1
    groups: int = 1
    use_bias: bool = True
    padding_mode: str = "ZEROS"
    dtype: Source | str | None = None
    _: KW_ONLY
    key: Source


@dataclass(frozen=True)
class _ConvTranspose(_Transposed):
    in_channels: int
    out_channels: int
    kernel_size: Sizes
    stride: Sizes = 1
    output_padding: Sizes = 0
    padding: Pads = 0
    dilation: Sizes = 1
    groups: int = 1
    use_bias: bool = True
    padding_mode: str = "ZEROS"
    dtype: Source | str | None = None
    _: KW_ONLY
    key: Source


@dataclass(frozen=True)
class _General(_Equinox):
    """A form whose first argument is the rank."""

    num_spatial_dims: int

    def check(self) -> None:
        integer(self.num_spatial_dims, "num_spatial_dims", Reason.RANK, least=1)
        super().check()

    @property
    def rank(self) -> int:
        return self.num_spatial_dims


@dataclass(frozen=True)
class Conv(_Conv, _General):
    """``equinox.nn.Conv``."""

    call = "equinox.nn.Conv"


@dataclass(frozen=True)
class ConvTranspose(_General, _Transposed):
    """``equinox.nn.ConvTranspose``."""

    call = "equinox.nn.ConvTranspose"

    num_spatial_dims: int
    in_channels: int
    out_channels: int
    kernel_size: Sizes
    stride: Sizes = 1
    padding: Pads = 0
    output_padding: Sizes = 0
    dilation: Sizes = 1
    groups: int = 1
    use_bias: bool = True
    padding_mode: str = "ZEROS"
    dtype: Source | str | None = None
    _: KW_ONLY
    key: Source


Conv1d, Conv2d, Conv3d = ranked(_Conv, "equinox.nn.Conv{}d")
ConvTranspose1d, ConvTranspose2d, ConvTranspose3d = ranked(_ConvTranspose, "equinox.nn.ConvTranspose{}d")

FORMS: tuple[type[Spec], ...] = (
    *(Conv1d, Conv2d, Conv3d),
    *(ConvTranspose1d, ConvTranspose2d, ConvTranspose3d),
    *(Conv, ConvTranspose),
)


def propose(layer: Layer, batch: int = 1) -> Iterator[Callable[[], Spec]]:
    """The form that names its rank, then the general one; no padding, words, equal numbers, pairs."""
    del batch
    shared: dict[str, Any] = {
        "stride": compact(layer.stride),
        "dilation": compact(layer.dilation),
        "groups": layer.groups,
        "use_bias": layer.bias,
        "key": Source("key"),
    }
    arguments = (layer.in_channels, layer.out_channels, compact(layer.kernel))
    forms: list[Callable[..., Spec]] = [partial(ConvTranspose if layer.transposed else Conv, layer.rank)]
    if layer.rank <= 3:
        forms.insert(0, FORMS[layer.rank + (2 if layer.transposed else -1)])
    for form in forms:
        for padding in _cropping(layer) if layer.transposed else _padding(layer):
            yield partial(form, *arguments, **shared, **padding)


def _padding(layer: Layer) -> Iterator[dict[str, Any]]:
    yield {"padding": 0}
    yield {"padding": "SAME"}
    yield {"padding": "SAME_LOWER"}
    pads = tuple(map(sliding, layer.axes))
    yield {"padding": compact(tuple(low for low, _ in pads))}
    yield {"padding": pads}


def _cropping(layer: Layer) -> Iterator[dict[str, Any]]:
    pads = tuple(map(stuffing, layer.axes))
    found = zip(layer.axes, pads, strict=True)
    crops = tuple((axis.span - 1 - low, axis.span - 1 - high) for axis, (low, high) in found)
    yield {"padding": 0, "output_padding": compact(tuple(-after for _, after in crops))}
    shortened = compact(tuple(axis.small * axis.stride - axis.large for axis in layer.axes))
    yield from ({"padding": kind, "output_padding": shortened} for kind in WORDS[:2])
    equal = {"padding": compact(tuple(before for before, _ in crops))}
    yield {**equal, "output_padding": compact(tuple(before - after for before, after in crops))}
    yield {"padding": crops}


def write(layer: Layer, batch: int = 1) -> Spec | Refusal:
    """The layer in Equinox's words, or why not and what equals it."""
    return settle(layer, "equinox", propose, batch)
