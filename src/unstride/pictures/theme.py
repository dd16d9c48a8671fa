"""Roles → colours, for light and for dark pages.

The hues are those of Okabe and Ito's palette, which readers with any common colour blindness tell apart; cells are
tinted with them so that text on every cell has a contrast of at least 4.5 : 1, and crops, pads and bare elements are
marked by lines as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

HEAT_STEPS = 6
"""Colours of a heat map, faint to strong"""


@dataclass(frozen=True, slots=True)
class Theme:
    """One colour for each thing, as ``#rrggbb``."""

    name: str
    fills: Mapping[str, str]
    """behind cells and page, by role"""
    inks: Mapping[str, str]
    """lines and text"""


LIGHT = Theme(
    "light",
    {
        "page": "#ffffff",
        "small": "#bfe3f7",
        "kernel": "#fbe3a6",
        "large": "#d2f0e3",
        "overlap": "#9fdcc4",
        "cropped": "#ececec",
        "padded": "#f3f3f3",
        "bare": "#ffffff",
        "outside": "#ffffff",
        "zero": "#fafafa",
        "pending": "#ffffff",
        "elided": "#ffffff",
        "active": "#ffc9a3",
        "heat0": "#e6f1fa",
        "heat1": "#c3def2",
        "heat2": "#93c6e8",
        "heat3": "#5aa9da",
        "heat4": "#0072b2",
        "heat5": "#004d7a",
        "below0": "#fdeee3",
        "below1": "#fbd6bd",
        "below2": "#f5b48a",
        "below3": "#e98a4f",
        "below4": "#b34700",
        "below5": "#7a3000",
    },
    {
        "ink": "#1a1a1a",
        "faint": "#5f5f5f",
        "inverse": "#ffffff",
        "edge": "#9a9a9a",
        "hatch": "#c6c6c6",
        "box": "#0b6b50",
        "accent": "#b34700",
        "box1": "#005f96",
        "box2": "#b34700",
        "box3": "#8a3a6b",
        "box4": "#4d4d00",
    },
)

DARK = Theme(
    "dark",
    {
        "page": "#16191d",
        "small": "#174a66",
        "kernel": "#4f3e0a",
        "large": "#12463a",
        "overlap": "#16664f",
        "cropped": "#2c2f33",
        "padded": "#24272b",
        "bare": "#16191d",
        "outside": "#16191d",
        "zero": "#1c1f24",
        "pending": "#16191d",
        "elided": "#16191d",
        "active": "#b04a00",
        "heat0": "#1b2a36",
        "heat1": "#1d3f57",
        "heat2": "#1f587f",
        "heat3": "#1f6fa5",
        "heat4": "#6cb8e6",
        "heat5": "#bfe3f7",
        "below0": "#33231a",
        "below1": "#54331e",
        "below2": "#77441f",
        "below3": "#9c5115",
        "below4": "#f0a673",
        "below5": "#fcd9bf",
    },
    {
        "ink": "#f2f2f2",
        "faint": "#a9adb2",
        "inverse": "#101214",
        "edge": "#63686e",
        "hatch": "#4a4f55",
        "box": "#3fc79b",
        "accent": "#ffbe8f",
        "box1": "#56b4e9",
        "box2": "#ff9a57",
        "box3": "#e39ac6",
        "box4": "#e6d84a",
    },
)

THEMES = {theme.name: theme for theme in (LIGHT, DARK)}


def heat(level: float) -> str:
    """The fill of a level in −1…1.

    >>> heat(0.1), heat(1.0), heat(-0.7)
    ('heat0', 'heat5', 'below3')
    """
    return f"{'below' if level < 0 else 'heat'}{min(HEAT_STEPS - 1, max(0, round(abs(level) * HEAT_STEPS) - 1))}"


def ink_on(fill: str) -> str:
    """The ink for text on a fill."""
    return "inverse" if fill in ("heat4", "heat5", "below4", "below5") else "ink"
