"""``port_model``: a whole model in another framework, exact and proved on values, or what stands in the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Reason, UnstrideError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..network import Graph
    from .writing.common_proof import Proof
    from .writing.common_writing import Model

TARGETS = ("torch", "keras", "onnx")
"""frameworks that whole models are written in"""


@dataclass(frozen=True, slots=True)
class ExactSizes:
    """The input sizes for which a port is the original."""

    words: str
    """the sizes, such as "height and width a multiple of 16"; by the inputs' names where there are several"""
    holds: Callable[[Mapping[str, tuple[int, ...]]], bool]
    """whether a port is exact for inputs of these spatial sizes, given by the inputs' names"""
    inputs: tuple[str, ...]

    def __contains__(self, size: tuple[int, ...] | Mapping[str, tuple[int, ...]]) -> bool:
        return self.holds(size if isinstance(size, Mapping) else dict.fromkeys(self.inputs, tuple(size)))

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class ModelPort:
    """A model in another framework, or what that framework cannot say of it."""

    graph: Graph
    to: str
    refused: tuple[tuple[str, str], ...]
    """every step that cannot be ported, with the reason"""
    written: Model | None
    """the description that source, arrays and live model are made of; None where anything was refused"""
    verified: Proof | None
    """what comparing values gave; None where that was not possible here"""
    not_verified: str = ""
    """why it was not possible, where the framework is installed"""

    @property
    def exact(self) -> bool:
        """Whether all of the model was ported, and no value contradicts it."""
        return not self.refused

    @property
    def sizes(self) -> ExactSizes:
        """For which input sizes the port is the original."""
        written, inputs = self._written, self.graph.inputs
        told = [(each.name, each.words) for each in written.sizes]
        words = told[0][1] if len(told) == 1 else "; ".join(f"{name}: {words}" for name, words in told)
        return ExactSizes(words, written.lowered.exact, tuple(given.name for given in inputs))

    @property
    def source(self) -> str:
        """A program that defines the model, ready to paste. Raises UnstrideError where a step was refused."""
        return self._written.source()

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The weights by the target's own names of them. Raises UnstrideError where they are not known."""
        return self._written.arrays()

    def build(self) -> Any:
        """The live model with its weights, for inference. Raises UnstrideError where the framework is not installed."""
        written = self._written
        _needs(self.to)
        return written.build()

    @property
    def _written(self) -> Model:
        if self.written is None:
            steps = "; ".join(f"{name}: {why}" for name, why in self.refused)
            rule = f"{self.to} cannot say all of this model: {steps}"
            raise UnstrideError(Reason.UNSUPPORTED, rule, argument="to", value=self.to)
        return self.written

    def save(self, *paths: str | Path) -> tuple[str, ...]:
        """Write the source to ``.py``, the weights to ``.safetensors``, the model to the target's own kind of file.

        A line about each. Raises UnstrideError, before anything is written, where a file's kind is not the target's.
        """
        from .models_output import save

        return save(self, tuple(map(Path, paths)))

    def text(self) -> str:
        """What was ported, for which sizes, and how it was verified; or what stands in the way."""
        if not self.exact:
            found = [f"{self.to} cannot say all of this model:", *(f"  {name}: {why}" for name, why in self.refused)]
            return "\n".join([*found, "nothing was written: a port is exact, or it is refused"])
        why = f": {self.not_verified}" if self.not_verified else ""
        proof = f"not verified here{why}" if self.verified is None else self.verified.text
        return f"{self.graph.name or 'model'} in {self.to}: {len(self.graph.nodes)} steps\nsizes: {self.sizes}\n{proof}"

    def as_json(self) -> dict[str, Any]:
        """The port as JSON values, without its source and weights."""
        facts: dict[str, Any] = {"model": self.graph.name, "to": self.to, "exact": self.exact}
        facts["refused"] = [{"step": name, "why": why} for name, why in self.refused]
        facts["sizes"] = str(self.sizes) if self.exact else None
        proof = self.verified
        facts["verified"], facts["not_verified"] = None, self.not_verified or None
        if proof is not None:
            at = [{name: list(size) for name, size in each.items()} for each in proof.sizes]
            facts["verified"] = {
                "agrees": proof.agrees,
                "sizes": at,
                "values": proof.values,
                "difference": _finite(proof.difference),
                "relative": _finite(proof.relative),
                "bound": proof.bound,
            }
        return facts


def _finite(number: float) -> float | str:
    """A number that JSON has, or its name."""
    return number if abs(number) < float("inf") else str(number)


def port_model(
    model: Any,
    *,
    to: str,
    size: tuple[int, ...] | Mapping[str, tuple[int, ...]] | None = None,
    verify: bool = True,
    **opening: Any,
) -> ModelPort:
    """A whole model in the framework ``to``: ``torch``, ``keras`` or ``onnx``.

    ``model`` is a file, a live model or a graph, opened as ``models.opening.open_model`` does with the keywords left.
    The port is exact for inputs of the spatial ``size``, and at as many other sizes as can be. Where the target
    framework is installed, every step's value is compared before the port is handed out; one that differs is refused.
    Raises UnstrideError where the model cannot be read or takes no input of that size.
    """
    from ..models.opening import open_model
    from .writing.common_writing import write

    if to not in TARGETS:
        rule = f"whole models are written in one of {', '.join(TARGETS)}"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="to", value=to)
    graph = open_model(model, **opening)
    written = write(graph, to, size)
    if isinstance(written, tuple):
        return ModelPort(graph, to, tuple((each.node, each.why) for each in written), None, None)
    found = ModelPort(graph, to, (), written, None)
    return _proved(found, written) if verify and _known(graph) else found


def _known(graph: Graph) -> bool:
    return all(array.known for node in graph.nodes for array in node.operation.weights.values())


def _proved(found: ModelPort, written: Model) -> ModelPort:
    from .writing.common import CannotRunError
    from .writing.common_proof import prove

    try:
        proof = prove(written, found.graph, PACKAGES[found.to])
    except CannotRunError as lacking:
        return replace(found, not_verified=str(lacking))
    if proof is None or proof.agrees:
        return replace(found, verified=proof)
    return replace(found, written=None, refused=((proof.worst, proof.text),), verified=proof)


PACKAGES = {"torch": ("torch",), "keras": ("keras",), "onnx": ("onnx", "onnxruntime")}
"""what must be installed to build a port, and to run it"""


def _needs(to: str) -> None:
    from importlib.util import find_spec

    package = PACKAGES[to][0]
    if find_spec(package) is None:
        rule = f"{package} is not installed"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="to", value=to, hint=f"pip install {package}")
