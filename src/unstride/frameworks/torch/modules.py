"""``torch.nn``'s transposed convolutions, drop-in, with the output that people ask for: by size, by word, by pairs.

State dicts are PyTorch's. What PyTorch's own modules take means the same here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from . import functional, operator, stock
from .relation import Ints, Relation, fulls, per_axis, spans

Crop = Ints | str | Sequence[tuple[int, int]]
"""elements dropped from both sides; ``same``, ``full``; or (before, after) of each axis"""


class _ConvTranspose(torch.nn.modules.conv._ConvTransposeNd):  # type: ignore[misc]  # noqa: SLF001 - the base of PyTorch's own  # torch is not typed here
    """What the three ranks share.

    ``padding`` may be ``"same"`` (output = input · stride, the odd element cropped behind, as Keras and TensorFlow do),
    ``"full"`` (nothing is cropped), or a pair (before, after) for each axis, besides PyTorch's integers.
    ``output_padding`` may be any number of elements: those that no stamp reaches hold the bias.
    """

    rank: ClassVar[int]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Crop = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Ints = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        taps, steps, extra, spread = (
            _axes(value, self.rank, name)
            for name, value in (
                ("kernel_size", kernel_size),
                ("stride", stride),
                ("output_padding", output_padding),
                ("dilation", dilation),
            )
        )
        plain = None if isinstance(padding, str) else per_axis(padding, self.rank)
        crop = tuple(plain) if plain is not None else (0,) * self.rank
        super().__init__(
            in_channels,
            out_channels,
            taps,
            steps,
            crop,
            spread,
            True,  # noqa: FBT003 - transposed, by position as the base takes it
            extra,
            groups,
            bias,
            padding_mode,
            device=device,
            dtype=dtype,
        )
        self.crop = _crop(padding, self.rank) if plain is None else None

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None, like: Tensor | None = None) -> Tensor:
        """The output; of the size ``output_size`` (spatial, or whole), or of ``like``'s spatial size."""
        batched = input.ndim == self.rank + 2
        if not batched:
            return self.forward(input.unsqueeze(0), _spatial(output_size, self.rank), like=like).squeeze(0)
        found = self.relation(input, _wanted(output_size, like, self.rank))
        if not functional.eligible(input, self.weight, self.bias):
            return stock.run(input, self.weight, self.bias, found)
        return operator.applied(input, self.weight, self.bias, *found)

    def relation(self, input: Tensor, wanted: list[int] | None) -> Relation:
        """Where the output's window lies; ValueError where no window of this layer has the wanted size."""
        if input.ndim != self.rank + 2 or input.shape[1] != self.in_channels:
            rule = f"expects (batch, {self.in_channels} channels, {self.rank} spatial axes)"
            raise ValueError(f"{type(self).__name__} {rule}, given {tuple(input.shape)}")
        full = fulls(input.shape[2:], self.stride, spans(self.kernel_size, self.dilation))
        least, most, size = self._sizes(input, full)
        if wanted is not None:
            size = _checked(wanted, least, most)
        if min(size) < 1:
            raise ValueError(f"{type(self).__name__} crops everything: the output would have the size {tuple(size)}")
        before = self._before(full, size)
        return Relation(list(self.stride), list(self.dilation), before, size, self.groups, transposed=True)

    def _sizes(self, input: Tensor, full: list[int]) -> tuple[list[int], list[int], list[int]]:
        """The least and the largest size that may be asked for, and the usual one.

        They are those that a convolution of the same stride maps back to the input's; of ``same`` also those that a
        pooling without margins does: all less than a stride from input · stride.
        """
        if self.crop == "same":
            given = list(zip(input.shape[2:], self.stride, self.output_padding, strict=True))
            least = [(n - 1) * s + 1 for n, s, _ in given]
            return least, [(n + 1) * s - 1 for n, s, _ in given], [n * s + extra for n, s, extra in given]
        pairs = [(p, p) for p in self.padding] if self.crop is None else self.crop
        least = [f - ahead - behind for f, (ahead, behind) in zip(full, pairs, strict=True)]
        most = [n + step - 1 for n, step in zip(least, self.stride, strict=True)]
        return least, most, [n + extra for n, extra in zip(least, self.output_padding, strict=True)]

    def _before(self, full: list[int], size: list[int]) -> list[int]:
        """Elements cropped before; of ``same`` half of what is too many, the odd one behind."""
        if self.crop == "same":
            lengths = zip(full, size, self.output_padding, strict=True)
            return [max(f - n + extra, 0) // 2 for f, n, extra in lengths]
        return list(self.padding) if self.crop is None else [ahead for ahead, _ in self.crop]

    def extra_repr(self) -> str:
        text = str(super().extra_repr())
        return text if self.crop is None else f"{text}, padding={self.crop!r}"


def _checked(wanted: list[int], least: list[int], most: list[int]) -> list[int]:
    """The wanted size; ValueError where the input and the layer cannot have it."""
    if any(not low <= length <= high for length, low, high in zip(wanted, least, most, strict=True)):
        sizes = " × ".join(f"{low}…{high}" for low, high in zip(least, most, strict=True))
        rule = f"this input and this layer can have the sizes {sizes}, not {tuple(wanted)}"
        raise ValueError(f"output_size: {rule}")
    return wanted


def _axes(value: Any, rank: int, name: str) -> tuple[int, ...]:
    found = per_axis(value, rank)
    if found is None:
        raise ValueError(f"{name} must be an integer or {rank} integers, given {value!r}")
    return tuple(found)


def _crop(padding: Any, rank: int) -> Any:
    """``same``, or pairs; ValueError for anything else."""
    if padding == "full":
        return ((0, 0),) * rank
    if padding == "same":
        return "same"
    pairs = tuple(tuple(pair) for pair in padding) if isinstance(padding, Sequence) else ()
    if len(pairs) == rank and all(len(pair) == 2 and all(isinstance(n, int) for n in pair) for pair in pairs):
        return pairs
    rule = f"an integer, {rank} integers, 'same', 'full', or {rank} pairs (before, after)"
    raise ValueError(f"padding must be {rule}, given {padding!r}")


def _wanted(output_size: Sequence[int] | None, like: Tensor | None, rank: int) -> list[int] | None:
    if output_size is not None and like is not None:
        raise ValueError("output_size and like both say how large the output is: give one of them")
    if like is not None:
        return [int(n) if isinstance(n, int) else n for n in like.shape[-rank:]]
    return _spatial(output_size, rank)


def _spatial(output_size: Sequence[int] | None, rank: int) -> list[int] | None:
    """The spatial part of a size that may be whole."""
    return None if output_size is None else list(output_size)[-rank:]


class ConvTranspose1d(_ConvTranspose):
    """``torch.nn.ConvTranspose1d``, with every window; input ``(N, C, W)`` or ``(C, W)``."""

    rank = 1


class ConvTranspose2d(_ConvTranspose):
    """``torch.nn.ConvTranspose2d``, with every window; input ``(N, C, H, W)`` or ``(C, H, W)``."""

    rank = 2


class ConvTranspose3d(_ConvTranspose):
    """``torch.nn.ConvTranspose3d``, with every window; input ``(N, C, D, H, W)`` or ``(C, D, H, W)``."""

    rank = 3
