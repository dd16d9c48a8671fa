"""Keras's convolution layers on NumPy arrays: ``Conv{1,2,3}D`` and ``Conv{1,2,3}DTranspose``.

Every argument is that of Keras 3's prototype, in its order. Regularizers, constraints and ``trainable`` are kept in
the config; only a training framework applies them. ``autocast`` changes nothing: inputs are always cast.

Source: keras/src/layers/convolutional (Keras 3.15).
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...computation import Gradients, gradients, run
from ...dialects import keras as dialect
from ...dialects.keras_rules import KerasLayer, TransposedLayer
from ...engine.memory import check_bytes
from ...errors import Reason, UnstrideError
from ..binding import bind, build
from ..checks import mapping
from ..coverage import missing
from . import activations, constraints, initializers, regularizers
from .inputs import Input, InputLayer, Shape, checked
from .layer import Layer
from .serialization import serialize
from .variables import Variable

Array = NDArray[Any]

__all__ = [
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "Input",
    "InputLayer",
    "Layer",
]

_SIZES = {"kernel_size": Reason.KERNEL, "strides": Reason.STRIDE, "dilation_rate": Reason.DILATION}
_OBJECTS: Mapping[str, Any] = {
    "kernel_initializer": initializers.get,
    "bias_initializer": initializers.get,
    "kernel_regularizer": regularizers.get,
    "bias_regularizer": regularizers.get,
    "activity_regularizer": regularizers.get,
    "kernel_constraint": constraints.get,
    "bias_constraint": constraints.get,
}


class Convolution(Layer):
    """What the six layers share: a spec that holds every rule, a kernel, a bias, an activation."""

    form: ClassVar[type[KerasLayer]]
    training_only: ClassVar[tuple[str, ...]] = (
        "kernel_regularizer",
        "bias_regularizer",
        "activity_regularizer",
        "kernel_constraint",
        "bias_constraint",
        "trainable",
    )
    """arguments that are kept in the config and have no effect on what is computed here"""

    filters: int
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str
    dilation_rate: tuple[int, ...]
    data_format: str
    use_bias: bool

    def __init_subclass__(cls) -> None:
        if "form" in vars(cls):
            cls.__signature__ = signature(cls.form)  # type: ignore[attr-defined]  # what inspect and help() show

    def __init__(self, *values: object, **words: Any) -> None:
        given = bind(self.form, values, words)
        # the layer applies its activation itself: it may be any callable
        self.spec = spec = build(self.form, {**given, "activation": None})
        if getattr(spec, "lora_rank", None):
            hint = "merge the low-rank part into the kernel and leave lora_rank out"
            rule = "low-rank adaptation is a way to train"
            raise UnstrideError(Reason.UNSUPPORTED, rule, argument="lora_rank", value=given["lora_rank"], hint=hint)
        super().__init__(given["name"], given["trainable"], given["dtype"])
        self.rank = spec.rank
        self.groups: int = getattr(spec, "groups", 1)
        self._name_sizes(spec)
        self.activation = activations.get(given["activation"])
        for name, get in _OBJECTS.items():
            setattr(self, name, get(given[name], name))
        self.input_shape_argument: Shape | None = given["input_shape"]
        if given["input_dim"] is not None:
            self.input_shape_argument = (given["input_dim"],)
        self._variables: dict[str, Variable] = {}

    def _name_sizes(self, spec: KerasLayer) -> None:
        """The arguments as Keras's attributes: one size per axis, words in lower case, defaults filled in."""
        self.filters, self.use_bias = spec.filters, spec.bias_present
        self.kernel_size, self.strides, self.dilation_rate = (
            spec.axes_of(name, spec.rank, reason) for name, reason in _SIZES.items()
        )
        self.padding = spec.pads
        self.data_format = "channels_last" if spec.channels_last else "channels_first"

    # --- shapes and weights

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The output's shape; None where the input's is None."""
        shape = checked(input_shape, "input_shape")
        known = self._known(shape)
        output = self.spec.output_shape(known)
        tokens = self.spec.data_layout(len(known)).order
        return tuple(
            None if given is None and axis != "C" else size
            for axis, given, size in zip(tokens, shape, output, strict=True)
        )

    def _known(self, shape: Shape) -> tuple[int, ...]:
        """The shape with any size for the unknown ones: one that the kernel fits into."""
        tokens = self.spec.data_layout(len(shape)).order
        if shape[tokens.index("C")] is None:
            rule = "the number of channels must be known"
            raise UnstrideError(Reason.CHANNELS, rule, argument="input_shape", value=shape)
        enough = max(self.kernel_size) * max(self.dilation_rate)
        fallback = {"N": 1} | {str(axis): enough for axis in range(self.rank)}
        return tuple(fallback[token] if size is None else size for token, size in zip(tokens, shape, strict=True))

    def make_weights(self, input_shape: Shape) -> None:
        layer = self.spec.read(self._known(input_shape))
        shapes = {"kernel": self.spec.kernel_shape(layer)}
        if self.use_bias:
            shapes["bias"] = (self.filters,)
        self.input_channels = layer.in_channels
        self._variables = {name: self._weight(name, shape) for name, shape in shapes.items()}

    def _weight(self, name: str, shape: tuple[int, ...]) -> Variable:
        check_bytes(8 * prod(shape), f"{self.name}'s {name} of shape {shape}, made in double precision,")
        default = {"kernel": initializers.GlorotUniform(), "bias": initializers.Zeros()}
        initialize = getattr(self, f"{name}_initializer") or default[name]
        values = np.asarray(initialize(shape, dtype=self.dtype))
        if values.shape != shape:
            rule = f"the {name} has the shape {shape}"
            raise UnstrideError(Reason.KERNEL, rule, argument=f"{name}_initializer", value=values.shape)
        return Variable(values, self.dtype, name, f"{self.name}/{name}")

    @property
    def weights(self) -> list[Variable]:
        """Kernel and bias; empty before the layer is built."""
        return list(self._variables.values())

    @property
    def kernel(self) -> Variable:
        """The kernel; AttributeError before the layer is built, as in Keras."""
        return self._built("kernel")

    @property
    def bias(self) -> Variable | None:
        """The bias, None where ``use_bias=False``; AttributeError before the layer is built, as in Keras."""
        return self._built("bias") if self.use_bias else None

    def _built(self, name: str) -> Variable:
        if name not in self._variables:
            raise AttributeError(f"{self.name} has no {name} before it is built")
        return self._variables[name]

    # --- computing

    def call(self, inputs: Array) -> Array:
        """The output for an array in the layer's element type."""
        _, channels, _ = self.spec.data_layout(inputs.ndim).split(inputs.shape)
        if channels != self.input_channels:
            rule = f"{self.name} was built for {self.input_channels} channels, this input has {channels}"
            raise UnstrideError(Reason.CHANNELS, rule, argument="inputs.shape", value=inputs.shape)
        kernel, *bias = (weight.value.astype(self.compute_dtype, copy=False) for weight in self.weights)
        return np.asarray(self.activation(run(self.spec, inputs, kernel, *bias)))

    def gradients(self, inputs: ArrayLike, grad_output: ArrayLike) -> Gradients:
        """The gradients for input, kernel and bias, from the gradient for the output before the activation.

        Keras has no such method: it is what training in NumPy needs. UnstrideError before the layer is built.
        """
        if not self.built:
            hint = "call the layer or its build(input_shape) first"
            raise UnstrideError(Reason.ARGUMENT, f"{self.name} has no weights before it is built", hint=hint)
        kernel = self.kernel.value.astype(self.compute_dtype, copy=False)
        return gradients(self.spec, inputs, grad_output, kernel)

    # --- config

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, with the keys and values of Keras's own config."""
        taken = [name for name in signature(self.form).parameters if name not in self.form.refused]
        sizes = {name: getattr(self, name) for name in taken if name in self._plain}
        described = {name: serialize(getattr(self, name)) for name in _OBJECTS}
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": serialize(self.dtype_policy),
            **sizes,
            "activation": activations.serialize(self.activation),
            **described,
        }

    _plain: ClassVar[tuple[str, ...]] = (
        "filters",
        "kernel_size",
        "strides",
        "padding",
        "data_format",
        "dilation_rate",
        "groups",
        "use_bias",
        "output_padding",
    )

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The layer with that config, which may come from Keras."""
        return cls(**mapping(config, "config"))


class _Transposed(Convolution):
    form: ClassVar[type[KerasLayer]] = dialect.Conv1DTranspose

    @property
    def output_padding(self) -> tuple[int, ...] | None:
        """One number per axis, or None: the length is inferred."""
        spec = self.spec
        if not isinstance(spec, TransposedLayer) or spec.output_padding is None:
            return None
        return spec.axes_of("output_padding", spec.rank, Reason.OUTPUT_PADDING, least=0)


class Conv1D(Convolution):
    """``keras.layers.Conv1D``."""

    form = dialect.Conv1D


class Conv2D(Convolution):
    """``keras.layers.Conv2D``.

    >>> layer = Conv2D(3, 3, strides=2, padding="same")
    >>> layer.compute_output_shape((None, 96, 128, 3))
    (None, 48, 64, 3)
    """

    form = dialect.Conv2D


class Conv3D(Convolution):
    """``keras.layers.Conv3D``."""

    form = dialect.Conv3D


class Conv1DTranspose(_Transposed):
    """``keras.layers.Conv1DTranspose``."""

    form = dialect.Conv1DTranspose


class Conv2DTranspose(_Transposed):
    """``keras.layers.Conv2DTranspose``.

    >>> layer = Conv2DTranspose(1, 3, strides=2, padding="same", kernel_initializer="ones")
    >>> layer(np.array([[2, 1], [3, 2]]).reshape(1, 2, 2, 1)).reshape(4, 4).tolist()
    [[2.0, 2.0, 3.0, 1.0], [2.0, 2.0, 3.0, 1.0], [5.0, 5.0, 8.0, 3.0], [3.0, 3.0, 5.0, 2.0]]
    """

    form = dialect.Conv2DTranspose


class Conv3DTranspose(_Transposed):
    """``keras.layers.Conv3DTranspose``."""

    form = dialect.Conv3DTranspose


if not TYPE_CHECKING:
    __getattr__ = missing(__name__, "Conv{1,2,3}D, Conv{1,2,3}DTranspose and Input; other layers run in Keras")
