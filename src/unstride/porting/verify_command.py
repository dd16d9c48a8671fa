"""``unstride verify``: find the two things, ask, print."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from ..asking import sizes
from ..console import EXIT_REJECTED, show
from ..errors import Reason, UnstrideError

_SHAPE = re.compile(r"\(\d+(, \d+)+\)")
_IMPORTED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def _several(
    context: click.Context, option: click.Parameter, value: tuple[str, ...]
) -> tuple[tuple[int, ...] | None, ...]:
    return tuple(sizes(context, option, each) for each in value)


@click.command()
@click.option("--input", "input_shape", metavar="SIZES", callback=sizes, help="Input shape, as A orders it.")
@click.option(
    "--size", "spatial", metavar="SIZES", multiple=True, callback=_several, help="A spatial size to try as well."
)
@click.option("--kernel", "kernel_shape", metavar="SIZES", callback=sizes, help="Kernel's shape, for functions only.")
@click.argument("a")
@click.argument("b")
@click.option("--weights", help="Kernel for CODE: w.npy, a.npz:w or a.safetensors:w, in the first CODE's own layout.")
@click.option("--bias", help="Bias for CODE, likewise.")
@click.option("--layouts", metavar="A,B", help="Orders of the axes, such as NHWC,NCHW, where nothing tells them.")
@click.option("--ulps", type=float, help="Units in the last place allowed where numbers are no integers.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def verify(
    a: str,
    b: str,
    input_shape: tuple[int, ...] | None,
    spatial: tuple[tuple[int, ...], ...],
    kernel_shape: tuple[int, ...] | None,
    weights: str | None,
    bias: str | None,
    layouts: str | None,
    ulps: float | None,
    as_json: bool,
) -> None:
    """Say whether two layers compute the same, and if not, how they differ.

    A and B are each a line of CODE, a model's file (.onnx, .keras, .pt2), or module:name, a layer, model or function in
    a module of yours, which is imported, so its code is run. Integer inputs tell every tap and channel apart. Two lines
    of CODE get the same integer weights, each in its own layout.

    Exit codes: 0 the same, 1 different (or rejected: then the message begins with "error").
    """
    from ..files import load
    from .verify import ULPS
    from .verify import verify as verified

    arrays = None if weights is None else (load(weights), None if bias is None else load(bias))
    if weights is None and bias is not None:
        raise UnstrideError(Reason.ARGUMENT, "needs --weights too", argument="--bias", value=bias)
    with _options():
        verdict = verified(
            _thing(a),
            _thing(b),
            input_shape=input_shape,
            kernel_shape=kernel_shape,
            weights=arrays,
            layouts=_layouts(layouts),
            sizes=spatial,
            ulps=ULPS if ulps is None else ulps,
        )
    if as_json:
        show(verdict.as_json())
    else:
        click.echo(verdict.text())
    if not verdict:
        raise SystemExit(EXIT_REJECTED)


_OPTIONS = {"input_shape": "--input", "kernel_shape": "--kernel", "sizes": "--size", "weights": "--weights"}
"""arguments of the function -> options of the command"""


@contextmanager
def _options() -> Iterator[None]:
    """What the function says of its arguments, said of the command's options."""
    try:
        yield
    except UnstrideError as error:
        option = _OPTIONS.get(error.argument or "")
        if option is None:
            raise
        hint = None if error.hint is None else _SHAPE.sub(lambda met: met[0][1:-1].replace(" ", ""), error.hint)
        if option == "--input" and hint is not None:
            hint = hint.replace("such as ", "such as --input ")
        raise UnstrideError(
            error.reason, error.rule, argument=option, value=error.value, hint=hint, where=error.where
        ) from None


def _layouts(text: str | None) -> str | tuple[str, str] | None:
    if text is None:
        return None
    first, _, second = text.partition(",")
    return (first.strip(), second.strip()) if second else first.strip()


def _thing(text: str) -> Any:
    """What is named on the command line."""
    return _imported(text) if _IMPORTED.fullmatch(text) else text


def _imported(text: str) -> Any:
    """``module:name``, the module looked for from the working directory on, as ``python -m`` does."""
    module, _, path = text.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found: Any = import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError) as error:
        rule = f"cannot be imported: {error}"
        hint = "module:name is looked for in the working directory and among the installed packages"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="module", value=text, hint=hint) from None
    return found
