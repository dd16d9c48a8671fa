"""SVG text: self-contained, light and dark by the reader's preference, with a title and a description."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from zlib import crc32

from .shapes import Drawing, Item, Label, Rectangle, Stroke
from .theme import DARK, LIGHT, THEMES, Theme

SANS = "system-ui,'Segoe UI',Roboto,'DejaVu Sans',Arial,sans-serif"
MONOSPACED = "ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace"
CONTROL = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127, *range(0xD800, 0xE000), 0xFFFE, 0xFFFF))
"""signs that XML cannot hold"""


def to_svg(drawing: Drawing, theme: str = "auto") -> str:
    """The drawing as one SVG document; ``theme`` is auto, light or dark."""
    items = (*drawing.back, *drawing.front)
    written = "\n".join(map(item_text, items))
    return f"{opening(drawing, items, theme)}\n{written}\n</svg>"


def opening(drawing: Drawing, items: Iterable[Item], theme: str = "auto") -> str:
    """Everything before the items: size, words for those who do not see it, the colours that the items use."""
    width, height = decimal(drawing.width), decimal(drawing.height)
    name = f"u{crc32(f'{theme} {drawing.title} {drawing.description}'.encode(errors='replace')):08x}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{name}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-labelledby="{name}-title {name}-text">\n'
        f'<title id="{name}-title">{plain(drawing.title)}</title>\n'
        f'<desc id="{name}-text">{plain(drawing.description)}</desc>\n'
        f"<style>{_styles(f'.{name}', *_used(items), theme)}</style>"
    )


def _used(items: Iterable[Item]) -> tuple[list[str], list[str]]:
    """The fills and inks that items use, in the theme's order."""
    names = set()
    for item in items:
        names |= {item.fill, item.line} if isinstance(item, Rectangle) else {item.ink}
    return [name for name in LIGHT.fills if name in names], [name for name in LIGHT.inks if name in names]


def _styles(scope: str, fills: list[str], inks: list[str], theme: str) -> str:
    """The style sheet; every rule begins with the drawing's own class, so that many may stand on one page."""
    first = LIGHT if theme == "auto" else THEMES[theme]
    rules = [f"{scope}{{max-width:100%;height:auto;{_variables(first, fills, inks)}}}"]
    if theme == "auto":
        rules.append(f"@media (prefers-color-scheme:dark){{{scope}{{{_variables(DARK, fills, inks)}}}}}")
    rules += [f"{scope} text{{font-family:{SANS};dominant-baseline:central}}"]
    rules += [f"{scope} .mono{{font-family:{MONOSPACED}}}{scope} .bold{{font-weight:600}}"]
    rules += [f"{scope} .middle{{text-anchor:middle}}{scope} .end{{text-anchor:end}}{scope} .none{{fill:none}}"]
    # the plain colour is for viewers that know no variables
    for name in fills:
        rules.append(f"{scope} .f-{name}{{fill:{first.fills[name]};fill:var(--f-{name})}}")
    for name in inks:
        rules.append(f"{scope} .s-{name}{{stroke:{first.inks[name]};stroke:var(--i-{name})}}")
        rules.append(f"{scope} .t-{name}{{fill:{first.inks[name]};fill:var(--i-{name})}}")
    return "\n".join(rules)


def _variables(theme: Theme, fills: list[str], inks: list[str]) -> str:
    return ";".join(
        (*(f"--f-{name}:{theme.fills[name]}" for name in fills), *(f"--i-{name}:{theme.inks[name]}" for name in inks))
    )


def item_text(item: Item) -> str:
    """One item as one line."""
    if isinstance(item, Stroke):
        (x1, y1), (x2, y2) = item.start, item.stop
        ends = f'x1="{decimal(x1)}" y1="{decimal(y1)}" x2="{decimal(x2)}" y2="{decimal(y2)}"'
        return f'<line class="s-{item.ink}" {ends}{_thickness(item.thickness)}/>'
    if isinstance(item, Rectangle):
        return _rectangle(item)
    return _label(item)


def _rectangle(item: Rectangle) -> str:
    names = " ".join(filter(None, (f"f-{item.fill}" if item.fill else "none", f"s-{item.line}" if item.line else "")))
    place = f'x="{decimal(item.x)}" y="{decimal(item.y)}" width="{decimal(item.width)}" height="{decimal(item.height)}"'
    line = _thickness(item.thickness) if item.line else ""
    dashes = ' stroke-dasharray="4 3"' if item.dashed else ""
    if not item.tip:
        return f'<rect class="{names}" {place}{line}{dashes}/>'
    return f'<rect class="{names}" {place}{line}{dashes}><title>{plain(item.tip)}</title></rect>'


def _label(item: Label) -> str:
    flags = ("mono" if item.mono else "", "bold" if item.bold else "", item.anchor if item.anchor != "start" else "")
    names = " ".join(filter(None, (f"t-{item.ink}", *flags)))
    place = f'x="{decimal(item.x)}" y="{decimal(item.y)}"'
    return f'<text class="{names}" {place} font-size="{decimal(item.size)}">{plain(item.text)}</text>'


def _thickness(thickness: float) -> str:
    return "" if thickness == 1 else f' stroke-width="{decimal(thickness)}"'


def decimal(number: float) -> str:
    """A number with at most one place after the point.

    >>> decimal(12.0), decimal(3.14159)
    ('12', '3.1')
    """
    return f"{number:.1f}".removesuffix(".0")


def plain(text: str) -> str:
    """Text that can be nothing else in SVG or HTML."""
    return escape(text.translate(CONTROL))
