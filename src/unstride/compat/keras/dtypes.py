"""A layer's element types: what its weights are kept in, and what it computes in.

Source: keras/src/dtype_policies/dtype_policy.py (Keras 3.15).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import Reason, UnstrideError
from ..checks import element_type, mapping
from .serialization import Configured

FLOATS = ("float16", "float32", "float64")
MIXED = "mixed_float16"


@dataclass(frozen=True)
class DTypePolicy(Configured):
    """One floating-point type, or ``mixed_float16``: computed in half precision, weights in single.

    >>> DTypePolicy("mixed_float16").compute_dtype
    'float16'
    """

    module = "keras"
    name: str = "float32"

    def __post_init__(self) -> None:
        if self.name not in (*FLOATS, MIXED):
            rule = f"must be one of {', '.join((*FLOATS, MIXED))}"
            raise UnstrideError(Reason.DTYPE, rule, argument="dtype", value=self.name)

    @property
    def compute_dtype(self) -> str:
        """The type that inputs are cast to and results have."""
        return "float16" if self.name == MIXED else self.name

    @property
    def variable_dtype(self) -> str:
        """The type that weights are kept in."""
        return "float32" if self.name == MIXED else self.name


def policy(identifier: Any) -> DTypePolicy:
    """The policy of that name, config or NumPy type; None is single precision."""
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, Mapping):
        return policy(mapping(identifier.get("config", {}), "dtype['config']").get("name"))
    if identifier is None:
        return DTypePolicy()
    try:
        return DTypePolicy(element_type(identifier, "dtype").name)
    except UnstrideError:
        if isinstance(identifier, str):
            return DTypePolicy(identifier)
        raise
