"""The command line: parse, call, print."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

import click

from . import __version__
from .asking import Asked, asking, sizes
from .console import EXIT_REFUSED, draw, guard, show
from .errors import Reason, UnstrideError

ELSEWHERE = {
    "audit": "auditing.command",
    "bench": "bench.command",
    "checkerboard": "checkerboards.command",
    "conformance": "conformance.command",
    "draw": "illustration.command",
    "explore": "explorer.command",
    "port": "porting.port_command",
    "run": "scale.command",
    "verify": "porting.verify_command",
}
"""commands that live beside what they call -> their modules, imported when the command is asked for"""


class Commands(click.Group):
    """The commands of this module, and those that are imported when they are asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Every command's name, in the order of the alphabet."""
        return sorted({*super().list_commands(context), *ELSEWHERE})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command, or None where there is none of this name."""
        if name in ELSEWHERE:
            found: click.Command = getattr(import_module(f".{ELSEWHERE[name]}", __package__), name)
            return found
        return super().get_command(context, name)


def single(given: tuple[int, ...] | None) -> int | tuple[int, ...] | None:
    """One number as a number: it stands for every axis."""
    return given[0] if given and len(given) == 1 else given


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="unstride")
def commands() -> None:
    """Transposed convolutions understood, sized, ported and run.

    CODE is the line from your program that makes the layer, in quotes, such as
    "keras.layers.Conv2DTranspose(1, 3, strides=2, padding='same')"; nothing in it is run.
    Use - to read it from standard input.

    Exit codes: 0 done, 1 rejected, 2 wrong usage, 3 port: not in one call; solve: no line within the bounds.
    """


@commands.command()
@asking
def shape(asked: Asked) -> None:
    """Print the exact output shape."""
    from .geometry.wire import axis_to_wire

    spec = asked.spec
    layer = spec.read(asked.input_shape, asked.kernel_shape)
    output = spec.output_shape(asked.input_shape, asked.kernel_shape)
    if not asked.as_json:
        click.echo(str(output))
        return
    axes = [axis_to_wire(axis) for axis in layer.axes]
    facts = {"code": spec.code(), "dialect": spec.dialect, "input_shape": asked.input_shape}
    show({**facts, "output_shape": output, "axes": axes})


@commands.command()
@asking
@click.option("--details", is_flag=True, help="Tell everything.")
def explain(asked: Asked, details: bool) -> None:
    """Derive the output shape step by step, with the numbers in it."""
    from .answers import explain as explained

    found = explained(asked.spec, asked.input_shape, asked.kernel_shape)
    if asked.as_json:
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
@click.option("--kernel", metavar="SIZES", callback=sizes, help="Taps; left open: all up to --max-kernel.")
@click.option("--stride", metavar="SIZES", callback=sizes, help="Stride; left open: all up to --max-stride.")
@click.option("--dilation", metavar="SIZES", callback=sizes, help="Dilation; left open: all up to --max-dilation.")
@click.option("--max-kernel", type=click.IntRange(1), default=7, show_default=True, help="Largest kernel tried.")
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
    kernel: tuple[int, ...] | None,
    stride: tuple[int, ...] | None,
    dilation: tuple[int, ...] | None,
    max_kernel: int,
    max_stride: int | None,
    max_dilation: int,
    rank: int,
    dialects: tuple[str, ...],
    forward: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List every way to get the size you want.

    In every framework, checkerboard-free first.
    """
    from .answers import solve as solved

    found = solved(
        small=small,
        large=large,
        kernel=single(kernel),
        stride=single(stride),
        dilation=single(dilation),
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
    if not any(True for _ in found):
        raise SystemExit(EXIT_REFUSED)


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def demo(as_json: bool) -> None:
    """Tell why Keras does not print the lecture's numbers."""
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
    """Print the script for tab completion.

    Load it with: eval "$(unstride completion bash)".
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise UnstrideError(Reason.ARGUMENT, "has no completion", argument="shell", value=shell)
    click.echo(found(commands, {}, "unstride", "_UNSTRIDE_COMPLETE").source())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; every error becomes a message and an exit code, never a traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    guard(lambda: commands.main(given, prog_name="unstride", standalone_mode=False), as_json="--json" in given)


if __name__ == "__main__":
    main()
