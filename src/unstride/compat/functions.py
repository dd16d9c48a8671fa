"""A framework's function on NumPy arrays, made from its spec.

Data, kernel and bias are arrays in the framework's own layouts; every other argument is the framework's own, in its
order. The result has the element type that ``unstride.run`` gives; operands of different types are promoted as NumPy
does, where some frameworks would ask for a cast first.
"""

from __future__ import annotations

from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..computation import as_array, run
from ..dialects.spec import Source, Spec
from .binding import bind, build

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
        arguments = bind(self.form, values, words)
        data, kernel = (as_array(arguments[name], name) for name in self.operands)
        bias = arguments.get("bias")
        arguments |= {name: Source(name) for name in self.operands}
        if bias is not None:
            arguments["bias"] = Source("bias")
        wanted = arguments.get("preferred_element_type")
        spec = build(self.form, arguments)
        if wanted is None:
            return run(spec, data, kernel, bias)
        return run(spec, *(_promoted(each, wanted) for each in (data, kernel)), bias).astype(wanted)

    def __repr__(self) -> str:
        return f"<{self.form.call} on NumPy arrays>"


def _promoted(array: ArrayLike, wanted: Any) -> Array:
    """The array in a type that holds both its own elements and the wanted ones."""
    operand = np.asarray(array)
    return operand.astype(np.result_type(operand, np.dtype(wanted)))
