"""``port``: one layer in another dialect, its source there, its weights, and the live layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..dialects import registry
from ..dialects.refusal import Outcome
from ..dialects.spec import Spec, checked_spec
from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer, Rearrangement
from ..geometry.wire import axis_to_wire
from . import codegen
from .codegen import printing, running
from .codegen.program import Program
from .plan import Plan

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Port(Outcome):
    """One layer, as another dialect says it."""

    spec: Spec
    """the source's layer"""
    layer: Layer
    input_shape: tuple[int, ...]
    """the source's input"""
    held: tuple[NDArray[Any], NDArray[Any] | None] | None = field(default=None, compare=False, repr=False)
    """kernel and bias of the live object that was ported, in the source's layouts"""

    @property
    def activation(self) -> str | None:
        """The source's activation, to be applied to the target's output."""
        return self.spec.activation_name

    @property
    def kernel(self) -> Rearrangement | None:
        """What turns the source's kernel array into the target's; None where the groups are first split apart."""
        target, rank = self.target, self.layer.rank
        if target is None or (self.composition and self.composition.split > 1):
            return None
        return self.spec.weight_layout(rank).to(target.weight_layout(rank), self.layer)

    @cached_property
    def plan(self) -> Plan:
        """What the source is written from; UnstrideError where there is none, with the refusal's words."""
        batch, _, _ = self.spec.data_layout(len(self.input_shape)).split(self.input_shape)
        said = self.written if isinstance(self.written, Spec) else self.composition
        found = codegen.chosen(self.dialect, self.layer, batch, said)
        if found is None:
            rule = self.written.rule if not isinstance(self.written, Spec) else "no live layer says it"
            raise UnstrideError(Reason.UNSUPPORTED, rule, argument="to", value=self.dialect)
        return Plan.of(self.spec, self.layer, self.input_shape, found)

    @cached_property
    def _program(self) -> Program:
        return codegen.program(self.plan, self.dialect)

    @property
    def composed(self) -> bool:
        """Whether the source is the call with steps around it."""
        try:
            return not self.plan.plain or bool(self.plan.composition.kernel_dilation)
        except UnstrideError:
            return False

    @property
    def source(self) -> str | None:
        """Python source that defines ``build(kernel, bias)``; None where there is none, and ``build`` says why.

        The arrays are NumPy's, in the source's own layouts; what is built takes the target's. It needs the target's
        package and NumPy.
        """
        try:
            return printing.source(self._program)
        except UnstrideError:
            return None

    def build(self, kernel: ArrayLike | None = None, bias: ArrayLike | None = None) -> Any:
        """What the source's ``build`` gives, made without it; an ONNX model comes in an ONNX Runtime session.

        The arrays are in the source's own layouts; without them, those of the live object that was ported. Raises
        UnstrideError for arrays of other shapes, and where the layer cannot be said at all.
        """
        program = self._program
        return codegen.live(running.defined(program)["build"](*self.arrays(kernel, bias)), self.dialect)

    def weights(self, kernel: ArrayLike | None = None) -> NDArray[Any]:
        """The kernel as the target's call takes it; one for each group on a first axis where groups are split apart."""
        return self.plan.recipe.apply(self._kernel(self._held()[0] if kernel is None else kernel))

    def check(self) -> None:
        """Raise UnstrideError where there is no source, saying why."""
        _ = self._program

    def arrays(
        self, kernel: ArrayLike | None = None, bias: ArrayLike | None = None
    ) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Copies of kernel and bias that fit the source's layer, as ``build`` takes them; raises as it does."""
        if kernel is None:
            kernel, own = self._held()
            bias = own if bias is None else bias
        return self._kernel(kernel), self._bias(bias)

    def _held(self) -> tuple[NDArray[Any], NDArray[Any] | None]:
        if self.held is None:
            rule = "the kernel is needed: the layer was ported without its weights"
            raise UnstrideError(Reason.ARGUMENT, rule, argument="kernel", value=None)
        return self.held

    def _kernel(self, kernel: ArrayLike) -> NDArray[Any]:
        import numpy as np

        weights, wanted = np.array(kernel, order="C"), self.spec.kernel_shape(self.layer)
        if weights.shape != wanted:
            rule = f"must have the shape {wanted}: {self.spec.weight_layout(self.layer.rank).name}"
            raise UnstrideError(Reason.KERNEL, rule, argument="kernel.shape", value=weights.shape)
        return weights

    def _bias(self, bias: ArrayLike | None) -> NDArray[Any] | None:
        import numpy as np

        if (bias is not None) != self.layer.bias:
            rule = f"the layer has {'a' if self.layer.bias else 'no'} bias"
            raise UnstrideError(Reason.ARGUMENT, rule, argument="bias", value=None if bias is None else "given")
        addend = None if bias is None else np.array(bias, order="C")
        if addend is not None and addend.size != self.layer.out_channels:
            rule = f"must hold one number for each of the {self.layer.out_channels} output channels"
            raise UnstrideError(Reason.CHANNELS, rule, argument="bias.shape", value=addend.shape)
        return None if addend is None else addend.reshape(-1)

    def __str__(self) -> str:
        return self.text()

    def text(self) -> str:
        """The port in lines of text: the code, then what happens to kernel and data."""
        target, rank = self.target, self.layer.rank
        lines = [self.written.code()] if isinstance(self.written, Spec) else str(self.written).splitlines()
        if target is not None:
            before, after = self.spec.weight_layout(rank), target.weight_layout(rank)
            here, there = self.spec.data_layout(len(self.input_shape)), _usual_layout(target, rank)
            lines += _moved("kernel", before.name, after.name, self.kernel)
            lines += _moved("x", here.name, there.name, here.to(there, self.input_shape))
        if self.activation:
            lines += [f"then apply {self.activation} to y: the line above is the convolution alone"]
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """The port as JSON values."""
        target, rank = self.target, self.layer.rank
        return {
            "from": self.spec.code(),
            "to": self.dialect,
            **self.facts(),
            "composed": self.composed,
            "activation": self.activation,
            "kernel_layout": target.weight_layout(rank).name if target else None,
            "kernel": self.kernel.expression("kernel") if self.kernel else None,
            "data_layout": _usual_layout(target, rank).name if target else None,
            "axes": [axis_to_wire(axis) for axis in self.layer.axes],
            "source": self.source,
        }


def _moved(name: str, before: str, after: str, rearrangement: Rearrangement | None) -> list[str]:
    if rearrangement is not None and rearrangement.trivial:
        return [f"{name}: {after}, unchanged"]
    lines = [f"{name}: {before} -> {after}"]
    return lines if rearrangement is None else [*lines, f"  {name} = {rearrangement.expression(name)}"]


def _usual_layout(spec: Spec, rank: int) -> DataLayout:
    return spec.data_layout(rank + (2 if spec.batched else 1))


def port(thing: Any, *, to: str, input_shape: tuple[int, ...], kernel_shape: tuple[int, ...] | None = None) -> Port:
    """A spec, or a live layer of a framework, in the words of the dialect called ``to``.

    Shapes are in the source's own layouts. Raises UnstrideError where the source itself rejects them; a layer that
    the target cannot say is a Refusal inside the result, not an error.

    >>> from unstride import parse
    >>> spec = parse("keras.layers.Conv2DTranspose(1, 3, strides=2, padding='valid')")
    >>> port(spec, to="torch", input_shape=(1, 2, 2, 1)).target.code()
    'torch.nn.ConvTranspose2d(1, 1, 3, stride=2)'
    """
    spec, held = _found(thing)
    if held is not None and kernel_shape is None:
        kernel_shape = held[0].shape
    layer = checked_spec(spec).read(input_shape, kernel_shape)
    batch, _, _ = spec.data_layout(len(input_shape)).split(tuple(input_shape))
    dialect = registry.named(to)
    return Port(dialect.name, dialect.module().write(layer, batch), spec, layer, tuple(input_shape), held)


def _found(thing: Any) -> tuple[Spec, tuple[Any, Any] | None]:
    """The spec, and the weights where there are any."""
    if isinstance(thing, (Spec, str)):
        return checked_spec(thing), None
    from ..live import find

    found = find(thing)
    return found.spec, None if found.kernel is None else (found.kernel, found.bias)
