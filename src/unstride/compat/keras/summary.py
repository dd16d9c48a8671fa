"""A model's summary: one row a layer, as Keras prints it.

Source: keras/src/utils/summary_utils.py (Keras 3.15).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from shutil import get_terminal_size

import numpy as np
from rich.console import Console, JustifyMethod
from rich.table import Column, Table

from ...dialects.arguments import integer
from ...errors import Reason, UnstrideError
from ..checks import switch
from .layer import Layer
from .variables import Variable

HEADINGS: tuple[tuple[str, JustifyMethod, float], ...] = (
    ("Layer (type)", "left", 0.45),
    ("Output Shape", "left", 0.80),
    ("Param #", "right", 1.0),
)
"""title, alignment, and where the column ends as a share of the line"""
WIDTH = 88
"""most characters a line has, unless told otherwise"""


def print_summary(
    model: Layer,
    layers: Sequence[Layer],
    *,
    line_length: int | None = None,
    print_fn: Callable[[str], object] | None = None,
    show_trainable: bool = False,
) -> None:
    """Print the summary, or hand its text to ``print_fn``."""
    if line_length is not None:
        integer(line_length, "line_length", Reason.ARGUMENT, least=1)
    switch(show_trainable, "show_trainable")
    if print_fn is not None and not callable(print_fn):
        raise UnstrideError(Reason.ARGUMENT, "must take a text", argument="print_fn", value=print_fn)
    console = Console(highlight=False, no_color=print_fn is not None, width=None if print_fn is None else 1000)
    with console.capture() as captured:
        console.print(f'Model: "{model.name}"', markup=False, style="bold")
        console.print(_table(layers, line_length, show_trainable=show_trainable))
        for title, weights in (
            ("Total", model.weights),
            ("Trainable", model.trainable_weights),
            ("Non-trainable", model.non_trainable_weights),
        ):
            console.print(f" {title} params: {_count(weights):,} ({readable_bytes(_bytes(weights))})")
    (print_fn or _print)(captured.get())


def _print(text: str) -> None:
    print(text, end="")


def _table(layers: Sequence[Layer], line_length: int | None, *, show_trainable: bool) -> Table:
    room = WIDTH + 12 * show_trainable
    width = line_length or min(room, get_terminal_size().columns - 4)
    headings = HEADINGS
    if show_trainable:
        headings = (*((title, side, 0.9 * end) for title, side, end in headings), ("Trainable", "center", 1.0))
    ends = [0, *(int(end * width) for _, _, end in headings)]
    columns = (
        Column(title, justify=side, width=end - start)
        for (title, side, _), start, end in zip(headings, ends[:-1], ends[1:], strict=True)
    )
    table = Table(*columns, width=width, show_lines=True)
    for layer in layers:
        table.add_row(*_row(layer, show_trainable=show_trainable))
    return table


def _row(layer: Layer, *, show_trainable: bool) -> list[str]:
    shape = layer.compute_output_shape(layer.build_shape) if layer.build_shape else "?"
    count = f"{layer.count_params():,}" if layer.built else "0 (unbuilt)"
    cells = [f"{layer.name} ({type(layer).__name__})", _spelled(shape), count]
    if show_trainable:
        cells.append(("Y" if layer.trainable else "N") if layer.weights else "-")
    return cells


def _spelled(shape: tuple[int | None, ...] | str) -> str:
    return shape if isinstance(shape, str) else f"({', '.join(map(str, shape))})"


def _count(weights: Sequence[Variable]) -> int:
    return sum(weight.value.size for weight in weights)


def _bytes(weights: Sequence[Variable]) -> int:
    return sum(weight.value.size * np.dtype(weight.dtype).itemsize for weight in weights)


def readable_bytes(count: float) -> str:
    """A number of bytes with a unit, in steps of 1024.

    >>> readable_bytes(672), readable_bytes(20480)
    ('672.00 B', '20.00 KB')
    """
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if count < 1024:
            return f"{count:.2f} {unit}"
        count /= 1024
    return f"{count:.2f} PB"
