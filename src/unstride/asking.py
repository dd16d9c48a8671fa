"""What several commands ask for: the line, how to read it, shapes; and how shells complete them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from .errors import Reason, UnstrideError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from .dialects.spec import Spec

SIZES_LIMIT = 1_000


def sizes(context: click.Context, option: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """Comma-separated sizes, such as ``1,2,2,1``; brackets and ``x`` are taken too."""
    del context
    if value is None:
        return None
    name = max(option.opts, key=len)
    if len(value) > SIZES_LIMIT:
        rule = f"has more than {SIZES_LIMIT} characters, too many for a shape"
        raise UnstrideError(Reason.SIZE, rule, argument=name, value=value)
    try:
        numbers = tuple(int(part) for part in value.strip("()[] ").replace("x", ",").rstrip(",").split(","))
    except ValueError:
        rule = "must be integers with commas between them, such as 1,2,2,1"
        hint = "write 1 for a batch size that is open" if "none" in value.lower() else None
        raise UnstrideError(Reason.SIZE, rule, argument=name, value=value, hint=hint) from None
    if max(map(abs, numbers)) > sys.maxsize:
        raise UnstrideError(Reason.TOO_LARGE, "must fit in 64 bits", argument=name, value=numbers)
    return numbers


@dataclass(frozen=True, slots=True)
class Asked:
    """What every command that reads a line is asked about."""

    spec: Spec
    input_shape: tuple[int, ...]
    kernel_shape: tuple[int, ...] | None
    as_json: bool


def options(command: Callable[..., None], *decorators: Callable[..., Any]) -> Callable[..., None]:
    """The command with its options, listed in the help in this order."""
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


def reading(command: Callable[..., None]) -> Callable[..., None]:
    """The CODE argument and how to read it; the command gets ``spec``."""

    @wraps(command)
    def call(code: str, dialect: str | None, given: tuple[str, ...], **others: Any) -> None:
        from .dialects.code import parse
        from .dialects.pasted import TEXT_LIMIT, assigned

        text = sys.stdin.read(TEXT_LIMIT + 1) if code == "-" else code
        command(spec=parse(text, dialect, names=dict(map(assigned, given))), **others)

    return options(
        call,
        click.argument("code"),
        click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="Value of a variable in CODE."),
        click.option("--dialect", shell_complete=complete_dialect, help="Whose line it is, where several share it."),
    )


def shaped(command: Callable[..., None]) -> Callable[..., None]:
    """CODE, and the options that give the shapes."""
    described = options(
        command,
        click.option(
            "--input", "input_shape", metavar="SIZES", callback=sizes, help="Input shape, as the framework orders it."
        ),
        click.option(
            "--kernel", "kernel_shape", metavar="SIZES", callback=sizes, help="Kernel's shape, for functions only."
        ),
        click.option("--json", "as_json", is_flag=True, help="Answer as JSON."),
    )
    return reading(described)


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """The options that describe the input as well; the command gets ``asked``."""

    @wraps(command)
    def call(
        spec: Spec,
        input_shape: tuple[int, ...] | None,
        kernel_shape: tuple[int, ...] | None,
        as_json: bool,
        **others: Any,
    ) -> None:
        shape = input_shape or spec.known_input_shape
        if shape is None:
            from .dialects.usual import input_hint

            hint = input_hint(spec, "--input")
            raise UnstrideError(Reason.SIZE, "the input's shape is needed", argument="--input", value=None, hint=hint)
        command(asked=Asked(spec, shape, kernel_shape, as_json), **others)

    return shaped(call)


def complete_dialect(context: click.Context, option: click.Parameter, incomplete: str) -> list[str]:
    """The dialects whose names begin so."""
    from .dialects.registry import NAMES

    del context, option
    return [name for name in NAMES if name.startswith(incomplete)]


def complete_file(context: click.Context, option: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The shell's own completion of files."""
    from click.shell_completion import CompletionItem

    del context, option
    return [CompletionItem(incomplete, type="file")]
