"""Sections of prose and how they are shown: plain text, a rich renderable, an HTML fragment. No facts here."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, slots=True)
class Section:
    """A title and its lines; an indented line belongs to the one above it."""

    title: str
    lines: tuple[str, ...]


def as_text(heading: tuple[str, ...], sections: tuple[Section, ...]) -> str:
    """Plain text, an empty line between sections."""
    blocks = ["\n".join(heading)]
    blocks += ["\n".join([section.title, *(f"  {line}" for line in section.lines)]) for section in sections]
    return "\n\n".join(blocks)


def as_rich(heading: tuple[str, ...], sections: tuple[Section, ...]) -> RenderableType:
    """A rich renderable: titles in colour, nothing in the text read as markup."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    parts: list[RenderableType] = [Text(heading[0], style="bold"), *map(Text, heading[1:])]
    for section in sections:
        parts += [Text(""), Text(section.title, style="bold cyan")]
        for line in section.lines:
            text = line.lstrip()
            # the wrapped part of a long line stays under its beginning
            parts.append(Padding(Text(text), (0, 0, 0, 2 + len(line) - len(text))))
    return Group(*parts)


def as_html(heading: tuple[str, ...], sections: tuple[Section, ...]) -> str:
    """A self-contained fragment: no script, no stylesheet, every text escaped."""
    parts = ['<section class="unstride-explanation" style="font-family:system-ui,sans-serif;line-height:1.5">']
    parts.append(f"<p><code><strong>{escape(heading[0])}</strong></code>")
    parts += [f"<br>{escape(line)}" for line in heading[1:]]
    parts.append("</p>")
    for section in sections:
        lines = "\n".join(map(escape, section.lines))
        parts.append(f"<h4>{escape(section.title)}</h4>")
        parts.append(f'<pre style="white-space:pre-wrap;margin:0 0 0 1em">{lines}</pre>')
    return "\n".join([*parts, "</section>"])


def count(number: int, noun: str) -> str:
    """A number with its noun in the singular or plural."""
    return f"{number:,} {noun}{'' if number == 1 else 'es' if noun.endswith('s') else 's'}"
