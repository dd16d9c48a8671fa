"""What is to be written for one layer in one framework: the call, the steps around it, the weights, the activation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..dialects.arguments import Pairs
from ..dialects.refusal import Composition
from ..dialects.spec import Spec
from ..geometry import DataLayout, Layer, Rearrangement
from .weights import Recipe


@dataclass(frozen=True)
class Plan:
    """One layer of a source, as a composition of a target's own call."""

    source: Spec
    layer: Layer
    input_shape: tuple[int, ...]
    """the source's input"""
    composition: Composition
    """with no steps at all where one call is the layer"""

    @classmethod
    def of(cls, source: Spec, layer: Layer, input_shape: tuple[int, ...], written: Spec | Composition) -> Plan:
        """The plan for what a dialect wrote."""
        none = ((0, 0),) * layer.rank
        found = written if isinstance(written, Composition) else Composition(written, layer, none, none)
        return cls(source, layer, input_shape, found)

    @property
    def spec(self) -> Spec:
        """The target's call."""
        return self.composition.spec

    @property
    def split(self) -> int:
        """How many calls share the channels."""
        return self.composition.split

    @property
    def dimensions(self) -> int:
        """Axes of the target's data."""
        return self.layer.rank + (2 if self.spec.batched else 1)

    @property
    def data(self) -> DataLayout:
        """The order of the target's input."""
        return self.spec.data_layout(self.dimensions)

    @property
    def result(self) -> DataLayout:
        """The order of the target's output."""
        return self.spec.output_layout(self.dimensions)

    @property
    def batch(self) -> int:
        """How many examples the source's input holds."""
        return self.source.data_layout(len(self.input_shape)).split(self.input_shape)[0]

    @cached_property
    def output_shape(self) -> tuple[int, ...]:
        """The source's output."""
        layout = self.source.output_layout(len(self.input_shape))
        return layout.join(self.batch, self.layer.out_channels, self.layer.output_size)

    @property
    def target_input_shape(self) -> tuple[int, ...]:
        """The target's input."""
        return self.data.join(self.batch, self.layer.in_channels, self.layer.input_size)

    @property
    def target_output_shape(self) -> tuple[int, ...]:
        """The target's output."""
        return self.result.join(self.batch, self.layer.out_channels, self.layer.output_size)

    @property
    def incoming(self) -> Rearrangement:
        """What turns the source's input into the target's."""
        return self.source.data_layout(len(self.input_shape)).to(self.data, self.input_shape)

    @property
    def outgoing(self) -> Rearrangement:
        """What turns the target's output into the source's."""
        return self.result.to(self.source.output_layout(len(self.input_shape)), self.target_output_shape)

    @property
    def recipe(self) -> Recipe:
        """What becomes of the kernel."""
        return Recipe.of(self.source, self.layer, self.composition)

    @property
    def grown(self) -> Pairs:
        """Zeros added to the input's spatial axes, before any element is dropped."""
        return tuple((max(before, 0), max(after, 0)) for before, after in self.composition.pad_input)

    @property
    def dropped(self) -> Pairs:
        """Elements dropped from the input's spatial axes."""
        return tuple((max(-before, 0), max(-after, 0)) for before, after in self.composition.pad_input)

    @property
    def cropped(self) -> Pairs:
        """Elements dropped from the output's spatial axes."""
        return self.composition.crop_output

    @property
    def inner_bias(self) -> bool:
        """Whether the call itself adds the bias."""
        return self.layer.bias and not self.composition.add_bias

    @property
    def outer_bias(self) -> bool:
        """Whether the bias is added in a step of its own."""
        return self.layer.bias and self.composition.add_bias

    @property
    def activation(self) -> str | None:
        """The source's activation."""
        return self.source.activation_name

    @property
    def activation_axis(self) -> int:
        """The target's axis for the source's last one, along which Keras's softmax sums."""
        last = self.source.output_layout(len(self.input_shape)).order[-1]
        return self.result.order.index(last)

    @property
    def plain(self) -> bool:
        """Whether one call is everything, the activation aside."""
        spatial = (*self.grown, *self.dropped, *self.cropped)
        return self.split == 1 and not self.outer_bias and not any(map(any, spatial))


def everywhere(layout: DataLayout, pairs: Pairs) -> Pairs:
    """The pairs of the spatial axes, with (0, 0) for batch and channels, in the layout's order.

    >>> everywhere(DataLayout("N01C"), ((1, 0), (0, 2)))
    ((0, 0), (1, 0), (0, 2), (0, 0))
    """
    return tuple(pairs[int(token)] if token.isdigit() else (0, 0) for token in layout.order)


def kept(layout: DataLayout, drops: Pairs) -> tuple[slice, ...]:
    """The slices that drop those elements."""
    return tuple(slice(before or None, -after if after else None) for before, after in everywhere(layout, drops))
