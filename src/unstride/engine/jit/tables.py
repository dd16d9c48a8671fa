"""Where a layer's work lies, as tables of integers that compiled code walks: chunks, parts, runs.

The outputs are cut into *chunks* whose inputs stay in cache. A chunk's *parts* are its boxes: output positions
that all meet the same taps. A part's taps are a list of *runs*: products over consecutive elements of one input
row, one contiguous piece of packed weights each. Offsets are in bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product
from math import prod

from ...geometry import Axis, Layer
from ..boxes import Box, Strip, by_output, families

CACHED = 192 * 1024
"""bytes of input that a chunk may span: half of a common second-level cache"""
AGAIN = 2
"""times that inputs are packed, in the mean, beyond which chunks are made larger"""
LARGEST = 2**24
"""bytes of input that they may then span, within a large third-level cache"""
LEAST_TASKS = 4
"""tasks that are to be left: fewer cannot be shared"""
LEAST = 16 * 1024
"""bytes of input below which a chunk is not worth a task of its own"""
AXES = 3
"""spatial axes that compiled code loops over; layers of lower rank have leading axes of one position"""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some images' outputs in one block: single indices on the axes before ``axis``, a range there, all behind."""

    images: range
    outputs: tuple[range, ...]
    inputs: tuple[range, ...]
    """the input window, whole on the axes behind the one that is cut"""
    cut: int
    """the axis of the range; before it there are single outputs"""

    @property
    def positions(self) -> int:
        """Output positions of one image."""
        return prod(map(len, self.outputs))


@dataclass(frozen=True, slots=True)
class Strides:
    """Bytes between neighbours: images, then each spatial axis."""

    image: int
    axes: tuple[int, ...]

    @classmethod
    def packed(cls, size: tuple[int, ...], position: int) -> Strides:
        """Of contiguous positions of ``position`` bytes each."""
        return cls(prod(size) * position, tuple(prod(size[axis + 1 :]) * position for axis in range(len(size))))

    def at(self, image: int, index: tuple[int, ...]) -> int:
        """Bytes before a position."""
        return image * self.image + sum(step * at for step, at in zip(self.axes, index, strict=True))


def chunks(
    layer: Layer, batch: int, position: int, wanted: int = 1, most: int = CACHED, tile: int = 1
) -> Iterator[Chunk]:
    """The outputs in pieces whose input windows, ``position`` bytes for each position, stay within ``most``.

    There are about ``wanted`` of them, or more, as long as none gets much smaller than ``LEAST``. Where an image is
    cut, each has up to ``tile`` outputs of a phase one behind the other: what differs from them at the borders of the
    axes behind fills a tile, too.
    """
    image = prod(layer.input_size) * position
    limit = min(most, max(LEAST, image * batch // wanted))
    if image <= limit:
        images = max(1, limit // max(1, image))
        whole_in, whole_out = (tuple(map(range, size)) for size in (layer.input_size, layer.output_size))
        for first in range(0, batch, images):
            yield Chunk(range(first, min(batch, first + images)), whole_out, whole_in, 0)
        return
    size = layer.input_size
    fits = (axis for axis in range(layer.rank - 1) if prod(size[axis + 1 :]) * position <= limit)
    cut = next(fits, layer.rank - 1)
    blocks = list(_blocks(layer, position, cut, limit, tile))
    for index in range(batch):
        for outputs, inputs in blocks:
            yield Chunk(range(index, index + 1), outputs, inputs, cut)


def to_pack(layer: Layer, batch: int, position: int, wanted: int, most: int, tile: int, units: int) -> list[Chunk]:
    """Likewise, larger where windows would otherwise be packed again and again; each is for so many ``units``."""
    found = list(chunks(layer, batch, position, wanted, most, tile))
    while packed(found) > AGAIN * batch * prod(layer.input_size) and most < LARGEST:
        most, wanted = 2 * most, max(1, wanted // 2)
        larger = list(chunks(layer, batch, position, wanted, most, tile))
        if len(larger) * units < LEAST_TASKS:
            break
        found = larger
    return found


def packed(pieces: Iterable[Chunk]) -> int:
    """Input positions that are packed, where they are for each chunk."""
    return sum(len(piece.images) * prod(map(len, piece.inputs)) for piece in pieces)


def _blocks(
    layer: Layer, position: int, cut: int, limit: int, tile: int
) -> Iterator[tuple[tuple[range, ...], tuple[range, ...]]]:
    """One image's outputs in blocks, with their input windows."""
    size = layer.input_size
    row = prod(size[cut + 1 :]) * position
    rest_out, rest_in = (tuple(map(range, s[cut + 1 :])) for s in (layer.output_size, size))
    lines = list(_lines(layer.axes[cut], layer.transposed, max(1, limit // row), tile))
    for index in product(*(map(_single, axis_range) for axis_range in map(range, layer.output_size[:cut]))):
        window = tuple(_window(axis, layer.transposed, at) for axis, at in zip(layer.axes, index, strict=False))
        for outputs, inputs in lines:
            yield (*index, outputs, *rest_out), (*window, inputs, *rest_in)


def _single(index: int) -> range:
    return range(index, index + 1)


def _lines(axis: Axis, transposed: bool, limit: int, tile: int) -> Iterator[tuple[range, range]]:
    """The outputs of one axis in ranges whose windows hold about ``limit`` inputs, or with ``tile`` outputs a phase."""
    outputs, phases = (axis.large, axis.stride) if transposed else (axis.small, 1)
    halo = len(_window(axis, transposed, range(outputs // 2, outputs // 2 + 1)))
    step = max(1, limit - halo + 1)
    least = min(tile, max(2, outputs // phases // LEAST_TASKS)) * phases
    reach = max(least, step * axis.stride if transposed else step // axis.stride)
    count = max(1, min(-(-outputs // reach), outputs // least))
    for number in range(count):
        block = range(number * outputs // count, (number + 1) * outputs // count)
        yield block, _window(axis, transposed, block)


def _window(axis: Axis, transposed: bool, outputs: range) -> range:
    """The least range of inputs that a range of outputs needs."""
    if transposed:
        return axis.small_window(outputs.start, outputs.stop)
    first = axis.stride * outputs.start - axis.before
    last = axis.stride * (outputs.stop - 1) + axis.dilation * (axis.kernel - 1) - axis.before
    return range(min(max(first, 0), axis.large), max(min(max(first, 0), axis.large), min(last + 1, axis.large)))


def clipped(strip: Strip, outputs: range) -> Strip | None:
    """The strip's part within a range of outputs."""
    own = strip.output
    begin = max(0, -(-(outputs.start - own.start) // own.step))
    end = min(len(own), -(-(outputs.stop - own.start) // own.step))
    if begin >= end:
        return None
    kept = own[begin:end]
    return Strip(kept, strip.family, strip.at, strip.taps, strip.first + strip.along * begin, strip.along, strip.across)


@dataclass(frozen=True)
class Weights:
    """How weights are packed: for each block of columns, each family's taps, each tap's channels, the columns."""

    layer: Layer

    @cached_property
    def families(self) -> tuple[tuple[range, ...], ...]:
        """For each axis, its tap families."""
        return tuple(families(axis, self.layer.transposed) for axis in self.layer.axes)

    @cached_property
    def first(self) -> dict[tuple[int, ...], int]:
        """For each choice of families, the number of taps packed before."""
        taken, found = 0, {}
        for key in product(*(range(len(axis)) for axis in self.families)):
            found[key] = taken
            taken += prod(len(axis[number]) for axis, number in zip(self.families, key, strict=True))
        return found

    @property
    def taps(self) -> int:
        """Taps of one block of columns."""
        return prod(sum(map(len, axis)) for axis in self.families)

    def offsets(self, steps: tuple[int, ...]) -> Iterator[tuple[int]]:
        """Where each tap lies in an array with these strides, in the order in which they are packed."""
        for key in product(*(range(len(axis)) for axis in self.families)):
            chosen = (axis[number] for axis, number in zip(self.families, key, strict=True))
            yield from ((sum(map(int.__mul__, index, steps)),) for index in product(*chosen))

    def tap(self, box: Box, index: tuple[int, ...]) -> int:
        """Where a box's tap is packed, in taps."""
        counts = [len(axis[number]) for axis, number in zip(self.families, box.family, strict=True)]
        linear = 0
        for count, strip, tap in zip(counts, box.strips, index, strict=True):
            linear = linear * count + strip.at + tap
        return self.first[box.family] + linear


def runs(box: Box, weights: Weights, x: Strides, channel_bytes: int, tap_bytes: int) -> tuple[tuple[int, ...], int]:
    """The offsets (input, weights) of a box's runs one after the other, and the taps in each run.

    Taps side by side in memory, input and weights alike, are one run.
    """
    *outer, last = box.strips
    merged = last.across * x.axes[-1] == channel_bytes
    steps = [strip.across * stride for strip, stride in zip(box.strips, x.axes, strict=True)]
    inner = (0,) if merged else range(len(last.taps))
    found: list[int] = []
    if box.products:
        for index in product(*(range(len(strip.taps)) for strip in outer), inner):
            found += [sum(map(int.__mul__, steps, index)), weights.tap(box, index) * tap_bytes]
    return tuple(found), len(last.taps) if merged else 1


def boxes_within(layer: Layer, outputs: tuple[range, ...], ends: tuple[int, int] = (0, 0)) -> Iterator[Box]:
    """The layer's boxes, cut to a block of outputs; so many outputs at the ends of the last axis are apart."""
    kept: list[list[Strip]] = []
    for number, (axis, wanted) in enumerate(zip(layer.axes, outputs, strict=True)):
        strips = by_output(axis, layer.transposed)
        last = number == layer.rank - 1
        pieces = _apart(wanted, ends[0], layer.output_size[-1] - ends[1]) if last else [wanted]
        kept.append([strip for strip in (clipped(s, piece) for s in strips for piece in pieces) if strip is not None])
    return (Box(strips) for strips in product(*kept))


def _apart(outputs: range, low: int, high: int) -> list[range]:
    """A range, cut at two indices where they lie in it."""
    cuts = sorted({outputs.start, outputs.stop} | {cut for cut in (low, high) if cut in outputs})
    return [range(begin, end) for begin, end in pairwise(cuts)]
