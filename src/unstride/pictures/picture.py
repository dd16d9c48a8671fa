"""A picture that can be looked at: in a notebook, in a terminal, or written to a file of any kind."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from ..errors import Reason, UnstrideError
from ..geometry import to_wire
from ..whole import write_whole
from . import views
from .drawing import Progress, counted, lay_out
from .example import Example
from .page import to_page
from .raster import to_gif, to_png
from .scene import Scene, View
from .shapes import Drawing
from .svg import to_svg
from .terminal import WIDTH, to_text

KINDS = (".svg", ".png", ".gif", ".html", ".txt")
THEMES = ("auto", "light", "dark")


@dataclass(frozen=True, slots=True)
class Film:
    """A view step by step; one scene only for a view that does not move."""

    steps: tuple[Scene, ...]
    frames: tuple[Drawing, ...]
    """the steps laid out, all of one size"""

    @classmethod
    def of(cls, view: View, examples: tuple[Example, ...], progress: Progress | None = None) -> Film:
        """Every step drawn."""
        told = counted(views.steps(view, examples), "steps computed", progress)
        steps = tuple(views.moment(view, examples, step) for step in told) or (views.still(view, examples),)
        return cls(steps, lay_out(steps, progress))


@dataclass(frozen=True)
class Picture:
    """One view of one layer, or of several that are compared."""

    view: View
    examples: tuple[Example, ...]
    theme: str = "auto"
    """its colours where no others are asked for: auto (the reader's preference), light or dark"""

    def __post_init__(self) -> None:
        _theme(self.theme)
        if self.view is View.GAIN and any(example.period is None for example in self.examples):
            rule, hint = "is needed for gains: they are sums of its taps", "give kernel=, or --kernel-values"
            raise UnstrideError(Reason.ARGUMENT, rule, argument="kernel", value=None, hint=hint)

    @cached_property
    def scene(self) -> Scene:
        """What is on the finished picture."""
        return views.still(self.view, self.examples)

    @cached_property
    def film(self) -> Film:
        """The picture step by step."""
        return Film.of(self.view, self.examples)

    @cached_property
    def drawing(self) -> Drawing:
        """The finished picture laid out."""
        (found,) = lay_out([self.scene])
        return found

    def svg(self, theme: str | None = None) -> str:
        """The finished picture as SVG; ``theme`` is auto (the reader's preference), light or dark; else its own."""
        return to_svg(self.drawing, _theme(theme or self.theme))

    def png(self, theme: str | None = None) -> bytes:
        """The finished picture as PNG, two pixels to a unit; needs Pillow."""
        return to_png(self.drawing, _plain(theme or self.theme))

    def gif(self, theme: str | None = None, progress: Progress | None = None) -> bytes:
        """The steps as an animated GIF; needs Pillow."""
        shades = _plain(theme or self.theme)
        return to_gif(self._filmed(progress).frames, shades, progress)

    def html(self, theme: str | None = None, progress: Progress | None = None) -> str:
        """A page of its own, with a player where there are steps."""
        colours, film = _theme(theme or self.theme), self._filmed(progress)
        return to_page(film.frames, [_words(scene) for scene in film.steps], colours)

    def _filmed(self, progress: Progress | None) -> Film:
        """The film, made under the caller's eyes if they ask for it."""
        return self.film if progress is None else Film.of(self.view, self.examples, progress)

    def text(self, width: int = WIDTH, *, colour: bool = False) -> str:
        """The finished picture as text."""
        return to_text(self.scene, width, colour=colour)

    def as_json(self) -> dict[str, Any]:
        """What is on the finished picture, as JSON values."""
        return {**self.scene.as_json(), "axes": [to_wire(each.layer)["axes"] for each in self.examples]}

    def save(self, path: str | os.PathLike[str], theme: str | None = None, progress: Progress | None = None) -> Path:
        """Write it in the kind that the name ends in: .svg, .png, .gif, .html or .txt.

        The file is whole or untouched. Raises UnstrideError for other endings and where the file cannot be written.
        """
        target = Path(path)
        makers: dict[str, Callable[[], str | bytes]] = {
            ".svg": lambda: self.svg(theme),
            ".png": lambda: self.png(theme),
            ".gif": lambda: self.gif(theme, progress),
            ".html": lambda: self.html(theme, progress),
            ".txt": lambda: f"{self.text()}\n",
        }
        made = makers[checked_kind(target)]()
        data = made if isinstance(made, bytes) else made.encode()
        write_whole(target, lambda stream: stream.write(data))
        return target

    def __str__(self) -> str:
        return self.text()

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_html_(self) -> str:
        if len(self.film.frames) == 1:
            return self.svg()
        height = round(self.film.frames[0].height) + 130
        style = "width:100%;max-width:1000px;border:0"
        title = escape(self.drawing.title)
        page = escape(self.html())
        look = f'style="{style};height:{height}px" sandbox="allow-scripts"'
        return f'<iframe title="{title}" {look} srcdoc="{page}"></iframe>'


def checked_kind(path: Path) -> str:
    """The ending of a file that can be written; UnstrideError for another one, before anything is drawn."""
    kind, rule = path.suffix.lower(), ""
    if kind not in KINDS:
        rule = f"must end in {', '.join(KINDS)}"
    elif "\0" in str(path):
        rule = "cannot be written: a name holds no zero byte"
    elif not path.parent.is_dir():
        rule = "cannot be written: its folder does not exist"
    elif path.is_dir():
        rule = "cannot be written: it is a folder"
    if rule:
        raise UnstrideError(Reason.FILE, rule, argument="file", value=str(path))
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
