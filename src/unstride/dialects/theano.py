"""Theano: ``theano.tensor.nnet`` ``conv2d``, ``conv2d_transpose`` and ``conv3d``.

Data is channels first with a batch axis; weights are ``(small, large / num_groups, *taps)`` for both directions, with
the taps reversed unless ``filter_flip=False``: the functions are true convolutions. ``border_mode`` pads a convolution
and crops a transposed one, whose ``output_shape`` is the caller's; its batch and channels, like ``input_shape`` and
``filter_shape``, are hints that nothing checks.

Source: theano/tensor/nnet/abstract_conv.py, theano/tensor/nnet/corr.py, theano/tensor/nnet/__init__.py
(Theano 1.0.5, run as Theano-PyMC 1.1.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, TypeAlias

from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer, WeightLayout
from .arguments import Pairs, compact, integer, integers, per_axis
from .refusal import Refusal, settle
from .spec import Filters, Source, Spec
from .windows import Taps, Window, invert_pads, pad

Border: TypeAlias = str | int | tuple[int | tuple[int, int], ...]
"""A word, one integer, or for each axis an integer or a (before, after) pair."""

Hint: TypeAlias = tuple[int | None, ...] | Source | None
"""A shape that the framework may use to choose an implementation; None for what is not known."""

_WORDS = ("valid", "half", "full")


class _Theano(Spec):
    """What the three functions share."""

    dialect = "theano"
    functional = True
    rank: ClassVar[int]
    stride_name: ClassVar[str] = "subsample"
    """the name of the argument that holds the stride"""

    filter_shape: Hint
    border_mode: Border
    filter_dilation: tuple[int, ...]
    num_groups: int

    def check(self) -> None:
        self._sequence(self.stride_name, Reason.STRIDE)
        self._sequence("filter_dilation", Reason.DILATION)
        integer(self.num_groups, "num_groups", Reason.GROUPS, least=1)
        self._check_border()
        if getattr(self, "unshared", False):
            rule = "a kernel of its own for every output position is no convolution"
            raise UnstrideError(Reason.UNSUPPORTED, rule, argument="unshared", value=True)

    def _check_border(self) -> None:
        given = self.border_mode
        if isinstance(given, str) and given not in _WORDS:
            rule = "must be 'valid', 'half', 'full', an integer, or one entry per axis"
            hint = "'half' is the same size for odd kernels; for even ones pad the input first"
            raise UnstrideError(Reason.PADDING, rule, argument="border_mode", value=given, hint=hint)
        if isinstance(given, tuple) and self.rank != 2 and any(isinstance(entry, tuple) for entry in given):
            rule, hint = "(before, after) pairs are for conv2d only", "pad the input first"
            raise UnstrideError(Reason.PADDING, rule, argument="border_mode", value=given, hint=hint)
        self._margins((1,) * self.rank)

    def _sequence(self, name: str, reason: Reason) -> tuple[int, ...]:
        """An argument with one integer per axis, which must be written out."""
        return integers(getattr(self, name), name, reason, rank=self.rank)

    def _margins(self, spans: tuple[int, ...]) -> Pairs:
        """(before, after) per axis, for kernels of those dilated extents."""
        given = self.border_mode
        if isinstance(given, str):
            return tuple({"valid": (0, 0), "half": (s // 2, s // 2), "full": (s - 1, s - 1)}[given] for s in spans)
        entries = given if isinstance(given, tuple) else (given,) * self.rank
        pairs = [entry if isinstance(entry, tuple) else (entry, entry) for entry in entries]
        if len(pairs) != self.rank or any(len(pair) != 2 for pair in pairs):
            rule = f"must have {self.rank} entries, each an integer or a (before, after) pair"
            raise UnstrideError(Reason.PADDING, rule, argument="border_mode", value=given)
        for pair in pairs:
            per_axis(pair, 2, "border_mode", Reason.PADDING, least=0)
        return tuple(pairs)

    @property
    def bias_present(self) -> bool:
        return False

    def data_layout(self, dimensions: int) -> DataLayout:
        return self.exact_layout(DataLayout.first(self.rank), dimensions)

    def weight_layout(self, rank: int) -> WeightLayout:
        return WeightLayout.of("Slk", rank, flipped=bool(getattr(self, "filter_flip", True)))

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        return self.array_filters(rank, channels, kernel_shape or self._hinted(), self.num_groups)

    def _hinted(self) -> tuple[int, ...] | None:
        """The kernel's shape as ``filter_shape`` tells it, where it tells all of it."""
        if not isinstance(self.filter_shape, tuple):
            return None
        known = tuple(entry for entry in self.filter_shape if type(entry) is int and entry >= 0)
        return known if known == self.filter_shape else None

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        strides = self._sequence(self.stride_name, Reason.STRIDE)
        dilations = self._sequence("filter_dilation", Reason.DILATION)
        taps = tuple(map(Taps, kernel, strides, dilations))
        margins = self._margins(tuple(each.span for each in taps))
        verb = "crops" if self.transposed else "pads"
        return tuple(
            window.because(f"border_mode={self.border_mode!r} {verb} {before} before and {after} after")
            for window, (before, after) in zip(self._axes(taps, size, margins), margins, strict=True)
        )

    def _axes(self, taps: tuple[Taps, ...], size: tuple[int, ...], margins: Pairs) -> tuple[Window, ...]:
        """The windows of a convolution."""
        return tuple(pad(each, large, *sides) for each, large, sides in zip(taps, size, margins, strict=True))

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        del input_shape
        if 0 in shape[2:]:
            rule = "the output needs at least one element on every spatial axis"
            hint = "use a larger input, less padding cropped, or a kernel that fits"
            raise UnstrideError(Reason.SIZE, rule, argument="output_shape", value=shape, hint=hint)


@dataclass(frozen=True)
class conv2d(_Theano):
    """``theano.tensor.nnet.conv2d``."""

    call = "theano.tensor.nnet.conv2d"
    transposed = False
    rank = 2

    input: Source
    filters: Source
    input_shape_: Hint = None
    filter_shape: Hint = None
    border_mode: Border = "valid"
    subsample: tuple[int, ...] = (1, 1)
    filter_flip: bool = True
    image_shape: Hint = None
    filter_dilation: tuple[int, ...] = (1, 1)
    num_groups: int = 1
    unshared: bool = False

    def check(self) -> None:
        super().check()
        if self.image_shape is not None and self.input_shape_ is not None:
            rule = "is the old name of input_shape, which is given too"
            raise UnstrideError(Reason.ARGUMENT, rule, argument="image_shape", value=self.image_shape)


@dataclass(frozen=True)
class conv3d(_Theano):
    """``theano.tensor.nnet.conv3d``."""

    call = "theano.tensor.nnet.conv3d"
    transposed = False
    rank = 3

    input: Source
    filters: Source
    input_shape_: Hint = None
    filter_shape: Hint = None
    border_mode: Border = "valid"
    subsample: tuple[int, ...] = (1, 1, 1)
    filter_flip: bool = True
    filter_dilation: tuple[int, ...] = (1, 1, 1)
    num_groups: int = 1


@dataclass(frozen=True)
class conv2d_transpose(_Theano):
    """``theano.tensor.nnet.conv2d_transpose``."""

    call = "theano.tensor.nnet.conv2d_transpose"
    transposed = True
    rank = 2
    stride_name = "input_dilation"

    input: Source
    filters: Source
    output_shape_: tuple[int | None, ...]
    """(b, c, h, w); None where the batch or the channels are not known"""
    filter_shape: Hint = None
    border_mode: Border = "valid"
    input_dilation: tuple[int, ...] = (1, 1)
    filter_flip: bool = True
    filter_dilation: tuple[int, ...] = (1, 1)
    num_groups: int = 1
    unshared: bool = False

    def check(self) -> None:
        super().check()
        if not isinstance(self.output_shape_, tuple) or len(self.output_shape_) != 4:
            rule = "must be (batch, channels, height, width); batch and channels may be None"
            raise UnstrideError(Reason.OUTPUT_SHAPE, rule, argument="output_shape", value=self.output_shape_)
        for entry in self.output_shape_[:2]:
            if entry is not None:
                integer(entry, "output_shape", Reason.OUTPUT_SHAPE)
        self._wanted()
        if isinstance(self.filter_shape, tuple) and len(self.filter_shape) != 4:
            rule = "must have 4 entries"
            raise UnstrideError(Reason.KERNEL, rule, argument="filter_shape", value=self.filter_shape)

    def _wanted(self) -> tuple[int, ...]:
        """The spatial part of ``output_shape``."""
        return per_axis(self.output_shape_[2:], 2, "output_shape", Reason.OUTPUT_SHAPE, least=0)

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        super().check_output(shape, input_shape)
        if 0 in input_shape[2:]:
            rule = "an input without elements leaves the output unset (compiled), or fails (Python)"
            raise UnstrideError(Reason.SIZE, rule, argument="input_shape", value=input_shape)

    def _axes(self, taps: tuple[Taps, ...], size: tuple[int, ...], margins: Pairs) -> tuple[Window, ...]:
        shown = repr(self.border_mode)
        return tuple(
            invert_pads(each, small, large, *sides, padding=shown)
            for each, small, large, sides in zip(taps, size, self._wanted(), margins, strict=True)
        )


FORMS: tuple[type[Spec], ...] = (conv2d, conv2d_transpose, conv3d)


def propose(layer: Layer, batch: int = 1) -> Iterator[Callable[[], Spec]]:
    """The function in the framework's own words first, as a true convolution and then as a cross-correlation."""
    forms: dict[tuple[bool, int], Callable[..., Spec]] = {
        (False, 2): conv2d,
        (False, 3): conv3d,
        (True, 2): conv2d_transpose,
    }
    form = forms.get((layer.transposed, layer.rank))
    if form is None:
        return
    shared: dict[str, Any] = {
        "filter_dilation": layer.dilation,
        "num_groups": layer.groups,
    }
    shared["input_dilation" if layer.transposed else "subsample"] = layer.stride
    if layer.transposed:
        shared["output_shape"] = (batch, layer.out_channels, *layer.output_size)
    for flip in (True, False):
        for border in _borders(layer):
            yield partial(form, Source("x"), Source("filters"), border_mode=border, filter_flip=flip, **shared)


def _borders(layer: Layer) -> Iterator[Border]:
    """Ways to say the margins, in words and in numbers."""
    yield from _WORDS
    befores = layer.before
    yield compact(befores)
    # a margin behind may be up to stride − 1 more than what is cut off there
    yield tuple((axis.before, max(axis.after, 0)) for axis in layer.axes)


def write(layer: Layer, batch: int = 1) -> Spec | Refusal:
    """The layer in Theano's words, or why not and what equals it."""
    return settle(layer, "theano", propose, batch)
