"""One self-contained HTML page: the picture, and where it has steps, a player for them.

Items that all frames share are written once; every other item is written once too, and a frame is the list of those
it shows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from .shapes import Drawing, Item, Rectangle
from .svg import item_text, opening, plain, to_svg

PAGE_BYTES = 4_000_000
"""Most bytes of a page; of a longer animation the first frames and the last are kept"""
STEP_MILLISECONDS = 800

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""the page asks nothing of any other place"""


def to_page(frames: Sequence[Drawing], words: Sequence[str], theme: str = "auto") -> str:
    """The page for frames and what each of them tells."""
    if len(frames) == 1:
        return _document(frames[0], to_svg(frames[0], theme), script="")
    body = _player(frames, words, theme)
    while len(body.encode()) > PAGE_BYTES and len(frames) > 2:
        keep = len(frames) // 2
        frames, words = (*frames[: keep - 1], frames[-1]), (*words[: keep - 1], words[-1])
        body = _player(frames, words, theme)
    return _document(frames[-1], body, script=f'<script type="module">{_part("player.js")}</script>')


@dataclass(frozen=True, slots=True)
class _Shared:
    """Frames taken apart."""

    ground: tuple[Item, ...]
    """what all frames share and others may lie on"""
    moving: tuple[Item, ...]
    """what some frames show, each once; what is filled before what is written on it"""
    words: tuple[Item, ...]
    """what all frames share and nothing covers"""
    front: tuple[Item, ...]
    shown: tuple[tuple[int, ...], ...]
    """for each frame, the places of its moving items"""

    @classmethod
    def of(cls, frames: Sequence[Drawing]) -> _Shared:
        everywhere = set(frames[0].back).intersection(*(frame.back for frame in frames[1:]))
        common = [item for item in dict.fromkeys(frames[0].back) if item in everywhere]
        moving = dict.fromkeys(item for frame in frames for item in frame.back if item not in everywhere)
        places = {item: place for place, item in enumerate(sorted(moving, key=_is_words))}
        shown = tuple(tuple(places[item] for item in frame.back if item not in everywhere) for frame in frames)
        ground, words = ([item for item in common if _is_words(item) is wanted] for wanted in (False, True))
        return cls(tuple(ground), tuple(places), tuple(words), frames[-1].front, shown)


def _is_words(item: Item) -> bool:
    return not isinstance(item, Rectangle)


def _player(frames: Sequence[Drawing], words: Sequence[str], theme: str) -> str:
    shared, last = _Shared.of(frames), len(frames) - 1
    items = (*shared.ground, *shared.moving, *shared.words, *shared.front)
    on = set(shared.shown[last])
    ground, above = ("\n".join(map(item_text, items)) for items in (shared.ground, (*shared.words, *shared.front)))
    moving = "\n".join(_switched(item, at in on) for at, item in enumerate(shared.moving))
    told = {"frames": shared.shown, "words": words, "milliseconds": STEP_MILLISECONDS}
    data = json.dumps(told, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"""{opening(frames[last], items, theme)}
{ground}
<g id="moving">
{moving}
</g>
{above}
</svg>
<div class="controls" role="group" aria-label="steps">
<button id="back" type="button" aria-label="one step back">◀</button>
<button id="play" type="button">Play</button>
<button id="next" type="button" aria-label="one step on">▶</button>
<input id="slider" type="range" min="0" max="{last}" value="{last}" aria-label="step">
<output id="told" aria-live="polite">{plain(words[last])}</output>
</div>
<script type="application/json" id="frames">{data}</script>"""


def _switched(item: Item, on: bool) -> str:
    """The item in a group of its own, which the player switches."""
    return f'<g class="on">{item_text(item)}</g>' if on else f"<g>{item_text(item)}</g>"


def _document(drawing: Drawing, body: str, script: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{plain(drawing.title)}</title>
<style>
{_part("player.css")}</style>
</head>
<body>
<main>
<h1 class="unseen">{plain(drawing.title)}</h1>
{body}
</main>
{script}
</body>
</html>
"""


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
