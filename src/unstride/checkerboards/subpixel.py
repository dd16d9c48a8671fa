"""The sub-pixel form: a transposed convolution as a stride-1 convolution, a shuffle of channels into space, a crop.

With ``large + before = stride·block + remainder``, output index ``large`` of phase ``remainder`` sums

    x[block − offset]·w[tap]        offset = (dilation·tap − remainder) / stride,

so each phase is a stride-free convolution over small indices, its taps at whole offsets. Padded with zeros to one
window of offsets, the phases become ``∏ stride`` times as many output channels of a single convolution; shuffling
them into space puts block and remainder together again, and a crop of less than a stride at either end leaves the
large side. Any ``before`` and ``after`` will do, negative ones too: the blocks are those that the large side touches.
The other way round, tap ``stride·offset + remainder`` of the transposed convolution is what the convolution holds.

Source: Shi et al., "Is the deconvolution layer the same as a convolutional layer?", 2016.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import gcd, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dialects.arguments import Pairs
from ..errors import Reason, UnstrideError
from ..geometry import Axis, DataLayout, Layer, Rearrangement

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class SubPixelForm:
    """What equals a transposed convolution: ``convolution``, then a shuffle by ``stride``, then ``crop``."""

    convolution: Layer
    """stride 1; makes ``∏ stride`` channels for every channel of the result"""
    stride: tuple[int, ...]
    """elements that one block of channels becomes, per axis"""
    crop: Pairs
    """elements dropped after the shuffle, (before, after) per axis"""

    def __post_init__(self) -> None:
        layer, phases = self.convolution, prod(self.stride)
        if layer.transposed or max(layer.stride) > 1:
            rule = "a sub-pixel form begins with a convolution of stride 1"
            raise UnstrideError(Reason.STRIDE, rule, argument="convolution", value=layer)
        if layer.small_channels % (phases * layer.groups):
            rule = f"must be a multiple of the {phases} shuffled channels in each group"
            raise UnstrideError(Reason.CHANNELS, rule, argument="small_channels", value=layer.small_channels)
        if any(sum(crop) > size for crop, size in zip(self.crop, self._shuffled, strict=True)):
            rule = f"drops more than there is after the shuffle, {self._shuffled}"
            raise UnstrideError(Reason.PADDING, rule, argument="crop", value=self.crop)

    @property
    def _shuffled(self) -> tuple[int, ...]:
        return tuple(size * step for size, step in zip(self.convolution.output_size, self.stride, strict=True))

    @property
    def phases(self) -> int:
        """Channels that are shuffled into one."""
        return prod(self.stride)

    @property
    def channels(self) -> int:
        """Channels of the result."""
        return self.convolution.small_channels // self.phases

    def shuffle(self, layout: DataLayout, batch: int, *, phases_first: bool) -> Rearrangement:
        """The shuffle of the convolution's output in ``layout``; spatial remainders count in order, the last fastest.

        ``phases_first``: channel ``phase·channels + channel`` (depth-to-space), otherwise ``channel·phases + phase``
        (pixel shuffle).
        """
        block = tuple(f"r{axis}" for axis in range(len(self.stride)))
        sizes = {"N": batch, "C": self.channels} | dict(zip(block, self.stride, strict=True))
        sizes |= {str(axis): size for axis, size in enumerate(self.convolution.output_size)}
        apart = {"C": (*block, "C") if phases_first else ("C", *block)}
        together = {str(axis): (str(axis), remainder) for axis, remainder in enumerate(block)}
        before = [part for letter in layout.order for part in apart.get(letter, (letter,))]
        after = [part for letter in layout.order for part in together.get(letter, (letter,))]
        return Rearrangement(
            tuple(sizes[part] for part in before),
            tuple(before.index(part) for part in after),
            layout.join(batch, self.channels, self._shuffled),
        )


def split_phases(layer: Layer) -> SubPixelForm:
    """The sub-pixel form of a transposed convolution.

    Raises UnstrideError for a convolution: its phases lie on its input.

    >>> form = split_phases(Layer((Axis(4, 8, kernel=4, stride=2, before=1),), 1, 1))
    >>> form.convolution.axes, form.crop
    ((Axis(small=5, large=4, kernel=2, stride=1, dilation=1, before=1),), ((1, 1),))
    """
    if not layer.transposed:
        rule = "only a transposed convolution has a sub-pixel form: a convolution's phases lie on its input"
        hint = "turn space into channels before it, the adjoint of this"
        raise UnstrideError(Reason.UNSUPPORTED, rule, argument="layer", value="convolution", hint=hint)
    parts = [_blocks(axis) for axis in layer.axes]
    axes = tuple(axis for axis, _ in parts)
    made = layer.large_channels * prod(layer.stride)
    convolution = Layer(axes, made, layer.small_channels, layer.groups, transposed=False, bias=layer.bias)
    return SubPixelForm(convolution, layer.stride, tuple(crop for _, crop in parts))


def _blocks(axis: Axis) -> tuple[Axis, tuple[int, int]]:
    """The convolution over the blocks that the large side touches, and what is cropped of them."""
    first = axis.before // axis.stride
    count = -(-(axis.before + axis.large) // axis.stride) - first
    spread, kernel = _window(axis)
    # as a correlation, tap 0 is the largest offset: x index = block − spread·(kernel − 1) + spread·tap
    convolution = Axis(count, axis.small, kernel, dilation=spread, before=spread * (kernel - 1) - first)
    ahead = axis.before - first * axis.stride
    return convolution, (ahead, count * axis.stride - ahead - axis.large)


def _offset(axis: Axis, tap: int) -> tuple[int, int]:
    """Offset and remainder of one tap."""
    return divmod(axis.dilation * tap, axis.stride)


def _window(axis: Axis) -> tuple[int, int]:
    """The dilation that all offsets share, and how many offsets the window then has."""
    offsets = [_offset(axis, tap)[0] for tap in range(axis.kernel)]
    spread = gcd(*offsets) or 1
    return spread, offsets[-1] // spread + 1


def split_weights(layer: Layer, weights: Array, *, phases_first: bool = False) -> Array:
    """The weights ``(small channels, large channels / groups, *taps)`` as those of the form's convolution.

    ``(made channels, small channels / groups, *window)``, the made channels in the order of ``shuffle``.
    """
    form = split_phases(layer)
    groups, wide, deep = layer.groups, layer.large_channels // layer.groups, layer.small_channels // layer.groups
    window = form.convolution.kernel
    split = np.zeros((groups, wide, *layer.stride, deep, *window), weights.dtype)
    grouped = weights.reshape(groups, deep, wide, *layer.kernel).swapaxes(1, 2)
    for tap, remainder, place in _places(layer, form):
        into: Any = (slice(None), slice(None), *remainder, slice(None), *place)
        taken: Any = (..., *tap)
        split[into] = grouped[taken]
    joined = split.reshape(groups, wide, form.phases, deep, *window)
    if phases_first:
        _check_order(layer.groups)
        joined = joined.swapaxes(1, 2)
    return joined.reshape(form.convolution.small_channels, deep, *window)


def split_bias(layer: Layer, bias: Array, *, phases_first: bool = False) -> Array:
    """The bias as the convolution's: every channel's once for each phase."""
    phases = prod(layer.stride)
    return np.tile(bias, phases) if phases_first else np.repeat(bias, phases)


def join_phases(form: SubPixelForm) -> Layer:
    """The transposed convolution that a sub-pixel form equals; its kernel is a multiple of the stride.

    >>> layer = Layer((Axis(4, 8, kernel=3, stride=2, before=1),), 1, 1)
    >>> join_phases(split_phases(layer)).axes
    (Axis(small=4, large=8, kernel=4, stride=2, dilation=1, before=1),)
    """
    joined = zip(form.convolution.axes, form.stride, form.crop, strict=True)
    axes = tuple(_joined(axis, stride, crop) for axis, stride, crop in joined)
    source = form.convolution
    return Layer(axes, source.large_channels, form.channels, source.groups, transposed=True, bias=source.bias)


def _joined(axis: Axis, stride: int, crop: tuple[int, int]) -> Axis:
    first = axis.span - 1 - axis.before
    large = axis.small * stride - sum(crop)
    return Axis(axis.large, large, axis.span * stride, stride, before=first * stride + crop[0])


def join_weights(form: SubPixelForm, weights: Array, *, phases_first: bool = False) -> Array:
    """The convolution's weights as those of the transposed convolution of ``join_phases``."""
    layer, source = join_phases(form), form.convolution
    groups, wide, deep = layer.groups, layer.large_channels // layer.groups, layer.small_channels // layer.groups
    if phases_first:
        _check_order(groups)
        shape = (form.phases, wide, deep, *source.kernel)
        weights = weights.reshape(shape).swapaxes(0, 1)
    split = weights.reshape(groups, wide, *form.stride, deep, *source.kernel)
    joined = np.zeros((groups, deep, wide, *layer.kernel), weights.dtype)
    for place in np.ndindex(*source.kernel):
        offsets = [(size - 1 - at) * d for size, at, d in zip(source.kernel, place, source.dilation, strict=True)]
        for remainder in np.ndindex(*form.stride):
            tap = tuple(s * offset + r for s, offset, r in zip(form.stride, offsets, remainder, strict=True))
            taken: Any = (slice(None), slice(None), *remainder, slice(None), *place)
            into: Any = (..., *tap)
            joined[into] = split[taken].swapaxes(1, 2)
    return joined.reshape(layer.small_channels, wide, *layer.kernel)


def _places(layer: Layer, form: SubPixelForm) -> Iterator[tuple[tuple[int, ...], ...]]:
    """For every tap: its index, its phase's remainder, and its place in the convolution's window."""
    per_axis = []
    for axis, window in zip(layer.axes, form.convolution.axes, strict=True):
        met = ((tap, *_offset(axis, tap)) for tap in range(axis.kernel))
        per_axis.append([(tap, rest, window.kernel - 1 - offset // window.dilation) for tap, offset, rest in met])
    for chosen in product(*per_axis):
        tap, remainder, place = zip(*chosen, strict=True)
        yield tap, remainder, place


def _check_order(groups: int) -> None:
    if groups > 1:
        rule = "with groups, a group's channels are neighbours: phases cannot come first"
        raise UnstrideError(Reason.GROUPS, rule, argument="groups", value=groups)
