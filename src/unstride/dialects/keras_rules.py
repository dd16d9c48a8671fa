"""What Keras 2 and Keras 3 share: the rules, the layers' checks, and the ways to write a layer.

Data is channels last unless ``data_format`` says otherwise; kernels are ``(*taps, in / groups, out)`` forward and
``(*taps, out, in)`` transposed, taps not reversed. ``output_padding=None`` infers the length; a number does not add
to that length but replaces it.

Source: keras/src/layers/convolutional/base_conv.py and base_conv_transpose.py,
keras/src/backend/common/backend_utils.py (Keras 3.15); tf_keras/src/utils/conv_utils.py (2.21).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import prod
from typing import Any, ClassVar

from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer, WeightLayout
from .arguments import Sizes, check_divides, compact, integer, one_of, per_axis
from .spec import Filters, Source, Spec
from .windows import Taps, Window, crop, extend_valid, multiply_same, pad, pad_same, signed

DATA_FORMATS = ("channels_last", "channels_first")


class Keras(Spec):
    """What all Keras convolutions share; both generations."""

    dialect = "keras"
    words: ClassVar[tuple[str, ...]] = ("valid", "same")
    """the paddings that the form takes"""

    strides: Sizes
    padding: str
    data_format: str | None
    dilation_rate: Sizes

    def check(self) -> None:
        if self.data_format is not None:
            self._word("data_format", DATA_FORMATS, Reason.DATA_FORMAT)
        self._word("padding", self.words, Reason.PADDING)

    def _word(self, name: str, choices: tuple[str, ...], reason: Reason) -> str:
        """An argument that is a word, in whatever case it is written."""
        value = getattr(self, name)
        if isinstance(value, str) and value.lower() in choices:
            return value.lower()
        if value == "full":
            rule = f"must be one of {', '.join(map(repr, choices))}; Keras dropped 'full' with Theano"
            hint = "'valid' undoes a convolution with 'valid', and keeps the full extent"
            raise UnstrideError(reason, rule, argument=name, value=value, hint=hint)
        return one_of(value, choices, name, reason)

    @property
    def pads(self) -> str:
        """The padding's word as Keras compares it."""
        return self._word("padding", self.words, Reason.PADDING)

    @property
    def channels_last(self) -> bool:
        """Whether the channels are the last axis; so it is unless the user's configuration says otherwise."""
        return self.data_format is None or self.data_format.lower() == "channels_last"

    def axes_of(self, name: str, rank: int, reason: Reason, least: int | None = 1) -> tuple[int, ...]:
        """An argument of one integer, or one per axis."""
        return per_axis(getattr(self, name), rank, name, reason, least=least)

    def taps_of(self, kernel: tuple[int, ...]) -> tuple[Taps, ...]:
        """Kernel, stride and dilation of every axis."""
        strides = self.axes_of("strides", len(kernel), Reason.STRIDE)
        return tuple(map(Taps, kernel, strides, self.axes_of("dilation_rate", len(kernel), Reason.DILATION)))

    def layout_of(self, rank: int, dimensions: int) -> DataLayout:
        """The data layout for that rank; UnstrideError where the input has other dimensions."""
        layout = DataLayout.last(rank) if self.channels_last else DataLayout.first(rank)
        return self.exact_layout(layout, dimensions)


class Forward(Keras):
    """The rule of ``Conv``: TensorFlow's ``SAME`` and ``VALID``, and zeros in front only for ``causal``."""

    transposed = False
    empty_outputs: ClassVar[bool] = False
    """whether an input that is just too small gives an empty output instead of an error"""

    def weight_layout(self, rank: int) -> WeightLayout:
        return WeightLayout.of("klS", rank)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        return tuple(map(self._window, self.taps_of(kernel), size))

    def _window(self, taps: Taps, large: int) -> Window:
        if self.pads == "same":
            return pad_same(taps, large).because(f"padding={self.padding!r} pads so that one stride gives one output")
        if self.pads == "causal":
            shown = f"padding={self.padding!r} pads span − 1 = {taps.span - 1} in front, nothing behind"
            return pad(taps, large, taps.span - 1, 0).because(shown)
        if large < taps.span and not self.empty_outputs:
            raise UnstrideError(
                Reason.SIZE,
                f"the output would be empty: the input has {large} elements, the kernel spans {taps.span}",
                argument="input_size",
                value=large,
                hint="use a larger input, a smaller kernel, or padding='same'",
            )
        return pad(taps, large, 0, 0).because(f"padding={self.padding!r} pads nothing")

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        if 0 in (input_shape[-1 if self.channels_last else 1], shape[-1 if self.channels_last else 1]):
            rule = "a convolution needs at least one channel on both sides"
            raise UnstrideError(Reason.CHANNELS, rule, argument="input_shape", value=input_shape)
        if prod(shape) == 0 != prod(input_shape) and not self.empty_outputs:
            rule = "the output would be empty"
            raise UnstrideError(Reason.SIZE, rule, argument="input_shape", value=input_shape)


class Transposed(Keras):
    """The rule of ``ConvTranspose``: a length from ``padding`` and ``output_padding``, the crop of TensorFlow."""

    transposed = True
    output_padding: Sizes | None

    def weight_layout(self, rank: int) -> WeightLayout:
        return WeightLayout.of("kLS", rank)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        return tuple(map(self._window, self.taps_of(kernel), size, self.extras(len(kernel))))

    def extras(self, rank: int) -> tuple[int | None, ...]:
        """The output padding of every axis; None where the length is inferred."""
        if self.output_padding is None:
            return (None,) * rank
        return self.axes_of("output_padding", rank, Reason.OUTPUT_PADDING, least=None)

    def _window(self, taps: Taps, small: int, extra: int | None) -> Window:
        words = f"padding={self.padding!r}, output_padding={extra}"
        if extra is None:
            if self.pads == "same":
                return multiply_same(taps, small).because(f"{words}: the length is inferred, one stride per input")
            return extend_valid(taps, small).because(f"{words}: the length is inferred, nothing is cropped")
        if self.pads == "same":
            return same_given(taps, small, extra).because(words)
        return crop(taps, small, 0, 0, extra).because(f"{words}: the full extent, {extra} longer")


def same_given(taps: Taps, small: int, extra: int) -> Window:
    """``same`` with a number: pad = ⌊span / 2⌋ and large = full − 2·pad + extra; before = ⌊max(full − large, 0) / 2⌋.

    >>> same_given(Taps(3, 2), 4, 0).axis.large
    7
    """
    margin = taps.span // 2
    large = taps.full(small) - 2 * margin + extra
    excess = max(taps.full(small) - large, 0)
    steps = (
        taps.spanned(),
        taps.extended(small),
        f"pad = ⌊span / 2⌋ = {margin}, whatever the stride",
        f"large = full − 2·pad + output_padding = {taps.full(small)} − 2·{margin} + {signed(extra)} = {large}",
        f"before = ⌊max(full − large, 0) / 2⌋ = ⌊{excess} / 2⌋ = {excess // 2}",
    )
    least = (small - 1) * taps.stride + 1
    return Window(taps.axis(small, large, excess // 2), steps, range(least, least + taps.stride))


# --- layers ---------------------------------------------------------------------------------------------------


class KerasLayer(Keras):
    """A layer: output channels and kernel size are arguments."""

    rank: ClassVar[int]
    filters: int
    kernel_size: Sizes
    activation: Source | str | None
    use_bias: bool

    def check(self) -> None:
        super().check()
        integer(self.filters, "filters", Reason.CHANNELS, least=1)
        self.axes_of("kernel_size", self.rank, Reason.KERNEL)
        strides = self.axes_of("strides", self.rank, Reason.STRIDE)
        dilations = self.axes_of("dilation_rate", self.rank, Reason.DILATION)
        if max(strides) > 1 and max(dilations) > 1:
            raise UnstrideError(
                Reason.DILATION,
                f"strides > 1 (here {self.strides}) and dilation_rate > 1 are not supported together",
                argument="dilation_rate",
                value=self.dilation_rate,
                hint="set one of them to 1, or use a larger kernel with zeros between its taps",
            )

    @property
    def bias_present(self) -> bool:
        return bool(self.use_bias)

    @property
    def activation_name(self) -> str | None:
        name = str(self.activation).rpartition(".")[2]
        return None if self.activation is None or name == "linear" else name

    def data_layout(self, dimensions: int) -> DataLayout:
        return self.layout_of(self.rank, dimensions)


# A dataclass takes its fields from its last base first: a layer names ``WeightArguments`` before the other arguments.


@dataclass(frozen=True)
class WeightArguments:
    """The last positional arguments of every layer; ``use_bias`` is the only one that counts here."""

    activation: Source | str | None = None
    use_bias: bool = True
    kernel_initializer: Source | str | None = "glorot_uniform"
    bias_initializer: Source | str | None = "zeros"
    kernel_regularizer: Source | str | None = None
    bias_regularizer: Source | str | None = None
    activity_regularizer: Source | str | None = None
    kernel_constraint: Source | str | None = None
    bias_constraint: Source | str | None = None


@dataclass(frozen=True)
class ForwardArguments:
    """The first positional arguments of a ``Conv`` layer."""

    filters: int
    kernel_size: Sizes
    strides: Sizes = 1
    padding: str = "valid"
    data_format: str | None = None
    dilation_rate: Sizes = 1
    groups: int = 1


@dataclass(frozen=True)
class TransposedArguments:
    """The first positional arguments of a ``ConvTranspose`` layer."""

    filters: int
    kernel_size: Sizes
    strides: Sizes = 1
    padding: str = "valid"
    output_padding: Sizes | None = None
    data_format: str | None = None
    dilation_rate: Sizes = 1


class ForwardLayer(Forward, KerasLayer):
    """A ``Conv`` layer."""

    groups: int

    def check(self) -> None:
        super().check()
        check_divides(integer(self.groups, "groups", Reason.GROUPS, least=1), self.filters, "filters")

    @property
    def words(self) -> tuple[str, ...]:  # type: ignore[override]  # depends on the rank here
        return ("valid", "same", "causal") if self.rank == 1 else ("valid", "same")

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        del kernel_shape
        check_divides(self.groups, channels, "the input's channels")
        return self.layer_filters(self.axes_of("kernel_size", rank, Reason.KERNEL), channels, self.filters, self.groups)


class TransposedLayer(Transposed, KerasLayer):
    """A ``ConvTranspose`` layer."""

    def check(self) -> None:
        super().check()
        if self.output_padding is None:
            return
        strides = self.axes_of("strides", self.rank, Reason.STRIDE)
        extras = self.axes_of("output_padding", self.rank, Reason.OUTPUT_PADDING, least=0)
        if any(extra >= stride for extra, stride in zip(extras, strides, strict=True)):
            raise UnstrideError(
                Reason.OUTPUT_PADDING,
                f"must be smaller than strides, which is {self.strides}",
                argument="output_padding",
                value=self.output_padding,
                hint="leave it out (None) for the inferred length, or choose 0…strides − 1",
            )

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        del kernel_shape
        return self.layer_filters(self.axes_of("kernel_size", rank, Reason.KERNEL), channels, self.filters)


# --- writing --------------------------------------------------------------------------------------------------


def paddings(layer: Layer) -> Iterator[dict[str, Any]]:
    """The paddings, with and without an output padding, that may give the window; the usual ones first."""
    if not layer.transposed:
        yield from (
            {"padding": word} for word in (("same", "valid", "causal") if layer.rank == 1 else ("same", "valid"))
        )
        return
    spans = [Taps(axis.kernel, axis.stride, axis.dilation).span for axis in layer.axes]
    for given, word in product((False, True), ("same", "valid")):
        kept = [span % 2 if word == "same" else span for span in spans]
        extras = tuple(
            axis.large - (axis.small - 1) * axis.stride - least for axis, least in zip(layer.axes, kept, strict=True)
        )
        yield {"padding": word} | ({"output_padding": compact(extras)} if given else {})


def steps_of(layer: Layer) -> dict[str, Any]:
    """Strides and dilations, where they are not 1."""
    found = {
        "strides": compact(layer.stride),
        "dilation_rate": compact(layer.dilation),
    }
    return {name: value for name, value in found.items() if value != 1}


def propose_layers(layer: Layer, forms: dict[bool, tuple[type[Spec], ...]]) -> Iterator[Callable[[], Spec]]:
    """The layer with every padding; ``forms`` holds the 1-D, 2-D and 3-D forms by direction."""
    if layer.rank > 3:
        return
    form: Callable[..., Spec] = forms[layer.transposed][layer.rank - 1]
    shared = {"use_bias": layer.bias} | steps_of(layer)
    if layer.groups > 1 and not layer.transposed:
        shared["groups"] = layer.groups
    for padding in paddings(layer):
        yield partial(form, layer.out_channels, compact(layer.kernel), **padding, **shared)
