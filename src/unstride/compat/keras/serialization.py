"""Objects that are described by a class name and a config, and how Keras writes and finds them.

Source: keras/src/saving/serialization_lib.py (Keras 3.15).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Generic, Self, TypeVar

from ...errors import Reason, UnstrideError
from ..checks import mapping
from .names import snake_case


class Configured:
    """An object that its config describes completely; a frozen dataclass."""

    module: ClassVar[str]
    """where Keras has the class"""

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {each.name: getattr(self, each.name) for each in fields(self)}  # type: ignore[arg-type]  # a dataclass

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The object with that config."""
        given = mapping(config, "config")
        try:
            return cls(**given)
        except TypeError as error:
            raise UnstrideError(Reason.ARGUMENT, str(error), argument="config", value=given) from None


def serialize(value: object) -> Any:
    """The value as Keras's config holds it: a described object, or the name of a function."""
    if value is None:
        return None
    if isinstance(value, Configured):
        return described(value.module, type(value).__name__, value.get_config())
    name = getattr(value, "__name__", type(value).__name__)
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}


def described(module: str, class_name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The four keys by which Keras describes an object of its own."""
    return {"module": module, "class_name": class_name, "config": config, "registered_name": None}


C = TypeVar("C", bound=Configured)


@dataclass(frozen=True, slots=True)
class Registry(Generic[C]):
    """The objects of one kind, found as Keras finds them: by name, config, class, or given as they are."""

    kind: str
    classes: tuple[type[C], ...]
    aliases: Mapping[str, type[C]] = field(default_factory=dict)

    def get(self, identifier: Any, argument: str | None = None) -> C | Callable[..., Any] | None:
        """The object that ``identifier``, the value of ``argument``, stands for; UnstrideError where there is none."""
        if identifier is None:
            return None
        if isinstance(identifier, self.classes):
            return identifier
        if isinstance(identifier, type) and issubclass(identifier, self.classes):
            return identifier.from_config({})
        if isinstance(identifier, str):
            return self._named(identifier, argument).from_config({})
        if isinstance(identifier, Mapping):
            return self._named(identifier.get("class_name"), argument).from_config(identifier.get("config", {}))
        if callable(identifier):
            given: Callable[..., Any] = identifier
            return given
        raise self._unknown(identifier, argument)

    def _named(self, name: object, argument: str | None) -> type[C]:
        table = {each.__name__: each for each in self.classes}
        table |= {snake_case(each.__name__): each for each in self.classes} | dict(self.aliases)
        if not isinstance(name, str) or name not in table:
            raise self._unknown(name, argument)
        return table[name]

    def _unknown(self, identifier: object, argument: str | None) -> UnstrideError:
        known = ", ".join(sorted(snake_case(each.__name__) for each in self.classes))
        rule = f"is no {self.kind}; there are {known}"
        hint = "or pass a callable"
        return UnstrideError(Reason.ARGUMENT, rule, argument=argument or self.kind, value=identifier, hint=hint)
