"""What ``tf.nn``'s convolutions share: how strides, dilations and paddings are given, and the two rules.

Source: tensorflow/python/ops/nn_ops.py, tensorflow/core/kernels/conv_grad_shape_utils.cc, and TensorFlow 2.21 run.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, WeightLayout
from .arguments import Pairs, Sizes, integer, one_of, pad_pairs
from .spec import Filters, Source, Spec
from .windows import Taps, Window, check_inverse, invert_pads, invert_same, pad, pad_same

FORMATS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}


class TensorFlowForm(Spec):
    """What all of ``tf.nn``'s convolutions share."""

    dialect = "tensorflow"
    functional = True
    rank: ClassVar[int | None] = None
    """the number of spatial axes; None where the input decides"""
    whole_lists: ClassVar[bool] = False
    """whether strides and dilations must be given for batch and channels too"""
    explicit_ranks: ClassVar[tuple[int, ...]] = ()
    """the ranks for which padding may be given as numbers"""

    input: Source
    filters: Source
    padding: str | Pairs
    data_format: str | None
    dilations: Sizes | None

    @property
    def step_name(self) -> str:
        """The argument that holds the strides."""
        return "strides"

    @property
    def bias_present(self) -> bool:
        return False

    def check(self) -> None:
        if isinstance(self.padding, str) or self.rank not in (None, *self.explicit_ranks):
            one_of(self.padding, ("SAME", "VALID"), "padding", Reason.PADDING)
        if self.rank is not None:
            self._check_rank(self.rank)

    def _check_rank(self, rank: int) -> None:
        """What can be said about the arguments once the number of spatial axes is known."""
        if self.data_format is not None:
            one_of(self.data_format, self.formats(rank), "data_format", Reason.DATA_FORMAT)
        self.steps(rank)
        self.spread(rank)
        self.margins(rank)

    def formats(self, rank: int) -> tuple[str, ...]:
        """The axis orders that the form knows."""
        return FORMATS[rank]

    @property
    def channels_last(self) -> bool:
        """Whether the channels are the last axis."""
        return not (isinstance(self.data_format, str) and self.data_format.startswith("NC"))

    def steps(self, rank: int) -> tuple[int, ...]:
        """The stride of every spatial axis."""
        return self._spatial(self.step_name, rank, Reason.STRIDE)

    def spread(self, rank: int) -> tuple[int, ...]:
        """The dilation of every spatial axis."""
        return self._spatial("dilations", rank, Reason.DILATION)

    def _spatial(self, name: str, rank: int, reason: Reason) -> tuple[int, ...]:
        """One integer per spatial axis: from one, from as many, or from one for every axis of the data."""
        value = getattr(self, name)
        if value is None:
            return (1,) * rank
        entries = value if isinstance(value, tuple) else (value,)
        lengths = (rank + 2,) if self.whole_lists else (1, rank, rank + 2)
        if len(entries) not in lengths or (self.whole_lists and not isinstance(value, tuple)):
            rule = f"must be {' or '.join(map(str, lengths))} integers"
            hint = f"write {(1, *entries[:1] * rank, 1)}, channels last" if self.whole_lists else None
            raise UnstrideError(reason, rule, argument=name, value=value, hint=hint)
        for entry in entries:
            integer(entry, name, reason, least=1)
        if len(entries) != rank + 2:
            return entries * rank if len(entries) == 1 else entries
        batch, channels, spatial = DataLayout.split(self._layout(rank), entries)
        if (batch, channels) != (1, 1):
            rule = "must be 1 for the batch and the channels"
            raise UnstrideError(reason, rule, argument=name, value=value)
        return spatial

    def margins(self, rank: int) -> Pairs | None:
        """The padding of every spatial axis, where it is given as numbers."""
        if isinstance(self.padding, str):
            return None
        if rank not in self.explicit_ranks:
            one_of(self.padding, ("SAME", "VALID"), "padding", Reason.PADDING)
        if not isinstance(self.padding, tuple) or not all(isinstance(entry, tuple) for entry in self.padding):
            rule = f"must be 'SAME', 'VALID', or {rank + 2} (before, after) pairs, one for each axis of the data"
            raise UnstrideError(Reason.PADDING, rule, argument="padding", value=self.padding)
        pairs = pad_pairs(self.padding, rank + 2, "padding")
        kept, outer = (pairs[1:-1], (pairs[0], pairs[-1])) if self.channels_last else (pairs[2:], pairs[:2])
        if outer != ((0, 0), (0, 0)):
            rule = "must be (0, 0) for the batch and the channels"
            raise UnstrideError(Reason.PADDING, rule, argument="padding", value=self.padding)
        return kept

    def taps(self, kernel: tuple[int, ...]) -> tuple[Taps, ...]:
        """Kernel, stride and dilation of every axis."""
        return tuple(map(Taps, kernel, self.steps(len(kernel)), self.spread(len(kernel))))

    def _layout(self, rank: int) -> DataLayout:
        return DataLayout.last(rank) if self.channels_last else DataLayout.first(rank)

    def data_layout(self, dimensions: int) -> DataLayout:
        rank = self.rank or min(max(dimensions - 2, 1), 3)
        hint = "merge several batch axes into one" if dimensions > rank + 2 else None
        layout = self.exact_layout(self._layout(rank), dimensions, hint)
        self._check_rank(rank)
        return layout

    def weight_layout(self, rank: int) -> WeightLayout:
        return WeightLayout.of("klS", rank)

    def grouped(self, rank: int, whole: int, part: int, kernel_shape: tuple[int, ...] | None) -> int:
        """How many groups make ``part`` channels of the kernel ``whole``; UnstrideError where none do."""
        if part < 1 or whole < 1 or whole % part or (rank == 3 and whole != part):
            rule = (
                f"{whole} channels are not a multiple of the kernel's {part}"
                if rank < 3
                else (f"3-D convolutions have no groups: the kernel must have {whole} channels there, not {part}")
            )
            raise UnstrideError(Reason.GROUPS, rule, argument="kernel_shape", value=kernel_shape)
        return whole // part


class Forward(TensorFlowForm):
    """The rule of ``conv``."""

    transposed = False

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        groups = 1
        if kernel_shape is not None and len(kernel_shape) == rank + 2:
            groups = self.grouped(rank, channels, kernel_shape[-2], kernel_shape)
            if kernel_shape[-1] < 1 or kernel_shape[-1] % groups:
                rule = f"its {kernel_shape[-1]} output channels are not a multiple of {groups} groups"
                raise UnstrideError(Reason.GROUPS, rule, argument="kernel_shape", value=kernel_shape)
        return self.array_filters(rank, channels, kernel_shape, groups)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        taps, margins = self.taps(kernel), self.margins(len(kernel))
        if self.padding == "SAME":
            rule = same_in_space if len(kernel) == 3 else pad_same
            return tuple(rule(each, large).because("padding='SAME'") for each, large in zip(taps, size, strict=True))
        pairs = margins or ((0, 0),) * len(kernel)
        return tuple(_padded(each, large, *pair) for each, large, pair in zip(taps, size, pairs, strict=True))


def same_in_space(taps: Taps, large: int) -> Window:
    """SAME of 3-D convolutions: where the steps leave input unread, half of it is skipped in front, not all behind.

    >>> same_in_space(Taps(1, stride=3), 6).axis.before
    -1
    """
    window = pad_same(taps, large)
    spare = -window.axis.full + large
    if spare < 2:
        return window
    shown = f"3-D: {spare} elements stay unread, {spare // 2} of them in front: before = −{spare // 2}"
    return replace(window, axis=replace(window.axis, before=-(spare // 2)), steps=(*window.steps[:-2], shown))


def _padded(taps: Taps, large: int, before: int, after: int) -> Window:
    """Explicit padding, or none; the division drops the fraction, so that one stride too few is an empty output."""
    room = large + before + after - taps.span
    shown = f"padding adds {before} before and {after} after"
    if -2 * taps.stride < room < -taps.stride:
        steps = (shown, taps.spanned(), f"small = ({room} + {taps.stride}) / {taps.stride}, rounded towards 0 = 0")
        return Window(taps.axis(0, large, before), steps, range(large, large + 1))
    return pad(taps, large, before, after).because(shown)


class Transposed(TensorFlowForm):
    """The rule of ``conv_transpose``: any output size that the forward convolution maps back to the input's."""

    transposed = True
    output_shape_: tuple[int, ...]

    def check(self) -> None:
        shape = self.output_shape_
        if not isinstance(shape, tuple) or len(shape) not in self._lengths():
            rule = (
                f"must have {' or '.join(map(str, self._lengths()))} elements: batch, channels and every spatial axis"
            )
            raise UnstrideError(Reason.OUTPUT_SHAPE, rule, argument="output_shape", value=shape)
        for index, entry in enumerate(shape):
            batch = index == 0 and len(shape) != self.rank
            integer(entry, "output_shape", Reason.OUTPUT_SHAPE, least=-1 if batch else 0)
        super().check()

    def _lengths(self) -> tuple[int, ...]:
        return {None: (3, 4, 5), 1: (3,), 2: (2, 4), 3: (5,)}[self.rank]

    def _check_rank(self, rank: int) -> None:
        super()._check_rank(rank)
        # the form of any rank takes its rank from the number of elements
        if len(self.output_shape_) not in ((rank + 2,) if self.rank is None else (rank, rank + 2)):
            rule = f"must have {rank + 2} elements for an input of {rank + 2} dimensions"
            raise UnstrideError(Reason.OUTPUT_SHAPE, rule, argument="output_shape", value=self.output_shape_)
        if self.margins(rank) is None:
            return
        if self.output_shape_[0] < 0:
            rule = "the batch must be a number where padding is given as numbers"
            raise UnstrideError(Reason.OUTPUT_SHAPE, rule, argument="output_shape", value=self.output_shape_)
        if max(self.spread(rank)) > 1 or not self.channels_last:
            rule = "TensorFlow's CPU kernels take padding as numbers only without dilation and channels last"
            hint = "use padding='VALID' and crop the output"
            raise UnstrideError(Reason.PADDING, rule, argument="padding", value=self.padding, hint=hint)

    def _wanted(self, rank: int) -> tuple[int | None, int | None, tuple[int, ...]]:
        """Batch, channels and spatial size asked for; None where the input and the kernel decide."""
        if len(self.output_shape_) == rank:
            return None, None, self.output_shape_
        batch, channels, spatial = self._layout(rank).split(self.output_shape_)
        return None if batch == -1 else batch, channels, spatial

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        _, wanted, _ = self._wanted(rank)
        groups = 1
        if kernel_shape is not None and len(kernel_shape) == rank + 2 and wanted is not None:
            groups = self.grouped(rank, wanted, kernel_shape[-2], kernel_shape)
            if kernel_shape[-1] % groups:
                rule = f"its {kernel_shape[-1]} input channels are not a multiple of {groups} groups"
                raise UnstrideError(Reason.GROUPS, rule, argument="kernel_shape", value=kernel_shape)
        if groups > 1 and self.margins(rank) is not None:
            rule = "TensorFlow's CPU kernels take padding as numbers only without groups"
            hint = "use padding='VALID' and crop the output"
            raise UnstrideError(Reason.GROUPS, rule, argument="padding", value=self.padding, hint=hint)
        return self.array_filters(rank, channels, kernel_shape, groups)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        taps, margins = self.taps(kernel), self.margins(len(kernel))
        _, _, wanted = self._wanted(len(kernel))
        if margins is not None:
            return tuple(
                invert_pads(each, small, large, *pair).because(f"padding {pair} crops {pair[0]} before")
                for each, small, large, pair in zip(taps, size, wanted, margins, strict=True)
            )
        if self.padding == "SAME":
            return tuple(
                invert_same(each, small, large).because("padding='SAME'")
                for each, small, large in zip(taps, size, wanted, strict=True)
            )
        return tuple(map(_valid, taps, size, wanted))

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        batch, _, _ = self._wanted(len(shape) - 2)
        if batch not in (None, input_shape[0]):
            rule = f"its batch must be the input's, which is {input_shape[0]}"
            raise UnstrideError(Reason.OUTPUT_SHAPE, rule, argument="output_shape", value=self.output_shape_)


def _valid(taps: Taps, small: int, large: int) -> Window:
    """``VALID``; one input element may also give fewer elements than the kernel spans.

    oneDNN compares ``(large − span) / stride + 1`` with ``small``, and its division drops the fraction.
    """
    full = taps.full(small)
    legal = range(full - taps.stride + 1 if small == 1 else full, full + taps.stride)
    check_inverse(taps, small, large, legal, "output_shape", "VALID")
    steps = (
        f"padding='VALID': large = {large}, given by output_shape; before = 0",
        taps.spanned(),
        taps.extended(small),
    )
    return Window(taps.axis(small, large, 0), steps, taps.sizes(small))
