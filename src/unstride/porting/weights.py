"""What becomes of the weights: one rearrangement, zeros between the taps, and a cut into groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..dialects.refusal import Composition
from ..dialects.spec import Spec
from ..geometry import Layer, Rearrangement, WeightLayout

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Recipe:
    """From the source's kernel array to the target's; whatever is not needed is empty or 1."""

    moved: Rearrangement
    """the source's layout to the target's, all groups in one array"""
    widened: tuple[int, ...] = ()
    """the array's shape once there are zeros between its taps"""
    steps: tuple[int, ...] = ()
    """the distance between two elements then, per axis of the array"""
    split: int = 1
    axis: int = 0
    """where the array is cut into ``split`` equal parts"""

    @classmethod
    def of(cls, source: Spec, layer: Layer, found: Composition) -> Recipe:
        """What turns ``source``'s weights of ``layer`` into those of the composition's call."""
        target = found.spec.weight_layout(layer.rank)
        joined, axis = _joined(target) if found.split > 1 else (target, 0)
        moved = source.weight_layout(layer.rank).to(joined, layer)
        if not found.kernel_dilation:
            return cls(moved, split=found.split, axis=axis)
        steps = tuple(found.kernel_dilation[int(token)] if token.isdigit() else 1 for token in joined.order)
        widened = tuple(step * (size - 1) + 1 for step, size in zip(steps, moved.merged, strict=True))
        return cls(moved, widened, steps, found.split, axis)

    @property
    def places(self) -> tuple[slice, ...]:
        """Where the taps go in the widened array."""
        return tuple(slice(None, None, step if step > 1 else None) for step in self.steps)

    def apply(self, kernel: NDArray[Any]) -> NDArray[Any]:
        """The target's kernel; with groups split apart, one for each along a first axis more."""
        import numpy as np

        moved: NDArray[Any] = self.moved.apply(kernel)
        if self.widened:
            wide = np.zeros(self.widened, kernel.dtype)
            wide[self.places] = moved
            moved = wide
        return moved if self.split == 1 else np.stack(np.split(moved, self.split, self.axis))


def _joined(layout: WeightLayout) -> tuple[WeightLayout, int]:
    """The layout in which the kernels of all groups lie one behind the other, and the axis along which they do."""
    whole = "S" if "S" in layout.order else "L"
    order = layout.order.replace("L", "l") if whole == "S" else layout.order
    return WeightLayout(order, layout.flipped), order.index(whole)
