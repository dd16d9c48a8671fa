"""Text fits, colours can be read and told apart, SVG is well formed and carries its words."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageFont

from unstride import draw
from unstride.geometry import Axis, Layer
from unstride.pictures import views
from unstride.pictures.cells import CELL_INSET
from unstride.pictures.drawing import lay_out
from unstride.pictures.lettering import fitted, text_width, wrapped
from unstride.pictures.scene import Role
from unstride.pictures.shapes import Label, Rectangle
from unstride.pictures.svg import to_svg
from unstride.pictures.theme import HEAT_STEPS, THEMES, Theme, heat, ink_on

from .cases import CASES, KERNEL, LECTURE, X

SVG = "{http://www.w3.org/2000/svg}"
FAINT_ON = ("page", "cropped", "padded", "bare", "zero")
FONTS = Path(mpl.get_data_path()) / "fonts" / "ttf"


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1…21 (WCAG 2, relative luminance)."""
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_svg_is_well_formed_and_tells_what_it_shows(name: str) -> None:
    picture = CASES[name]()
    root = ET.fromstring(picture.svg())  # noqa: S314  # our own text
    title, text = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert text is not None
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == f"{title.get('id')} {text.get('id')}"
    assert picture.scene.title in (title.text or "")
    assert "onvolution from" in (text.text or "")


@pytest.mark.parametrize("name", CASES)
def test_text_stays_in_its_cell_and_on_the_page(name: str) -> None:
    picture = CASES[name]()
    moments = views.steps(picture.view, picture.examples)[1:3]
    scenes = [views.moment(picture.view, picture.examples, step) for step in moments]
    for drawing in (picture.drawing, *(lay_out(scenes) if scenes else ())):
        cells = {(r.x, r.y): r for r in drawing.back if isinstance(r, Rectangle) and r.width == r.height}
        for label in (item for item in (*drawing.back, *drawing.front) if isinstance(item, Label)):
            left = label.x - {"start": 0, "middle": 0.5, "end": 1}[label.anchor] * label.width
            assert left >= -0.5, label
            assert left + label.width <= drawing.width + 0.5, label
            assert 0 <= label.y <= drawing.height
            for cell in cells.values():
                if cell.x < label.x < cell.x + cell.width and cell.y < label.y < cell.y + cell.height:
                    assert label.width <= cell.width - CELL_INSET / 3, (label, cell)


@pytest.mark.parametrize("name", CASES)
def test_a_legend_names_every_role_on_the_picture(name: str) -> None:
    scene = CASES[name]().scene
    roles = {cell.role for grid in scene.grids for cell in grid.cells} - {Role.ELIDED, Role.OUTSIDE}
    assert roles <= set(dict(scene.words))


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_text_has_contrast(theme: Theme) -> None:
    for name, fill in theme.fills.items():
        assert contrast(theme.inks[ink_on(name)], fill) >= 4.5, name
    for name in FAINT_ON:
        assert contrast(theme.inks["faint"], theme.fills[name]) >= 4.5, name
    for name in ("box", "accent", "box1", "box2", "box3", "box4"):
        assert contrast(theme.inks[name], theme.fills["page"]) >= 4.5, name
        assert contrast(theme.inks[name], theme.fills["large"]) >= 3, name
    assert contrast(theme.inks["accent"], theme.fills["active"]) >= 3


# linear simulation of missing cones on linear RGB: Viénot, Brettel and Mollon, 1999 (protan, deutan)
CONES = {
    "none": np.eye(3),
    "protan": np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]]),
    "deutan": np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]]),
}


@pytest.mark.parametrize("cones", CONES)
@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_fills_are_told_apart_without_a_kind_of_cone(theme: Theme, cones: str) -> None:
    def seen(name: str) -> np.ndarray:
        rgb = np.array([int(theme.fills[name][at : at + 2], 16) / 255 for at in (1, 3, 5)]) ** 2.2
        mixed: np.ndarray = np.clip(CONES[cones] @ rgb, 0, 1) ** (1 / 2.2)
        return mixed

    for one, other in combinations(("small", "kernel", "large", "active"), 2):
        assert np.abs(seen(one) - seen(other)).max() > 0.06, (one, other)
    for name in ("heat", "below"):
        steps = [seen(f"{name}{step}").sum() for step in range(HEAT_STEPS)]
        assert steps in (sorted(steps), sorted(steps, reverse=True))
    for step in range(HEAT_STEPS):
        assert np.abs(seen(f"heat{step}") - seen(f"below{step}")).max() > 0.06, step


@given(st.floats(0.001, 1.0), st.sampled_from([-1, 1]))
def test_a_stronger_level_never_has_a_fainter_colour(level: float, sign: int) -> None:
    assert heat(sign * level / 2) <= heat(sign * level)


@given(st.text("0123456789−.,…eaxw·[]=+ ", min_size=1, max_size=12), st.floats(6, 40), st.floats(8, 60))
def test_fitted_text_fits(text: str, size: float, room: float) -> None:
    shown, height = fitted(text, room, size)
    assert height <= max(size, 7.0)
    assert text_width(shown, height) <= room + 1e-9 or shown == "…"
    assert text.startswith(shown.removesuffix("…"))


@given(st.text("abc ,×1", max_size=80), st.floats(40, 300))
def test_wrapped_lines_fit_and_lose_nothing_but_blanks(text: str, room: float) -> None:
    lines = wrapped(text, room, 12, most=100)
    assert all(text_width(line, 12) <= room for line in lines if "×" not in line)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(("file", "bold", "mono"), [("", False, False), ("-Bold", True, False), ("Mono", False, True)])
def test_estimated_widths_are_upper_bounds(file: str, bold: bool, mono: bool) -> None:
    font = ImageFont.truetype(str(FONTS / f"DejaVuSans{file}.ttf"), 100)
    written = [label.text for name in CASES for label in CASES[name]().drawing.back if isinstance(label, Label)]
    for text in dict.fromkeys(written):
        assert font.getlength(text) <= 1.06 * text_width(text, 100, bold=bold, mono=mono), text


def test_a_theme_may_be_chosen() -> None:
    picture = draw(LECTURE, x=X, kernel=KERNEL)
    assert "prefers-color-scheme" in picture.svg()
    assert "prefers-color-scheme" not in picture.svg("dark")
    assert THEMES["dark"].fills["page"] in picture.svg("dark")


def test_hostile_names_are_text_only() -> None:
    picture = draw("Conv1DTranspose(1, 2, name='<script>alert(1)</script>&\\u0007]]>')", (1, 3, 1))
    text = picture.svg() + picture.html()
    assert "<script>alert" not in text
    assert "\x07" not in text
    ET.fromstring(picture.svg())  # noqa: S314  # our own text


def test_numbers_are_rounded_and_sized_alike_in_all_frames() -> None:
    x, kernel = [0.123456, 7, -123.25, 2000], [1, 0.987654321, 3]
    frames = draw("Conv1DTranspose(1, 3, strides=2)", x=x, kernel=kernel).film.frames
    last = {(label.x, label.y): label for label in frames[-1].back if isinstance(label, Label)}
    for frame in frames:
        for label in (item for item in frame.back if isinstance(item, Label)):
            other = last.get((label.x, label.y))
            if other is not None and label.anchor == "middle":
                assert label.size == other.size


def test_long_numbers_are_rounded_before_they_are_cut() -> None:
    layer = Layer((Axis(12, 12, 1),), 1, 1)
    drawing = draw(layer, x=[-0.123456 * (n + 1) for n in range(12)], kernel=[1.0], view="gather").drawing
    assert not any("…" in label.text for label in drawing.back if isinstance(label, Label))


def test_steps_share_one_size() -> None:
    frames = draw(LECTURE, x=X, kernel=KERNEL, view="gather").film.frames
    assert len({(frame.width, frame.height) for frame in frames}) == 1


def test_svg_numbers_have_one_place_at_most() -> None:
    (drawing,) = lay_out([draw(LECTURE, x=X, kernel=KERNEL).scene])
    assert not re.search(r'="\d+\.\d\d', to_svg(drawing))
