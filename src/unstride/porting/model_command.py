"""``unstride port`` of a whole model: open it, write it in another framework, save it, tell."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import wraps
from importlib import import_module
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
STDERR = 2
"""the number of the process's error stream"""
QUIET_S = 2.0
"""how long work may take without a word"""


def is_model_file(code: str) -> bool:
    """Whether the text names a model file, not a line of source."""
    return "(" not in code and Path(code).suffix.lower() in MODEL_FILES


def taking_models(command: Callable[..., None]) -> Callable[..., None]:
    """The ``port`` command, which gets lines of source, with whole models taken off and ported here.

    What follows the options is more files to write: ``-o model.py model.safetensors``.
    """

    @wraps(command)
    def call(code: str, more: tuple[str, ...], outputs: tuple[str, ...], to: str, **others: Any) -> None:
        _check_left_over(code, more, outputs)
        outputs += more
        if is_model_file(code) or _is_callable(code):
            _check_for_lines(others)
            port_model_of(code, to=to, outputs=outputs, shape=others["input_shape"], as_json=others["as_json"])
            return
        command(code=code, outputs=outputs, to=to, **others)

    return _second(click.argument("more", nargs=-1, metavar="[FILE]...")(call))


_FOR_LINES = {"weights": "--weights", "given": "--set", "dialect": "--dialect", "kernel_shape": "--kernel"}
"""options that say something of a line of source"""


def _check_for_lines(others: Mapping[str, Any]) -> None:
    """UnstrideError where an option is given that a whole model has no use for."""
    for name, option in _FOR_LINES.items():
        if others.get(name):
            rule, hint = "is for a line of source: a model brings its own", "leave it out"
            raise UnstrideError(Reason.ARGUMENT, rule, argument=option, value=others[name], hint=hint)


def _second(command: Callable[..., None]) -> Callable[..., None]:
    """The command with its last argument behind the one it had: click keeps them in reverse order."""
    parameters: list[click.Parameter] = getattr(command, "__click_params__", [])
    parameters.insert(0, parameters.pop())
    return command


def _check_left_over(code: str, more: tuple[str, ...], outputs: tuple[str, ...]) -> None:
    """UnstrideError where what follows is no file to write: a second model of the first one's kind is not lost."""
    rule, hint = "is left over: one model at a time is ported", "files to write are named after -o"
    for each in more if outputs else ():
        if is_model_file(code) and Path(each).suffix.lower() == Path(code).suffix.lower() and Path(each).exists():
            hint = f"to write over this file, say so: -o {each}"
            raise UnstrideError(Reason.ARGUMENT, rule, argument="argument", value=each, hint=hint)
    if more and not outputs:
        raise UnstrideError(Reason.ARGUMENT, rule, argument="argument", value=more[0], hint=hint)


def _is_callable(code: str) -> bool:
    from ..models.opening import names_callable

    return names_callable(code)


def port_model_of(
    source: str, *, to: str, outputs: tuple[str, ...] = (), shape: tuple[int, ...] | None = None, as_json: bool = False
) -> None:
    """Port a model, write the files named, print what came of it; exits with 3 where it was refused.

    ``source`` is a file or ``module:callable``. ``shape`` is the input's, as the source orders it. Without ``outputs``
    the source is printed.
    """
    from .models import TARGETS, port_model
    from .models_output import check

    if to not in TARGETS:
        rule = f"whole models are written in one of {', '.join(TARGETS)}"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="--to", value=to)
    check(to, tuple(map(Path, outputs)))
    model = _called(source)
    with _progress() as tell:
        tell(f"reading {source}")
        graph = _opened(model, shape)
        for framework in _loud(to, outputs):
            import_quietly(framework)
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


def _called(source: str) -> Any:
    """A file's name as it is; of ``module:callable`` what the callable returns."""
    if not _is_callable(source):
        return source
    from ..models.opening import call_model

    if "" not in sys.path:
        sys.path.insert(0, "")
    return call_model(source)


def _opened(model: Any, shape: tuple[int, ...] | None) -> Graph:
    from ..models.opening import open_model

    try:
        return open_model(model, inputs=None if shape is None else (shape,))
    except UnstrideError as error:
        if error.argument != "inputs":
            raise
        rule, hint = "must be the shape of the torch module's input", "such as --input 1,3,64,64"
        raise UnstrideError(error.reason, rule, argument="--input", value=shape, hint=hint) from None


def _loud(to: str, outputs: tuple[str, ...]) -> tuple[str, ...]:
    """What writes to the terminal as it is loaded: Keras loads TensorFlow, to save a model whatever it runs on."""
    if to != "keras":
        return ()
    return ("keras", "tensorflow") if any(Path(each).suffix == ".keras" for each in outputs) else ("keras",)


def import_quietly(framework: str) -> None:
    """Import a framework, if it can be, without what its libraries write to the terminal while they load."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _no_errors(), suppress(ImportError):  # who needs it tells that it is missing
        import_module(framework)


@contextmanager
def _no_errors() -> Iterator[None]:
    """The process's error stream closed to compiled code, which knows nothing of ``sys.stderr``."""
    try:
        kept = os.dup(STDERR)
    except OSError:  # there is none
        yield
        return
    sys.stderr.flush()
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), STDERR)
    try:
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)


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

    if not sys.stderr.isatty():
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    # its own way to the terminal: the process's is closed while a framework is loaded
    terminal = os.fdopen(os.dup(sys.stderr.fileno()), "w", errors="replace")
    bar = Progress(*columns, console=Console(file=terminal), transient=True)
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
        terminal.close()
