"""Keras's regularizers by name and config; only a training framework applies them.

Source: keras/src/regularizers/regularizers.py (Keras 3.15).
"""

from __future__ import annotations

from dataclasses import dataclass

from .serialization import Configured, Registry, serialize

__all__ = ["L1", "L1L2", "L2", "OrthogonalRegularizer", "get", "l1", "l1_l2", "l2", "serialize"]


class Regularizer(Configured):
    """A penalty that training adds to the loss; here it is kept in the config."""

    module = "keras.regularizers"


@dataclass(frozen=True)
class L1(Regularizer):
    """``l1 · sum |w|``."""

    l1: float = 0.01


@dataclass(frozen=True)
class L2(Regularizer):
    """``l2 · sum w²``."""

    l2: float = 0.01


@dataclass(frozen=True)
class L1L2(Regularizer):
    """``l1 · sum |w| + l2 · sum w²``."""

    l1: float = 0.0
    l2: float = 0.0


@dataclass(frozen=True)
class OrthogonalRegularizer(Regularizer):
    """Pushes rows or columns towards orthogonality."""

    factor: float = 0.01
    mode: str = "rows"


l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer
_registry: Registry[Regularizer] = Registry("regularizer", (L1, L2, L1L2, OrthogonalRegularizer), {"l1_l2": L1L2})
get = _registry.get
