"""``unstride port`` of a model file: open it, write it in another framework, save it, tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any

import click

from ..console import EXIT_REFUSED, show
from ..errors import Reason, UnstrideError

if TYPE_CHECKING:
    from ..network import Graph

MODEL_FILES = (".keras", ".onnx", ".pt2", ".json", ".h5", ".hdf5", ".pt", ".pth", ".safetensors", ".pb", ".tflite")
"""suffixes that tell a file from a line of source; some only to say why they are not read"""
QUIET_S = 2.0
"""how long work may take without a word"""


def is_model_file(code: str) -> bool:
    """Whether the text names a model file, not a line of source."""
    return "(" not in code and Path(code).suffix.lower() in MODEL_FILES


def taking_models(command: Callable[..., None]) -> Callable[..., None]:
    """The ``port`` command, which gets lines of source, with model files taken off and ported here.

    What follows the options is more files to write: ``-o model.py model.safetensors``.
    """

    @wraps(command)
    def call(code: str, more: tuple[str, ...], outputs: tuple[str, ...], to: str, **others: Any) -> None:
        if more and not outputs:
            rule = "is left over: one CODE or model is ported"
            raise UnstrideError(Reason.ARGUMENT, rule, argument="argument", value=more[0], hint="name files after -o")
        outputs += more
        if is_model_file(code):
            port_file(code, to=to, outputs=outputs, shape=others["input_shape"], as_json=others["as_json"])
            return
        command(code=code, outputs=outputs, to=to, **others)

    return _second(click.argument("more", nargs=-1, metavar="[FILE]...")(call))


def _second(command: Callable[..., None]) -> Callable[..., None]:
    """The command with its last argument behind the one it had: click keeps them in reverse order."""
    parameters: list[click.Parameter] = getattr(command, "__click_params__", [])
    parameters.insert(0, parameters.pop())
    return command


def port_file(
    path: str, *, to: str, outputs: tuple[str, ...] = (), shape: tuple[int, ...] | None = None, as_json: bool = False
) -> None:
    """Port the model in a file, write the files named, print what came of it; exits with 3 where it was refused.

    ``shape`` is the input's, as the source orders it. Without ``outputs`` the source is printed.
    """
    from ..models.opening import open_model
    from .models import TARGETS, port_model
    from .models_output import check

    if to not in TARGETS:
        rule = f"whole models are written in one of {', '.join(TARGETS)}"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="--to", value=to)
    check(to, tuple(map(Path, outputs)))
    with _progress() as tell:
        tell(f"reading {path}")
        graph = open_model(path)
        tell(f"writing it in {to}, and comparing values")
        found = port_model(graph, to=to, size=None if shape is None else _spatial(graph, shape))
        tell("saving")
        written = found.save(*outputs) if found.exact else ()
    if as_json:
        show({**found.as_json(), "files": list(outputs) if found.exact else []})
    elif found.exact and not outputs:
        click.echo(found.source, nl=False)
        click.echo(found.text(), err=True)
    else:
        click.echo("\n".join([found.text(), *written]))
    if not found.exact:
        raise SystemExit(EXIT_REFUSED)


def _spatial(graph: Graph, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The spatial size in the shape of the model's input."""
    if len(shape) != graph.rank + 2:
        order = "batch, spatial axes, channels" if graph.channels_last else "batch, channels, spatial axes"
        rule = f"needs {graph.rank + 2} dimensions: {order}"
        raise UnstrideError(Reason.RANK, rule, argument="--input", value=shape)
    return shape[1:-1] if graph.channels_last else shape[2:]


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """A bar on the terminal's error stream, once the work has taken long; it is gone at the end."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task("", total=3)
    late = Timer(QUIET_S, bar.start)
    late.daemon = True
    late.start()

    def tell(phase: str) -> None:
        bar.update(task, description=phase, advance=1)

    try:
        yield tell
    finally:
        late.cancel()
        late.join()
        bar.stop()
