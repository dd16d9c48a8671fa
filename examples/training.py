"""What the examples share: their arguments, one training loop for both frameworks, a progress bar and figures."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn, track

from pictures import Array, Batches

T = TypeVar("T")


class Arguments(NamedTuple):
    """How a script is run."""

    framework: str
    unstride: bool
    """whether unstride's engine and layers are used, or the framework's own"""
    steps: int
    output: Path
    seed: int

    @property
    def title(self) -> str:
        return f"{self.framework}, {'unstride' if self.unstride else 'stock'}"


def parse(description: str | None, name: str, steps: int, frameworks: Sequence[str] = ("torch", "keras")) -> Arguments:
    """The command line; the folder for the figures is made."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--framework", choices=frameworks, default="torch", help="Keras: on KERAS_BACKEND")
    parser.add_argument("--engine", choices=("unstride", "stock"), default="unstride")
    parser.add_argument("--steps", type=int, default=steps, help="steps of gradient descent (default: %(default)s)")
    parser.add_argument("--output", type=Path, help="folder for the figures (default: runs/NAME-FRAMEWORK-ENGINE)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.steps < 1:
        parser.error("--steps must be at least 1")
    output = given.output or Path("runs") / f"{name}-{given.framework}-{given.engine}"
    output.mkdir(parents=True, exist_ok=True)
    return Arguments(given.framework, given.engine == "unstride", given.steps, output, given.seed)


class Learner(Protocol):
    """A model and its optimizer; arrays are ``(batch, *spatial, channels)`` on both sides."""

    def step(self, given: Array, wanted: Array) -> float:
        """One step down the loss, which is returned as it was before the step."""

    def __call__(self, given: Array) -> Array:
        """What the model makes of it."""


class TorchLearner:
    """A PyTorch model, trained by Adam; accelerated, all its convolutions run on unstride's engine."""

    def __init__(self, model: Any, loss: str, rate: float, *, accelerated: bool) -> None:
        import torch

        self.torch, self.model = torch, model
        if accelerated:
            from unstride.frameworks import torch as unstride_torch

            report = unstride_torch.accelerate(model)  # in place: the parameters stay the ones that Adam is given
            sys.stdout.write(f"{report}\n")
        functions = torch.nn.functional
        self.loss = {"mse": functions.mse_loss, "logits": functions.binary_cross_entropy_with_logits}[loss]
        self.optimizer = torch.optim.Adam(model.parameters(), lr=rate)

    def _tensor(self, array: Array) -> Any:
        return self.torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, -1, 1)))

    def step(self, given: Array, wanted: Array) -> float:
        loss = self.loss(self.model(self._tensor(given)), self._tensor(wanted))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def __call__(self, given: Array) -> Array:
        with self.torch.no_grad():
            return np.moveaxis(self.model(self._tensor(given)).numpy(), 1, -1)


class KerasLearner:
    """A Keras model on any backend, trained by Adam."""

    def __init__(self, model: Any, loss: str, rate: float) -> None:
        import keras

        self.model = model
        chosen = {"mse": keras.losses.MeanSquaredError(), "logits": keras.losses.BinaryCrossentropy(from_logits=True)}
        model.compile(optimizer=keras.optimizers.Adam(rate), loss=chosen[loss])

    def step(self, given: Array, wanted: Array) -> float:
        self.model.reset_metrics()  # Keras would return the mean over all steps so far
        return float(self.model.train_on_batch(given, wanted))

    def __call__(self, given: Array) -> Array:
        return np.asarray(self.model.predict_on_batch(given))


def fix_seed(arguments: Arguments) -> None:
    """Let the framework draw the same first weights in every run."""
    if arguments.framework == "torch":
        import torch

        torch.manual_seed(arguments.seed)
    else:
        import keras

        keras.utils.set_random_seed(arguments.seed)


def keras_layers(arguments: Arguments) -> Any:
    """Where a Keras model takes its transposed convolutions from: unstride's module, or Keras's own."""
    if arguments.unstride:
        from unstride.frameworks import keras as unstride_keras

        return unstride_keras
    from keras import layers

    return layers


def learner(model: Any, loss: str, rate: float, arguments: Arguments) -> Learner:
    """The model ready to learn; ``loss`` is ``mse`` or ``logits``, the cross-entropy of two classes."""
    if arguments.framework == "torch":
        return TorchLearner(model, loss, rate, accelerated=arguments.unstride)
    return KerasLearner(model, loss, rate)


class Run(NamedTuple):
    """What a training left: the loss of every step, and how long the steps took."""

    losses: list[float]
    seconds: float


def train(model: Learner, batches: Batches, steps: int, title: str) -> Run:
    """So many steps, with a progress bar on a terminal."""
    losses: list[float] = []
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[loss]}"), TimeRemainingColumn())
    started = perf_counter()
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(title, total=steps, loss="")
        for given, wanted in islice(batches, steps):
            losses.append(model.step(given, wanted))
            bar.update(task, advance=1, loss=f"loss {losses[-1]:.4f}")
    return Run(losses, perf_counter() - started)


def progress(parts: Collection[T], title: str) -> Iterator[T]:
    """The parts, one after the other, with a progress bar on a terminal."""
    console = Console(stderr=True)
    yield from track(parts, title, console=console, disable=not console.is_terminal, transient=True)


def draw_curves(curves: Mapping[str, Sequence[float]], arguments: Arguments, wording: str) -> None:
    """``curve.png``: the loss of every step, a curve for each name; and ``losses.json``: the same in numbers."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    for name, losses in curves.items():
        line = axes.plot(losses, linewidth=0.6, alpha=0.35)[0]
        middle = np.convolve(losses, np.ones(width := min(20, len(losses))) / width, mode="valid")
        places = np.arange(len(middle)) + (width - 1) / 2
        axes.plot(places, middle, color=line.get_color(), label=name, linewidth=1.6)
    axes.set(xlabel="step", ylabel=wording, yscale="log", title=arguments.title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(arguments.output / "curve.png", dpi=120)
    text = json.dumps({name: list(losses) for name, losses in curves.items()}, indent=1)
    (arguments.output / "losses.json").write_text(text, encoding="utf-8")


def draw_pictures(rows: Mapping[str, Array], arguments: Arguments) -> None:
    """``pictures.png``: rows of pictures ``(count, height, width, 1 or 3)`` from 0 to 1, each row with its name."""
    from matplotlib.figure import Figure

    columns = max(map(len, rows.values()))
    heights = [row.shape[1] / row.shape[2] for row in rows.values()]
    figure = Figure(figsize=(1.2 + 1.1 * columns, 0.1 + 1.1 * sum(heights)), layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False, gridspec_kw={"height_ratios": heights})
    for line, (name, row) in zip(grid, rows.items(), strict=True):
        for axes in line:
            axes.set_axis_off()
        for axes, picture in zip(line, row, strict=False):
            axes.imshow(np.clip(picture, 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        line[0].text(-0.15, 0.5, name, transform=line[0].transAxes, ha="right", va="center")
    figure.savefig(arguments.output / "pictures.png", dpi=120)


def draw_signals(signals: Sequence[Mapping[str, Array]], arguments: Arguments) -> None:
    """``pictures.png``: signals of ``(length,)`` over each other, a panel for each mapping from name to signal."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.4 + 1.7 * len(signals)), layout="constrained")
    panels = figure.subplots(len(signals), squeeze=False, sharex=True)[:, 0]
    for axes, named in zip(panels, signals, strict=True):
        for (name, signal), colour in zip(named.items(), ("0.75", "0.3", "C3"), strict=False):
            axes.plot(signal, color=colour, label=name, linewidth=1.3)
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("pixel of the row")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), frameon=False)
    figure.savefig(arguments.output / "pictures.png", dpi=120)
