"""``unstride run``: on arrays from files, whole or tile by tile."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import click

from ..asking import complete_dialect, complete_file, sizes
from ..console import show
from ..errors import Reason, UnstrideError

MODELS = (".keras", ".onnx", ".pt2")
"""suffixes of CODE that is a model's file"""
PATIENCE = 2.0
"""seconds after which progress is shown"""
UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}


def byte_count(context: click.Context, option: click.Parameter, value: str | None) -> int | None:
    """A number of bytes, such as ``512MB`` or ``2GiB``."""
    del context
    if value is None:
        return None
    text = value.strip().lower()
    digits = text.rstrip("bikmgt ")
    unit = UNITS.get(text[len(digits) :].strip())
    try:
        return int(float(digits) * (unit or 1)) if unit else int(digits)
    except (ValueError, OverflowError):
        rule = "must be a number of bytes, such as 512MB or 2GiB"
        raise UnstrideError(Reason.SIZE, rule, argument=max(option.opts, key=len), value=value) from None


@dataclass(frozen=True)
class Asked:
    """What is computed."""

    source: Any
    """a spec, or the name of a model's file"""
    kernel: Any
    bias: Any


@click.command()
@click.argument("code")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="Value of a variable in CODE.")
@click.option("--dialect", shell_complete=complete_dialect, help="Whose line it is, where several share it.")
@click.option("--x", shell_complete=complete_file, help="Input, in memory: x.npy, a.npz:x or a.safetensors:x.")
@click.option("--input", shell_complete=complete_file, help="Input, read in tiles: a.zarr, a.zarr/0, x.npy, x.ome.tif.")
@click.option("--kernel", shell_complete=complete_file, help="Kernel, in the framework's own layout.")
@click.option("--bias", shell_complete=complete_file, help="Bias.")
@click.option(
    "--output",
    shell_complete=complete_file,
    help="Where to write: .npy, .npz, .safetensors (left out: print it); with --input a Zarr array.",
)
@click.option("--memory", metavar="BYTES", callback=byte_count, help="Most bytes that arrays take: 512MB, the default.")
@click.option("--workers", type=click.IntRange(1), help="Tiles computed at once.")
@click.option("--tile", metavar="SIZES", callback=sizes, help="Tile: batch, then the output's spatial axes.")
@click.option("--chunks", metavar="SIZES", callback=sizes, help="Chunks of the output, for each of its axes.")
@click.option("--shards", metavar="SIZES", callback=sizes, help="Shards of the output, for each of its axes.")
@click.option("--no-resume", is_flag=True, help="Begin anew, though a part is finished.")
@click.option("--plan", "only_plan", is_flag=True, help="Print the tiles, and stop.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def run(code: str, given: tuple[str, ...], dialect: str | None, **others: Any) -> None:
    """Compute a layer or a model on arrays from files.

    With --input, tile by tile from a Zarr array, .npy or TIFF file to a Zarr array, in bounded memory: killed and
    started again it goes on, and several processes started alike share the work. CODE may be a model file (.keras,
    .onnx, .pt2): unstride run model.keras --input a.zarr --output b.zarr
    """
    is_model = code.lower().endswith(MODELS) and "(" not in code
    _check_usage(others, is_model=is_model)
    asked = _asked(code, given, dialect, others, is_model=is_model)
    if others["input"] is None:
        _whole(asked, others["x"], others["output"], as_json=others["as_json"])
    else:
        _tiled(asked, others)


def _check_usage(others: dict[str, Any], *, is_model: bool) -> None:
    tiled = [f"--{name}" for name in ("memory", "workers", "tile", "chunks", "shards") if others[name] is not None]
    tiled += ["--plan"] * others["only_plan"] + ["--no-resume"] * others["no_resume"]
    if (others["x"] is None) == (others["input"] is None):
        message = "Missing option '--x' or '--input'." if others["x"] is None else "--x and --input exclude each other."
        raise click.UsageError(message)
    if others["x"] is not None and tiled:
        raise click.UsageError(f"{', '.join(tiled)}: for --input only.")
    if not is_model and others["kernel"] is None:
        raise click.UsageError("Missing option '--kernel'.")
    if others["input"] is not None and others["output"] is None and not others["only_plan"]:
        raise click.UsageError("Missing option '--output'.")


def _asked(code: str, given: tuple[str, ...], dialect: str | None, others: dict[str, Any], *, is_model: bool) -> Asked:
    from ..dialects.code import parse
    from ..dialects.pasted import TEXT_LIMIT, assigned
    from ..files import load

    kernel, bias = ((load(others[name]) if others[name] else None) for name in ("kernel", "bias"))
    if is_model:
        return Asked(code, kernel, bias)
    text = sys.stdin.read(TEXT_LIMIT + 1) if code == "-" else code
    return Asked(parse(text, dialect, names=dict(map(assigned, given))), kernel, bias)


def _whole(asked: Asked, x: str, output: str | None, *, as_json: bool) -> None:
    """In memory, at once."""
    import numpy as np

    from ..computation import run as computed
    from ..files import check_name, load, plain_values, save

    if output is not None:
        check_name(output)
    y = (
        _modelled(asked, load(x))
        if isinstance(asked.source, str)
        else computed(asked.source, load(x), asked.kernel, asked.bias)
    )
    if output is not None:
        save(output, y)
    if as_json:
        values = None if output else plain_values(y)
        show({"output_shape": y.shape, "dtype": str(y.dtype), "output": output, "values": values})
    elif output:
        click.echo(f"{output}: {y.shape} {y.dtype}")
    else:
        # a person looks at the numbers, not at axes of one element
        click.echo(f"{y.shape} {y.dtype}\n{np.array2string(np.squeeze(y), threshold=1_000)}")


def _modelled(asked: Asked, x: Any) -> Any:
    from ..network.evaluate import run as evaluated
    from .source import network

    made = evaluated(network(asked.source, asked.kernel, asked.bias), x)
    if isinstance(made, tuple):
        rule = "has several outputs; a file is written of one"
        raise UnstrideError(Reason.UNSUPPORTED, rule, argument="model", value=asked.source)
    return made


def _tiled(asked: Asked, others: dict[str, Any]) -> None:
    """Tile by tile, from file to file."""
    from . import zarr

    names = ("memory", "workers", "tile", "chunks", "shards")
    wishes: dict[str, Any] = {"kernel": asked.kernel, "bias": asked.bias, **{name: others[name] for name in names}}
    if others["only_plan"]:
        found = zarr.plan(asked.source, others["input"], others["output"], **wishes)
        if others["as_json"]:
            show(found.as_json())
        else:
            click.echo(str(found))
        return
    with closing(Bar()) as bar:
        wishes |= {"resume": not others["no_resume"], "progress": bar.report if sys.stderr.isatty() else None}
        made = zarr.run(asked.source, others["input"], others["output"], **wishes)
    if others["as_json"]:
        show(made.as_json())
        return
    before = f", {made.tiles - made.computed} of them before or elsewhere" if made.computed < made.tiles else ""
    click.echo(f"{made.output}: {made.shape} {made.dtype}, {made.tiles} tiles in {made.seconds:.1f} s{before}")


class Bar:
    """Progress on a terminal, once it has taken a while: tiles, their rate, the time left."""

    def __init__(self, patience: float = PATIENCE, console: Any = None) -> None:
        self._from = time.monotonic() + patience
        self._console = console
        self._progress: Any = None
        self._task: Any = None

    def report(self, done: int, total: int) -> None:
        """So many tiles are finished."""
        if self._progress is None:
            if time.monotonic() < self._from:
                return
            self._begin(done, total)
        self._progress.update(self._task, completed=done, rate=self._rate())

    def _begin(self, done: int, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("tiles {task.fields[rate]}"), TimeRemainingColumn())
        self._progress = Progress(*columns, console=self._console or Console(stderr=True), transient=True)
        self._task = self._progress.add_task("tiles", total=total, completed=done, rate="")
        self._progress.start()

    def _rate(self) -> str:
        speed = self._progress.tasks[0].speed
        return f"{speed:.1f}/s" if speed else ""

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._progress is not None:
            self._progress.stop()
