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
    if len(found) <= STEPS_LIMIT:
        return found
    return (*found[: STEPS_LIMIT - 1], replace(found[-1], still=True))


def moment(view: View, examples: Sequence[Example], step: Step) -> Scene:
    """The picture at one step."""
    return _at(view, examples[0], step)


def _at(view: View, example: Example, step: Step | None) -> Scene:
    moving = {View.SCATTER: scatter, View.GATHER: gather, View.ZEROS: zeros}
    return moving[view](example, step)
