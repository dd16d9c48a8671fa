"""``unstride draw``: parse, call, print."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import click

from ..asking import shaped
from ..console import show
from ..errors import Reason, UnstrideError

if TYPE_CHECKING:
    from ..dialects.spec import Spec
    from ..pictures import Picture

VIEWS = ("scatter", "gather", "zeros", "matrix", "coverage", "gain")
QUIET_SECONDS = 0.5
"""A picture that takes longer tells how far it is"""
SILENT_SECONDS = 2.0
"""The same where it is read later, not seen: a line each time"""


@click.command()
@shaped
@click.option("--x", help="Input to write on the cells: [[2,1],[3,2]], or a file, x.npy.")
@click.option("--kernel-values", "kernel", help="Kernel to write on the cells, likewise.")
@click.option("--view", type=click.Choice(VIEWS), help="What to look at; left out: scatter.")
@click.option("--compare", multiple=True, metavar="CODE", help="Another layer on the same input; may be given again.")
@click.option("--channels", type=click.IntRange(0), nargs=2, default=(0, 0), help="Input and output channel drawn.")
@click.option("--theme", type=click.Choice(["auto", "light", "dark"]), default="auto", help="Colours.")
@click.option("-o", "--output", help="File to write: .svg, .png, .gif, .html or .txt; left out: print it as text.")
def draw(
    spec: Spec,
    input_shape: tuple[int, ...] | None,
    kernel_shape: tuple[int, ...] | None,
    x: str | None,
    kernel: str | None,
    view: str | None,
    compare: tuple[str, ...],
    channels: tuple[int, int],
    theme: str,
    output: str | None,
    as_json: bool,
) -> None:
    """Draw the layer: stamps, crop, sums.

    As text, SVG, PNG, or an animation (GIF, or a page with a player). Give --x and --kernel-values to see numbers.
    """
    from ..dialects.usual import input_hint
    from ..pictures import views
    from ..pictures.picture import checked_kind
    from .verb import draw as drawn
    from .verb import written_values

    if output is not None:
        checked_kind(Path(output))
    if input_shape is None and x is None and spec.known_input_shape is None:
        hint = input_hint(spec, "--input")
        raise UnstrideError(Reason.SIZE, "is needed where no --x is given", argument="--input", value=None, hint=hint)
    values = written_values(x, "--x"), written_values(kernel, "--kernel-values")
    picture = drawn(
        spec, input_shape, kernel_shape, view=view, x=values[0], kernel=values[1], compare=compare, channels=channels
    )
    if output is not None:
        _save(picture, output, theme)
    if as_json:
        show({**picture.as_json(), "output": output})
    elif output is not None:
        moves = views.steps(picture.view, picture.examples)
        still = "a still picture, this view has no steps: " if output.lower().endswith(".gif") and not moves else ""
        click.echo(f"{output}: {still}{picture.scene.description}")
    else:
        terminal = sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if terminal else 80
        click.echo(picture.text(max(40, width), colour=terminal))


def _save(picture: Picture, output: str, theme: str) -> None:
    """Write the file, telling how far it is where that takes long."""
    terminal = sys.stderr.isatty()
    due, told = monotonic() + (QUIET_SECONDS if terminal else SILENT_SECONDS), False

    def progress(what: str, done: int, steps: int) -> None:
        nonlocal due, told
        if monotonic() < due:
            return
        if terminal:
            click.echo(f"\r\x1b[K{what}: {done} of {steps}", nl=False, err=True)
        else:
            click.echo(f"{what}: {done} of {steps}", err=True)
            due = monotonic() + SILENT_SECONDS
        told = terminal

    picture.save(output, theme, progress)
    if told:
        click.echo("\r\x1b[K", nl=False, err=True)
