"""How wide text is, at most, without knowing the font: for fitting text into cells and lines."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

NARROW = frozenset("ijlI.,;:'|!()[]· ")
BROAD = frozenset("OQwGDHNU×=+−<>≤≥→")
WIDE = frozenset("mMW⋯⋮⋱…@%—")
MONO = 0.61
"""Width of a monospaced sign, in sizes"""


def text_width(text: str, size: float, *, bold: bool = False, mono: bool = False) -> float:
    """An upper estimate of the width of text in a sans-serif or monospaced font."""
    if mono:
        return MONO * size * len(text)
    return sum(map(_units, text)) * size * (1.1 if bold else 1.0)


def _units(sign: str) -> float:
    if sign in NARROW:
        return 0.4
    if sign in WIDE or ord(sign) > 0x2E80:  # ideographs and pictographs are square
        return 1.0
    if sign in BROAD:
        return 0.84
    return 0.74 if sign.isupper() else 0.64


@lru_cache(16_384)
def fitted(text: str, room: float, size: float, least: float = 7.0) -> tuple[str, float]:
    """The text and its size, made smaller and at last shorter until it fits.

    >>> fitted("10", 40, 14), fitted("−123456.5", 26, 14)
    (('10', 14), ('−12…', 7.0))
    """
    wide = text_width(text, size)
    if wide <= room:
        return text, size
    if wide * least / size <= room:
        return text, int(size * room / wide * 10) / 10
    while text and text_width(f"{text}…", least) > room:
        text = text[:-1]
    return f"{text}…", least


def wrapped(text: str, room: float, size: float, *, mono: bool = False, most: int = 6) -> list[str]:
    """The text in lines no wider than ``room``, broken after spaces and commas; at most ``most`` of them.

    >>> wrapped("input 2 × 2, kernel 3 × 3", 90, 12)
    ['input 2 × 2,', 'kernel 3 × 3']
    """
    lines, line = [], ""
    for word in _pieces(text, room, size, mono=mono):
        if line and text_width(f"{line}{word}".rstrip(), size, mono=mono) > room:
            lines.append(line.rstrip())
            line = ""
        line += word
    lines.append(line.rstrip())
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1][:-1]}…"]
    return [line for line in lines if line]


def _pieces(text: str, room: float, size: float, *, mono: bool) -> Iterator[str]:
    """Words; one that is wider than the room in pieces that are not."""
    taken = max(1, int(room / size))
    for word in _words(text):
        if text_width(word.rstrip(), size, mono=mono) <= room:
            yield word
        else:
            yield from (word[start : start + taken] for start in range(0, len(word), taken))


def _words(text: str) -> list[str]:
    """Pieces that are not broken: words, and sizes with the signs between them."""
    words, word = [], ""
    for at, sign in enumerate(text):
        word += sign
        if sign in " ," and "×" not in text[max(0, at - 1) : at + 2]:
            words.append(word)
            word = ""
    return [*words, word]
