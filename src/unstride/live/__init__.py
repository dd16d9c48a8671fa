"""One layer of a real framework, live: as a spec and its weights, accepted wherever a spec is.

Objects are recognised by their classes' names, so that no framework is imported here; one that an object belongs to has
been imported by whoever made it. A layer that keeps its weights elsewhere is given with them, as a pair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..dialects.spec import Spec
from ..errors import Reason, UnstrideError
from .found import Found, Live
from .kinds import kind_of, type_name, unknown, wrong_params

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Found", "Live", "as_spec", "find", "is_live", "parse", "weigh", "weigh_if_known"]


def is_live(thing: object) -> bool:
    """Whether ``find`` knows the object's kind; it may still refuse this one.

    >>> is_live(3)
    False
    """
    return kind_of(_apart(thing)[0]) is not None


def find(thing: Live, params: Any = None) -> Found:
    """The spec and the weights of a live layer, which is left as it is.

    ``params`` are the weights of a layer that keeps them elsewhere, a Flax linen or Haiku module's parameters, an ONNX
    node's initializers, or the name of a node in an ONNX model; ``(thing, params)`` says the same. Weights keep their
    element type and come over from any device. Raises UnstrideError for an object of another kind, and for a layer
    that does what its arguments do not say.
    """
    subject, beside = (thing, params) if params is not None else _apart(thing)
    kind = kind_of(subject)
    if kind is None:
        raise unknown(thing)
    reader = import_module(f".{kind.reader}", __name__)
    if beside is not None and not reader.SEPARATE:
        raise wrong_params(beside, f"{type_name(subject)} holds its weights itself", "leave them out")
    return _whole(reader.read(subject, kind, beside) if reader.SEPARATE else reader.read(subject, kind))


def as_spec(thing: Spec | Live) -> Spec:
    """A spec as it is, a live layer's spec; UnstrideError for anything else, source included."""
    return thing if isinstance(thing, Spec) else find(thing).spec


def parse(code: str | Spec | Live, dialect: str | None = None, *, names: Mapping[str, object] | None = None) -> Spec:
    """The spec of the one layer in a pasted line of source, or of a live layer.

    The line may stand as it does in a program: assigned, returned, added to a model, in a list, applied to its input.
    ``dialect`` settles a line that more than one framework understands; ``names`` gives variables their values.
    Raises UnstrideError with a caret under the argument that the framework would reject.

    >>> parse("self.up = nn.ConvTranspose2d(16, 33, k, stride=2)", names={"k": 3}).output_shape((1, 16, 12, 12))
    (1, 33, 25, 25)
    """
    from ..dialects import code as source

    return source.parse(code, dialect, names=names) if isinstance(code, str) else as_spec(code)


def weigh_if_known(
    thing: Spec | Live, kernel: ArrayLike | None = None, bias: ArrayLike | None = None
) -> tuple[Spec, ArrayLike | None, ArrayLike | None]:
    """The spec, and the weights that are given, or else a live layer's own, where it has any.

    A kernel that is given comes without the layer's bias.
    """
    if kernel is not None or isinstance(thing, Spec):
        return as_spec(thing), kernel, bias
    found = find(thing)
    return found.spec, found.kernel, found.bias if bias is None else bias


def weigh(
    thing: Spec | Live, kernel: ArrayLike | None = None, bias: ArrayLike | None = None
) -> tuple[Spec, ArrayLike, ArrayLike | None]:
    """The same, with a kernel; UnstrideError where none is given, and none is known."""
    spec, known, addend = weigh_if_known(thing, kernel, bias)
    if known is None:
        hint = "give the kernel's array" if isinstance(thing, Spec) else "build the layer, or give the kernel's array"
        raise UnstrideError(Reason.KERNEL, f"{spec.call} has no weights here", argument="kernel", hint=hint)
    return spec, known, addend


def _whole(found: Found) -> Found:
    """The layer without a bias that it does not add; UnstrideError where it adds one and has none."""
    if not found.spec.bias_present:
        return replace(found, bias=None)
    if found.kernel is not None and found.bias is None:
        rule = f"{found.spec.call} adds a bias, and has none here"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="bias", hint="give it with the kernel, in params")
    return found


def _apart(thing: Live) -> tuple[Any, Any]:
    """A layer and what is given beside it."""
    return (thing[0], thing[1]) if isinstance(thing, tuple) and len(thing) == 2 else (thing, None)
