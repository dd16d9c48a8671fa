"""PNG and animated GIF, through Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

from ..errors import Reason, UnstrideError
from .drawing import Progress, counted
from .shapes import Drawing, Item, Label, Rectangle
from .theme import THEMES, Theme

if TYPE_CHECKING:
    from PIL.Image import Image

SCALE = 2.0
"""Pixels of a PNG to one user unit"""
PIXELS_LIMIT = 24_000_000
"""Most pixels of a picture; a larger drawing is drawn smaller"""
GIF_SCALE = 1.0
NEAR = 5
"""Levels between colours that a GIF keeps apart"""
GIF_BYTES = 8_000_000
"""Most bytes of a GIF; it is drawn smaller until it fits"""
STEP_SECONDS, END_SECONDS = 0.8, 3.0

FONTS = {
    (False, False): ("DejaVuSans.ttf", "Arial.ttf", "arial.ttf", "LiberationSans-Regular.ttf"),
    (True, False): ("DejaVuSans-Bold.ttf", "Arial Bold.ttf", "arialbd.ttf", "LiberationSans-Bold.ttf"),
    (False, True): ("DejaVuSansMono.ttf", "Menlo.ttc", "consola.ttf", "LiberationMono-Regular.ttf"),
    (True, True): ("DejaVuSansMono-Bold.ttf", "Menlo.ttc", "consolab.ttf", "LiberationMono-Bold.ttf"),
}
PLAIN = str.maketrans({"−": "-", "×": "x", "→": ">", "⋯": "…", "⋮": ":", "⋱": "…", "Σ": "sum"})
"""for the font that Pillow brings, which lacks these signs"""


def to_png(drawing: Drawing, theme: str = "light") -> bytes:
    """The drawing as a PNG file."""
    stream = BytesIO()
    _painted(drawing, THEMES[theme], _scale(drawing, SCALE)).save(stream, "PNG")
    return stream.getvalue()


def to_gif(frames: Sequence[Drawing], theme: str = "light", progress: Progress | None = None) -> bytes:
    """The drawings one after the other, over and over, the last one longer."""
    scale = _scale(frames[0], GIF_SCALE)
    while True:
        data = _animated(frames, THEMES[theme], scale, progress)
        if len(data) <= GIF_BYTES or scale < 0.4:
            return data
        scale *= 0.7


def _scale(drawing: Drawing, wanted: float) -> float:
    return float(min(wanted, (PIXELS_LIMIT / (drawing.width * drawing.height)) ** 0.5))


def _animated(frames: Sequence[Drawing], theme: Theme, scale: float, progress: Progress | None) -> bytes:
    palette, plain = _palette(theme), _pillow().Image.Dither.NONE
    told = counted(frames, "frames painted", progress)
    images = [_painted(frame, theme, scale).quantize(palette=palette, dither=plain) for frame in told]
    stream = BytesIO()
    durations = [int(1000 * STEP_SECONDS)] * (len(images) - 1) + [int(1000 * END_SECONDS)]
    first, *others = images
    first.save(stream, "GIF", save_all=True, append_images=others, duration=durations, loop=0, disposal=1)
    return stream.getvalue()


def _palette(theme: Theme) -> Image:
    """The theme's own colours, and the shades at the edges of ink on each fill."""
    fills, inks = list(theme.fills.values()), list(theme.inks.values())
    pairs = [*((fill, theme.inks["ink"]) for fill in fills), *((theme.fills["page"], ink) for ink in inks)]
    shades = [_mixed(fill, ink, part) for fill, ink in pairs for part in (0.25, 0.5, 0.75)]
    colours: list[tuple[int, int, int]] = []
    for colour in (*map(_parts, (*fills, *inks)), *shades):
        # the nearest colour is found in steps of a few levels: two that are closer would stand for each other
        if all(max(abs(a - b) for a, b in zip(colour, known, strict=True)) > NEAR for known in colours):
            colours.append(colour)
    image: Image = _pillow().Image.new("P", (1, 1))
    image.putpalette([part for colour in colours[:256] for part in colour])
    return image


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _mixed(one: str, other: str, part: float) -> tuple[int, int, int]:
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(_parts(one), _parts(other), strict=True))
    return red, green, blue


def _painted(drawing: Drawing, theme: Theme, scale: float) -> Image:
    pillow = _pillow()
    size = round(drawing.width * scale), round(drawing.height * scale)
    image: Image = pillow.Image.new("RGB", size, theme.fills["page"])
    canvas = pillow.ImageDraw.Draw(image)
    for item in (*drawing.back, *drawing.front):
        _paint(canvas, item, theme, scale)
    return image


def _paint(canvas: Any, item: Item, theme: Theme, scale: float) -> None:
    if isinstance(item, Label):
        _write(canvas, item, theme, scale)
    elif isinstance(item, Rectangle):
        _fill(canvas, item, theme, scale)
    else:
        ends = [(x * scale, y * scale) for x, y in (item.start, item.stop)]
        canvas.line(ends, theme.inks[item.ink], max(1, round(item.thickness * scale)))


def _write(canvas: Any, item: Label, theme: Theme, scale: float) -> None:
    font, complete = _font(round(item.size * scale), item.bold, item.mono)
    text = item.text if complete else item.text.translate(PLAIN)
    anchor = {"start": "lm", "middle": "mm", "end": "rm"}[item.anchor]
    canvas.text((item.x * scale, item.y * scale), text, theme.inks[item.ink], font, anchor)


def _fill(canvas: Any, item: Rectangle, theme: Theme, scale: float) -> None:
    left, top = item.x * scale, item.y * scale
    right, bottom = left + item.width * scale, top + item.height * scale
    if item.fill:
        canvas.rectangle((left, top, right, bottom), theme.fills[item.fill])
    if not item.line:
        return
    ink, width = theme.inks[item.line], max(1, round(item.thickness * scale))
    for x1, y1, x2, y2 in (
        (left, top, right, top),
        (left, bottom, right, bottom),
        (left, top, left, bottom),
        (right, top, right, bottom),
    ):
        for start, stop in _dashes(max(x2 - x1, y2 - y1), scale) if item.dashed else ((0.0, max(x2 - x1, y2 - y1)),):
            ends = (x1 + start, y1, x1 + stop, y1) if y1 == y2 else (x1, y1 + start, x1, y1 + stop)
            canvas.line(ends, ink, width)


def _dashes(length: float, scale: float) -> list[tuple[float, float]]:
    step = 7 * scale
    return [(start * step, min(length, start * step + 4 * scale)) for start in range(int(length / step) + 1)]


@cache
def _font(size: int, bold: bool, mono: bool) -> tuple[Any, bool]:
    """A font of the machine that has every sign, else the one that Pillow brings."""
    pillow = _pillow()
    for name in FONTS[bold, mono]:
        try:
            return pillow.ImageFont.truetype(name, max(1, size)), True
        except OSError:
            continue
    return pillow.ImageFont.load_default(max(1, size)), False


def _pillow() -> Any:  # the library is optional
    try:
        import PIL.Image
        import PIL.ImageDraw
        import PIL.ImageFont
    except ImportError:
        hint = "pip install 'unstride[pictures]', or write .svg or .html"
        raise UnstrideError(Reason.FILE, "PNG and GIF files need the Pillow library", hint=hint) from None
    return PIL
