"""What a difference is, and when two arrays count as equal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Kind(StrEnum):
    """What sort of difference it is; the value is stable and is what JSON holds."""

    SHAPE = "shape"
    """other sizes, channels or dimensions"""
    SHIFT = "shift"
    """the same numbers at other places"""
    FLIP = "flip"
    """an axis reversed"""
    AXES = "axes"
    """spatial axes exchanged"""
    INPUT_CHANNELS = "input-channels"
    """input channels in another order"""
    OUTPUT_CHANNELS = "output-channels"
    """output channels in another order"""
    SWAPPED_CHANNELS = "swapped-channels"
    """input and output channels of the kernel exchanged"""
    GROUPS = "groups"
    """groups in another order"""
    BIAS = "bias"
    """a constant per channel missing, permuted or added"""
    MARGIN = "margin"
    """elements at an edge that no product reaches"""
    SCALE = "scale"
    """one factor throughout"""
    STRIDE = "stride"
    """another stride"""
    DILATION = "dilation"
    """the same taps at other distances"""
    ORDER = "order"
    """the kernel's numbers in another order that has no simple name"""
    RANGE = "range"
    """equal on small integers, not on larger numbers or on fractions: clipped, rounded, a threshold"""
    VALUES = "values"
    """numbers that differ, with no simpler explanation"""
    FAILURE = "failure"
    """one of the two raises where the other answers"""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that tells the two apart."""

    kind: Kind
    words: str

    def __str__(self) -> str:
        return self.words

    def as_json(self) -> dict[str, str]:
        """The difference as JSON values."""
        return {"kind": self.kind.value, "words": self.words}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two outputs ``(images, channels, *spatial)``, what they are called, and how near counts as equal."""

    a: Array
    b: Array
    names: tuple[str, str] = ("a", "b")
    within: float = 0.0
    """the largest difference that counts as none; 0 where integers are exact"""
    bias: Array | None = None
    """what an element holds that no product reaches, per channel, where it is known"""

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return self.a.ndim - 2

    def near(self, a: Array, b: Array) -> bool:
        """Whether two arrays of one shape are equal throughout."""
        return bool(unequal(a, b, self.within).sum() == 0)


def unequal(a: Array, b: Array, within: float = 0.0) -> Array:
    """Where two arrays of one shape differ; a number that is not one equals another such."""
    with np.errstate(invalid="ignore"):
        different: Array = np.abs(a - b) > within if within else a != b
    unclear = np.isnan(a) | np.isnan(b)
    if unclear.any():
        different = np.where(unclear, np.isnan(a) != np.isnan(b), different)
    return different


def matched(a: Array, b: Array, within: float) -> tuple[int, ...] | None:
    """For each row of ``b`` the equal row of ``a``, all different, itself where it can be; None where there is none."""
    order: list[int] = []
    free = set(range(len(a)))
    fixed = [not unequal(a[i], b[i], within).any() for i in range(len(b))]
    free -= {i for i, stays in enumerate(fixed) if stays}
    for i, row in enumerate(b):
        if fixed[i]:
            order.append(i)
            continue
        for candidate in sorted(free):
            if abs(a[candidate][-1] - row[-1]) <= within and not unequal(a[candidate], row, within).any():
                order.append(candidate)
                free.remove(candidate)
                break
        else:
            return None
    return tuple(order)
