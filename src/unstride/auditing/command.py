"""``unstride audit``: parse, call, print."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..console import draw, show
from ..errors import Reason, UnstrideError
from ..whole import write_whole

if TYPE_CHECKING:
    from .audit import Audit

EXIT_FOUND = 4
"""something was found of the level that ``--fail-on`` names"""
LEVELS = ("error", "hazard", "note")


def _size(context: click.Context, option: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    del context
    if value is None:
        return None
    try:
        return tuple(int(part) for part in value.replace("x", ",").split(","))
    except ValueError:
        rule = "must be integers with commas between them, such as 96,128"
        raise UnstrideError(Reason.SIZE, rule, argument=max(option.opts, key=len), value=value) from None


def _shapes(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    return tuple(_size(context, option, value) or () for value in values)


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL…")
@click.option("--size", metavar="SIZES", callback=_size, help="Spatial size of the input: 96,128.")
@click.option(
    "--input",
    "inputs",
    metavar="SIZES",
    callback=_shapes,
    multiple=True,
    help="Shape of a torch module's input: 1,3,64,64.",
)
@click.option("--weights", type=click.Path(), help="The file that holds the weights, where MODEL is a configuration.")
@click.option("--external-data", is_flag=True, help="Read an ONNX model's weights from other files in its folder.")
@click.option("--fail-on", type=click.Choice(LEVELS), help=f"Exit with {EXIT_FOUND} where this, or worse, is found.")
@click.option(
    "--repair", is_flag=True, help="Print what makes the model fit at this size, as a diff; with -o, write that model."
)
@click.option(
    "-o", "--output", type=click.Path(), help="File to write: .html, .json, .sarif, .txt; a repaired .onnx, .keras."
)
@click.option("--sarif", "as_sarif", is_flag=True, help="Answer as SARIF, for code hosts.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def audit(
    models: tuple[str, ...],
    size: tuple[int, ...] | None,
    inputs: tuple[tuple[int, ...], ...],
    weights: str | None,
    external_data: bool,
    fail_on: str | None,
    repair: bool,
    output: str | None,
    as_sarif: bool,
    as_json: bool,
) -> None:
    """Find what may go wrong in a model, without running it.

    MODEL is a .keras, .onnx or .pt2 file, a Keras configuration (.json, with --weights), or module:callable, which
    returns a model: then your module is imported, and the callable called. Nothing that a file holds is run.
    """
    from .audit import audit as audited

    write = _writer(output, models, repair=repair) if output is not None else None
    found = {
        model: audited(_called(model), size=size, inputs=inputs or None, weights=weights, external_data=external_data)
        for model in models
    }
    if write is not None:
        write(found)
    elif repair:
        _print_repairs(found)
    else:
        _print(found, as_sarif=as_sarif, as_json=as_json)
    worst = min((LEVELS.index(each.level) for one in found.values() for each in one.findings), default=len(LEVELS))
    if fail_on and worst <= LEVELS.index(fail_on):
        raise SystemExit(EXIT_FOUND)


def _called(model: str) -> object:
    """A file's name as it is; of ``module:callable`` what the callable returns."""
    module, colon, name = model.partition(":")
    if not colon or not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        return model
    from ..models.opening import call_model

    sys.path.insert(0, "")
    return call_model(model)


def _print(found: Mapping[str, Audit], *, as_sarif: bool, as_json: bool) -> None:
    if as_sarif:
        show(_merged(found))
    elif as_json:
        show(_document(found))
    else:
        for number, each in enumerate(found.values()):
            if number:
                click.echo()
            _print_text(each)


def _print_text(found: Audit) -> None:
    if sys.stdout.isatty():
        from .report import rich

        draw(rich(found))
    else:
        click.echo(found.text())


def _print_repairs(found: Mapping[str, Audit]) -> None:
    from .repair import diff

    for model, each in found.items():
        click.echo(f"--- {model}\n{diff(each)}" if len(found) > 1 else diff(each))


def _document(found: Mapping[str, Audit]) -> object:
    """One JSON document: of several models, a list."""
    documents = [each.as_json() for each in found.values()]
    return documents[0] if len(documents) == 1 else documents


def _merged(found: Mapping[str, Audit]) -> dict[str, Any]:
    """One SARIF log of all models."""
    from .sarif import sarif

    logs = [sarif(each, model) for model, each in found.items()]
    return {**logs[0], "runs": [run for log in logs for run in log["runs"]]}


MODELS = {".onnx": "onnx", ".keras": "keras", ".pt2": "torch"}
"""suffixes of a repaired model's file -> the framework it is for"""


def _writer(output: str, models: tuple[str, ...], *, repair: bool) -> Callable[[Mapping[str, Audit]], None]:
    """What writes a report, or a repaired model, by the file's end."""
    if not repair:
        return _report_writer(output, models)
    to = MODELS.get(Path(output).suffix.lower())
    if to is None or len(models) > 1:
        rule = f"one repaired model goes into one file that ends in {', '.join(MODELS)}"
        raise UnstrideError(Reason.FILE, rule, argument="--output", value=output)
    return lambda found: _write_model(next(iter(found.values())), to, output)


def _write_model(found: Audit, to: str, output: str) -> None:
    from ..porting.models import port_model
    from .repair import repaired

    graph, made = repaired(found)
    for line in port_model(graph, to=to, size=found.sizes).save(output):
        click.echo(f"{line}, {len(made)} changes", err=True)


def _report_writer(output: str, models: tuple[str, ...]) -> Callable[[Mapping[str, Audit]], None]:
    """What writes a report file, by its name's end."""
    from .report import page

    def dumped(document: object) -> str:
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    texts: dict[str, Callable[[Mapping[str, Audit]], str]] = {
        ".html": lambda found: page(next(iter(found.values()))),
        ".json": lambda found: dumped(_document(found)),
        ".sarif": lambda found: dumped(_merged(found)),
        ".txt": lambda found: "\n".join(each.text() + "\n" for each in found.values()),
    }
    suffix = Path(output).suffix.lower()
    if suffix not in texts:
        rule = f"must end in one of {', '.join(texts)}"
        raise UnstrideError(Reason.FILE, rule, argument="--output", value=output)
    if suffix == ".html" and len(models) > 1:
        rule = "a page is about one model"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="MODEL", value=models, hint="audit them one by one")

    def write(found: Mapping[str, Audit]) -> None:
        text = texts[suffix](found)
        write_whole(Path(output), lambda stream: stream.write(text.encode()))
        count = sum(len(each.findings) for each in found.values())
        click.echo(f"{output}: {count} findings", err=True)

    return write
