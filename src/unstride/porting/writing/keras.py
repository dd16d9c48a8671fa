"""A whole network as a Keras 3 model: source to paste, its arrays by their names, and the live model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...errors import Reason, UnstrideError
from ...network.graph import Graph, Input
from ...network.operations import Merge
from ..codegen import printing
from ..codegen.program import Assign, Call, Function, Name, Path, Program, Return, Statement, call
from ..codegen.running import executed
from . import keras_words as words
from .common import Lowered
from .common_sizes import InputSizes, free_axes
from .names import distinct, identifier

if TYPE_CHECKING:
    from numpy.typing import NDArray

TARGET = words.TARGET
LAYOUTS = {0: "(batch, features)", 1: "(batch, width, channels)", 2: "(batch, height, width, channels)"}
LAYOUTS[3] = "(batch, depth, height, width, channels)"
_HELPERS = ("padded", "inside", "share", "grown", "first")
"""ends of the names of layers that a step has beside its own"""
_SCOPE = ("keras", "float", "build", "load", "load_file", "model")


@dataclass(frozen=True)
class Keras:
    """A network in Keras's steps, as a description from which source, arrays and live model are made."""

    lowered: Lowered
    sizes: tuple[InputSizes, ...]

    @property
    def graph(self) -> Graph:
        """The network in steps that Keras has."""
        return self.lowered.graph

    @property
    def name(self) -> str:
        """The model's name."""
        return identifier(self.graph.name) if self.graph.name else "model"

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """Value -> its variable in ``build``."""
        names = [given.name for given in self.graph.inputs] + [node.name for node in self.graph.nodes]
        return distinct(names, taken=_SCOPE)

    @cached_property
    def layers(self) -> Mapping[str, str]:
        """Value -> its layer's name: that of the source's layer where it holds the weights."""
        holding = self.lowered.layers
        taken = set(holding.values())
        wanted = {given.name: given.name for given in self.graph.inputs}
        wanted |= holding
        for node in self.graph.nodes:
            if node.name not in wanted:
                step = "joined" if isinstance(node.operation, Merge) else "cropped"
                wanted[node.name] = f"{node.name}_{step}" if node.name in taken else node.name
        return dict(zip(wanted, _layer_names(wanted.values()), strict=True))

    @cached_property
    def steps(self) -> tuple[tuple[str, words.Written], ...]:
        """Every node with what Keras writes for it, in order."""
        return tuple((node.name, self._written(node.name)) for node in self.graph.nodes)

    def _written(self, name: str) -> words.Written:
        node = self.graph.by_name[name]
        x = [Name(self.variables[each]) for each in node.inputs]
        return words.written(node.operation, self.lowered.features[node.inputs[0]], self.layers[name], *x)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The model's weights as ``layer/weight``; UnstrideError where they are not known."""
        import numpy as np

        found: dict[str, NDArray[Any]] = {}
        for name, step in self.steps:
            for key, read in step.arrays.items():
                found[f"{self.layers[name]}/{key}"] = np.ascontiguousarray(read())
        return found

    # --- the program ------------------------------------------------------------------------------------------

    def shape(self, given: Input) -> tuple[int | None, ...]:
        """The shape that ``keras.Input`` is given: open where the port is exact at every length the source takes."""
        made = self.lowered.sizes[given.name]
        size = (None if free else length for free, length in zip(self.free[given.name], made, strict=True))
        return (*size, given.channels)

    @cached_property
    def free(self) -> Mapping[str, tuple[bool, ...]]:
        """For each axis of an input, whether it is left open."""
        return free_axes(self.lowered, self.sizes)

    @cached_property
    def body(self) -> tuple[Statement, ...]:
        """What ``build`` does."""
        lines: list[Statement] = []
        for given in self.graph.inputs:
            made = call("keras.Input", self.shape(given), name=self.layers[given.name])
            lines.append(Assign(Name(self.variables[given.name]), made))
        lines += [Assign(Name(self.variables[name]), step.value) for name, step in self.steps]
        inputs = [Name(self.variables[given.name]) for given in self.graph.inputs]
        outputs = [Name(self.variables[name]) for name in self.graph.outputs]
        ends = (inputs if len(inputs) > 1 else inputs[0], outputs if len(outputs) > 1 else outputs[0])
        return (*lines, Return(Call(Path("keras.Model"), ends, {"name": self.name})))

    def source(self) -> str:
        """A module to paste: ``build``, and ``load`` that gives the model its weights from a safetensors file."""
        head = [f'"""{printing.flat(self.name).strip(chr(34))}, in Keras."""', "", "import keras"]
        head += ["from safetensors.numpy import load_file"] if self.weighed else []
        program = Program((), (), (Function("build", (), self.body, self.doc),))
        parts = ["\n".join(head), printing.source(program).strip(), *([_LOAD] if self.weighed else [])]
        return "\n\n\n".join(part.strip() for part in parts) + "\n"

    @property
    def weighed(self) -> bool:
        """Whether there are weights to load."""
        return any(step.arrays for _, step in self.steps)

    @property
    def doc(self) -> tuple[str, ...]:
        """The docstring of ``build``, in lines."""
        features, graph = self.lowered.features, self.graph
        lines = [f"The network {graph.name}, in Keras." if graph.name else "A network, in Keras.", ""]
        for given, sizes in zip(graph.inputs, self.sizes, strict=True):
            at = f"; {sizes.words}" if given.size else ""
            layout = LAYOUTS[len(given.size)]
            lines.append(f"takes: {self.variables[given.name]} {layout}, {given.channels} channels{at}")
        for name in graph.outputs:
            made = features[name]
            lines.append(f"gives: {self.variables[name]} {LAYOUTS[len(made.size)]}, {made.channels} channels")
        if not graph.channels_last and graph.rank:
            lines += ["", "The original has its channels first: numpy.moveaxis(x, 1, -1) turns its inputs into these."]
        return tuple(lines)

    # --- live -------------------------------------------------------------------------------------------------

    def build(self, *, weights: bool = True) -> Any:
        """The live model, on whichever backend Keras runs; nothing is executed from text."""
        import keras

        if keras.config.image_data_format() != "channels_last":
            hint = "keras.config.set_image_data_format('channels_last')"
            rule = "the model is written for channels last, and Keras is set to another order"
            raise UnstrideError(Reason.DATA_FORMAT, rule, argument="to", value="keras", hint=hint)
        model = executed(self.body, {"keras": keras, "float": float})
        if weights:
            arrays = self.arrays()
            for layer in model.layers:
                for variable in layer.weights:
                    if (key := f"{layer.name}/{variable.name}") in arrays:
                        variable.assign(arrays[key])
        return model

    def call(self, model: Any, inputs: tuple[NDArray[Any], ...]) -> tuple[NDArray[Any], ...]:
        """What the live model makes of canonical arrays, canonical again."""
        import keras
        import numpy as np

        given = [np.ascontiguousarray(np.moveaxis(x, 1, -1)) for x in inputs]
        made = model(given if len(given) > 1 else given[0], training=False)
        arrays = [keras.ops.convert_to_numpy(each) for each in (made if isinstance(made, (list, tuple)) else [made])]
        return tuple(np.moveaxis(each, -1, 1) for each in arrays)


def _layer_names(wanted: Iterable[str]) -> tuple[str, ...]:
    """A name for each layer, no two alike, and none that a helper beside another layer has."""
    # two names may become one where signs are lost, so that the order decides who keeps it
    numbered = [f"{count} {name}" for count, name in enumerate(wanted)]
    helpers: set[str] = set()
    while True:  # a name with a number never is a helper's, so that each round settles names for good
        made = tuple(distinct(numbered, made=_layer_name, taken=helpers).values())
        beside = {f"{name}_{end}" for name in made for end in _HELPERS}
        if beside.isdisjoint(made):
            return made
        helpers |= beside


def _layer_name(numbered: str) -> str:
    """A name that every backend takes for a layer; the number before it only told it from its likes.

    torch takes no dot in a parameter's name, TensorFlow no scope that begins with an underscore.
    """
    _, _, name = numbered.partition(" ")
    valid = name.isascii() and name[:1].isalpha() and name.replace("-", "_").isidentifier()
    return name if valid else identifier(name)


_LOAD = '''def load(path):
    """The network with the weights in a safetensors file."""
    model, arrays = build(), load_file(path)
    for layer in model.layers:
        for weight in layer.weights:
            weight.assign(arrays[f"{layer.name}/{weight.name}"])
    return model
'''
