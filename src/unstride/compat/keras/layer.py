"""What a layer and a model have in common: name, element type, weights, and being built by the first call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, overload

from numpy.typing import ArrayLike, NDArray

from ...computation import as_array
from ...errors import Reason, UnstrideError
from ..checks import entries
from .dtypes import DTypePolicy, policy
from .inputs import KerasTensor, Shape, checked
from .names import choose_name
from .variables import Variable

Array = NDArray[Any]


class Layer(ABC):
    """A step that turns one array into another, with weights that are made when the input's shape is known."""

    def __init__(self, name: object = None, trainable: object = True, dtype: object = None) -> None:
        if not isinstance(trainable, bool):
            rule = "must be True or False; it tells a training framework what to update"
            raise UnstrideError(Reason.ARGUMENT, rule, argument="trainable", value=trainable)
        self.name = choose_name(name, type(self))
        self.dtype_policy: DTypePolicy = policy(dtype)
        self.built = False
        self.build_shape: Shape | None = None
        self._trainable = trainable

    # --- what a layer says of itself

    @abstractmethod
    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The output's shape, None where the input's is None."""

    @abstractmethod
    def call(self, inputs: Array) -> Array:
        """The output for an array in the layer's element type."""

    @abstractmethod
    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""

    @abstractmethod
    def make_weights(self, input_shape: Shape) -> None:
        """Create the weights for inputs of that shape."""

    @property
    @abstractmethod
    def weights(self) -> list[Variable]:
        """The weights, kernel before bias; empty before the layer is built."""

    # --- what follows from that

    @property
    def dtype(self) -> str:
        """The element type of the weights."""
        return self.dtype_policy.variable_dtype

    @property
    def compute_dtype(self) -> str:
        """The element type of the result."""
        return self.dtype_policy.compute_dtype

    @property
    def trainable(self) -> bool:
        """Whether a training framework would update the weights; nothing here does."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training would update."""
        return self.weights if self._trainable else []

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that training would leave alone."""
        kept = {id(weight) for weight in self.trainable_weights}
        return [weight for weight in self.weights if id(weight) not in kept]

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Make the weights for inputs of that shape, batch axis included; a size may be None, the channels not."""
        if self.built:
            rule = f"{self.name} is already built, for inputs of shape {self.build_shape}"
            raise UnstrideError(Reason.ARGUMENT, rule, argument="input_shape", value=input_shape)
        shape = checked(input_shape, "input_shape")
        self.make_weights(shape)
        self.built, self.build_shape = True, shape

    @overload
    def __call__(self, inputs: KerasTensor, training: bool | None = None) -> KerasTensor: ...

    @overload
    def __call__(self, inputs: ArrayLike, training: bool | None = None) -> Array: ...

    def __call__(self, inputs: ArrayLike | KerasTensor, training: bool | None = None) -> Array | KerasTensor:
        del training  # no layer here behaves differently in training
        if isinstance(inputs, KerasTensor):
            self._build_once(inputs.shape)
            return KerasTensor(self.compute_output_shape(inputs.shape), self.compute_dtype, self.name)
        array = as_array(inputs, "inputs")
        if array.dtype.kind not in "biuf":
            rule = f"{self.name} computes real numbers in {self.compute_dtype}"
            raise UnstrideError(Reason.DTYPE, rule, argument="inputs.dtype", value=str(array.dtype))
        self._build_once(array.shape)
        return self.call(array.astype(self.compute_dtype, copy=False))

    def _build_once(self, shape: Shape) -> None:
        if not self.built:
            self.build(shape)

    def get_weights(self) -> list[Array]:
        """Copies of the weights' values."""
        return [weight.numpy() for weight in self.weights]

    def set_weights(self, weights: Iterable[ArrayLike]) -> None:
        """Take over the values; UnstrideError where their number or shapes do not fit, and then nothing is changed."""
        given = entries(weights, "weights", "arrays")
        if len(given) != len(self.weights):
            names = ", ".join(weight.name for weight in self.weights) or "none before it is built"
            rule = f"{self.name} has {len(self.weights)} weights ({names}), {len(given)} are given"
            hint = None if self.built else "call the layer or its build(input_shape) first"
            raise UnstrideError(Reason.ARGUMENT, rule, argument="weights", value=len(given), hint=hint)
        before = self.get_weights()
        try:
            for weight, value in zip(self.weights, given, strict=True):
                weight.assign(value)
        except UnstrideError:
            for weight, value in zip(self.weights, before, strict=True):
                weight.assign(value)
            raise

    def count_params(self) -> int:
        """The number of weights' elements; UnstrideError before the layer is built."""
        if not self.built:
            rule = f"{self.name} has no weights before it is built"
            raise UnstrideError(Reason.ARGUMENT, rule, hint="call the layer or its build(input_shape) first")
        return sum(weight.value.size for weight in self.weights)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"
