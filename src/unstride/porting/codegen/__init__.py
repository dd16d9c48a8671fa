"""One layer as source of a framework, and as the live object that the source makes: a module for each target.

``TARGETS`` names them. Each has ``program(plan)``, the whole module; the smaller functions beside it give the
constructor, the lines around it and the weights, for those who write larger programs.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from ...dialects.refusal import Composition
from ...dialects.spec import Spec
from ...errors import Reason, UnstrideError
from ...geometry import Layer
from ..plan import Plan
from .program import Program

TARGETS = ("torch", "keras", "tensorflow", "jax", "flax", "onnx", "equinox", "haiku")
"""the dialects that source is written for"""

_ARRAYS_OUT = {"onnx": "Session"}


def module(dialect: str) -> Any:
    """The target's module; UnstrideError where source is not written for it."""
    if dialect not in TARGETS:
        rule = f"source is written for {', '.join(TARGETS)}"
        raise UnstrideError(Reason.UNSUPPORTED, rule, argument="to", value=dialect)
    return import_module(f".{dialect}", __name__)


def chosen(dialect: str, layer: Layer, batch: int, written: Spec | Composition | None) -> Spec | Composition | None:
    """What source is made of: what the dialect wrote, unless the target is more careful."""
    careful: Callable[[Layer, int], Spec | Composition | None] | None = getattr(module(dialect), "written", None)
    return written if careful is None else careful(layer, batch)


def program(plan: Plan, dialect: str) -> Program:
    """The source of ``plan`` as a value; UnstrideError for an activation that is not known there."""
    target = module(dialect)
    known = target.ACTIVATIONS if hasattr(target, "ACTIVATIONS") else target.WORDS.activations
    shifted = plan.source.dialect == "keras2" and plan.activation == "hard_sigmoid"
    if plan.activation is not None and (plan.activation not in known or shifted):
        rule = "is not written here: take it out of the layer, and apply it to what is ported"
        raise UnstrideError(Reason.UNSUPPORTED, rule, argument="activation", value=plan.activation)
    found: Program = target.program(plan)
    return found


def live(made: Any, dialect: str) -> Any:
    """What the source builds, as something that is called on an array."""
    wrapper = _ARRAYS_OUT.get(dialect)
    return made if wrapper is None else getattr(module(dialect), wrapper)(made)
