"""``unstride checkerboard``: read the weights, ask, print."""

from __future__ import annotations

import click

from ..asking import Asked, asking
from ..console import show


@click.command()
@asking
@click.option("--weights", help="The layer's kernel: w.npy, a.npz:w or a.safetensors:w, in the framework's own layout.")
def checkerboard(asked: Asked, weights: str | None) -> None:
    """Measure the checkerboard a layer draws, and what removes it.

    Its two causes apart: uneven coverage, from the sizes alone, and uneven weights, from the kernel in a file.
    """
    from ..errors import UnstrideError
    from ..files import load
    from .verdict import checkerboard as judged

    kernel = None if weights is None else load(weights)
    shape = asked.kernel_shape if kernel is None else None
    try:
        found = judged(asked.spec, kernel, input_shape=asked.input_shape, kernel_shape=shape)
    except UnstrideError as error:
        about_weights = kernel is not None and (error.argument or "").startswith("kernel")
        if about_weights:
            raise error.located(f"in --weights {weights}") from None
        raise
    if asked.as_json:
        show(found.as_json())
    else:
        click.echo(found.text())
