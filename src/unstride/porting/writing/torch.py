"""A whole network as a PyTorch module: source to paste, its arrays by their names, and the live module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...network.graph import Graph
from ..codegen import printing
from ..codegen.program import (
    Assign,
    Attribute,
    Class,
    Do,
    Expression,
    Function,
    InitializeBase,
    Name,
    Path,
    Program,
    Return,
    Statement,
    call,
    method,
)
from . import torch_words as words
from .common import CannotRunError, Lowered, element_type
from .common_sizes import InputSizes, messages
from .names import class_name, distinct

if TYPE_CHECKING:
    from numpy.typing import NDArray

TARGET = words.TARGET
LAYOUTS = {0: "(batch, features)", 1: "(batch, channels, width)", 2: "(batch, channels, height, width)"}
LAYOUTS[3] = "(batch, channels, depth, height, width)"

_TYPES = {"float64": "double", "float16": "half"}
"""element type -> the method that a module takes it on with"""
_SCOPE = ("self", "torch", "F", "float", "load", "super", "load_file")
_MODULE = (
    *("T_destination", "add_module", "apply", "bfloat16", "buffers", "call_super_init", "children", "compile", "cpu"),
    *("cuda", "double", "dump_patches", "eval", "extra_repr", "float", "forward", "get_buffer", "get_extra_state"),
    *("get_parameter", "get_submodule", "half", "ipu", "load_state_dict", "modules", "mtia", "named_buffers"),
    *("named_children", "named_modules", "named_parameters", "parameters", "register_buffer", "register_module"),
    *("register_parameter", "requires_grad_", "set_extra_state", "set_submodule", "share_memory", "state_dict"),
    *("to", "to_empty", "train", "training", "type", "xpu", "zero_grad"),
)
"""attributes that every ``torch.nn.Module`` has"""


@dataclass(frozen=True)
class Torch:
    """A network in PyTorch's steps, as a description from which source, arrays and live module are made."""

    lowered: Lowered
    sizes: tuple[InputSizes, ...]

    @property
    def graph(self) -> Graph:
        """The network in steps that PyTorch has."""
        return self.lowered.graph

    @cached_property
    def name(self) -> str:
        """The class's name."""
        name = class_name(self.graph.name)
        return f"{name}Network" if name in _SCOPE else name

    @cached_property
    def dtype(self) -> str:
        """The element type that the module computes in."""
        return element_type(self.graph)

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """Value -> its variable in ``forward``."""
        names = [given.name for given in self.graph.inputs] + [node.name for node in self.graph.nodes]
        checks = {f"check_{each}" for each in distinct([given.name for given in self.graph.inputs]).values()}
        return distinct(names, taken={*_SCOPE, *checks})

    @cached_property
    def modules(self) -> Mapping[str, str]:
        """Node -> the attribute that holds its module."""
        layers = self.lowered.layers
        named = distinct(layers.values(), taken=_MODULE)
        return {node: named[layer] for node, layer in layers.items()}

    @cached_property
    def steps(self) -> tuple[tuple[str, words.Written], ...]:
        """Every node with what PyTorch writes for it, in order."""
        return tuple((node.name, self._written(node.name)) for node in self.graph.nodes)

    def _written(self, name: str) -> words.Written:
        node = self.graph.by_name[name]
        x = [Name(self.variables[each]) for each in node.inputs]
        module = self.modules.get(name) or self.variables[name]
        return words.written(node.operation, self.lowered.features[node.inputs[0]], module, *x)

    @property
    def constructors(self) -> Iterator[tuple[str, Expression]]:
        """Attribute and what constructs it, for every module."""
        for name, step in self.steps:
            if step.module is not None:
                yield self.modules.get(name) or self.variables[name], step.module

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The module's ``state_dict``, as NumPy arrays; UnstrideError where the weights are not known."""
        import numpy as np

        found: dict[str, NDArray[Any]] = {}
        for name, step in self.steps:
            for key, read in step.arrays.items():
                found[f"{self.modules[name]}.{key}"] = np.ascontiguousarray(read())
        return found

    # --- the program ------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> tuple[str, ...]:
        """The arguments of ``forward``."""
        return tuple(self.variables[given.name] for given in self.graph.inputs)

    @cached_property
    def body(self) -> tuple[Statement, ...]:
        """``forward`` after its check of the sizes."""
        lines: list[Statement] = [Assign(Name(self.variables[name]), step.value) for name, step in self.steps]
        outputs = [Name(self.variables[name]) for name in self.graph.outputs]
        return (*lines, Return(outputs[0] if len(outputs) == 1 else tuple(outputs)))

    @property
    def checked(self) -> tuple[str, ...]:
        """The inputs whose sizes are not free."""
        given = zip(self.inputs, self.sizes, strict=True)
        return tuple(name for name, sizes in given if any(True for _ in messages(sizes)))

    def source(self) -> str:
        """A module to paste: the class, and ``load`` that gives it its weights from a safetensors file."""
        head = [f'"""{_harmless(self.graph.name) or self.name}, in PyTorch."""', "", "import torch"]
        head += ["import torch.nn.functional as F"] if self._uses("F.") else []
        head += ["from safetensors.torch import load_file"] if self.weighed else []
        defined = printing.source(Program((), (), (self._class(),))).strip()
        parts = ["\n".join(head), defined, *self._checks(), *([_LOAD.format(name=self.name)] if self.weighed else [])]
        return "\n\n\n".join(part.strip() for part in parts) + "\n"

    def _uses(self, prefix: str) -> bool:
        return any(prefix in line for line in printing.lines(self.body))

    @property
    def weighed(self) -> bool:
        """Whether there are weights to load."""
        return any(step.arrays for _, step in self.steps)

    def _class(self) -> Class:
        attributes = ((Attribute(Name("self"), name), made) for name, made in self.constructors)
        typed = [Do(method(Name("self"), _TYPES[self.dtype]))] if self.dtype in _TYPES else []
        start = Function("__init__", ("self",), (InitializeBase(), *(Assign(*each) for each in attributes), *typed))
        checks = tuple(Do(call(f"check_{name}", Name(name))) for name in self.checked)
        forward = Function("forward", ("self", *self.inputs), (*checks, *self.body))
        return Class(self.name, Path("torch.nn.Module"), (start, forward), self.doc)

    @property
    def doc(self) -> tuple[str, ...]:
        """The class's docstring, in lines."""
        features, graph = self.lowered.features, self.graph
        lines = [f"The network {graph.name}, in PyTorch." if graph.name else "A network, in PyTorch.", ""]
        for given, name, sizes in zip(graph.inputs, self.inputs, self.sizes, strict=True):
            at = f"; {sizes.words}" if given.size else ""
            lines.append(f"takes: {name} {LAYOUTS[len(given.size)]}, {given.channels} channels{at}")
        for name in graph.outputs:
            made = features[name]
            lines.append(f"gives: {self.variables[name]} {LAYOUTS[len(made.size)]}, {made.channels} channels")
        if self.dtype in _TYPES:
            lines.append(f"computes in {self.dtype}, as the original does")
        if graph.channels_last:
            lines += ["", "The original has its channels last: x.movedim(-1, 1) turns its inputs into these."]
        lines += (
            ["", "The same function as the original at these sizes; others raise ValueError."] if self.checked else []
        )
        return tuple(lines)

    def _checks(self) -> Iterator[str]:
        for name, sizes in zip(self.inputs, self.sizes, strict=True):
            told = list(messages(sizes))
            if told:
                yield _check_source(name, sizes, told)

    # --- live -------------------------------------------------------------------------------------------------

    def build(self, *, weights: bool = True) -> Any:
        """The live module in evaluation mode, the same as the source's class; nothing is executed from text."""
        from .torch_live import live

        return live(self, weights=weights)

    def call(self, model: Any, inputs: tuple[NDArray[Any], ...]) -> tuple[NDArray[Any], ...]:
        """What the live module makes of canonical arrays; CannotRunError where PyTorch lacks a step in their type."""
        import torch

        try:
            with torch.no_grad():
                made = model(*map(torch.from_numpy, inputs))
        except RuntimeError as error:
            if "not implemented for" not in str(error):
                raise
            raise CannotRunError(f"PyTorch: {str(error).partition(chr(10))[0]}") from None
        return tuple(each.numpy() for each in (made if isinstance(made, tuple) else (made,)))


def _harmless(text: str) -> str:
    """The text as it can stand in a docstring."""
    return "".join(each if each.isprintable() and each not in '"\\\\' else " " for each in text).strip()


def _check_source(name: str, sizes: InputSizes, told: list[tuple[str, str, str]]) -> str:
    axes = ", ".join(sizes.names) + ("," if len(sizes.names) == 1 else "")
    lines = [f"def check_{name}({name}):", f"    {axes} = {name}.shape[2:]"]
    for axis, condition, demanded in told:
        lines += [
            f"    if {_negated(condition)}:",
            f'        raise ValueError(f"{axis} {{{axis}}}: must be {demanded}")',
        ]
    return "\n".join(lines) + "\n"


def _negated(condition: str) -> str:
    """The opposite condition, as one would write it.

    >>> _negated("height % 2 == 0"), _negated("width >= 5 and width % 2 == 1")
    ('height % 2 != 0', 'not (width >= 5 and width % 2 == 1)')
    """
    opposites = {" == ": " != ", " >= ": " < ", " in ": " not in "}
    single = " and " not in condition and " or " not in condition
    for sign, opposite in opposites.items():
        if single and sign in condition:
            return condition.replace(sign, opposite)
    return f"not ({condition})"


_LOAD = '''def load(path):
    """The network with the weights in a safetensors file."""
    model = {name}()
    model.load_state_dict(load_file(path))
    return model.eval()
'''
