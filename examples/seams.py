"""How ``mosaic.py`` shows its seams: pictures, maps of the difference, and profiles across one seam."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pictures import Array

NEAR = 128
"""pixels to either side of a seam in the profile"""
GREY = "#78808a"
"""of text and lines: to be read on white as on black"""
COLOURS = "#2aa198", "#d33682", "#b58900", "#6c71c4"
LEAST = 1e-9
"""what a difference of zero is drawn as"""


def draw_seams(given: Array, whole: Array, made: Mapping[str, Array], tile: int, path: Path) -> None:
    """One figure of pictures ``(1, 3, height, width)``: given and whole, each way's difference, profiles."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    inks = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    with rc_context({**dict.fromkeys(inks, GREY), "font.size": 8, "axes.titlesize": 8}):
        figure = Figure(figsize=(7.2, 10), layout="constrained")
        figure.patch.set_alpha(0)
        grid = figure.add_gridspec(4, 2, height_ratios=(1, 1, 1, 0.9))
        panels = [figure.add_subplot(grid[row, column]) for row in range(3) for column in range(2)]
        for panel, picture, title in zip(
            panels, (given, whole), ("given, with noise", "cleaned as a whole"), strict=False
        ):
            _show(panel, np.clip(np.moveaxis(picture[0], 0, -1), 0, 1), title)
        for panel, (name, picture) in zip(panels[2:], made.items(), strict=True):
            _difference(panel, distance(picture, whole), name)
        _profiles(figure.add_subplot(grid[3, :]), whole, made, tile)
        figure.savefig(path, dpi=110)
    _palette(path)


def distance(picture: Array, whole: Array) -> Array:
    """The largest difference among the three colours, ``(height, width)``."""
    far: Array = np.abs(picture[0].astype(float) - whole[0]).max(0)
    return far


def _show(panel: Any, picture: Array, title: str) -> None:
    panel.set_axis_off()
    panel.set_title(title)
    panel.imshow(picture, cmap="inferno", vmin=0, vmax=1, interpolation="antialiased")


def _difference(panel: Any, far: Array, name: str) -> None:
    """A map of the difference times the power of ten that shows most of it."""
    if not far.any():
        _show(panel, far, f"{name}\nno difference at all")
        return
    power = int(np.floor(-np.log10(np.quantile(far, 0.995))))
    _show(panel, far * 10.0**power, f"{name}\ndifference × {10**power:,}, at most {far.max():.4f}")


def _profiles(panel: Any, whole: Array, made: Mapping[str, Array], tile: int) -> None:
    """The median difference of each column around the seam between the second and the third tile."""
    columns = range(2 * tile - NEAR, 2 * tile + NEAR)
    for (name, picture), colour in zip(made.items(), COLOURS, strict=True):
        far = np.median(distance(picture, whole), 0)[columns]
        width = 1.4 if far.any() else 2.5
        panel.plot(np.array(columns) - 2 * tile, np.maximum(far, LEAST), color=colour, label=name, linewidth=width)
    panel.set(yscale="log", ylim=(LEAST / 2, None), xlim=(-NEAR, NEAR - 1))
    panel.set(xlabel="columns from a seam of the tiles", ylabel="median difference")
    ticks = [10.0**power for power in range(-8, 0, 2)]
    panel.set_yticks([LEAST, *ticks], ["0", *_powers(ticks)])
    panel.minorticks_off()
    panel.patch.set_alpha(0)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1))


def _powers(ticks: Iterable[float]) -> list[str]:
    return [f"$10^{{{round(np.log10(tick))}}}$" for tick in ticks]


def _palette(path: Path) -> None:
    """The same picture in 256 colours, a third of the bytes."""
    from PIL import Image

    with Image.open(path) as picture:
        small = picture.quantize(256, method=Image.Quantize.FASTOCTREE)
    small.save(path, optimize=True)
