"""A picture that can be looked at: in a notebook, in a terminal, or written to a file of any kind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from ..errors import Reason, UnstrideError
from ..geometry import to_wire
from . import views
from .document import scene_document
from .drawing import lay_out
from .example import Example
from .page import to_page
from .raster import Progress, to_gif, to_png
from .scene import Scene, View
from .shapes import Drawing
from .svg import to_svg
from .terminal import WIDTH, to_text

KINDS = (".svg", ".png", ".gif", ".html", ".txt")
THEMES = ("auto", "light", "dark")


@dataclass(frozen=True)
class Picture:
    """One view of one layer, or of several that are compared."""

    view: View
    examples: tuple[Example, ...]

    @cached_property
    def scene(self) -> Scene:
        """What is on the finished picture."""
        return views.still(self.view, self.examples)

    @cached_property
    def steps(self) -> tuple[Scene, ...]:
        """What is on it step by step; one scene only for a view that does not move."""
        found = views.steps(self.view, self.examples)
        return tuple(views.moment(self.view, self.examples, step) for step in found) or (self.scene,)

    @cached_property
    def frames(self) -> tuple[Drawing, ...]:
        """The steps laid out, all of one size."""
        return lay_out(self.steps)

    @cached_property
    def drawing(self) -> Drawing:
        """The finished picture laid out."""
        (found,) = lay_out([self.scene])
        return found

    def svg(self, theme: str = "auto") -> str:
        """The finished picture as SVG; ``theme`` is auto (the reader's preference), light or dark."""
        return to_svg(self.drawing, _theme(theme))

    def png(self, theme: str = "light") -> bytes:
        """The finished picture as PNG, two pixels to a unit; needs Pillow."""
        return to_png(self.drawing, _plain(theme))

    def gif(self, theme: str = "light", progress: Progress | None = None) -> bytes:
        """The steps as an animated GIF; needs Pillow."""
        return to_gif(self.frames, _plain(theme), progress)

    def html(self, theme: str = "auto") -> str:
        """A page of its own, with a player where there are steps."""
        return to_page(self.frames, [_words(scene) for scene in self.steps], _theme(theme))

    def text(self, width: int = WIDTH, *, colour: bool = False) -> str:
        """The finished picture as text."""
        return to_text(self.scene, width, colour=colour)

    def as_json(self) -> dict[str, Any]:
        """What is on the finished picture, as JSON values."""
        return {**scene_document(self.scene), "axes": [to_wire(each.layer)["axes"] for each in self.examples]}

    def save(self, path: str | os.PathLike[str], theme: str = "auto", progress: Progress | None = None) -> Path:
        """Write it in the kind that the name ends in: .svg, .png, .gif, .html or .txt.

        The file is whole or untouched. Raises UnstrideError for other endings and where the file cannot be written.
        """
        target = Path(path)
        makers: dict[str, Callable[[], str | bytes]] = {
            ".svg": lambda: self.svg(theme),
            ".png": lambda: self.png(theme),
            ".gif": lambda: self.gif(theme, progress),
            ".html": lambda: self.html(theme),
            ".txt": lambda: f"{self.text()}\n",
        }
        made = makers[checked_kind(target)]()
        _write(target, made if isinstance(made, bytes) else made.encode())
        return target

    def __str__(self) -> str:
        return self.text()

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_html_(self) -> str:
        if len(self.frames) == 1:
            return self.svg()
        height = round(self.frames[0].height) + 130
        style = "width:100%;max-width:1000px;border:0"
        title = escape(self.drawing.title)
        page = escape(self.html())
        look = f'style="{style};height:{height}px" sandbox="allow-scripts"'
        return f'<iframe title="{title}" {look} srcdoc="{page}"></iframe>'


def checked_kind(path: Path) -> str:
    """The ending of a file that can be written; UnstrideError for another one."""
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise UnstrideError(Reason.FILE, f"must end in {', '.join(KINDS)}", argument="file", value=str(path))
    return kind


def _theme(theme: str) -> str:
    if theme not in THEMES:
        raise UnstrideError(Reason.ARGUMENT, f"must be one of {', '.join(THEMES)}", argument="theme", value=theme)
    return theme


def _plain(theme: str) -> str:
    """A raster picture cannot ask for the reader's preference."""
    return "light" if _theme(theme) == "auto" else theme


def _words(scene: Scene) -> str:
    return scene.notes[0] if scene.notes else scene.subtitle


def _write(path: Path, data: bytes) -> None:
    """Through a temporary file beside the target, so that the target is whole or untouched."""
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        rule = f"cannot be written: {error.strerror}"
        raise UnstrideError(Reason.FILE, rule, argument="file", value=str(path)) from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
