"""The picture: for every case, how many times as long as unstride each peer takes."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Reason, UnstrideError
from . import compare
from .compare import Table
from .peers import PEERS
from .results import Group

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SUFFIXES = (".svg", ".png")
_MARKS = {
    "torch": ("#D55E00", "o"),
    "tensorflow": ("#E69F00", "s"),
    "jax": ("#009E73", "^"),
    "onnxruntime": ("#0072B2", "D"),
    "openvino": ("#CC79A7", "v"),
}
"""colours that stay apart for colour-blind eyes (Okabe and Ito 2008), and shapes for print without colour"""
_NAMES = {
    "torch": "PyTorch",
    "tensorflow": "TensorFlow",
    "jax": "JAX",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
}
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "unstride",
    "svg.fonttype": "none",
    "font.size": 9,
    "font.family": "sans-serif",
}


def check(path: str) -> None:
    """Before anything is measured: UnstrideError for a name, a folder or an installation that cannot give a picture."""
    if Path(path).suffix.lower() not in _SUFFIXES:
        rule = f"must end in {' or '.join(_SUFFIXES)}"
        raise UnstrideError(Reason.FILE, rule, argument="--plot", value=path)
    if find_spec("matplotlib") is None:
        raise UnstrideError(
            Reason.ARGUMENT,
            "needs matplotlib, which is not installed",
            argument="--plot",
            value=path,
            hint="pip install matplotlib, or write the figures with --output results.json",
        )


def draw(groups: Sequence[Group], path: str) -> None:
    """Write the picture, SVG or PNG as the name ends."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = _panels(groups)
    names = list(dict.fromkeys(group.case.name for group in groups))
    columns = max(1, min(3, len(panels)))
    lines = max(1, -(-len(panels) // columns))
    with mpl.rc_context(_STYLE):
        figure = Figure(
            figsize=(max(7.6, 1.9 + 3.3 * columns), 1.15 + lines * (0.8 + 0.22 * len(names))), layout="constrained"
        )
        FigureCanvasAgg(figure)
        axes = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
        flat = list(axes.flat)
        for table, axis in zip(panels, flat, strict=False):
            _panel(axis, groups, table, names)
        for axis in flat[len(panels) :]:
            axis.remove()
        _legend(figure, flat)
        figure.supxlabel(
            "time of the peer / time of unstride, each in its best layout (right of 1: unstride is faster)", fontsize=9
        )
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.lower().endswith(".svg") else None)


def _panels(groups: Sequence[Group]) -> list[Table]:
    """One for each direction and number of threads: the prepared calls, where there are any."""
    found: dict[tuple[int, str], Table] = {}
    for table in compare.tables(groups):
        found[table.threads, table.direction] = table  # prepared comes after functional
    order = list(dict.fromkeys(direction for _, direction in found))
    return sorted(found.values(), key=lambda table: (table.threads, order.index(table.direction)))


def _panel(axis: Axes, groups: Sequence[Group], table: Table, names: list[str]) -> None:
    import numpy as np
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    threads = "1 thread" if table.threads == 1 else f"{table.threads} threads"
    call = f", {table.call}" if table.direction == "forward" else ""
    axis.set_title(f"{table.direction.replace('_', ' ')}{call}, {threads}", loc="left", fontsize=9)
    axis.axvline(1, color="0.25", linewidth=1)
    axis.hlines(np.arange(len(names)), 0, 1, transform=axis.get_yaxis_transform(), color="0.9", linewidth=0.8, zorder=0)
    for peer, (colour, marker) in _MARKS.items():
        found = compare.best_ratios(groups, table, peer)
        places = [names.index(name) for name in found]
        axis.scatter(
            list(found.values()),
            places,
            s=24,
            color=colour,
            marker=marker,
            label=_NAMES[peer],
            zorder=3,
            linewidths=0.5,
            edgecolors="white",
        )
    axis.set_xscale("log")
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.xaxis.set_major_locator(LogLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.tick_params(length=0, axis="y")
    axis.spines[["top", "right", "left"]].set_visible(False)


def _legend(figure: Any, axes: Sequence[Axes]) -> None:
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(PEERS), frameon=False, handletextpad=0.2)
