"""What happens to a sum before it is stored: bias, residual, activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from . import activations, ir, storage
from .emit import Code

_SHORT = ("relu", "relu6", "leaky_relu")
"""activations of a few instructions"""

Kept: TypeAlias = "int | ir.Value | None"
"""which lanes are written: the first so many, those of a mask, or all"""


@dataclass(frozen=True, slots=True)
class End:
    """The steps between a sum and its store; none by default."""

    bias: bool = False
    residual: bool = False
    activation: str | None = None
    parameters: tuple[float, ...] = ()
    stored: str | None = None
    """element type of inputs, outputs and residuals in memory, where it is not that of the sums"""

    def finish(self, c: Code, value: ir.Value, bias: ir.Value | None, residual: ir.Value | None) -> ir.Value:
        """``activation(value + bias + residual)``."""
        for addend in (bias, residual):
            if addend is not None:
                value = c.builder.fadd(value, addend)
        if self.activation is None:
            return value
        if self.activation in _SHORT:
            return activations.emit(c.builder, self.activation, self.parameters, value)
        return c.builder.call(self._function(c.module, value.type), [value])

    def _function(self, module: ir.Module, kind: ir.Type) -> ir.Function:
        """The activation as a function of its own: emitted once for each type, however many sums a tile has."""
        name = f"{self.activation}.{kind.count}"
        known = module.globals.get(name)
        if known is not None:
            return known
        function = ir.Function(module, ir.FunctionType(kind, [kind]), name)
        function.internal = True
        builder = ir.IRBuilder(function.append_basic_block())
        builder.ret(activations.emit(builder, self.activation or "", self.parameters, function.args[0]))
        return function

    def store(
        self, c: Code, value: ir.Value, y: ir.Value, residual: ir.Value, bias: ir.Value | None, kept: Kept
    ) -> None:
        """Write the finished value to ``y``; the residual is read from an address like it, no lane that is not kept."""
        kind, other, stored = value.type, None, self.stored or ""
        if self.residual:
            mask = c.within(0, kept, 0, kind.count) if isinstance(kept, int) else kept
            other = storage.load(c, residual, kind, stored, mask)
        done = storage.narrowed(c, self.finish(c, value, bias if self.bias else None, other), stored)
        if kept is None:
            c.store(done, y)
        elif isinstance(kept, int):
            c.store_first(done, y, kept)
        else:
            c.masked_store(done, y, kept)
