"""Named axis orders of data and weights, and the rearrangement from one to another.

Canonical data is ``(batch, channels, *spatial)``. Canonical weights are
``(small channels, large channels / groups, *taps)`` for both directions, which is PyTorch's order for its
convolution and its transposed convolution alike; taps are in the order of the relation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import Reason, UnstrideError
from .layer import Layer

_SPATIAL_LETTERS = {1: "W", 2: "HW", 3: "DHW"}


@dataclass(frozen=True, slots=True)
class Rearrangement:
    """Reshape, transpose, reshape, flip: what turns one layout into another without changing a value."""

    split: tuple[int, ...]
    permutation: tuple[int, ...]
    merged: tuple[int, ...]
    flips: tuple[int, ...] = ()
    """axes of the result that are reversed"""

    def apply(self, array: Any) -> Any:
        """The rearranged array; anything with ``reshape``, ``transpose`` and slicing will do."""
        moved = array.reshape(self.split).transpose(self.permutation).reshape(self.merged)
        if not self.flips:
            return moved
        return moved[tuple(slice(None, None, -1 if i in self.flips else None) for i in range(len(self.merged)))]

    def expression(self, name: str) -> str:
        """The rearrangement as NumPy source.

        >>> Rearrangement((3, 2), (1, 0), (2, 3), (1,)).expression("w")
        'w.transpose(1, 0)[:, ::-1]'
        """
        text = name
        moved = tuple(self.split[axis] for axis in self.permutation)
        if len(self.split) > len(self.merged) or (len(self.split) == len(self.merged) and moved != self.merged):
            text += f".reshape{self.split}"
        if self.permutation != tuple(range(len(self.split))):
            text += f".transpose{self.permutation}"
        if moved != self.merged:
            text += f".reshape{self.merged}"
        if self.flips:
            text += f"[{', '.join('::-1' if axis in self.flips else ':' for axis in range(len(self.merged)))}]"
        return text

    @property
    def trivial(self) -> bool:
        """Whether nothing moves."""
        return not self.flips and self.split == self.merged and self.permutation == tuple(range(len(self.split)))


@dataclass(frozen=True, slots=True)
class DataLayout:
    """Order of the axes of input and output: ``N``, ``C`` and a digit for each spatial axis.

    >>> DataLayout.named("NHWC").split((1, 96, 128, 3))
    (1, 3, (96, 128))
    """

    order: str

    @classmethod
    def named(cls, name: str) -> DataLayout:
        """From a framework's letters, such as ``NCHW``, ``NWC`` or ``CDHW``; spatial letters count in order."""
        spatial = [letter for letter in name if letter not in "NC"]
        return cls("".join(letter if letter in "NC" else str(spatial.index(letter)) for letter in name))

    @classmethod
    def first(cls, rank: int, *, batched: bool = True) -> DataLayout:
        """Channels before the spatial axes."""
        return cls(("NC" if batched else "C") + "".join(map(str, range(rank))))

    @classmethod
    def last(cls, rank: int, *, batched: bool = True) -> DataLayout:
        """Channels after the spatial axes."""
        return cls(("N" if batched else "") + "".join(map(str, range(rank))) + "C")

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return sum(token.isdigit() for token in self.order)

    @property
    def batched(self) -> bool:
        """Whether there is a batch axis."""
        return "N" in self.order

    @property
    def name(self) -> str:
        """The order in letters, such as ``NHWC``."""
        letters = _SPATIAL_LETTERS.get(self.rank, "".join(chr(ord("a") + i) for i in range(self.rank)))
        return "".join(letters[int(token)] if token.isdigit() else token for token in self.order)

    def split(self, shape: tuple[int, ...]) -> tuple[int, int, tuple[int, ...]]:
        """Batch, channels and spatial size of a shape in this layout; 1 where it has no batch or no channels."""
        if len(shape) != len(self.order):
            raise UnstrideError(
                Reason.RANK,
                f"needs {len(self.order)} dimensions, ordered {self.name}",
                argument="input_shape",
                value=shape,
            )
        size = dict(zip(self.order, shape, strict=True))
        return size.get("N", 1), size.get("C", 1), tuple(size[str(axis)] for axis in range(self.rank))

    def join(self, batch: int, channels: int, spatial: tuple[int, ...]) -> tuple[int, ...]:
        """The shape in this layout."""
        size = {"N": batch, "C": channels} | {str(axis): length for axis, length in enumerate(spatial)}
        return tuple(size[token] for token in self.order)

    def to(self, other: DataLayout, shape: tuple[int, ...]) -> Rearrangement:
        """What turns an array of ``shape`` in this layout into ``other``; the batch must be 1 to lose its axis."""
        batch, channels, spatial = self.split(shape)
        mine, theirs = self._completed(), other._completed()
        split = (1,) * (len(mine) - len(shape)) + shape
        permutation = tuple(mine.index(token) for token in theirs)
        return Rearrangement(split, permutation, other.join(batch, channels, spatial))

    def _completed(self) -> str:
        """The order, with the axes it leaves out in front."""
        return "".join(token for token in "NC" if token not in self.order) + self.order

    def to_canonical(self, shape: tuple[int, ...]) -> Rearrangement:
        """From an array of ``shape`` in this layout to ``(batch, channels, *spatial)``."""
        return self.to(DataLayout.first(self.rank), shape)

    def from_canonical(self, shape: tuple[int, ...]) -> Rearrangement:
        """From an array of canonical ``shape`` to this layout."""
        return DataLayout.first(self.rank).to(self, shape)


@dataclass(frozen=True, slots=True)
class WeightLayout:
    """Order of the axes of a kernel array, and whether its taps are stored reversed.

    ``S`` and ``L`` are all channels of the small and of the large side, ``s`` and ``l`` those of one group,
    ``g`` the groups, a digit one spatial axis.

    >>> WeightLayout.of("kLS", rank=2).shape_of(kernel=(3, 3), small=8, large=5)
    (3, 3, 5, 8)
    """

    order: str
    flipped: bool = False
    """True: tap 0 of the relation is the last element (a true convolution's kernel)"""

    @classmethod
    def of(cls, pattern: str, rank: int, *, flipped: bool = False) -> WeightLayout:
        """From a pattern in which ``k`` stands for all spatial axes in order."""
        return cls(pattern.replace("k", "".join(map(str, range(rank)))), flipped)

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return sum(token.isdigit() for token in self.order)

    @property
    def name(self) -> str:
        """The order in words, such as ``(H, W, large, small)``."""
        letters = _SPATIAL_LETTERS.get(self.rank, "".join(chr(ord("a") + i) for i in range(self.rank)))
        words = {"S": "small", "L": "large", "s": "small/groups", "l": "large/groups", "g": "groups"}
        shown = ", ".join(letters[int(token)] if token.isdigit() else words[token] for token in self.order)
        return f"({shown})" + (", taps reversed" if self.flipped else "")

    def shape_of(self, kernel: tuple[int, ...], small: int, large: int, groups: int = 1) -> tuple[int, ...]:
        """The kernel array's shape in this layout."""
        size = {"S": small, "L": large, "s": small // groups, "l": large // groups, "g": groups}
        size |= {str(axis): taps for axis, taps in enumerate(kernel)}
        return tuple(size[token] for token in self.order)

    def shape(self, layer: Layer) -> tuple[int, ...]:
        """The shape that ``layer``'s kernel array has in this layout."""
        return self.shape_of(layer.kernel, layer.small_channels, layer.large_channels, layer.groups)

    def split(self, shape: tuple[int, ...], groups: int = 1) -> tuple[tuple[int, ...], int, int]:
        """Taps, small channels and large channels (all groups together) of a kernel array's shape."""
        if len(shape) != len(self.order):
            raise UnstrideError(
                Reason.KERNEL, f"needs {len(self.order)} dimensions: {self.name}", argument="kernel_shape", value=shape
            )
        size = dict(zip(self.order, shape, strict=True))
        groups = size.get("g", groups)
        small = size["S"] if "S" in size else size["s"] * groups
        large = size["L"] if "L" in size else size["l"] * groups
        return tuple(size[str(axis)] for axis in range(self.rank)), small, large

    def to(self, other: WeightLayout, layer: Layer) -> Rearrangement:
        """What turns ``layer``'s weights in this layout into ``other``."""
        if layer.groups == 1 and "g" not in self.order + other.order:
            atoms, wanted = self.order.lower(), other.order.lower()
        else:
            atoms, wanted = self._atoms(), other._atoms()
        size = {"g": layer.groups, "s": layer.small_channels // layer.groups}
        size |= {"l": layer.large_channels // layer.groups}
        size |= {str(axis): taps for axis, taps in enumerate(layer.kernel)}
        flips = tuple(i for i, token in enumerate(other.order) if token.isdigit() and self.flipped != other.flipped)
        if atoms == wanted and self.shape(layer) == other.shape(layer):
            same = self.shape(layer)
            return Rearrangement(same, tuple(range(len(same))), same, flips)
        return Rearrangement(
            tuple(size[atom] for atom in atoms),
            tuple(atoms.index(atom) for atom in wanted),
            other.shape(layer),
            flips,
        )

    def _atoms(self) -> str:
        """The order with every merged axis taken apart, the group axis exactly once."""
        if "g" in self.order:
            return self.order.replace("S", "s").replace("L", "l")
        whole = "L" if "L" in self.order and "s" in self.order else "S" if "S" in self.order else "L"
        split = self.order.replace(whole, "g" + whole.lower(), 1)
        return split.replace("S", "s").replace("L", "l")


def canonical(rank: int) -> WeightLayout:
    """``(small channels, large channels / groups, *taps)``."""
    return WeightLayout.of("Slk", rank)
