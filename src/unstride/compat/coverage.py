"""What a face of ``compat`` covers, said where somebody reaches for more."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn


def missing(module: str, covered: str) -> Callable[[str], NoReturn]:
    """A module's ``__getattr__``: the AttributeError that Python raises anyway, with what there is instead."""

    def complain(name: str) -> NoReturn:
        text = f"module {module!r} has no attribute {name!r}"
        raise AttributeError(text if name.startswith("__") else f"{text}: it covers {covered}")

    return complain
