"""The same layer elsewhere: the line that is exactly this layer in each dialect, or the steps that equal it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..dialects import registry
from ..dialects.refusal import Outcome
from ..dialects.spec import Spec
from ..geometry import Layer

MAJOR = ("keras", "torch", "tensorflow", "jax", "flax", "onnx")
"""The dialects shown first; the others stand in the details."""


@dataclass(frozen=True, slots=True)
class Translation(Outcome):
    """One layer in one dialect."""

    title: str
    """the framework's own name"""

    @property
    def line(self) -> str:
        """The source line; else the steps that equal the layer; else the rule that forbids it."""
        if isinstance(self.written, Spec):
            return self.written.code()
        if self.written.composition is None:
            return f"cannot say it: {self.written.rule}"
        return "; ".join(self.written.composition.steps()).replace(":;", ":")

    def as_json(self) -> dict[str, Any]:
        """The translation as JSON values."""
        return {"dialect": self.dialect} | self.facts()


def translate_everywhere(layer: Layer, batch: int = 1) -> tuple[Translation, ...]:
    """``layer`` in every dialect, the most usual first."""
    ordered = sorted(registry.DIALECTS, key=lambda d: MAJOR.index(d.name) if d.name in MAJOR else len(MAJOR))
    return tuple(Translation(d.name, d.module().write(layer, batch), d.title) for d in ordered)
