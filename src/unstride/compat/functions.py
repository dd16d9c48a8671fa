"""A framework's function on NumPy arrays, made from its spec.

Data, kernel and bias are arrays in the framework's own layouts; every other argument is the framework's own, in its
order. The result has the element type that ``unstride.run`` gives; operands of different types are promoted as NumPy
does, where some frameworks would ask for a cast first.
"""

from __future__ import annotations

from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..computation import as_array, run
from ..dialects.spec import Source, Spec
from ..errors import UnstrideError
from .binding import bind, build
from .checks import element_type

Array = NDArray[Any]


class Function:
    """One function of a framework, computed here. Raises UnstrideError where the framework would reject the call."""

    def __init__(self, form: type[Spec]) -> None:
        self.form = form
        self.__name__ = form.__name__
        self.__doc__ = f"``{form.call}`` on NumPy arrays."
        self.__signature__ = signature(form)
        self.operands = tuple(self.__signature__.parameters)[:2]

    def __call__(self, *values: object, **words: object) -> Array:
        try:
            return self._compute(bind(self.form, values, words))
        except UnstrideError as error:
            raise self._named(error) from None

    def _compute(self, arguments: dict[str, Any]) -> Array:
        data, kernel = (as_array(arguments[name], name) for name in self.operands)
        bias = arguments.get("bias")
        arguments |= {name: Source(name) for name in self.operands}
        if bias is not None:
            arguments["bias"] = Source("bias")
        given = arguments.get("preferred_element_type")
        spec = build(self.form, arguments)
        if given is None:
            return run(spec, data, kernel, bias)
        wanted = element_type(given, "preferred_element_type")
        return run(spec, _promoted(data, wanted), _promoted(kernel, wanted), bias).astype(wanted)

    def _named(self, error: UnstrideError) -> UnstrideError:
        """The error with the framework's own name for the array it speaks of."""
        data, kernel = self.operands
        own = {"x": data, "input_shape": f"{data}.shape", "kernel": kernel, "kernel_shape": f"{kernel}.shape"}
        argument = own.get(error.argument or "", error.argument)
        return UnstrideError(error.reason, error.rule, argument=argument, value=error.value, hint=error.hint)

    def __repr__(self) -> str:
        return f"<{self.form.call} on NumPy arrays>"


def _promoted(operand: Array, wanted: np.dtype[Any]) -> Array:
    """The array in a type that holds both its own elements and the wanted ones."""
    return operand.astype(np.result_type(operand, wanted))
