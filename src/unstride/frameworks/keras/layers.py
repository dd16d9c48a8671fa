"""``keras.layers``' transposed convolutions, drop-in, with the output that people ask for: by size, word or pairs.

Arguments, defaults and weights are Keras's own, and what Keras can say means the same here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

import keras
from keras import ops

from ...dialects.arguments import check_divides, integer, per_axis
from ...dialects.windows import Taps
from ...errors import Reason, UnstrideError
from . import computation
from .windows import Crop, Window, crop_of, padding_of

Size = int | tuple[int, ...] | list[int]


def plainly(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, whose errors Keras passes on as they are: it would remake them from the message alone."""

    @wraps(method)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except UnstrideError as error:
            vars(error)["_keras_call_info_injected"] = True
            raise

    return called


class _ConvTranspose(keras.layers.Layer):  # type: ignore[misc]  # Keras is not typed
    """What the three ranks share, before Keras's own layer in the order of bases.

    Beyond Keras: ``groups``, with a kernel ``(*taps, filters / groups, channels)``; ``padding`` may also be ``"full"``
    (nothing is cropped), pairs (before, after) for each axis, or integers for both; ``output_padding`` may be any
    number of elements, and those that no stamp reaches hold the bias; ``strides`` and ``dilation_rate`` go together.
    """

    ranked: ClassVar[int]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "ranked" in vars(cls):
            cls.__signature__ = _signature(super().__init__)

    def __init__(self, *args: Any, groups: int = 1, **kwargs: Any) -> None:
        stock = super().__init__
        given = inspect.signature(stock).bind(*args, **kwargs)
        given.apply_defaults()
        words = given.arguments
        padding, extra, spread = words["padding"], words["output_padding"], words["dilation_rate"]
        words.update(padding="valid", output_padding=None, dilation_rate=1)  # what Keras would refuse is checked here
        stock(*given.args, **given.kwargs)
        rank = self.ranked
        self.padding = padding_of(padding, rank)
        self.dilation_rate = per_axis(spread, rank, "dilation_rate", Reason.DILATION)
        self.output_padding = (
            None if extra is None else per_axis(extra, rank, "output_padding", Reason.OUTPUT_PADDING, least=0)
        )
        self.groups = integer(groups, "groups", Reason.GROUPS, least=1)
        check_divides(groups, self.filters, "filters")

    def build(self, input_shape: Any) -> None:
        """Kernel ``(*taps, filters / groups, channels)`` and bias, for inputs of this shape."""
        place = -1 if self._last else 1
        channels = input_shape[place]
        check_divides(self.groups, channels, "the input's channels")
        self.input_spec = keras.layers.InputSpec(ndim=self.ranked + 2, axes={place: channels})
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, self.filters // self.groups, channels),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            dtype=self.dtype,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                dtype=self.dtype,
            )

    @plainly
    def call(self, inputs: Any, like: Any = None, output_size: Size | None = None) -> Any:
        """The output; of the spatial size of ``like``, a tensor in the same layout, or of ``output_size``."""
        wanted = self._wanted(None if like is None else ops.shape(like), output_size)
        windows = self._windows(self._spatial(ops.shape(inputs)), wanted)
        kernel = ops.convert_to_tensor(self.kernel)
        bias = None if self.bias is None else ops.convert_to_tensor(self.bias)
        inputs = ops.cast(inputs, kernel.dtype)
        y = computation.run(
            inputs, kernel, bias, self.strides, self.dilation_rate, self.groups, windows, last=self._last
        )
        return y if self.activation is None else self.activation(y)

    def compute_output_shape(
        self, input_shape: Any, like_shape: Any = None, output_size: Size | None = None
    ) -> tuple[int | None, ...]:
        """The output's shape; None for what is open."""
        wanted = self._wanted(like_shape, output_size)
        sizes = [
            goal if goal is not None else None if small is None else crop.size(small)
            for crop, small, goal in self._axes(self._spatial(input_shape), wanted)
        ]
        batch = input_shape[0]
        return (batch, *sizes, self.filters) if self._last else (batch, self.filters, *sizes)

    @plainly
    def compute_output_spec(self, inputs: Any, like: Any = None, output_size: Size | None = None) -> keras.KerasTensor:
        shape = self.compute_output_shape(inputs.shape, None if like is None else like.shape, output_size)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "groups": self.groups}

    @property
    def _last(self) -> bool:
        return bool(self.data_format == "channels_last")

    def _spatial(self, shape: Any) -> tuple[Any, ...]:
        """The spatial part of a shape in the layer's layout."""
        return tuple(shape[1:-1] if self._last else shape[2:])

    def _wanted(self, like: Any, output_size: Size | None) -> tuple[Any, ...] | None:
        """The spatial size that is asked for, by a tensor's shape or by numbers."""
        if like is not None and output_size is not None:
            rule, hint = "like and output_size both say how large the output is", "give one of them"
            raise UnstrideError(Reason.ARGUMENT, rule, argument="output_size", value=output_size, hint=hint)
        if output_size is not None:
            return per_axis(output_size, self.ranked, "output_size", Reason.OUTPUT_SHAPE)
        if like is None:
            return None
        if len(like) != self.ranked + 2:
            rule = f"must have {self.ranked + 2} dimensions, as the input has"
            raise UnstrideError(Reason.RANK, rule, argument="like", value=tuple(like))
        return self._spatial(like)

    def _axes(self, sizes: tuple[Any, ...], wanted: tuple[Any, ...] | None) -> list[tuple[Crop, Any, Any]]:
        """Every axis's crop, input size and wanted size; UnstrideError where the known ones do not fit."""
        extras = self.output_padding or (None,) * self.ranked
        pads = (self.padding,) * self.ranked if isinstance(self.padding, str) else self.padding
        taps = map(Taps, self.kernel_size, self.strides, self.dilation_rate)
        axes = list(zip(map(crop_of, taps, pads, extras), sizes, wanted or (None,) * self.ranked, strict=True))
        for crop, small, goal in axes:
            crop.check(small, goal)
        return axes

    def _windows(self, sizes: tuple[Any, ...], wanted: tuple[Any, ...] | None) -> list[Window]:
        return [crop.window(small, goal) for crop, small, goal in self._axes(sizes, wanted)]


def _signature(stock: Any) -> inspect.Signature:
    """What a person reads in ``help``: Keras's own arguments, and ``groups``."""
    _, *own, rest = inspect.signature(stock).parameters.values()
    groups = inspect.Parameter("groups", inspect.Parameter.KEYWORD_ONLY, default=1, annotation=int)
    return inspect.Signature([*own, groups, rest])


@keras.saving.register_keras_serializable(package="unstride")
class Conv1DTranspose(_ConvTranspose, keras.layers.Conv1DTranspose):  # type: ignore[misc]  # Keras is not typed
    """``keras.layers.Conv1DTranspose``, with every window; input ``(batch, steps, channels)``."""

    ranked = 1


@keras.saving.register_keras_serializable(package="unstride")
class Conv2DTranspose(_ConvTranspose, keras.layers.Conv2DTranspose):  # type: ignore[misc]  # Keras is not typed
    """``keras.layers.Conv2DTranspose``, with every window; input ``(batch, height, width, channels)``."""

    ranked = 2


@keras.saving.register_keras_serializable(package="unstride")
class Conv3DTranspose(_ConvTranspose, keras.layers.Conv3DTranspose):  # type: ignore[misc]  # Keras is not typed
    """``keras.layers.Conv3DTranspose``, with every window; input ``(batch, depth, height, width, channels)``."""

    ranked = 3
