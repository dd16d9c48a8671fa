"""The verdict on one layer: uneven coverage and uneven weights, kept apart, and what removes either."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from ..answers.coverage import Coverage, is_even, measure_coverage
from ..computation import as_array
from ..dialects.spec import Spec
from ..dialects.usual import given_shape
from ..geometry import Layer, canonical
from ..live import Live, parse, weigh_if_known
from .gain import Gain, check_finite, measure_gain
from .remedies import Remedy, find_remedies
from .report import lines


@dataclass(frozen=True, slots=True)
class Checkerboard:
    """Both causes of a checkerboard in one layer."""

    spec: Spec
    layer: Layer
    coverage: Coverage
    """the first cause, from the sizes alone"""
    gain: Gain | None
    """the second cause, from the weights; None without them"""
    remedies: tuple[Remedy, ...]

    @property
    def even(self) -> bool:
        """Whether coverage is equal in all phases."""
        return all(map(is_even, self.layer.axes))

    def text(self) -> str:
        """The verdict in lines of text."""
        return "\n".join(lines(self.spec, self.layer, self.coverage, self.gain, self.remedies))

    def __str__(self) -> str:
        return self.text()

    def as_json(self) -> dict[str, Any]:
        """The verdict as JSON values."""
        return {
            "code": self.spec.code(),
            "even_coverage": self.even,
            "coverage": self.coverage.as_json(),
            "gain": self.gain.as_json() if self.gain else None,
            "remedies": [remedy.as_json() for remedy in self.remedies],
        }


def checkerboard(
    spec: str | Spec | Live,
    kernel: ArrayLike | None = None,
    *,
    input_shape: tuple[int, ...] | None = None,
    kernel_shape: tuple[int, ...] | None = None,
) -> Checkerboard:
    """How strongly the layer draws a checkerboard, by its coverage and by the weights in ``kernel``, and what helps.

    ``spec`` may be the line of source itself, or a live layer, whose own weights are used where none are given.
    Shapes and ``kernel`` are in the spec's own layouts; ``kernel_shape`` is for functions without a kernel. Raises
    UnstrideError where the framework would reject the shapes.

    >>> from unstride import parse
    >>> spec = parse("keras.layers.Conv2DTranspose(1, 3, strides=2, padding='same')")
    >>> found = checkerboard(spec, input_shape=(1, 8, 8, 1))
    >>> float(found.coverage.alternation), found.remedies[0].lines
    (0.19, ("keras.layers.Conv2DTranspose(1, 4, strides=2, padding='same')",))
    """
    spec, kernel, _ = weigh_if_known(parse(spec) if isinstance(spec, str) else spec, kernel)
    shape = given_shape(spec, input_shape)
    array = None if kernel is None else as_array(kernel, "kernel")
    layer = spec.read(shape, kernel_shape if array is None else array.shape)
    batch, _, _ = spec.data_layout(len(shape)).split(shape)
    gain = None
    if array is not None:
        check_finite(array, "kernel")
        gain = measure_gain(layer, spec.weight_layout(layer.rank).to(canonical(layer.rank), layer).apply(array))
    cured = gain is not None and gain.alternation == 0 and all(map(is_even, layer.axes))
    remedies = () if cured else find_remedies(layer, spec, batch)
    return Checkerboard(spec, layer, measure_coverage(layer), gain, remedies)
