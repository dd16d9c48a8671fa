"""What every call needs besides its arrays: the relation of each axis, the axis orders, the types."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from jax import lax

from ...geometry import Axis

Spec: TypeAlias = tuple[int, ...]
"""positions of batch and channels (of the kernel: output and input channels), then of the spatial axes"""


@dataclass(frozen=True)
class Core:
    """The part of the large side that stamps reach."""

    first: int
    axis: Axis
    """the relation of that part alone; neither crop nor pad is negative"""


@dataclass(frozen=True)
class Form:
    """A grouped transposed convolution ``x, kernel → y``, and its adjoints ``y, kernel → x`` and ``x, y → kernel``."""

    axes: tuple[Axis, ...]
    lhs: Spec
    rhs: Spec
    out: Spec
    groups: int = 1
    precision: Any = None
    preferred: Any = None
    """the output's type, where it is not the arrays' own"""

    @property
    def numbers(self) -> lax.ConvDimensionNumbers:
        """The axis orders as ``lax`` takes them."""
        return lax.ConvDimensionNumbers(self.lhs, self.rhs, self.out)

    @cached_property
    def cores(self) -> tuple[Core | None, ...]:
        """The reached part of each axis; None where there is none."""
        return tuple(map(_core, self.axes))

    @property
    def reached(self) -> bool:
        """Whether any stamp reaches the large side."""
        return None not in self.cores

    def result(self, dtype: Any) -> Any:
        """The type of ``y`` for arrays of this type."""
        return dtype if self.preferred is None else self.preferred

    def small_shape(self, batch: int, channels: int) -> tuple[int, ...]:
        """The shape of ``x``."""
        return _placed(self.lhs, (batch, channels, *(axis.small for axis in self.axes)))

    def large_shape(self, batch: int, channels: int) -> tuple[int, ...]:
        """The shape of ``y``."""
        return _placed(self.out, (batch, channels, *(axis.large for axis in self.axes)))

    def kernel_shape(self, made: int, taken: int) -> tuple[int, ...]:
        """The shape of the kernel: output channels of all groups, input channels of one."""
        return _placed(self.rhs, (made, taken, *(axis.kernel for axis in self.axes)))


def _core(axis: Axis) -> Core | None:
    first, stop = max(0, -axis.before), min(axis.large, axis.full - axis.before)
    if axis.small == 0 or stop <= first:
        return None
    return Core(first, Axis(axis.small, stop - first, axis.kernel, axis.stride, axis.dilation, axis.before + first))


def _placed(spec: Spec, lengths: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(lengths[spec.index(place)] for place in range(len(spec)))
