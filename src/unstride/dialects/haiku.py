"""Haiku: ``haiku.Conv1D`` to ``Conv3D`` and their ``Transpose`` forms.

Data is channels last or first, with or without a batch axis. SAME is the default. A transposed layer reads its padding
as ``jax.lax.conv_transpose`` does, has neither dilation nor groups, and reverses the taps; with ``output_shape`` it is
the inverse of the forward SAME or VALID convolution, as in TensorFlow.

Source: haiku/_src/conv.py, haiku/_src/pad.py, haiku/_src/utils.py (dm-haiku 0.0.17).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, TypeAlias

from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer, WeightLayout
from .arguments import Pairs, Sizes, check_divides, compact, integer, per_axis
from .lax import pairs, slide_windows, sliding, space, stuffing, transpose_windows, word
from .refusal import Refusal, settle
from .spec import Filters, Source, Spec, argument, ranked
from .windows import Taps, Window, check_inverse, invert_same, invert_valid, same_sizes

Padding: TypeAlias = str | tuple[int, int] | Pairs
"""A word, one (low, high) pair for every axis, or a pair per axis."""

_FIRST = re.compile(r"channels_first|NC[^C]*")
_LAST = re.compile(r"channels_last|N[^C]*C|(BT|TB)[^D]*D")

_FUNCTIONS: dict[str, Callable[[int], tuple[int, int]]] = {
    "valid": lambda span: (0, 0),  # noqa: ARG005 - one signature for all
    "same": lambda span: ((span - 1) // 2, span // 2),
    "full": lambda span: (span - 1, span - 1),
    "causal": lambda span: (span - 1, 0),
    "reverse_causal": lambda span: (0, span - 1),
}
"""``haiku.pad``: (low, high) for a kernel's span"""


class _Haiku(Spec):
    """What all six layers share."""

    dialect = "haiku"
    rank: ClassVar[int]
    output_channels: int
    kernel_shape_: Sizes
    stride: Sizes
    with_bias: bool
    data_format: str

    def check(self) -> None:
        integer(self.output_channels, "output_channels", Reason.CHANNELS, least=0)
        self._per_axis("kernel_shape_", Reason.KERNEL)
        self._per_axis("stride", Reason.STRIDE)
        if not isinstance(self.data_format, str) or not (
            _FIRST.fullmatch(self.data_format) or _LAST.fullmatch(self.data_format)
        ):
            rule = "must say where the channels are"
            hint = "use 'channels_last', 'channels_first', or letters such as 'NHWC'"
            raise UnstrideError(Reason.DATA_FORMAT, rule, argument="data_format", value=self.data_format, hint=hint)

    def _per_axis(self, name: str, reason: Reason, least: int | None = 1) -> tuple[int, ...]:
        return per_axis(getattr(self, name), self.rank, argument(name), reason, least=least, broadcast_single=True)

    @property
    def bias_present(self) -> bool:
        return bool(self.with_bias)

    def data_layout(self, dimensions: int) -> DataLayout:
        if dimensions not in (self.rank + 1, self.rank + 2):
            rule = f"{self.call} takes {self.rank + 2} dimensions, or {self.rank + 1} without the batch"
            raise UnstrideError(Reason.RANK, rule, argument="input dimensions", value=dimensions)
        order = DataLayout.first if _FIRST.fullmatch(self.data_format) else DataLayout.last
        return order(self.rank, batched=dimensions == self.rank + 2)


class _Forward(_Haiku):
    """The rule of ``ConvND``: that of ``jax.lax.conv_general_dilated``."""

    transposed = False
    rate: Sizes
    padding: Source | Padding
    feature_group_count: int

    def check(self) -> None:
        super().check()
        self._per_axis("rate", Reason.DILATION)
        integer(self.feature_group_count, "feature_group_count", Reason.GROUPS, least=1)
        self._margins(self._taps())

    def _taps(self) -> tuple[Taps, ...]:
        kernel, strides = self._per_axis("kernel_shape_", Reason.KERNEL), self._per_axis("stride", Reason.STRIDE)
        return tuple(map(Taps, kernel, strides, self._per_axis("rate", Reason.DILATION)))

    def weight_layout(self, rank: int) -> WeightLayout:
        return WeightLayout.of("klS", rank)

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        del rank, kernel_shape
        for name, count in (("the input's channels", channels), ("output_channels", self.output_channels)):
            check_divides(self.feature_group_count, count, name, "feature_group_count")
        kernel = self._per_axis("kernel_shape_", Reason.KERNEL)
        return self.layer_filters(kernel, channels, self.output_channels, self.feature_group_count)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        del kernel
        taps = self._taps()
        return slide_windows(taps, size, self._margins(taps))

    def _margins(self, taps: tuple[Taps, ...]) -> str | Pairs:
        """The word in capitals, or a pair per axis."""
        padding = self.padding
        if isinstance(padding, str):
            return word(padding)
        if isinstance(padding, Source):
            functions = _functions(padding)
            if len(functions) not in (1, self.rank):
                rule = f"must be one function, or {self.rank} of them"
                raise UnstrideError(Reason.PADDING, rule, argument="padding", value=padding)
            named = functions * self.rank if len(functions) == 1 else functions
            return tuple(_FUNCTIONS[name](each.span) for name, each in zip(named, taps, strict=True))
        if isinstance(padding, tuple) and padding and isinstance(padding[0], int):
            return pairs((padding,) * self.rank, self.rank)
        if isinstance(padding, tuple) and len(padding) == 1:
            return pairs(padding * self.rank, self.rank)
        return pairs(padding, self.rank)


class _Transposed(_Haiku):
    """The rule of ``ConvNDTranspose``: that of ``jax.lax.conv_transpose``, or the inverse of a forward convolution."""

    transposed = True
    output_shape_: Sizes | None
    padding: str | Pairs

    def check(self) -> None:
        super().check()
        if self.output_shape_ is not None:
            self._per_axis("output_shape_", Reason.OUTPUT_SHAPE, least=None)
            if self.padding not in ("VALID", "SAME"):
                rule = "must be 'VALID' or 'SAME' where output_shape is given"
                raise UnstrideError(Reason.PADDING, rule, argument="padding", value=self.padding)
        elif not isinstance(self.padding, str):
            pairs(self.padding, self.rank)
        elif max(self._per_axis("stride", Reason.STRIDE)) == 1:
            word(self.padding)
        elif self.padding not in {"SAME", "VALID"}:
            rule = "must be 'SAME' or 'VALID' in capitals, or pairs, when a stride is above 1"
            raise UnstrideError(Reason.PADDING, rule, argument="padding", value=self.padding)

    def weight_layout(self, rank: int) -> WeightLayout:
        return WeightLayout.of("kLS", rank, flipped=True)

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        del rank, kernel_shape
        return self.layer_filters(self._per_axis("kernel_shape_", Reason.KERNEL), channels, self.output_channels)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        taps = tuple(map(Taps, kernel, self._per_axis("stride", Reason.STRIDE)))
        if self.output_shape_ is None:
            return transpose_windows(taps, size, self.padding)
        wanted = self._per_axis("output_shape_", Reason.OUTPUT_SHAPE, least=None)
        return tuple(map(self._sized, taps, size, wanted))

    def _sized(self, taps: Taps, small: int, large: int) -> Window:
        same = self.padding == "SAME"
        if small:
            return (invert_same if same else invert_valid)(taps, small, large)
        # for an empty input Haiku counts one stride too many, so that the output is longer than output_shape
        legal = same_sizes(taps, 0) if same else taps.sizes(0)
        check_inverse(taps, 0, large, legal, "output_shape", str(self.padding))
        before = max(taps.full(0) - large, 0) // 2 if same else 0
        low = taps.span - 1 - before
        return space(taps, 0, low, large + taps.span - 1 + taps.stride - 1 - low)


def _functions(source: Source) -> tuple[str, ...]:
    """The names of the ``haiku.pad`` functions in a piece of source: one, or a sequence."""
    try:
        node = ast.parse(source.text, mode="eval").body
    except SyntaxError:
        node = ast.Constant(None)
    entries = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
    names = tuple(ast.unparse(entry).rpartition(".")[2] for entry in entries)
    if not all(isinstance(entry, ast.Attribute) for entry in entries) or not set(names) <= set(_FUNCTIONS):
        rule = "must be a word, (low, high) pairs, or functions of haiku.pad"
        hint = "write the (low, high) pairs"
        raise UnstrideError(Reason.EXPRESSION, rule, argument="padding", value=source, hint=hint)
    return names


@dataclass(frozen=True)
class _Conv(_Forward):
    output_channels: int
    kernel_shape_: Sizes
    stride: Sizes = 1
    rate: Sizes = 1
    padding: Source | Padding = "SAME"
    with_bias: bool = True
    w_init: Source | None = None
    b_init: Source | None = None
    data_format: str = "channels_last"
    mask: Source | None = None
    feature_group_count: int = 1
    name: Source | str | None = None


@dataclass(frozen=True)
class _ConvTranspose(_Transposed):
    output_channels: int
    kernel_shape_: Sizes
    stride: Sizes = 1
    output_shape_: Sizes | None = None
    padding: str | Pairs = "SAME"
    with_bias: bool = True
    w_init: Source | None = None
    b_init: Source | None = None
    data_format: str = "channels_last"
    mask: Source | None = None
    name: Source | str | None = None


Conv1D, Conv2D, Conv3D = ranked(_Conv, "haiku.Conv{}D")
Conv1DTranspose, Conv2DTranspose, Conv3DTranspose = ranked(_ConvTranspose, "haiku.Conv{}DTranspose")

FORMS: tuple[type[Spec], ...] = (Conv1D, Conv2D, Conv3D, Conv1DTranspose, Conv2DTranspose, Conv3DTranspose)


LIMIT = "output_shape sets the size, but only SAME and VALID or pairs set what is cropped before"


def propose(layer: Layer, batch: int = 1) -> Iterator[Callable[[], Spec]]:
    """Words first, then the output's shape, then pairs."""
    del batch
    if layer.rank > 3:
        return
    kernel, strides = compact(layer.kernel), compact(layer.stride)
    shared: dict[str, Any] = {"stride": strides, "with_bias": layer.bias}
    form: Callable[..., Spec] = FORMS[layer.rank + (2 if layer.transposed else -1)]
    if not layer.transposed:
        shared |= {"rate": compact(layer.dilation), "feature_group_count": layer.groups}
        for padding in ("SAME", "VALID", "SAME_LOWER", tuple(map(sliding, layer.axes))):
            yield partial(form, layer.out_channels, kernel, padding=padding, **shared)
        return
    if layer.groups > 1 or any(axis.dilation > 1 for axis in layer.axes):
        return
    plain: Callable[..., Spec] = partial(form, layer.out_channels, kernel, **shared)
    for padding in ("SAME", "VALID"):
        yield partial(plain, padding=padding)
    for padding in ("SAME", "VALID"):
        yield partial(plain, padding=padding, output_shape=compact(layer.output_size))
    yield partial(plain, padding=tuple(map(stuffing, layer.axes)))


def write(layer: Layer, batch: int = 1) -> Spec | Refusal:
    """The layer in Haiku's words, or why not and what equals it."""
    return settle(layer, "haiku", propose, batch, limit=LIMIT)
