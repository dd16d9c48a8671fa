"""The command line: parse, call, print."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from . import __version__
from .errors import Reason, UnstrideError

if TYPE_CHECKING:
    from .dialects.spec import Spec

SIZES_LIMIT = 1_000

EXIT_REJECTED = 1
"""the request was understood and rejected"""
EXIT_REFUSED = 3
"""``port``: the target cannot say the layer in one call (what equals it exactly is printed)"""
EXIT_INTERNAL = 70
"""an error of unstride itself"""

F = TypeVar("F", bound=Callable[..., Any])


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
        return tuple(int(part) for part in value.strip("()[] ").replace("x", ",").rstrip(",").split(","))
    except ValueError:
        rule = "must be integers with commas between them, such as 1,2,2,1"
        raise UnstrideError(Reason.SIZE, rule, argument=name, value=value) from None


def spec_options(command: F) -> F:
    """The CODE argument and the options that describe its input."""
    for decorate in (
        click.option("--json", "as_json", is_flag=True, help="Answer as JSON."),
        click.option("--dialect", help="Which framework's line it is, where several share the words."),
        click.option(
            "--kernel",
            "kernel_shape",
            metavar="SIZES",
            callback=sizes,
            help="Kernel array's shape, in the framework's own weight layout (functions only).",
        ),
        click.option(
            "--input",
            "input_shape",
            metavar="SIZES",
            callback=sizes,
            required=True,
            help="Input shape, in the framework's own data layout: 1,2,2,1.",
        ),
        click.argument("code"),
    ):
        command = decorate(command)
    return command


def read(code: str, dialect: str | None) -> Spec:
    """The spec of a pasted line; ``-`` reads the line from standard input."""
    from .dialects.code import TEXT_LIMIT, parse

    return parse(sys.stdin.read(TEXT_LIMIT + 1) if code == "-" else code, dialect)


def show(document: object) -> None:
    """Print JSON, one document."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def draw(renderable: Any) -> None:
    """Print a rich renderable: colours on a terminal only, full width when piped."""
    from rich.console import Console

    Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(renderable)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="unstride")
def commands() -> None:
    """Transposed convolutions understood, sized, ported and run.

    CODE is the line from your program that makes the layer, in quotes, such as
    "keras.layers.Conv2DTranspose(1, 3, strides=2, padding='same')"; nothing in it is run.
    Use - to read it from standard input.

    Exit codes: 0 done, 1 rejected, 2 wrong usage, 3 the target framework cannot say it in one call.
    """


@commands.command()
@spec_options
def shape(
    code: str, input_shape: tuple[int, ...], kernel_shape: tuple[int, ...] | None, dialect: str | None, as_json: bool
) -> None:
    """Print the exact output shape."""
    from .geometry.wire import axis_to_wire

    spec = read(code, dialect)
    layer = spec.read(input_shape, kernel_shape)
    output = spec.output_shape(input_shape, kernel_shape)
    if as_json:
        show(
            {
                "code": spec.code(),
                "dialect": spec.dialect,
                "input_shape": input_shape,
                "output_shape": output,
                "axes": [axis_to_wire(axis) for axis in layer.axes],
            }
        )
    else:
        click.echo(str(output))


@commands.command()
@click.option("--details", is_flag=True, help="Tell everything.")
@spec_options
def explain(
    code: str,
    input_shape: tuple[int, ...],
    kernel_shape: tuple[int, ...] | None,
    dialect: str | None,
    as_json: bool,
    details: bool,
) -> None:
    """Derive the output shape step by step, with the numbers in it."""
    from .answers import explain as explained

    found = explained(read(code, dialect), input_shape, kernel_shape)
    if as_json:
        show(found.as_json())
    elif sys.stdout.isatty():
        draw(found.rich(details=details))
    else:
        click.echo(found.text(details=details))


@commands.command()
@click.option(
    "--small", metavar="SIZES", callback=sizes, required=True, help="Small side: the input of a transposed convolution."
)
@click.option("--large", metavar="SIZES", callback=sizes, required=True, help="Large side: the output you want.")
@click.option("--kernel", type=click.IntRange(1), help="Taps; left open: every kernel up to --max-kernel.")
@click.option("--stride", type=click.IntRange(1), help="Stride; left open: every stride up to --max-stride.")
@click.option("--dilation", type=click.IntRange(1), help="Dilation; left open: every one up to --max-dilation.")
@click.option("--max-kernel", type=click.IntRange(1), default=5, show_default=True, help="Largest kernel tried.")
@click.option("--max-stride", type=click.IntRange(1), help="Largest stride tried; left out: as far as the sizes allow.")
@click.option("--max-dilation", type=click.IntRange(1), default=1, show_default=True, help="Largest dilation tried.")
@click.option("--rank", type=click.IntRange(1, 3), default=2, show_default=True, help="Axes that one size stands for.")
@click.option("--dialect", "dialects", multiple=True, help="Only this framework; may be given again.")
@click.option("--forward", is_flag=True, help="Solve for a convolution: large in, small out.")
@click.option("--limit", type=click.IntRange(1), default=30, show_default=True, help="Rows printed.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON, all rows.")
def solve(
    small: tuple[int, ...],
    large: tuple[int, ...],
    kernel: int | None,
    stride: int | None,
    dilation: int | None,
    max_kernel: int,
    max_stride: int | None,
    max_dilation: int,
    rank: int,
    dialects: tuple[str, ...],
    forward: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List every way to get a wanted size, in every framework, checkerboard-free first."""
    from .answers import solve as solved

    found = solved(
        small=small,
        large=large,
        kernel=kernel,
        stride=stride,
        dilation=dilation,
        dialects=dialects or None,
        transposed=not forward,
        rank=rank,
        max_kernel=max_kernel,
        max_stride=max_stride,
        max_dilation=max_dilation,
    )
    if as_json:
        show(found.as_json())
    else:
        click.echo(found.text(limit=limit))


@commands.command()
@click.option("--to", required=True, help="The framework to write it in; see unstride dialects.")
@spec_options
def port(
    code: str,
    to: str,
    input_shape: tuple[int, ...],
    kernel_shape: tuple[int, ...] | None,
    dialect: str | None,
    as_json: bool,
) -> None:
    """Write the layer in another framework, exactly, or say why not and what equals it."""
    from .porting import port as ported

    found = ported(read(code, dialect), to=to, input_shape=input_shape, kernel_shape=kernel_shape)
    if as_json:
        show(found.as_json())
    else:
        click.echo(found.text())
    if not found.exact:
        raise SystemExit(EXIT_REFUSED)


@commands.command()
@click.argument("code")
@click.option("--x", required=True, help="Input array: x.npy, arrays.npz:x or arrays.safetensors:x.")
@click.option("--kernel", required=True, help="Kernel array, in the framework's own weight layout.")
@click.option("--bias", help="Bias array.")
@click.option("--output", help="Where to write the result (.npy, .npz, .safetensors); left out: print it.")
@click.option("--dialect", help="Which framework's line it is, where several share the words.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def run(
    code: str, x: str, kernel: str, bias: str | None, output: str | None, dialect: str | None, as_json: bool
) -> None:
    """Compute the layer on arrays from files."""
    import numpy as np

    from .computation import run as computed
    from .files import check_name, load, save

    spec = read(code, dialect)
    if output:
        check_name(output)
    y = computed(spec, load(x), load(kernel), load(bias) if bias else None)
    if output:
        save(output, y)
    if as_json:
        values = None if output else y.tolist()
        show({"output_shape": y.shape, "dtype": str(y.dtype), "output": output, "values": values})
    elif output:
        click.echo(f"{output}: {y.shape} {y.dtype}")
    else:
        click.echo(np.array2string(y, threshold=1_000))


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def demo(as_json: bool) -> None:
    """Tell one learner's story: why Keras does not print the lecture's numbers."""
    from .demo import story

    told = story()
    if as_json:
        show(told.as_json())
    else:
        draw(told.rich())


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def doctor(as_json: bool) -> None:
    """Say what this installation can do."""
    from .doctor import examine, table

    found = examine()
    if as_json:
        show(found)
    else:
        draw(table(found))


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def dialects(as_json: bool) -> None:
    """List the frameworks and the calls that can be pasted."""
    from .dialects.registry import DIALECTS

    listed = {
        dialect.name: [f"{full}.{name}".lstrip(".") for full, names in dialect.calls.items() for name in names]
        for dialect in DIALECTS
    }
    if as_json:
        show(listed)
        return
    for name, calls in listed.items():
        click.echo(f"{name}\n  {', '.join(calls)}")


@commands.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script: eval "$(unstride completion bash)"."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise UnstrideError(Reason.ARGUMENT, "has no completion", argument="shell", value=shell)
    click.echo(found(commands, {}, "unstride", "_UNSTRIDE_COMPLETE").source())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; every error becomes a message and an exit code, never a traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = commands.main(given, prog_name="unstride", standalone_mode=False)
    except UnstrideError as error:
        _complain(error, as_json="--json" in given)
        raise SystemExit(EXIT_REJECTED) from None
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None
    except (click.Abort, KeyboardInterrupt):
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except (Exception, RecursionError) as error:
        if os.environ.get("UNSTRIDE_DEBUG"):
            raise
        click.echo(f"error of unstride itself: {type(error).__name__}: {error}", err=True)
        click.echo("please report it, with the command; UNSTRIDE_DEBUG=1 shows where", err=True)
        raise SystemExit(EXIT_INTERNAL) from None
    raise SystemExit(status if isinstance(status, int) else 0)


def _complain(error: UnstrideError, *, as_json: bool) -> None:
    if as_json:
        show({"error": error.as_json()})
        return
    head, _, where = str(error).partition("\n")
    click.secho("error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(head, err=True)
    if where:
        click.echo(where, err=True)


if __name__ == "__main__":
    main()
