"""Keras 3: layers and ``keras.ops``, forward and transposed, 1-D to 3-D.

Where the backends disagree, JAX's and PyTorch's answer is taken: TensorFlow's CPU kernels also refuse an output size
that no forward convolution maps back.

Source: keras/src/layers/convolutional, keras/src/ops/nn.py (Keras 3.15).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from functools import partial

from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer
from .arguments import Sizes
from .keras_rules import (
    Forward,
    ForwardArguments,
    ForwardLayer,
    Keras,
    Transposed,
    TransposedArguments,
    TransposedLayer,
    WeightArguments,
    paddings,
    propose_layers,
    steps_of,
)
from .refusal import Refusal, settle
from .spec import Filters, Source, Spec, ranked


@dataclass(frozen=True)
class _Keywords:
    """The keywords of every Keras layer; none of them changes the geometry."""

    _: KW_ONLY
    trainable: Source | bool = True
    dtype: Source | str | None = None
    autocast: Source | bool = True
    name: Source | str | None = None
    input_shape_: Source | tuple[int | None, ...] | None = None
    input_dim: Source | int | None = None


@dataclass(frozen=True)
class _Conv(WeightArguments, ForwardArguments, ForwardLayer, _Keywords):
    _: KW_ONLY
    lora_rank: int | None = None
    lora_alpha: float | None = None


@dataclass(frozen=True)
class _Ungrouped(_Keywords):
    """``groups`` is no argument of a transposed layer; Keras 2 took it and ignored it."""

    _: KW_ONLY
    groups: Source | int | None = None


class _Transposed(TransposedLayer):
    """A ``ConvTranspose`` layer, which has no groups."""

    refused = frozenset({"groups"})
    groups: Source | int | None

    def check(self) -> None:
        super().check()
        if self.groups is not None:
            rule = "a transposed layer has no such argument (Keras 2 takes it and ignores it)"
            hint = "split the channels, and concatenate one layer for each group"
            raise UnstrideError(Reason.GROUPS, rule, argument="groups", value=self.groups, hint=hint)


@dataclass(frozen=True)
class _ConvTranspose(WeightArguments, TransposedArguments, _Transposed, _Ungrouped):
    pass


@dataclass(frozen=True)
class _SwappedArguments:
    """The first positional arguments in 3-D: ``data_format`` before ``output_padding``."""

    filters: int
    kernel_size: Sizes
    strides: Sizes = 1
    padding: str = "valid"
    data_format: str | None = None
    output_padding: Sizes | None = None
    dilation_rate: Sizes = 1


@dataclass(frozen=True)
class Conv3DTranspose(WeightArguments, _SwappedArguments, _Transposed, _Ungrouped):
    """``keras.layers.Conv3DTranspose``: here ``data_format`` comes before ``output_padding``."""

    call = "keras.layers.Conv3DTranspose"
    rank = 3


Conv1D, Conv2D, Conv3D = ranked(_Conv, "keras.layers.Conv{}D")
Conv1DTranspose, Conv2DTranspose, _ = ranked(_ConvTranspose, "keras.layers.Conv{}DTranspose")


# --- keras.ops ------------------------------------------------------------------------------------------------


class Operation(Keras):
    """A function: the kernel is an array, and its rank decides the operation's."""

    functional = True

    inputs: Source
    kernel: Source

    @property
    def bias_present(self) -> bool:
        return False

    def data_layout(self, dimensions: int) -> DataLayout:
        return self.layout_of(min(max(dimensions - 2, 1), 3), dimensions)


@dataclass(frozen=True)
class conv(Forward, Operation):
    """``keras.ops.conv``; groups are the input's channels divided by the kernel's."""

    call = "keras.ops.conv"

    inputs: Source
    kernel: Source
    strides: Sizes = 1
    padding: str = "valid"
    data_format: str | None = None
    dilation_rate: Sizes = 1

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        groups = 1
        if kernel_shape is not None and len(kernel_shape) == rank + 2:
            inner, outer = kernel_shape[-2:]
            if inner == 0 or channels % inner or outer % max(channels // inner, 1):
                rule = f"the input has {channels} channels: a multiple of the kernel's {inner} that divides {outer}"
                raise UnstrideError(Reason.GROUPS, rule, argument="kernel_shape", value=kernel_shape)
            groups = max(channels // inner, 1)
        return self.array_filters(rank, channels, kernel_shape, groups)


@dataclass(frozen=True)
class conv_transpose(Transposed, Operation):
    """``keras.ops.conv_transpose``; here strides and dilations may go together, ``output_padding`` has no limit."""

    call = "keras.ops.conv_transpose"

    inputs: Source
    kernel: Source
    strides: Sizes = 1
    padding: str = "valid"
    output_padding: Sizes | None = None
    data_format: str | None = None
    dilation_rate: Sizes = 1

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        return self.array_filters(rank, channels, kernel_shape)


# --- writing --------------------------------------------------------------------------------------------------

_LAYERS: dict[bool, tuple[type[Spec], ...]] = {
    False: (Conv1D, Conv2D, Conv3D),
    True: (Conv1DTranspose, Conv2DTranspose, Conv3DTranspose),
}
FORMS: tuple[type[Spec], ...] = (*_LAYERS[False], *_LAYERS[True], conv, conv_transpose)


LIMIT = "padding is 'valid' or 'same', which splits the crop evenly and puts an odd element behind"


def propose(layer: Layer, batch: int = 1) -> Iterator[Callable[[], Spec]]:
    """The layer with every padding, then the function."""
    del batch
    yield from propose_layers(layer, _LAYERS)
    function: Callable[..., Spec] = conv_transpose if layer.transposed else conv
    for padding in paddings(layer):
        yield partial(function, Source("x"), Source("kernel"), **padding, **steps_of(layer))


def write(layer: Layer, batch: int = 1) -> Spec | Refusal:
    """The layer in Keras's words, or why not and what equals it."""
    return settle(layer, "keras", propose, batch, limit=LIMIT)
