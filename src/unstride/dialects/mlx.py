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
from .arguments import Sizes, compact, integer, per_axis
from .lax import strides_apart
from .refusal import Refusal, settle
from .spec import Filters, Source, Spec, ranked
from .windows import Taps, Window, crop, pad_truncated, signed

Sides: TypeAlias = Sizes | tuple[tuple[int, ...], tuple[int, ...]]
"""One integer, one per axis, or the low sides of all axes and then the high ones."""


class _Mlx(Spec):
    """What all MLX convolutions share."""

    dialect = "mlx"

    def data_layout(self, dimensions: int) -> DataLayout:
        ranks = self._ranks()
        if dimensions - 2 not in ranks:
            names = " or ".join(DataLayout.last(rank).name for rank in ranks)
            rule = f"{self.call} takes a batch, {' or '.join(map(str, ranks))} spatial axes and channels: {names}"
            raise UnstrideError(Reason.RANK, rule, argument="input dimensions", value=dimensions)
        return DataLayout.last(dimensions - 2)

    def _ranks(self) -> range:
        return range(1, 4)

    def weight_layout(self, rank: int) -> WeightLayout:
        return WeightLayout.of("Lks" if self.transposed else "Skl", rank)

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        del input_shape
        if 0 in shape[1:-1]:
            rule = "MLX needs at least one output element on every spatial axis"
            raise UnstrideError(Reason.SIZE, rule, argument="output_shape", value=shape)


class _Ranked(_Mlx):
    """A form of one rank: its arguments are known to be right before the input is."""

    rank: ClassVar[int]
    stride: Sizes
    padding: Sizes
    dilation: Sizes

    def check(self) -> None:
        for name, reason, least in self._sized():
            self._sizes(name, reason, least)
        groups = integer(self.channel_groups, "groups", Reason.GROUPS, least=1)
        check_groups(groups, self.rank)

    def _sized(self) -> tuple[tuple[str, Reason, int | None], ...]:
        """The arguments with one integer per axis, and their least values."""
        return (("stride", Reason.STRIDE, 1), ("padding", Reason.PADDING, None), ("dilation", Reason.DILATION, 1))

    def _sizes(self, name: str, reason: Reason, least: int | None) -> tuple[int, ...]:
        value = getattr(self, name)
        if self.rank == 1:
            return (integer(value, name, reason, least=least),)
        return per_axis(value, self.rank, name, reason, least=least)

    @property
    def channel_groups(self) -> int:
        """The groups; 1 for the forms without such an argument."""
        return getattr(self, "groups", 1)

    def _ranks(self) -> range:
        return range(self.rank, self.rank + 1)

    def _taps(self, kernel: tuple[int, ...]) -> tuple[Taps, ...]:
        strides, dilations = (self._sizes(*sized) for sized in self._sized() if sized[0] != "padding")
        return tuple(map(Taps, kernel, strides, dilations))


class _Forward(_Ranked):
    """The rule of ``conv``: pad both sides, or drop elements where the padding is negative."""

    transposed = False

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        pads = self._sizes("padding", Reason.PADDING, None)
        return tuple(slide(*each, margin, margin) for *each, margin in zip(self._taps(kernel), size, pads, strict=True))
