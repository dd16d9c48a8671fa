"""``unstride conformance``: choose, ask, print."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from ..console import EXIT_REJECTED, draw, show
from ..errors import Reason, UnstrideError

if TYPE_CHECKING:
    from .cases import Case, Suite

_HELP = """Put the published ConvTranspose cases to runtimes.

Runtimes that read ONNX get the model file; PyTorch, TensorFlow, JAX and Keras get the same layer in their own words,
with the steps around it where one call cannot say it. Every runtime is in a process of its own: a crash is a verdict.
Values are integers and are compared for equality.

\b
RUNTIME is one of onnxruntime, onnx-reference, openvino, torch, tensorflow, jax,
keras-tensorflow, keras-jax and keras-torch; without any, all that are installed.

\b
Examples:
  unstride conformance --runtime onnxruntime
  unstride conformance --runtime torch --runtime keras-jax --theme groups
  unstride conformance -o matrix.html

Exit codes: 0 asked, whatever the verdicts; 1 rejected, or a verdict that --fail-on names.
"""
_VERDICTS = ("differs", "refuses", "crashes")
_PATIENCE = 2.0
"""seconds before a bar is worth showing"""


@click.command(help=_HELP)
@click.option("--runtime", "runtimes", multiple=True, help="Whom to ask; may be given again.")
@click.option("--theme", "themes", multiple=True, help="Only these cases; may be given again.")
@click.option("--case", "names", multiple=True, help="Only this case; may be given again.")
@click.option("--suite", "folder", help="Another suite's folder.")
@click.option("--list", "listing", is_flag=True, help="Name themes and cases and stop.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), default=60.0, show_default=True,
              help="Seconds that one case may take.")  # fmt: skip
@click.option("--fail-on", multiple=True, type=click.Choice(_VERDICTS), help="Exit with 1 if a case does this.")
@click.option("-o", "--output", help="Write the whole matrix to this .html or .json file.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def conformance(
    runtimes: tuple[str, ...],
    themes: tuple[str, ...],
    names: tuple[str, ...],
    folder: str | None,
    listing: bool,
    timeout: float,
    fail_on: tuple[str, ...],
    output: str | None,
    as_json: bool,
) -> None:
    """The body of the command; its help is above."""
    from .cases import suite
    from .report import listing as listed
    from .report import report
    from .running import ask_all
    from .runtimes import chosen

    _check_output(output)
    found = suite(folder)
    if listing:
        click.echo(listed(found))
        return
    asked, cases = chosen(runtimes), _chosen(found, themes, names)
    if not asked:
        rule, hint = "no runtime is installed here", "pip install onnxruntime, or another that --help names"
        raise UnstrideError(Reason.UNSUPPORTED, rule, hint=hint)
    with _progress() as tell:
        matrix = ask_all(found, cases, asked, seconds=timeout, tell=tell)
    if output is not None:
        _write(Path(output), matrix)
    if as_json:
        show(matrix.as_json())
    else:
        draw(report(matrix))
    counted = {cell.verdict.value for column in matrix.columns for cell in column.cells}
    if counted & set(fail_on):
        raise SystemExit(EXIT_REJECTED)


def _chosen(suite: Suite, themes: tuple[str, ...], names: tuple[str, ...]) -> list[Case]:
    """The cases of these themes and names; all where nothing is named."""
    for theme in themes:
        if theme not in suite.themes:
            rule = f"must be one of {', '.join(suite.themes)}"
            raise UnstrideError(Reason.ARGUMENT, rule, argument="--theme", value=theme)
    wanted = {suite.case(name).name for name in names}
    open_choice = not themes and not names
    return [case for case in suite.cases if open_choice or case.theme in themes or case.name in wanted]


def _check_output(output: str | None) -> None:
    """Before anything is asked: UnstrideError for a file that could not be written in the end."""
    if output is None:
        return
    path = Path(output)
    if path.suffix not in (".html", ".json"):
        raise UnstrideError(Reason.FILE, "must end in .html or .json", argument="--output", value=output)
    if not path.parent.is_dir() or path.is_dir():
        rule = "cannot be written: its folder does not exist, or it is a folder itself"
        raise UnstrideError(Reason.FILE, rule, argument="--output", value=output)


def _write(path: Path, matrix: Any) -> None:
    from ..whole import write_whole
    from .page import page

    content = page(matrix) if path.suffix == ".html" else json.dumps(matrix.as_json(), ensure_ascii=False, indent=1)
    write_whole(path, lambda stream: stream.write(f"{content}\n".encode()), argument="--output")


@contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """Where to tell how far it is: a bar on standard error once it takes a while, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _what, _part: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    bar, began, lock = Progress(*columns, console=Console(stderr=True), transient=True), monotonic(), Lock()
    task = bar.add_task("asking", total=1.0)

    def tell(what: str, part: float) -> None:
        with lock:  # runtimes tell from threads of their own
            if not bar.live.is_started and monotonic() - began > _PATIENCE:
                bar.start()
            bar.update(task, description=f"asking {what}", completed=part)

    try:
        yield tell
    finally:
        bar.stop()
