"""``unstride port`` of a line; whole models are taken off first."""

from __future__ import annotations

import click

from ..asking import Asked, asking, complete_dialect, complete_file
from ..console import EXIT_REFUSED, show
from .model_command import taking_models


@click.command()
@taking_models
@asking
@click.option("--to", required=True, shell_complete=complete_dialect, help="The framework to write it in.")
@click.option("-o", "--output", "outputs", multiple=True, help="Source to .py or -; weights to .npz, .safetensors.")
@click.option("--weights", shell_complete=complete_file, help="The source's kernel, or kernel,bias: k.npy,b.npy.")
def port(asked: Asked, to: str, outputs: tuple[str, ...], weights: str | None) -> None:
    """Write a layer or a whole model in another framework, exactly.

    Where one call cannot say it: why not, and what equals it. With -o, a program that builds it.
    CODE may be a model file (.keras, .onnx, .pt2): unstride port model.keras --to torch -o model.py model.safetensors
    """
    from .verb import port as ported

    found = ported(asked.spec, to=to, input_shape=asked.input_shape, kernel_shape=asked.kernel_shape)
    if outputs:
        from .output import write

        written = write(found, outputs, weights)
        if not asked.as_json:
            click.echo("\n".join(written))
            return
    if asked.as_json:
        show(found.as_json())
    else:
        click.echo(found.text())
    if not found.exact:
        raise SystemExit(EXIT_REFUSED)
