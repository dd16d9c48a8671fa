"""What a live layer is: the spec that would build it, and the weights that it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..dialects.spec import Spec

    Array: TypeAlias = NDArray[Any]

Live: TypeAlias = Any
"""A layer of a real framework, as ``unstride.live.find`` takes it."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A live layer, read: its spec, and copies of its weights in the spec's own layout."""

    spec: Spec
    kernel: Array | None = None
    """in the spec's own weight layout; None where the layer has not been built, or keeps its weights elsewhere"""
    bias: Array | None = None
    """one number per output channel; None where there is none, or no kernel either"""
