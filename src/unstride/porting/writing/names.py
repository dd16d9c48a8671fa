"""Names that a program can use, made of the names in a model; no two alike."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Collection, Iterable


def identifier(name: str) -> str:
    """The name with every other sign made an underscore; never a keyword, never starting with a digit.

    >>> identifier("model/conv1.relu:0"), identifier("3x3"), identifier("class")
    ('model_conv1_relu_0', 'n3x3', 'class_')
    """
    text = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "value"
    text = f"n{text}" if text[0].isdigit() else text
    return f"{text}_" if keyword.iskeyword(text) or keyword.issoftkeyword(text) else text


def class_name(name: str) -> str:
    """The name as a class would bear it.

    >>> class_name("tiny u-net"), class_name("")
    ('TinyUNet', 'Value')
    """
    parts = identifier(name).split("_")
    return "".join(part[:1].upper() + part[1:] for part in parts if part) or "Network"


def distinct(
    names: Iterable[str], made: Callable[[str], str] = identifier, taken: Collection[str] = ()
) -> dict[str, str]:
    """Each name with what is made of it, a number added where that is taken.

    >>> distinct(["a.b", "a-b", "x"], taken=("x",))
    {'a.b': 'a_b', 'a-b': 'a_b_2', 'x': 'x_2'}
    """
    used = set(taken)
    found: dict[str, str] = {}
    for name in names:
        base = chosen = made(name)
        count = 1
        while chosen in used:
            count += 1
            chosen = f"{base}_{count}"
        used.add(chosen)
        found[name] = chosen
    return found
