"""One convolution or transposed convolution, free of any framework: the value everything else shares."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from ..errors import Reason, UnstrideError
from .axis import Axis

ELEMENT_LIMIT = 2**63 - 1
"""Most elements an array can have: what a signed 64-bit index can count."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Axes, channels, groups and direction, for one input size.

    The weights join ``small_channels`` to ``large_channels`` and are the same for both directions: a
    transposed convolution and its adjoint convolution differ in ``transposed`` only.

    >>> layer = Layer((Axis(2, 4, 3, stride=2),), small_channels=8, large_channels=5, transposed=True)
    >>> layer.input_size, layer.output_size, layer.out_channels
    ((2,), (4,), 5)
    """

    axes: tuple[Axis, ...]
    small_channels: int
    """channels on the small side, all groups together"""
    large_channels: int
    """channels on the large side, all groups together"""
    groups: int = 1
    transposed: bool = True
    """True: small side in, large side out"""
    bias: bool = False
    """whether one number per output channel is added"""

    def __post_init__(self) -> None:
        if not self.axes:
            raise UnstrideError(Reason.RANK, "a layer has at least one spatial axis", argument="axes", value=self.axes)
        if type(self.groups) is not int or self.groups < 1:
            raise UnstrideError(Reason.GROUPS, "must be a positive integer", argument="groups", value=self.groups)
        for name in ("small_channels", "large_channels"):
            value = getattr(self, name)
            if type(value) is not int or value < 0:
                raise UnstrideError(Reason.CHANNELS, "must be a non-negative integer", argument=name, value=value)
            if value % self.groups:
                raise UnstrideError(
                    Reason.GROUPS,
                    f"must divide the channels, but {value} is not a multiple of it",
                    argument="groups",
                    value=self.groups,
                    hint=f"use a divisor of {self.small_channels} and {self.large_channels}",
                )
        for channels, size in ((self.in_channels, self.input_size), (self.out_channels, self.output_size)):
            if channels * prod(size) > ELEMENT_LIMIT:
                raise UnstrideError(
                    Reason.TOO_LARGE,
                    "more elements than a 64-bit index can count",
                    argument="size",
                    value=(channels, *size),
                    hint="compute it in tiles, or check the sizes",
                )

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.axes)

    @property
    def in_channels(self) -> int:
        """Channels of the operation's input."""
        return self.small_channels if self.transposed else self.large_channels

    @property
    def out_channels(self) -> int:
        """Channels of the operation's output."""
        return self.large_channels if self.transposed else self.small_channels

    @property
    def input_size(self) -> tuple[int, ...]:
        """Spatial size of the operation's input."""
        return tuple(axis.small if self.transposed else axis.large for axis in self.axes)

    @property
    def output_size(self) -> tuple[int, ...]:
        """Spatial size of the operation's output."""
        return tuple(axis.large if self.transposed else axis.small for axis in self.axes)

    @property
    def kernel(self) -> tuple[int, ...]:
        """Taps per axis."""
        return tuple(axis.kernel for axis in self.axes)

    @property
    def stride(self) -> tuple[int, ...]:
        """Stride per axis."""
        return tuple(axis.stride for axis in self.axes)

    @property
    def dilation(self) -> tuple[int, ...]:
        """Dilation per axis."""
        return tuple(axis.dilation for axis in self.axes)

    @property
    def before(self) -> tuple[int, ...]:
        """Elements of the full extent before large index 0, per axis; may be negative."""
        return tuple(axis.before for axis in self.axes)

    @property
    def after(self) -> tuple[int, ...]:
        """Elements of the full extent behind the large side, per axis; may be negative."""
        return tuple(axis.after for axis in self.axes)

    @property
    def adjoint(self) -> Layer:
        """The same relation read the other way: the gradient with respect to the input, without bias."""
        return replace(self, transposed=not self.transposed, bias=False)
