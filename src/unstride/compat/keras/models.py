"""``keras.Sequential`` on NumPy arrays: layers one after the other.

Source: keras/src/models/sequential.py (Keras 3.15).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

from numpy.typing import ArrayLike, NDArray

from ...dialects.arguments import integer
from ...errors import Reason, UnstrideError
from ..checks import entries, mapping
from . import layers as known_layers
from .inputs import InputLayer, KerasTensor, Shape, checked
from .layer import Layer
from .names import choose_name
from .serialization import described, serialize
from .summary import print_summary
from .variables import Variable

Array = NDArray[Any]


class Sequential(Layer):
    """A stack of layers; built by its first call, or as soon as an ``Input`` says the shape.

    >>> import numpy as np
    >>> model = Sequential()
    >>> model.add(known_layers.Conv2D(filters=3, kernel_size=3, padding="valid"))
    >>> model(np.ones((1, 96, 128, 3))).shape
    (1, 94, 126, 3)
    """

    def __init__(self, layers: Iterable[Any] | None = None, trainable: bool = True, name: str | None = None) -> None:
        super().__init__(name, trainable)
        self._input: InputLayer | None = None
        self._layers: list[Layer] = []
        for layer in () if layers is None else entries(layers, "layers", "layers"):
            self.add(layer, rebuild=False)
        self._rebuild()

    # --- the stack

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the input."""
        return list(self._layers)

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Put a layer on top; a ``keras.Input`` only at the bottom."""
        if isinstance(layer, KerasTensor):
            layer = InputLayer(batch_shape=layer.shape, dtype=layer.dtype, name=layer.name)
        if isinstance(layer, InputLayer):
            self._add_input(layer)
        elif isinstance(layer, Layer):
            self._add_layer(layer)
        else:
            rule = "must be a layer, or keras.Input(shape) as the first entry"
            raise UnstrideError(Reason.ARGUMENT, rule, argument="layer", value=layer)
        self.built = False
        if rebuild:
            self._rebuild()

    def _add_input(self, layer: InputLayer) -> None:
        if self._input is not None or self._layers:
            rule = f"{self.name} already begins with {'an input' if self._input else self._layers[0].name}"
            raise UnstrideError(Reason.ARGUMENT, rule, argument="layer", value=layer.name)
        self._input = layer

    def _add_layer(self, layer: Layer) -> None:
        if any(layer.name == other.name for other in self._layers):
            rule = "another layer of this model has this name"
            hint = "give the layer another name="
            raise UnstrideError(Reason.ARGUMENT, rule, argument="name", value=layer.name, hint=hint)
        shape = getattr(layer, "input_shape_argument", None)
        if shape is not None and self._input is None and not self._layers:
            self._input = InputLayer(shape)
        self._layers.append(layer)

    def pop(self, rebuild: bool = True) -> Layer:
        """Take the top layer off."""
        if not self._layers:
            raise UnstrideError(Reason.ARGUMENT, f"{self.name} has no layers")
        layer = self._layers.pop()
        self.built = False
        if rebuild:
            self._rebuild()
        return layer

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of that name, or at that position."""
        if (name is None) == (index is None):
            raise UnstrideError(Reason.ARGUMENT, "give one of name and index", argument="name", value=name)
        at = None if index is None else integer(index, "index", Reason.ARGUMENT)
        wanted = None if name is None else choose_name(name, Layer)
        found = [layer for place, layer in enumerate(self._layers) if layer.name == wanted or place == at]
        if not found:
            rule = f"{self.name} has the layers {', '.join(layer.name for layer in self._layers)}"
            argument, value = ("name", name) if index is None else ("index", index)
            raise UnstrideError(Reason.ARGUMENT, rule, argument=argument, value=value)
        return found[0]

    # --- shapes and weights

    def _rebuild(self) -> None:
        if self._input is not None and self._layers:
            self.built = False
            self.build(self._input.batch_shape)

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        """Make the weights of every layer that has none."""
        shape = self._input.batch_shape if input_shape is None and self._input else input_shape
        if shape is None:
            raise UnstrideError(Reason.ARGUMENT, "the input's shape is needed", argument="input_shape", value=None)
        self.built = False  # a stack may grow after it was built
        super().build(shape)

    def make_weights(self, input_shape: Shape) -> None:
        if not self._layers:
            hint = "call add(layer) first"
            raise UnstrideError(Reason.ARGUMENT, f"{self.name} cannot be built without layers", hint=hint)
        if self._input is None:
            self._input = InputLayer(batch_shape=input_shape)
        elif self._input.batch_shape != input_shape:
            rule = f"{self.name} already has inputs of shape {self._input.batch_shape}"
            raise UnstrideError(Reason.SIZE, rule, argument="input_shape", value=input_shape)
        shape = input_shape
        for layer in self._layers:
            if not layer.built:
                layer.build(shape)
            shape = layer.compute_output_shape(shape)

    @property
    def weights(self) -> list[Variable]:
        """The weights of all layers, in order."""
        return [weight for layer in self._layers for weight in layer.weights]

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training would update."""
        return [weight for layer in self._layers for weight in layer.trainable_weights] if self._trainable else []

    @property
    def trainable(self) -> bool:
        """Whether a training framework would update the weights; setting it sets every layer's."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for layer in self._layers:
            layer.trainable = bool(value)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The top layer's output shape; None where the input's is None."""
        shape = checked(input_shape, "input_shape")
        for layer in self._layers:
            shape = layer.compute_output_shape(shape)
        return shape

    @property
    def input_shape(self) -> Shape:
        """The shape the model was built for; AttributeError before, as in Keras."""
        if not self.built or self._input is None:
            raise AttributeError(f"{self.name} has no input shape before it is built")
        return self._input.batch_shape

    @property
    def output_shape(self) -> Shape:
        """The output's shape for ``input_shape``; AttributeError before the model is built, as in Keras."""
        return self.compute_output_shape(self.input_shape)

    # --- computing

    def call(self, inputs: Array) -> Array:
        """The output of the top layer."""
        for layer in self._layers:
            inputs = layer(inputs)
        return inputs

    def predict(
        self, x: ArrayLike, batch_size: int | None = None, verbose: str | int = "auto", steps: int | None = None
    ) -> Array:
        """The output for ``x``, all at once; batch size, progress and steps change nothing."""
        del batch_size, verbose, steps
        return self(x)

    def summary(
        self,
        line_length: int | None = None,
        print_fn: Callable[[str], object] | None = None,
        show_trainable: bool = False,
    ) -> None:
        """Print a table of the layers, their output shapes and parameters, or hand its text to ``print_fn``."""
        print_summary(self, self._layers, line_length=line_length, print_fn=print_fn, show_trainable=show_trainable)

    # --- config

    def get_config(self) -> dict[str, Any]:
        """The model's layers, with the keys and values of Keras's own config."""
        written = []
        if self._input is not None:
            written.append(described("keras.layers", "InputLayer", self._input.get_config()))
        written += [_described(layer) for layer in self._layers]
        config = {"name": self.name, "trainable": self.trainable, "dtype": serialize(self.dtype_policy)}
        built = {"build_input_shape": self.input_shape} if self.built else {}
        return {**config, "layers": written, **built}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The model with that config, which may come from Keras."""
        given = mapping(config, "config")
        model = cls(name=given.get("name"), trainable=given.get("trainable", True))
        for entry in entries(given.get("layers", ()), "config['layers']", "layers' descriptions"):
            model.add(_restored(entry))
        shape = given.get("build_input_shape")
        if not model.built and shape is not None:
            model.build(shape)
        return model


def _described(layer: Layer) -> dict[str, Any]:
    """The layer as Keras's config holds it, with the shape it was built for."""
    module = "keras" if isinstance(layer, Sequential) else "keras.layers"
    built = {"build_config": {"input_shape": layer.build_shape}} if layer.built else {}
    return described(module, type(layer).__name__, layer.get_config()) | built


def _restored(entry: object) -> Any:
    given = mapping(entry, "config['layers'] entry")
    name = given.get("class_name")
    known = [each for each in known_layers.__all__ if each not in {"Input", "Layer"}]
    if not isinstance(name, str) or name not in {*known, "Sequential"}:
        rule = f"is no layer here; there are {', '.join(known)}"
        raise UnstrideError(Reason.UNSUPPORTED, rule, argument="class_name", value=name)
    kind = Sequential if name == "Sequential" else getattr(known_layers, name)
    return kind.from_config(mapping(given.get("config"), "config"))
