"""A view and its examples → the scene, still or step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .compare import compare
from .convolving import STEPS_LIMIT, gather, scatter
from .convolving import steps as convolving_steps
from .example import Example
from .heatmaps import coverage, gain
from .matrix import matrix
from .panels import Step
from .scene import Scene, View
from .zeros import zeros

CELLS_LIMIT = 36_000
"""Most cells of an animation, all steps together: what is drawn in a few seconds"""
STEPS_LEAST = 8
"""Steps that an animation may have in any case"""


def still(view: View, examples: Sequence[Example]) -> Scene:
    """The finished picture."""
    if view is View.COMPARE:
        return compare(examples)
    (example,) = examples
    whole = {View.MATRIX: matrix, View.COVERAGE: coverage, View.GAIN: gain}
    return whole[view](example) if view in whole else _at(view, example, None)


def steps(view: View, examples: Sequence[Example]) -> tuple[Step, ...]:
    """The moments of the animation; none for a view that does not move."""
    if view not in (View.SCATTER, View.GATHER, View.ZEROS):
        return ()
    found = convolving_steps(examples[0], scatters=view is View.SCATTER)
    if not found:
        return ()
    cells = sum(len(grid.cells) for grid in moment(view, examples, found[-1]).grids)
    most = max(STEPS_LEAST, min(STEPS_LIMIT, CELLS_LIMIT // max(1, cells)))
    return found if len(found) <= most else (*found[: most - 1], replace(found[-1], still=True))


def moment(view: View, examples: Sequence[Example], step: Step) -> Scene:
    """The picture at one step."""
    return _at(view, examples[0], step)


def _at(view: View, example: Example, step: Step | None) -> Scene:
    moving = {View.SCATTER: scatter, View.GATHER: gather, View.ZEROS: zeros}
    return moving[view](example, step)
