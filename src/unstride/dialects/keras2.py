"""Keras 2 (``tf_keras``, ``tf.keras`` before Keras 3): layers, and the helpers that compute their lengths.

The rules are Keras 3's, but TensorFlow runs them: the output size must be one that the forward convolution maps back
to the input, a 2-D transposed convolution takes one dilation for both axes, a 3-D one ignores its dilation, and a
transposed layer accepts ``groups`` and ignores it.

Source: tf_keras/src/layers/convolutional, tf_keras/src/utils/conv_utils.py (2.21); ``deconv_length`` from Keras 2.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, replace
from typing import ClassVar

from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer, WeightLayout
from .arguments import integer, one_of
from .keras_rules import (
    ForwardArguments,
    ForwardLayer,
    TransposedArguments,
    TransposedLayer,
    WeightArguments,
    propose_layers,
    same_given,
)
from .refusal import Refusal, settle
from .spec import Filters, Source, Spec, ranked
from .tensorflow_rules import same_in_space
from .windows import Taps, Window, check_inverse, crop, extend_valid, multiply_same, same_sizes


@dataclass(frozen=True)
class _Keywords:
    """The keywords of every Keras 2 layer; none of them changes the geometry."""

    _: KW_ONLY
    trainable: Source | bool = True
    name: Source | str | None = None
    dtype: Source | str | None = None
    dynamic: Source | bool = False
    input_dim: Source | int | None = None
    input_shape_: Source | tuple[int | None, ...] | None = None
    batch_input_shape: Source | tuple[int | None, ...] | None = None
    batch_size: Source | int | None = None
    weights: Source | None = None
    autocast: Source | bool = True
    implementation: Source | int | None = None


class _Transposed(TransposedLayer):
    """Keras 3's rule, within what TensorFlow accepts."""

    dialect = "keras2"
    groups: int | None

    def check(self) -> None:
        super().check()
        dilations = self.axes_of("dilation_rate", self.rank, Reason.DILATION)
        if self.rank == 2 and len(set(dilations)) > 1:
            rule = "must be the same on both axes"
            raise UnstrideError(Reason.DILATION, rule, argument="dilation_rate", value=self.dilation_rate)
        if self.groups and self.filters % integer(self.groups, "groups", Reason.GROUPS, least=1):
            rule = f"must divide filters, which is {self.filters}; a transposed layer ignores it otherwise"
            raise UnstrideError(Reason.GROUPS, rule, argument="groups", value=self.groups)

    def taps_of(self, kernel: tuple[int, ...]) -> tuple[Taps, ...]:
        taps = super().taps_of(kernel)
        return tuple(replace(each, dilation=1) for each in taps) if self.rank == 3 else taps

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        windows = super().windows(size, kernel)
        for window, taps in zip(windows, self.taps_of(kernel), strict=True):
            small, large = window.axis.small, window.axis.large
            legal = same_sizes(taps, small) if self.pads == "same" else taps.sizes(small)
            check_inverse(taps, small, large, legal, "output_padding", self.pads.upper())
        return windows


class _Forward(ForwardLayer):
    """Keras 3's rule, empty outputs included, and TensorFlow's own 'same' in 3-D."""

    dialect = "keras2"
    empty_outputs = True

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        if len(kernel) < 3 or self.pads != "same":
            return super().windows(size, kernel)
        shown = f"padding={self.padding!r}"
        return tuple(same_in_space(*axis).because(shown) for axis in zip(self.taps_of(kernel), size, strict=True))


@dataclass(frozen=True)
class _Conv(WeightArguments, ForwardArguments, _Forward, _Keywords):
    pass


@dataclass(frozen=True)
class _ConvTranspose(WeightArguments, TransposedArguments, _Transposed, _Keywords):
    _: KW_ONLY
    groups: int | None = None


Conv1D, Conv2D, Conv3D = ranked(_Conv, "tf_keras.layers.Conv{}D")
Conv1DTranspose, Conv2DTranspose, Conv3DTranspose = ranked(_ConvTranspose, "tf_keras.layers.Conv{}DTranspose")


# --- the helpers ----------------------------------------------------------------------------------------------


class _Length(Spec):
    """A helper that computes one length: a transposed convolution of rank 1 with one channel, and no values.

    Its ``input_shape`` may be ``(length,)``.
    """

    dialect = "keras2"
    transposed = True
    names: ClassVar[tuple[str, str, str]]
    """the arguments that hold the length, the kernel's and the stride's size"""

    padding: str
    output_padding: int | None
    dilation: int

    def check(self) -> None:
        one_of(self.padding, ("same", "valid", "full"), "padding", Reason.PADDING)
        length, kernel, stride = self.names
        integer(getattr(self, kernel), kernel, Reason.KERNEL, least=1)
        integer(getattr(self, stride), stride, Reason.STRIDE, least=1)
        integer(self.dilation, "dilation", Reason.DILATION, least=1)
        if not isinstance(getattr(self, length), Source | None):
            integer(getattr(self, length), length, Reason.SIZE, least=0)
        if self.output_padding is not None:
            integer(self.output_padding, "output_padding", Reason.OUTPUT_PADDING)

    @property
    def bias_present(self) -> bool:
        return False

    @property
    def known_input_shape(self) -> tuple[int, ...] | None:
        length = getattr(self, self.names[0])
        return (length,) if isinstance(length, int) else None

    def data_layout(self, dimensions: int) -> DataLayout:
        return DataLayout("0") if dimensions == 1 else DataLayout.last(1)

    def weight_layout(self, rank: int) -> WeightLayout:
        return WeightLayout.of("kLS", rank)

    def input_shape(self, layer: Layer, batch: int = 1) -> tuple[int, ...]:
        del batch
        return layer.input_size

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        del rank, kernel_shape
        if channels != 1:
            rule = "only a length is computed: give it as (length,), or (1, length, 1)"
            raise UnstrideError(Reason.CHANNELS, rule, argument="input_shape", value=channels)
        return Filters((getattr(self, self.names[1]),), 1, 1)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        given = getattr(self, self.names[0])
        if isinstance(given, int) and given != size[0]:
            rule = f"the input has {size[0]} elements"
            raise UnstrideError(Reason.SIZE, rule, argument=self.names[0], value=given)
        taps = Taps(kernel[0], getattr(self, self.names[2]), self.dilation)
        return (self._window(taps, size[0]),)

    def _window(self, taps: Taps, small: int) -> Window:
        extra, words = self.output_padding, f"padding={self.padding!r}, output_padding={self.output_padding}"
        if self.padding == "full":
            reach = taps.span - 1
            shown = f"{words}: crops span − 1 = {reach} on both sides, then gives output_padding back at the end"
            return crop(taps, small, reach, reach, extra or 0).because(shown)
        if extra is None:
            return (multiply_same if self.padding == "same" else extend_valid)(taps, small).because(words)
        if self.padding == "same":
            return same_given(taps, small, extra).because(words)
        return crop(taps, small, 0, 0, extra).because(words)


@dataclass(frozen=True)
class deconv_output_length(_Length):
    """``tf_keras.utils.conv_utils.deconv_output_length``.

    >>> deconv_output_length(20, 3, "same", stride=10).output_shape((20,))
    (200,)
    """

    call = "tf_keras.utils.conv_utils.deconv_output_length"
    names = ("input_length", "filter_size", "stride")

    input_length: Source | int | None
    filter_size: int
    padding: str
    output_padding: int | None = None
    stride: int = 0
    dilation: int = 1


@dataclass(frozen=True)
class deconv_length(_Length):
    """``keras.utils.conv_utils.deconv_length`` of Keras 2.2: the same rule, the arguments in another order.

    >>> deconv_length(4, 2, 3, "full", None).output_shape((4,))
    (5,)
    """

    call = "tf_keras.utils.conv_utils.deconv_length"
    names = ("dim_size", "kernel_size", "stride_size")

    dim_size: Source | int | None
    stride_size: int
    kernel_size: int
    padding: str
    output_padding: int | None
    dilation: int = 1


_LAYERS: dict[bool, tuple[type[Spec], ...]] = {
    False: (Conv1D, Conv2D, Conv3D),
    True: (Conv1DTranspose, Conv2DTranspose, Conv3DTranspose),
}
FORMS: tuple[type[Spec], ...] = (*_LAYERS[False], *_LAYERS[True], deconv_output_length, deconv_length)


LIMIT = "padding is 'valid' or 'same', which splits the crop evenly and puts an odd element behind"


def propose(layer: Layer, batch: int = 1) -> Iterator[Callable[[], Spec]]:
    """The layer with every padding; the helpers compute no values, so they say no layer."""
    del batch
    yield from propose_layers(layer, _LAYERS)


def write(layer: Layer, batch: int = 1) -> Spec | Refusal:
    """The layer in Keras 2's words, or why not and what equals it."""
    return settle(layer, "keras2", propose, batch, limit=LIMIT)
