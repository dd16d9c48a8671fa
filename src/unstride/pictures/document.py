"""A scene as JSON values."""

from __future__ import annotations

from math import isfinite
from typing import Any

from .scene import Cell, Grid, Number, Scene


def scene_document(scene: Scene) -> dict[str, Any]:
    """Everything that is on a scene."""
    return {
        "view": str(scene.view),
        "title": scene.title,
        "description": scene.description,
        "notes": list(scene.notes),
        "panels": [{"title": panel.title, "grids": [_grid(grid) for grid in panel.grids]} for panel in scene.panels],
    }


def _grid(grid: Grid) -> dict[str, Any]:
    return {
        "caption": grid.caption,
        "rows": [[run.start, run.stop] for run in grid.rows.runs],
        "columns": [[run.start, run.stop] for run in grid.columns.runs],
        "boxes": [{"name": box.name, "start": list(box.start), "stop": list(box.stop)} for box in grid.boxes],
        "cells": [_cell(cell) for cell in grid.cells if cell.index],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {"index": list(cell.index), "role": str(cell.role), "value": _plain(cell.value), "active": cell.active}


def _plain(value: Number | None) -> object:
    """JSON has no complex numbers and none that are not finite."""
    if isinstance(value, complex):
        return [_plain(value.real), _plain(value.imag)]
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value
