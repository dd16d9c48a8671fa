"""``explain``: the output size of one line derived step by step, and what else the same words or layer would be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..dialects import registry
from ..dialects.spec import Spec, checked_shape
from ..dialects.windows import Window
from ..geometry import Layer
from ..geometry.wire import axis_to_wire
from ..live import Live, as_spec
from .ambiguity import AxisSizes, list_sizes
from .cost import Cost, count_cost
from .coverage import TAP_LIMIT, Coverage, is_even, measure_coverage
from .elsewhere import Translation, translate_everywhere
from .prose import Section, as_html, as_rich, as_text
from .story import tell
from .words import Saying, Words, say_everywhere, words_of

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class Explanation:
    """Everything that one line of source means for one input, as facts; the text is made from them."""

    spec: Spec
    title: str
    """the framework's own name"""
    layer: Layer
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    windows: tuple[Window, ...]
    """for each axis, the rule's choice and its derivation"""
    sizes: tuple[AxisSizes, ...]
    """which other large sizes share the small size, and what selects them"""
    coverage: Coverage | None
    """stamps per large element; None where kernel or stride is too long to list"""
    cost: Cost
    words: Words | None
    """what the line says, whatever the framework; None where its padding has no word elsewhere"""
    same_words: tuple[Saying, ...]
    """the words in the other frameworks"""
    same_layer: tuple[Translation, ...]
    """this very layer in every dialect"""

    @property
    def even(self) -> bool:
        """Whether coverage is equal in all phases: no checkerboard from overlap."""
        return all(map(is_even, self.layer.axes))

    def sections(self, *, details: bool = False) -> tuple[Section, ...]:
        """The explanation in words, most important first."""
        return tell(self, details=details)

    @property
    def heading(self) -> tuple[str, ...]:
        """The line, and the two shapes."""
        kind = "transposed convolution" if self.layer.transposed else "convolution"
        return (self.spec.code(), f"{self.title} {kind}: {self.input_shape} → {self.output_shape}")

    def __str__(self) -> str:
        return self.text()

    def text(self, *, details: bool = False) -> str:
        """Plain text."""
        return as_text(self.heading, self.sections(details=details))

    def rich(self, *, details: bool = False) -> RenderableType:
        """A rich renderable."""
        return as_rich(self.heading, self.sections(details=details))

    def html(self, *, details: bool = True) -> str:
        """A self-contained, escaped HTML fragment."""
        return as_html(self.heading, self.sections(details=details))

    def as_json(self) -> dict[str, Any]:
        """The facts as JSON values."""
        return {
            "code": self.spec.code(),
            "dialect": self.spec.dialect,
            "input_shape": list(self.input_shape),
            "output_shape": list(self.output_shape),
            "transposed": self.layer.transposed,
            "axes": [axis_to_wire(axis) for axis in self.layer.axes],
            "steps": [list(window.steps) for window in self.windows],
            "sizes": [sizes.as_json() for sizes in self.sizes],
            "even_coverage": self.even,
            "coverage_alternation": float(self.coverage.alternation) if self.coverage else None,
            "coverage": [axis.as_json() for axis in self.coverage.axes] if self.coverage else None,
            "cost": self.cost.as_json(),
            "same_words": [_saying(saying) for saying in self.same_words],
            "same_layer": [translation.as_json() for translation in self.same_layer],
        }


def explain(
    spec: Spec | Live, input_shape: tuple[int, ...], kernel_shape: tuple[int, ...] | None = None
) -> Explanation:
    """Why ``spec``, or a live layer, gives the output size it gives, for an input in the dialect's own data layout.

    Functions need ``kernel_shape``, in the dialect's own weight layout. Raises UnstrideError where the framework
    would reject the shapes.

    >>> from unstride import parse
    >>> found = explain(parse("nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1)"), (1, 1, 2, 2))
    >>> found.output_shape, found.even
    ((1, 1, 3, 3), False)
    """
    spec, shape = as_spec(spec), checked_shape(input_shape, "input_shape")
    layer = spec.read(shape, kernel_shape)
    batch, _, size = spec.data_layout(len(shape)).split(shape)
    words = words_of(spec, layer)
    countable = all(max(axis.kernel, axis.stride) <= TAP_LIMIT for axis in layer.axes)
    return Explanation(
        spec=spec,
        title=registry.named(spec.dialect).title,
        layer=layer,
        input_shape=shape,
        output_shape=spec.output_shape(shape, kernel_shape),
        windows=spec.windows(size, layer.kernel),
        sizes=list_sizes(spec, shape, kernel_shape),
        coverage=measure_coverage(layer) if countable else None,
        cost=count_cost(layer, batch),
        words=words,
        same_words=tuple(s for s in say_everywhere(words, layer) if s.dialect != spec.dialect) if words else (),
        same_layer=tuple(t for t in translate_everywhere(layer, batch) if t.dialect != spec.dialect),
    )


def _saying(saying: Saying) -> dict[str, Any]:
    return {
        "dialect": saying.dialect,
        "code": saying.code,
        "axes": [axis_to_wire(axis) for axis in saying.layer.axes] if saying.layer else None,
        "rejected": saying.complaint,
    }
