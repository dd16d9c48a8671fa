"""What happens to a layer's sums before they are its output: bias, residual, activation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Reason, UnstrideError
from . import activations
from .dtypes import HALVES

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Activation:
    """An activation by Keras's name, with its arguments.

    >>> Activation.of("leaky_relu")
    Activation(name='leaky_relu', parameters=(0.2,))
    """

    name: str
    parameters: tuple[float, ...] = ()

    @classmethod
    def of(cls, named: str | Activation | None) -> Activation | None:
        """The activation called by name, with Keras's defaults; nothing for ``linear``. Raises UnstrideError."""
        if named is None or named == "linear" or isinstance(named, Activation):
            return named if isinstance(named, Activation) else None
        function = activations.BY_NAME.get(named) or activations.ALIASES.get(named)
        if function is None:
            rule = f"is not known; there are {', '.join(activations.BY_NAME)}"
            hint = "leave it out, and apply it to the result"
            raise UnstrideError(Reason.UNSUPPORTED, rule, argument="activation", value=named, hint=hint)
        return cls(function.__name__, activations.DEFAULTS.get(function.__name__, ()))

    def __call__(self, y: Array) -> Array:
        """The activation of an array; integers become double precision."""
        half = y.dtype.name in HALVES
        real = y.astype(np.float32) if half else y if y.dtype.kind == "f" else y.astype(np.float64)
        done = np.asarray(activations.BY_NAME[self.name](real, *self.parameters))
        return done.astype(y.dtype) if half else done


@dataclass(frozen=True, slots=True, eq=False)
class Ends:
    """``activation(sum + bias + residual)``: each part where it is given."""

    bias: Array | None = None
    residual: Array | None = None
    activation: Activation | None = None

    def after_bias(self, y: Array) -> Array:
        """What is left to do where only the bias has been added."""
        if self.residual is not None:
            y = y + self.residual.astype(y.dtype, copy=False)
        return y if self.activation is None else self.activation(y)

    def without_activation(self) -> Ends:
        """The same, up to the activation."""
        return replace(self, activation=None)
