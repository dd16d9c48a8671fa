"""The story of one learner's question, computed live: the lecture's answer, Keras's answer, and the pixel between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .computation import run, run_canonical
from .dialects.code import parse
from .dialects.spec import Spec
from .geometry.wire import axis_to_wire
from .porting.verb import Port, port

if TYPE_CHECKING:
    from rich.console import RenderableType

X = np.array([[2, 1], [3, 2]])
KERNEL = np.array([[1, 2, 1], [2, 0, 1], [0, 2, 1]])
KERAS = "keras.layers.Conv2DTranspose(1, 3, strides=2, padding='same', output_padding=1, use_bias=False)"
LECTURE = "torch.nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=1, bias=False)"
FULL = "torch.nn.ConvTranspose2d(1, 1, 3, stride=2, bias=False)"
TARGETS = ("torch", "keras", "tensorflow", "jax", "flax", "onnx")


@dataclass(frozen=True, slots=True)
class Story:
    """Everything the demo tells, computed."""

    full: NDArray[Any]
    """all stamps, nothing cropped"""
    keras: NDArray[Any]
    lecture: NDArray[Any]
    keras_spec: Spec
    lecture_spec: Spec
    ports: tuple[Port, ...]
    """the lecture's layer in each framework"""
    proven: tuple[bool, ...]
    """for each port, whether computing it gives the lecture's numbers"""

    @property
    def crops(self) -> dict[str, tuple[int, int]]:
        """(before, after) that each answer crops from the full extent."""
        keras, lecture = self.keras_spec.read((1, 2, 2, 1)).axes[0], self.lecture_spec.read((1, 1, 2, 2)).axes[0]
        return {"keras": (keras.before, keras.after), "lecture": (lecture.before, lecture.after)}

    def as_json(self) -> dict[str, Any]:
        """The story as JSON values."""
        return {
            "input": X.tolist(),
            "kernel": KERNEL.tolist(),
            "full": self.full.tolist(),
            "keras": {"code": self.keras_spec.code(), "output": self.keras.tolist()},
            "lecture": {"code": self.lecture_spec.code(), "output": self.lecture.tolist()},
            "crops": {name: list(crop) for name, crop in self.crops.items()},
            "axes": [axis_to_wire(axis) for axis in self.lecture_spec.read((1, 1, 2, 2)).axes],
            "ports": [
                {**found.as_json(), "same_numbers": equal} for found, equal in zip(self.ports, self.proven, strict=True)
            ],
        }

    def rich(self) -> RenderableType:
        """The story on one screen."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        crops = self.crops
        matrices = Table.grid(padding=(0, 4))
        matrices.add_row("input", "kernel", "all stamps, uncropped")
        matrices.add_row(_rows(X), _rows(KERNEL), _framed(self.full, crops))
        answers = Table.grid(padding=(0, 4))
        answers.add_row("[bold cyan]Keras[/] prints", "[bold magenta]the lecture[/] (and PyTorch) says")
        answers.add_row(_rows(self.keras), _rows(self.lecture))
        lines = Table.grid(padding=(0, 2))
        for found, equal in zip(self.ports, self.proven, strict=True):
            lines.add_row("[green]✓[/]" if equal else "[red]✗[/]", f"[bold]{found.dialect}[/]", Text(_said(found)))
        return Group(
            Text("A 2×2 input, a 3×3 kernel, stride 2: why does Keras not print the lecture's 4×4?\n", style="bold"),
            matrices,
            "",
            answers,
            "",
            "Every input element stamps the kernel, 2 apart: 5×5 in all. Both crop it to 4×4:\n"
            f"Keras drops {_drop(crops['keras'])}, the lecture {_drop(crops['lecture'])}.\n"
            "The numbers are the same, one pixel apart. Neither is wrong: Keras's padding='same' takes\n"
            "the odd element of the crop from the end, PyTorch's padding=1 with output_padding=1 from the start.\n",
            "[bold]The lecture's answer in each framework[/] (✓ computed here, the same numbers)",
            lines,
        )


def story() -> Story:
    """Compute the story.

    >>> story().lecture.tolist()
    [[0, 4, 0, 1], [10, 7, 6, 3], [0, 7, 0, 2], [6, 3, 4, 2]]
    """
    keras, lecture = parse(KERAS), parse(LECTURE)
    last_x, last_kernel = X.reshape(1, 2, 2, 1), KERNEL.reshape(3, 3, 1, 1)
    first_x, first_kernel = X.reshape(1, 1, 2, 2), KERNEL.reshape(1, 1, 3, 3)
    answer = run(lecture, first_x, first_kernel)
    ports = tuple(port(lecture, to=name, input_shape=(1, 1, 2, 2)) for name in TARGETS)
    return Story(
        full=run(parse(FULL), first_x, first_kernel)[0, 0],
        keras=run(keras, last_x, last_kernel)[0, :, :, 0],
        lecture=answer[0, 0],
        keras_spec=keras,
        lecture_spec=lecture,
        ports=ports,
        proven=tuple(_gives(found, answer) for found in ports),
    )


def _gives(found: Port, answer: NDArray[Any]) -> bool:
    written = found.target if found.exact else found.composition
    if written is None:
        return False
    y = run_canonical(written, found.layer, X.reshape(1, 1, 2, 2), KERNEL.reshape(1, 1, 3, 3))
    return np.array_equal(y, answer)


def _said(found: Port) -> str:
    steps = found.composition.steps() if found.composition else str(found.written).splitlines()
    lines = [found.target.code()] if found.exact and found.target else list(steps)
    if found.kernel is not None and found.kernel.flips:
        lines.append("with the kernel reversed on both axes: this framework flips it")
    return "\n".join(lines)


def _drop(crop: tuple[int, int]) -> str:
    parts = [f"the {side} row and column" for side, count in zip(("first", "last"), crop, strict=True) if count]
    return " and ".join(parts) or "nothing"


def _rows(matrix: NDArray[Any]) -> str:
    width = max(len(str(entry)) for entry in matrix.flat)
    return "\n".join(" ".join(f"{entry:>{width}}" for entry in row) for row in matrix.tolist())


def _framed(full: NDArray[Any], crops: dict[str, tuple[int, int]]) -> RenderableType:
    """The uncropped numbers: what only Keras keeps in its colour, what only the lecture keeps in its own."""
    from rich.text import Text

    size = full.shape[0]
    text = Text()
    for row, entries in enumerate(full.tolist()):
        for column, entry in enumerate(entries):
            kept = {name: all(b <= i < size - a for i in (row, column)) for name, (b, a) in crops.items()}
            style = "" if all(kept.values()) else "cyan" if kept["keras"] else "magenta" if kept["lecture"] else "dim"
            text.append(f"{entry:>2} ", style)
        text.append("\n" if row + 1 < size else "")
    return text
