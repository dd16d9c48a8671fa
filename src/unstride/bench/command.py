"""``unstride bench``: read the options, measure, print and write."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ..console import draw, show
from ..errors import Reason, UnstrideError
from ..whole import write_whole

_HELP = """Time whole calls against the frameworks installed here.

CASE is the name of a layer or of a group, such as dcgan-8 or 'unet*'; --list names them all, and none means all.
Every competitor runs in a process of its own; they are asked in turn, in another order each round, and their values
are compared before they are timed. The machine's multiply-adds and copied bytes a second are measured in the same
rounds.

\b
Examples:
  unstride bench --list
  unstride bench unet-64 --threads 1 --direction forward --seconds 2
  unstride bench --peers torch,jax --output results.json --plot bench.svg
  unstride bench --random 20 --seed 7 --peers torch

Exit codes: 0 done, 1 rejected, or a competitor's values were wrong, or unstride's own call failed.
"""


def several(allowed: tuple[str, ...]) -> Callable[[click.Context, click.Parameter, str], tuple[str, ...]]:
    """A comma-separated list of some of these words, in their own order."""

    def read(context: click.Context, option: click.Parameter, value: str) -> tuple[str, ...]:
        del context
        words = [word.strip() for word in value.split(",") if word.strip()]
        for word in words:
            if word not in allowed:
                rule = f"must be some of {', '.join(allowed)}, with commas between them"
                raise UnstrideError(Reason.ARGUMENT, rule, argument=max(option.opts, key=len), value=word)
        return tuple(word for word in allowed if word in words)

    return read


def thread_counts(context: click.Context, option: click.Parameter, value: str) -> tuple[int, ...]:
    """Comma-separated numbers of threads; ``all`` is every CPU that this process may use."""
    del context
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found = []
    for word in value.split(","):
        text = word.strip()
        if text != "all" and not (text.isascii() and text.isdigit() and 1 <= int(text) <= cores):
            rule = f"must be numbers of threads from 1 to {cores}, the CPUs that this process may use, or all"
            raise UnstrideError(Reason.ARGUMENT, rule, argument=max(option.opts, key=len), value=text)
        found.append(cores if text == "all" else int(text))
    return tuple(sorted(set(found)))


def _peers(context: click.Context, option: click.Parameter, value: str) -> tuple[str, ...]:
    from .peers import PEERS

    return several(PEERS)(context, option, value)


@click.command(help=_HELP)
@click.argument("patterns", nargs=-1, metavar="[CASE]...")
@click.option("--list", "listing", is_flag=True, help="Name the cases and stop.")
@click.option(
    "--peers",
    callback=_peers,
    default="torch,tensorflow,jax,onnxruntime,openvino",
    show_default=True,
    help="Against whom; '' for nobody.",
)
@click.option("--threads", callback=thread_counts, default="1,all", show_default=True, help="Numbers of threads.")
@click.option(
    "--layout",
    "layouts",
    callback=several(("first", "last")),
    default="first,last",
    show_default=True,
    help="Where the channels are.",
)
@click.option(
    "--direction",
    "directions",
    callback=several(("forward", "input_gradient", "weight_gradient")),
    default="forward,input_gradient,weight_gradient",
    show_default=True,
    help="What is computed.",
)
@click.option(
    "--call",
    "calls",
    callback=several(("functional", "prepared")),
    default="functional,prepared",
    show_default=True,
    help="Weights with every call, or once; gradients are functional.",
)
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option("--rounds", type=click.IntRange(1), help="Rounds; left out: as many as --seconds allow.")
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    default=5.0,
    show_default=True,
    help="Budget of one case in one direction.",
)
@click.option("--random", "count", type=click.IntRange(1), help="So many layers drawn at random, beside any CASE.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of --random and of the order.")
@click.option("--output", help="Write everything to this JSON file.")
@click.option("--plot", help="Draw the ratios to this .svg or .png file; needs matplotlib.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def bench(
    patterns: tuple[str, ...],
    listing: bool,
    count: int | None,
    output: str | None,
    plot: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """The body of the command; its help is above."""
    from . import cases, report
    from .measure import Settings

    if listing:
        _list(as_json=as_json)
        return
    chosen = cases.select(patterns) if patterns or not count else ()
    _check_files(output, plot)
    settings = Settings(cases=(*chosen, *cases.draw(count or 0, options["seed"])), **options)
    for name in ("threads", "layouts", "directions", "calls"):
        if not options[name]:
            raise UnstrideError(Reason.ARGUMENT, "must name one at least", argument=f"--{name.rstrip('s')}", value="")
    groups, versions, missing = _measured(settings)
    document = report.document(groups, settings, versions, missing)
    if output is not None:
        text = f"{json.dumps(document)}\n".encode()
        write_whole(Path(output), lambda stream: stream.write(text), argument="--output")
    if plot is not None:
        from . import plot as picture

        picture.draw(groups, plot)
    if as_json:
        show(document)
    else:
        draw(report.report(groups, versions, missing))
    faults = report.faults(groups)
    if faults:
        more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise UnstrideError(Reason.UNSUPPORTED, f"not every value was right: {faults[0]}{more}")


def _list(*, as_json: bool) -> None:
    from . import cases, report

    if as_json:
        show([case.as_json() for case in cases.CASES])
    else:
        draw(report.listing())


def _check_files(output: str | None, plot: str | None) -> None:
    """Before anything is measured: UnstrideError for what could not be written in the end."""
    if plot is not None:
        from . import plot as picture

        picture.check(plot)
    for option, path in (("--output", output), ("--plot", plot)):
        if path is not None and (not os.access(Path(path).parent, os.W_OK) or Path(path).is_dir()):
            raise UnstrideError(Reason.FILE, "cannot be written there", argument=option, value=path)


def _measured(settings: Any) -> tuple[list[Any], dict[str, Any], dict[str, str]]:
    """All groups, with a bar on a terminal; an interrupt ends it."""
    from .measure import Measurement

    with _progress() as tell, Measurement(settings) as measurement:
        groups = list(measurement.groups(tell))
        return groups, measurement.versions, measurement.missing


@contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """Where to tell how far it is: a bar on standard error, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _what, _part: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting the competitors", total=1.0)
        yield lambda what, part: bar.update(task, description=what, completed=part)
