"""The parameters of one layer in another dialect, with what must be done to its data and its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..dialects import registry
from ..dialects.refusal import Outcome
from ..dialects.spec import Spec, checked_spec
from ..geometry import DataLayout, Layer, Rearrangement
from ..geometry.wire import axis_to_wire


@dataclass(frozen=True, slots=True)
class Port(Outcome):
    """One layer, as another dialect says it."""

    source: Spec
    layer: Layer
    input_shape: tuple[int, ...]
    """the source's input"""

    @property
    def activation(self) -> str | None:
        """The source's activation, to be applied to the target's output."""
        return self.source.activation_name

    @property
    def kernel(self) -> Rearrangement | None:
        """What turns the source's kernel array into the target's; None where the groups are first split apart."""
        target, rank = self.target, self.layer.rank
        if target is None or (self.composition and self.composition.split > 1):
            return None
        return self.source.weight_layout(rank).to(target.weight_layout(rank), self.layer)

    def __str__(self) -> str:
        return self.text()

    def text(self) -> str:
        """The port in lines of text: the code, then what happens to kernel and data."""
        target, rank = self.target, self.layer.rank
        lines = [self.written.code()] if isinstance(self.written, Spec) else str(self.written).splitlines()
        if target is not None:
            before, after = self.source.weight_layout(rank), target.weight_layout(rank)
            here, there = self.source.data_layout(len(self.input_shape)), _usual_layout(target, rank)
            lines += _moved("kernel", before.name, after.name, self.kernel)
            lines += _moved("x", here.name, there.name, here.to(there, self.input_shape))
        if self.activation:
            lines += [f"then apply {self.activation} to y: the line above is the convolution alone"]
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """The port as JSON values."""
        target, rank = self.target, self.layer.rank
        return {
            "from": self.source.code(),
            "to": self.dialect,
            **self.facts(),
            "activation": self.activation,
            "kernel_layout": target.weight_layout(rank).name if target else None,
            "kernel": self.kernel.expression("kernel") if self.kernel else None,
            "data_layout": _usual_layout(target, rank).name if target else None,
            "axes": [axis_to_wire(axis) for axis in self.layer.axes],
        }


def _moved(name: str, before: str, after: str, rearrangement: Rearrangement | None) -> list[str]:
    if rearrangement is not None and rearrangement.trivial:
        return [f"{name}: {after}, unchanged"]
    lines = [f"{name}: {before} -> {after}"]
    return lines if rearrangement is None else [*lines, f"  {name} = {rearrangement.expression(name)}"]


def _usual_layout(spec: Spec, rank: int) -> DataLayout:
    return spec.data_layout(rank + (2 if spec.batched else 1))


def port(spec: Spec, *, to: str, input_shape: tuple[int, ...], kernel_shape: tuple[int, ...] | None = None) -> Port:
    """``spec`` in the words of the dialect called ``to``, for inputs of ``input_shape``.

    Shapes are in the source's own layouts. Raises UnstrideError where the source itself rejects them; a layer that
    the target cannot say is a Refusal inside the result, not an error.

    >>> from unstride import parse
    >>> spec = parse("keras.layers.Conv2DTranspose(1, 3, strides=2, padding='valid')")
    >>> port(spec, to="torch", input_shape=(1, 2, 2, 1)).target.code()
    'torch.nn.ConvTranspose2d(1, 1, 3, stride=2)'
    """
    layer = checked_spec(spec).read(input_shape, kernel_shape)
    batch, _, _ = spec.data_layout(len(input_shape)).split(tuple(input_shape))
    dialect = registry.named(to)
    return Port(dialect.name, dialect.module().write(layer, batch), spec, layer, tuple(input_shape))
