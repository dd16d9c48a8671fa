"""A line of framework source as a real call: arguments by ``ast``, arrays in place of the names, the callable itself.

Nothing here knows any framework's rules, and nothing comes from ``unstride.dialects``: what a live adapter answers is
evidence of its own.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
T = TypeVar("T")

NAMES = {"x": ("x", "input", "lhs"), "kernel": ("w", "weight", "kernel", "filters", "rhs"), "bias": ("b", "bias")}
"""the placeholders that stand for each array in a line"""


@dataclass(frozen=True, slots=True)
class Line:
    """One call: its dotted name, its arguments with the arrays in place, and the call of its result, if any."""

    name: str
    positional: list[object]
    keywords: dict[str, object]
    applied: tuple[list[object], dict[str, object]] = field(default=([], {}))
    """arguments of ``layer(x, ...)`` after ``x``"""

    def call(self, target: Callable[..., T]) -> T:
        """``target`` with this line's arguments."""
        return target(*self.positional, **self.keywords)


def read(code: str, arrays: Mapping[str, object]) -> Line:
    """The call written in ``code``, with ``arrays`` for its names; ValueError for anything but literals and names.

    >>> read("torch.nn.Conv2d(1, 2, kernel_size=(3, -1))", {}).keywords
    {'kernel_size': (3, -1)}
    """
    call = ast.parse(code.strip(), mode="eval").body
    if not isinstance(call, ast.Call):
        raise ValueError(f"not a call: {code}")
    positional, keywords = _arguments(call, arrays)
    if isinstance(call.func, ast.Call):
        layer_positional, layer_keywords = _arguments(call.func, arrays)
        return Line(ast.unparse(call.func.func), layer_positional, layer_keywords, (positional[1:], keywords))
    return Line(ast.unparse(call.func), positional, keywords)


def _arguments(call: ast.Call, arrays: Mapping[str, object]) -> tuple[list[object], dict[str, object]]:
    keywords = {str(each.arg): _value(each.value, arrays) for each in call.keywords}
    return [_value(each, arrays) for each in call.args], keywords


def _value(node: ast.expr, arrays: Mapping[str, object]) -> object:
    if isinstance(node, ast.Name):
        if node.id not in arrays:
            raise ValueError(f"no array stands for the name {node.id!r}")
        return arrays[node.id]
    return ast.literal_eval(node)


def placed(make: Callable[[Array], object], x: Array, kernel: Array, bias: Array | None) -> dict[str, object]:
    """Every placeholder name, with the framework's array for it; a missing bias is None."""
    values = {"x": make(x), "kernel": make(kernel), "bias": None if bias is None else make(bias)}
    return {name: values[role] for role, names in NAMES.items() for name in names}


def resolve(name: str, aliases: Mapping[str, str] | None = None) -> Callable[..., Any]:
    """The real callable of a dotted name, importing what it needs; ``aliases`` spell the first part out.

    >>> resolve("math.hypot")(3, 4)
    5.0
    """
    first, *rest = name.split(".")
    path = (aliases or {}).get(first, first)
    found: object = import_module(path)
    for part in rest:
        path = f"{path}.{part}"
        # a module's __getattr__ may hide a submodule of the same name, so ask the import system only when it has none
        if not hasattr(found, part) and isinstance(found, ModuleType) and find_spec(path):
            import_module(path)
        found = getattr(found, part)
    if not callable(found):
        raise TypeError(f"{name} cannot be called")
    return found


def checked(array: Array, shape: tuple[int, ...], name: str) -> Array:
    """``array`` if it has the shape that the built layer keeps for it; ValueError otherwise."""
    if array.shape != tuple(shape):
        raise ValueError(f"the layer's {name} has the shape {tuple(shape)}, given {array.shape}")
    return array
