"""Keras's weight constraints by name and config; only a training framework applies them.

Source: keras/src/constraints/constraints.py (Keras 3.15).
"""

from __future__ import annotations

from dataclasses import dataclass

from .serialization import Configured, Registry, serialize

__all__ = ["MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "get", "serialize"]


class Constraint(Configured):
    """A projection that training applies after each update; here it is kept in the config."""

    module = "keras.constraints"


@dataclass(frozen=True)
class MaxNorm(Constraint):
    """The norm along ``axis`` is at most ``max_value``."""

    max_value: float = 2
    axis: int | tuple[int, ...] = 0


@dataclass(frozen=True)
class MinMaxNorm(Constraint):
    """The norm along ``axis`` lies between ``min_value`` and ``max_value``, enforced at ``rate``."""

    min_value: float = 0.0
    max_value: float = 1.0
    rate: float = 1.0
    axis: int | tuple[int, ...] = 0


@dataclass(frozen=True)
class NonNeg(Constraint):
    """No weight is negative."""


@dataclass(frozen=True)
class UnitNorm(Constraint):
    """The norm along ``axis`` is 1."""

    axis: int | tuple[int, ...] = 0


max_norm, min_max_norm, non_neg, unit_norm = MaxNorm, MinMaxNorm, NonNeg, UnitNorm
_registry: Registry[Constraint] = Registry("constraint", (MaxNorm, MinMaxNorm, NonNeg, UnitNorm))
get = _registry.get
