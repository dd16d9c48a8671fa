"""The program in a ``.pt2`` archive: the JSON that ``torch.export`` writes, as frozen values.

Source: torch/_export/serde/schema.py (torch 2.13, schema 8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from ..errors import Reason, UnstrideError
from ..network.graph import NODE_LIMIT

SCHEMA = 8
"""major version of the schema that is read; torch counts it up with every change that breaks readers"""

LARGEST = 2**63 - 1
"""the largest integer; as the end of a slice: all that is left"""

_FIRST = (
    *("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "complex32", "complex64"),
    *("complex128", "bool", "bfloat16"),
)
_LATER = (
    *("uint16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"),
    *("uint32", "uint64"),
)
DTYPES: Mapping[int, str] = dict(enumerate(_FIRST, 1)) | dict(enumerate(_LATER, 28))
"""number of an element type in the file -> torch's name of it"""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor by its name in the program."""

    name: str


@dataclass(frozen=True, slots=True)
class Symbol:
    """A number that depends on the input's size, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Unread:
    """An argument of a kind that no understood operation needs."""

    kind: str


Dim: TypeAlias = "int | str"
"""a size; where it depends on the input's, the expression that torch writes for it"""


class Meta(NamedTuple):
    """What the program says of a tensor."""

    dtype: str
    sizes: tuple[Dim, ...]
    strides: tuple[Dim, ...] = ()
    offset: Dim = 0


@dataclass(frozen=True, slots=True)
class Scope:
    """The module that a call was made in: its path, and its class's full name."""

    path: str = ""
    kind: str = ""

    @property
    def builtin(self) -> bool:
        """Whether it is one of torch's own layers, not a container of others."""
        return self.kind.startswith("torch.nn.") and not self.kind.startswith("torch.nn.modules.container.")


@dataclass(frozen=True, slots=True)
class Call:
    """One operator call; an output that is no tensor has no name."""

    target: str
    arguments: Mapping[str, Any]
    outputs: tuple[str | None, ...]
    scope: Scope


@dataclass(frozen=True, slots=True)
class Program:
    """The calls in order, what goes in and comes out, and what is known of each tensor."""

    inputs: tuple[str, ...]
    stored: Mapping[str, str]
    """parameters, buffers and constants: name in the program -> name in the module"""
    outputs: tuple[str, ...]
    calls: tuple[Call, ...]
    metas: Mapping[str, Meta]


def damaged(what: str) -> UnstrideError:
    """The error for a program that is not what torch writes."""
    return UnstrideError(Reason.FILE, f"is no sound program: {what}", argument="file", value="model.json")


def field(owner: Any, key: str, kind: type) -> Any:
    """One entry of a JSON object, checked to be of that kind."""
    if not isinstance(owner, dict) or key not in owner:
        raise damaged(f"{key} is missing")
    return checked(owner[key], key, kind)


def checked(value: Any, name: str, kind: type) -> Any:
    """The value, if it is of that kind (true and false are no numbers)."""
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise damaged(f"{name} is no {kind.__name__}")
    if isinstance(value, str) and not value.isprintable():
        raise damaged(f"{name} holds characters that cannot be printed")
    if isinstance(value, int) and kind is int and not -LARGEST - 1 <= value <= LARGEST:
        raise damaged(f"{name} is no 64-bit integer")
    return value


def read_program(root: Any) -> Program:
    """The program that a parsed ``models/*.json`` holds; UnstrideError where it is damaged or of another schema."""
    _check_schema(root)
    module = field(root, "graph_module", dict)
    graph, signature = field(module, "graph", dict), field(module, "signature", dict)
    if len(field(graph, "nodes", list)) > NODE_LIMIT:
        rule = f"makes more than {NODE_LIMIT} calls"
        raise UnstrideError(Reason.TOO_LARGE, rule, argument="file", value="model.json")
    metas = {name: meta(entry) for name, entry in field(graph, "tensor_values", dict).items() if _named(name)}
    inputs, stored = _inputs(field(signature, "input_specs", list))
    calls = tuple(_call(node) for node in field(graph, "nodes", list))
    return Program(inputs, stored, _outputs(signature), calls, metas)


def _named(name: str) -> bool:
    return bool(checked(name, "a name", str))


def _check_schema(root: Any) -> None:
    version = field(field(root, "schema_version", dict), "major", int)
    if version != SCHEMA:
        rule = f"is written in version {version} of torch.export's schema; version {SCHEMA} is read"
        hint = "load it with the torch that wrote it, and save it with torch 2.8 or later"
        raise UnstrideError(Reason.FILE, rule, argument="file", value="model.json", hint=hint)


def meta(entry: Any) -> Meta:
    """A tensor's element type, sizes, strides and offset."""
    number = field(entry, "dtype", int)
    sizes, strides = (tuple(map(_dim, field(entry, key, list))) for key in ("sizes", "strides"))
    return Meta(DTYPES.get(number, f"type {number}"), sizes, strides, _dim(field(entry, "storage_offset", dict)))


def _dim(entry: Any) -> Dim:
    if isinstance(entry, dict) and "as_int" in entry:
        return int(field(entry, "as_int", int))
    return str(field(field(entry, "as_expr", dict), "expr_str", str))


def _inputs(specs: list[Any]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Names of the user's tensors, and of what the module keeps."""
    given: list[str] = []
    stored: dict[str, str] = {}
    for spec in specs:
        kind, entry = _single(spec, "input_specs")
        if kind == "user_input":
            found = argument(field(entry, "arg", dict))
            given.extend([found.name] if isinstance(found, Tensor) else [])
        elif kind in _KEPT:
            stored[_name(field(entry, "arg", dict))] = field(entry, _KEPT[kind], str)
    return tuple(given), stored


_KEPT = {"parameter": "parameter_name", "buffer": "buffer_name", "tensor_constant": "tensor_constant_name"}


def _outputs(signature: Any) -> tuple[str, ...]:
    """The tensors that the user gets; a buffer's new value is none of them."""
    found = []
    for spec in field(signature, "output_specs", list):
        kind, entry = _single(spec, "output_specs")
        if kind in ("user_output", "loss_output"):
            value = field(entry, "arg", dict)
            made = Tensor(_name(value)) if kind == "loss_output" else argument(value)
            found.extend([made.name] if isinstance(made, Tensor) else [])
    return tuple(found)


def _call(node: Any) -> Call:
    arguments = {
        field(entry, "name", str): argument(field(entry, "arg", dict)) for entry in field(node, "inputs", list)
    }
    outputs = tuple(name for entry in field(node, "outputs", list) for name in _made(entry))
    metadata = field(node, "metadata", dict)
    stack = metadata.get("nn_module_stack", "")
    return Call(field(node, "target", str), arguments, outputs, _scope(stack if isinstance(stack, str) else ""))


def _made(entry: Any) -> Iterator[str | None]:
    """The names of the tensors of one output."""
    value = argument(entry)
    for each in value if isinstance(value, tuple) else (value,):
        yield each.name if isinstance(each, Tensor) else None


def _scope(stack: str) -> Scope:
    """The innermost of ``key,path,class;key,path,class``; a module's second call has the key ``name@1``."""
    key, *parts = stack.rpartition(";")[2].split(",")
    if len(parts) != 2 or not stack.isprintable():
        return Scope()
    path, kind = parts
    again = key.rpartition("@")[2] if "@" in key else ""
    return Scope(f"{path}@{again}" if again.isdecimal() and len(again) < 9 else path, kind)


def argument(entry: Any) -> Any:
    """An argument's value: numbers, text, ``Tensor``, ``Symbol``, tuples of them, None, or ``Unread``."""
    kind, content = _single(entry, "an argument")
    reader = _ARGUMENTS.get(kind)
    if reader is not None:
        return reader(content)
    reader = _ARGUMENTS.get(kind.removesuffix("s"))
    if reader is not None and kind.endswith("s"):
        return tuple(reader(each) for each in checked(content, kind, list))
    return Unread(kind)


def _single(entry: Any, name: str) -> tuple[str, Any]:
    if not isinstance(entry, dict) or len(entry) != 1:
        raise damaged(f"{name} is no object with one key")
    ((kind, content),) = entry.items()
    return kind, content


def _name(entry: Any) -> str:
    return str(field(entry, "name", str))


def _number(content: Any) -> float:
    if content in ("Infinity", "-Infinity", "NaN"):
        return float(content)
    if isinstance(content, bool) or not isinstance(content, int | float):
        raise damaged("as_float is no number")
    try:
        return float(content)
    except OverflowError:
        raise damaged("as_float is no number that a float can hold") from None


def _symbolic(content: Any) -> Any:
    kind, value = _single(content, "a symbolic number")
    if kind == "as_name":
        return Symbol(checked(value, kind, str))
    return _number(value) if kind == "as_float" else checked(value, kind, bool if kind == "as_bool" else int)


def _optional(content: Any) -> Tensor | None:
    kind, value = _single(content, "an optional tensor")
    return Tensor(_name(value)) if kind == "as_tensor" else None


_ARGUMENTS: Mapping[str, Callable[[Any], Any]] = {
    "as_none": lambda _: None,
    "as_tensor": lambda content: Tensor(_name(content)),
    "as_int": lambda content: checked(content, "as_int", int),
    "as_float": _number,
    "as_bool": lambda content: checked(content, "as_bool", bool),
    "as_string": lambda content: checked(content, "as_string", str),
    "as_sym_int": _symbolic,
    "as_sym_float": _symbolic,
    "as_sym_bool": _symbolic,
    "as_optional_tensor": _optional,
}
